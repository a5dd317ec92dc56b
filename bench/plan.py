"""From a configuration to jobs: what to draw, what to transfer, what to compare with, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from bench.config import RunConfig
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

    A grid holds every drawer x sparsity x source x target x recipe x seed. The controls add, per seed: `dense`, the
    target's own dense training; `random`, every transfer again with a shuffled mask; `native`, the
    ticket drawn on the target itself.
    """
    wanted = list(dict.fromkeys(_comparisons(config)))
    grid = {job for job in wanted if not job.control}
    unique = [job for job in wanted if not job.control or job.asked not in grid]
    draws = [job.needs for job in unique if job.needs] if config.targets else [Job("draw", *d) for d in _draws(config)]
    bases = [draw.needs for draw in draws if draw.needs]
    return [*dict.fromkeys([*bases, *draws]), *unique]


def _comparisons(config: RunConfig) -> Iterator[Job]:
    """Transfers and controls, seed by seed, so that a grid that is cut short holds whole seeds."""
    for seed in config.seeds:
        for target in config.targets:
            if DENSE in config.controls:
                yield Job("control", None, target, DENSE, 0.0, seed, None, SCRATCH, "fresh", DENSE)
            for transfer in _transfers(config, target, seed):
                yield transfer
                if "random" in config.controls and traits(transfer.drawer).prunes and transfer.recipe not in ON_SOURCE:
                    yield replace(transfer, kind="control", transform="random", control="random")
                if "native" in config.controls and transfer.source != target:
                    yield replace(transfer, kind="control", source=target, control="native")


def _transfers(config: RunConfig, target: str, seed: int) -> Iterator[Job]:
    for source, _, drawer, sparsity, _ in _draws(replace(config, seeds=(seed,))):
        for recipe in config.recipes:
            if recipe not in ON_SOURCE:
                yield Job("transfer", source, target, drawer, sparsity, seed, None, recipe, config.head)
            elif source == target:
                yield Job("transfer", source, target, drawer, sparsity, seed, None, recipe, "keep")


def _draws(config: RunConfig) -> Iterator[tuple[str, None, str, float, int]]:
    """Source, no target, drawer, sparsity and seed of every draw of the grid."""
    for seed in config.seeds:
        for drawer in config.drawers:
            for sparsity in config.sparsities if traits(drawer).prunes else (0.0,):
                for source in config.sources:
                    yield source, None, drawer, sparsity, seed


def describe(job: Job) -> dict[str, Any]:
    """The job under the names of a record, without scale and budget."""
    names = ("source", "target", "drawer", "sparsity", "transform", "recipe", "head", "control", "seed")
    return {name: getattr(job, name) for name in names}
