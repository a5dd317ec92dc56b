"""bench.publish: what is copied, what is refused and why; bench.check results scores tickets from their files."""

import json
import shutil

import pytest
import samples
from homes import few_images, short_run

from bench import check, publish
from bench.audit import publishing, replica
from bench.command import console
from bench.records import portrait, provenance, record
from bench.request import scale as scales

PRIVATE = samples.code(dirty=True, is_public=False).model_dump()


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A home and the names of its records; the data stay patched."""
    place = tmp_path_factory.mktemp("published")
    with few_images(place / "cache"):
        yield place / "home", short_run(place / "home")


@pytest.fixture
def home(ran, tmp_path):
    """A copy of it that a test may spoil."""
    publishing._hash.cache_clear()
    shutil.copytree(ran[0], tmp_path / "home")
    return tmp_path / "home"


def run(capsys, app, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(app, "bench", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def published(capsys, home, *args):
    """Exit code, and by a record's kind what became of it."""
    code, out, _ = run(capsys, publish.app, "--home", home, "--to", home.parent / "to", *args)
    *lines, _ = out.splitlines()
    return code, {line[11:].partition("_")[0]: line for line in lines}


def edited(home, name, **changes):
    """Change top-level keys of a record's file."""
    path = home / "records" / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


def test_records_are_copied_byte_for_byte_after_they_were_verified(ran, home, capsys):
    code, out, _ = run(capsys, publish.app, "--home", home, "--to", home.parent / "to")
    draw = record.read(home / "records" / f"{ran[1]['draw']}.json")
    assert code == 0 and out.endswith(f"4 published in {home.parent / 'to'}, 0 there already, 0 refused\n")
    assert f"published  {draw.id}: the ticket's file gives top1 {draw.scores.score:.4f} again" in out
    assert out.count(f"its ticket {draw.id} verified") == 2 and "trained from fresh weights on the whole host" in out
    for path in (home / "records").glob("*.json"):
        assert (home.parent / "to" / path.name).read_bytes() == path.read_bytes()
    _, again = published(capsys, home)
    assert len(again) == 4 and all(line.startswith("there      ") for line in again.values())


def test_a_draws_portrait_goes_beside_the_records(ran, home, capsys):
    name = f"{ran[1]['draw']}.json"
    published(capsys, home)
    assert [path.name for path in (home.parent / "portraits").iterdir()] == [name]
    shown = portrait.read(home.parent / "portraits" / name)
    assert shown.ticket == record.read(home / "records" / name).ticket.hash and shown.curve.points


def test_a_draw_that_was_done_again_is_there_and_brings_the_portrait_alone(ran, home, capsys):
    published(capsys, home)
    place = home.parent / "portraits" / f"{ran[1]['draw']}.json"
    place.unlink()
    again = edited(home, ran[1]["draw"], created="2026-01-01T00:00:00Z")
    before = (home.parent / "to" / again.name).read_bytes()
    _, lines = published(capsys, home, "--target", "none")
    assert lines["draw"].endswith("drawn again, to the same ticket and scores") and place.exists()
    assert (home.parent / "to" / again.name).read_bytes() == before != again.read_bytes()


def test_portraits_alone_are_those_of_published_draws_and_another_ticket_is_told_as_such(ran, home, capsys):
    def portrayed():
        return run(capsys, publish.app, "--home", home, "--to", home.parent / "to", "--portraits")

    assert portrayed()[0] == 2  # nothing is published yet
    published(capsys, home)
    name, other = f"{ran[1]['draw']}.json", "0" * 64
    own, shown = home / "portraits" / name, home.parent / "portraits" / name
    whole, ticket = own.read_bytes(), json.loads((home / "records" / name).read_text())["ticket"]
    shown.unlink()
    own.write_bytes(whole.replace(ticket["hash"].encode(), other.encode()))
    assert "the home has no portrait of its ticket; draw it again with --force." in portrayed()[1]
    edited(home, ran[1]["draw"], ticket=ticket | {"hash": other})
    assert portrayed()[1].splitlines()[0].endswith("another ticket that the same job drew")
    assert portrait.read(shown).ticket == other
    own.write_bytes(whole)
    edited(home, ran[1]["draw"], ticket=ticket)
    code, out, _ = portrayed()
    assert code == 0 and out.splitlines()[0].endswith("the published ticket") and out.endswith("1 portrayed\n")
    assert shown.read_bytes() == whole


