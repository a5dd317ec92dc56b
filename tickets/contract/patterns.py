"""What every pattern promises, tried on weights of several shapes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from tickets.contract import registration
from tickets.contract.promise import Contract, Skipped, require
from tickets.errors import UserError
from tickets.patterns import PATTERNS
from tickets.patterns.base import Pattern, Share, Whole
from tickets.pruning.masks import Masks, sparsity_of
from tickets.seeding import generator

SHAPES = {
    "stem": (8, 3, 3, 3), "depthwise": (16, 1, 5, 5), "grouped": (16, 4, 3, 3), "pointwise": (24, 16, 1, 1),
    "linear": (16, 32),
}  # fmt: skip
"""Of convolutions and a linear layer, every number of weights a multiple of 8."""

SPARSITIES = (0.0, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, eq=False)
class Subject:
    """A pattern under test.

    Args:
        name: its registered name.
        pattern: the pattern.
    """

    name: str
    pattern: Pattern

    @cached_property
    def groupings(self) -> dict[str, Tensor]:
        """The groups of every weight that can be cut into such."""
        found = {}
        for name, shape in SHAPES.items():
            try:
                found[name] = self.pattern.grouping(name, shape)
            except UserError:
                continue
        require(found, f"it refuses weights of all shapes: {', '.join(map(str, SHAPES.values()))}")
        return found

    @cached_property
    def scores(self) -> dict[str, Tensor]:
        """Of every weight that it takes; no two are equal."""
        g = generator(0, "contract")
        return {name: torch.rand(SHAPES[name], generator=g) for name in self.groupings}

    @cached_property
    def targets(self) -> dict[float, float]:
        """The sparsities that it can have, and what it makes of each."""
        found = {}
        for sparsity in SPARSITIES:
            try:
                found[sparsity] = self.pattern.target(sparsity)
            except UserError:
                continue
        require(len(found) > 1, f"it can have no sparsity of {', '.join(map(str, SPARSITIES[1:]))}")
        return found

    @property
    def cut(self) -> float:
        """A sparsity at which something goes and something stays."""
        return next(target for asked, target in self.targets.items() if asked)

    def masks(self, sparsity: float) -> Masks:
        """The masks of the scores, spread by one ranking."""
        return self.pattern.masks(self.scores, sparsity, "global")


_CONTRACT: Contract[Subject] = Contract()
CHECKS, promise, verdict, verdicts = _CONTRACT.checks, _CONTRACT.promise, _CONTRACT.verdict, _CONTRACT.verdicts


@promise("what planning knows of it is what it says of itself")
def _facts(subject: Subject) -> str:
    kinds = Whole, Share
    require(isinstance(subject.pattern, kinds), "it is neither a Whole nor a Share; derive it from one of the two")
    return registration.facts(PATTERNS, subject.name, subject.pattern)


@promise("odd options are refused in a sentence")
def _options(subject: Subject) -> str:
    return registration.options(PATTERNS, subject.name, subject.pattern)


@promise("its groups hold every position of a weight exactly once")
def _partition(subject: Subject) -> str:
    for name, groups in subject.groupings.items():
        count = torch.Size(SHAPES[name]).numel()
        form = f"{groups.dtype} {tuple(groups.shape)}"
        require(groups.dtype == torch.int64 and groups.dim() == 2, f"the groups of {SHAPES[name]} are {form}, no table")
        times = torch.bincount(groups.flatten().clamp(0, count), minlength=count + 1)
        outside = int(((groups < 0) | (groups >= count)).sum())
        require(not outside, f"{outside} positions lie outside of a weight of {SHAPES[name]}")
        missing, twice = int((times[:count] == 0).sum()), int((times[:count] > 1).sum())
        require(not missing, f"{missing} of {count} positions of a weight of {SHAPES[name]} are in no group")
        require(not twice, f"{twice} positions of a weight of {SHAPES[name]} are in two groups")
    refused = [str(shape) for name, shape in SHAPES.items() if name not in subject.groupings]
    told = (f"{len(groups)} of {groups.shape[1]}" for groups in subject.groupings.values())
    return f"groups: {', '.join(told)}{'; refused: ' if refused else ''}{', '.join(refused)}"


@promise("its masks fit the weights and keep what was asked for, to the group")
def _exact(subject: Subject) -> str:
    before = {name: score.clone() for name, score in subject.scores.items()}
    told = []
    for asked, target in subject.targets.items():
        masks = subject.masks(target)
        for name, mask in masks.items():
            fits = mask.dtype == torch.bool and tuple(mask.shape) == SHAPES[name]
            require(fits, f"the mask of {SHAPES[name]} is {mask.dtype} {tuple(mask.shape)}")
        require(masks.keys() == subject.scores.keys(), f"there are masks for {', '.join(masks)} alone")
        said = subject.pattern.wrong(masks, target)
        require(said is None, f"at sparsity {target:g} it finds its own masks wrong: {said}")
        _counted(subject, masks, target)
        told.append(f"{sparsity_of(masks):.3g}")
        require(asked or target == 0, f"sparsity 0 becomes {target:g}")
    changed = [name for name, score in subject.scores.items() if not torch.equal(score, before[name])]
    require(not changed, f"the scores of {', '.join(changed)} have changed")
    return f"sparsities {', '.join(told)}"


def _counted(subject: Subject, masks: Masks, target: float) -> None:
    """The count by group, made here."""
    kept = [masks[name].flatten()[groups].sum(1) for name, groups in subject.groupings.items()]
    if isinstance(subject.pattern, Share):
        n, m = subject.pattern.counts
        wanted = n if target else m
        wrong = sum(int((count != wanted).sum()) for count in kept)
        require(not wrong, f"{wrong} groups do not keep {wanted} of {m} weights at sparsity {target:g}")
        return
    total, gone = sum(len(count) for count in kept), sum(int((count == 0).sum()) for count in kept)
    require(gone == round(target * total), f"{gone} of {total} groups are gone at sparsity {target:g}")


@promise("the highest scores stay")
def _highest(subject: Subject) -> str:
    masks, least, most = subject.masks(subject.cut), [], []
    for name, groups in subject.groupings.items():
        score, mask = subject.scores[name].flatten()[groups], masks[name].flatten()[groups]
        if isinstance(subject.pattern, Share):
            stays, goes = score.masked_fill(~mask, torch.inf).amin(1), score.masked_fill(mask, -torch.inf).amax(1)
            require((stays > goes).all(), f"in {int((stays <= goes).sum())} groups of {SHAPES[name]} a higher one goes")
            continue
        mean = score.double().mean(1)
        least.append(mean[mask.any(1)])
        most.append(mean[~mask.any(1)])
    if least:
        low, high = float(torch.cat(least).min()), float(torch.cat(most).max())
        require(low >= high - 1e-6, f"a group of mean score {high:.4g} goes and one of {low:.4g} stays")
    return f"at sparsity {subject.cut:g}"


@promise("it notices one weight that is wrong")
def _notices(subject: Subject) -> str:
    masks = subject.masks(subject.cut)
    for name, mask in masks.items():
        for place in (0, mask.numel() // 2, mask.numel() - 1):
            other = mask.clone().flatten()
            other[place] = ~other[place]
            said = subject.pattern.wrong({**masks, name: other.view(mask.shape)}, subject.cut)
            require(said, f"entry {place} of a mask of {SHAPES[name]} was turned over, and `wrong` finds nothing")
    return f"3 entries of {len(masks)} masks"


@promise("shuffled, it is the same pattern with as many weights")
def _shuffled(subject: Subject) -> str:
    masks = subject.masks(subject.cut)
    before = {name: mask.clone() for name, mask in masks.items()}

    def shuffle(seed: int) -> Masks:
        g = generator(seed, "contract")
        return {name: subject.pattern.shuffled(name, mask, g) for name, mask in masks.items()}

    one, again, other = shuffle(0), shuffle(0), shuffle(1)
    for name, mask in masks.items():
        require(torch.equal(mask, before[name]), f"the mask of {SHAPES[name]} that was given has changed")
        fits = one[name].shape == mask.shape and one[name].dtype == torch.bool
        require(fits, f"the shuffled mask of {SHAPES[name]} is {one[name].dtype} {tuple(one[name].shape)}")
        require(one[name].sum() == mask.sum(), f"shuffled, a mask keeps {one[name].sum()} of its {mask.sum()} weights")
        require(torch.equal(one[name], again[name]), f"one generator shuffles the mask of {SHAPES[name]} in two ways")
    said = subject.pattern.wrong(one, subject.cut)
    require(said is None, f"shuffled masks are wrong: {said}")
    if all(torch.equal(one[name], mask) and torch.equal(other[name], mask) for name, mask in masks.items()):
        raise Skipped("no mask changes when it is shuffled")
    return f"{len(masks)} masks"
