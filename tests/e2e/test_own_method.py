"""docs/own-method.md as it stands: a method is written, checked, run, compared with published rows and submitted."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from installed import install

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "own-method.md").read_text(encoding="utf-8")
LINES = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.S)).strip().splitlines()
SMALL = "kernels: torch\nscale: tiny\nset: {size: [32, 32], batch_size: 8}\nbudget: 0.005\n"
SUITES = {
    "smoke": f"{SMALL}sweeps:\n  - {{control: none}}\n",
    "figures-v1": f"{SMALL}equal: macs\nsweeps:\n  - {{control: [random]}}\n",
}
"""The suites of the page, small."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A clean checkout of ticketbench with small suites and few images, and omp's rows as the published ones."""
    place = tmp_path_factory.mktemp("author")
    house = place / "house"
    for name in ("bench", "tasks", "tickets"):
        shutil.copytree(ROOT / name, house / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "pyproject.toml", house)
    for name, text in SUITES.items():
        (house / "bench" / "request" / "suites" / f"{name}.yaml").write_text(text)
    scenes = house / "tasks" / "figures" / "scenes.py"
    scenes.write_text(re.sub(r"^TRAIN, TEST = .*", "TRAIN, TEST = 64, 24", scenes.read_text(), flags=re.M))
    said(place, "git init --quiet && git add . && git commit --quiet -m first", house)
    said(place, "python -m bench.run --suite figures-v1 --drawer omp --kernels torch --home ../theirs", house)
    shutil.copytree(place / "theirs" / "records", house / "results" / "records")
    said(place, "git add . && git commit --quiet -m results", house)
    return place


def said(place, line, folder):
    """What a command line says, typed where the house is installed in place of the one under test."""
    environment = {
        **os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(map(str, (place / "house", place / "mine"))),
        "GIT_CONFIG_GLOBAL": os.devnull, "TICKETBENCH_CACHE": str(place / "cache"),
        **{f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_page_runs_as_it_stands(place):
    told, folder = {}, place
    for line in LINES:
        if line.startswith("pip install"):
            install(folder)
            continue
        told[line] = said(place, line, folder)
        folder = place / "mine"
    compared = told["python -m bench.compare mine --published"]
    assert "mine - omp, in points" in compared and "missing" not in compared
    assert "records in submission.tar.gz" in told['python -m bench.submit --name "Ada Lovelace" --drawer mine']
    with tarfile.open(place / "mine" / "submission.tar.gz") as found:
        found.extractall(place / "house", filter="data")
    records = [json.loads(path.read_text()) for path in (place / "house" / "results" / "records").glob("*.json")]
    own = [one for one in records if one["job"]["drawer"] == "mine"]
    assert {one["origin"] for one in own} == {"submitted by Ada Lovelace"}
    assert sorted(one["kind"] for one in own) == ["control", "draw", "transfer"]
    assert all(code["is_public"] and not one["dirty"] for one in own for code in one["code"])
    letter = (place / "house" / "SUBMISSION.md").read_text()
    assert "drawer 'mine' of ticketbench-drawer-mine 0.1, commit " in letter and "submitted by Ada Lovelace" in letter
    assert "submitted by Ada Lovelace" in (place / "house" / "results" / "tables" / "leaderboard.csv").read_text()
    said(place, "python -m bench.check results && python -m bench.table --check --format md,csv,tex", place / "house")
