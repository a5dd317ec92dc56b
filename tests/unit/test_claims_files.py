"""Claims as data: their form, when they were registered, what records say of them, and the pages that show it."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from samples import record

from bench import check, claims
from bench.audit.registered import findings, fixed
from bench.boards import claimed
from bench.boards.verdicts import NOT_RUN, REFUTED, SUPPORTED, UNDECIDED, VOID, Bench, Verdict, adjusted, verdicts
from bench.command import console
from bench.numbers import stats
from bench.numbers.crossed import Crossed
from bench.records import provenance
from bench.records import record as records
from bench.request import claim, suite
from tickets.errors import UserError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "results" / "claims"
WRITTEN = "2026-01-31T12:00:00Z"
"""When the records of tests/samples.py were."""


def family(**changes):
    """The data of a family of one claim, registered before the records; changes are keys of the claim or the family."""
    one = {"claim": "mine is better", "over": "seg", "contrast": {"first": "mine", "second": "omp"}, "seeds": 2,
           "refuted": "it lies below zero"}  # fmt: skip
    data = {"about": "It is.", "source": {"paper": "none"}, "suites": ["smoke"],
            "registered": {"date": "2026-01-30T00:00:00Z"}}  # fmt: skip
    for key, value in changes.items():
        (data if key in data else one)[key] = value
    return {**data, "claims": data.get("claims", {"better": one})}


@pytest.fixture
def write(tmp_path):
    """Writes a family as tmp_path/claims/mine.yaml."""

    def written(**changes):
        path = tmp_path / "claims" / "mine.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(family(**changes)))
        return path

    return written


def runs(mine=(0.6, 0.7), other=(0.5, 0.5), **changes):
    """Records of two methods, a seed each score."""
    return [
        record(drawer=name, score=score, seed=seed, **changes)
        for name, scores in (("mine", mine), ("omp", other))
        for seed, score in enumerate(scores)
    ]


def told(capsys, app, *args):
    with pytest.raises(SystemExit) as left:
        console.main(app, "ticketbench", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seeds": 1}, "'claims.better.seeds': input should be greater than or equal to 2 (got 1)"),
        ({"seeds": "five"}, "'claims.better.seeds': input should be a valid integer (got 'five')"),
        ({"margin": 1000}, "'claims.better.margin': input should be less than or equal to 100"),
        ({"hope": 1}, "the key 'claims.better.hope' is not known"),
        ({"refuted": ""}, "'claims.better.refuted': string should have at least 1 character"),
        ({"contrast": {"first": "a", "second": "a"}}, "first and second are both 'a'; give two arms"),
        ({"contrast": {"first": "a", "second": "b", "method": ["a"]}}, "method is given beside methods that are"),
        ({"contrast": {"first": "a", "second": "b", "by": "luck"}}, "'claims.better.contrast.by': input should be"),
        ({"contrast": {"first": "a", "second": "b", "target": ["none", "cls"]}}, "give none alone, for draws"),
        ({"registered": {"date": "yesterday"}}, "'registered.date': string should match pattern"),
        ({"registered": {"date": "2026-01-30T00:00:00Z", "commit": "main"}}, "'registered.commit': string should"),
        ({"late": {"date": "2026-01-01T00:00:00Z", "why": "seen"}}, "before its family was registered"),
        ({"late": {"date": "2026-02-01T00:00:00Z"}}, "the key 'claims.better.late.why' is missing"),
        ({"over": "a | b"}, "'claims.better.over': one line of plain text is allowed, without any of |<>`"),
        ({"claim": "<script>"}, "'claims.better.claim': one line of plain text"),
        ({"refuted": "two\nlines"}, "'claims.better.refuted': one line of plain text"),
        ({"about": "\u202eleft"}, "'about': it holds a sign that cannot be printed"),
        ({"suites": []}, "'suites': list should have at least 1 item"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_another_form_is_refused_in_one_sentence(write, changes, why):
    path = write(**changes)
    with pytest.raises(UserError) as refused:
        claim.read(path)
    said = str(refused.value)
    assert said.startswith(f"the claims {path} are refused: ") and why in said and said.endswith("README.md.")


@pytest.mark.parametrize(
    ("text", "why"),
    [("- a", "it holds a list, not keys"), ("", "it holds a NoneType"), ("a: &a [*a]", "refers to another by *"),
     ("a: [", "while parsing"), ("about: \x1b[31m", "special characters"), ("claims: {A: {}}", "is missing")],
)  # fmt: skip
def test_what_is_no_family_is_refused_too(tmp_path, text, why):
    (path := tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as refused:
        claim.read(path)
    assert why in str(refused.value) and "\x1b" not in str(refused.value)


def test_a_folder_without_claims_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="there are no claims"):
            list(claim.each(folder))


@pytest.mark.parametrize(
    ("date", "late", "is_right"),
    [
        ("2026-01-30T00:00:00Z", None, True),
        (WRITTEN, None, True),
        ("2026-02-01T00:00:00Z", None, False),
        ("2026-02-01T00:00:00Z", {"date": "2026-02-02T00:00:00Z", "why": "it was asked"}, True),
    ],
)
def test_a_claim_is_registered_before_its_records_or_says_that_it_is_late(write, date, late, is_right):
    path = write(registered={"date": date}, late=late)
    count, found = findings(path.parent, runs())
    assert count == 1 and (not found) is is_right
    if not is_right:
        (one,) = found
        assert one.file == "mine.yaml" and one.sentence.startswith(
            f"the claim better was registered at {date}, after the"
        )
        assert f"written at {WRITTEN}); mark it late" in one.sentence


def test_records_of_other_jobs_make_no_claim_late(write):
    path = write(
        registered={"date": "2026-02-01T00:00:00Z"}, contrast={"first": "mine", "second": "omp", "target": ["cls"]}
    )
    assert findings(path.parent, runs())[1] == []


@pytest.mark.parametrize(
    ("changes", "found", "why"),
    [
        ({"suites": ["mine-v9"]}, runs(), "'suites' names 'mine-v9', which is none of"),
        ({"registered": {"date": "2999-01-01T00:00:00Z"}}, [], "which is yet to come"),
        ({}, runs((0.5, 0.6, 0.7), (0.4, 0.4, 0.4)), "was registered with 2 seeds and has 3 in the records"),
        ({}, [*runs(), *runs(budget=0.5)], "mixes 2 ways of computing (scale tiny; scale tiny, budget 0.5)"),
    ],
)
def test_what_was_not_registered_is_told(write, changes, found, why):
    said = [one.sentence for one in findings(write(**changes).parent, found)[1]]
    assert len(said) == 1 and why in said[0]


def test_the_commit_counts_where_it_is_later_and_known(write, monkeypatch):
    """As told by git: the commit that is named, or the first that holds the file; nothing in a shallow clone."""
    path, asked = write(), []
    answers = {
        "show": "2026-03-01T01:00:00+01:00",
        "rev-parse": "false",
        "log": "2026-04-01T00:00:00+00:00\n2026-02-01T00:00:00+00:00",
    }
    monkeypatch.setattr(provenance, "checkout", lambda: path.parent)
    monkeypatch.setattr(provenance, "git", lambda root, *args: asked.append(args) or answers[args[0]])
    named = claim.Registered(date="2026-01-30T00:00:00Z", commit="abcdef0")
    own = claim.Registered(date="2026-01-30T00:00:00Z")
    assert fixed(path, named) == "2026-03-01T00:00:00Z" and fixed(path, own) == "2026-02-01T00:00:00Z"
    answers["rev-parse"], answers["show"] = "true", None
    assert fixed(path, named) == fixed(path, own) == "2026-01-30T00:00:00Z"


def verdict(found, **changes):
    """The only verdict of a family."""
    registration = claim.Registration("mine", claim.Family.model_validate(family(**changes)))
    (one,) = verdicts(found, [registration])
    return one


@pytest.mark.parametrize(
    ("mine", "changes", "word"),
    [
        ((0.60, 0.61, 0.62), {}, SUPPORTED),
        ((0.40, 0.41, 0.42), {}, REFUTED),
        ((0.40, 0.50, 0.61), {}, UNDECIDED),
        ((0.505, 0.506, 0.504), {"margin": 1}, REFUTED),
        ((0.52, 0.52, 0.52), {"margin": 1}, SUPPORTED),
        ((0.48, 0.485, 0.49), {"margin": -3}, SUPPORTED),
        ((0.40, 0.41, 0.42), {"margin": -3}, REFUTED),
        ((0.60, 0.61, 0.62), {"void": "nothing was saved"}, VOID),
        ((), {}, NOT_RUN),
    ],
)
def test_a_verdict_follows_from_interval_and_margin(mine, changes, word):
    """One source, three seeds, against 0.5 each."""
    one = verdict(runs(mine, (0.5,) * 3), seeds=3, **changes)
    assert one.word == one.first_word == word


def test_one_seed_decides_nothing():
    assert verdict(runs((0.9,), (0.1,))).word == UNDECIDED


def test_what_is_taken_off_is_paired_by_seed():
    """(0.6 - 0.5) - (0.53 - 0.5) and (0.7 - 0.5) - (0.51 - 0.5) by hand."""
    contrast = {"first": "mine", "second": "omp", "recipe": ["finetune"],
                "less": {"first": "mine", "second": "omp", "recipe": ["scratch"]}}  # fmt: skip
    one = verdict([*runs(), *runs((0.53, 0.51), recipe="scratch")], contrast=contrast)
    assert one.first.mean == one.crossed.mean == pytest.approx((0.07 + 0.19) / 2)


def test_methods_that_remove_nothing_stand_for_every_sparsity():
    dense = [record(drawer="omp", sparsity=0.0, score=0.5, seed=seed) for seed in (0, 1)]
    mine = [record(drawer="mine", score=score, seed=seed) for seed, score in enumerate((0.6, 0.7))]
    contrast = {"first": "mine", "second": "omp", "sparsity": [0.9]}
    assert verdict([*dense, *mine], contrast=contrast).first.mean == pytest.approx(0.15)


def test_claims_of_a_family_are_adjusted_by_holm():
    """By hand: p of 0.001, 0.02, 0.03 and none; 0.001 < 0.05 / 4, and 0.02 > 0.05 / 3, which ends it."""
    from scipy.special import stdtrit

    one = claim.Family.model_validate(family()).claims["better"]
    means = [-float(stdtrit(4, p / 2)) for p in (0.02, 0.001, 0.03)]
    found = [Verdict("mine", str(at), one, 4, None, Crossed(mean, 1.0, 4, 3, 5)) for at, mean in enumerate(means)]
    told = adjusted([*found, Verdict("mine", "3", one, 4, None, None)])
    assert [one.p for one in told] == pytest.approx([0.06, 0.004, 0.06, 1.0])
    assert [one.level for one in told] == pytest.approx([1 - 0.05 / 3, 1 - 0.05 / 4, 1 - 0.05 / 3, 1 - 0.05 / 3])
    assert [one.interval[0] > 0 for one in told[:3]] == [False, True, False]


def test_the_published_claims_are_sound_and_their_pages_current(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert told(capsys, check.app, "claims")[:2] == (0, "27 claims in results/claims, 0 files with mistakes\n")
    code, out, err = told(capsys, claims.app, "--check")
    assert (code, err) == (0, "") and out.startswith("2 pages are what the claims")


def test_what_the_page_says_of_the_two_factors_is_so():
    """Three lines are decided before the adjustment, none after it; and what three sources ask of one of fourteen."""
    from scipy.special import stdtrit

    page = " ".join((ROOT / "docs" / "claims.md").read_text(encoding="utf-8").split())
    found = verdicts(records.each(ROOT / "results" / "records"), [claim.read(FOLDER / "supertickets.yaml")])
    decided = {one.name for one in found if not one.crossed.interval()[0] <= 0 <= one.crossed.interval()[1]}
    assert decided == {"joint-imp", "shuffled-photographs", "dense-drawn"} and {one.word for one in found} == {
        UNDECIDED
    }
    assert "two factors still decide three lines" in page and "after it, none is decided" in page
    asked = sorted(float(stdtrit(one.crossed.degrees, 1 - 0.05 / 28)) for one in found)
    assert len(found) == 14 and f"of {asked[0]:.0f} to {asked[-1]:.0f} times its standard error" in page


BESIDE = {
    "+0.7 to within 7.1": {"first": "rst", "second": "rst@gradient=blocked", "recipe": ["finetune"]},
    "+2.9 to within 6.4": {"by": "recipe", "first": "kd", "second": "scratch", "method": ["omp"], "sparsity": [0.9]},
    "+4.8 to within 7.5": {
        "by": "recipe",
        "first": "kd",
        "second": "scratch",
        "method": ["random of omp"],
        "sparsity": [0.9],
    },
    "-24.9 to within 5.7": {"first": "dst@share=1", "second": "rigl@share=3", "target": ["none"]},
    "0.0 to within 7.5": {"first": "imp", "second": "random of imp", "recipe": ["rewind"], "host": "supernet/tiny2"},
    "+8.5 to within 2.3": {"first": "imp", "second": "random of imp", "recipe": ["rewind"], "host": "spiking/tiny"},
}
"""Contrasts that docs/further-claims.md tells beside the registered ones, each over five seeds of one source."""


def test_what_stands_beside_the_further_claims_is_so():
    page = " ".join((ROOT / "docs" / "further-claims.md").read_text(encoding="utf-8").split())
    bench = Bench(records.each(ROOT / "results" / "records"))
    for told, contrast in BESIDE.items():
        values = defaultdict(list)
        for one in bench.differences(claim.Contrast.model_validate(contrast)):
            for seed, value in one.by_seed.items():
                values[seed].append(value)
        found = stats.estimate([stats.mean(part) for part in values.values()])
        sign = f"{100 * found.mean:+.1f}".replace("+0.0", "0.0").replace("-0.0", "0.0")
        assert f"{sign} to within {100 * found.half:.1f}" == told and told in page and found.n == 5


def test_every_suite_that_a_claim_names_says_where_the_claim_stands():
    """And repeats none of it."""
    for one in claim.each(FOLDER):
        for name in one.family.suites[:1]:
            assert f"results/claims/{one.name}.yaml" in " ".join(suite.load(name).about.split())
    asked = [name for name in suite.names() if "results/claims/" in suite.load(name).about]
    assert {name for one in claim.each(FOLDER) for name in one.family.suites} >= set(asked)


def test_the_readme_of_claims_shows_a_family_that_is_read(tmp_path):
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.S)
    (tmp_path / "mine.yaml").write_text(block)
    read = claim.read(tmp_path / "mine.yaml").family
    keys = {*claim.Family.model_fields, *claim.Claim.model_fields, *claim.Arms.model_fields}
    assert read.claims["better"].margin == 1 and not [key for key in keys if f"`{key}`" not in text]


@pytest.fixture
def folder(tmp_path, write, monkeypatch):
    """Records and claims in the working folder, and a page with a block for them."""
    monkeypatch.chdir(tmp_path)
    for one in runs():
        one.write(tmp_path / "records")
    write()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- claims: mine -->\nold\n<!-- end of claims -->\nafter\n")
    return page


def test_a_page_is_written_and_checked(folder, capsys):
    words = ("claims", "--records", "records", "--page", "page.md")
    assert told(capsys, claims.app, *words, "--check") == (
        1,
        "",
        "error: page.md is stale; run make table and commit it.\n",
    )
    assert "old" in folder.read_text()
    assert told(capsys, claims.app, *words, "--write") == (0, "page.md\n", "")
    text = folder.read_text()
    assert text.startswith("before\n<!-- claims: mine -->\n") and text.endswith("<!-- end of claims -->\nafter\n")
    assert (
        "| mine is better | seg | +15.0 [-48.5, +78.5]: undecided | +15.0 [-48.5, +78.5] |" in text
        and "old" not in text
    )
    assert told(capsys, claims.app, *words, "--check")[0] == 0


def test_without_a_page_the_table_is_printed(folder, capsys):
    code, out, _ = told(capsys, claims.app, "claims", "--records", "records")
    assert code == 0 and out.splitlines()[0] == "mine" and "mine is better" in out and "+15.0" in out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--write", "--check"), "--write and --check are both given"),
        (("--page", "page.md"), "--page page.md is for --write or --check"),
        (("--write", "--page", "nowhere.md"), "cannot read the page nowhere.md"),
        (("--write", "--page", "other.md"), "unknown family of claims in other.md 'yours'"),
        (("--write", "--page", "none.md"), "none.md has no block of claims"),
    ],
)
def test_mistakes_are_told_in_one_sentence(folder, capsys, words, why):
    (folder.parent / "other.md").write_text("<!-- claims: yours -->\n<!-- end of claims -->\n")
    (folder.parent / "none.md").write_text("text\n")
    code, out, err = told(capsys, claims.app, "claims", "--records", "records", *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and why in err


def test_a_late_claim_is_marked_and_families_are_told_apart():
    late = {"date": "2026-02-01T00:00:00Z", "why": "it was asked"}
    one = verdict(runs(), late=late)
    assert claimed.row(one)[0] == "mine is better (late: it was asked)"
    assert claimed.markdown([one]).startswith("| claim | over |")
    assert claimed.markdown([one, verdict([])]).count("| - |") == 0 and "**not run**" in claimed.markdown([verdict([])])
