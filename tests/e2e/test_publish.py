"""From a run to published records, checked and recomputed by the commands that a user types."""

import json
import os
import subprocess
import sys
from pathlib import Path

from hub import TOKEN, served

ROOT = Path(__file__).parents[2]


def bench(command, *args, **environment):
    """Run a command as a user would."""
    words = [sys.executable, "-m", f"bench.{command}", *map(str, args)]
    environment = {key: value for key, value in os.environ.items() if key != "TICKETBENCH_DATA"} | environment
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, env=environment)


def test_a_draw_is_published_checked_shared_and_recomputed(tmp_path):
    """A reviewer pulls a published ticket from a Hub, and gets its score again.

    The checkout under test may be dirty, so the record is told clean by hand.
    """
    home, to = tmp_path / "home", tmp_path / "records"
    shape = (
        "--drawer",
        "gmp",
        "--sparsity",
        "0.75",
        "--budget",
        "0.01",
        "--source",
        "cls",
        "--target",
        "none",
        "--set",
        "size=32x32",
    )
    assert bench("run", *shape, "--home", home).returncode == 0
    (path,) = (home / "records").glob("*.json")
    clean = {**json.loads(path.read_text()), "dirty": False, "commit": "4b825dc642cb6eb9a060e54bf8d69288fbee4904"}
    path.write_text(json.dumps(clean, sort_keys=True, indent=1) + "\n")

    done = bench("publish", "--home", home, "--to", to, "--tickets", tmp_path / "tickets")
    assert done.returncode == 0 and "1 published in" in done.stdout, done.stdout + done.stderr
    assert (to / path.name).read_bytes() == path.read_bytes()

    done = bench("check", "results", to, "--tickets", home / "tickets")
    assert done.returncode == 0 and done.stdout == f"1 records in {to}, 0 files with mistakes\n", done.stdout

    with served() as hub:
        at = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
        done = bench("share", "push", tmp_path / "tickets" / path.name, "me/ticket", **at)
        assert done.returncode == 0, done.stderr
        done = bench("share", "pull", "me/ticket", "--home", tmp_path / "theirs", HF_ENDPOINT=hub.url)
        assert done.returncode == 0 and "3 files written" in done.stdout, done.stderr
    pulled = tmp_path / "theirs" / "records"
    assert [(one.name, one.read_bytes()) for one in pulled.iterdir()] == [(path.name, path.read_bytes())]

    done = bench("check", "recompute", path.stem, "--records", pulled, "--home", tmp_path / "again")
    assert done.returncode == 0 and done.stdout.endswith("reproduced: equal to the last digit\n"), done.stdout
    assert "ticket: the same" in done.stdout and (tmp_path / "again" / "records" / path.name).exists()

    done = bench("check", "recompute", path.stem, "--records", pulled, "--home", tmp_path / "again")
    assert done.returncode == 2 and "is there already and would be taken for the result" in done.stderr

    done = bench("clean", "--home", home)
    assert done.returncode == 0 and (home / "tickets" / f"{path.stem}.json").exists()
