"""Remembered names: those that would be found, and only under what they were found under."""

from dataclasses import replace

import pytest
from asked import config, facts
from foreign import register

from bench.jobs.identity import identify, identify_all
from bench.jobs.names import named
from bench.records import remembered
from bench.request.plan import jobs
from tasks import TASKS
from tickets.drawers import DRAWERS


class Asked:
    """A worker that finds names in this process, and how often it was asked."""

    def __init__(self):
        self.times = 0

    def call(self, function, *args):
        """What `bench.jobs.identity` says."""
        assert function == "bench.jobs.identity:identify_all"
        self.times += 1
        return identify_all(*args)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty one."""
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "remembered"


@pytest.fixture
def worker():
    """One that was not asked yet."""
    return Asked()


def known(asked, print_="aa"):
    """The facts of a configuration, with tasks whose data have this fingerprint."""
    tasks = {name: TASKS.load(name)(size=(32, 32)) for name in ("cls/figures", "seg/figures")}
    return facts(asked, tasks=tasks, fingerprints={name: {"train": print_} for name in tasks})


def test_names_are_found_once_and_are_those_of_each_job_alone(worker):
    asked = config(seed="0,1", drawer="supertickets,imp", sparsity="0.5,0.9")
    found = named(jobs(asked), known(asked), worker)
    assert named(jobs(asked), known(asked), worker) == found and worker.times == 1
    for job, name in found.items():
        assert name == identify(job, {role: found[need] for role, need in job.needs.items()}, known(asked))


def test_names_are_found_anew_where_anything_that_they_depend_on_is_another(worker, monkeypatch):
    asked = config()
    first = named(jobs(asked), known(asked), worker)
    for changed in ({"seed": "1"}, {"budget": 0.5}, {"scale": "tiny@batch_size=7"}, {"threads": 2}):
        assert not set(named(jobs(config(**changed)), known(config(**changed)), worker).values()) & set(first.values())
    assert not set(named(jobs(asked), known(asked, "bb"), worker).values()) & set(first.values())
    assert worker.times == 6
    monkeypatch.setattr(remembered.members, "digest", lambda files: "another state of our code")
    assert named(jobs(asked), known(asked), worker) == first and worker.times == 7


def test_where_another_package_registers_a_member_nothing_is_remembered(worker, monkeypatch, cache):
    register(monkeypatch, DRAWERS, regrown="foreign:Regrown")
    asked = config()
    for times in (1, 2):
        named(jobs(asked), known(asked), worker)
        assert worker.times == times and not cache.exists()


@pytest.mark.parametrize("damage", [b"", b"{}", b'["a"]', b'["a", "b", "../c"]', b"[1, 2, 3]"])
def test_a_damaged_memory_is_none(worker, cache, damage):
    asked = config()
    found = named(jobs(asked), known(asked), worker)
    (file,) = cache.iterdir()
    file.write_bytes(damage)
    assert named(jobs(asked), known(asked), worker) == found and worker.times == 2


def test_a_cache_that_cannot_be_written_hinders_nothing(worker, cache):
    cache.parent.parent.mkdir(exist_ok=True)
    cache.parent.write_text("a file in the folder's place")
    asked = config()
    assert len(named(jobs(asked), known(asked), worker)) == 3


def test_only_the_newest_are_kept(worker, cache):
    for seed in range(remembered.KEPT + 2):
        asked = replace(config(), sweeps=config(seed=str(seed)).sweeps)
        named(jobs(asked), known(asked), worker)
    assert len(list(cache.iterdir())) == remembered.KEPT
    named(jobs(asked), known(asked), worker)
    assert worker.times == remembered.KEPT + 2
