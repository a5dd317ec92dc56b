"""bench.submit: what goes into a submission, as archive and as branch; what is refused, with nothing written."""

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from homes import few_images, short_run

from bench import submit
from bench.audit import packing, publishing
from bench.command import console
from bench.records import provenance, published, record
from bench.records.record import Record
from tickets.errors import UserError


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A home and the names of its records; the data stay patched."""
    place = tmp_path_factory.mktemp("submitted")
    with few_images(place / "cache"):
        yield place / "home", short_run(place / "home")


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A checkout without published records, as the one of ticketbench."""
    root = tmp_path / "house"
    (root / "results" / "records").mkdir(parents=True)
    (root / "README.md").write_text("house\n")
    for key, value in {"GIT_CONFIG_GLOBAL": os.devnull}.items():
        monkeypatch.setenv(key, value)
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "a")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@b.c")
    for line in ("init --quiet", "add .", "commit --quiet -m first"):
        git(root, *line.split())
    monkeypatch.setattr(provenance, "checkout", lambda: root)
    monkeypatch.setattr(published, "checkout", lambda: root)
    monkeypatch.chdir(tmp_path)
    return root


@pytest.fixture
def home(ran, tmp_path):
    """A copy of it that a test may spoil."""
    publishing._hash.cache_clear()
    return Path(shutil.copytree(ran[0], tmp_path / "home"))


def git(root, *args):
    return subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, check=True).stdout


def run(capsys, home, *args):
    """Exit code, output and errors of the command."""
    with pytest.raises(SystemExit) as left:
        console.main(submit.app, "submit", ["--home", str(home), *map(str, args)])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_the_archive_holds_the_records_signed_the_tables_and_a_letter(ran, home, house, capsys):
    code, out, err = run(capsys, home, "--name", "Ada Łove", "--out", "rows.tar.gz")
    assert code == 0 and "4 records in rows.tar.gz" in out and "error" not in err
    with tarfile.open("rows.tar.gz") as found:
        texts = {name: found.extractfile(name).read().decode() for name in found.getnames()}
    own = {f"results/records/{name}.json": name for name in ran[1].values()}
    assert own.keys() < texts.keys() and {"SUBMISSION.md", "results/tables/leaderboard.md"} < texts.keys()
    for file, name in own.items():
        before, after = json.loads((home / "records" / f"{name}.json").read_text()), json.loads(texts[file])
        assert after == {**before, "origin": "submitted by Ada Łove"}
        assert Record.model_validate(after).to_json() == texts[file]
    assert texts["SUBMISSION.md"].startswith("4 records of dense, gmp, submitted by Ada Łove\n")
    assert "submitted by Ada Łove" in texts["results/tables/leaderboard.md"]
    first = Path("rows.tar.gz").read_bytes()
    assert run(capsys, home, "--name", "Ada Łove", "--out", "again.tgz")[0] == 0
    assert Path("again.tgz").read_bytes() == first


def test_the_branch_holds_them_too_and_the_checkout_stays_as_it_is(home, house, capsys):
    (house / "README.md").write_text("somebody is at it\n")
    code, out, _ = run(capsys, home, "--name", "Ada", "--branch", "rows", "--drawer", "gmp", "--no-rescore")
    assert code == 0 and "3 records on the branch rows" in out
    assert (
        git(house, "status", "--porcelain") == " M README.md\n" and git(house, "branch", "--show-current") != "rows\n"
    )
    changed = git(house, "diff", "--name-status", "HEAD", "rows").splitlines()
    assert sum(line.startswith("A\tresults/records/") for line in changed) == 3
    assert all(line.startswith("A\tresults/") for line in changed) and "A\tresults/tables/leaderboard.csv" in changed
    assert git(house, "log", "-1", "--format=%s", "rows") == "3 records of gmp, submitted by Ada\n"
    code, _, err = run(capsys, home, "--name", "Ada", "--branch", "rows")
    assert code == 2 and "has it already, and it is not overwritten" in err