def test_a_draw_is_published_whatever_became_of_its_portrait(ran, home, capsys):
    (home / "portraits" / f"{ran[1]['draw']}.json").write_text("{")
    code, lines = published(capsys, home)
    assert code == 0 and lines["draw"].startswith("published")
    assert not (home.parent / "portraits").exists()


def test_filters_and_no_rescore(home, capsys, monkeypatch):
    monkeypatch.setattr(replica, "verify_score", lambda *args: pytest.fail("it was scored"))
    code, lines = published(capsys, home, "--target", "none", "--drawer", "gmp,omp", "--no-rescore")
    assert code == 0 and list(lines) == ["draw"] and lines["draw"].endswith("verified, not scored again")
    code, lines = published(capsys, home, "--source", "none", "--target", "seg")
    assert code == 0 and list(lines) == ["dense"]


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        ("dense", {"dirty": True}, "its code differed from commit 4b825dc642"),
        ("dense", {"dirty": None}, "its code differed from commit 4b825dc642"),
        (
            "dense",
            {"code": [PRIVATE]},
            "nobody else can get the code of drawer 'rigl' of acme-tickets; commit the plug-in",
        ),
        ("dense", {"code": [{**PRIVATE, "is_public": True}], "dirty": True}, "its code differed from commit"),
        ("dense", {"commit": None}, "it names no commit"),
        ("dense", {"origin": "submitted"}, "its origin is 'submitted', and only measured records"),
        ("dense", {"status": "failed", "error": "bang\nTraceback", "scores": None}, "it failed: bang"),
        ("dense", {"device": 3}, "'device': input should be a valid string (got 3)"),
        ("transfer", {"config": {}}, "it does not tell in config.draw which ticket it started from"),
        ("transfer", {"config": {"draw": "../draw"}}, "it does not tell in config.draw which ticket it started from"),
        ("draw", {"versions": {"task": {"cls/figures": 7}, "drawer": 1}}, "versions.task.cls/figures is 7 in the"),
        ("draw", {"fingerprints": {"cls/figures": {"test": "00"}}}, "fingerprints.cls/figures.test is 00 in the"),
    ],
)
def test_what_is_no_clean_result_is_refused_by_name_and_the_others_are_published(ran, home, capsys, kind, changes, why):
    edited(home, ran[1][kind], **changes)
    code, lines = published(capsys, home)
    assert code == 1 and lines[kind].startswith("REFUSED    ") and why in lines[kind]
    assert sum(line.startswith("published") for line in lines.values()) >= 3
    assert not (home.parent / "to" / f"{ran[1][kind]}.json").exists()


def test_another_score_than_the_files_is_refused_with_both(ran, home, capsys, monkeypatch):
    path = home / "records" / f"{ran[1]['draw']}.json"
    scores = json.loads(path.read_text())["scores"]
    other = scores["score"] + 2**-40
    edited(home, ran[1]["draw"], scores={**scores, "score": other, "test": {**scores["test"], "top1": other}})
    code, lines = published(capsys, home)
    told = f"test.top1 is {other!r} in the record and {scores['score']!r} from "
    assert code == 1 and told in lines["draw"] and "measured on" not in lines["draw"]
    assert lines["transfer"].startswith("published")
    edited(home, ran[1]["draw"], device="cpu (another machine)")
    assert "it was measured on cpu (another machine), and this is cpu (" in published(capsys, home)[1]["draw"]


def test_a_ticket_that_is_gone_damaged_or_another_is_refused_with_its_transfers(ran, home, capsys):
    file = home / "tickets" / f"{ran[1]['draw']}.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    code, lines = published(capsys, home)
    assert code == 1 and all(file.name in lines[kind] for kind in ("draw", "transfer", "random"))
    assert lines["dense"].startswith("published")
    file.unlink()
    publishing._hash.cache_clear()
    assert f"{file} does not exist" in published(capsys, home)[1]["transfer"]


def test_a_record_of_another_ticket_is_refused(ran, home, capsys):
    path = home / "records" / f"{ran[1]['random']}.json"
    ticket = json.loads(path.read_text())["ticket"]
    edited(home, ran[1]["random"], ticket={**ticket, "hash": "f" * 64})
    code, lines = published(capsys, home)
    assert code == 1 and f"{ran[1]['random']} tells ffffffffffffffff..." in lines["random"]


