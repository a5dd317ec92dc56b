"""How far reruns of one seed lie apart where compute paths differ: the file that tells it, and the rule made of it.

Processors, instruction sets, numbers of threads and versions change last bits, and a training makes much of them: two
reruns are then two samples, as two seeds are. `results/spread.yaml` holds what was measured.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import Field, ValidationError
from pydantic import model_validator as validator

from bench.numbers.stats import mean
from bench.records import published
from bench.records.record import Fraction, Part, Record, explain
from bench.request import written
from tickets import atomic, bounded
from tickets.errors import UserError

NAME, TRAINING = "spread.yaml", "training"
LEVEL = 0.99
"""How often a right rerun shall be told as one."""
FEWEST = 2
"""Degrees of freedom below which a spread is not known."""


class Rerun(Part):
    """One job and seed, computed on several paths.

    Args:
        kind: of task, as in "cls".
        job: "draw", "transfer" or "control".
        drawer: that drew the ticket.
        told: the job in words.
        seed: the job's.
        scores: by path, fractions.
    """

    kind: str
    job: str
    drawer: str
    told: str
    seed: int
    scores: Annotated[dict[str, Fraction], Field(min_length=2)]

    @property
    def group(self) -> tuple[str, str]:
        """What it is pooled by: kind of task, and "draw" or "training"."""
        return self.kind, "draw" if self.job == "draw" else TRAINING

    @property
    def apart(self) -> float:
        """How far the lowest and the highest score lie apart."""
        return max(self.scores.values()) - min(self.scores.values())

    @property
    def distinct(self) -> list[float]:
        """Scores that are not the same to the last digit: paths that compute the same bits are one."""
        return sorted(set(self.scores.values()))


class Changed(Part):
    """A rerun that is none: something was changed.

    Args:
        change: what.
        rerun: kind, job, drawer, words, seed, and the score of the path "right" beside that of "changed".
    """

    change: str
    rerun: Rerun


class Group(Part):
    """What reruns of one kind of task say.

    Args:
        kind: of task.
        job: "draw", a ticket's score as it is drawn, or "training", that of a transfer or reference.
        scores: number of them that are not the same to the last digit, of one job and seed.
        degrees: of freedom, scores less jobs.
        deviation: of one score about the mean of its job and seed, pooled; a fraction.
        largest: difference of two reruns of a job and seed.
    """

    kind: str
    job: str
    scores: int
    degrees: int
    deviation: float
    largest: float

    def reach(self, seeds: int = 1) -> float:
        """How far two right reruns lie apart in 99 % of cases, or their means over some seeds; a fraction."""
        from scipy.special import stdtrit

        t = float(stdtrit(self.degrees, (1 + LEVEL) / 2))
        return t * self.deviation * math.sqrt(2 / seeds)


class Spread(Part):
    """The file.

    Args:
        about: what it is.
        command: that measured it.
        date: when, UTC.
        machine: its type.
        packages: versions that can move a score.
        paths: what each changes, by name.
        reruns: all that was measured.
        changed: reruns with something changed, which the rule shall refuse.
        repeated: published records that were computed again on their own path.
        equal: how many of them came out the same to the last digit.
        groups: what the reruns say, computed from them.
    """

    about: str
    command: str
    date: str
    machine: str
    packages: dict[str, str]
    paths: dict[str, str]
    reruns: list[Rerun]
    changed: list[Changed]
    repeated: int
    equal: int
    groups: list[Group]

    @validator(mode="after")
    def _follows(self) -> Self:
        if self.groups != groups(self.reruns):
            raise ValueError("groups are not what the reruns say; run its command again")
        return self

    def of(self, found: Record) -> Group | None:
        """What reruns of a record's kind of task say; None where too few were measured."""
        wanted = found.task.partition("/")[0], "draw" if found.kind == "draw" else TRAINING
        return next((one for one in self.groups if (one.kind, one.job) == wanted and one.degrees >= FEWEST), None)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        text = yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, width=120, allow_unicode=True)
        atomic.write(path, text.encode())


def groups(reruns: Iterable[Rerun]) -> list[Group]:
    """What some reruns say, by kind of task; those whose paths all give the same score say nothing."""
    found: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for one in reruns:
        if len(one.distinct) > 1:
            found[one.group].append(one.distinct)
    return [_pooled(*key, samples) for key, samples in sorted(found.items())]


