"""Draws by several processes for tests: run as a script, once by each rank."""

import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from toy import SPEC, ToySource

from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.hosts.supernet import Spec
from tickets.training import grad_checkpointing
from tickets.training.settings import Settings

TWICE = "rigl"
"""What is drawn with maps that are computed again in the backward pass, where ranks must meet once more."""


@dataclass
class DoubleSource(ToySource):
    """In float64, in which the order of a sum changes no decision."""

    def batch(self, stream, step):
        """Images of the same numbers."""
        found = super().batch(stream, step)
        return {**found, "image": found["image"].double()}

    def head(self, features, units=None, width=None):
        """A head for them."""
        return super().head(features, units, width).double()


@dataclass(frozen=True)
class DoubleSpec(Spec):
    """A supernet for them."""

    def build(self, units=None):
        """Built as ever."""
        return super().build(units).double()


def draw(name):
    """What a drawer comes to with the toy supernet in float64: units, masks, scores, costs and weights."""
    settings = Settings(40, 0.02, calibration_batches=2, ema_decay=0.9)
    request = Request(DoubleSpec(**vars(SPEC)), DoubleSource(batch_size=9), settings, 0.8, 0)
    ticket = DRAWERS.make(name).draw(request)
    told = {key: ticket.provenance[key] for key in ("scores", "spent")}
    return {"units": ticket.host.units, "masks": ticket.host.masks, "raw": ticket.host.raw, **told}


def main(rank, count, folder, *names):
    """Draw with the other ranks; the first one saves what they came to."""
    store = dist.FileStore(f"{folder}/store", int(count))
    dist.init_process_group("gloo", store=store, rank=int(rank), world_size=int(count), timeout=timedelta(seconds=60))
    print("begun", flush=True)
    found = {}
    for name in names:
        with grad_checkpointing.using(name == TWICE):
            found[name] = draw(name)
    if rank == "0":
        torch.save(found, Path(folder, "found.pt"))
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
