"""Prices of architectures in measured time: what a host takes for one image, on one thread of this machine.

Times are taken in evaluation, by the kernels that the process computes with.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tickets.hosts.blocks import Norm, SearchBlock
from tickets.hosts.native import force
from tickets.hosts.native.processor import TORCH, TRITON
from tickets.search import clock
from tickets.search.costs import UnitCosts
from tickets.search.descent import Architecture, Price, in_macs
from tickets.search.ordered import search_blocks_of

LEAST = 0.02
"""Share of a block's time that half of its units take at least, where a measurement finds none."""
FITS, NEAR = 6, 0.02
"""How often a sample is measured, until its time is so near what was asked for, as a share of that."""
STEEP = 4.0
"""How much more than a sample gave up it may be asked for, as a factor."""


@dataclass(frozen=True)
class Found:
    """An architecture and what it costs.

    Args:
        units: of its blocks.
        cost: as measured, or by exact prices.
    """

    units: Architecture
    cost: float

    def aim(self, price: Price, bound: float, slope: float = 1.0) -> float:
        """What to ask for by prices, so that the cost comes to a bound; they say that `slope` times as much goes."""
        return price.of(self.units) - slope * max(self.cost - bound, 0.0)


def share(found: nn.Module, host: nn.Module, size: tuple[int, int]) -> float:
    """How long a network takes for one (3, H, W) image, as a share of another, both in turn."""
    with _one_thread():
        return clock.shares({"found": _whole(found, size)}, _whole(host, size))[0]["found"]


def in_time(host: nn.Module, size: tuple[int, int]) -> Price:
    """Prices in seconds for one image, from each block alone: whole, with half of its units, without.

    As the table that T.-J. Yang et al., NetAdapt (arXiv 1804.03230), section 3.3, add up, a line through two widths
    standing for the others; within a block, time is shared by MACs.

    Their sum for the host is what it takes; where its blocks alone seem to take more, all are scaled to it.
    """
    macs, inputs, there = in_macs(host, size).units, _inputs(host, size), search_blocks_of(host)
    halves = {name: {k: n // 2 for k, n in block.units.items()} for name, block in there.items()}
    calls: dict[str, clock.Call] = {}
    for name, block in there.items():
        for width, live in (("whole", block.units), ("half", halves[name]), ("none", {})):
            calls[f"{name} {width}"] = partial(_narrowed(block, live), inputs[name])
    with _one_thread():
        seen, seconds = clock.shares(calls, _whole(host, size))
    blocks: dict[str, float] = {}
    units: UnitCosts = {}
    for name, block in there.items():
        whole, half, none = (seen[f"{name} {width}"] for width in ("whole", "half", "none"))
        gone = sum(macs[name][k] * (n - halves[name][k]) for k, n in block.units.items())
        slope = max(whole - half, LEAST * whole) / gone
        units[name] = {k: slope * cost for k, cost in macs[name].items()}
        blocks[name] = max(whole - none - _of_units(units[name], block.units), 0.0)
    searched = sum(blocks[name] + _of_units(units[name], block.units) for name, block in there.items())
    return Price(max(1 - searched, 0.0), blocks, units).times(seconds / max(searched, 1.0))


def fitted(
    now: Found,
    first: Architecture,
    again: Callable[[float], Architecture | None],
    measured: Callable[[Architecture], float],
    price: Price,
    bound: float,
) -> Found:
    """A sample made anew by what the clock says that prices miss, until its time is near a bound.

    Args:
        now: what was shrunk.
        first: the sample.
        again: makes it for another bound by the prices; None where it cannot.
        measured: the time of one.
        price: by which they are made.
        bound: the time that it may take.

    Returns:
        Of those that were made the nearest.
    """
    made: list[Found] = []
    wanted = now.cost - bound
    sample: Architecture | None = first
    while sample is not None and len(made) < FITS:
        made.append(Found(sample, measured(sample)))
        if wanted <= 0 or abs(made[-1].cost - bound) <= NEAR * bound:
            break
        given = max(now.cost - made[-1].cost, wanted / STEEP)
        sample = again(now.aim(price, bound, (price.of(now.units) - price.of(sample)) / given))
    return min(made, key=lambda one: abs(one.cost - bound))


def _of_units(price: Mapping[int, float], units: Mapping[int, int]) -> float:
    return sum(price[k] * n for k, n in units.items())


def _one_thread() -> AbstractContextManager[None]:
    """The kernels in force, on one thread."""
    kernels = force.now()
    return force.using(kernels.kind if kernels else TRITON if force.has_triton() else TORCH, 1)


def _narrowed(block: SearchBlock, units: Mapping[int, int]) -> SearchBlock:
    made = SearchBlock(block.width_in, block.width_out, block.stride, units, Norm())
    return made.to(next(block.parameters()).device).to(memory_format=torch.channels_last).eval()


def _whole(host: nn.Module, size: tuple[int, int]) -> Callable[[], list[Tensor]]:
    """Calls of a copy in evaluation, on a black image."""
    twin = copy.deepcopy(host).to(memory_format=torch.channels_last).eval()
    return partial(twin, _image(host, size))


def _image(host: nn.Module, size: tuple[int, int]) -> Tensor:
    image = torch.zeros(1, 3, *size, device=next(host.parameters()).device)
    return image.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _inputs(host: nn.Module, size: tuple[int, int]) -> dict[str, Tensor]:
    """What each block is given for one image."""
    seen: dict[str, Tensor] = {}
    twin = copy.deepcopy(host).eval()
    for name, block in search_blocks_of(twin).items():
        block.register_forward_pre_hook(lambda _, given, name=name: seen.__setitem__(name, given[0]))
    twin(_image(host, size))
    return seen
