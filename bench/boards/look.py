"""How methods look wherever they are drawn, on the page, in SVG and in PDF: a colour a family, a shape a variant. Pure.

The colours are told apart with normal sight, without red and without green cones (`tests/unit/test_look.py` has the
figure); shapes and labels tell what colours do not.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

INK, SOFT, GRID, PAPER = "#1c2026", "#59626e", "#dde1e6", "#ffffff"
"""Of texts and references, of what stands back, of lines behind, of the ground."""
BLACK = "#000000"
"""Of texts on colours."""
DARK_INK, DARK_SOFT, DARK_GRID, DARK_PAPER = "#e8ecf1", "#a3adb8", "#2c333b", "#14181d"
"""The same on a dark ground."""

COLOURS = {
    "search": ("#0055cc", "#0066dd"),
    "search, then prune": ("#cc66dd", "#ff99ff"),
    "prune once": ("#116644", "#aaff88"),
    "prune gradually": ("#dd7700", "#bb7700"),
    "rewind": ("#aa0000", "#995544"),
    "exchange": ("#dd2266", "#ee8888"),
    "train masks": ("#772266", "#aa3388"),
    "references": (INK, DARK_INK),
    "others": ("#7a8490", "#8b95a1"),
}
"""By family its colour on a light and on a dark ground."""

FAMILIES: dict[str, tuple[str, ...]] = {
    name: tuple(methods)
    for name, methods in yaml.safe_load(Path(__file__).with_name("looks.yaml").read_text(encoding="utf-8")).items()
}
"""Methods by family, each with the shape of its place; a new one goes to the end, so that no other changes its look."""

_FAMILY = {method: family for family, methods in FAMILIES.items() for method in methods}


def _star(corners: int, turn: float = 0.0, inner: float | None = None) -> str:
    """An SVG path of a regular polygon within the unit circle, or of a star where `inner` is its inner radius."""
    radii = (1.0,) if inner is None else (1.0, inner)
    count = corners * len(radii)
    angles = [math.radians(turn + 360 * i / count) for i in range(count)]
    spots = [(radii[i % len(radii)] * math.sin(a), -radii[i % len(radii)] * math.cos(a)) for i, a in enumerate(angles)]
    return "M" + "L".join(f"{round(x, 3) + 0:g},{round(y, 3) + 0:g}" for x, y in spots) + "Z"


SHAPES = {
    "circle": ("o", "M0,-.9A.9,.9,0,1,1,0,.9A.9,.9,0,1,1,0,-.9Z"),
    "square": ("s", "M-.8,-.8H.8V.8H-.8Z"),
    "diamond": ("D", _star(4)),
    "triangle-up": ("^", _star(3)),
    "triangle-down": ("v", _star(3, 180)),
    "plus": ("P", "M-.3,-.9H.3V-.3H.9V.3H.3V.9H-.3V.3H-.9V-.3H-.3Z"),
    "cross": ("X", "M0,-.42L.47,-.9L.9,-.47L.42,0L.9,.47L.47,.9L0,.42L-.47,.9L-.9,.47L-.42,0L-.9,-.47L-.47,-.9Z"),
    "star": ("*", _star(5, 0, 0.4)),
    "pentagon": ("p", _star(5)),
    "hexagon": ("h", _star(6)),
    "triangle-left": ("<", _star(3, -90)),
    "triangle-right": (">", _star(3, 90)),
    "thin-diamond": ("d", "M0,-1L.6,0L0,1L-.6,0Z"),
    "octagon": ("8", _star(8, 22.5)),
}
"""By shape its marker in matplotlib and its SVG path around (0, 0), 2 wide at most."""


@dataclass(frozen=True)
class Look:
    """How one method is drawn.

    Args:
        family: of `COLOURS`.
        shape: of `SHAPES`.
    """

    family: str
    shape: str

    @property
    def colour(self) -> str:
        """On a light ground."""
        return COLOURS[self.family][0]

    @property
    def dark(self) -> str:
        """On a dark ground."""
        return COLOURS[self.family][1]

    @property
    def marker(self) -> str:
        """In matplotlib."""
        return SHAPES[self.shape][0]

    @property
    def path(self) -> str:
        """As an SVG path around (0, 0), 2 wide at most."""
        return SHAPES[self.shape][1]


def family(method: str) -> str:
    """The family of a method as tables call it; what is not of ours is of the others.

    Example:
        >>> family("elastic of imp@rounds=3 on supernet/tiny"), family("mine")
        ('rewind', 'others')
    """
    name = re.sub(r"^.* of | on .*$|@.*$", "", method)
    return _FAMILY.get(name) or _FAMILY.get(name.partition("/")[0], "others")


def look(method: str) -> Look:
    """A method's look: that of its place in `FAMILIES`; with options, a shape by its name that no listed one has.

    Example:
        >>> look("omp").colour, look("omp").shape
        ('#116644', 'circle')
    """
    of = family(method)
    names, shapes = FAMILIES.get(of, ()), list(SHAPES)
    if method in names:
        return Look(of, shapes[names.index(method)])
    free = shapes[len(names) :]
    return Look(of, free[int(hashlib.sha256(method.encode()).hexdigest(), 16) % len(free)])


def looks(methods: Iterable[str]) -> dict[str, Look]:
    """The looks of methods that are shown together, by name; no two are alike while a family has a shape left.

    Listed methods look as everywhere; of others that would look alike the later by name takes the next free shape.
    """
    found: dict[str, Look] = {}
    names = sorted(set(methods), key=lambda name: (name not in FAMILIES.get(family(name), ()), name))
    for name in names:
        wish, taken, shapes = look(name), set(found.values()), list(SHAPES)
        start = shapes.index(wish.shape)
        turned = [replace(wish, shape=shape) for shape in shapes[start:] + shapes[:start]]
        found[name] = next((one for one in turned if one not in taken), wish)
    return found


def pale(colour: str, share: float) -> str:
    """A colour with so much of it left on a light ground.

    Example:
        >>> pale("#000000", 0.2), pale("#0055cc", 1)
        ('#cccccc', '#0055cc')
    """
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * share):02x}" for part in parts)


MORE, LESS = "#0055cc", "#c05800"
"""Of differences in favour of the first and of the second."""
UNDECIDED = 0.16
"""How much of its colour a cell keeps whose interval holds zero."""


def of_share(value: float) -> str:
    """The ground of a cell by a share in [0, 1]: white to blue; a share outside counts as the nearest.

    Example:
        >>> of_share(0), of_share(2)
        ('#ffffff', '#0055cc')
    """
    return pale(MORE, min(max(value, 0.0), 1.0))


def of_difference(value: float, largest: float, is_decided: bool) -> str:
    """The ground of a cell by a difference: the larger the deeper, an undecided one pale.

    Args:
        value: of the first minus the second.
        largest: difference that has the full colour.
        is_decided: whether its interval leaves out zero.
    """
    share = 0.35 + 0.65 * min(abs(value) / largest, 1.0) if largest else 0.0
    return pale(MORE if value > 0 else LESS, share if is_decided else UNDECIDED * bool(value))


def ink_on(ground: str) -> str:
    """The colour of a text on a ground, whichever of black and white has more contrast there.

    Example:
        >>> ink_on("#ffffff"), ink_on("#0055cc")
        ('#000000', '#ffffff')
    """
    return BLACK if _contrast(BLACK, ground) >= _contrast(PAPER, ground) else PAPER


def _contrast(one: str, other: str) -> float:
    """Of WCAG 2, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, as WCAG 2 has it.

    Example:
        >>> round(luminance("#ffffff"), 6)
        1.0
    """
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
