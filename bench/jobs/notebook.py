"""Progress bars in a notebook: an output of the cell that is written anew in place; needs no widgets."""

from __future__ import annotations

import html
import io
import threading
from typing import Any

from rich.console import Console
from rich.progress import Progress

WIDTH = 110  # characters
PERIOD_S = 0.5


class Output:
    """Shows bars under the cell that runs, for as long as a block runs.

    Args:
        bars: what to show; they are asked for from a thread of their own.
    """

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Output:
        from IPython.display import display

        self._handle: Any = display(_Shown(""), display_id=True)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self._handle.update(_Shown(""))

    def _renew(self) -> None:
        while not self._over.wait(PERIOD_S):
            self._handle.update(_Shown(drawn(self.bars)))


class _Shown:
    """A text for IPython's display."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text)}</pre>" if self.text else ""


def drawn(bars: Progress) -> str:
    """Bars as plain text, a line each."""
    out = io.StringIO()
    Console(file=out, width=WIDTH, no_color=True, force_jupyter=False, force_terminal=False).print(bars)
    return out.getvalue()
