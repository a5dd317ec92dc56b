"""Files to damage: valid ones, mutated in their bytes or in their tree."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

ODD = (
    None, True, -1, 0, 1e308, float("nan"), float("inf"), 2**63, 10**400, "", "\x1b[2J", "../../x", "x" * 5000,
    "\ud800", [], {}, [[[[]]]], {"": {"": []}}, [0] * 1000, "hf_hub:x/y",
)  # fmt: skip
"""Values that stand where others belong."""
SPECIAL = (b"", b"\0" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"[" * 50_000, b"{" * 2000, b"9" * 5000, b"*a", b"&a ")


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Some bytes flipped, put in, doubled or left out, and perhaps the end cut off."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, min(len(data) - 1, draw(st.sampled_from((64, 512, 1 << 20)))))))
        way = draw(st.sampled_from(("flip", "put in", "leave out", "double")))
        if way == "flip" and data:
            data[at] ^= draw(st.integers(1, 255))
        elif way == "put in":
            data[at:at] = draw(st.one_of(st.sampled_from(SPECIAL), st.binary(max_size=9)))
        elif way == "leave out":
            del data[at : at + draw(st.integers(1, 64))]
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 256))]
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 5)) == 0 else data)


@st.composite
def regrown(draw: st.DrawFn, whole: Any) -> Any:
    """A copy of JSON data with some values removed, doubled, swapped for odd ones or nested deep."""
    tree = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(tree))
        if not places:
            break
        part, key = draw(st.sampled_from(places))
        way = draw(st.sampled_from(("odd", "odd", "any", "gone", "twin", "deep")))
        if way == "odd":
            part[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        elif way == "any":
            part[key] = draw(st.one_of(st.text(max_size=9), st.integers(), st.floats(), st.booleans()))
        elif way == "gone":
            del part[key]
        elif way == "twin":
            part[key] = [part[key]] * 2
        else:
            part[key] = _nested(part[key], draw(st.sampled_from((3, 17, 70, 400))))
    return tree


def as_json(tree: Any) -> bytes:
    """The text of a tree that may hold what JSON should not."""
    return json.dumps(tree).encode("utf-8", "surrogatepass")


def _nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


def _places(part: Any, left: int = 60) -> Any:
    """Each place of a tree, as its holder and key."""
    if left and isinstance(part, (dict, list)):
        for key in list(part) if isinstance(part, dict) else range(min(len(part), 50)):
            yield part, key
            yield from _places(part[key], left - 1)
