"""A drawer of another package whose code changes: drawn again, in rows of its own, published once others can get it."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.boards.leaderboard import grouped, placed
from bench.records import record

ROOT = Path(__file__).parents[2]
COMMIT = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
CODE = '''"""Keeps the weights that are farthest from zero, or those that are nearest to it."""

from tickets.drawers.base import Drawer


class Farthest(Drawer):
    """Magnitude times a sign."""

    def scores(self, network, source):
        return {name: SIGN * weight.detach().abs() for name, weight in network.weights().items()}


SIGN = 1
'''


def bench(place: Path, command: str, *args: object) -> subprocess.CompletedProcess:
    """Run a command as a user who has the package."""
    environment = {**os.environ, "PYTHONPATH": str(place / "site"), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-m", f"bench.{command}", *map(str, args)]
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


def draw(place: Path) -> subprocess.CompletedProcess:
    """Four steps on figures, and nothing else."""
    what = ("--drawer", "farthest", "--source", "cls", "--target", "none", "--budget", 0.01, "--set", "size=32x32")
    done = bench(place, "run", *what, "--home", place / "home")
    assert done.returncode == 0, done.stderr
    return done


def installed(place: Path, record_file: bool) -> None:
    """The package's metadata as an installer leaves them, with or without the list of what was installed."""
    info = place / "site" / "farthest-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: farthest\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ticketbench.drawers]\nfarthest = farthest:Farthest\n")
    digest = hashlib.sha256((place / "site" / "farthest.py").read_bytes()).digest()
    told = f"farthest.py,sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},1\n"
    (info / "RECORD").write_text(f"{told}{info.name}/RECORD,,\n") if record_file else None


def records(place: Path) -> list[record.Record]:
    """Of the home, the oldest first."""
    return sorted(record.read_all(place / "home" / "records"), key=lambda one: one.created)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A home after two runs of one command; in between the score was turned into its opposite, at the same version.

    The first code lies in a folder that nobody else has, the second is what an index gives.
    """
    place = tmp_path_factory.mktemp("foreign")
    (place / "site").mkdir()
    (place / "site" / "farthest.py").write_text(CODE)
    installed(place, record_file=False)
    draw(place)
    (place / "site" / "farthest.py").write_text(CODE.replace("SIGN = 1", "SIGN = -1"))
    installed(place, record_file=True)
    place.joinpath("said").write_text(draw(place).stderr)
    return place


def test_another_score_under_the_same_name_and_version_is_drawn_again(place):
    """The ticket is another one, and far worse: what is nearest to zero was kept."""
    first, second = records(place)
    assert "skipped" not in (place / "said").read_text() and first.id != second.id
    assert first.job == second.job and first.setting == second.setting and first.versions == second.versions
    assert first.ticket.hash != second.ticket.hash and first.ticket.parameters == second.ticket.parameters
    (one,), (other,) = first.code, second.code
    assert (one.noun, one.name, one.distribution, one.version) == ("drawer", "farthest", "farthest", "1.0")
    assert one.source != other.source == hashlib_of(place) and (one.is_public, other.is_public) == (False, True)


def hashlib_of(place: Path) -> str:
    """The digest of the code that lies there now, by hand."""
    content = (place / "site" / "farthest.py").read_bytes()
    return hashlib.sha256(f"farthest.py\0{len(content)}\0".encode() + content).hexdigest()


def test_the_same_code_is_skipped(place):
    assert "skipped" in draw(place).stderr and len(records(place)) == 2


def test_they_never_merge_in_a_row(place):
    """Told as two seeds of one job, which is what a row is made of."""
    first, second = records(place)
    second = second.model_copy(update={"job": second.job.model_copy(update={"seed": 1})})
    (members,) = placed([first, second]).values()
    assert len({member.key for member in members}) == 2
    like = first.model_copy(update={"id": "like", "job": second.job})
    (members,) = placed([first, like]).values()
    assert len({member.key for member in members}) == 1
    assert len(grouped(placed([first, second]).popitem()[1])[0]) == 2


def test_only_what_others_can_get_is_published(place):
    """The checkout under test may be dirty, so the records are told clean by hand."""
    for one in records(place):
        assert one.dirty is not None
        path = place / "home" / "records" / f"{one.id}.json"
        told = {**json.loads(path.read_text()), "dirty": False, "commit": COMMIT}
        path.write_text(json.dumps(told, sort_keys=True, indent=1) + "\n")
    first, second = records(place)
    done = bench(place, "publish", "--home", place / "home", "--to", place / "to")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = {line[11:].partition(":")[0]: line for line in done.stdout.splitlines()}
    assert lines[second.id].startswith("published  ")
    assert (
        lines[first.id].startswith("REFUSED    ")
        and "nobody else can get the code of drawer 'farthest' of" in (lines[first.id])
    )
    assert "commit the plug-in and install it from its repository or index" in lines[first.id]
    assert [path.stem for path in (place / "to").glob("*.json")] == [second.id]
