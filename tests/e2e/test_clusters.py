"""Grids on a cluster: records equal those of this machine's workers to the last digit, also when nodes are lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.records import record
from tickets.training.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]
GRID = ("--source", "cls,seg", "--target", "cls,seg", "--set", "size=32x32")
"""Two draws, four transfers, two references."""
TELLING = {"costs": {"wall_s", "peak_mib"}, "config": {"retried"}}

pytestmark = pytest.mark.slow


def command(home: Path, *more: object, budget: float = 0.01) -> list[str]:
    """A grid of eight jobs in a home."""
    words = [*GRID, "--budget", budget, "--home", home, *more]
    return [sys.executable, "-m", "bench.run", *map(str, words)]


def run(home: Path, *more: object, budget: float = 0.01) -> str:
    """Run it; what it said."""
    done = subprocess.run(command(home, *more, budget=budget), cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stderr


def outcomes(home: Path) -> dict[str, dict]:
    """What the records say but for times, memory, how often they were tried and when."""
    found = {}
    for one in record.read_all(home / "records"):
        assert one.status == "ok", one.error
        told = one.model_dump(mode="json", exclude={"created", "packages"})
        for part, names in TELLING.items():
            told[part] = {name: value for name, value in told[part].items() if name not in names}
        found[one.id] = told
    return found


@pytest.fixture
def cluster(monkeypatch):
    """Ray on two nodes of two cores each, in processes of this machine."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    store = {"num_cpus": 2, "object_store_memory": 100 * 2**20}
    found = Cluster(initialize_head=True, head_node_args={**store, "include_dashboard": False})
    found.second = found.add_node(**store)
    yield found
    found.shutdown()


def test_eight_jobs_on_two_nodes_of_ray_equal_those_of_this_machine(cluster, tmp_path):
    run(tmp_path / "here", "--jobs", 2)
    said = run(tmp_path / "there", "--engine", f"ray@address={cluster.address}")
    assert said.count("done ") == 8 and "once more" not in said
    assert outcomes(tmp_path / "there") == outcomes(tmp_path / "here") and len(outcomes(tmp_path / "here")) == 8


def test_a_node_that_is_killed_costs_a_second_try_and_no_record(cluster, tmp_path):
    run(tmp_path / "here", "--jobs", 2, budget=0.1)
    words = command(tmp_path / "there", "--engine", f"ray@address={cluster.address}", budget=0.1)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    going = subprocess.Popen(words, cwd=ROOT, env={**os.environ}, **pipes)
    while len([*(tmp_path / "there").glob("locks/*.lock")]) < 3:  # of which the head's two cores have at most two
        assert going.poll() is None, going.communicate()
        time.sleep(0.05)
    cluster.remove_node(cluster.second)
    _, said = going.communicate(timeout=500)
    assert going.returncode == 0, said
    again = [one for one in record.read_all(tmp_path / "there" / "records") if "retried" in one.config]
    assert again and {one.config["retried"] for one in again} == {
        "at its first try the node that it ran on left the cluster."
    }
    assert said.count("once more: ") == len(again) and "while no other job" not in said
    assert outcomes(tmp_path / "there") == outcomes(tmp_path / "here") and len(outcomes(tmp_path / "here")) == 8


def told_to_end(words: list[str], number: str) -> tuple[int, float, str]:
    """Send a run a signal as soon as it trains: its code, the seconds that it took to leave, and what it said."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    going = subprocess.Popen([*words, "--verbose"], cwd=ROOT, start_new_session=True, **pipes)
    assert next((line for line in iter(going.stderr.readline, "") if line.startswith("step ")), None)
    if number == "SIGTERM":
        going.terminate()
    else:  # as a terminal tells it: also the processes of the cluster, which is one of this machine
        os.killpg(going.pid, getattr(signal, number))
    asked = time.monotonic()
    _, said = going.communicate(timeout=60)
    return going.returncode, time.monotonic() - asked, said


def test_a_run_on_ray_that_is_told_to_end_notes_where_it_is_and_goes_on_to_equal_records(tmp_path):
    grid = ("--source", "none", "--target", "cls")
    run(tmp_path / "here", *grid, budget=0.3)
    there = (tmp_path / "there", "--engine", "ray", *grid)
    step = 0
    for number, code in (("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)):
        left, took, said = told_to_end(command(*there, budget=0.3), number)
        assert (left, took < 10) == (code, True) and "Traceback" not in said
        assert said.count("stopping: jobs that are at work note where they are;") == 1
        (file,) = tmp_path.glob("there/checkpoints/*")
        before, step = step, load_checkpoint(file)["step"]
        assert step > before and not list(tmp_path.glob("there/records/*"))
    run(*there, budget=0.3)
    assert outcomes(tmp_path / "there") == outcomes(tmp_path / "here") and len(outcomes(tmp_path / "here")) == 1


def test_a_slurm_job_that_is_preempted_is_queued_again_and_equals_an_undisturbed_one(tmp_path):
    """By submitit's executor of this machine, which tells the job of SIGTERM as Slurm does."""
    grid = ("--source", "none", "--target", "seg")
    run(tmp_path / "here", *grid, budget=0.3)
    there = tmp_path / "there"
    words = command(there, "--engine", "slurm@cluster=local", *grid, budget=0.3)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    going = subprocess.Popen(words, cwd=ROOT, **pipes)
    while not [*there.glob("slurm/*/*.progress")]:
        assert going.poll() is None, going.communicate()
        time.sleep(0.05)
    (sent,) = there.glob("slurm/*/*_submitted.pkl")
    os.kill(int(sent.name.partition("_")[0]), signal.SIGTERM)
    while not [*there.glob("checkpoints/*.pt")]:
        assert going.poll() is None, going.communicate()
        time.sleep(0.05)
    _, said = going.communicate(timeout=500)
    assert going.returncode == 0, said
    (one,) = record.read_all(there / "records")
    assert one.config["retried"] == "Slurm took its node away or its time was over, and it was queued again."
    assert outcomes(there) == outcomes(tmp_path / "here") and not [*there.glob("slurm/*")]
