"""Members of other packages: generated, registered, listed, checked, used and in a table; a task, then a drawer."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from installed import install

ROOT = Path(__file__).parents[2]
TASK = "cls/stripes"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the data, and beside it the package as an installer leaves it."""
    place = tmp_path_factory.mktemp("plugin")
    package = place / "site"
    package.mkdir()
    done = command(place, "bench.new", "task", TASK, "--out", package / "stripes.py")
    assert done.returncode == 0, done.stderr
    install(package)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(package)
        spec = importlib.util.spec_from_file_location("test_stripes", package / "test_stripes.py")
        tests = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tests)
        tests.write(place / "data")
        del sys.modules["stripes"]
    return place


def command(place: Path, module: str, *args: object) -> subprocess.CompletedProcess:
    """Run a command as a user who has installed the package and named the data folder."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(place / "site"), str(place / "more"))),
        "TICKETBENCH_CACHE": str(place / "cache"),
        "TICKETBENCH_DATA": str(place / "data"),
    }
    command = [sys.executable, "-m", module, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_it_is_a_task_like_any_other(place):
    listed = command(place, "bench.run", "--list")
    assert TASK in listed.stdout.splitlines()[0]
    checked = command(place, "bench.check", "task", TASK)
    assert checked.returncode == 0 and "20 passed, 0 failed" in checked.stdout, checked.stdout + checked.stderr
    home, picture = place / "home", place / "p.png"
    short = ("--drawer", "gmp", "--control", "none", "--budget", 0.005)
    done = command(place, "bench.run", "--source", TASK, "--target", TASK, *short, "--home", home)
    assert done.returncode == 0, done.stderr
    table = command(place, "bench.table", home / "records")
    assert f"Transfers to {TASK}" in table.stdout or f"gmp from {TASK}" in table.stdout, table.stdout
    (drawn,) = (home / "records").glob("draw_*.json")
    shown = command(place, "bench.preview", "--task", TASK, "--record", drawn, "--out", picture)
    assert shown.returncode == 0 and picture.is_file(), shown.stderr


def test_a_drawer_is_one_like_any_other(place):
    package, home = place / "more", place / "drawn"
    package.mkdir()
    done = command(place, "bench.new", "drawer", "sensitivity", "--out", package / "sensitivity.py")
    assert done.returncode == 0, done.stderr
    install(package)
    listed = command(place, "bench.run", "--list")
    assert any(line.startswith("drawers") and "sensitivity" in line for line in listed.stdout.splitlines())
    checked = command(place, "bench.check", "drawer", "sensitivity@power=0.5")
    assert checked.returncode == 0 and " 0 failed" in checked.stdout, checked.stdout + checked.stderr
    short = ("--control", "none", "--recipe", "scratch", "--budget", 0.005)
    asked = ("--source", TASK, "--target", TASK, "--drawer", "sensitivity", *short, "--home", home)
    done = command(place, "bench.run", *asked)
    assert done.returncode == 0, done.stderr
    table = command(place, "bench.table", home / "records")
    assert "sensitivity" in table.stdout, table.stdout + table.stderr
