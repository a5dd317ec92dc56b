"""bench.check results: what cannot be in submitted records, each in one sentence, all of them."""

import json

import pytest
import samples
from homes import few_images

from bench import check
from bench.audit import replica
from bench.audit.submission import findings
from bench.command import console
from tasks.figures.tasks import FiguresClassification

TOTAL = 114_196
"""Prunable weights of supernet/tiny."""
KEPT = TOTAL - round(0.9 * TOTAL)
SIZES = {"sparsity": 1 - KEPT / TOTAL, "remaining": KEPT / TOTAL, "parameters": KEPT}
REDRAW = (
    "python -m bench.run --source cls --target none --drawer omp --sparsity 0.9 --seed {seed} --host supernet/tiny "
    "--kernels torch"
)


LOSS = {"scores__amounts": ["nll"], "scores__test": {"miou": 0.5, "nll": 3.25}}
PRIVATE = samples.code(dirty=True, is_public=False).model_dump()


@pytest.fixture(scope="module")
def prints(tmp_path_factory):
    """Fingerprints of 64 and 24 embedded images, which stay so few."""
    cache = tmp_path_factory.mktemp("cache")
    with few_images(cache):
        yield FiguresClassification(cache=cache).prepare(1), FiguresClassification.info.version


def plausible(prints, seed=0, score=0.5, **changes):
    """A record of a transfer in which everything fits."""
    found = json.loads(samples.record(score=score, seed=seed, redraw=REDRAW.format(seed=seed)).to_json())
    found["ticket"].update(SIZES)
    found["counts"] = {"train": 60, "val": 4, "test": 24}
    found["fingerprints"] = {task: prints[0] if task == "cls/figures" else {} for task in found["fingerprints"]}
    found["fingerprints"].pop("seg/figures")
    for key, value in changes.items():
        *parents, last = key.split("__")
        part = found
        for parent in parents:
            part = part[parent]
        part[last] = value
    return found


def written(folder, *records):
    """A folder of these records."""
    folder.mkdir(exist_ok=True)
    for data in records:
        (folder / f"{data['id']}.json").write_text(json.dumps(data))
    return folder


def said(folder):
    """All sentences about a folder: mistakes, notes."""
    _, found = findings(folder, replica.Data())
    return [one.sentence for one in found if one.is_wrong], [one.sentence for one in found if not one.is_wrong]


