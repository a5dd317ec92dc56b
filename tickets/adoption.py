"""Somebody else's sparse network as a ticket: masks found in a checkpoint, weights fitted, everything measured."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.patterns import ELEMENT, PATTERNS
from tickets.patterns.base import Pattern, Share
from tickets.pruning.masks import Masks, ones, project, prunable, sparsity_of
from tickets.search.searchable import live_units
from tickets.ticket import Part, Ticket, copied
from tickets.weights import State, read

MASK, BELOW = "mask", ("original", "orig")
PREFIXES = ("module.", "_orig_mod.")
"""What PyTorch's wrappers put before every name."""

CHANCE = 1e-4
"""Share of zeros up to which a file without masks is of a dense network: some weights are drawn or rounded to zero."""

NOTHING_DRAWN: Mapping[str, Any] = {
    "drawer": "elsewhere",
    "options": {},
    "joint": False,
    "lasting_rho": 0.0,
    "seed": 0,
    "settings": {},
    "scores": {},
    "spent": {"macs": 0, "sparse_macs": 0, "images": 0},
}
"""What the provenance of a drawn ticket tells of its drawing, of one that was not drawn here."""


@dataclass(frozen=True)
class Adopted:
    """A ticket of a checkpoint, and what was seen on the way.

    Args:
        ticket: without a head.
        entries: how many of the host's weights had masks in the file; the masks of the others are their zeros.
        patterns: by pattern how many of the layers that lost weights have it, and no narrower one.
        chance: weights that are zero in a dense network, and kept.
    """

    ticket: Ticket
    entries: int
    patterns: Mapping[str, int]
    chance: int = 0


def adopt(
    path: Path,
    spec: HostSpec,
    host: str,
    size: tuple[int, int],
    source: str | None = None,
    macs: int | None = None,
) -> Adopted:
    """Make a ticket of a file whose weights hold zeros, or that carries masks.

    Args:
        path: safetensors, or a state dict that `torch.save` wrote, as `tickets.weights.read` reads it.
        spec: the host.
        host: its name, for messages.
        size: (H, W) of the images that its MACs are counted for where nobody says another.
        source: the task that it was drawn on, as its owner says; None where nobody does.
        macs: training MACs of its drawing, as its owner says; None where nobody does.

    Returns:
        The ticket, whose sparsity and pattern are those of the masks that were found.

    Raises:
        UserError: the file is no checkpoint, its masks are none, or it does not fit the host; names the first tensor.
    """
    state, entries = parted(_bare(_read(path)), path)
    built = spec.filled(state, path)
    kept = prunable(spec.filled(_as_numbers(state, entries), path))
    masks = {name: kept[name].detach() != 0 for name in prunable(built)}
    if not any(mask.any() for mask in masks.values()):
        raise UserError(f"{path} keeps no weight of {host}; give a network that has some left.")
    chance = 0 if entries or sparsity_of(masks) > CHANCE else sum(int((~mask).sum()) for mask in masks.values())
    if chance:
        masks = ones(kept)
    patterns = {name: _finest(name, mask) for name, mask in masks.items() if not mask.all()}
    raw = copied(built)
    project(built, masks)
    part = Part(masks, raw, copied(built), units=live_units(built))
    stated = {"host": host, "source": source, "size": list(size), "base": _owner(path, macs)}
    provenance = {**NOTHING_DRAWN, **stated, **_shape(masks, set(patterns.values()))}
    return Adopted(Ticket(spec, part, provenance=provenance), len(entries), Counter(patterns.values()), chance)


def _owner(path: Path, macs: int | None) -> dict[str, Any]:
    """The checkpoint as what the ticket was made from, at the cost that is stated."""
    return {"hash": hashlib.sha256(path.read_bytes()).hexdigest(), "macs": macs or 0, "stated": macs}


def _shape(masks: Masks, seen: set[str]) -> dict[str, Any]:
    """Sparsity and pattern: one that all layers have, those included that lost nothing; else single weights."""
    pattern = next((one for one in PATTERNS.builtin if one in seen and _has(PATTERNS.make(one), masks)), ELEMENT)
    told = {} if pattern == ELEMENT else {"pattern": pattern}
    return {"sparsity": shortest(PATTERNS.make(pattern), masks), **told}