def test_what_is_published_is_left_out_and_what_is_behind_it_told(ran, home, house, capsys):
    for kind in ("draw", "dense"):
        shutil.copy(home / "records" / f"{ran[1][kind]}.json", house / "results" / "records")
    other = json.loads((home / "records" / f"{ran[1]['transfer']}.json").read_text())
    for seed in (0, 1):  # a rival of two seeds on the board
        other["job"] |= {"drawer": "omp", "seed": seed}
        other["id"] = f"rival-{seed}"
        (house / "results" / "records" / f"rival-{seed}.json").write_text(json.dumps(other))
    code, out, _ = run(capsys, home, "--name", "Ada", "--no-rescore")
    assert code == 0 and "2 records in submission.tar.gz" in out
    assert "note    gmp from cls/figures at 0.9 on seg/figures: no record of seed 1" in out
    with tarfile.open("submission.tar.gz") as found:
        assert "no record of seed 1" in found.extractfile("SUBMISSION.md").read().decode()
    code, _, err = run(capsys, home, "--name", "Ada", "--source", "none")
    assert code == 2 and "is what was asked for and not published" in err


def test_one_that_is_refused_stops_it_and_nothing_is_written(ran, home, house, capsys):
    path = home / "records" / f"{ran[1]['transfer']}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "dirty": True}))
    code, out, _ = run(capsys, home, "--name", "Ada", "--no-rescore")
    assert code == 1 and f"REFUSED    {path.stem}: its code differed from commit" in out
    assert "nothing was written" in out and not Path("submission.tar.gz").exists()


def test_one_that_cannot_be_true_stops_it_too(ran, home, house, capsys):
    path = home / "records" / f"{ran[1]['dense']}.json"
    content = json.loads(path.read_text())
    content["costs"]["training_macs"] = 1
    path.write_text(json.dumps(content))
    code, out, _ = run(capsys, home, "--name", "Ada", "--no-rescore")
    assert code == 1 and f"FAILED  {path.stem}.json: " in out and not Path("submission.tar.gz").exists()


def test_a_job_that_failed_belongs_to_it(ran, home, house, capsys):
    path = home / "records" / f"{ran[1]['random']}.json"
    empty = {"status": "failed", "error": "boom\nlonger", "scores": None, "ticket": None, "deployed": None}
    path.write_text(json.dumps({**json.loads(path.read_text()), **empty}))
    code, out, _ = run(capsys, home, "--name", "Ada", "--no-rescore")
    assert code == 0 and "4 records in" in out and "seed 0 failed: boom" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--name", ""], "--name '' is no name of 1 to 60 characters"),
        (["--name", "a|b"], "--name 'a|b' is no name"),
        (["--name", "Ada\nLovelace"], "is no name of 1 to 60 characters"),
        (["--name", "Ada", "--out", "rows.zip"], "let it end in .gz or .tgz"),
        (["--name", "Ada", "--branch", "a b"], "--branch a b is no name of a branch"),
        (["--name", "Ada", "--drawer", "nme"], "unknown drawer 'nme'"),
        (["--name", "Ada", "--home", "none"], "there is no folder none/records"),
    ],
)
def test_mistakes_are_told_in_one_sentence(args, message, home, house, capsys):
    code, out, err = run(capsys, home, *args)
    assert code == 2 and not out and message in err


def test_without_a_checkout_there_is_no_branch_but_an_archive_without_tables(home, house, capsys, monkeypatch):
    monkeypatch.setattr(provenance, "checkout", lambda: None)
    monkeypatch.setattr(published, "checkout", lambda: None)
    code, _, err = run(capsys, home, "--name", "Ada", "--branch", "rows")
    assert code == 2 and "--branch rows needs a git checkout of ticketbench; give --out FILE.tar.gz" in err
    code, out, _ = run(capsys, home, "--name", "Ada", "--drawer", "gmp", "--target", "none")
    assert code == 0 and "note    the tables are left to the maintainers" in out
    with tarfile.open("submission.tar.gz") as found:
        assert [name.partition("_")[0] for name in sorted(found.getnames())] == [
            "SUBMISSION.md",
            "results/records/draw",
        ]


def test_a_refusal_of_git_is_told(house):
    with pytest.raises(UserError, match=r"git branch failed in .*: fatal"):
        packing.branch(house, "..", {"a": "b"}, "text")


@pytest.mark.parametrize("origin", ["submitted", "submitted by Ada", "measured", "reported"])
def test_origins_that_records_tell(ran, home, origin):
    found = record.read(home / "records" / f"{ran[1]['draw']}.json")
    assert Record.model_validate({**found.model_dump(by_alias=True), "origin": origin}).origin == origin
    for other in ("mine", "submitted by ", "submitted by a|b", "measured by me"):
        with pytest.raises(ValueError, match="origin"):
            Record.model_validate({**found.model_dump(by_alias=True), "origin": other})
