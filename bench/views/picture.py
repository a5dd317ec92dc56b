"""A picture of what a search and a pruning left of a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tickets.deploy.anatomy import Block, Layer, Spot, spots
from tickets.ticket import Ticket

CELL = 0.8
"""Side of a block's square, in its grid's unit."""


def draw(ticket: Ticket, blocks: Sequence[Block], layers: Sequence[Layer], out: Path) -> None:
    """Write a picture; of a supernet its blocks in a grid, of another host its layers as bars.

    In a block's square each kernel size has a bar: its height is the live share of the units, its colour
    the density of the block's weights. A square without bars is a block of which only the skip is left.

    Args:
        ticket: named in the title.
        blocks: from `anatomy.blocks`; none, or such as `anatomy.spots` knows no place for, are not drawn as blocks.
        layers: from `anatomy.layers`.
        out: a name that ends in .png, .svg or .pdf.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    places = spots(block.name for block in blocks)
    columns = len({spot.column for spot in places.values()})
    rows = max((spot.row for spot in places.values()), default=0)
    figure = Figure(figsize=(max(6, 1 + 0.9 * columns), 2 + 0.95 * (rows + 1) if places else 4), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if places:
        highest = max(_density(block) for block in blocks)
        colours = ScalarMappable(Normalize(0, highest), "viridis_r")
        _grid(axes, blocks, places, colours)
        figure.colorbar(colours, ax=axes, label="kept share of the block's weights", shrink=0.8)
    else:
        _bars(axes, layers)
    told = ticket.provenance
    axes.set_title(
        f"{told['drawer']} on {told['source']}: sparsity {ticket.sparsity:.1%}, remaining {ticket.remaining:.1%}",
        fontsize=9,
    )
    figure.tight_layout()
    figure.savefig(out)


def _grid(
    axes: Any,
    blocks: Sequence[Block],
    places: Mapping[str, Spot],
    colours: Any,
) -> None:
    from matplotlib.patches import Rectangle

    for block in blocks:
        spot = places[block.name]
        x, y = spot.column, -spot.row
        style = ":" if spot.is_fusion else "-"
        axes.add_patch(Rectangle((x, y), CELL, CELL, fill=False, edgecolor="#999999", linestyle=style))
        width = CELL / len(block.full)
        for i, kernel in enumerate(block.full):
            height = CELL * block.live[kernel] / block.full[kernel]
            axes.add_patch(Rectangle((x + i * width, y), width, height, color=colours.to_rgba(_density(block))))
    kernels = " ".join(map(str, blocks[0].full))
    columns = {spot.column: spot.over for spot in places.values()}
    branches = sorted({spot.row for spot in places.values()})
    axes.set_xlim(-0.2, len(columns))
    axes.set_ylim(-branches[-1] - 0.2, 1)
    axes.set_xticks([column + CELL / 2 for column in columns], list(columns.values()), fontsize=6)
    axes.set_yticks([-row + CELL / 2 for row in branches], [f"1/{4 * 2**row}" for row in branches])
    axes.set_ylabel(f"branch; bars: live share of units, kernels {kernels}; dotted: fusion", fontsize=7)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _density(block: Block) -> float:
    return block.kept / block.weights if block.weights else 0.0


def _bars(axes: Any, layers: Sequence[Layer]) -> None:
    axes.bar(range(len(layers)), [layer.kept / layer.weights for layer in layers], width=1.0)
    axes.set_xlabel("layer, in order of definition")
    axes.set_ylabel("kept share of its weights")
    axes.set_ylim(0, 1)
