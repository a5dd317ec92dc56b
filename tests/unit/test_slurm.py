"""The engine over Slurm, by submitit's executor of this machine, which stands in for the cluster."""

import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.engines.choice import Choice, Demand, made
from bench.engines.contract import Death

pytest.importorskip("submitit")


@dataclass(frozen=True)
class Patient:
    """An argument that knows whether it is tried again; see `calls.again`."""

    go: Path
    told: str = ""

    def again(self, why):
        """Told why."""
        return replace(self, told=why)


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """With two calls at once."""
    monkeypatch.setattr("bench.engines.slurm.POLL_S", 0.1)
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 0.1)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*sys.path, str(Path(__file__).parent)]))
    options = {"cluster": "local", "partition": "any"}
    return made(Choice("slurm", options), Demand(2, home=tmp_path, folders=(tmp_path,)))


def heard(engine, count):
    """All messages until so many calls have ended, but for progress."""
    told = {}
    while len(told) < count:
        told |= {one.key: (one.kind, one.value) for one in engine.messages() if one.kind != "progress"}
    return told


def controller(engine):
    """The process that stands for a job."""
    (sent,) = engine.folder.glob("*_submitted.pkl")
    return int(sent.name.partition("_")[0])


def test_calls_are_sent_together_and_end_as_they_do_in_worker_processes(engine, tmp_path):
    with engine:
        engine.start("a", "calls:double", 4)
        engine.start("b", "calls:die", 7)
        assert engine.free == 0 and not [*tmp_path.glob("slurm/*/*_submitted.pkl")]
        told = heard(engine, 2)
        assert told == {"a": ("result", 8), "b": ("died", Death("its worker process ended by itself with code 7"))}
        engine.start("c", "calls:refuse", 8)
        assert engine.free == 1 and heard(engine, 1) == {"c": ("refused", "no 8 here")}
    assert not [*tmp_path.glob("slurm/*")]


def test_a_preempted_call_is_queued_again_and_told_why(engine, tmp_path):
    with engine:
        engine.start("a", "calls:again", Patient(tmp_path / "go"))
        begun = next(engine.messages())
        assert (begun.kind, begun.value) == ("progress", "begun")
        os.kill(controller(engine), signal.SIGTERM)
        told = heard(engine, 1)
    assert told == {"a": ("result", "Slurm took its node away or its time was over, and it was queued again.")}


def test_what_is_still_queued_or_runs_ends_with_the_run_and_is_not_queued_again(engine, tmp_path):
    with engine:
        engine.start("a", "calls:again", Patient(tmp_path / "go"))
        next(engine.messages())
        pid = controller(engine)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (engine.folder / "stop").exists() and not [*engine.folder.glob("*_result.pkl")]


def test_what_is_known_of_a_job_that_leaves_no_result_is_said(engine, tmp_path):
    with engine:
        engine.start("a", "calls:again", Patient(tmp_path / "go"))
        next(engine.messages())
        os.kill(controller(engine), signal.SIGKILL)
        ((kind, death),) = heard(engine, 1).values()
    (tmp_path / "go").touch()  # the job's own processes live on
    assert kind == "died" and death.tries == 1 and death.why.startswith("its Slurm job ") and "its log is " in death.why
