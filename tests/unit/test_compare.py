"""bench.compare: what is paired with what, and what is said of it."""

import re

import pytest
from samples import record

from bench import compare
from bench.boards import pairing
from bench.command import console
from bench.numbers import stats
from bench.records import published
from bench.records import record as record_files
from tickets.errors import UserError

CLS, SEG, POSE = "cls/figures", "seg/figures", "pose/figures"


def transfers(drawer, *scores, source=CLS, target=SEG, **changes):
    """One record a score, of the seeds 0, 1, ..."""
    return [
        record(source=source, target=target, score=score, seed=seed, drawer=drawer, **changes)
        for seed, score in enumerate(scores)
        if score is not None
    ]


def test_only_jobs_that_share_everything_but_the_method_are_paired():
    records = [
        *transfers("a", 0.5, 0.6, 0.7), *transfers("b", 0.4, None, 0.4), *transfers("b", 0.1, 0.1, sparsity=0.5),
        *transfers("b", 0.1, target=POSE), *transfers("b", 0.1, recipe="scratch"), *transfers("b", 0.1, budget=0.5),
        *transfers("b", 0.1, host="timm/resnet18"), *transfers("b", 0.1, precision="bfloat16"),
        *transfers("b", 0.1, threads=2), *transfers("b", 0.1, compiled=True),
    ]  # fmt: skip
    (only,) = pairing.differences(pairing.cells(records), "a", "b")
    assert only.by_seed == pytest.approx({0: 0.1, 2: 0.3})
    assert (only.left, only.right) == pytest.approx((0.6, 0.4)) and only.estimate.mean == pytest.approx(0.2)
    assert (only.cell.source, only.cell.place.task, only.cell.method, only.cell.recipe) == (CLS, SEG, "", "finetune")


def test_a_method_that_removes_nothing_is_compared_at_every_sparsity():
    records = [
        *transfers("a", 0.5, sparsity=0.9), *transfers("a", 0.6, sparsity=0.5),
        *transfers("dense", 0.7, sparsity=0.0),
    ]  # fmt: skip
    found = pairing.differences(pairing.cells(records), "a", "dense")
    assert {d.cell.sparsity: round(d.estimate.mean, 6) for d in found} == {0.5: -0.1, 0.9: -0.2}


def test_p_values_are_there_only_where_the_seeds_could_reach_five_percent():
    ups = [0.5 + 0.001 * i * i for i in range(6)]
    one = [*transfers("a", *ups), *transfers("b", *[0.3] * 6)]
    (alone,) = pairing.differences(pairing.cells(one), "a", "b")
    assert alone.p == pytest.approx(2 / 64)
    two = [*one, *transfers("a", *ups, target=POSE), *transfers("b", *[0.3] * 6, target=POSE)]
    assert [d.p for d in pairing.differences(pairing.cells(two), "a", "b")] == [None, None]


@pytest.mark.parametrize("other", [{"target": POSE}, {"sparsity": 0.5}])
def test_pooling_counts_the_tickets_of_a_source_and_seed_once(other):
    """One ticket of each method and seed on two targets, or one at each of two sparsities: two clusters of two."""
    records = [
        *transfers("a", 0.5, 0.6), *transfers("b", 0.4, 0.4),
        *transfers("a", 0.7, 0.9, **other), *transfers("b", 0.4, 0.4, **other),
    ]  # fmt: skip
    whole = pairing.pooled(pairing.differences(pairing.cells(records), "a", "b"))
    assert (whole.clusters, whole.n) == (2, 4) and whole.mean == pytest.approx((0.2 + 0.35) / 2)


def test_recipes_are_compared_ticket_by_ticket():
    records = [
        *transfers("a", 0.5, 0.6), *transfers("a", 0.4, 0.3, recipe="scratch"), *transfers("b", 0.9),
        *transfers("b", 0.5, recipe="scratch"), *transfers("c", 0.9, recipe="scratch"),
    ]  # fmt: skip
    found = pairing.differences(pairing.cells(records, "recipe"), "finetune", "scratch")
    assert {d.cell.method: d.by_seed for d in found} == {
        "a": pytest.approx({0: 0.1, 1: 0.3}), "b": pytest.approx({0: 0.4})
    }  # fmt: skip
    whole = pairing.pooled(found, "recipe")
    assert (whole.clusters, whole.n) == (2, 3) and whole.mean == pytest.approx((0.25 + 0.3) / 2)


