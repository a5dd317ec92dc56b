"""bench.clean and bench.show --store: what is needed stays, what nothing needs goes, records never."""

import fcntl
import io
import os
import sys
import time

import pytest
from samples import record

from bench import clean, show
from bench.command import console
from bench.inventory import inventory
from bench.inventory.cache import decoded
from tasks.data.partial import locked

OLD = time.time() - 2 * inventory.FRESH_S
SIZE = 2**19


def put(path, size=SIZE, when=OLD):
    """A file of that size and time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0" * size)
    os.utime(path, (when, when))
    return path


def ticket(home, name, when=OLD):
    """Both files of something that is named as a ticket."""
    return [put(home / "tickets" / f"{name}{half}", when=when) for half in inventory.HALVES]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with one of each: needed, not needed, running, somebody's own."""
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "home"
    record(target=None, id="drawn").write(home / "records")
    record(target=None, id="broken", score=None).write(home / "records")
    record(id="moved", config={"draw": "given"}).write(home / "records")
    for name in ("drawn", "broken", "given", "orphan"):
        ticket(home, name)
    put(home / "tickets" / "half.json")
    put(home / "tickets" / "notes.txt")
    ticket(home, "just-now", when=time.time())
    for name in ("drawn", "broken", "unfinished"):
        put(home / "checkpoints" / f"{name}.pt")
    for name in ("drawn", "orphan"):
        put(home / "portraits" / f"{name}.json")
    put(home / "tickets" / "drawn.safetensors.123.tmp")
    put(home / "checkpoints" / "unfinished.123.tmp")
    put(home / "records" / ".drawn.json.123.tmp")
    put(home / "locks" / "left.lock", size=0)
    put(home / "tickets" / "mine" / "deep.json")
    return home


SPARE = {
    "tickets/broken.safetensors", "tickets/broken.json", "tickets/orphan.safetensors", "tickets/orphan.json",
    "tickets/half.json", "portraits/orphan.json",
    "checkpoints/drawn.pt", "tickets/drawn.safetensors.123.tmp", "checkpoints/unfinished.123.tmp",
    "records/.drawn.json.123.tmp", "locks/left.lock",
}  # fmt: skip