def _pooled(kind: str, job: str, samples: Sequence[Sequence[float]]) -> Group:
    scores = sum(map(len, samples))
    squares = math.fsum((score - mean(part)) ** 2 for part in samples for score in part)
    degrees, largest = scores - len(samples), max(part[-1] - part[0] for part in samples)
    return Group(
        kind=kind, job=job, scores=scores, degrees=degrees, deviation=math.sqrt(squares / degrees), largest=largest
    )


def right(reruns: Sequence[Rerun]) -> Iterator[tuple[Rerun, float, float | None]]:
    """(job, difference, reach) of every pair of right reruns, the reach as the other seeds and jobs have it."""
    for one in reruns:
        others = groups([other for other in reruns if other is not one])
        fitting = [group for group in others if (group.kind, group.job) == one.group]
        reach = fitting[0].reach() if fitting and fitting[0].degrees >= FEWEST else None
        yield from ((one, b - a, reach) for a, b in combinations(one.distinct, 2))


def markdown(found: Spread) -> str:
    """A table of what is measured and how often the rule errs, a line each kind of task and job; points."""
    lines = ["| kind | score of a | reruns | deviation | largest | reach of one seed | of five | right pairs refused |"
             " changed reruns refused |", "| :-- | :-- |" + " --: |" * 7]  # fmt: skip
    for one in found.groups:
        pairs = [
            abs(apart) > reach
            for job, apart, reach in right(found.reruns)
            if job.group == (one.kind, one.job) and reach
        ]
        wrong = [abs(c.rerun.apart) > one.reach() for c in found.changed if c.rerun.group == (one.kind, one.job)]
        numbers = [one.deviation, one.largest, one.reach(), one.reach(5)]
        cells = [one.kind, one.job, str(one.scores), *(f"{100 * number:.1f}" for number in numbers)]
        cells += [f"{sum(told)} of {len(told)}" if told else "-" for told in (pairs, wrong)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def read(path: Path) -> Spread | None:
    """What a file says; None where there is none.

    Raises:
        UserError: it is damaged; names what is wrong.
    """
    try:
        return Spread.model_validate(written.read(bounded.read(path, written.MOST).decode()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}.") from error
    except ValidationError as error:
        raise UserError(f"{path} is none of bench.check spread's: {explain(error)}; measure again.") from error
    except ValueError as error:
        raise UserError(f"{path} is no YAML: {error}; measure again.") from error


def beside(records: Path) -> Spread | None:
    """What is measured for a folder of records: by the file beside it, or the published one.

    Raises:
        UserError: a file is damaged.
    """
    if (own := read(records.parent / NAME)) is not None:
        return own
    try:
        return read(published.folder().parent / NAME)
    except UserError:
        return None


def same_path(one: Record, other: Record) -> bool:
    """Whether two records of a job were computed alike to the last bit."""
    return path_of(one) == path_of(other)


def path_of(found: Record) -> tuple[str, str | None, str, int]:
    """What decides a record's last bits: processor, PyTorch, kernels and threads."""
    return found.device, found.packages.get("torch"), found.setting.kernels, found.setting.threads


def merged(scores: Mapping[str, Iterable[Record]]) -> list[Rerun]:
    """Records by path -> jobs and seeds that at least two paths have, with their scores."""
    found: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    seeds: dict[tuple[str, ...], Record] = {}
    for path, records in scores.items():
        for one in records:
            if one.status == "ok":
                name = key(one)
                found[name][path], seeds[name] = one.scored.score, one
    return [
        Rerun(kind=one.task.partition("/")[0], job=one.kind, drawer=one.job.drawer, told=_told(one), seed=one.job.seed,
              scores=found[name])
        for name, one in sorted(seeds.items(), key=lambda item: item[0]) if len(found[name]) > 1
    ]  # fmt: skip


def key(one: Record) -> tuple[str, ...]:
    """What reruns of a job have in common: everything but kernels, threads and the machine."""
    setting = one.setting.model_dump(exclude={"kernels", "threads"})
    job = one.job.model_dump(exclude={"redraw"})
    return (one.task, one.kind, *(f"{name}={value}" for name, value in sorted({**setting, **job}.items())))


def _told(one: Record) -> str:
    job, setting = one.job, one.setting
    way = " -> ".join(task for task in (job.source, job.target) if task)
    parts = [way, job.recipe, f"sparsity {job.sparsity:g}", setting.host, f"budget {setting.budget:g}"]
    return ", ".join(part for part in parts if part)
