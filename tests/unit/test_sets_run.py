"""A grid with ticket sets, run: records of sets and members, kills in a member's training, what commands say."""

import json
import shutil
from dataclasses import replace

import pytest
from asked import config
from homes import done, few_images, short_facts

from bench import clean, compare, export, preview, publish, show
from bench.audit import plausible, publishing, replica
from bench.boards.leaderboard import boards
from bench.boards.words import notes
from bench.command import console
from bench.inventory.inventory import inventory
from bench.jobs import execute as execution
from bench.jobs.store import Store
from bench.jobs.work import Work
from bench.records import record as records
from bench.request.plan import jobs
from tickets.ticket_set import TicketSet, load, member_path
from tickets.training import checkpoint

ASKED = {"drawer": "edst,dst@members=2,gmp", "sparsity": "0.8", "control": "none", "target": "cls,seg"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A home with draws on cls and, but for dst, transfers to cls and seg: facts, jobs, and the record of each job."""
    place = tmp_path_factory.mktemp("sets")
    with few_images(place / "cache"):
        given = short_facts(place / "home")
        found = [job for job in jobs(config(**ASKED)) if job.kind == "draw" or job.drawer in ("edst", "gmp")]
        yield given, found, dict(zip(found, done(found, given), strict=True))


@pytest.fixture
def home(ran, tmp_path):
    """A copy of it."""
    shutil.copytree(ran[0].home, tmp_path / "home")
    return tmp_path / "home"


def of(ran, drawer, target=None):
    """The record of a drawer's draw, or of its transfer."""
    return next(record for job, record in ran[2].items() if job.drawer == drawer and job.target == target)


def told(capsys, app, *words):
    """Exit code, standard output and error of a command."""
    with pytest.raises(SystemExit) as left:
        console.main(app, "python -m bench", [str(word) for word in words])
    return left.value.code, *capsys.readouterr()


# ---- records


def test_all_jobs_of_the_grid_end_well(ran):
    _, found, records_ = ran
    assert len(found) == 7 and [(one.status, one.error) for one in records_.values()] == [("ok", None)] * 7


@pytest.mark.parametrize(("drawer", "members"), [("edst", 3), ("dst@members=2", 2), ("gmp", 1)])
def test_a_draw_s_record_tells_of_the_set_and_of_its_members(ran, drawer, members):
    found = of(ran, drawer)
    size, first = found.ticket, load(Store(ran[0].home).ticket(found.id))
    assert size.members == members and size.hash == first.hash and size.remaining == first.remaining
    one = first.members[0].costs((32, 32)) if members > 1 else first.costs((32, 32))
    assert (size.parameters, size.macs) == (members * one["parameters"], members * one["macs"])
    assert found.deployed.macs > size.macs and found.deployed.parameters > size.parameters
    told_ = found.scores.members
    assert len(told_) == (members if members > 1 else 0) and found.scores.amounts == (["nll"] if members > 1 else [])
    assert ("nll" in found.scores.test) == ("disagreement" in found.scores.test) == (members > 1)
    for alone in told_:
        assert alone.keys() == {"top1", "top5", "nll", "ece"}
    assert list(plausible.wrong(found)) == []


def test_members_score_what_they_score_alone(ran):
    """A member's file, loaded by itself, gives the member's numbers."""
    given, _, _ = ran
    found = of(ran, "edst")
    work = replica.work_of(found, given.home, replica.Data())
    for number, alone in enumerate(found.scores.members):
        again = replica.scored(work, member_path(Store(given.home).ticket(found.id), number))["test"]
        assert {name: alone[name] for name in ("top1", "top5")} == again


@pytest.mark.parametrize("target", ["cls/figures", "seg/figures"])
def test_a_transferred_set_trains_every_member_and_adds_up(ran, target):
    alone, found = of(ran, "gmp", target), of(ran, "edst", target)
    draw = of(ran, "edst")
    assert found.ticket.members == 3 and found.ticket.hash == draw.ticket.hash
    assert found.costs.training_macs == pytest.approx(3 * alone.costs.training_macs)
    assert found.costs.drawing_macs == draw.costs.training_macs < 3 * of(ran, "gmp").costs.training_macs
    assert found.deployed.parameters == 3 * alone.deployed.parameters
    assert len({json.dumps(one) for one in found.scores.members}) == 3
    assert ("nll" in found.scores.test) == (target == "cls/figures")


def test_a_set_s_ticket_gives_its_scores_again_and_another_member_does_not(ran, home):
    found = of(ran, "edst")
    stem = Store(home).ticket(found.id)
    replica.verify_score(found, stem, replica.Data())
    changed = found.scores.model_copy(update={"members": [found.scores.members[0]] * 3})
    with pytest.raises(Exception, match="does not give its score: members"):
        replica.verify_score(found.model_copy(update={"scores": changed}), stem, replica.Data())


def test_records_that_tell_of_another_number_of_members_cannot_be(ran):
    found = of(ran, "edst")
    scores = found.scores.model_copy(update={"members": found.scores.members[:2]})
    (why,) = plausible.wrong(found.model_copy(update={"scores": scores}))
    assert why == "'scores.members' tells of 2 members, and 'ticket.members' is 3."


# ---- killed


class Killed(BaseException):
    """As by a kill."""


@pytest.mark.parametrize("saves", [9, 13])
def test_killed_in_its_second_member_a_transfer_goes_on_to_the_same_scores(ran, home, saves, monkeypatch):
    """Six steps and a last state a member: the ninth state is the second one of member 1, the thirteenth its last."""
    given, found, _ = ran
    record = of(ran, "edst", "seg/figures")
    job = next(job for job in found if job.drawer == "edst" and job.target == "seg/figures")
    store = Store(home)
    (store.records / f"{record.id}.json").unlink()
    own = replace(given, home=home)
    work = Work(job, record.id, own, {"ticket": of(ran, "edst").id})
    save, written = checkpoint.Checkpoint.save, []

    def save_and_die(self, state):
        save(self, state)
        written.append(state)
        if len(written) == saves:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "EVERY_S", -1.0)
        patch.setattr(checkpoint.Checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            execution.execute(work)
    states = checkpoint.load_checkpoint(store.checkpoint(record.id))["turns"]
    assert [state["step"] for state in states] == [6, saves - 7 if saves < 13 else 6]
    again = execution.execute(work)
    assert again.scores == record.scores and again.ticket == record.ticket and again.deployed == record.deployed
    assert again.costs.training_macs == record.costs.training_macs and again.costs.images == record.costs.images
    assert not store.checkpoint(record.id).exists()


# ---- kept and cleaned


def test_a_draw_without_all_files_of_its_set_is_drawn_again(ran, home):
    store, (job, record) = Store(home), next(pair for pair in ran[2].items() if pair[0].drawer == "edst")
    assert store.finished(job, record.id) is not None
    member_path(store.ticket(record.id), 1).with_suffix(".m1.safetensors").unlink()
    assert store.finished(job, record.id) is None


def test_a_set_is_one_ticket_of_the_home_and_stays_as_long_as_it_is_needed(ran, home, capsys):
    found = of(ran, "edst")
    items = [item for item in inventory(home, records.read_all(home / "records")) if item.kind == "ticket"]
    assert len(items) == 3 and {item.name for item in items} == {
        of(ran, name).id for name in ASKED["drawer"].split(",")
    }
    (own,) = (item for item in items if item.name == found.id)
    assert len(own.files) == 7 and own.kept_by == "its record and 2 records of jobs that started from it"
    assert told(capsys, clean.app, "--home", home, "--dry-run")[1].startswith("there is nothing to remove")


# ---- commands


def test_sets_and_their_transfers_are_published_once_verified(ran, home, tmp_path, capsys):
    code, out, _ = told(capsys, publish.app, "--home", home, "--to", tmp_path / "to")
    assert code == 0 and out.endswith("7 published in " + str(tmp_path / "to") + ", 0 there already, 0 refused\n")
    publishing._hash.cache_clear()
    stem = Store(home).ticket(of(ran, "edst").id)
    stem.with_name(f"{stem.name}.m2.json").unlink()
    code, out, _ = told(capsys, publish.app, "--home", home, "--to", tmp_path / "other")
    assert code == 1 and out.count("REFUSED") == 3 and f"{stem.name}.m2.json does not exist" in out


def test_a_set_and_its_record_are_shown(ran, home, capsys):
    found = of(ran, "edst")
    stem = Store(home).ticket(found.id)
    code, out, _ = told(capsys, show.app, f"{stem}.json")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0 and "members: 3" in lines and f"hash: {found.ticket.hash}" in lines
    assert [line.split()[0] for line in lines[-3:]] == ["m0", "m1", "m2"] and " 100.0% " in lines[-3]
    code, out, _ = told(capsys, show.app, home / "records" / f"{found.id}.json")
    (row,) = (line.split() for line in out[out.index("Members on test") :].splitlines() if line.startswith("  top1"))
    each = [one["top1"] for one in found.scores.members]
    expected = [found.scores.score, sum(each) / 3, min(each), max(each), *each]
    assert row[1:] == [f"{value:.4f}" for value in expected]


def test_what_takes_one_ticket_says_how_a_member_is_named(ran, home, tmp_path, capsys):
    stem = Store(home).ticket(of(ran, "edst").id)
    for app, words in ((export.app, ["--out", tmp_path / "x.pt2"]), (show.app, ["--out", tmp_path / "x.png"])):
        code, _, err = told(capsys, app, stem.with_name(f"{stem.name}.json"), *words)
        assert code == 2 and err.count("\n") == 1
        assert "is a set of 3 tickets" in err and err.endswith(f"name a member, as {stem}.m0.\n")
    assert told(capsys, export.app, f"{stem}.m0", "--out", tmp_path / "x.pt2")[0] == 0


def test_a_set_predicts_in_a_picture(ran, home, tmp_path, capsys, monkeypatch):
    stem, out = Store(home).ticket(of(ran, "edst").id), tmp_path / "x.png"
    said = []
    merge = type(ran[0].tasks["cls/figures"]).merge
    monkeypatch.setattr(type(ran[0].tasks["cls/figures"]), "merge", lambda *args: said.append(args) or merge(*args))
    code, text, _ = told(capsys, preview.app, "--task", "cls", "--ticket", stem, "--out", out, "--count", 2)
    assert code == 0 and f"picture: {out}" in text and out.exists() and [len(args[1]) for args in said] == [3, 3]


def test_a_board_tells_what_members_score_alone(ran):
    found = [board for board in boards(ran[2].values()) if board.place.kind == "draw"]
    (board,) = found
    record = of(ran, "edst")
    each = [one["top1"] for one in record.scores.members]
    whole, alone, best = (f"{100 * value:.1f}%" for value in (record.scores.score, sum(each) / 3, max(each)))
    lines = notes(board)
    assert f"Set: edst, sparsity 80.0%: {whole} together, a member alone {alone}, the best one {best}." in lines
    assert len(lines) == 2  # none for gmp


def test_sets_are_compared_with_their_members_and_draws_with_draws(ran, home, capsys):
    found = home / "records"
    edst, dst = of(ran, "edst"), of(ran, "dst@members=2")
    best, mean = (of_([one["top1"] for one in edst.scores.members]) for of_ in (max, lambda v: sum(v) / len(v)))
    words = ["--by", "members", "together", "best", "mean", "--method", "edst", "--target", "none", "--records", found]
    code, out, _ = told(capsys, compare.app, *words)
    assert code == 0 and "edst, drawn on cls/figures, 80%" in out
    rows = [line.split() for line in out.splitlines() if "drawn on" in line]
    numbers = [[float(cell) for cell in row[5:8]] for row in rows]
    assert [row[:2] for row in numbers] == [[1, round(100 * edst.scores.score, 1)]] * 2
    assert [row[2] for row in numbers] == [round(100 * best, 1), round(100 * mean, 1)]
    code, out, _ = told(capsys, compare.app, "edst", "dst@members=2", "--target", "none", "--records", found)
    difference = 100 * (edst.scores.score - dst.scores.score)
    assert code == 0 and f" {difference:+.1f} " in out
    code, _, err = told(
        capsys, compare.app, "--by", "members", "together", "best", "--method", "gmp", "--records", found
    )
    assert code == 2 and "gmp" in err


def test_a_set_under_another_s_name_fails_the_job_before_it_trains(ran, home, monkeypatch):
    given, found, _ = ran
    edst, dst = of(ran, "edst"), of(ran, "dst@members=2")
    store = Store(home)
    load(store.ticket(dst.id)).save(store.ticket(edst.id))
    assert isinstance(load(store.ticket(edst.id)), TicketSet)
    job = next(job for job in found if job.drawer == "edst" and job.target == "seg/figures")
    monkeypatch.setattr("bench.jobs.computing.transfers", lambda *args: pytest.fail("trained"))
    work = Work(job, "again", replace(given, home=home), {"ticket": edst.id}, unless_finished=False)
    failed = execution.execute(work)
    assert failed.status == "failed" and f"{edst.id}.json has the hash {dst.ticket.hash[:16]}" in failed.error
