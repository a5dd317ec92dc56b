"""Killed at any moment, a grid goes on and ends with the records of an undisturbed run."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.records import record

ROOT = Path(__file__).parents[2]
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
GRID = ("--source", "cls,seg", "--target", "cls,seg", "--control", "none")  # two draws, four transfers


def command(home: Path, budget: float) -> list[str]:
    """The grid, in a home."""
    short = ("--budget", str(budget), "--set", "size=32x32")
    return [sys.executable, "-m", "bench.run", *GRID, *short, "--home", str(home), "--jobs", "2"]


def outcomes(home: Path) -> dict[str, tuple]:
    """What the records say but for times, memory and when."""
    found = record.read_all(home / "records")
    return {each.id: (each.status, each.scores, each.ticket, each.deployed, each.costs.training_macs) for each in found}


@pytest.mark.parametrize(("kills", "budget"), [(1, 0.01), pytest.param(10, 0.3, marks=pytest.mark.slow)])
def test_killed_and_resumed_equals_undisturbed(tmp_path, kills, budget):
    """With signal 9, which nothing can catch; whatever a worker was writing, no half of it is read."""
    whole = subprocess.run(command(tmp_path / "whole", budget), cwd=ROOT, capture_output=True, text=True)
    assert whole.returncode == 0, whole.stderr
    chance = random.Random(0)
    for _ in range(kills):
        run = subprocess.Popen(command(tmp_path / "cut", budget), cwd=ROOT, **PIPES)
        try:
            run.communicate(timeout=chance.uniform(2, 15))
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.communicate()
        if (tmp_path / "cut" / "records").exists():
            outcomes(tmp_path / "cut")
    last = subprocess.run(command(tmp_path / "cut", budget), cwd=ROOT, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert outcomes(tmp_path / "cut") == outcomes(tmp_path / "whole") and len(outcomes(tmp_path / "cut")) == 6
