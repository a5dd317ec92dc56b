"""What of a grid is done a second time, and what waits for that."""

from __future__ import annotations

from bench.jobs.order import Queue
from bench.request.plan import Job

TRY = ("first", "second", "third", "fourth", "fifth", "sixth")


class Again:
    """Jobs whose try ended without a record, and draws whose ticket is damaged, with the jobs that need it.

    On one machine a job is tried again while nothing else runs there, since it may have lacked memory; where jobs run
    on several, beside the others.

    Args:
        queue: of the grid; gets what can start again.
        is_one_machine: whether all jobs run on one.
    """

    def __init__(self, queue: Queue, is_one_machine: bool) -> None:
        self.queue, self.is_one_machine = queue, is_one_machine
        self._tried: dict[Job, list[str]] = {}
        self._apart: list[Job] = []
        self._alone: Job | None = None
        self._behind: dict[Job, list[Job]] = {}
        self._renewed: set[Job] = set()

    def next(self, free: int, running: int) -> list[Job]:
        """The jobs to start now; one that is tried again on one machine has it for itself.

        Args:
            free: how many more can run.
            running: how many do.
        """
        if self._alone is not None:
            return []
        if not self._apart:
            return self.queue.take(free)
        if running:
            return []
        self._alone = self._apart.pop(0)
        return [self._alone]

    def over(self, job: Job) -> None:
        """A job runs no more: if it had the machine for itself, others can start."""
        if job == self._alone:
            self._alone = None

    def tries(self, job: Job) -> int:
        """How many tries of a job have ended without a record."""
        return len(self._tried.get(job, ()))

    def why(self, job: Job) -> str:
        """What a job's record says of the tries before; "" for the first."""
        return " ".join(f"at its {TRY[number]} try {why}" for number, why in enumerate(self._tried.get(job, ())))

    def once_more(self, job: Job, why: str) -> str:
        """Have a job tried again; how, as the beginning of a line.

        Args:
            job: that runs no more.
            why: a sentence about its last try.
        """
        self._tried.setdefault(job, []).append(why)
        self.over(job)
        if self.is_one_machine:
            self._apart.append(job)
            return "once more, while no other job is running"
        self.queue.put_back(job)
        return "once more"

    def is_renewed(self, draw: Job) -> bool:
        """Whether a draw has been drawn again, or is about to be."""
        return draw in self._behind

    def renew(self, draw: Job) -> None:
        """Have a draw done again."""
        self._behind[draw] = []
        self.queue.put_back(draw)

    def wait(self, job: Job, draw: Job) -> None:
        """Have a job wait for a draw that is done again."""
        self._behind[draw].append(job)
        self.over(job)

    def renewed(self, draw: Job) -> None:
        """A draw is there; what waited for its second time can start."""
        for job in self._behind.get(draw, ()):
            self.queue.put_back(job)
        if draw in self._behind:
            self._behind[draw].clear()

    def with_renewed(self, job: Job) -> bool:
        """Have a job done again that began before its draw was drawn again; whether that is its first time."""
        if job in self._renewed:
            return False
        self._renewed.add(job)
        self.over(job)
        self.queue.put_back(job)
        return True
