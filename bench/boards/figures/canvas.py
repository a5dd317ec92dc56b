"""A figure and its file, SVG or PDF: the same bytes for the same drawing, whatever matplotlib's settings are here."""

from __future__ import annotations

import hashlib
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.boards.look import INK, SOFT
from tickets.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

KINDS = ("svg", "pdf")
SMALL, USUAL, LARGE = 7.5, 8.5, 10
"""Sizes of letters in points: of what is said below, of labels, of the title."""
LETTER = 0.56
"""Width of a letter over its height, more than the mean, so that what is wrapped fits."""
MOST = 600
"""Letters of a title or of facts."""
POINTS = 72  # to an inch
EDGE, LINE = 6, 1.3
"""Points that stay free around all, and the distance of two lines over the height of letters."""

DATA = re.compile(r"data sha256:([0-9a-f]{64})")
MAKER = re.compile(r"<dc:title>(Matplotlib [^<]*)</dc:title>")
CLIP = re.compile(r'<clipPath id="(\w+)"')
NUMBER = re.compile(r"-?\d+\.\d+")
NEAR = 0.01
"""Points that a line may lie elsewhere when the same is drawn again."""
SETTINGS: Any = {
    "svg.hashsalt": "ticketbench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": USUAL,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Figure:
    """What is drawn alone, in one file.

    Args:
        name: which of the figures there are, as in "retention".
        slug: of what, different from all others of its name, for files.
        title: above it.
        facts: below it: its n, its budget rule, its date, and how to read it.
        size: width and height in inches, title and facts included.
        draw: puts everything between title and facts on matplotlib's figure.
        shown: all numbers and names that are drawn, which tell whether a file is current.
    """

    name: str
    slug: str
    title: str
    facts: str
    size: tuple[float, float]
    draw: Callable[[Drawing], None]
    shown: Any

    @property
    def file(self) -> str:
        """The name of its file, without the suffix."""
        return f"{self.name}-{self.slug}"

    @property
    def told(self) -> str:
        """Title, facts and a digest of what is shown, as the file's metadata tell."""
        whole = repr((self.title, self.facts, self.shown))
        digest = hashlib.sha256(whole.encode()).hexdigest()
        return f"{printable(self.title)}; {printable(self.facts)}; data sha256:{digest}"


def to_bytes(figure: Figure, kind: str = "svg") -> bytes:
    """A figure's file.

    Args:
        figure: what to draw.
        kind: of `KINDS`.

    Raises:
        UserError: matplotlib is not installed.
    """
    with drawing(figure, kind) as drawn:
        out = io.BytesIO()
        if kind == "pdf":
            told = {"Title": printable(figure.title), "Subject": figure.told, "CreationDate": None}
            drawn.savefig(out, format="pdf", metadata=told)
            return out.getvalue()
        drawn.savefig(out, format="svg", metadata={"Date": None, "Description": figure.told})
    return ("\n".join(line.rstrip() for line in _numbered(out.getvalue().decode()).splitlines()) + "\n").encode()


def _numbered(svg: str) -> str:
    """An SVG whose clip paths are called by their order.

    Matplotlib calls them by all digits of their places, of which a layout may move the last from run to run.
    """
    for number, name in enumerate(CLIP.findall(svg), start=1):
        svg = svg.replace(f'id="{name}"', f'id="clip-{number}"').replace(f"url(#{name})", f"url(#clip-{number})")
    return svg


@contextmanager
def drawing(figure: Figure, kind: str = "svg") -> Iterator[Drawing]:
    """Matplotlib's figure with everything on it, under settings that are the same everywhere.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_pdf import FigureCanvasPdf
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Drawing
    except ImportError as error:
        raise UserError(
            'figures need the package matplotlib, which is not installed; pip install "ticketbench[plots]".'
        ) from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a name may have signs that our font lacks, which a reader's has
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        drawn = Drawing(figsize=figure.size, layout="constrained", dpi=POINTS)
        (FigureCanvasPdf if kind == "pdf" else FigureCanvasSVG)(drawn)
        _framed(drawn, figure)
        figure.draw(drawn)
        yield drawn


def _framed(drawn: Drawing, figure: Figure) -> None:
    """Write title and facts, and leave the room between them to what is drawn."""
    width, height = figure.size
    title, below = wrapped(figure.title, width, LARGE), wrapped(figure.facts, width, SMALL)
    left, edge = EDGE / POINTS / width, EDGE / POINTS / height
    drawn.text(left, 1 - edge, title, fontsize=LARGE, va="top", linespacing=LINE)
    drawn.text(left, edge, below, fontsize=SMALL, va="bottom", color=SOFT, linespacing=LINE)
    head = (lines(title) * LARGE * LINE + 2 * EDGE) / POINTS / height
    engine: Any = drawn.get_layout_engine()
    engine.set(rect=(0.0, 0.0, 1.0, 1 - head), w_pad=EDGE / POINTS, h_pad=EDGE / POINTS)
    raised(drawn, lines(below) * SMALL * LINE + 2 * EDGE)


def framed(title: str, facts: str, width: float) -> float:
    """Inches that title and facts take of a figure's height.

    Args:
        title: above.
        facts: below.
        width: of the figure in inches.
    """
    head = lines(wrapped(title, width, LARGE)) * LARGE * LINE + 2 * EDGE
    return (head + lines(wrapped(facts, width, SMALL)) * SMALL * LINE + 2 * EDGE) / POINTS


def lines(text: str) -> int:
    """How many lines a text has."""
    return text.count("\n") + 1


def raised(drawn: Drawing, points: float) -> None:
    """Leave so many more points free at the foot."""
    engine: Any = drawn.get_layout_engine()
    left, bottom, width, height = engine.get()["rect"]
    more = points / POINTS / drawn.get_figheight()
    engine.set(rect=(left, bottom + more, width, height - more))


def foot(drawn: Drawing) -> float:
    """How much of the height is free at the foot."""
    engine: Any = drawn.get_layout_engine()
    return float(engine.get()["rect"][1])


def wrapped(text: str, width: float, size: float) -> str:
    """A text in lines that are no wider than so many inches at letters of so many points."""
    return textwrap.fill(clipped(text, MOST), max(int(width * POINTS / (size * LETTER)), 20))


def printable(text: str) -> str:
    """A text on one line; a replacement character for what no font shows and no file holds, as marks of direction.

    Example:
        >>> printable("a\\n b\\u202ec")
        'a b\ufffdc'
    """
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))


def clipped(text: str, length: int) -> str:
    """A text of so many letters at most, on one line.

    Example:
        >>> clipped("supertickets", 8), clipped("omp", 8)
        ('superti…', 'omp')
    """
    text = printable(text)
    return text if len(text) <= length else text[: length - 1] + "…"


def is_current(old: str, new: str) -> bool:
    """Whether an SVG shows what it should: the same data, drawn alike to `NEAR` or by another matplotlib."""
    same_data = [match.group(1) for match in DATA.finditer(old)] == [match.group(1) for match in DATA.finditer(new)]
    return old == new or (same_data and (MAKER.findall(old) != MAKER.findall(new) or _alike(old, new)))


def _alike(old: str, new: str) -> bool:
    """Whether two texts differ in nothing but numbers, and in these by no more than `NEAR`."""
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=False)
    return NUMBER.sub("#", old) == NUMBER.sub("#", new) and all(abs(float(a) - float(b)) <= NEAR for a, b in pairs)
