"""How long and how a network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tickets.stated import LATER, stated

ScheduleName = Literal["onecycle", "staircase", "multistep", "constant"]
OptimizerName = Literal["adam", "rmsprop", "rmsprop/as_released"]


@dataclass(frozen=True)
class Settings:
    """How long and how a network is trained; part of a job's identity.

    Args:
        steps: optimiser steps, at least 1.
        learning_rate: its peak.
        weight_decay: L2 factor on convolution and linear weights, masked ones included.
        optimizer: "adam"; "rmsprop" as TensorFlow has it (decay and momentum 0.9); or "rmsprop/as_released", as the
            release of SuperTickets has it.
        eps: the optimiser's, beside the second moment's root (adam) or inside it (rmsprop).
        schedule: of the learning rate: "onecycle" (cosine, 30 % up), "staircase", "multistep", or "constant" (the peak
            throughout, without a warm-up).
        decay: the factor of each fall of a staircase or multistep schedule.
        falls: when it falls, in fractions of all steps: at each multiple of the one number of a staircase, at
            each of the numbers of a multistep.
        warmup: fraction of all steps in which a staircase or multistep rises linearly from half its peak.
        ema_decay: nominal decay per update; the warm-up rule rules in short runs.
        calibration_batches: training batches over which BN statistics are recomputed before scoring.
        equal: what `steps` is worth: "steps" trains just so many; "macs" trains until the executed training
            MACs are those of so many steps of the full dense network, so that smaller networks train longer, and
            such as are taught shorter: what given tickets compute within a step is paid for, too; "sparse" the
            same with the MACs of kept weights alone, as if masked ones cost nothing.
        precision: "float32", or "bfloat16" for the forward pass under autocast.
        compiled: whether the network runs through `torch.compile`.
        beta: share of Adam's first moment that a step keeps, in [0, 1); players that answer each other want less.
        beta_range: the share under "onecycle", at the first and the last step and where the rate is highest; () leaves
            it at `beta`.
        average_from: the number that the first update of the average has in its warm-up rule.
        accumulate: parts that a batch is computed in, one after the other: less memory, and batch norms take their
            statistics within a part.
        knobs: numbers of single methods that identities used to state here (`to_json`); nothing is trained by them.
    """

    steps: int
    learning_rate: float
    weight_decay: float = 1e-5
    optimizer: OptimizerName = "adam"
    eps: float = 1e-8
    schedule: ScheduleName = "onecycle"
    decay: float = 0.1
    falls: tuple[float, ...] = ()
    warmup: float = 0.0
    ema_decay: float = 0.9999
    calibration_batches: int = 10
    equal: Literal["steps", "macs", "sparse"] = "steps"
    precision: Literal["float32", "bfloat16"] = "float32"
    compiled: bool = False
    beta: float = field(default=0.9, metadata=LATER)
    beta_range: tuple[float, float] | tuple[()] = field(default=(), metadata=LATER)
    average_from: int = field(default=0, metadata=LATER)
    accumulate: int = field(default=1, metadata=LATER)
    knobs: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_low(self) -> bool:
        """Whether forward passes run under autocast."""
        return self.precision == "bfloat16"

    def to_json(self) -> dict[str, Any]:
        """Plain values, as identities and descriptions state them."""
        values = stated(self)
        knobs: dict[str, float] = values.pop("knobs")
        return values | knobs
