"""Grids without any work: workers that obey at once, a display that remembers."""

from __future__ import annotations

from pathlib import Path

from asked import config, facts

from bench.engines.contract import Message
from bench.engines.local import death
from bench.jobs.grid import Grid
from bench.jobs.work import Elsewhere, Undone
from bench.request.plan import jobs


class Told:
    """Takes the display's place."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, name):
        return lambda job, *rest: self.lines.append(f"{name} {job}")


class Record:
    """As much of a record as a grid looks at."""

    def __init__(self, status: str) -> None:
        self.status = status


class Obedient:
    """Workers that do every call at once; draws on `broken` fail, `deadly` kills every try, if `worse` also the record
    of that; `once` kills the first try alone; `needy` says so often that its draw is damaged.
    """

    free, is_one_machine = 2, True

    def __init__(self, broken: str = "", deadly: str = "", busy: str = "", full: str = "", worse: bool = False,
                 once: str = "", needy: int = 0, code: int = -9) -> None:  # fmt: skip
        self.once, self.needy, self.code = once, needy, code
        self.broken, self.deadly, self.busy, self.full, self.worse = broken, deadly, busy, full, worse
        self.queue, self.calls = [], []

    def start(self, key, function, work, *rest):
        """Note the call and its outcome."""
        self.calls.append((function.partition(":")[2], str(key), *rest))
        if self.full and self.full in str(key):
            self.queue.append(Message(key, "refused", "cannot write it: No space left on device."))
        elif self.deadly and self.deadly in str(key) and (self.worse or function.endswith("execute")):
            self.queue.append(Message(key, "died", death(self.code)))
        elif self.once and self.once in str(key):
            self.once = ""
            self.queue.append(Message(key, "died", death(self.code)))
        elif self.needy and key.needs:
            self.needy -= 1
            self.queue.append(Message(key, "result", Undone("x.json is damaged.", next(iter(work.draws.values())))))
        elif self.busy and self.busy in str(key):
            self.busy = ""
            self.queue.append(Message(key, "result", Elsewhere(Path("x.lock"), "process 7 on far")))
        else:
            failed = function.endswith("fail") or (self.broken and self.broken in str(key))
            self.queue.append(Message(key, "result", Record("failed" if failed else "ok")))

    def messages(self):
        """Everything that was started."""
        ended, self.queue = self.queue, []
        return iter(ended)


def run_grid(workers: Obedient, home: Path = Path("no-such-home"), **changes: object) -> Grid:
    """Run a grid of which nothing is there yet."""
    asked = config(**changes)
    found = jobs(asked)
    grid = Grid(found, {job: f"id{i}" for i, job in enumerate(found)}, facts(asked, home), Told(), cost=lambda job: 1.0)
    grid.skip_finished()
    grid.run(workers)
    return grid
