"""Hundreds of tiny jobs in one call: no memory, file handle, process or temporary file is left by them."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest

ROOT = Path(__file__).parents[2]
RECORD_MIB = 0.03
"""What a record takes of the runner, which holds all of its run's for its table."""
OTHERS = "torchinductor"
"""The cache folder that PyTorch makes as soon as its compiler is imported."""
SHORT = ("--source", "cls", "--target", "none", "--drawer", "omp", "--control", "none", "--budget", "0.0025")
"""Each seed is two jobs: the dense draw, and what is pruned from it."""
HOW = ("--set", "size=16x16", "--set", "batch_size=8", "--jobs", "2", "--threads", "1")


def seen(run):
    """By generation below the runner: resident MiB of each process and handles of all."""
    tree = {run.pid: 0} | processes.below(run.pid)
    return {
        "mib": {one: processes.resident_mib(one) for one, depth in tree.items() if depth in (0, 2)},
        "handles": sum(processes.handles(one) for one in tree),
        "processes": len(tree),
    }


def around(samples, jobs):
    """The samples of ten jobs up to this many: what each process held, as the median over them."""
    near = [one for done, one in samples if jobs - 10 < done <= jobs]
    alive = set.intersection(*(set(one["mib"]) for one in near))
    held = {process: statistics.median(one["mib"][process] for one in near) for process in alive}
    return {"mib": held, **{key: statistics.median(one[key] for one in near) for key in ("handles", "processes")}}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize("jobs", [500, pytest.param(120, id="a smaller one")])
def test_hundreds_of_jobs_leave_nothing(tmp_path, jobs):
    home, scratch = tmp_path / "home", tmp_path / "tmp"
    scratch.mkdir()
    shared = set(os.listdir("/dev/shm"))
    command = [sys.executable, "-m", "bench.run", *SHORT, *HOW, "--seed", f"0-{jobs // 2 - 1}", "--home", str(home)]
    with open(tmp_path / "log", "wb") as log:
        run = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(scratch)})
    samples = []
    while run.poll() is None:
        samples.append((len(list((home / "records").glob("*.json"))), seen(run)))
        time.sleep(0.2)
    left = processes.below(run.pid) or [one for one in samples[-1][1]["mib"] if Path(f"/proc/{one}").exists()]
    early, late = around(samples, 50), around(samples, jobs - 1)
    print(f"after 50: {early}\nafter {jobs}: {late}\nlast: {sorted(os.listdir(scratch))}", flush=True)
    assert run.returncode == 0, (tmp_path / "log").read_text()[-2000:]
    assert len(list((home / "records").glob("*.json"))) == jobs
    assert early["mib"].keys() == late["mib"].keys()  # the same runner and workers
    for process, held in early["mib"].items():
        records = (jobs - 50) * RECORD_MIB if process == run.pid else 0.0
        assert late["mib"][process] < 1.05 * held + records
    assert late["handles"] <= early["handles"] and late["processes"] <= early["processes"]
    assert (
        not left
        and {path.name.partition("_")[0] for path in scratch.iterdir()} <= {OTHERS}
        and not list((home / "checkpoints").glob("*"))
    )
    assert not {name for name in set(os.listdir("/dev/shm")) - shared if name.startswith(("torch_", "sem.mp"))}
