"""A run that is told to end: it notes where it is, says so, and leaves soon with the signal's code."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import ToySource, toy_network

from bench.engines.local import Workers, leaves
from tickets.errors import UserError
from tickets.training import checkpoint
from tickets.training.checkpoint import LEAVING, Checkpoint, Left, load_checkpoint
from tickets.training.loop import Training
from tickets.training.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(steps=6, learning_rate=0.05, calibration_batches=1)
RUN = ("--source", "cls", "--target", "none", "--set", "size=32x32", "--jobs", "1")


@pytest.fixture(autouse=True)
def nothing_asked():
    """Each test's process has not been asked to end."""
    yield
    LEAVING.is_asked = LEAVING.is_training = False


def test_a_training_that_is_asked_to_end_writes_its_checkpoint_after_the_step(tmp_path):
    class Asked(ToySource):
        def batches(self, start, stop):
            for step in range(start, stop):
                if step == 3:
                    assert LEAVING.ask()
                yield self.batch("train", step)

    with pytest.raises(Left):
        Training(toy_network(), Asked(), SETTINGS, 0).run(Checkpoint(tmp_path / "x.pt"))
    assert load_checkpoint(tmp_path / "x.pt")["step"] == 4 and not LEAVING.is_training


def test_a_process_that_trains_nothing_or_without_a_checkpoint_is_not_waited_for():
    assert not LEAVING.ask() and not LEAVING.is_asked
    Training(toy_network(), ToySource(), SETTINGS, 0).run()
    assert checkpoint.LEAVING.is_training is False


def test_a_worker_that_nobody_listens_to_any_more_leaves_at_its_checkpoint_if_it_trains():
    assert not leaves() and not LEAVING.is_asked
    with LEAVING.training():
        assert leaves() and LEAVING.is_asked


@pytest.mark.parametrize("preload", [(), ("wave",)])
def test_an_idle_worker_that_is_killed_is_told_and_replaced(preload, capsys):
    with Workers(1, 1, preload) as workers:
        assert workers.call("calls:double", 1) == 2
        (worker,) = workers._idle
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.join()
        assert workers.call("calls:double", 2) == 4
    told = (
        "a worker process without a job was ended by SIGKILL, as a system does that is short of memory; another takes"
    )
    assert capsys.readouterr().err.startswith(told)


def test_workers_that_never_live_are_one_sentence(monkeypatch, capsys):
    with Workers(1, 1) as workers:
        assert workers.call("calls:double", 1) == 2
        (worker,) = workers._idle
        worker.process.kill()
        worker.process.join()
        workers._idle = [worker] * 9
        with pytest.raises(UserError, match=r"^no worker process stays alive: the last one was ended by SIGKILL"):
            workers.call("calls:double", 2)
        workers._idle = [worker]
    assert capsys.readouterr().err.count("another takes its place") == 4


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system how far it is")
@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_run_that_is_told_to_end_notes_where_it_is_and_says_so(number, code, tmp_path):
    command = [sys.executable, "-m", "bench.run", *RUN, "--home", str(tmp_path / "home"), "--verbose"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    lines = iter(program.stderr.readline, "")
    assert next((line for line in lines if line.startswith("step ")), None), "it did not train"
    if number == "SIGINT":
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
    else:
        program.send_signal(getattr(signal, number))
    asked = time.monotonic()
    _, err = program.communicate(timeout=60)
    assert time.monotonic() - asked < 10 and program.returncode == code, err
    last = "error: interrupted." if number == "SIGINT" else f"error: ended by {number}."
    assert [line for line in err.splitlines() if line and not line.startswith(("step", "prepared"))] == [
        "stopping: jobs that are at work note where they are; the same command goes on from there.",
        last,
    ]
    (file,) = (tmp_path / "home" / "checkpoints").iterdir()
    assert load_checkpoint(file)["step"] > 0 and not list((tmp_path / "home").glob("records/*"))
