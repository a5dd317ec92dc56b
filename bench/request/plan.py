"""From a configuration to jobs: what to draw, what to transfer, what to compare with, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.request.config import RunConfig
from bench.request.sweep import Sweep
from tickets.drawers import traits
from tickets.recipes import ON_SOURCE

DENSE, SCRATCH = "dense", "scratch"


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
        transform: "random" for the random control.
        recipe: how it is trained on the target.
        head: "fresh" or "keep".
        control: which control this is.
    """

    kind: Literal["draw", "transfer", "control"]
    source: str | None
    target: str | None
    drawer: str
    sparsity: float
    seed: int
    transform: str | None = None
    recipe: str | None = None
    head: str | None = None
    control: str | None = None

    @property
    def needs(self) -> Job | None:
        """The draw whose ticket this job uses; None where it starts from fresh weights."""
        if self.source is None:
            return None
        if self.kind != "draw":
            return Job("draw", self.source, None, self.drawer, self.sparsity, self.seed)
        base = traits(self.drawer).base
        return Job("draw", self.source, None, base, 0.0, self.seed) if base else None

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
    def prefix(self) -> str:
        """The readable start of its record's name."""
        where = [task.replace("/", "-") for task in (self.source, self.target) if task]
        how = [self.drawer.replace("/", "-").replace("@", "+"), self.transform, f"s{self.sparsity:g}", self.recipe]
        kind = self.control or self.kind
        return "_".join([kind, "-to-".join(where), *(part for part in how if part), f"seed{self.seed}"])

    def __str__(self) -> str:
        """As a person says it: what, from where to where."""
        what = f"random({self.drawer})" if self.transform else self.drawer
        sparsity = f" at {self.sparsity:g}" if self.sparsity else ""
        if self.kind == "draw":
            return f"draw {what}{sparsity} on {self.source}, seed {self.seed}"
        if self.source is None:
            return f"dense reference on {self.target}, seed {self.seed}"
        return f"{what}{sparsity} {self.source} -> {self.target} by {self.recipe}, seed {self.seed}"


def jobs(config: RunConfig) -> list[Job]:
    """All jobs of a configuration, draws before what needs them, none twice.

    A sweep holds every drawer x sparsity x source x target x recipe x seed. The controls add, per seed: `dense`, the
    target's own dense training; `random`, every transfer again with a shuffled mask; `native`, the
    ticket drawn on the target itself. Seed by seed, so that a run that is cut short holds whole seeds.
    """
    everything = [job for sweep in config.sweeps for job in _comparisons(sweep)]
    wanted = sorted(dict.fromkeys(everything), key=lambda job: job.seed)
    asked = {job for job in wanted if not job.control}
    unique = [job for job in wanted if not job.control or job.asked not in asked]
    alone = [Job("draw", *draw) for sweep in config.sweeps if not sweep.targets for draw in _draws(sweep)]
    draws = sorted([*(job.needs for job in unique if job.needs), *alone], key=lambda job: job.seed)
    bases = [draw.needs for draw in draws if draw.needs]
    return [*dict.fromkeys([*bases, *draws]), *unique]


def _comparisons(sweep: Sweep) -> Iterator[Job]:
    """Transfers and controls."""
    for seed in sweep.seeds:
        for target in sweep.targets:
            if DENSE in sweep.controls:
                yield Job("control", None, target, DENSE, 0.0, seed, None, SCRATCH, "fresh", DENSE)
            for transfer in _transfers(sweep, target, seed):
                yield transfer
                if "random" in sweep.controls and traits(transfer.drawer).prunes and transfer.recipe not in ON_SOURCE:
                    yield replace(transfer, kind="control", transform="random", control="random")
                if "native" in sweep.controls and transfer.source != target:
                    yield replace(transfer, kind="control", source=target, control="native")


def _transfers(sweep: Sweep, target: str, seed: int) -> Iterator[Job]:
    for source, _, drawer, sparsity, _ in _draws(replace(sweep, seeds=(seed,)), sweep.sources_of(target)):
        for recipe in sweep.recipes:
            if recipe not in ON_SOURCE:
                yield Job("transfer", source, target, drawer, sparsity, seed, None, recipe, sweep.head)
            elif source == target:
                yield Job("transfer", source, target, drawer, sparsity, seed, None, recipe, "keep")


def _draws(sweep: Sweep, sources: tuple[str, ...] | None = None) -> Iterator[tuple[str, None, str, float, int]]:
    """Source, no target, drawer, sparsity and seed of every draw of a sweep, or of some of its sources."""
    for seed in sweep.seeds:
        for drawer in sweep.drawers:
            for sparsity in sweep.sparsities if traits(drawer).prunes else (0.0,):
                for source in sweep.sources if sources is None else sources:
                    yield source, None, drawer, sparsity, seed


def describe(job: Job) -> dict[str, Any]:
    """The job under the names of a record, without scale and budget."""
    names = ("source", "target", "drawer", "sparsity", "transform", "recipe", "head", "control", "seed")
    return {name: getattr(job, name) for name in names}
