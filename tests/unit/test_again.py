"""Jobs that are done again: what died, apart and told in the record; what lacks its draw, after that; nothing lost."""

import os

import pytest
import torch
from grids import Obedient, run_grid
from homes import done, few_images, short_facts
from samples import record

from bench.engines.contract import Message
from bench.engines.local import death, ended
from bench.jobs import computing as jobs
from bench.jobs.execute import execute, fail
from bench.jobs.grid import Grid
from bench.jobs.identity import identify_all
from bench.jobs.store import Store
from bench.jobs.work import Undone, Work
from bench.request.plan import Job
from tasks.data.loaders import LostLoaderError
from tickets.errors import CannotWriteError, UserError

DRAW = Job("draw", "cls/figures", None, "gmp", 0.9, 0)
TRANSFER = Job("transfer", "cls/figures", "seg/figures", "gmp", 0.9, 0, None, "finetune", "fresh")
GRID = {"source": "cls,seg", "target": "pose", "control": "none"}


class Watched(Obedient):
    """Notes what runs beside each call, and how it is told to do it."""

    def __init__(self, **how):
        super().__init__(**how)
        self.beside, self.works = [], []

    def start(self, key, function, work, *rest):
        """As asked for."""
        super().start(key, function, work, *rest)
        self.beside.append((str(key), len(self.queue)))
        self.works.append(work)


def test_a_job_whose_process_is_killed_is_done_once_more_apart_and_its_work_says_why():
    workers = Watched(once="on cls")
    grid = run_grid(workers, **GRID)
    assert {one.status for one in grid.records.values()} == {"ok"} and len(grid.records) == 4
    tries = [number for number, (key, _) in enumerate(workers.beside) if "draw" in key and "on cls" in key]
    assert len(tries) == 2 and workers.beside[tries[1]][1] == 1
    told = workers.works[tries[1]].retried
    assert told.startswith("at its first try its worker process was ended by SIGKILL")
    assert [work.retried for number, work in enumerate(workers.works) if number != tries[1]] == [""] * 4
    assert any(line.startswith("say once more, while no other job is running: draw") for line in grid.display.lines)


def test_a_job_that_leaves_by_itself_is_not_tried_again():
    workers = Obedient(deadly="on cls", code=3)
    run_grid(workers, **GRID)
    (failed,) = [call for call in workers.calls if call[0] == "fail" and "draw" in call[1]]
    assert failed[2] == "its worker process ended by itself with code 3."


@pytest.mark.parametrize(
    ("code", "told"),
    [(0, "ended by itself with code 0"), (-11, "was ended by SIGSEGV"), (-62, "was ended by signal 62")],
)
def test_what_is_known_of_an_end_is_said_and_no_more(code, told):
    assert ended(code) == told


def test_jobs_wait_for_a_damaged_draw_that_is_drawn_again(tmp_path):
    workers = Obedient(needy=2)
    (tmp_path / "tickets").mkdir()
    (tmp_path / "tickets" / "id0.json").write_text("{")
    grid = run_grid(workers, tmp_path, source="cls", target="pose,seg", control="none")
    assert len(grid.records) == 3
    draws = [key for name, key in workers.calls if key.startswith("draw")]
    assert len(draws) == 2 and [name for name, _ in workers.calls] == ["execute"] * 6
    assert [path.suffix for path in (tmp_path / "tickets").iterdir()] == [".tmp"]
    assert sum("drawn again: draw supertickets" in line for line in grid.display.lines) == 1


def test_a_draw_that_is_damaged_anew_ends_the_grid_with_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"^x\.json is damaged\. It was drawn again in this run and is damaged anew\."):
        run_grid(Obedient(needy=9), tmp_path, **GRID)


