"""Training steps as `bench.speed` compares them: the plain formulation, and ours through the real training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bench.jobs.memory import peak_mib
from bench.speed.request import Request
from bench.speed.synthetic import SEED, Synthetic, as_asked, layout_of, masks_of, network_of
from bench.speed.timing import Run
from tickets.cost import dense_macs, layer_costs
from tickets.hosts.native import force
from tickets.hosts.native.processor import TORCH
from tickets.pruning.masks import Semantics
from tickets.reference import plain
from tickets.source import Batch
from tickets.training.ema import averaged_tensors
from tickets.training.loop import Training
from tickets.training.masking import masking
from tickets.training.network import Network
from tickets.training.settings import Settings

STEPS, LEARNING_RATE = 1_000_000, 1e-4
PEAK_STEPS = 3
PASSES = 3
"""A step's MACs over those of its forward pass: the backward pass counts two."""


@dataclass(frozen=True)
class Variant:
    """One way to make the same training step.

    Args:
        name: in tables and figures.
        masks: how masks act; None for a dense network.
        is_plain: whether in the plain formulation, which multiplies by its masks in every layer.
        is_native: whether by the request's kernels, where those are not PyTorch's.
    """

    name: str
    masks: Semantics | None = None
    is_plain: bool = False
    is_native: bool = False


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("reference", Semantics.REPARAM, is_plain=True),
        Variant("torch"),
        Variant("native", is_native=True),
        Variant("projection", Semantics.PROJECTION, is_native=True),
        Variant("reparam", Semantics.REPARAM, is_native=True),
    )
}
"""All of them, in the order of the table; the first is what the others are held against."""


def variants(request: Request) -> list[str]:
    """The names of those that a request can tell apart."""
    return [name for name in VARIANTS if name != "native" or request.kernels != TORCH]


class Laid(Network):
    """A network in a memory format of its own, whatever the training loop asks for; see `Network`.

    Args:
        network: whose parts and masks it takes over.
        layout: the memory format.
    """

    def __init__(self, network: Network, layout: torch.memory_format) -> None:
        super().__init__(network.host, network.head, network.masks, network.masking)
        self.layout = layout

    def to(self, *args: Any, **kwargs: Any) -> Laid:
        """As `nn.Module.to`, but for the memory format."""
        return super().to(*args, **{**kwargs, "memory_format": self.layout})

    def both(self, image: Tensor) -> tuple[list[Tensor], Any]:
        """Images (B, 3, H, W) -> the host's maps and the head's outputs."""
        return super().both(image.contiguous(memory_format=self.layout))


def training_step(request: Request, name: str) -> Run:
    """A network in training, as a call that makes one step.

    Args:
        request: what to build.
        name: of a variant.
    """
    variant, source = VARIANTS[name], Synthetic.of(request)
    network = network_of(request, source)
    if variant.masks is not None:
        network.masks = masks_of(network, request.sparsity)
    batches = source.batches(0, None)
    step = _step_of(variant, network, source, request)

    def run() -> None:
        with force.using(request.kernels if variant.is_native else TORCH, request.threads):
            step(next(batches))

    return run


def _step_of(variant: Variant, network: Network, source: Synthetic, request: Request) -> Callable[[Batch], object]:
    if variant.is_plain:
        return PlainTraining(plain(network), source, request).step
    network.masking = masking(variant.masks or Semantics.PROJECTION)
    return Training(Laid(network, layout_of(request)), source, settings_of(request), SEED)._step


def step_macs(request: Request) -> int:
    """What a step computes, every weight counted."""
    network = network_of(request, Synthetic.of(request))
    return PASSES * request.batch * dense_macs(layer_costs(network, request.size))


def settings_of(request: Request) -> Settings:
    """How the training loop is told of a request; so many steps that none is near the end of the schedule."""
    return Settings(STEPS, LEARNING_RATE, precision=request.dtype, compiled=request.compiled)


class PlainTraining:
    """A training loop as one writes it without thinking of speed: PyTorch's defaults all over.

    Args:
        network: in the plain formulation.
        source: loss and device.
        request: autocast and compilation; its layout is not followed.
    """

    def __init__(self, network: Network, source: Synthetic, request: Request) -> None:
        self.network, self.source = network.to(source.device), source
        self.forward = as_asked(network, request)
        self.settings = settings_of(request)
        decayed = [p for p in network.parameters() if p.dim() > 1]
        others = [p for p in network.parameters() if p.dim() <= 1]
        groups: list[dict[str, Any]] = [
            {"params": decayed, "weight_decay": self.settings.weight_decay},
            {"params": others},
        ]
        self.optimizer = torch.optim.Adam(groups, lr=LEARNING_RATE)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, LEARNING_RATE, total_steps=STEPS)
        self.average = {name: t.detach().clone() for name, t in averaged_tensors(network).items()}

    def step(self, batch: Batch) -> None:
        """Forward, loss, backward, update, average."""
        self.network.train()
        loss = self.source.loss(self.forward(batch["image"]), batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        with torch.no_grad():
            for name, tensor in averaged_tensors(self.network).items():
                self.average[name].lerp_(tensor, 1 - self.settings.ema_decay)


def peak(request: Request, name: str, report: Callable[[Any], None]) -> float:
    """Peak memory of a few training steps; to be called in a fresh process.

    Args:
        request: what to build.
        name: of a variant.
        report: not used; every call of a worker gets one.

    Returns:
        MiB: on the CPU what the process ever held, PyTorch included; on a GPU what was allocated there.
    """
    torch.set_num_threads(request.threads)
    run = training_step(request, name)
    for _ in range(PEAK_STEPS):
        run()
    return peak_mib(torch.device(request.device))
