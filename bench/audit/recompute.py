"""A published row's job once more, from nothing, with the record's own settings; and whether its score comes out.

docs/reproduced.md tells the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.audit import replica
from bench.audit.spread import Group, same_path
from bench.boards.leaderboard import grouped, placed
from bench.numbers import stats
from bench.records import record
from bench.records.record import Record
from bench.request.plan import chain
from tickets.drawers import DRAWERS
from tickets.errors import UserError, unknown

if TYPE_CHECKING:
    from bench.audit.replica import Data
    from bench.jobs.display import Display

Pair = tuple[Record, Record]
"""A published record and the new one of its job."""


@dataclass(frozen=True)
class Verdict:
    """What a recomputation says of a record, or of several that differ in nothing but the seed.

    Args:
        pairs: published and new records, at least one.
        group: how far right reruns on other compute paths lie apart; None where nobody has measured it.
    """

    pairs: Sequence[Pair]
    group: Group | None

    @property
    def failed(self) -> Record | None:
        """The first new record without a score, if any."""
        return next((again for _, again in self.pairs if again.status != "ok"), None)

    @property
    def is_equal(self) -> bool:
        """Whether all scores are the same to the last digit."""
        return not self.failed and all(new.scored.score == old.scored.score for old, new in self.pairs)

    @property
    def is_same_path(self) -> bool:
        """Whether all were computed alike to the last bit, so that nothing but equality will do."""
        return all(same_path(*pair) for pair in self.pairs)

    @property
    def apart(self) -> float:
        """The new scores minus the published ones, the mean over seeds; a fraction."""
        return stats.mean([new.scored.score - old.scored.score for old, new in self.pairs])

    @property
    def reach(self) -> float | None:
        """How far right reruns lie apart elsewhere, these many seeds; None where that is not known."""
        return self.group.reach(len(self.pairs)) if self.group else None

    @property
    def is_inside(self) -> bool:
        """Whether they were computed elsewhere and lie no further apart than right reruns do."""
        if self.failed or self.reach is None or self.is_same_path:
            return False
        return abs(self.apart) <= self.reach

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


def row_of(found: Record, records: Sequence[Record]) -> list[Record]:
    """The records of a record's row, a seed each in their order, the record itself standing for its seed."""
    others = [one for one in records if one.job.seed != found.job.seed and one.status == "ok"]
    by_id = {one.id: one for one in [*others, found]}
    for members in placed([*others, found]).values():
        for by_seed in grouped(members)[0].values():
            own = by_seed.get(found.job.seed)
            if own is not None and own.id == found.id:
                return [by_id[by_seed[seed].id] for seed in sorted(by_seed)]
    return [found]


def recompute(
    chosen: Sequence[Record],
    records: Sequence[Record],
    home: Path,
    data: Data,
    display: Display,
    device: str | None,
    group: Group | None,
) -> Verdict:
    """Draw the records' tickets again and, for transfers and controls, train them again.

    Args:
        chosen: what is recomputed: one record, or several that differ in nothing but the seed.
        records: the published ones, for the draws' settings.
        home: where the new records and tickets go; it must hold none of these jobs.
        data: gives the tasks.
        display: told about progress.
        device: "cpu", "cuda" or "cuda:N"; default the record's kind.
        group: how far right reruns lie apart elsewhere.

    Raises:
        UserError: this version would compute another job, or the home holds a result already.
    """
    from bench.engines.local import Workers
    from bench.jobs.grid import Grid

    works = [replica.work_of(one, home, data, device) for one in chosen]
    for one in chosen:
        _refuse_unlike(one, records, home, data, device)
    jobs, facts = list(dict.fromkeys(job for work in works for job in chain(work.job))), works[0].facts
    with Workers(1, chosen[0].setting.threads) as workers:
        ids = workers.call("bench.jobs.identity:identify_all", jobs, facts)
        for work in works:
            path = home / "records" / f"{ids[work.job]}.json"
            if path.exists():
                raise UserError(
                    f"{path} is there already and would be taken for the result; give another --home, or none."
                )
        grid = Grid(jobs, ids, facts, display)
        grid.skip_finished()
        grid.run(workers)
    return Verdict([(one, grid.records[work.job]) for one, work in zip(chosen, works, strict=True)], group)


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
    """What a verdict says, for people: scores, tickets, how far right reruns lie apart, the conclusion."""
    if failed := verdict.failed:
        return [f"not reproduced: the job failed here: {(failed.error or '').strip().splitlines()[0]}"]
    told = [line for pair in verdict.pairs for line in _scores(*pair, len(verdict.pairs) > 1)]
    if verdict.is_equal:
        return [*told, "reproduced: equal to the last digit"]
    published, again = verdict.pairs[0]
    clock = "" if _repeats(published) else "; its ticket was drawn by a clock, and need not come out the same twice"
    if verdict.is_same_path:
        return [*told, f"not reproduced: not equal, on the processor and PyTorch that it was measured by{clock}"]
    where = f"it was measured on {_place(published)}, and this is {_place(again)}"
    if verdict.group is None or verdict.reach is None:
        return [
            *told,
            f"not reproduced: not equal, and no spread of reruns is measured for {published.task}; {where}{clock}",
        ]
    count = f"means over {len(verdict.pairs)} seeds" if len(verdict.pairs) > 1 else "scores"
    beyond = "up to" if verdict.is_inside else "only up to"
    apart = (
        f"{count} {100 * abs(verdict.apart):.1f} points apart, where right reruns of {verdict.group.kind} lie {beyond} "
        f"{100 * verdict.reach:.1f}; {where}"
    )
    return [*told, f"reproduced: {apart}" if verdict.is_inside else f"not reproduced: {apart}{clock}"]


def _scores(published: Record, again: Record, is_one_of_many: bool) -> list[str]:
    seed = f"seed {published.job.seed}: " if is_one_of_many else ""
    score = f"{published.scored.score!r} in the record, {again.scored.score!r} recomputed"
    told = [f"{seed}{published.scored.primary}: {score}"]
    if published.ticket and again.ticket:
        same = "the same" if published.ticket.hash == again.ticket.hash else "another one"
        told.append(f"{seed}ticket: {same}, hash {again.ticket.hash[:16]}...")
    return told


def _place(found: Record) -> str:
    """Processor and PyTorch in words."""
    return f"{found.device} by torch {found.packages.get('torch', 'of no version')}"


def _repeats(found: Record) -> bool:
    """Whether every draw that a record rests on gives the same bits again."""
    return all(DRAWERS.make(job.drawer).repeats for job in chain(replica.job_of(found)))
