"""Reruns of one seed over compute paths: what is pooled, the rule, how often it errs, and how it is measured."""

import math
import os
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from samples import record

from bench import check
from bench.audit import reruns, spread
from bench.audit.spread import Group, Rerun, groups
from bench.boards.leaderboard import grouped, placed
from bench.command import console
from bench.numbers import stats
from bench.records import record as records
from tickets.errors import UserError

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results" / "spread.yaml"


def rerun(*scores, seed=0, kind="seg", job="transfer"):
    named = {f"path{place}": score for place, score in enumerate(scores)}
    return Rerun(kind=kind, job=job, drawer="omp", told="a job", seed=seed, scores=named)


def test_deviations_are_pooled_within_jobs_and_equal_bits_count_once():
    """By hand: squares 2 x 0.01^2 and 2 x 0.03^2 over 1 + 1 degrees; paths that all agree, the last, say nothing."""
    (found,) = groups([rerun(0.50, 0.52, 0.52), rerun(0.60, 0.66, seed=1), rerun(0.7, 0.7, seed=2)])
    assert (found.kind, found.job, found.scores, found.degrees) == ("seg", "training", 4, 2)
    assert found.deviation == pytest.approx(math.sqrt(0.001)) and found.largest == pytest.approx(0.06)


def test_draws_are_apart_from_trainings_and_kinds_from_kinds():
    jobs = [rerun(0.1, 0.2, job=job, kind=kind) for job in ("draw", "transfer", "control") for kind in ("cls", "seg")]
    assert [(one.kind, one.job, one.degrees) for one in groups(jobs)] == [
        ("cls", "draw", 1), ("cls", "training", 2), ("seg", "draw", 1), ("seg", "training", 2)
    ]  # fmt: skip


def test_means_over_seeds_reach_less_far():
    one = Group(kind="seg", job="training", scores=12, degrees=9, deviation=0.01, largest=0.03)
    assert one.reach() == pytest.approx(3.2498355416 * 0.01 * math.sqrt(2)) and one.reach(4) == pytest.approx(
        one.reach() / 2
    )


def test_a_right_rerun_of_normal_scores_is_refused_in_one_of_a_hundred():
    """5,000 measurements of 4 jobs on 3 paths, and a rerun after each."""
    random, refused = np.random.Generator(np.random.PCG64(0)), 0
    for _ in range(5000):
        (group,) = groups(
            [rerun(*row, seed=seed) for seed, row in enumerate(0.5 + 0.02 * random.standard_normal((4, 3)))]
        )
        refused += abs(0.02 * math.sqrt(2) * random.standard_normal()) > group.reach()
    assert 0.006 < refused / 5000 < 0.014


@pytest.fixture(scope="module")
def measured():
    found = spread.read(PUBLISHED)
    assert found is not None
    return found


def test_every_kind_of_task_is_measured(measured):
    assert {one.kind for one in measured.groups if one.degrees >= spread.FEWEST} == {"cls", "seg", "pose", "vae", "gan"}
    for kind in ("cls/figures", "seg/figures", "pose/figures", "vae/figures", "gan/figures"):
        source = kind.replace("vae", "cls").replace("gan", "cls")
        found = record(target=source).model_copy(update={"job": record().job.model_copy(update={"target": kind})})
        assert measured.of(found) == next(g for g in measured.groups if (g.kind, g.job) == (kind[:-8], "training"))


def test_no_right_rerun_is_refused(measured):
    """Published records were equal on their own path; each rerun on others lies within what all other jobs say."""
    assert measured.equal == measured.repeated >= 3
    told = [(abs(apart), reach) for _, apart, reach in spread.right(measured.reruns) if reach is not None]
    assert len(told) >= 20 and not [apart for apart, reach in told if apart > reach]


