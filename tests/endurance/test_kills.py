"""Runner, worker and loader killed at random moments: the same ends, and at most half a minute of training again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest

from bench.records import record
from tickets.hosts import HOSTS
from tickets.search.searchable import live_units
from tickets.training.checkpoint import EVERY_S, load_checkpoint

ROOT = Path(__file__).parents[2]
LARGE = ("--target", "seg", "--budget", "0.2", "--set", "size=32x32")
SMALL = ("--target", "none", "--budget", "0.05", "--set", "size=32x32", "--set", "batch_size=8")
DRAWN = ("--source", "cls", "--control", "none", "--drawer", "supertickets@macs_target=0.8")
HOW = (*DRAWN, "--jobs", "1", "--threads", "1", "--workers", "2")
SEED = 19
GENERATION = {"runner": 0, "worker": 2, "loader": 3}
SAVED = ("checkpoints/*", "records/*", "tickets/*")
AGAIN = 2
"""Times that a grid is started again whose jobs failed because they were killed twice."""
STEP_S = 5.0
"""What a step, or the writing of a checkpoint that is due, takes at the most on a busy machine."""


def started(home, grid):
    """The grid, going on in a home."""
    command = [sys.executable, "-m", "bench.run", *grid, *HOW, "--home", str(home)]
    with open(home.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def ended(run, home, grid):
    """The code that a grid ends with; one with a job that was killed twice is started again, as its user would."""
    code = run.wait()
    for _ in range(AGAIN if code == 1 else 0):
        if (code := started(home, grid).wait()) != 1:
            break
    return code


def outcomes(home):
    """What the records say but for times and memory; ids state the ticket's hash."""
    found = record.read_all(home / "records")
    return {each.id: (each.status, each.scores, each.ticket, each.deployed, each.costs.training_macs) for each in found}


def digests(home):
    """The tickets' own bytes."""
    return {path.name: path.read_bytes() for path in (home / "tickets").glob("*.safetensors")}


def target(run, who):
    """A process of that kind, as soon as there is one; None where the run ends before."""
    while run.poll() is None:
        found = (
            [run.pid]
            if who == "runner"
            else [one for one, depth in processes.below(run.pid).items() if depth == GENERATION[who]]
        )
        if found:
            return min(found)
        time.sleep(0.1)
    return None


def unsaved_s(home, since):
    """Seconds since anything was last saved, or since the run began: no more than this can be done again."""
    times = [path.stat().st_mtime for pattern in SAVED for path in home.glob(pattern)]
    return time.time() - max([since, *times])


def units(tree):
    """Hidden units of all blocks, in sum."""
    return sum(map(units, tree.values())) if isinstance(tree, dict) else tree


def shrunk(home):
    """Whether the run will go on from a checkpoint of a network that has fewer units than it began with."""
    full = units({f"host.{name}": each for name, each in live_units(HOSTS.make("supernet/tiny").build()).items()})
    states = [load_checkpoint(path) for path in (home / "checkpoints").glob("*.pt")]
    found = [{name: each for name, each in state["units"].items() if name.startswith("host.")} for state in states]
    return any(units(each) < full for each in found)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize(("kills", "terminations", "grid"), [(20, 10, LARGE), (3, 1, SMALL)], ids=["thirty", "four"])
def test_killed_at_random_moments_nothing_is_lost(tmp_path, kills, terminations, grid):
    whole = tmp_path / "whole"
    assert started(whole, grid).wait() == 0, whole.with_suffix(".log").read_text()
    chance = random.Random(SEED)
    moments = [(chance.choice(list(GENERATION)), signal.SIGKILL) for _ in range(kills)]
    moments += [("runner", signal.SIGTERM)] * terminations
    chance.shuffle(moments)
    told, number, run, since = [], 0, None, 0.0
    for who, how in moments:
        home = tmp_path / f"cut{number}"
        if run is None or run.poll() is not None:
            since, run = time.time(), started(home, grid)
        try:
            code = run.wait(chance.uniform(3, 15))
        except subprocess.TimeoutExpired:
            code = None
        victim = target(run, who) if code is None else None
        while victim is None:  # it was done before the moment came: the same with the next home
            assert ended(run, home, grid) == 0, home.with_suffix(".log").read_text()
            number += 1
            home = tmp_path / f"cut{number}"
            since, run = time.time(), started(home, grid)
            time.sleep(chance.uniform(3, 6))
            victim = target(run, who)
        lost, after = unsaved_s(home, since), shrunk(home)
        os.kill(victim, how)
        asked = time.monotonic()
        if who == "runner":
            code = run.wait(60)
            assert code == (-9 if how == signal.SIGKILL else 143)
        told.append((who, how.name, round(lost, 1), after, round(time.monotonic() - asked, 1)))
        print(len(told), *told[-1], flush=True)
        assert how == signal.SIGTERM or lost < EVERY_S + STEP_S
    if run.poll() is None:
        run.wait()
    for each in range(number + 1):
        home = tmp_path / f"cut{each}"
        assert ended(started(home, grid), home, grid) == 0, home.with_suffix(".log").read_text()
        assert outcomes(home) == outcomes(whole) and digests(home) == digests(whole)
    print("homes", number + 1, "all equal", flush=True)
