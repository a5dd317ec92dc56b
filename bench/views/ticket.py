"""What is inside a ticket, as tables and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from bench.numbers.aligned import show as print_table
from bench.numbers.amounts import MISSING, counted, percent
from bench.views.record import by_steps
from tickets.deploy import anatomy
from tickets.hosts.base import timesteps_of
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet, members_of


def show(found: Ticket, wanted: tuple[int, int] | None, layers: bool, out: Path | None) -> None:
    """Print a ticket's architecture, live units per kernel branch, sparsity per layer and dead layers.

    Args:
        found: the ticket.
        wanted: input (H, W) that MACs are counted for; None for its source's.
        layers: whether to print the table of layers.
        out: where to draw the surviving architecture; None for nowhere.
    """
    height_width = wanted or tuple(found.provenance["size"])
    blocks, table = anatomy.blocks(found), anatomy.layers(found, height_width)
    rates: Mapping[str, float] = found.provenance.get("rates", {})
    _summary(found, height_width)
    if blocks:
        kernels = list(blocks[0].full)
        print_table(
            "Blocks: live of full units by kernel size",
            ["block", *(f"{k}x{k}" for k in kernels), "weights", "kept", "sparsity"],
            [[b.name, *(f"{b.live[k]}/{b.full[k]}" for k in kernels), *_kept(b.weights, b.kept)] for b in blocks],
        )
    if layers:
        total = sum(layer.sparse_macs for layer in table) or 1
        print_table(
            "Layers",
            [
                "layer",
                "shape",
                "weights",
                "kept",
                "sparsity",
                "MACs",
                "share of MACs",
                *(["fed spikes"] if rates else []),
            ],
            [
                [
                    f"{layer.name} (dead)" if not layer.kept else layer.name,
                    "x".join(map(str, layer.shape)),
                    *_kept(layer.weights, layer.kept),
                    counted(layer.sparse_macs, "k"),
                    percent(layer.sparse_macs / total),
                    *([percent(rates[layer.name]) if layer.name in rates else MISSING] if rates else []),
                ]
                for layer in table
            ],
        )
    if out is not None:
        from bench.views.picture import draw

        draw(found, blocks, table, out)
        print(f"picture: {out}")


def show_set(found: TicketSet, wanted: tuple[int, int] | None) -> None:
    """Print what a set is, and its members with what they share: masks, by Jaccard's index.

    Args:
        found: the set.
        wanted: input (H, W) that MACs are counted for; None for its source's.
    """
    _summary(found, wanted or tuple(found.provenance["size"]))
    print_table(
        "Members",
        ["member", "seed", "kept", "sparsity", "masks in common with m0", "training MACs up to it", "hash"],
        [
            [
                f"m{number}",
                str(one.provenance["seed"]),
                f"{one.kept:,}",
                percent(one.sparsity),
                percent(_in_common(one, found.members[0])),
                counted(one.macs_spent, "M"),
                one.hash[:16],
            ]
            for number, one in enumerate(found.members)
        ],
    )


def _in_common(one: Ticket, other: Ticket) -> float:
    """Weights that both keep / weights that either keeps; layers of different shapes have none in common."""
    masks = [(mask, other.host.masks.get(name)) for name, mask in one.host.masks.items()]
    pairs = [(mask, their) for mask, their in masks if their is not None and their.shape == mask.shape]
    both = sum(int((mask & their).sum()) for mask, their in pairs)
    return both / ((one.kept + other.kept - both) or 1)


def _summary(ticket: Ticket | TicketSet, size: tuple[int, int]) -> None:
    for name, text in facts(ticket, size).items():
        print(f"{name + ':':<12}{text}")


def facts(ticket: Ticket | TicketSet, size: tuple[int, int]) -> dict[str, str]:
    """What a ticket is, in words: name -> text; its MACs for an input (H, W)."""
    told, costs, members = ticket.provenance, ticket.costs(size), members_of(ticket)
    layers = [mask for one in members for mask in one.host.masks.values()]
    dead = sum(not mask.any() for mask in layers)
    options = {k: v for k, v in told.get("options", {}).items() if v is not None}
    macs = f"{costs['sparse_macs']:,} exact, {costs['macs']:,} dense, {costs['estimated_macs']:,} by global density"
    return {
        "drawn by": f"{told['drawer']} ({', '.join(f'{k}={v}' for k, v in options.items())})",
        "on": f"{told['source'] or 'a task that is not known'}, seed {told['seed']}",
        **({"begun with": members[0].spec.origin} if members[0].spec.origin else {}),
        **({"members": str(len(members))} if len(members) > 1 else {}),
        "sparsity": f"{percent(ticket.sparsity)} of {ticket.prunable:,} weights; remaining {percent(ticket.remaining)}",
        "parameters": f"{ticket.kept:,}",
        "MACs": f"{macs}, at {size[0]}x{size[1]}",
        **_timing(ticket, size),
        "layers": f"{len(layers)}, {dead} of them dead",
        **_trained(ticket),
        "hash": ticket.hash,
    }


def _trained(ticket: Ticket | TicketSet) -> dict[str, str]:
    """Of a trained network its task, what it was asked for, and its score."""
    told = ticket.provenance.get("network")
    if told is None:
        return {}
    names = told["info"]["names"]
    job, metric = told.get("job", {}), told.get("metric", "")
    score = told.get("scores", {}).get("test", {}).get(metric)
    return {
        "network of": f"{told['task']}, by {job.get('recipe')}; record {told.get('record')}",
        "tells": f"{len(names)}: {', '.join(names[:12])}{' and more' if names[12:] else ''}",
        "score": MISSING if score is None else f"{metric} {percent(score)} on test",
    }


def _timing(ticket: Ticket | TicketSet, size: tuple[int, int]) -> dict[str, str]:
    """The time steps of a spiking ticket, those that it was drawn at, and its synaptic operations."""
    with torch.device("meta"):
        full = timesteps_of(ticket.spec.build())
    if full is None:
        return {}
    told = ticket.provenance.get("timesteps")
    found = {"time steps": f"{full}, drawn at {by_steps(told)}" if told else str(full)}
    if isinstance(ticket, Ticket) and (rates := ticket.provenance.get("rates")):
        count = ticket.synops(size, rates)
        found["synops"] = (
            f"{count:,} accumulates of kept weights, by the rates of spikes on val of {ticket.provenance['source']}"
        )
    return found


def _kept(weights: int, kept: int) -> list[str]:
    return [f"{weights:,}", f"{kept:,}", percent(1 - kept / weights) if weights else MISSING]
