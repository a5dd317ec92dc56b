"""bench.check recompute: which row a score belongs to, when it counts as reproduced, what is refused before work."""

import math

import pytest
from samples import record

from bench import check
from bench.audit import recompute, replica
from bench.audit.recompute import Verdict, find, lines, row_of
from bench.audit.spread import Group
from bench.command import console
from bench.request.plan import Job, chain
from tickets.errors import UserError

SCORES = (0.50, 0.52, 0.54)
CUDA = {"scale": "tiny", "host": "supernet/tiny", "budget": 1.0, "threads": 1, "device": "cuda"}
MINE = {"device": "cpu (mine)"}
GROUP = Group(kind="seg", job="training", scores=12, degrees=9, deviation=0.01, largest=0.03)
REACH = 3.2498355416 * 0.01 * math.sqrt(2)
"""By hand: the two-sided 99 % point of t with 9 degrees of freedom, and two reruns of a deviation of one point."""


def test_the_row_is_all_seeds_of_the_job_and_nothing_else():
    row = [record(score=score, seed=seed) for seed, score in enumerate(SCORES)]
    changes = ({"sparsity": 0.5}, {"drawer": "imp"}, {"target": "pose/figures"})
    others = [record(score=0.9, **change) for change in changes]
    others.append(record(score=0.9, setting=CUDA, seed=4))
    failed = record(score=None, seed=3)
    older = record(score=0.1, seed=1, created="2026-01-01T00:00:00Z", id="older")
    assert row_of(row[1], [*row, *others, failed, older]) == row
    assert row_of(older, [*row, older]) == [row[0], older, row[2]]
    assert row_of(others[0], others) == [others[0]]


def verdict(*agains, published=SCORES, group=GROUP, **changes):
    """Of as many seeds as there are new scores."""
    pairs = [
        (record(score=old, seed=seed), record(score=new, seed=seed, **changes))
        for seed, (old, new) in enumerate(zip(published, agains, strict=False))
    ]
    return Verdict(pairs, group)


@pytest.mark.parametrize(
    ("found", "last", "is_reproduced"),
    [
        (verdict(0.50), "reproduced: equal to the last digit", True),
        (verdict(0.50, **MINE), "reproduced: equal to the last digit", True),
        (verdict(*SCORES), "reproduced: equal to the last digit", True),
        (
            verdict(0.50 + 2**-50),
            "not reproduced: not equal, on the processor and PyTorch that it was measured by",
            False,
        ),
        (
            verdict(0.50 + 0.99 * REACH, **MINE),
            "scores 4.6 points apart, where right reruns of seg lie up to 4.6",
            True,
        ),
        (
            verdict(0.50 - 1.01 * REACH, **MINE),
            "scores 4.6 points apart, where right reruns of seg lie only up to",
            False,
        ),
        (
            verdict(0.53, 0.55, 0.57, **MINE),
            "means over 3 seeds 3.0 points apart, where right reruns of seg lie only",
            False,
        ),
        (
            verdict(0.53, 0.55, 0.54, **MINE),
            "means over 3 seeds 2.0 points apart, where right reruns of seg lie up",
            True,
        ),
        (verdict(0.51, group=None, **MINE), "not equal, and no spread of reruns is measured for seg/figures", False),
        (verdict(None), "not reproduced: the job failed here: the loss is not finite", False),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, str) else "",
)
def test_equal_is_reproduced_and_elsewhere_what_right_reruns_do(found, last, is_reproduced):
    assert found.is_reproduced is is_reproduced and last in lines(found)[-1]
    assert lines(found)[-1].startswith("reproduced" if is_reproduced else "not reproduced")


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({}, True),
        (MINE, False),
        ({"packages": {"torch": "2.14.1"}}, False),
        ({"kernels": "avx2"}, False),
        ({"threads": 2}, False),
        ({"packages": {"python": "3.12.1", "torch": "2.15.0"}}, True),
    ],
)
def test_a_compute_path_is_processor_pytorch_kernels_and_threads(changes, is_same):
    assert verdict(0.5, **changes).is_same_path is is_same


