"""What a network says of one picture, in that picture's own pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.picture import Panel

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Answer:
    """A prediction, for programs and for eyes.

    Args:
        told: plain values for JSON; the kinds document their keys.
        panel: the same over the picture.
        mask: uint8 (H, W), a class a pixel; None of kinds that tell none.
    """

    told: Mapping[str, Any]
    panel: Panel
    mask: np.ndarray | None = None
