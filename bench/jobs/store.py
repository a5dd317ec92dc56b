"""Where a home keeps its records, tickets and checkpoints, and what of a grid is already there."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from bench.records import portrait
from bench.records.record import Record, read
from bench.request.plan import Job
from tickets.errors import CannotWriteError, UserError


@dataclass(frozen=True)
class Store:
    """The folders of one home.

    Args:
        home: by default `runs/` in the current folder.
    """

    home: Path

    @property
    def records(self) -> Path:
        """The folder of records, one JSON a job."""
        return self.home / "records"

    def ticket(self, draw_id: str) -> Path:
        """A ticket's path without the suffixes of its two files, or a set's without that of its own."""
        return self.home / "tickets" / draw_id

    def network(self, job_id: str) -> Path:
        """A trained network's path, likewise: host and head of a transfer or reference."""
        return self.home / "networks" / job_id

    def curves(self, job_id: str) -> Path:
        """The folder of a job's curves for TensorBoard."""
        return self.home / "tensorboard" / job_id

    def portrait(self, draw_id: str) -> Path:
        """The file of a ticket's portrait, from which pictures of it are made."""
        return portrait.beside(self.records) / f"{draw_id}.json"

    def lock(self, job_id: str) -> Path:
        """The file that is locked while a process does the job, of whichever run of this home."""
        return self.home / "locks" / f"{job_id}.lock"

    def checkpoint(self, job_id: str) -> Path:
        """Where an unfinished job goes on from."""
        return self.home / "checkpoints" / f"{job_id}.pt"

    def record(self, job_id: str) -> Record | None:
        """The record of a job, whatever became of it; None where there is none.

        Raises:
            UserError: the record is damaged; names the file.
        """
        path = self.records / f"{job_id}.json"
        return read(path) if path.exists() else None

    def is_ok(self, job_id: str) -> bool:
        """Whether a job has a record that can be read and says that it succeeded."""
        try:
            found = self.record(job_id)
        except UserError:
            return False
        return found is not None and found.status == "ok"

    def put_aside(self, draw_id: str) -> None:
        """Take the files of a ticket or set out of use, as temporary ones that `bench.clean` removes.

        Raises:
            CannotWriteError: one cannot be renamed.
        """
        for path in [*(self.home / "tickets").glob(f"{draw_id}.*")]:
            try:
                path.rename(path.with_name(f".{path.name}.{time.monotonic_ns()}.tmp"))
            except OSError as error:
                raise CannotWriteError(f"the damaged {path} cannot be renamed ({error.strerror or error}).") from error

    def is_whole(self, job: Job, record: Record) -> bool:
        """Whether all is there that a finished job leaves: a draw also leaves its ticket's files, or its set's."""
        return record.status == "ok" and (job.kind != "draw" or self._has("tickets", record))

    def _has(self, folder: str, record: Record) -> bool:
        """Whether a folder holds all files of a record's ticket or network."""
        count = record.ticket.members if record.ticket else 1
        stems = [f"{record.id}.m{number}" for number in range(count)] if count > 1 else [record.id]
        names = {f"{record.id}.json", *(stem + suffix for stem in stems for suffix in (".safetensors", ".json"))}
        return all((self.home / folder / name).exists() for name in names)

    def has_network(self, record: Record) -> bool:
        """Whether a finished job left its trained network."""
        return self._has("networks", record)

    def finished(self, job: Job, job_id: str) -> Record | None:
        """The record of a job that need not run again.

        Raises:
            UserError: the record is damaged; names the file.
        """
        found = self.record(job_id)
        return found if found is not None and self.is_whole(job, found) else None