def test_a_native_ticket_meets_those_of_every_source_and_counts_once_a_seed():
    records = [
        *transfers("a", 0.7, 0.8, source=SEG), *transfers("a", 0.6, 0.5), *transfers("a", 0.5, 0.9, source=POSE),
        *transfers("b", 0.1, source=SEG), *transfers("b", 0.3, sparsity=0.5), *transfers("a", 0.2, target=POSE),
    ]  # fmt: skip
    found = pairing.differences(pairing.cells(records, "origin"), "transferred", "native")
    assert {d.cell.source: d.by_seed for d in found} == {
        CLS: pytest.approx({0: -0.1, 1: -0.3}), POSE: pytest.approx({0: -0.2, 1: 0.1})
    }  # fmt: skip
    whole = pairing.pooled(found, "origin")
    assert (whole.clusters, whole.n) == (2, 4) and whole.mean == pytest.approx(-0.125)


def test_ranks_take_only_what_all_methods_share():
    records = [*transfers("a", 0.5, 0.6), *transfers("b", 0.4, 0.7), *transfers("c", 0.3)]
    blocks = pairing.shared(pairing.cells(records))
    found, jobs = stats.average_ranks(blocks), len(blocks)
    assert (found, jobs) == ({"a": 1.0, "b": 2.0, "c": 3.0}, 1)


def test_the_newest_version_of_a_method_counts():
    old = transfers("a", 0.1, versions={"task": {CLS: 1, SEG: 1}, "drawer": 1, "recipe": 1})
    new = transfers("a", 0.9, versions={"task": {CLS: 1, SEG: 1}, "drawer": 2, "recipe": 1})
    for records in ([*old, *new], [*new, *old]):
        (only,) = pairing.differences(pairing.cells([*records, *transfers("b", 0.5)]), "a", "b")
        assert only.left == 0.9


def told(capsys, folder, *args):
    """Exit code and output of the command."""
    with pytest.raises(SystemExit) as left:
        console.main(compare.app, "python -m bench.compare", [*args, "--records", str(folder)])
    return left.value.code, capsys.readouterr()


@pytest.fixture
def folder(tmp_path):
    """Three methods over three seeds."""
    for made in (*transfers("a", 0.5, 0.6, 0.7), *transfers("b", 0.5, 0.55, 0.72), *transfers("c", 0.1, 0.21, 0.3)):
        made.write(tmp_path)
    return tmp_path


def test_what_the_command_says(folder, capsys):
    code, said = told(capsys, folder, "a", "b", "c")
    assert code == 0
    assert "a - b, in points (scale tiny)" in said.out and "\n  cls/figures -> seg/figures, finetune, 90% " in said.out
    assert "+1.0 ±9.0 (undecided)" in said.out
    assert "undecided below 6 seeds" in said.out and "a is better" in said.out
    assert "average ranks over 3 jobs" in said.out and "Nemenyi" in said.out


def test_the_ranks_diagram_names_every_method_and_joins_what_is_not_told_apart(folder, tmp_path, capsys):
    out = tmp_path / "ranks.svg"
    code, said = told(capsys, folder, "a", "b", "c", "--out", str(out))
    assert code == 0 and "not told apart: a, b, c" in said.out
    svg = out.read_text()
    assert all(text in svg for text in ("a (1.50)", "b (1.50)", "c (3.00)", "critical difference 1.91", "N = 3 jobs"))
    assert "Friedman test (Iman and Davenport): p = " in svg and "budgets: equal steps; records up to 20" in svg
    assert len(re.findall(r"stroke-width: 3[;\"]", svg)) == 1


def test_the_differences_of_two_are_a_map(folder, tmp_path, capsys):
    out = tmp_path / "map.svg"
    assert told(capsys, folder, "a", "b", "--out", str(out))[0] == 0
    svg = out.read_text()
    assert all(text in svg for text in ("a minus b, in points", "90 %, scale tiny", "+1.0", "±9.0"))
    assert "n = 3 seeds" in svg
    assert told(capsys, folder, "a", "b", "--out", str(tmp_path / "map.pdf"))[0] == 0
    assert (tmp_path / "map.pdf").read_bytes().startswith(b"%PDF")


