"""How important each weight is at one moment, for pruning; every score works on every task.

A scorer sees a task through its `Source` alone: batches and a loss closure, the format of neither. What it
runs is a copy of the effective network, m*w, in eval mode; the network it is given is left as it was. What
a masked weight scores follows from the network's semantics: under REPARAM it kept its value, is scored by
it and may return; under PROJECTION it is gone and scores below every weight that is there.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.masks import Masks, Semantics, keep_top, ones, project
from tickets.network import Network
from tickets.seeding import generator, seeded
from tickets.source import Batch, Source

GRADIENT = 3
"""Work of a gradient in forward passes: one forward, and a backward that costs two."""
CURVATURE = 3 * GRADIENT
"""Work of a Hessian-vector product in forward passes: a gradient, and a backward through all of it."""
TEMPERATURE = 200.0
"""Divides the outputs in GraSP, as in its official code."""
ROUNDS = 100
"""SynFlow's prunings, the caller's included."""


@dataclass(frozen=True)
class Scores:
    """What a scorer found, and the work it took.

    Args:
        values: by weight name, float, shaped like the weight and on its device; larger is kept.
        macs_images: executed work in images run forward once; times the network's dense MACs for one image
            it is MACs. A gradient counts 3 per image, a Hessian-vector product 9.
    """

    values: dict[str, Tensor]
    macs_images: int = 0


class Scorer(Protocol):
    """Scores every weight of `network.prunable()`, its parts taken together."""

    def __call__(self, network: Network, source: Source, seed: int, batches: int, sparsity: float) -> Scores:
        """Score the weights.

        Args:
            network: on the source's device, with a tensor as output; not modified.
            source: the task; `calibration`, `loss`, `size` and `device` are used.
            seed: of whatever is random.
            batches: calibration batches to average over, at least 1; read by SNIP and GraSP.
            sparsity: removed share that the scores are meant for, in [0, 1); read by SynFlow.

        Raises:
            UserError: `batches` or `sparsity` is read and out of its range.
        """


def magnitude(network: Network, source: Source, seed: int, batches: int, sparsity: float) -> Scores:
    """|w|."""
    return Scores(_below({name: w.detach().abs() for name, w in _weights(network).items()}, _present(network)))


def random(network: Network, source: Source, seed: int, batches: int, sparsity: float) -> Scores:
    """Uniform in [0, 1), the same at every call with one seed and architecture, so that levels are nested."""
    g = generator(seed, "scores")
    drawn = {name: torch.rand(w.shape, generator=g).to(w.device) for name, w in _weights(network).items()}
    return Scores(_below(drawn, _present(network)))


def snip(network: Network, source: Source, seed: int, batches: int, sparsity: float) -> Scores:
    """|w dL/d(m*w)|, what removing a weight does to the loss at first order (SNIP, arXiv 1810.02340).

    By the chain rule this is |dL/dm|, which a masked weight has too. L is the mean loss over the batches.
    """
    twin, weights = _effective(network)
    slopes, images = _mean(
        lambda batch: _gradient(source.loss(twin(batch["image"]), batch), weights), source, seed, batches
    )
    values = {name: (w.detach() * slopes[name]).abs() for name, w in _weights(network).items()}
    return Scores(_below(values, _present(network)), GRADIENT * images)


def grasp(network: Network, source: Source, seed: int, batches: int, sparsity: float) -> Scores:
    """w (H g), half of what removing a weight takes off the gradient flow g'g (GraSP, arXiv 2002.07376).

    At first order; the sign matters: a weight whose removal raises the flow is negative and goes first. g
    and H are the gradient and the Hessian of the mean loss over the batches with respect to the prunable
    weights, the outputs divided by a temperature of 200; g is zero where a weight is masked, since it does
    not train. One batch's graph is held at a time.
    """
    twin, weights = _effective(network)

    def loss(batch: Batch) -> Tensor:
        return source.loss(twin(batch["image"]) / TEMPERATURE, batch)

    flow, seen = _mean(lambda batch: _gradient(loss(batch), weights), source, seed, batches)
    flow |= {name: flow[name] * mask for name, mask in network.masks.items() if name in flow}

    def curvature(batch: Batch) -> dict[str, Tensor]:
        slopes = _gradient(loss(batch), weights, create_graph=True)
        return _gradient(torch.stack([(flow[n] * slope).sum() for n, slope in slopes.items()]).sum(), weights)

    curved, again = _mean(curvature, source, seed, batches)
    values = {name: w.detach() * curved[name] for name, w in _weights(network).items()}
    return Scores(_below(values, _present(network)), GRADIENT * seen + CURVATURE * again)


def synflow(network: Network, source: Source, seed: int, batches: int, sparsity: float) -> Scores:
    """|w dR/dw|, a weight's share of the flow R through the network (SynFlow, arXiv 2006.05467).

    R is the sum of the outputs for an image of ones, of a float64 copy made linear and positive: |w| for w,
    no biases, norms reduced to positive scales. The kept share falls exponentially in 100 rounds, each
    scored under the masks of the one before, which saves a bottleneck from being emptied at once. A chain
    of layers keeps a weight in each; of parallel paths, as beside a skip, one may lose all of its weights.

    Host and head are chosen from apart, as `Network.prunable` has it. The values are the last round's, with
    all that went earlier below them: `keep_top` of a part at `sparsity` gives that round's masks.
    """
    if not 0 <= sparsity < 1:
        raise UserError(f"sparsity {sparsity} cannot be scored for; give a share from 0 up to, not including, 1.")
    twin, weights = _effective(network)
    _linearise(twin.double())
    image = torch.ones(1, 3, *source.size, dtype=torch.float64, device=source.device)
    sizes = {name: w.detach().double().abs() for name, w in _weights(network).items()}
    masks, present = _masks(network), _present(network)

    def shares() -> dict[str, Tensor]:
        with torch.no_grad():
            for name, w in weights.items():
                w.copy_(sizes[name] * masks[name])
        with torch.enable_grad():
            slopes = _gradient(twin(image).sum(), weights)
        return _below({name: sizes[name] * slope for name, slope in slopes.items()}, present)

    for k in range(1, ROUNDS):
        chosen = _keep(network, shares(), 1 - (1 - sparsity) ** (k / ROUNDS))
        masks = present = {name: present[name] & mask for name, mask in chosen.items()}
    return Scores(shares(), GRADIENT * ROUNDS)


SCORERS: dict[str, Scorer] = {f.__name__: f for f in (magnitude, random, snip, grasp, synflow)}
"""The scorers by name."""


# ---- what is scored


def _weights(network: Network) -> dict[str, nn.Parameter]:
    """The prunable weights of all parts."""
    return {name: w for part in network.prunable().values() for name, w in part.items()}


def _masks(network: Network) -> Masks:
    """The masks in force on the prunable weights, ones where there is none."""
    masks = ones(_weights(network))
    return masks | {name: network.masks[name] for name in masks.keys() & network.masks.keys()}


def _present(network: Network) -> Masks:
    """Which weights still have a value to be scored by."""
    return _masks(network) if network.semantics is Semantics.PROJECTION else ones(_weights(network))


def _effective(network: Network) -> tuple[Network, dict[str, nn.Parameter]]:
    """A dense copy that holds m*w, in eval mode, and its prunable weights, which alone want gradients."""
    twin = Network(copy.deepcopy(network.host), copy.deepcopy(network.head)).eval().requires_grad_(False)
    project(twin, network.masks)
    weights = _weights(twin)
    for w in weights.values():
        w.requires_grad_()
    return twin, weights


def _keep(network: Network, scores: Mapping[str, Tensor], sparsity: float) -> Masks:
    """The highest scores of each part."""
    masks: Masks = {}
    for part in network.prunable().values():
        masks |= keep_top({name: scores[name] for name in part}, sparsity)
    return masks


def _below(scores: dict[str, Tensor], present: Masks) -> dict[str, Tensor]:
    """The scores with all that is not present at one value strictly below the rest, zero if that is."""
    rest = torch.cat([score[present[name]] for name, score in scores.items()])
    rest = rest[rest.isfinite()]
    if not len(rest):
        return scores
    floor = torch.nextafter(rest.min(), rest.new_tensor(-torch.inf)).clamp_max(0)
    return {name: torch.where(present[name], score, floor) for name, score in scores.items()}


# ---- gradients


def _gradient(value: Tensor, weights: Mapping[str, Tensor], create_graph: bool = False) -> dict[str, Tensor]:
    """d value / d weight by name; zero for a weight that the value does not depend on."""
    found = torch.autograd.grad(
        value, list(weights.values()), create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return dict(zip(weights, found, strict=True))


def _mean(
    term: Callable[[Batch], dict[str, Tensor]], source: Source, seed: int, batches: int
) -> tuple[dict[str, Tensor], int]:
    """The mean of a term over calibration batches, and the number of images in them."""
    if batches < 1:
        raise UserError(f"{batches} batches give no gradient to score weights by; give at least 1.")
    total: dict[str, Tensor] = {}
    images = 0
    with seeded(seed, "scores"), torch.enable_grad():
        for batch in source.calibration(batches):
            for name, value in term(batch).items():
                total[name] = total[name] + value if name in total else value
            images += len(batch["image"])
    return {name: value / batches for name, value in total.items()}, images


# ---- SynFlow's linear network

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
_ADDED = ("bias", "shift")


class _Scale(nn.Module):
    """A norm made linear and positive: x |gamma|, over the running standard deviation where there is one."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.last = isinstance(norm, nn.LayerNorm)
        self.scale = 1.0 if norm.weight is None else norm.weight.detach().abs()
        variance = getattr(norm, "running_var", None)
        if variance is not None:
            self.scale = self.scale / torch.sqrt(variance + norm.eps)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels, or the last dimensions after a LayerNorm."""
        return x * self.scale if self.last else (x.movedim(1, -1) * self.scale).movedim(-1, 1)


@torch.no_grad()
def _linearise(module: nn.Module) -> None:
    """Make a module of convolutions, norms and ReLUs linear and positive on positive inputs, in place."""
    for name, child in list(module.named_modules()):
        if isinstance(child, _NORMS):
            owner, _, leaf = name.rpartition(".")
            setattr(module.get_submodule(owner), leaf, _Scale(child))
    for name, parameter in module.named_parameters():
        if name.rpartition(".")[2] in _ADDED:
            parameter.zero_()
        else:
            parameter.abs_()
