"""A pattern: groups of weights that a mask treats together; the allocation beside it says how many a layer keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from tickets.errors import UserError
from tickets.pruning.allocation import allocate
from tickets.pruning.masks import Masks


class Pattern(ABC):
    """Groups of weights; a frozen dataclass. Derive from `Whole` or `Share`, which say what a mask does to a group."""

    version: ClassVar[int] = 1

    @abstractmethod
    def grouping(self, name: str, shape: Sequence[int]) -> Tensor:
        """The groups of a weight.

        Args:
            name: of the weight, for messages.
            shape: (out, in / groups, kernel height, kernel width) of a convolution, (out, in) of a linear layer.

        Returns:
            int64 (groups, entries): positions in the flattened weight, each exactly once.

        Raises:
            UserError: the weight cannot be cut into such groups.
        """

    @property
    def multiple(self) -> int:
        """What the units of a searched branch must be a multiple of, so that groups still divide every layer."""
        return 1

    def target(self, sparsity: float) -> float:
        """The sparsity that a ticket has when `sparsity` is asked for, as a share of groups or of weights.

        Raises:
            UserError: the pattern cannot have it.
        """
        return sparsity

    @abstractmethod
    def masks(self, scores: Mapping[str, Tensor], sparsity: float, allocation: str) -> Masks:
        """The masks that keep the highest scores.

        Args:
            scores: per weight, float; larger is kept. Not modified.
            sparsity: removed share, in [0, 1).
            allocation: how it is spread over the layers, where the pattern leaves a choice.
        """

    @abstractmethod
    def wrong(self, masks: Mapping[str, Tensor], sparsity: float) -> str | None:
        """How some masks disagree with the pattern or with a sparsity, as part of a sentence; None if they do not."""

    @abstractmethod
    def sparsity(self, masks: Mapping[str, Tensor]) -> float:
        """What some masks that are not wrong must have been asked for, as a share of groups or of weights."""

    @abstractmethod
    def shuffled(self, name: str, mask: Tensor, generator: torch.Generator) -> Tensor:
        """A mask of the same pattern that keeps as many weights, at random positions."""

    def _grouped(self, name: str, tensor: Tensor) -> Tensor:
        """A tensor's entries by group, (groups, entries)."""
        return tensor.flatten()[self.grouping(name, tensor.shape).to(tensor.device)]

    def _spread(self, name: str, grouped: Tensor, shape: Sequence[int]) -> Tensor:
        """The tensor whose entries by group these are."""
        flat = torch.empty(grouped.numel(), dtype=grouped.dtype, device=grouped.device)
        flat[self.grouping(name, shape).to(grouped.device).flatten()] = grouped.flatten()
        return flat.view(*shape)


class Whole(Pattern):
    """Groups that stay or go whole, ranked by the mean score of their weights.

    Exactly round(sparsity * groups) groups go, over all layers; the share of weights that go follows from their sizes.
    """

    def masks(self, scores: Mapping[str, Tensor], sparsity: float, allocation: str) -> Masks:
        """The groups of highest mean score stay."""
        means = {name: self._grouped(name, score).mean(1) for name, score in scores.items()}
        kept = allocate(means, sparsity, allocation, {name: score.shape for name, score in scores.items()})
        sizes = {name: score.numel() // len(means[name]) for name, score in scores.items()}
        return {
            name: self._spread(name, kept[name][:, None].expand(-1, sizes[name]), score.shape)
            for name, score in scores.items()
        }

    def wrong(self, masks: Mapping[str, Tensor], sparsity: float) -> str | None:
        """Whether a group is cut through, or too many or too few are gone."""
        for name, mask in masks.items():
            grouped = self._grouped(name, mask)
            if not bool((grouped.all(1) | ~grouped.any(1)).all()):
                return f"the mask of '{name}' cuts through a group"
        gone, total = self._gone(masks)
        if gone != round(sparsity * total):
            return f"{gone} of {total} groups are gone, which is not the sparsity {sparsity} that was drawn"
        return None

    def sparsity(self, masks: Mapping[str, Tensor]) -> float:
        """The share of groups that are gone."""
        gone, total = self._gone(masks)
        return gone / total

    def _gone(self, masks: Mapping[str, Tensor]) -> tuple[int, int]:
        """Groups that are gone, and all of them."""
        grouped = [self._grouped(name, mask) for name, mask in masks.items()]
        return sum(int((~one.any(1)).sum()) for one in grouped), sum(map(len, grouped))

    def shuffled(self, name: str, mask: Tensor, generator: torch.Generator) -> Tensor:
        """Groups exchange their places."""
        grouped = self._grouped(name, mask)
        return self._spread(name, grouped[torch.randperm(len(grouped), generator=generator)], mask.shape)


class Share(Pattern):
    """Groups of which every one keeps the same number of weights, which fixes the sparsity.

    While the sparsity rises to that, a group keeps as many weights as the sparsity of the moment leaves it.
    """

    @property
    @abstractmethod
    def counts(self) -> tuple[int, int]:
        """(weights that stay, weights in a group)."""

    @property
    def multiple(self) -> int:
        """Weights in a group: every layer of a search block has its units as a factor of its weights."""
        return self.counts[1]

    def target(self, sparsity: float) -> float:
        """1 - n/m, or 0 where nothing is to be removed."""
        n, m = self.counts
        if sparsity and abs(sparsity - (1 - n / m)) > 1e-9:
            raise UserError(
                f"the pattern {n}:{m} keeps {n} of {m} weights, which is sparsity {1 - n / m:g}, and {sparsity:g} was "
                f"asked for; give --sparsity {1 - n / m:g}."
            )
        return sparsity

    def masks(self, scores: Mapping[str, Tensor], sparsity: float, allocation: str) -> Masks:
        """The highest scores of every group stay, of equal ones the earlier; the allocation has no say."""
        n, m = self.counts
        kept = max(n, m - int(sparsity * m + 1e-9))
        found = {}
        for name, score in scores.items():
            grouped = self._grouped(name, score)
            best = torch.sort(grouped, dim=1, descending=True, stable=True).indices[:, :kept]
            keep = torch.zeros_like(grouped, dtype=torch.bool).scatter_(1, best, True)
            found[name] = self._spread(name, keep, score.shape)
        return found

    def wrong(self, masks: Mapping[str, Tensor], sparsity: float) -> str | None:
        """Whether a group keeps another number of weights."""
        n, m = self.counts
        wanted = n if sparsity else m
        for name, mask in masks.items():
            kept = self._grouped(name, mask).sum(1)
            if bool((kept != wanted).any()):
                return f"a group of '{name}' keeps {int(kept[kept != wanted][0])} of {m} weights and not {wanted}"
        return None

    def sparsity(self, masks: Mapping[str, Tensor]) -> float:
        """1 - n/m, or 0 where nothing is gone."""
        n, m = self.counts
        return 0.0 if all(bool(mask.all()) for mask in masks.values()) else 1 - n / m

    def shuffled(self, name: str, mask: Tensor, generator: torch.Generator) -> Tensor:
        """Every group's weights exchange their places."""
        grouped = self._grouped(name, mask)
        order = torch.rand(grouped.shape, generator=generator).argsort(1)
        return self._spread(name, grouped.gather(1, order), mask.shape)