def test_settings_stand_in_the_lines_where_they_differ(tmp_path, capsys):
    for budget in (1.0, 0.5):
        for made in (*transfers("a", 0.5, budget=budget), *transfers("b", 0.4, budget=budget)):
            made.write(tmp_path)
    said = told(capsys, tmp_path, "a", "b")[1].out
    for made in (*transfers("a", 0.5, threads=2), *transfers("b", 0.4, threads=2)):
        made.write(tmp_path)
    assert "90%, scale tiny, 2 threads " in told(capsys, tmp_path, "a", "b")[1].out
    assert "a - b, in points\n" in said and "90%, scale tiny " in said and "90%, scale tiny, budget 0.5 " in said


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["a"], "a comparison needs two names and got a"),
        (["finetune", "--by", "recipe"], "got finetune; give e.g. finetune scratch"),
        (["a", "b", "--by", "recpie"], "unknown --by 'recpie'. Did you mean 'recipe'?"),
        (["a", "b", "--method", "a"], "--method a beside methods that are compared; leave it out"),
        (["transferred", "natve", "--by", "origin"], "unknown origin among the transfers 'natve'"),
        (["a", "supertickts"], "unknown method among the transfers 'supertickts'"),
        (
            ["a", "b", "--target", "pose"],
            "unknown target among the transfers 'pose/figures'. Did you mean 'seg/figures'?",
        ),
        (["a", "b", "--sparsity", "0.9,0.5"], "unknown sparsity among the transfers '0.5'"),
        (["a", "b", "c", "--out", "ranks.png"], "let it end in .svg or .pdf"),
    ],
)
def test_mistakes(folder, capsys, args, message):
    code, said = told(capsys, folder, *args)
    assert code == 2 and said.err.startswith("error: ") and message in said.err and said.err.count("\n") == 1


def test_no_records(tmp_path, capsys):
    code, said = told(capsys, tmp_path, "a", "b")
    assert code == 2 and "holds no transfer of a ticket; run" in said.err


def test_no_shared_cell_is_told_apart():
    with pytest.raises(UserError, match="no job is shared"):
        pairing.chosen(pairing.cells([*transfers("a", 0.5), *transfers("b", 0.5, sparsity=0.5)]), bool, ["a", "b"])


class TestPublished:
    """A method of one's own beside the published rows."""

    @pytest.fixture
    def mine(self, tmp_path, monkeypatch):
        """Two seeds of mine and no control in runs/, five of omp with its control among the published ones."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(published, "checkout", lambda: None)
        for one in transfers("mine", 0.5, 0.6):
            one.write(tmp_path / "runs" / "records")
        control = transfers("omp", *[0.1] * 5, transform="random", control="random", kind="control")
        for one in (*transfers("omp", *[0.4] * 5), *transfers("gmp", 0.3, 0.3, target=POSE), *control):
            one.write(tmp_path / "results" / "records")
        return tmp_path

    def run(self, capsys, *args):
        """Exit code, output and errors of a command line."""
        with pytest.raises(SystemExit) as left:
            console.main(compare.app, "compare", list(args))
        out, err = capsys.readouterr()
        return left.value.code, out, err

    @pytest.mark.parametrize("names", [["mine"], ["mine", "omp"]])
    def test_is_compared_with_what_shares_a_job_and_told_what_it_lacks(self, mine, capsys, names):
        code, out, _ = self.run(capsys, *names, "--published")
        assert code == 0 and "mine - omp, in points" in out and "missing" in out and "gmp" not in out
        assert "mine lacks seeds 2, 3, 4; no random of mine" in out

    def test_nothing_is_missing_where_both_have_all(self, mine, capsys):
        for one in transfers("imp", 0.2, 0.2):
            one.write(mine / "runs" / "records")
        code, out, _ = self.run(capsys, "mine", "imp", "--published")
        assert code == 0 and "missing" not in out

    def test_a_record_that_is_published_counts_once(self, mine):
        for one in transfers("omp", *[0.9] * 5):
            one.write(mine / "runs" / "records")
        found = list(published.beside(record_files.each(mine / "runs" / "records")))
        assert len(found) == len({one.id for one in found}) == 14
        assert {one.scored.score for one in found if one.job.drawer == "omp" and not one.job.transform} == {0.4}

    def test_what_stands_apart_is_told_with_the_difference(self, mine, capsys):
        for one in transfers("other", 0.5, kernels="avx512"):
            one.write(mine / "runs" / "records")
        for names in (["other"], ["other", "omp"]):
            code, out, err = self.run(capsys, *names, "--published")
            assert code == 2 and not out and err.count("\n") == 1
            assert "the nearest differ in compute (avx512 kernels here, usual there)" in err

    def test_mistakes(self, mine, capsys):
        code, _, err = self.run(capsys, "mein", "--published")
        assert code == 2 and "unknown method among the transfers 'mein'. Did you mean 'mine'?" in err
        code, _, err = self.run(capsys, "mine")
        assert code == 2 and "a comparison needs two names and got mine" in err
        (mine / "results").rename(mine / "moved")
        code, _, err = self.run(capsys, "mine", "--published")
        assert code == 2 and "there are no published records" in err