def parted(state: Mapping[str, Tensor], where: object) -> tuple[State, Masks]:
    """A state under its plain names, and the masks that it carries by the names of what they mask.

    Known are `weight_orig` and `weight_mask` of `torch.nn.utils.prune`, `parametrizations.weight.original` and
    `parametrizations.weight.0.mask` of `torch.ao.pruning`, sparsimony and `tickets.pruning.lasting`, and `weight_mask`
    beside a plain `weight`.

    Args:
        state: tensors by name.
        where: the file, for messages.

    Raises:
        UserError: a mask has no tensor, another shape, or other values than 0 and 1; or a tensor is made of others by
            something that is no mask.

    Example:
        >>> import torch
        >>> ones = torch.ones(2)
        >>> parted({"fc.weight_orig": ones, "fc.weight_mask": torch.tensor([0.0, 1.0])}, "a file")
        ({'fc.weight': tensor([1., 1.])}, {'fc.weight': tensor([False,  True])})
    """
    plain: State = {}
    masks: Masks = {}
    for name, tensor in state.items():
        owner, is_mask = _meant(name, where)
        if is_mask:
            masks[owner] = _boolean(name, tensor, where)
        else:
            plain[owner] = tensor
    for name, mask in masks.items():
        shape = list(plain[name].shape) if name in plain else "absent"
        if list(mask.shape) != shape:
            raise UserError(
                f"{where} has a mask of {list(mask.shape)} for '{name}', which is {shape}; save both alike."
            )
    return plain, masks


def _read(path: Path) -> State:
    state = read(path)
    if any(name.startswith("host.raw.") for name in state):
        raise UserError(f"{path} is a ticket already; give it to bench.run as it is, by --drawer adopted@file={path}.")
    return state


def shortest(pattern: Pattern, masks: Masks) -> float:
    """The sparsity of fewest digits by which a drawer of this pattern would keep exactly as many weights.

    Example:
        >>> import torch
        >>> shortest(PATTERNS.make("element"), {"w": torch.arange(11) < 4})
        0.6
    """
    measured = pattern.sparsity(masks)
    for digits in range(1, 17):
        tried = float(f"{measured:.{digits}g}")
        try:
            if tried < 1 and pattern.wrong(masks, pattern.target(tried)) is None:
                return tried
        except UserError:  # the pattern has another sparsity
            continue
    return measured


def _meant(name: str, where: object) -> tuple[str, bool]:
    """The plain name that an entry is about, and whether it is a mask of it."""
    layer, parametrised, rest = name.partition("parametrizations.")
    if parametrised:
        tensor, _, entry = rest.partition(".")
        if entry not in BELOW and entry.partition(".")[2] != MASK:
            raise UserError(f"{where} makes a weight of '{name}', which is no mask; save the weights that come of it.")
        return layer + tensor, entry not in BELOW
    own, underscore, entry = name.rpartition("_")
    if underscore and entry in (MASK, *BELOW):
        return own, entry == MASK
    return name, False


def _boolean(name: str, mask: Tensor, where: object) -> Tensor:
    if odd := mask[(mask != 0) & (mask != 1)].flatten()[:1].tolist():
        raise UserError(f"{where} has the value {odd[0]:g} in the mask '{name}'; a mask holds 0 and 1.")
    return mask != 0


def _bare(state: State) -> State:
    """A state without what a wrapper put before every name."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def _as_numbers(state: State, masks: Masks) -> State:
    """A state with 1 where a weight is kept and 0 where it is not, so that masks find their places as weights do."""
    there = {name: masks.get(name, tensor != 0) for name, tensor in state.items() if tensor.dim() > 1}
    return state | {name: mask.float() for name, mask in there.items()}


def _finest(name: str, mask: Tensor) -> str:
    """The narrowest pattern of a layer that lost weights: of large groups that go whole, then of n of few."""
    found = {one: made for one in PATTERNS.builtin if _has(made := PATTERNS.make(one), {name: mask})}

    def width(one: str) -> tuple[bool, int]:
        entries, shares = found[one].grouping(name, mask.shape).shape[1], isinstance(found[one], Share)
        return shares, entries if shares else -entries

    return min(found, key=width, default=ELEMENT)


def _has(pattern: Pattern, masks: Masks) -> bool:
    """Whether masks are of a pattern whose groups hold more than a weight."""
    try:
        is_plain = all(pattern.grouping(name, mask.shape).shape[1] == 1 for name, mask in masks.items())
        return not is_plain and sparsity_of(masks) > 0 and pattern.wrong(masks, pattern.sparsity(masks)) is None
    except UserError:  # it does not divide a layer
        return False