def test_nothing_is_wrong_with_a_plausible_record(prints, tmp_path):
    assert said(written(tmp_path / "r", plausible(prints), plausible(prints, seed=1))) == ([], [])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"scores__val": {"miou": 1.5}},
            r"'scores.val.miou' is 1.5; metrics are fractions from 0 to 1 unless 'scores.amounts' names",
        ),
        (
            {"scores__members": [{"miou": 0.5}, {"miou": -1.0}]},
            "'scores.members.1.miou' is -1.0; metrics are fractions",
        ),
        ({**LOSS, "scores__val": {"nll": -0.5}}, "'scores.val.nll' is -0.5; an amount, as 'scores.amounts' calls it,"),
        ({"scores__amounts": ["miou"]}, "'scores.amounts' names 'miou'; it names metrics of 'scores.test' other than"),
        ({"scores__amounts": ["nll"]}, "'scores.amounts' names 'nll'; it names metrics of 'scores.test' other than"),
        ({"scores__classes": {"iou": {"sky": -0.1}}}, "'scores.classes.iou.sky' is -0.1; metrics are fractions"),
        ({"scores__primary": "acc", "scores__test": {"acc": 0.5}}, "is 'acc', and seg/figures is scored by 'miou'"),
        ({"counts__test": 23}, "seg/figures has 64 in train and val together and 24 in test"),
        ({"counts__train": 0}, "train and test hold at least one sample"),
        ({"ticket__remaining": 0.2}, "'ticket.remaining' is 0.2, and at sparsity 0.89"),
        ({"ticket__remaining": 0.05}, "and omp, which does not search, leaves 0.1"),
        ({"ticket__parameters": KEPT + 1}, f"at sparsity 0.9 exactly {KEPT} of {TOTAL} weights are kept"),
        ({"ticket__parameters": 20_000}, f"'ticket.parameters' is 20000 of the {TOTAL} weights of supernet/tiny"),
        ({"ticket__parameters": 10**400}, "'ticket.parameters': input should be less than or equal to 1000"),
        ({"ticket__members": 3, "ticket__remaining": 0.31}, "0.31, and at sparsity 0.8999"),
        ({"ticket__members": 3}, "leaves 0.30"),
        (
            {"ticket__members": 3, "ticket__parameters": 4 * TOTAL},
            f"of 3 members, and supernet/tiny has {TOTAL} weights",
        ),
        ({"ticket__sparse_macs": 10**9}, "'ticket.sparse_macs' is 1000000000, more than the 23456789"),
        ({"deployed__parameters": 3}, "'deployed.parameters' is 3, less than the"),
        ({"costs__sparse_training_macs": 10**15}, "more than the 1000000000000 of 'costs.training_macs'"),
        ({"ticket": None}, "'ticket' is missing"),
        ({"dirty": True}, "'dirty' is True: its code differed from commit 4b825dc642"),
        (
            {"code": [PRIVATE]},
            "nobody else can get the code of drawer 'rigl' of acme-tickets; commit the plug-in and install it",
        ),
        ({"code": [{**PRIVATE, "is_public": True}]}, "'code' calls drawer 'rigl' of acme-tickets public and dirty"),
        ({"commit": None}, "it names no commit"),
        ({"redraw": None}, "'redraw' is missing"),
        ({"redraw": "rm -rf runs"}, "let it start with python -m bench.run"),
        ({"redraw": "python -m bench.run --sorce cls"}, "no command that can be run: No such option: --sorce"),
        ({"redraw": "python -m bench.run --seed '0"}, "no command that can be run: No closing quotation"),
        ({"redraw": "python -m bench.run --help"}, "no command that can be run: it asks for help"),
        ({"job__seed": 10**400}, "'job.seed': input should be less than 9223372036854775808"),
        ({"redraw": REDRAW.format(seed=3)}, "'redraw' has --seed 3, and the job's is 0"),
        ({"setting__precision": "bfloat16"}, "'redraw' has --precision float32, and the job's is bfloat16"),
        ({"setting__threads": 2}, "'redraw' has --threads 1, and the job's is 2"),
        ({"setting__compiled": True}, "'redraw' has --compile False, and the job's is True"),
        ({"job__host_drawn": "timm/resnet18"}, "'redraw' has --host supernet/tiny, and the job's is timm/resnet18"),
        ({"redraw": REDRAW.format(seed=0) + "; ls"}, "no command that can be run: Got unexpected extra argument"),
        ({"fingerprints__cls/figures": {"train": "00"}}, "tell other data of cls/figures: train is 00 and here"),
        ({"device": "cpu\tfast"}, r"'device' holds a tab or another sign that cannot be printed: 'cpu\tfast'"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_told(prints, tmp_path, changes, why):
    mistakes, notes = said(written(tmp_path / "r", plausible(prints, **changes)))
    assert any(why in sentence for sentence in mistakes) and not notes
    assert all("\n" not in sentence and sentence.endswith(".") for sentence in mistakes), mistakes


def test_sets_of_tickets_amounts_patterns_and_public_code_are_nothing_wrong(prints, tmp_path):
    """Three members keep three times the weights; channels cannot be as exact as elements; a grown host is another."""
    three = {"members": 3, "remaining": 3 * KEPT / TOTAL, "parameters": 3 * KEPT}
    several = {f"ticket__{key}": value for key, value in three.items()} | {"deployed__parameters": 3 * KEPT}
    channels = {"sparsity": 1 - 12_000 / TOTAL, "remaining": 12_000 / TOTAL, "parameters": 12_000, "pattern": "channel"}
    grown = {"job__host_drawn": "timm/resnet18", "job__transform": "elastic@host=timm/resnet18",
             "ticket__remaining": 11_000 / TOTAL, "ticket__parameters": 11_000}  # fmt: skip
    found = [
        plausible(prints, **several),
        plausible(prints, seed=1, **LOSS, code=[samples.code().model_dump()]),
        plausible(prints, seed=2, **{f"ticket__{key}": value for key, value in channels.items()}),
        plausible(prints, seed=3, **grown, redraw=REDRAW.format(seed=3).replace("supernet/tiny", "timm/resnet18")),
    ]
    assert said(written(tmp_path / "r", *found)) == ([], [])


def test_a_searching_drawer_may_leave_less_and_an_unknown_name_is_told_only(prints, tmp_path):
    less = {"ticket__remaining": 10_000 / TOTAL, "ticket__parameters": 10_000}
    redraw = REDRAW.format(seed=0)
    searched = plausible(prints, job__drawer="supertickets", redraw=redraw.replace("omp", "supertickets"), **less)
    foreign = plausible(prints, seed=1, job__drawer="mine", **less)
    foreign["redraw"] = REDRAW.format(seed=1).replace("omp", "mine")
    mistakes, notes = said(written(tmp_path / "r", searched, foreign))
    assert not mistakes and notes == ["unknown drawer 'mine'. It is taken for a plug-in's."]


def test_rows_of_a_paper_need_no_ticket_and_no_commit(prints, tmp_path):
    bare = dict.fromkeys(("ticket", "deployed", "costs", "commit", "dirty", "redraw"))
    found = plausible(prints, origin="reported", versions={"task": {}}, fingerprints={}, counts={}, **bare)
    assert said(written(tmp_path / "r", found)) == ([], [])


def test_records_are_checked_against_each_other(prints, tmp_path):
    older, newer = plausible(prints), plausible(prints, created="2026-02-01T00:00:00Z", id="newer")
    copy = plausible(prints, seed=1, id="copy")
    mistakes, notes = said(written(tmp_path / "r", older, newer, plausible(prints, seed=1), copy))
    assert mistakes == ["it says the same as copy.json under another name; take one out."]
    assert "it has the same job and seed as newer.json, which is the one that counts." in notes


def test_a_transfer_must_tell_of_its_draws_ticket_and_cost(prints, tmp_path):
    draw = json.loads(samples.record(target=None, redraw=REDRAW.format(seed=0), id="draw").to_json())
    draw["ticket"].update(SIZES)
    draw |= {"counts": {"train": 60, "val": 4, "test": 24}, "fingerprints": {"cls/figures": prints[0]}}
    spent = draw["costs"]["training_macs"]
    good = plausible(prints, config__draw="draw", costs__drawing_macs=spent)
    assert said(written(tmp_path / "r", draw, good)) == ([], [])
    taught = {"config__needs": {"ticket": "draw", "teacher": "other"}, "costs__drawing_macs": 3 * spent}
    grown = {"job__transform": "signs", "ticket__hash": "ff"}
    fine = plausible(prints, seed=1, config__draw="draw", **taught, **grown)
    assert said(written(tmp_path / "s", draw, fine)) == ([], [])
    bad = plausible(prints, config__draw="draw", costs__drawing_macs=spent + 1, ticket__hash="ff")
    assert said(written(tmp_path / "r", bad))[0] == [
        "its ticket has another hash than draw.json tells.",
        f"'costs.drawing_macs' is {spent + 1}, and draw.json tells {spent}.",
    ]


def run(capsys, *args):
    """Exit code, output and errors of check results."""
    with pytest.raises(SystemExit) as left:
        console.main(check.app, "check", ["results", *map(str, args)])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_every_file_is_named_with_its_mistake(prints, tmp_path, capsys):
    folder = written(tmp_path / "r", plausible(prints), plausible(prints, seed=1, dirty=True))
    text = json.dumps(plausible(prints, seed=2, id="x"))
    (folder / "nan.json").write_text(text.replace("61.25", "NaN"))
    (folder / "missing.json").write_text(text.replace('"kind": "transfer", ', ""))
    (folder / "unknown.json").write_text(text.replace('"kind"', '"colour": 1, "kind"'))
    (folder / "tab.json").write_text(text.replace("omp", "o\tmp"))
    (folder / "other.json").write_text(text)
    (folder / "notes.txt").write_text("mine")
    (folder / ".gitkeep").touch()
    (folder / "sub").mkdir()
    code, out, err = run(capsys, folder)
    lines = {line[8:].partition(": ")[0]: line for line in out.splitlines()[:-1]}
    assert code == 1 and not err and all(line.startswith("FAILED  ") for line in lines.values())
    told = {
        "nan.json": "NaN is not allowed",
        "missing.json": "the key 'kind' is missing",
        "unknown.json": "the key 'colour' is not known",
        "tab.json": "Invalid control character",
        "other.json": "its id is 'x', which must be the file's name",
        "notes.txt": "it is no record",
        "sub": "it is no record",
    }
    assert all(why in lines[name] for name, why in told.items()) and len(lines) == 8
    assert out.splitlines()[-1] == f"2 records in {folder}, 8 files with mistakes"


def test_empty_folders_are_fine_and_missing_ones_a_mistake(tmp_path, capsys):
    code, out, _ = run(capsys, tmp_path)
    assert code == 0 and out == f"{tmp_path} holds no record; there is nothing to check.\n"
    for args in ([tmp_path / "no"], [tmp_path, "--tickets", tmp_path / "no"], [tmp_path, "--data-root", "no"]):
        code, out, err = run(capsys, *args)
        assert code == 2 and not out and "does not exist" in err.replace("there is no", "does not exist")
        assert err.count("\n") == 1
