"""What rides on a training: a drawer or a recipe, told at fixed places of every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from tickets.source import Batch
from tickets.training.events import Event, known

if TYPE_CHECKING:
    from tickets.training.loop import Training


@dataclass(frozen=True)
class Pass:
    """What a loss may look at.

    Args:
        maps: the host's feature maps, (B, width, h, w) each; of the precision that they were computed in.
        outputs: the head's, float32.
        batch: that they were computed from.
    """

    maps: list[Tensor]
    outputs: Any
    batch: Batch


class Method:
    """A step of a training is, in this order: forward pass; `loss`; backward pass; `on_gradient`; optimiser step;
    `after_step`; masks are settled; the average is taken; events. Gradients are there until then and gone after.

    A method keeps nothing itself: what must be found again after an interruption goes into `training.memory`
    (tensors and plain values), what can be made anew into `training.aside`. Whatever it lets the network or a copy of
    it compute is counted (`tickets.training.spent`).
    """

    version: ClassVar[int] = 1

    def events(self, steps: int, sparsity: float) -> Sequence[Event]:
        """What happens when, in order of steps; `Event.do` names what of it.

        Args:
            steps: of the training.
            sparsity: that its ticket shall have, in [0, 1).
        """
        return ()

    def check_events(self, steps: int, sparsity: float) -> None:
        """Refuse before any work starts what `events` asks for and cannot have.

        Raises:
            UserError: an event does what is no action, would never happen, or stands behind a later one.
        """
        known(self, self.events(steps, sparsity), steps)

    def loss(self, training: Training, seen: Pass) -> Tensor:
        """The scalar that is trained on; the default is the source's loss."""
        return training.source.loss(seen.outputs, seen.batch)

    def on_gradient(self, training: Training) -> None:
        """After the backward pass, before the optimiser's step: gradients may be read and changed."""

    def after_step(self, training: Training) -> None:
        """After the optimiser's step, before masks are settled and the average is taken."""