# ---- with real jobs


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A drawn ticket and a transfer of it: facts, names, records."""
    folder = tmp_path_factory.mktemp("again")
    with few_images(folder / "cache"):
        facts = short_facts(folder / "home")
        found = [DRAW, TRANSFER]
        yield facts, identify_all(found, facts), done(found, facts)


def work(home, job, **how):
    """Of one of them."""
    facts, ids, _ = home
    return Work(job, ids[job], facts, {role: ids[need] for role, need in job.needs.items()}, **how)


@pytest.mark.parametrize("half", [".json", ".safetensors"])
@pytest.mark.parametrize("damage", ["gone", "cut", "foreign"])
def test_a_damaged_ticket_is_no_failure_of_the_job_that_needs_it(home, half, damage):
    facts, ids, (_, transfer) = home
    store = Store(facts.home)
    path = store.ticket(ids[DRAW]).with_name(ids[DRAW] + half)
    whole = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(whole[:40] if damage == "cut" else b"mine")
    try:
        undone = execute(work(home, TRANSFER, unless_finished=False))
    finally:
        path.write_bytes(whole)
    assert isinstance(undone, Undone) and undone.draw == ids[DRAW] and ids[DRAW] in undone.why
    assert store.record(ids[TRANSFER]).to_json() == transfer.to_json()


def test_too_little_memory_is_tried_again_and_then_the_records_to_say(home, monkeypatch):
    def hungry(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.\nmore")

    monkeypatch.setattr(jobs, "_transfer", hungry)
    first = execute(work(home, TRANSFER, unless_finished=False))
    assert first == Undone(
        "it lacked memory (DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.)"
    )
    second = execute(work(home, TRANSFER, unless_finished=False, retried="before"))
    assert second.status == "failed" and second.config["retried"] == "before"
    monkeypatch.setattr(jobs, "_transfer", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError("CUDA")))
    assert isinstance(execute(work(home, TRANSFER, unless_finished=False)), Undone)


@pytest.mark.parametrize(
    "error",
    [
        LostLoaderError("a loader process ended (EOFError) at batch 2, samples 7"),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
    ],
)
def test_a_lost_loader_is_tried_again_and_then_the_records_to_say(home, monkeypatch, error):
    monkeypatch.setattr(jobs, "_transfer", lambda *_: (_ for _ in ()).throw(error))
    assert execute(work(home, TRANSFER, unless_finished=False)) == Undone(f"it lost a loader ({error})")
    assert execute(work(home, TRANSFER, unless_finished=False, retried="before")).status == "failed"


def test_a_record_that_is_ok_is_not_replaced_by_a_failure(home):
    facts, ids, (_, transfer) = home
    assert fail(work(home, TRANSFER), "its process died").status == "failed"
    assert Store(facts.home).record(ids[TRANSFER]).to_json() == transfer.to_json()


def test_a_failure_whose_words_are_no_text_has_its_record(home, tmp_path):
    facts, _, _ = home
    own = type(facts)(**{**vars(facts), "home": tmp_path})
    told = fail(Work(DRAW, "some", own), "no file caf\udce9.png")
    assert Store(tmp_path).record("some").to_json() == told.to_json() and told.error == "no file caf?.png"


def test_a_file_in_the_place_of_the_locks_is_one_sentence(home, tmp_path):
    facts, _, _ = home
    (tmp_path / "locks").write_text("")
    with pytest.raises(CannotWriteError, match=r"^cannot lock .*locks/some\.lock: File exists\.$"):
        execute(Work(DRAW, "some", type(facts)(**{**vars(facts), "home": tmp_path})))


def test_a_process_that_dies_behind_its_record_has_done_its_job(tmp_path):
    """Written in this run: taken up. There from an earlier one: the job is done again, as --force asks."""

    class Dies(Obedient):
        def start(self, key, function, work, *rest):
            found = record(target=None, id=work.id)
            self.calls.append(str(key))
            path = found.write(tmp_path / "records")
            for half in (".json", ".safetensors"):
                (tmp_path / "tickets" / f"{work.id}{half}").write_text("")
            if len(self.calls) == 1 and self.once:
                os.utime(path, (1, 1))
            self.queue.append(Message(key, "died", death(-9)))

    (tmp_path / "tickets").mkdir()
    grid: Grid = run_grid(Dies(), tmp_path, source="cls", target="none", control="none")
    assert [one.status for one in grid.records.values()] == ["ok"]
    workers = Dies(once="yes")
    (tmp_path / "records" / "id0.json").unlink()
    run_grid(workers, tmp_path, source="cls", target="none", control="none")
    assert len(workers.calls) == 2
