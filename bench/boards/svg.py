"""Figures as SVG text: the same bytes for the same drawing, whatever matplotlib's settings are here."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from tickets.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOFT, INK = "#59626e", "#1c2026"
COLOURS = ("#0b62a4", "#c2410c", "#0f766e", "#a21caf", "#4d7c0f", "#b91c1c", "#6d5bd0", "#7c5a10")
"""Of series, one after the other."""


def drawn(size: tuple[float, float], draw: Callable[[Figure], None], told: str) -> str:
    """A figure as SVG.

    Args:
        size: width and height in inches.
        draw: puts everything on the figure.
        told: its description, in the file's metadata.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError(
            'charts need the package matplotlib, which is not installed; pip install "ticketbench[plots]".'
        ) from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.hashsalt": "ticketbench", "svg.fonttype": "none", "font.size": 9})
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Description": told})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def plain(text: str) -> str:
    """Text that is not read as a formula."""
    return text.replace("$", r"\$")