def test_another_machine_is_named_where_the_score_is_another():
    said = lines(verdict(0.6, **MINE))[-1]
    assert said.endswith("measured on cpu (Linux x86_64) by torch 2.15.0, and this is cpu (mine) by torch 2.15.0")


def test_every_seed_of_a_row_is_told():
    assert [line[:7] for line in lines(verdict(*SCORES))[:-1]] == [f"seed {seed}:" for seed in (0, 0, 1, 1, 2, 2)]


@pytest.mark.parametrize(("drawer", "is_told"), [("netadaptv2", False), ("netadaptv2@latency_target=0.6", True)])
def test_a_ticket_that_was_drawn_by_a_clock_is_told_where_the_score_is_another(drawer, is_told):
    verdict = Verdict([(record(drawer=drawer, score=0.5), record(drawer=drawer, score=0.6))], None)
    said = "; its ticket was drawn by a clock, and need not come out the same twice"
    assert lines(verdict)[-1].endswith(said) is is_told


def test_a_job_comes_after_the_draws_that_it_needs():
    job = Job("transfer", "cls/figures", "seg/figures", "omp", 0.9, 0, None, "finetune", "fresh")
    assert [(one.kind, one.drawer, one.sparsity) for one in chain(job)] == [
        ("draw", "dense", 0.0), ("draw", "omp", 0.9), ("transfer", "omp", 0.9),
    ]  # fmt: skip
    dense = Job("control", None, "seg/figures", "dense", 0.0, 0, None, "scratch", "fresh", "dense")
    assert chain(dense) == [dense]


def test_a_record_tells_its_job_and_device():
    found = record(transform="random", control="random", kind="control", seed=4)
    assert replica.job_of(found) == Job(
        "control", "cls/figures", "seg/figures", "omp", 0.9, 4, "random", "finetune", "fresh", "random"
    )
    assert found.setting.device == "cpu" and record(setting=CUDA).setting.device == "cuda"
    with pytest.raises(UserError, match=r"unknown task 'cls/figure'.*unknown recipe 'tune'.*unknown drawer 'impp'"):
        replica.job_of(record(source="cls/figure", drawer="impp", recipe="tune"))


@pytest.mark.parametrize(("score", "code"), [(0.5, 0), (0.25, 1)])
def test_the_exit_code_tells_whether_it_is_reproduced(score, code, folder, capsys, monkeypatch):
    """The job itself is run by the test of the real commands."""
    found = record(id="good")
    given = Verdict([(found, record(score=score))], None)
    monkeypatch.setattr(recompute, "recompute", lambda *args: given)
    with pytest.raises(SystemExit) as left:
        console.main(check.app, "check", ["recompute", "good", "--records", str(folder)])
    assert left.value.code == code and capsys.readouterr().out.splitlines() == lines(given)


@pytest.fixture
def folder(tmp_path):
    """Three records: one ok, one failed, one from a paper."""
    record(id="good").write(tmp_path)
    record(id="bad", score=None).write(tmp_path)
    record(id="paper", origin="reported", seed=1).write(tmp_path)
    return tmp_path


def test_records_are_found_by_their_name(folder):
    assert find(folder, "good")[0].id == find(folder, "good.json")[0].id == "good"
    assert len(find(folder, "good")[1]) == 3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["goood"], "unknown record 'goood'. Did you mean 'good'? There are 3 in"),
        (["bad"], "the record bad failed, and has no score to recompute"),
        (["paper"], "the record paper was reported in a paper"),
        (["good", "--device", "gpu"], "device 'gpu' is not known"),
        (["good", "--records", "nowhere"], "there is no folder nowhere"),
        (["good", "--data-root", "nowhere"], "the data folder nowhere does not exist"),
        ([], "missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_sentence(args, message, folder, capsys):
    with pytest.raises(SystemExit) as left:
        console.main(check.app, "check", ["recompute", "--records", str(folder), *args])
    out, err = capsys.readouterr()
    assert left.value.code == 2 and not out and message in err and err.count("\n") == 1
