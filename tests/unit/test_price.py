"""Prices: what is there, how long jobs take together, what is said of it."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from asked import config
from samples import record

from bench.jobs import price
from bench.jobs.paces import Pace
from bench.jobs.price import Cost
from bench.jobs.store import Store
from bench.records.setting import Setting
from bench.request.plan import jobs

PACE = Pace(start_s=3.0, step_s=0.5, sample_s=0.01, macs=1_000_000, peak_mib=1024.0)
COUNTS = {"val": 100, "test": 200}


@pytest.fixture
def demo():
    """The demo's draw, reference and transfer."""
    return jobs(config())


def facts(scale, equal="steps"):
    """As much as an estimate looks at: the scale, what is equal, and splits of 100 and 200 samples."""
    task = SimpleNamespace(split=lambda name: range(COUNTS[name]))
    return SimpleNamespace(scale=scale, setting=Setting(equal=equal), tasks={"cls/figures": task, "seg/figures": task})


def test_the_time_of_jobs_on_two_workers_by_hand(demo):
    """Draw 4 and transfer 5 in a row, the reference of 6 beside them: 9; on one worker 15."""
    draw, dense, transfer = demo
    seconds = {draw: 4.0, dense: 6.0, transfer: 5.0}
    assert price.makespan(demo, seconds, 2) == 9.0
    assert price.makespan(demo, seconds, 1) == 15.0
    assert price.makespan([dense, transfer], {dense: 6.0, transfer: 5.0}, 2) == 6.0
    assert price.makespan([], {}, 2) == 0.0


def test_the_cost_of_a_draw_and_of_a_reference_by_hand(demo):
    draw, dense, _ = demo
    scale = config().scale
    found = price.cost(draw, facts(scale), PACE, COUNTS)
    assert (found.steps, found.macs) == (400, 3 * 400 * 32 * 1_000_000)
    assert found.seconds == pytest.approx(3 + (400 + 10) * 0.5 + (300 + 200) * 0.01)  # val twice more, BN three times
    assert price.cost(dense, facts(scale), PACE, COUNTS).seconds == pytest.approx(3 + (600 + 10 / 3) * 0.5 + 300 * 0.01)


def test_at_equal_sparse_macs_a_job_is_priced_at_the_steps_of_its_sparsity():
    """Of the weights a fifth is kept, so there are five times as many steps; a dense reference keeps its own."""
    asked = config(sparsity="0.8", equal="sparse")
    draw, dense, transfer = jobs(asked)
    steps = [price.cost(job, facts(asked.scale, "sparse"), PACE, COUNTS).steps for job in (draw, dense, transfer)]
    assert steps == [5 * 400, 600, 5 * 600]
    assert [price.cost(job, facts(asked.scale, "macs"), PACE, COUNTS).steps for job in (draw, dense)] == [400, 600]


def test_a_teacher_beside_equal_steps_is_a_fourth_forward_pass():
    """3 passes of a step and 1 of the teacher; equal MACs pay for it by fewer steps."""
    asked = config(drawer="imp", recipe="kd", control="none")
    transfer = jobs(asked)[-1]
    by_steps, by_macs = (price.cost(transfer, facts(asked.scale, equal), PACE, COUNTS) for equal in ("steps", "macs"))
    assert (by_steps.macs, by_macs.macs) == (4 * 600 * 32 * 1_000_000, 3 * 600 * 32 * 1_000_000)
    assert by_steps.seconds - by_macs.seconds == pytest.approx(600 / 3 * 0.5)


def test_costs_are_those_of_each_job_by_its_task_and_seed():
    """Three seeds of a draw and a transfer, whose tasks go at other paces."""
    found, asked = jobs(config(seed="0,1,2", control="none")), facts(config().scale)
    paces = {("cls/figures", None): PACE, ("seg/figures", None): replace(PACE, step_s=7.0)}
    one_by_one = {job: price.cost(job, asked, paces[job.where], COUNTS) for job in found}
    assert price.costs(found, asked, paces) == one_by_one
    assert len(set(one_by_one.values())) == 2


def test_what_is_there_failed_or_missing(demo, tmp_path):
    draw, dense, transfer = demo
    ids = {draw: "a", dense: "b", transfer: "c"}
    store = Store(tmp_path)
    record(id="b").write(store.records)
    record(id="c", score=None).write(store.records)
    assert price.states(demo, ids, store) == {draw: "missing", dense: "done", transfer: "failed"}
    record(id="a", target=None).write(store.records)
    assert price.states(demo, ids, store)[draw] == "missing"  # its ticket is not there
    for suffix in (".safetensors", ".json"):
        (store.ticket("a").parent).mkdir(exist_ok=True)
        store.ticket("a").with_name("a" + suffix).touch()
    assert price.states(demo, ids, store)[draw] == "done"


def test_what_is_said(demo):
    draw, dense, transfer = demo
    costs = {job: Cost(400, 2 * 10**11, 60.0) for job in (draw, transfer)}
    state = {draw: "missing", dense: "done", transfer: "failed"}
    said = price.told(demo, state, costs, facts(config().scale), 2, {("cls/figures", None): PACE})
    lines = said.splitlines()
    assert lines[0].startswith("missing draw") and lines[0].endswith("400 steps of 32, 0.20 T training MACs, 60 s")
    assert lines[1].startswith("done    dense reference") and lines[1].endswith("seed 0")
    assert lines[3] == "3 jobs: 1 done, 1 missing, 1 failed"
    assert lines[4].startswith("still to do: 0.40 T training MACs, about 2.0 min with 2 jobs at once, 2.0 GiB")
    everything = price.told(demo, dict.fromkeys(demo, "done"), {}, facts(config().scale), 2, {})
    assert everything.splitlines()[-1] == "3 jobs: 3 done, 0 missing, 0 failed"
