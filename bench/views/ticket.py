"""What is inside a ticket, as tables and as a picture."""

from __future__ import annotations

from pathlib import Path

from bench.numbers.aligned import show as print_table
from bench.numbers.amounts import MISSING, counted, percent
from tickets.deploy import anatomy
from tickets.ticket import Ticket


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
            ["layer", "shape", "weights", "kept", "sparsity", "MACs", "share of MACs"],
            [
                [
                    f"{layer.name} (dead)" if not layer.kept else layer.name,
                    "x".join(map(str, layer.shape)),
                    *_kept(layer.weights, layer.kept),
                    counted(layer.sparse_macs, "k"),
                    percent(layer.sparse_macs / total),
                ]
                for layer in table
            ],
        )
    if out is not None:
        from bench.views.picture import draw

        draw(found, blocks, table, out)
        print(f"picture: {out}")


def _summary(ticket: Ticket, size: tuple[int, int]) -> None:
    told, costs = ticket.provenance, ticket.costs(size)
    dead = sum(not mask.any() for mask in ticket.host.masks.values())
    options = {k: v for k, v in told.get("options", {}).items() if v is not None}
    macs = f"{costs['sparse_macs']:,} exact, {costs['macs']:,} dense, {costs['estimated_macs']:,} by global density"
    lines = {
        "drawn by": f"{told['drawer']} ({', '.join(f'{k}={v}' for k, v in options.items())})",
        "on": f"{told['source']}, seed {told['seed']}",
        "sparsity": f"{percent(ticket.sparsity)} of {ticket.prunable:,} weights; remaining {percent(ticket.remaining)}",
        "parameters": f"{ticket.kept:,}",
        "MACs": f"{macs}, at {size[0]}x{size[1]}",
        "layers": f"{len(ticket.host.masks)}, {dead} of them dead",
        "hash": ticket.hash,
    }
    for name, text in lines.items():
        print(f"{name + ':':<12}{text}")


def _kept(weights: int, kept: int) -> list[str]:
    return [f"{weights:,}", f"{kept:,}", percent(1 - kept / weights) if weights else MISSING]