def test_a_transfer_from_a_ticket_of_private_code_is_refused_and_one_of_public_code_is_not(ran, home, capsys):
    edited(home, ran[1]["draw"], code=[samples.code().model_dump()])
    assert published(capsys, home, "--no-rescore")[0] == 0
    shutil.rmtree(home.parent / "to")
    edited(home, ran[1]["draw"], code=[PRIVATE])
    code, lines = published(capsys, home, "--no-rescore")
    assert (
        code == 1 and f"the record {ran[1]['draw']}, which it needs, is not fit: nobody else can get" in lines["random"]
    )


def test_every_draw_that_a_job_needed_must_be_fit(ran, home, capsys):
    path = home / "records" / f"{ran[1]['transfer']}.json"
    config, draw = json.loads(path.read_text())["config"], ran[1]["draw"]
    edited(home, ran[1]["transfer"], config={**config, "needs": {"ticket": draw, "teacher": "gone"}})
    code, lines = published(capsys, home, "--no-rescore")
    assert code == 1 and "the record gone, which it needs, is not fit: cannot read" in lines["transfer"]
    edited(home, ran[1]["transfer"], config={**config, "needs": {"ticket": draw, "teacher": draw}})
    assert published(capsys, home, "--no-rescore")[0] == 0


def test_a_transfer_from_a_ticket_of_changed_code_is_refused(ran, home, capsys):
    edited(home, ran[1]["draw"], dirty=True)
    code, lines = published(capsys, home)
    assert (
        code == 1 and f"the record {ran[1]['draw']}, which it needs, is not fit: its code differed" in lines["random"]
    )


def test_nothing_published_is_overwritten(ran, home, capsys):
    published(capsys, home)
    old = (home.parent / "to" / f"{ran[1]['dense']}.json").read_bytes()
    edited(home, ran[1]["dense"], created="2026-02-01T00:00:00Z")
    code, lines = published(capsys, home)
    assert code == 1 and "has other content, and nothing published is overwritten" in lines["dense"]
    assert (home.parent / "to" / f"{ran[1]['dense']}.json").read_bytes() == old


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--home", "nowhere"], "there is no folder nowhere/records"),
        (["--source", "clss", "--drawer", "impp"], "unknown drawer 'impp'"),
        (["--drawer", "imp"], "is what was asked for"),
        (["--to", __file__], "is a file"),
        (["--data-root", "nowhere"], "the data folder nowhere does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_sentence(args, message, home, capsys):
    code, out, err = run(capsys, publish.app, "--home", home, "--to", home.parent / "to", *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1
    assert not (home.parent / "to").exists()


def test_submitted_tickets_are_scored_again(ran, home, capsys):
    """check results: all is well with records of a run; a wrong score is a mistake where the ticket's file is there."""
    given = (check.app, "results", home / "records")
    assert run(capsys, *given, "--tickets", home / "tickets") == (
        0, f"4 records in {home / 'records'}, 0 files with mistakes\n", "",
    )  # fmt: skip
    path = home / "records" / f"{ran[1]['draw']}.json"
    scores = json.loads(path.read_text())["scores"]
    edited(home, ran[1]["draw"], scores={**scores, "val": {**scores["val"], "top1": 0.5}})
    assert run(capsys, *given)[0] == 0
    code, out, _ = run(capsys, *given, "--tickets", home / "tickets")
    assert code == 1 and f"FAILED  {path.name}: its ticket's file does not give its score: val.top1 is 0.5" in out


def test_what_this_version_would_do_otherwise_is_told(ran, home):
    found = record.read(home / "records" / f"{ran[1]['transfer']}.json")
    work = replica.work_of(found, home, replica.Data())
    assert replica.unlike(found, work) == []
    config = {**found.config, "settings": {**found.config["settings"], "steps": 9}, "batch_size": 7, "unknown": 1}
    other = found.model_copy(update={"config": config})
    steps = scales.load(found.setting.scale, 0.01).plan("seg").transfer.steps
    assert replica.unlike(other, work) == [
        "config.batch_size is 7 in the record and 8 here",
        f"config.settings.steps is 9 in the record and {steps} here",
    ]
    assert replica.unlike(other, work, replica.SCORED_BY) == []
    assert provenance.commit()[1] is False
