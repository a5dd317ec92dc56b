"""Worker processes: results, progress, and a death that is told and not waited for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.engines import forking
from bench.engines.contract import Death
from bench.engines.local import Workers
from tickets.errors import UserError

ROOT = Path(__file__).parents[2]
PRELOADS = [(), ("wave",)]
"""Fresh processes, and forked ones: `wave` is a module that nobody else imports."""
forks = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")


@pytest.fixture(autouse=True)
def own_server(monkeypatch):
    """A fork server of this test: a process has one, and another test of this process may have started it already."""
    if sys.platform != "linux":
        yield
        return
    from multiprocessing import forkserver

    forkserver._forkserver._stop()
    monkeypatch.setattr(forking, "_SERVED", [])
    yield
    forkserver._forkserver._stop()


@pytest.mark.parametrize("preload", PRELOADS)
def test_calls_run_side_by_side_and_a_death_leaves_the_others_alone(preload):
    heard = {}
    with Workers(2, 1, preload) as workers:
        workers.start("a", "calls:double", 4)
        workers.start("b", "calls:die", 7)
        assert workers.free == 0
        while workers.free < 2:
            for message in workers.messages():
                heard.setdefault(message.key, []).append((message.kind, message.value))
        assert heard == {
            "a": [("progress", "got 4"), ("result", 8)],
            "b": [("died", Death("its worker process ended by itself with code 7"))],
        }
        assert workers.call("calls:threads") == "1"


@pytest.mark.parametrize("preload", PRELOADS)
def test_a_call_whose_process_dies_raises(preload):
    with Workers(1, 1, preload) as workers:
        with pytest.raises(RuntimeError, match="ended by itself with code 3, in calls:die"):
            workers.call("calls:die", 3)
        with pytest.raises(RuntimeError, match=r"ended by SIGKILL, .*, in calls:killed"):
            workers.call("calls:killed")
        assert workers.call("calls:double", 1) == 2


@pytest.mark.parametrize("preload", PRELOADS)
def test_a_users_mistake_is_told_and_the_process_goes_on(preload):
    with Workers(1, 1, preload) as workers:
        with pytest.raises(UserError, match="no 8 here"):
            workers.call("calls:refuse", 8)
        (process,) = (worker.process for worker in workers._idle)
        assert workers.call("calls:double", 1) == 2 and process.is_alive()


@forks
def test_a_forked_worker_has_what_was_preloaded_and_all_else_from_its_parent_of_now(tmp_path, monkeypatch):
    with Workers(1, 1, ("wave",)) as workers:
        assert workers.call("calls:around", "wave")[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "more")
    monkeypatch.setenv("TICKETBENCH_TEST", "set later")
    with Workers(1, 1, ("wave",)) as workers:
        there = workers.call("calls:around", "wave")
    assert there == (True, str(tmp_path), str(tmp_path / "more"), "set later")
    with Workers(1, 1) as workers:
        assert not workers.call("calls:around", "wave")[0]


@forks
def test_workers_with_other_threads_than_the_fork_servers_are_fresh():
    with Workers(1, 1, ("wave",)) as one, Workers(1, 3, ("wave",)) as three:
        assert one.call("calls:threads") == "1" and three.call("calls:threads") == "3"
        assert one.call("calls:around", "wave")[0] and not three.call("calls:around", "wave")[0]


BUSY = """
import os, sys, time
from bench.engines.local import Workers

if __name__ == "__main__":
    with Workers(2, 1, ("torch",)) as workers:
        workers.start("busy", "waits:for_ever")
        pids = next(m.value for m in workers.messages())
        assert workers.call("waits:pids")
        print(*pids, flush=True)
        time.sleep(60)
"""
WAITS = """
import os, time

def for_ever(report):
    while True:
        report((os.getpid(), os.getppid()))
        time.sleep(0.1)

def pids(report):
    return os.getpid(), os.getppid()
"""


def script(folder: Path) -> list[str]:
    """A program with a busy worker and an idle one, in a folder with another `bench` beside it."""
    (folder / "own").mkdir()
    (folder / "own" / "busy.py").write_text(BUSY)
    (folder / "own" / "waits.py").write_text(WAITS)
    (folder / "bench").mkdir()
    (folder / "bench" / "__init__.py").write_text("print('this is another bench')")
    return [sys.executable, str(folder / "own" / "busy.py")]


def started(folder: Path) -> subprocess.Popen:
    """The program, in a session of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(script(folder), cwd=folder, env=environment, start_new_session=True, **pipes)


@forks
def test_workers_and_their_server_end_when_their_parent_is_killed(tmp_path):
    program = started(tmp_path)
    told = program.stdout.readline()
    pids = [int(word) for word in told.split()]
    assert len(pids) == 2, told
    program.kill()
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}/stat").exists() for pid in pids) and time.monotonic() < deadline:
        if all(Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z" for pid in pids):
            break
        time.sleep(0.05)
    else:
        assert time.monotonic() < deadline, f"{pids} live on"
    assert program.communicate() == ("", "")


@forks
@pytest.mark.parametrize("after", [0.3, None])
def test_an_interruption_is_told_by_the_program_alone(tmp_path, after):
    """Control-C reaches all processes of a terminal: while modules are imported, and while workers are busy."""
    program = started(tmp_path)
    time.sleep(after) if after else program.stdout.readline()
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert program.returncode != 0 and out == ""
    assert err.count("Traceback") <= 1 and err.rstrip().endswith("KeyboardInterrupt")
