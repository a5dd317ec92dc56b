"""From a configuration to jobs: what to draw, what to transfer, what to compare with, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from bench.request.config import RunConfig
from bench.request.sweep import Head, Sweep
from tickets.drawers import DRAWERS
from tickets.recipes import RECIPES
from tickets.traits import Need
from tickets.transforms import TRANSFORMS

DENSE, SCRATCH, NATIVE, TICKET = "dense", "scratch", "native", "ticket"


@dataclass(frozen=True)
class Job:
    """One thing to compute; a record describes it under the same names.

    Args:
        kind: "draw", "transfer", or "control" for a comparison that was asked for with --control.
        source: task that the ticket is drawn on; None for the dense reference trained on the target only.
        target: task that it is trained on; None for a draw.
        drawer: method.
        sparsity: as asked for; 0 for drawers that remove nothing.
        seed: of everything random.
        transform: what is made of the ticket first; None for nothing.
        recipe: how it is trained on the target.
        head: "fresh" or "keep".
        control: which control this is.
        host: of a draw, what the ticket is drawn from where that is not the run's.
    """

    kind: Literal["draw", "transfer", "control"]
    source: str | None
    target: str | None
    drawer: str
    sparsity: float
    seed: int
    transform: str | None = None
    recipe: str | None = None
    head: Head | None = None
    control: str | None = None
    host: str | None = None

    @cached_property
    def needs(self) -> dict[str, Job]:
        """The draws whose tickets this job is given, by role; its own ticket's first, none where it needs none.

        What a transform needs is of the host that its tickets are drawn from, what a recipe needs of the run's.
        """
        if self.kind == "draw":
            return {need.role: self._needed(need, self.host) for need in DRAWERS.traits(self.drawer).needs}
        there = self.host_drawn
        found = {TICKET: _draw(self.source, self.drawer, self.sparsity, self.seed, there)} if self.source else {}
        if self.recipe:
            found |= {need.role: self._needed(need) for need in RECIPES.traits(self.recipe).needs}
        if self.transform:
            found |= {need.role: self._needed(need, there) for need in TRANSFORMS.traits(self.transform).needs}
        return found

    def _needed(self, need: Need, host: str | None = None) -> Job:
        task = self.source if need.on == "source" or self.kind == "draw" else self.target
        return _draw(task, need.drawer, self.sparsity if need.sparsity is None else need.sparsity, self.seed, host)

    @property
    def host_drawn(self) -> str | None:
        """The host that the ticket of a transfer is drawn from where its transform says that it is not the run's."""
        return TRANSFORMS.traits(self.transform).draws_from if self.transform else None

    @property
    def asked(self) -> Job:
        """The same computation as a plain transfer of the grid."""
        return replace(self, kind="transfer", control=None)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose data it reads."""
        return tuple(dict.fromkeys(task for task in (self.source, self.target) if task))

    @property
    def trained_on(self) -> str:
        """The task that it trains on: the target, or for a draw the source."""
        return (self.source if self.kind == "draw" else self.target) or ""

    @property
    def where(self) -> tuple[str, str | None]:
        """The task that it trains on, and the host where it is not the run's."""
        return self.trained_on, self.host

    @property
    def phase(self) -> Literal["draw", "transfer"]:
        """Which of a scale's trainings it is."""
        return "draw" if self.kind == "draw" else "transfer"

    @property
    def is_control(self) -> bool:
        """Whether what it trains was made by a transform that is a control."""
        return self.transform is not None and TRANSFORMS.traits(self.transform).is_control

    @property
    def prefix(self) -> str:
        """The readable start of its record's name."""
        where = [_plain(task) for task in (self.source, self.target) if task]
        transform = _plain(self.transform) if self.transform else None
        how = [_plain(self.drawer), transform, f"s{self.sparsity:g}", self.recipe and _plain(self.recipe)]
        kind = self.control or self.kind
        return "_".join([kind, "-to-".join(where), *(part for part in how if part), f"seed{self.seed}"])

    def __str__(self) -> str:
        """As a person says it: what, from where to where."""
        what = f"{self.transform}({self.drawer})" if self.transform else self.drawer
        sparsity = f" at {self.sparsity:g}" if self.sparsity else ""
        if self.kind == "draw":
            host = f" from {self.host}" if self.host else ""
            return f"draw {what}{sparsity} on {self.source}{host}, seed {self.seed}"
        if self.source is None:
            return f"dense reference on {self.target}, seed {self.seed}"
        return f"{what}{sparsity} {self.source} -> {self.target} by {self.recipe}, seed {self.seed}"


def _plain(name: str) -> str:
    return name.replace("/", "-").replace("@", "+")


