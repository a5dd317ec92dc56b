"""A checkpoint that no training can take over is named, and its job is done from the beginning."""

from pathlib import Path

import pytest
import torch
from homes import few_images, short_facts

from bench.jobs import computing as jobs
from bench.jobs.execute import execute
from bench.jobs.identity import identify_all
from bench.jobs.store import Store
from bench.jobs.work import Work
from bench.request.plan import Job
from tickets.training.checkpoint import TURNS, DamagedCheckpointWarning, save_checkpoint

DRAW = Job("draw", "cls/figures", None, "gmp", 0.9, 0)


def member(state: dict) -> dict:
    """A training's whole state, of another network."""
    return {"network": {}, "masks": {}, "memory": {}, "units": {}, "step": 3, **state}


STATES = {
    "no state at all": [1, 2],
    "another's keys": {"epoch": 3, "model": {}},
    "another network's": member({}),
    "units of no host": member({"units": {"host.nowhere": {3: 1}}}),
    "a round that is none": member({"memory": {"round": 7}}),
    "several trainings'": {TURNS: [member({})]},
    "time that is none": member({"wall_s": "long"}),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A short draw, and the hash of its undisturbed ticket."""
    folder = tmp_path_factory.mktemp("work")
    with few_images(folder / "cache"):
        facts = short_facts(folder / "home")
        work = Work(DRAW, identify_all([DRAW], facts)[DRAW], facts, unless_finished=False)
        yield work, execute(work).ticket.hash


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_a_sound_file_of_another_layout(work, state):
    work, undisturbed = work
    file = Store(work.facts.home).checkpoint(work.id)
    save_checkpoint(file, state) if isinstance(state, dict) else torch.save(state, _made(file))
    with pytest.warns(DamagedCheckpointWarning, match=rf"^the checkpoint {file} is damaged \(.+\) and is not used"):
        record = execute(work)
    assert (record.status, record.ticket.hash) == ("ok", undisturbed) and not file.exists()


def test_a_folder_in_its_place_is_moved_away(work):
    work, undisturbed = work
    file = Store(work.facts.home).checkpoint(work.id)
    file.mkdir(parents=True)
    with pytest.warns(DamagedCheckpointWarning, match=r"is damaged \(Is a directory\)"):
        record = execute(work)
    assert (record.status, record.ticket.hash) == ("ok", undisturbed)


def test_an_error_after_a_training_has_gone_on_is_the_jobs_own(work, monkeypatch):
    work, _ = work
    file, tried = Store(work.facts.home).checkpoint(work.id), []
    monkeypatch.setattr("tickets.training.checkpoint.EVERY_S", -1.0)
    monkeypatch.setattr(jobs, "scores_of", lambda *_: tried.append(1) or 1 / 0)
    assert execute(work).status == "failed" and file.exists()
    record = execute(work)
    assert record.status == "failed" and "ZeroDivisionError" in record.error and len(tried) == 2


def _made(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
