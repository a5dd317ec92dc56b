"""Locks of a home: the system's where it has such, else files with an owner, a heartbeat and an end."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.inventory import inventory
from bench.jobs import lock as locks
from bench.jobs.execute import execute
from bench.jobs.lock import SILENT_S, Owner, taken, unheld
from bench.jobs.work import Elsewhere

HOLD = """
import sys, time
from pathlib import Path
from bench.jobs.lock import taken
with taken(Path(sys.argv[1])) as owner:
    print(owner, flush=True)
    time.sleep(60)
"""
FAR = Owner("far", 7, "12", True, "a token")


@pytest.fixture
def path(tmp_path):
    """Of a lock."""
    return tmp_path / "a.lock"


@pytest.fixture(params=["ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def no_flock(request, monkeypatch):
    """A file system that answers so to whoever locks a file."""

    def refused(file):
        raise OSError(getattr(errno, request.param), "no locks")

    monkeypatch.setattr(locks, "_locked", refused)


def left(path: Path, owner: Owner, silent_s: float = 0.0) -> Path:
    """A lock's file of an owner who was last heard of a while ago."""
    path.write_text(json.dumps(asdict(owner)))
    os.utime(path, (time.time() - silent_s,) * 2)
    return path


def holding(path: Path) -> subprocess.Popen:
    """A process that holds the lock."""
    words = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert process.stdout.readline() == "None\n"
    return process


def test_by_the_system_one_process_holds_a_lock_and_its_file_says_who(path):
    with holding(path) as process:
        with taken(path) as owner, unheld(path) as is_free:
            assert (owner.pid, owner.is_marker, is_free) == (process.pid, False, False)
        process.kill()
    assert path.exists() and not inventory.is_held(path)
    with taken(path) as owner:
        assert owner is None and Owner.of(path).pid == os.getpid() and inventory.is_held(path)
    assert not path.exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of Python 3.12: the lock has a thread
def test_a_fork_does_not_hold_its_parent_s_lock(path):
    with taken(path):
        child = os.fork() if hasattr(os, "fork") else pytest.skip("no forks here")
        if not child:
            time.sleep(30)
            os._exit(0)
    try:
        with taken(path) as owner:
            assert owner is None
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_without_flock_a_lock_is_a_file_with_its_owner_and_goes_with_the_block(path, no_flock):
    with taken(path) as owner:
        assert owner is None
        mine = Owner.of(path)
        assert (mine.pid, mine.is_marker) == (os.getpid(), True) and str(mine).startswith(f"process {os.getpid()} on ")
        with taken(path) as other, unheld(path) as is_free:
            assert other == mine and not is_free
    assert not [*path.parent.iterdir()]


def test_without_flock_the_lock_of_another_machine_that_was_heard_of_is_respected(path, no_flock):
    with taken(left(path, FAR, SILENT_S / 2)) as owner:
        assert owner == FAR and str(owner) == "process 7 on far"
    assert Owner.of(path) == FAR and inventory.is_held(path)


def test_a_silent_owner_on_another_machine_loses_its_lock_and_that_is_said(path, no_flock, capsys):
    assert not inventory.is_held(left(path, FAR, 2 * SILENT_S))
    with taken(path) as owner:
        assert owner is None and Owner.of(path).pid == os.getpid()
    told = f"the lock {path} of process 7 on far, which is gone or silent, is taken over.\n"
    assert capsys.readouterr().err == told and not [*path.parent.iterdir()]


@pytest.mark.parametrize("how", ["ended", "another"])
def test_a_process_of_this_machine_that_is_gone_is_not_waited_for(how, path, no_flock):
    me = Owner.me(is_marker=True)
    gone = replace(me, start="1") if how == "another" else replace(me, pid=2**22 + 1, start="1")
    with taken(left(path, gone)) as owner:
        assert owner is None


def test_a_marker_of_another_machine_counts_where_there_is_flock_too(path):
    with taken(left(path, FAR)) as owner:
        assert owner == FAR
    with taken(left(path, replace(FAR, is_marker=False))) as owner:
        assert owner is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"host": 1, "pid": "x"}', "[" * 5000])
def test_a_file_that_names_nobody_holds_nothing(content, path, no_flock):
    path.write_text(content)
    with taken(path) as owner:
        assert owner is None


def test_the_owner_is_heard_of_while_it_holds_the_lock(path, no_flock, monkeypatch):
    monkeypatch.setattr(locks, "BEAT_S", 0.01)
    with taken(path):
        os.utime(path, (1, 1))
        deadline = time.monotonic() + 20
        while path.stat().st_mtime < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 2
        left(path, FAR)  # whoever has been taken over leaves what is now another's
        time.sleep(0.05)
    assert Owner.of(path) == FAR


def test_of_many_that_find_a_silent_lock_one_takes_it(path, no_flock, capsys):
    left(path, FAR, 2 * SILENT_S)
    start, end, found = threading.Barrier(8), threading.Barrier(8), []

    def take():
        start.wait()
        with taken(path) as owner:
            found.append(owner)
            end.wait()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(None) == 1 and capsys.readouterr().err.count("is taken over") == 1


def test_a_job_that_another_machine_is_at_names_the_lock_and_its_owner(tmp_path, no_flock):
    class Held:
        id = "a"
        facts = type("Facts", (), {"home": tmp_path})

    (tmp_path / "locks").mkdir()
    path = left(tmp_path / "locks" / "a.lock", FAR)
    assert execute(Held) == Elsewhere(path, "process 7 on far")
