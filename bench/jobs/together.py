"""One job in several processes that torchrun started: rank 0 does it as ever, the others do the same and write nothing.

What is done is agreed on through torchrun's store: rank 0 puts each job there, every rank how it ended. This module
imports PyTorch only where a process joins.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.jobs.store import Store
from bench.jobs.work import Work
from bench.records.record import Record
from bench.request.ranks import launched, rank

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store as Told

LONG_S = 30 * 24 * 3600.0
"""Seconds that a rank waits for the next job, which may be that long in a queue."""
ALIKE_S = 25.0
"""Seconds within which all ranks end a job; one that ended it otherwise leaves the others waiting."""


def led(work: Work, do: Callable[[], Any]) -> Any:
    """Do a job with all other ranks; alone, just do it.

    Raises:
        UserError: another rank is gone, or ended the job otherwise.
    """
    if launched() == 1:
        return do()
    group = _joined(work.facts.device)
    group.tell(work)
    found = do()
    group.ended(found)
    return found


def followed(device: str, do: Callable[[Work, Store], Any], scratch: Path) -> None:
    """Do every job that rank 0 does, until it has no more.

    Args:
        device: as the run was asked for it.
        do: a job in a home of this process's own.
        scratch: an empty folder for that home; what lies there afterwards is nobody's.
    """
    group = _joined(device)
    while (work := group.told()) is not None:
        home = Store(scratch / str(group.number))
        _furnish(home, Store(work.facts.home), work)
        facts = replace(work.facts, home=home.home, tensorboard=False, keep=False)
        group.ended(do(replace(work, facts=facts), home))
        shutil.rmtree(home.home, ignore_errors=True)


def dismiss(device: str) -> None:
    """Tell the other ranks that there are no more jobs."""
    _joined(device).tell(None)


def _furnish(to: Store, home: Store, work: Work) -> None:
    """Give a home what a job may read: its draws' records and tickets, its checkpoint, its own record."""
    for folder in ("records", "tickets", "checkpoints"):
        (to.home / folder).mkdir(parents=True, exist_ok=True)
    found = [*(home.records / f"{name}.json" for name in (work.id, *work.draws.values())), home.checkpoint(work.id)]
    found += [path for name in work.draws.values() for path in (home.home / "tickets").glob(f"{name}.*")]
    for path in found:
        if path.exists():
            shutil.copyfile(path, to.home / path.parent.name / path.name)


class _Group:
    """This process among the others: what is to be done next, and how it ended.

    Args:
        store: torchrun's, under a prefix of ours.
        number: of jobs so far.
    """

    def __init__(self, store: Told) -> None:
        self.store, self.number = store, 0

    def tell(self, work: Work | None) -> None:
        """Put a job, or the end of all jobs, where the others wait for it."""
        self.number += 1
        self.store.set(f"job/{self.number}", pickle.dumps(work).hex())

    def told(self) -> Work | None:
        """Wait for the next job."""
        from datetime import timedelta

        self.number += 1
        self.store.wait([f"job/{self.number}"], timedelta(seconds=LONG_S))
        found: Work | None = pickle.loads(bytes.fromhex(self.store.get(f"job/{self.number}").decode()))
        return found

    def ended(self, found: Any) -> None:
        """Say how a job ended here, and see that it ended so everywhere.

        Raises:
            LostRankError: it did not.
        """
        from datetime import timedelta

        from tickets.training.ranks import LostRankError

        self.store.set(f"end/{self.number}/{rank()}", _how(found))
        names = [f"end/{self.number}/{one}" for one in range(launched())]
        try:
            self.store.wait(names, timedelta(seconds=ALIKE_S))
        except RuntimeError as error:
            raise LostRankError(
                f"process {rank()} of {launched()} ended a job ({_how(found)}), and another one did not within "
                f"{ALIKE_S:.0f} s; the same command goes on from the last checkpoint."
            ) from error
        how = [self.store.get(name).decode() for name in names]
        if len(set(how)) > 1:
            raise LostRankError(f"the processes of one job ended it differently: {'; '.join(how)}.")


def _how(found: Any) -> str:
    """How a job ended, in words that are alike on all ranks; reasons name folders, which are not."""
    if not isinstance(found, Record):
        return "to be done again"
    if found.status != "ok" or found.scores is None or found.ticket is None:
        return "failed"
    return f"ticket {found.ticket.hash[:16]}, scores {found.scores.test}"


@cache
def _joined(device: str) -> _Group:
    """Join the other ranks, once a process."""
    from datetime import timedelta

    import torch.distributed as dist
    from torch.distributed import distributed_c10d
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://", timeout=timedelta(seconds=LONG_S)))
    backend = "nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(
        backend, store=distributed_c10d.PrefixStore("group", store), rank=rank(), world_size=launched()
    )
    return _Group(distributed_c10d.PrefixStore("ticketbench", store))
