"""bench.check recompute: which row a score belongs to, when it counts as reproduced, what is refused before work."""

import math

import pytest
from samples import record

from bench import check
from bench.audit import recompute, replica
from bench.audit.recompute import Verdict, find, lines, row_of
from bench.command import console
from bench.numbers.stats import Estimate
from bench.request.plan import Job, chain
from tickets.errors import UserError

SCORES = (0.50, 0.52, 0.54)
HALF = 4.3026527297 * 0.02 / math.sqrt(3)
"""By hand: t of 2 degrees of freedom, a standard deviation of 0.02, three seeds."""
CUDA = {"scale": "tiny", "host": "supernet/tiny", "budget": 1.0, "threads": 1, "device": "cuda"}


def test_the_row_is_all_seeds_of_the_job_and_nothing_else():
    row = [record(score=score, seed=seed) for seed, score in enumerate(SCORES)]
    changes = ({"sparsity": 0.5}, {"drawer": "imp"}, {"target": "pose/figures"})
    others = [record(score=0.9, **change) for change in changes]
    others.append(record(score=0.9, setting=CUDA, seed=4))
    failed = record(score=None, seed=3)
    older = record(score=0.1, seed=1, created="2026-01-01T00:00:00Z", id="older")
    found = row_of(row[1], [*row, *others, failed, older])
    assert found.n == 3 and found.mean == pytest.approx(0.52) and found.half == pytest.approx(HALF)
    again = row_of(older, [*row, older])
    assert again.n == 3 and again.mean == pytest.approx((0.50 + 0.1 + 0.54) / 3)
    assert row_of(others[0], others) == Estimate(0.9, None, 1)


@pytest.mark.parametrize(
    ("again", "row", "last", "is_reproduced"),
    [
        (0.50, Estimate(0.52, None, 1), "reproduced: equal to the last digit", True),
        (0.50 + 2**-50, Estimate(0.52, HALF, 3), "reproduced: inside the 95 % interval of its row", True),
        (0.52 + 0.99 * HALF, Estimate(0.52, HALF, 3), "reproduced: inside the 95 % interval of its row", True),
        (0.52 + 1.01 * HALF, Estimate(0.52, HALF, 3), "not reproduced: outside the 95 % interval of its row", False),
        (0.50 + 2**-50, Estimate(0.50, None, 1), "not reproduced: not equal", False),
        (None, Estimate(0.50, HALF, 3), "not reproduced: the job failed here: the loss is not finite", False),
    ],
)
def test_equal_or_inside_the_interval_is_reproduced(again, row, last, is_reproduced):
    verdict = Verdict(record(score=0.50), record(score=again), row)
    assert verdict.is_reproduced is is_reproduced and lines(verdict)[-1] == last


def test_another_machine_is_named_where_the_score_is_another():
    verdict = Verdict(record(score=0.5), record(score=0.6, device="cpu (mine)"), Estimate(0.5, None, 1))
    assert lines(verdict)[-1].endswith("it was measured on cpu (Linux x86_64), and this is cpu (mine)")


@pytest.mark.parametrize(("drawer", "is_told"), [("netadaptv2", False), ("netadaptv2@latency_target=0.6", True)])
def test_a_ticket_that_was_drawn_by_a_clock_is_told_where_the_score_is_another(drawer, is_told):
    verdict = Verdict(record(drawer=drawer, score=0.5), record(drawer=drawer, score=0.6), Estimate(0.5, None, 1))
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
    given = Verdict(found, record(score=score), row_of(found, [found]))
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