def files(home):
    """Every file of a home, named from there."""
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def run(capsys, app, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(app, "bench", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_what_nothing_needs_is_removed_and_only_that(home, capsys):
    before = files(home)
    code, out, _ = run(capsys, clean.app, "--home", home, "--yes")
    assert code == 0 and before - files(home) == SPARE
    assert "1 more changed within the last hour and stay" in out
    assert "ticket                1.0 MiB  orphan\n" in out and out.endswith("removed 9, 5.0 MiB\n")
    code, out, _ = run(capsys, clean.app, "--home", home)
    assert code == 0 and out.endswith(f"there is nothing to remove in {home}.\n")


def test_a_dry_run_a_no_and_nobody_to_ask_remove_nothing(home, capsys, monkeypatch):
    before = files(home)
    code, out, _ = run(capsys, clean.app, "--home", home, "--dry-run")
    assert code == 0 and out.endswith("9 things that no record needs, 5.0 MiB\nnothing was removed.\n")
    code, out, err = run(capsys, clean.app, "--home", home)
    assert code == 2 and "give --yes" in err and err.count("\n") == 1
    terminal = io.StringIO("n\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    code, out, _ = run(capsys, clean.app, "--home", home)
    assert code == 0 and "Remove them?" in out and out.endswith("nothing was removed.\n")
    assert files(home) == before


def test_what_a_running_job_holds_stays(home, capsys):
    with put(home / "locks" / "orphan.lock", size=0).open("rb") as held, (home / "locks" / "left.lock").open() as left:
        for lock in (held, left):
            fcntl.flock(lock, fcntl.LOCK_EX)
        assert inventory.is_busy(home)
        before = files(home)
        code, out, _ = run(capsys, clean.app, "--home", home, "--yes")
        kept = {name for name in SPARE if "orphan" in name or "left" in name}
        assert code == 0 and before - files(home) == SPARE - kept and "orphan" not in out
        code, _, err = run(capsys, clean.app, "--home", home, "--cache", "--yes")
        assert code == 2 and "runs and may read the cache" in err
    assert not inventory.is_busy(home)
    assert run(capsys, clean.app, "--home", home, "--yes")[1].endswith("removed 4, 1.5 MiB\n")


def test_a_job_that_began_since_keeps_its_files(home):
    item = next(item for item in inventory.inventory(home, inventory.read(home)) if item.name == "orphan")
    with put(home / "locks" / "orphan.lock", size=0).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not inventory.remove(home, item) and item.files[0].exists()
    assert inventory.remove(home, item) and not item.files[0].exists()


def test_a_fresh_ticket_whose_job_is_known_to_have_ended_goes(home):
    put(home / "locks" / "just-now.lock", size=0)
    kept = {item.name: item.kept_by for item in inventory.inventory(home, inventory.read(home))}
    assert kept["just-now"] == "" and kept["given"] == "1 record of jobs that started from it"
    assert kept["unfinished"] in ("an unfinished job", "") and kept["notes.txt"] == "its owner"


def test_a_damaged_record_stops_it(home, capsys):
    (home / "records" / "moved.json").write_text("{")
    before = files(home)
    for app, args in ((clean.app, ["--yes"]), (show.app, ["--store"])):
        code, out, err = run(capsys, app, "--home", home, *args)
        assert code == 2 and not out and "moved.json is refused" in err and err.count("\n") == 1
    assert files(home) == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["--home", "nowhere"],
            "nowhere is no home of runs: it holds none of records, tickets, networks, portraits, checkpoints, locks",
        ),
        (["--hme", "runs"], "no such option: --hme"),
    ],
)
def test_mistakes_are_told_in_one_sentence(args, message, capsys):
    code, out, err = run(capsys, clean.app, *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1


def built(cache, name, unfinished=False, when=OLD):
    """A folder of decoded images."""
    place = cache / "figures" / (f".{name}-01234567" if unfinished else name)
    put(place / "image.npy", when=when)
    put(place / "meta.json", size=2, when=when)
    os.utime(place, (when, when))
    return place


def test_the_cache_goes_only_where_it_is_asked_for_and_nothing_else_in_its_folder(home, tmp_path, capsys):
    cache = tmp_path / "cache"
    whole = built(cache, "train-64x64-0123456789abcdef")
    left = built(cache, "test-64x64-0123456789abcdef", unfinished=True)
    going_on = built(cache, "test-32x32-0123456789abcdef", unfinished=True)
    foreign = put(cache / "photographs" / "train-64x64" / "a.jpg")
    with locked(going_on):
        assert [(one.folder, one.is_being_built) for one in decoded()] == [
            (going_on, True), (left, False), (whole, False),
        ]  # fmt: skip
        told = f"a killed run did not finish figures/{left.name}, 0.5 MiB\n"
        assert told in run(capsys, show.app, "--store", "--home", home)[1]
        out = run(capsys, clean.app, "--home", home, "--yes")[1]
        assert f"unfinished cache      0.5 MiB  figures/{left.name}\n" in out
        assert whole.exists() and not left.exists()
        code, out, _ = run(capsys, clean.app, "--home", home, "--yes", "--cache")
        assert code == 0 and out.endswith("removed 1, 0.5 MiB\n")
    assert not whole.exists() and going_on.exists() and foreign.exists()


def test_the_store_is_counted(home, tmp_path, capsys):
    built(tmp_path / "cache", "train-64x64-0123456789abcdef")
    code, out, _ = run(capsys, show.app, "--store", "--home", home)
    rows = {line.rsplit(maxsplit=4)[0].strip(): line.split()[-4:] for line in out.splitlines()[2:10]}
    assert code == 0 and rows == {
        "record": ["3", "0.0", "0", "0.0"],
        "ticket": ["6", "5.5", "3", "2.5"],
        "network": ["0", "0.0", "0", "0.0"],
        "portrait": ["2", "1.0", "1", "0.5"],
        "checkpoint": ["3", "1.5", "1", "0.5"],
        "temporary file": ["3", "1.5", "3", "1.5"],
        "lock": ["1", "0.0", "1", "0.0"],
        "other file": ["1", "0.5", "0", "0.0"],
    }
    for name in ("broken", "half", "orphan"):
        assert f"no record needs the ticket {name}\n" in out
    assert "just-now" not in out and "figures" in out
    assert f"python -m bench.clean --home {home} removes what is not needed." in out


def test_what_to_show_must_be_said(home, capsys):
    assert "name a record or a ticket, or give --store" in run(capsys, show.app)[2]
    assert "--store shows a home and got the file" in run(capsys, show.app, "x.json", "--store")[2]
