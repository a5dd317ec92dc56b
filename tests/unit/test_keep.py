"""Runs keep trained networks: which, that they score what their records say, and how one that was not kept is had."""

from dataclasses import replace

import pytest
from homes import done, few_images, short_facts

from bench.inventory import inventory
from bench.jobs.execute import execute
from bench.jobs.grid import Grid
from bench.jobs.identity import identify_all
from bench.jobs.scoring import make_feed
from bench.jobs.store import Store
from bench.jobs.work import Work
from bench.request.plan import Job
from bench.run import keeps
from tasks.network import opened
from tickets import atomic
from tickets.errors import CannotWriteError, DamagedTicketError
from tickets.ticket_set import load

DRAW = Job("draw", "cls/figures", None, "gmp", 0.9, 0)
TRANSFER = Job("transfer", "cls/figures", "seg/figures", "gmp", 0.9, 0, None, "finetune", "fresh")
DENSE = Job("control", None, "seg/figures", "dense", 0.0, 0, None, "scratch", "fresh", "dense")
JOBS = (DRAW, TRANSFER, DENSE)


class Silent:
    """A display that tells nothing."""

    def skipped(self, job, record):
        """Nothing."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A home after a short run that kept its networks, the facts of its jobs, and its records."""
    home = tmp_path_factory.mktemp("home")
    with few_images(home / "cache"):
        facts = replace(short_facts(home), keep=True)
        yield home, facts, done(JOBS, facts)


def again(run, job, **how):
    """The job once more."""
    _, facts, _ = run
    ids = identify_all(list(JOBS), facts)
    return execute(Work(job, ids[job], facts, {role: ids[need] for role, need in job.needs.items()}, **how))


def files(home, record):
    """Bytes of a network's two files."""
    path = Store(home).network(record.id)
    return [path.with_name(path.name + suffix).read_bytes() for suffix in (".safetensors", ".json")]


def test_a_kept_network_scores_what_its_record_says(run):
    home, facts, records = run
    assert [record.status for record in records] == ["ok"] * 3
    assert sorted(path.stem for path in (home / "networks").glob("*.json")) == sorted(r.id for r in records[1:])
    for record in records[1:]:
        kept = opened(load(Store(home).network(record.id)))
        feed = make_feed("seg/figures", 0, facts)
        assert feed.measure(kept.network, "test").compute() == record.scores.test
        told = kept.found.provenance["network"]
        assert told["record"] == record.id and told["scores"]["test"] == record.scores.test
        assert kept.found.sparsity == record.ticket.sparsity


def test_few_are_kept_unasked_and_all_or_none_as_asked():
    few, many = [DRAW, TRANSFER, DENSE], [replace(TRANSFER, seed=seed) for seed in range(5)]
    assert keeps("auto", few) and not keeps("auto", many)
    assert keeps("networks", many) and not keeps("none", few)


def test_a_record_without_its_network_is_told_or_trained_again(run):
    home, facts, records = run
    ids = identify_all(list(JOBS), facts)
    wholes = {record.id: files(home, record) for record in records[1:]}
    Store(home).network(records[1].id).with_name(f"{records[1].id}.safetensors").unlink()
    for networks, missing in ((False, []), (True, [TRANSFER])):
        grid = Grid(list(JOBS), ids, facts, Silent(), networks=networks)
        grid.skip_finished()
        assert grid.unkept == [TRANSFER] and grid.missing == missing
    text = (home / "records" / f"{records[1].id}.json").read_bytes()
    assert again(run, TRANSFER, for_network=True).scores == records[1].scores
    assert files(home, records[1]) == wholes[records[1].id]
    assert (home / "records" / f"{records[1].id}.json").read_bytes() == text


def test_a_network_of_another_score_than_its_record_is_not_kept(run, monkeypatch):
    home, _, records = run
    before = files(home, records[2])
    text = (home / "records" / f"{records[2].id}.json").read_text()
    changed = text.replace(f'"score": {records[2].scores.score!r}', '"score": 0.5')
    changed = changed.replace(f'"miou": {records[2].scores.score!r}', '"miou": 0.5')
    (home / "records" / f"{records[2].id}.json").write_text(changed)
    told = again(run, DENSE, for_network=True)
    assert told.status == "failed" and "trained again it scores" in told.error
    assert (home / "records" / f"{records[2].id}.json").read_text() == changed and files(home, records[2]) == before
    (home / "records" / f"{records[2].id}.json").write_text(text)


def test_half_a_network_is_none_and_the_next_run_makes_it_whole(run, monkeypatch):
    home, _, records = run
    whole, path = files(home, records[2]), Store(home).network(records[2].id)
    for suffix in (".safetensors", ".json"):
        path.with_name(path.name + suffix).unlink()
    write = atomic.write

    def full(file, data):
        if file == path.with_name(f"{path.name}.json"):
            raise CannotWriteError(f"cannot write {file}: no space left on device.")
        write(file, data)

    monkeypatch.setattr(atomic, "write", full)
    with pytest.raises(CannotWriteError, match="no space left"):
        again(run, DENSE, for_network=True)
    assert path.with_name(f"{path.name}.safetensors").exists() and not Store(home).has_network(records[2])
    with pytest.raises(DamagedTicketError, match=r"\.json does not exist"):
        load(path)
    monkeypatch.undo()
    assert again(run, DENSE, for_network=True).status == "ok" and files(home, records[2]) == whole


def test_a_network_stays_with_its_record_and_goes_without(run):
    home, _, records = run
    told = {item.name: item.kept_by for item in inventory.inventory(home, records) if item.kind == inventory.NETWORK}
    assert told == {records[1].id: "its record", records[2].id: "its record"}
    orphans = [item for item in inventory.inventory(home, records[:2]) if item.kind == inventory.NETWORK]
    assert [len(item.files) for item in orphans] == [2, 2]
    assert "its record" not in {item.kept_by for item in orphans if item.name == records[2].id}
