"""What a drawn ticket looks like, in numbers small enough to be published beside its record: a picture's data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from bench.records.curve import Curve
from bench.records.reading import reading
from bench.records.record import Count, Hash, Named, Part, Plain, Positive
from tickets import bounded
from tickets.errors import UserError

SCHEMA: Final = 1
FOLDER = "portraits"
MOST = bounded.MIB
SIDE = 24
"""Rows and columns at most of a mask's picture."""
LEVELS = "0123456789abcdef"
"""How much of a cell of a mask is kept, from nothing to all."""
LONGEST = 10_000
"""Blocks, and layers, of a portrait at most."""

Place = Annotated[int, Field(ge=0, lt=1000)]
Cells = Annotated[str, Field(pattern=rf"^[{LEVELS}]{{1,{SIDE}}}$")]


class Block(Part):
    """A search block, and where it stands in a picture.

    Args:
        column: from 0, from input to output.
        row: 0 for the finest branch.
        over: what stands below its column.
        live: units left, by kernel size in the order of the portrait's.
        full: of those before the search.
        weights: prunable ones that the search left.
        kept: of them, those that the mask keeps.
    """

    column: Place
    row: Place
    over: str = Field(max_length=64)
    live: tuple[Count, ...] = Field(max_length=9)
    full: tuple[Positive, ...] = Field(max_length=9)
    weights: Count
    kept: Count


class Layer(Part):
    """A layer's weights, and how many of them are kept."""

    name: Named
    weights: Positive
    kept: Count


class Mask(Part):
    """The mask of one layer, a row an output, a column an input and place of the kernel; cells of several where many.

    Args:
        layer: its name.
        size: outputs, and inputs times places.
        rows: one of `LEVELS` a cell.
    """

    layer: Named
    size: tuple[Positive, Positive]
    rows: tuple[Cells, ...] = Field(min_length=1, max_length=SIDE)

    @model_validator(mode="after")
    def _is_even(self) -> Self:
        if len({len(row) for row in self.rows}) > 1:
            raise ValueError("its rows are not of one length")
        return self


class Portrait(Part):
    """One drawn ticket.

    Args:
        record: of its draw.
        ticket: the hash of its content.
        kernels: sizes of a block's kernels; of a host that is not searched none.
        blocks: of a searched host.
        layers: all that are prunable, in the host's order.
        mask: of the layer with most weights; there where there are layers.
        curve: of its drawing, where that was kept.
    """

    format: Literal[1] = Field(default=SCHEMA, alias="schema")
    record: Plain
    ticket: Hash
    kernels: tuple[Positive, ...]
    blocks: tuple[Block, ...] = Field(max_length=LONGEST)
    layers: tuple[Layer, ...] = Field(max_length=LONGEST)
    mask: Mask | None
    curve: Curve | None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if any({len(block.live), len(block.full)} != {len(self.kernels)} for block in self.blocks):
            raise ValueError("a block has units of other kernels than the portrait")
        if self.layers and self.mask is None:
            raise ValueError("it has layers and no mask")
        return self

    def to_bytes(self) -> bytes:
        """Its file."""
        return f"{self.model_dump_json(by_alias=True)}\n".encode()


def read(path: Path) -> Portrait:
    """A portrait.

    Raises:
        UserError: the file is damaged, or another's; names what is wrong.
    """
    with reading(path, "no portrait of a ticket", "delete it, and let bench.publish write it anew"):
        found = Portrait.model_validate_json(bounded.read(path, MOST))
    if path.stem != found.record:
        raise UserError(f"{path} is the portrait of {found.record}; name it by that.")
    return found


def beside(records: Path) -> Path:
    """Where the portraits of a folder of records lie, as results/portraits of results/records."""
    return records.parent / FOLDER


def read_all(folder: Path) -> dict[str, Portrait]:
    """All portraits in a folder, by record; none where there is no such folder.

    Raises:
        UserError: one is damaged.
    """
    return {path.stem: read(path) for path in sorted(folder.glob("*.json")) if not path.name.startswith(".")}
