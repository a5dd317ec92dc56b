"""Transform: does it matter which kept weight has which value (arXiv 2009.08576, layerwise shuffling)?"""

from dataclasses import dataclass

import torch

from tickets import Transform, generator


@dataclass(frozen=True)
class Dealt(Transform):
    """The ticket's mask; the weights that a layer keeps are dealt anew among their places."""

    def apply(self, ticket, seed):
        raw, g = dict(ticket.host.raw), generator(seed, "dealt")
        for name, mask in ticket.host.masks.items():
            raw[name] = raw[name].clone()
            raw[name][mask] = raw[name][mask][torch.randperm(int(mask.sum()), generator=g)]
        return ticket.with_weights(raw, transform="dealt")
