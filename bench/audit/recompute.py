"""A published row's job once more, from nothing, with the record's own settings; and whether its score comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.audit import replica
from bench.boards.leaderboard import grouped, placed
from bench.numbers import stats
from bench.numbers.stats import Estimate
from bench.records import record
from bench.records.record import Record
from bench.request.plan import chain
from tickets.drawers import DRAWERS
from tickets.errors import UserError, unknown

if TYPE_CHECKING:
    from bench.audit.replica import Data
    from bench.jobs.display import Display


@dataclass(frozen=True)
class Verdict:
    """What a recomputation says of a record.

    Args:
        published: the record.
        again: the new one.
        row: the mean of the published records that differ in nothing but the seed, this one included, and its interval.
    """

    published: Record
    again: Record
    row: Estimate

    @property
    def is_equal(self) -> bool:
        """Whether the score is the same to the last digit."""
        return self.again.status == "ok" and self.again.scored.score == self.published.scored.score

    @property
    def is_inside(self) -> bool:
        """Whether it lies in the row's 95 % t-interval; never so for a row of one seed."""
        if self.again.status != "ok" or self.row.half is None:
            return False
        return abs(self.again.scored.score - self.row.mean) <= self.row.half

    @property
    def is_reproduced(self) -> bool:
        """Whether the row counts as reproduced."""
        return self.is_equal or self.is_inside


def find(folder: Path, name: str) -> tuple[Record, list[Record]]:
    """The record of an id among those of a folder, and all of them.

    Raises:
        UserError: there is none of that name, or it has no score that a job could give again.
    """
    records = record.read_all(folder)
    by_id = {one.id: one for one in records}
    name = name.removesuffix(".json")
    if name not in by_id:
        close = str(unknown("record", name, by_id)).partition(" Known: ")[0]
        raise UserError(f"{close} There are {len(by_id)} in {folder}; give the id of one.")
    found = by_id[name]
    if found.status != "ok":
        raise UserError(f"the record {name} failed, and has no score to recompute; give one that is ok.")
    if found.origin == "reported":
        raise UserError(f"the record {name} was reported in a paper and not run here; give one that was measured.")
    return found, records


def row_of(found: Record, records: Sequence[Record]) -> Estimate:
    """Mean and 95 % t-interval over the seeds of a record's row, the record itself standing for its seed."""
    others = [one for one in records if one.job.seed != found.job.seed and one.status == "ok"]
    for members in placed([*others, found]).values():
        for by_seed in grouped(members)[0].values():
            own = by_seed.get(found.job.seed)
            if own is not None and own.id == found.id:
                return stats.estimate([one.score for one in by_seed.values() if one.score is not None])
    return stats.estimate([found.scored.score])


def recompute(
    found: Record, records: Sequence[Record], home: Path, data: Data, display: Display, device: str | None
) -> Verdict:
    """Draw the record's ticket again and, for a transfer or control, train it again.

    Args:
        found: what is recomputed.
        records: the published ones, for the row's interval and the draw's settings.
        home: where the new records and tickets go; it must hold none of this job.
        data: gives the tasks.
        display: told about progress.
        device: "cpu", "cuda" or "cuda:N"; default the record's kind.

    Raises:
        UserError: this version would compute another job, or the home holds the result already.
    """
    from bench.engines.local import Workers
    from bench.jobs.grid import Grid

    work = replica.work_of(found, home, data, device)
    _refuse_unlike(found, records, home, data, device)
    jobs = chain(work.job)
    with Workers(1, found.setting.threads) as workers:
        ids = workers.call("bench.jobs.identity:identify_all", jobs, work.facts)
        path = home / "records" / f"{ids[work.job]}.json"
        if path.exists():
            raise UserError(f"{path} is there already and would be taken for the result; give another --home, or none.")
        grid = Grid(jobs, ids, work.facts, display)
        grid.skip_finished()
        grid.run(workers)
    return Verdict(found, grid.records[work.job], row_of(found, records))


def _refuse_unlike(found: Record, records: Sequence[Record], home: Path, data: Data, device: str | None) -> None:
    """Refuse a record, or the draw that it names, that other code, scales or data than those here have left."""
    draw = replica.draw_of(found)
    for one in (found, *(one for one in records if one.id == draw)):
        if wrong := replica.unlike(one, replica.work_of(one, home, data, device)):
            raise UserError(
                f"the record {one.id} cannot be recomputed by this version: {'; '.join(wrong)}. Check out its commit "
                f"{one.commit}, with its data, and run it there."
            )


def lines(verdict: Verdict) -> list[str]:
    """What a verdict says, for people: both scores, the ticket, the row's interval, the conclusion."""
    published, again, row = verdict.published, verdict.again, verdict.row
    if again.status != "ok":
        return [f"not reproduced: the job failed here: {(again.error or '').strip().splitlines()[0]}"]
    primary = published.scored.primary
    told = [f"{primary}: {published.scored.score!r} in the record, {again.scored.score!r} recomputed"]
    if published.ticket and again.ticket:
        same = "the same" if published.ticket.hash == again.ticket.hash else "another one"
        told.append(f"ticket: {same}, hash {again.ticket.hash[:16]}...")
    if row.half is None:
        told.append("row: one seed, which has no interval")
    else:
        told.append(f"row: {row.mean!r} +- {row.half!r} over {row.n} seeds")
    if verdict.is_equal:
        return [*told, "reproduced: equal to the last digit"]
    if verdict.is_inside:
        return [*told, "reproduced: inside the 95 % interval of its row"]
    elsewhere = f"; it was measured on {published.device}, and this is {again.device}"
    where = elsewhere if again.device != published.device else ""
    clock = "" if _repeats(published) else "; its ticket was drawn by a clock, and need not come out the same twice"
    why = "outside the 95 % interval of its row" if row.half else "not equal"
    return [*told, f"not reproduced: {why}{where}{clock}"]


def _repeats(found: Record) -> bool:
    """Whether every draw that a record rests on gives the same bits again."""
    return all(DRAWERS.make(job.drawer).repeats for job in chain(replica.job_of(found)))