def test_no_row_of_right_reruns_is_refused(measured):
    """Rows of two seeds or more that were published elsewhere: means over seeds lie within their shorter reach, too."""
    rows = defaultdict(list)
    for one in measured.reruns:
        if {"avx512", reruns.PUBLISHED} <= one.scores.keys():
            rows[one.group, one.drawer, one.told].append(one.scores["avx512"] - one.scores[reruns.PUBLISHED])
    told = {key: apart for key, apart in rows.items() if len(apart) > 1}
    assert len(told) >= 4
    for (group, *_), apart in told.items():
        reach = next(g for g in measured.groups if (g.kind, g.job) == group).reach(len(apart))
        assert abs(stats.mean(apart)) <= reach


def test_a_rerun_with_another_learning_rate_is_refused(measured):
    """Where the score tells it at all: see docs/reproduced.md for classification."""
    outcomes = Counter()
    for one in measured.changed:
        group = next(g for g in measured.groups if (g.kind, g.job) == one.rerun.group)
        outcomes[one.rerun.kind, one.rerun.apart > group.reach()] += 1
    assert outcomes["seg", True] and outcomes["pose", True] and not outcomes["seg", False] + outcomes["pose", False]


def test_the_page_shows_what_the_file_says(measured):
    page = (ROOT / "docs" / "reproduced.md").read_text(encoding="utf-8")
    assert spread.markdown(measured) in page
    dense = next(one for one in measured.reruns if (one.kind, one.job, one.seed) == ("cls", "control", 0)).scores
    told = [f"{dense[name]:.3f}" for name in ("published", "avx2-aten-avx2", "avx512")]
    assert f"scored {told[0]} on one machine, {told[1]} and {told[2]} by two kernels of another" in " ".join(
        page.split()
    )


def test_intervals_of_rows_say_nothing_of_reruns():
    """What docs/reproduced.md tells of the rule that was: published scores that their own row's interval leaves out."""
    boards = placed(records.each(ROOT / "results" / "records")).values()
    found = [by_seed.values() for board in boards for by_seed in grouped(board)[0].values()]
    rows = [[one.score for one in row if one.score is not None] for row in found]
    rows = [(scores, stats.estimate(scores)) for scores in rows if len(scores) > 1]
    outside = sum(abs(score - row.mean) > row.half for scores, row in rows for score in scores)
    said = f"{outside} of {sum(len(scores) for scores, _ in rows):,} published scores"
    page = (ROOT / "docs" / "reproduced.md").read_text(encoding="utf-8")
    assert said in page and f"up to {100 * max(row.half for _, row in rows):.1f} points" in page


