"""Portraits of tickets: what a picture of one needs, taken from the ticket itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import torch
from pydantic import ValidationError
from torch import Tensor

from bench.records.curve import Curve
from bench.records.portrait import LEVELS, SIDE, Block, Layer, Mask, Portrait
from tickets.deploy import anatomy
from tickets.ticket import Ticket


def portrait_of(record: str, ticket: Ticket, curve: Curve | None) -> Portrait | None:
    """A ticket's portrait; None where there is more of it than a portrait holds, since no job fails for a picture.

    Args:
        record: id of its draw.
        ticket: verified.
        curve: of its drawing.
    """
    with suppress(ValidationError):
        return _portrait(record, ticket, curve)
    return None


def _portrait(record: str, ticket: Ticket, curve: Curve | None) -> Portrait:
    blocks, masks = anatomy.blocks(ticket), ticket.host.masks
    spots = anatomy.spots(block.name for block in blocks)
    blocks = blocks if spots else []
    return Portrait(
        record=record,
        ticket=ticket.hash,
        kernels=tuple(blocks[0].full) if blocks else (),
        blocks=tuple(_block(block, spots[block.name]) for block in blocks),
        layers=tuple(
            Layer(name=name.removesuffix(".weight"), weights=mask.numel(), kept=int(mask.sum()))
            for name, mask in masks.items()
        ),
        mask=_largest(masks),
        curve=curve,
    )


def _block(block: anatomy.Block, spot: anatomy.Spot) -> Block:
    return Block(
        column=spot.column,
        row=spot.row,
        over=spot.over,
        live=tuple(block.live[kernel] for kernel in block.full),
        full=tuple(block.full.values()),
        weights=block.weights,
        kept=block.kept,
    )


def _largest(masks: Mapping[str, Tensor]) -> Mask | None:
    """The mask with most weights, in at most `SIDE` x `SIDE` cells; None without any."""
    if not masks:
        return None
    name = max(masks, key=lambda one: masks[one].numel())
    whole = masks[name].flatten(1).float()
    cells = torch.stack([strip.mean(0) for strip in whole.tensor_split(min(SIDE, whole.shape[0]))])
    cells = torch.stack([strip.mean(1) for strip in cells.tensor_split(min(SIDE, cells.shape[1]), 1)], 1)
    rows = (cells * (len(LEVELS) - 1)).round().int().tolist()
    size = (whole.shape[0], whole.shape[1])
    return Mask(
        layer=name.removesuffix(".weight"), size=size, rows=tuple("".join(LEVELS[cell] for cell in row) for row in rows)
    )