def _draw(source: str | None, drawer: str, sparsity: float, seed: int, host: str | None) -> Job:
    """A draw; of a drawer that removes nothing at sparsity 0, whatever is asked for."""
    return Job("draw", source, None, drawer, sparsity if DRAWERS.traits(drawer).prunes else 0.0, seed, host=host)


def jobs(config: RunConfig) -> list[Job]:
    """All jobs of a configuration, draws before what needs them, none twice.

    A sweep holds every drawer x sparsity x source x target x recipe x seed, and of every transform. The controls
    add, per seed: `dense`, the target's own dense training; `native`, the ticket drawn on the target itself; the name
    of a transform that is a control, every transfer again with what that makes of the ticket; one that draws from
    another host is the control of what transforms make of tickets of that host, too. Seed by seed, so that a run that
    is cut short holds whole seeds.

    Raises:
        UserError: a drawer needs itself.
    """
    everything = [job for sweep in config.sweeps for job in _comparisons(sweep)]
    wanted = sorted(dict.fromkeys(everything), key=lambda job: job.seed)
    asked = {job for job in wanted if not job.control}
    unique = [job for job in wanted if not job.control or job.asked not in asked]
    alone = [Job("draw", *draw) for sweep in config.sweeps if not sweep.targets for draw in _draws(sweep)]
    draws = sorted([*(need for job in unique for need in job.needs.values()), *alone], key=lambda job: job.seed)
    return [*dict.fromkeys(step for draw in draws for step in chain(draw)), *unique]


def chain(job: Job) -> list[Job]:
    """A job after all draws that it needs, the first of them first.

    Raises:
        UserError: a drawer needs itself.
    """
    return [*dict.fromkeys(one for need in job.needs.values() for one in chain(need)), job]


def _comparisons(sweep: Sweep) -> Iterator[Job]:
    """Transfers and controls."""
    for seed in sweep.seeds:
        for target in sweep.targets:
            if DENSE in sweep.controls:
                yield Job("control", None, target, DENSE, 0.0, seed, None, SCRATCH, "fresh", DENSE)
            for transfer in _transfers(sweep, target, seed):
                yield transfer
                for name in sweep.shuffles if _has_spoilt(transfer) else ():
                    if _spoils(name, transfer):
                        own, _ = TRANSFORMS.parts(name)
                        yield replace(transfer, kind="control", transform=name, control=own)
                if NATIVE in sweep.controls and transfer.source != target:
                    yield replace(transfer, kind="control", source=target, control=NATIVE)


def _has_spoilt(transfer: Job) -> bool:
    """Whether controls are made of a transfer's ticket: one that has masks, is no set and changes tasks."""
    traits, on_source = DRAWERS.traits(transfer.drawer), RECIPES.traits(transfer.recipe or "").is_on_source
    return traits.prunes and not traits.draws_sets and not on_source


def _spoils(control: str, transfer: Job) -> bool:
    """Whether a transform that is a control has its place beside a transfer: a plain one, or a ticket of its host."""
    there = TRANSFORMS.traits(control).draws_from
    return transfer.transform is None or (there is not None and transfer.host_drawn == there)


def _transfers(sweep: Sweep, target: str, seed: int) -> Iterator[Job]:
    for source, _, drawer, sparsity, _ in _draws(replace(sweep, seeds=(seed,)), sweep.sources_of(target)):
        if (is_set := DRAWERS.traits(drawer).draws_sets) and sweep.head == "keep":
            continue
        for recipe in sweep.recipes:
            for transform in sweep.transforms:
                if is_set and (transform or RECIPES.traits(recipe).is_on_source):
                    continue
                if not RECIPES.traits(recipe).is_on_source:
                    yield Job("transfer", source, target, drawer, sparsity, seed, transform, recipe, sweep.head)
                elif source == target and transform is None:
                    yield Job("transfer", source, target, drawer, sparsity, seed, None, recipe, "keep")


def _draws(sweep: Sweep, sources: tuple[str, ...] | None = None) -> Iterator[tuple[str, None, str, float, int]]:
    """Source, no target, drawer, sparsity and seed of every draw of a sweep, or of some of its sources."""
    for seed in sweep.seeds:
        for drawer in sweep.drawers:
            for sparsity in sweep.sparsities if DRAWERS.traits(drawer).prunes else (0.0,):
                for source in sweep.sources if sources is None else sources:
                    yield source, None, drawer, sparsity, seed


def describe(job: Job) -> dict[str, Any]:
    """The job under the names of a record; the host of a draw is that of its setting."""
    names = ("source", "target", "drawer", "sparsity", "transform", "recipe", "head", "control", "seed")
    there = {"host_drawn": job.host_drawn} if job.host_drawn else {}
    return {name: getattr(job, name) for name in names} | there