def test_the_file_follows_from_its_reruns(tmp_path):
    data = yaml.safe_load(PUBLISHED.read_text())
    data["groups"][0]["deviation"] /= 2
    (tmp_path / "spread.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(UserError, match="groups are not what the reruns say; run its command again; measure again"):
        spread.read(tmp_path / "spread.yaml")


@pytest.mark.parametrize(("text", "why"), [("- a", "is none of bench.check spread's"), ("a: [", "is no YAML")])
def test_another_file_is_refused(tmp_path, text, why):
    (tmp_path / "spread.yaml").write_text(text)
    with pytest.raises(UserError, match=why):
        spread.read(tmp_path / "spread.yaml")


def test_a_folder_without_a_file_of_its_own_has_the_published_one(tmp_path, measured, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert spread.beside(tmp_path / "records") == measured
    mine = measured.model_copy(update={"about": "mine"})
    mine.save(tmp_path / "spread.yaml")
    assert spread.beside(tmp_path / "records") == mine


@pytest.fixture
def homes(tmp_path):
    """Two paths of two seeds, one of them with a changed rerun, as bench.run leaves them."""
    scores = {"avx512": (0.50, 0.60), "torch": (0.52, 0.63), "avx512-lr-tenth": (0.1,)}
    for path, values in scores.items():
        kernels = "torch" if path == "torch" else "avx512"
        scale = f"tiny@{path.partition('-')[2]}" if path in reruns.CHANGES else "tiny"
        for seed, score in enumerate(values):
            one = record(
                score=score, seed=seed, kernels=kernels, id=f"r{seed}", scale=scale, packages={"torch": "2.14.1"}
            )
            one.write(tmp_path / path / "records")
    return tmp_path


def test_homes_are_collected_beside_records_of_other_machines(homes):
    others = [record(score=0.54, id="theirs"), record(score=0.9, budget=0.5, id="other")]
    found = reruns.measured(homes, others)
    assert [one.scores for one in found.reruns] == [
        {"avx512": 0.50, "torch": 0.52, "published": 0.54}, {"avx512": 0.60, "torch": 0.63}
    ]  # fmt: skip
    assert [(one.change, one.rerun.scores) for one in found.changed] == [
        (reruns.CHANGES["avx512-lr-tenth"], {"avx512": 0.50, "changed": 0.1})
    ]
    assert (
        (found.repeated, found.equal) == (0, 0)
        and found.paths["published"] == "cpu (Linux x86_64), torch 2.15.0"
        and found.groups == groups(found.reruns)
    )


def test_published_records_of_a_path_that_is_here_are_counted_as_repeated(homes):
    here = {"packages": {"torch": "2.14.1"}, "kernels": "avx512"}
    found = reruns.measured(homes, [record(score=0.5, id="a", **here), record(score=0.7, seed=1, id="b", **here)])
    assert (found.repeated, found.equal) == (2, 1) and found.paths["published"] == "none"


def test_the_command_collects_and_writes(homes, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        words = [
            "spread",
            "--home",
            homes,
            "--collect",
            "--records",
            homes / "torch" / "records",
            "--out",
            tmp_path / "s.yaml",
        ]
        console.main(check.app, "check", list(map(str, words)))
    assert left.value.code == 0 and capsys.readouterr().out.endswith(f"\n{tmp_path / 's.yaml'}\n")
    assert len(spread.read(tmp_path / "s.yaml").reruns) == 2


def test_an_empty_home_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no record of any path"):
        reruns.measured(tmp_path, [])


def test_every_path_runs_as_it_says(tmp_path, monkeypatch):
    """With which flags and variables; a path that the processor lacks is left out, another failure ends it."""
    asked, answers = [], {"avx2": (2, "error: --kernels avx2: this processor cannot run them; give auto.")}

    def run(words, env, **rest):
        way = words[words.index("--kernels") + 1]
        asked.append((words[words.index("--home") + 1], {key: env[key] for key in env if key not in os.environ}))
        code, said = answers.get(way, (0, ""))
        return subprocess.CompletedProcess(words, code, "", said)

    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.setattr(subprocess, "run", run)
    told = list(reruns.run(tmp_path))
    assert len(told) == len(asked) == sum(len(names) for _, names in reruns.STUDIES)
    assert (str(tmp_path / "torch-aten-avx2"), reruns.ATEN) in asked and (str(tmp_path / "torch"), {}) in asked
    assert all(("left out" in line) is line.startswith("avx2-") for line in told)
    assert {name for _, names in reruns.STUDIES for name in names} == {*reruns.WAYS, *reruns.CHANGES}
    answers["torch"] = (1, "error: the disk is full.")
    with pytest.raises(UserError, match="ended with 1: the disk is full"):
        list(reruns.run(tmp_path))


def test_pairs_are_held_against_what_the_other_jobs_say():
    """Two jobs of two and three paths: the reach of each is the other's, and one of a degree of freedom has none."""
    jobs = [rerun(0.50, 0.52, 0.55), rerun(0.60, 0.63, seed=1)]
    told = list(spread.right(jobs))
    assert [one.seed for one, _, _ in told] == [0, 0, 0, 1]
    assert [apart for _, apart, _ in told] == pytest.approx([0.02, 0.05, 0.03, 0.03])
    assert [reach for *_, reach in told] == [None, None, None, groups(jobs[:1])[0].reach()]
