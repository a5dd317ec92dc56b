"""How often the layers of a spiking host are fed spikes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


def spiked(host: nn.Module) -> list[str]:
    """The names of a host's layers that are fed spikes; none of a host that sends none."""
    return list(getattr(host, "spiked", ()))


@contextmanager
def rates(host: nn.Module) -> Iterator[Mapping[str, float]]:
    """Watch what a host is run for within the block.

    Args:
        host: as it is run, not a copy.

    Yields:
        By layer that is fed spikes, the share of its inputs that are spikes and not silence, of all images, time
        steps, channels and places so far.
    """
    seen: Counter[str] = Counter()
    fed: Counter[str] = Counter()

    def told(name: str, inputs: tuple[Any, ...]) -> None:
        spikes: Tensor = inputs[0]
        fed[name] += int(spikes.count_nonzero())
        seen[name] += spikes.numel()

    hooks = [
        host.get_submodule(name).register_forward_pre_hook(lambda _, inputs, name=name: told(name, inputs))
        for name in spiked(host)
    ]
    found: dict[str, float] = {}
    try:
        yield found
    finally:
        found.update({name: fed[name] / seen[name] for name in seen})
        for hook in hooks:
            hook.remove()
