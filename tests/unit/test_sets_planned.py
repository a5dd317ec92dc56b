"""What can be asked of drawers of sets: jobs that are left out beside others, refused where there are no others."""

import re

import pytest
from asked import config, facts, kinds
from foreign import register

from bench.jobs import price
from bench.jobs.paces import Pace
from bench.request import sets
from bench.request import suite as suites
from bench.request.plan import jobs
from tasks import TASKS
from tasks.base import Task
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.recipes import RECIPES
from tickets.transforms import TRANSFORMS


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    """A transform that makes tickets."""
    register(monkeypatch, TRANSFORMS, same="foreign:Same")


@pytest.fixture
def misled(monkeypatch):
    """Drawers and a recipe that ask for a set where one ticket is given."""
    register(monkeypatch, DRAWERS, based="foreign:BasedOnSet", twice="foreign:TwiceRemoved")
    register(monkeypatch, RECIPES, misled="foreign:TaughtBySet")


@pytest.fixture
def unmerged(monkeypatch):
    """Segmentation says no more how outputs are merged."""
    monkeypatch.setattr(TASKS.load("seg/figures"), "merge", Task.merge)


def told(**asked):
    """What is said of a configuration that is refused."""
    with pytest.raises(UserError) as found:
        config(**asked)
    text = str(found.value)
    assert "\n" not in text and text.endswith(".")
    return text


def test_a_set_is_drawn_and_transferred_by_as_many_jobs_as_a_ticket():
    found = jobs(config(drawer="dst,rigl", sparsity="0.8", control="dense,native"))
    assert kinds(found) == {"draw": 4, "dense": 1, "transfer": 2, "native": 2}
    draw, transfer = (next(job for job in found if job.drawer == "dst" and job.kind == k) for k in ("draw", "transfer"))
    assert transfer.needs == {"ticket": draw} and draw.needs == {}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (
            {"control": "random"},
            "a ticket set cannot be transformed by random; transform single tickets, and",
        ),
        ({"transform": "same"}, "a ticket set cannot be transformed by same; transform single tickets, and"),
        ({"transform": "none,same"}, "a ticket set cannot be transformed by same"),
        (
            {"recipe": "continue", "target": "cls"},
            "the recipe continue trains one ticket on, and dst draws a set",
        ),
        ({"head": "keep", "target": "cls"}, "--head keep carries the head of one ticket, and dst draws a set"),
        ({"recipe": "rewind"}, "needs a rewind point and the drawer dst keeps none"),
        (
            {"drawer": "edst", "budget": 0.01},
            "members is 3 and the draw has 4 steps: a phase of 0 steps is no training",
        ),
        ({"drawer": "dst@members=9", "budget": 0.02}, "members is 9 and the draw has 8 steps: less than a step each"),
        ({"drawer": "dst@members=1"}, "members is 1; a set needs at least 2"),
    ],
)
def test_where_all_drawers_draw_sets_it_is_refused_in_a_sentence(asked, why):
    assert why in told(**{"drawer": "dst", "sparsity": "0.8", **asked})


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"recipe": "misled"}, "the recipe misled needs one ticket as its teacher, and edst draws a set; name a draw"),
        ({"drawer": "based"}, "the drawer based needs one ticket as its base, and dst draws a set"),
        ({"drawer": "gmp,twice"}, "the drawer twice needs one ticket as its base, and dst draws a set"),
    ],
)
def test_a_set_is_no_base_and_no_teacher_not_even_of_what_is_needed(asked, why, misled):
    assert why in told(**{"drawer": "gmp", **asked})


def test_beside_single_tickets_it_is_left_out_for_sets():
    """The grid of --drawer all goes on: no control, no transform, no kept head and no continued training of a set."""
    asked = {"drawer": "dst,gmp", "sparsity": "0.8", "target": "cls"}
    controls = jobs(config(**asked, control="random", transform="none,same"))
    assert {(job.drawer, job.transform) for job in controls if job.transform} == {("gmp", "same"), ("gmp", "random")}
    assert [job.drawer for job in controls if job.kind == "transfer" and not job.transform] == ["dst", "gmp"]
    kept = jobs(config(**asked, control="none", head="keep"))
    assert [job.drawer for job in kept if job.kind == "transfer"] == ["gmp"]
    both = jobs(config(**asked, control="none", recipe="finetune,continue"))
    assert [(job.drawer, job.recipe) for job in both if job.kind == "transfer"] == [
        ("dst", "finetune"), ("gmp", "finetune"), ("gmp", "continue"),
    ]  # fmt: skip


def test_all_of_a_kind_is_all_that_can_be_done_with_sets():
    found = config(drawer="dst", recipe="all", transform="all", sparsity="0.8", target="cls", control="none")
    (sweep,) = found.sweeps
    assert sweep.transforms == (None,) and "continue" not in sweep.recipes and "scratch" in sweep.recipes
    (everything,) = config(drawer="all", control="random", transform="all").sweeps
    assert {"dst", "edst", "dense/ensemble", "gmp"} < set(everything.drawers) and "same" in everything.transforms


def test_a_task_that_merges_no_outputs_takes_no_sets(unmerged):
    why = "the drawer dst draws a set, and seg/figures does not say how outputs are merged; draw single tickets there"
    assert why in told(drawer="dst,gmp", sparsity="0.8")
    assert not sets.can_be_drawn("dst", ["cls/figures", "seg/figures"]) and sets.can_be_drawn("dst", ["cls/figures"])
    (sweep,) = config(drawer="all").sweeps
    assert "gmp" in sweep.drawers and not any(DRAWERS.traits(name).draws_sets for name in sweep.drawers)


def test_a_price_counts_every_member():
    """By hand: of 200 steps dst gives each of three members 67, and three transfers take 300 each."""
    asked = config(drawer="dst", sparsity="0.8", budget=0.5, control="none")
    draw, transfer = jobs(asked)
    given = facts(asked)
    pace = Pace(start_s=0.0, step_s=1.0, sample_s=0.0, macs=1, peak_mib=1.0)
    costs = [price.cost(job, given, pace, {"val": 1, "test": 1}) for job in (draw, transfer)]
    assert [cost.steps for cost in costs] == [3 * 67, 3 * 300]
    recalibrated = price.RECALIBRATED
    assert [cost.seconds for cost in costs] == pytest.approx([201 + 5 * recalibrated, 900 + 3 * recalibrated])


def test_free_v1_has_both_contrasts_at_two_budgets():
    found = suites.load("free-v1")
    planned = jobs(config(sweeps=suites.narrowed(found, {}), **found.whole))
    drawn = [job for job in planned if job.kind == "draw"]
    assert kinds(planned) == {"draw": 12 * 5} and {job.sparsity for job in drawn} == {0.8, 0.0}
    names = {job.drawer for job in drawn}
    assert {"dst@share=1", "dst@grow=none@share=1", "edst@share=3", "rigl@share=3", "dst", "edst", "rigl"} < names
    steps = {name: DRAWERS.make(name).steps(200, 0.8) for name in names}
    assert {steps[name] for name in names if "share" in name} == {600}
    assert all(abs(steps[name] - 200) <= 2 for name in names if "share" not in name)
    named = set(re.findall(r"\b(?:dst|edst|rigl)@\S+?(?=[ ,;:]|\.\s)", found.about))
    assert named <= names
