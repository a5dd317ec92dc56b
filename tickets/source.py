"""What tickets may know of a task: batches, a head, a loss and a score, bound to seeds and a device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from tickets.hosts.base import latent_of
from tickets.seeding import seeded

Batch = dict[str, Tensor]
"""A task's batch; only `image`, float32 (B, 3, H, W), is known here, the rest is between loss and metric."""

# ImageNet's channel means and standard deviations, of RGB in [0, 1]: one normalisation for every task, so
# that a ticket meets the same input statistics wherever it goes, and the ones that most published weights expect.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


Reduction = Literal["sum", "mean"]
"""What is done with the alternatives that one softmax is over, classes or places."""


class _Featured(Protocol):
    features: list[tuple[int, int]]


class Source(Protocol):
    """One task seen by a drawer or by the training loop.

    Everything random is a function of (seed, step), so any number of loader workers gives the same bits
    and training resumes at the right batch.
    """

    @property
    def name(self) -> str:
        """The task's registered name, as in "cls/figures"."""

    @property
    def size(self) -> tuple[int, int]:
        """Input (H, W) in pixels."""

    @property
    def batch_size(self) -> int:
        """Images per training batch."""

    @property
    def device(self) -> torch.device:
        """Where batches lie and networks are trained."""

    @property
    def primary(self) -> str:
        """Name of the primary metric, a fraction in [0, 1], higher is better."""

    def head(self, features: list[tuple[int, int]], units: Any = None, width: int | None = None) -> nn.Module:
        """A fresh head on feature maps of these (width, stride).

        Args:
            features: of the host's maps.
            units: rebuild a searched one, with these live units.
            width: channels before its prediction layer, for one that another task's head is carried into;
                None for the task's own; heads whose width follows from the maps ignore it.
        """

    def ends(self, features: list[tuple[int, int]], latent: tuple[int, int]) -> nn.Module:
        """A fresh head round a host that takes latents, `tickets.training.network.Ends`.

        Args:
            features: (width, stride) of the host's maps.
            latent: likewise of what it takes.

        Raises:
            UserError: the task stands on hosts of images alone.
        """

    def batches(self, start: int, stop: int | None) -> Iterator[Batch]:
        """Augmented training batches number `start` to `stop` - 1, or without end."""

    def calibration(self, count: int) -> Iterator[Batch]:
        """`count` training batches, always the same ones, for batch-norm statistics."""

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Scalar loss, mean over the batch."""

    def merge(self, outputs: list[Any]) -> Any:
        """One prediction from those of several networks for the same batch.

        Raises:
            UserError: the task does not say how.
        """

    def member(self, number: int) -> Source:
        """The same task with the order and augmentation of data that a member of a set has; itself for number 0."""

    def imitation(
        self, outputs: Any, teacher: Any, batch: Batch, temperature: float = 1.0, reduction: Reduction = "sum"
    ) -> Tensor:
        """What it costs to differ from a teacher's outputs on a batch: a scalar, 0 where they are equal, and of the
        size of `loss`, so that the two can be weighed against each other.

        Args:
            outputs: of the network that is trained.
            teacher: those of the teacher, shaped like them.
            batch: that both were computed from.
            temperature: as `divergence` has it; without effect where outputs are compared as they are.
            reduction: likewise.

        Raises:
            UserError: the task does not say what it is to imitate a teacher.
        """

    def score(self, network: nn.Module, split: str, limit: int | None = None) -> dict[str, float]:
        """All metrics on "val" or "test", the primary one first.

        Args:
            network: host and head.
            split: whose samples.
            limit: look at the first samples alone, at least so many; None for all.
        """


def initial_head(source: Source, host: nn.Module, seed: int, units: Any = None, width: int | None = None) -> nn.Module:
    """The head that all methods at one seed put on a source or target.

    Args:
        source: whose head.
        host: with `features`, whose maps it takes.
        seed: of its first weights.
        units, width: as `Source.head` takes them.
    """
    with seeded(seed, "head", source.name):
        return head_of(source, host, units, width)


def head_of(source: Source, host: nn.Module, units: Any = None, width: int | None = None) -> nn.Module:
    """A fresh head on a host's maps, or round a host that takes latents; weights as the global generator gives them.

    Args:
        source, host, units, width: as `initial_head` takes them.
    """
    features, latent = cast(_Featured, host).features, latent_of(host)
    return source.head(features, units, width) if latent is None else source.ends(features, latent)


def divergence(
    outputs: Tensor, teacher: Tensor, temperature: float, dim: int = 1, reduction: Reduction = "sum"
) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(outputs / T)), of every softmax by itself.

    G. Hinton, O. Vinyals, J. Dean, Distilling the Knowledge in a Neural Network (arXiv 1503.02531), section 2: the
    factor T^2 keeps gradients of one size whatever the temperature is.

    Args:
        outputs: logits.
        teacher: logits of that shape.
        temperature: T, above 0.
        dim: along which they are alternatives.
        reduction: "sum" over the alternatives, which is the divergence, or their "mean".

    Returns:
        float32, or float64 for such logits; shaped like them without `dim`.
    """
    told, said = (
        (logits.to(torch.promote_types(logits.dtype, torch.float32)) / temperature).log_softmax(dim)
        for logits in (teacher, outputs)
    )
    terms = temperature**2 * told.exp() * (told - said)
    return terms.sum(dim) if reduction == "sum" else terms.mean(dim)
