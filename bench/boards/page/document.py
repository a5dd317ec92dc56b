"""The page's HTML: an overview that reads without scripts, the data block, scripts that make the other views."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

from bench.boards import look
from bench.boards.leaderboard import Board
from bench.boards.page import data
from bench.boards.page.overview import overview
from bench.boards.verdicts import Verdict
from bench.records.portrait import Portrait

SCRIPTS = (
    "shared.js", "state.js", "exports.js", "portraits.js", "row.js", "slices.js", "cards.js", "files.js", "tables.js",
    "scales.js", "labels.js", "charts.js", "tradeoffs.js", "retention.js", "transfer.js", "ranks.js", "compare.js",
    "members.js", "start.js",
)  # fmt: skip
"""In the order in which they run."""


def to_html(
    boards: Iterable[Board],
    records: str = "",
    folder: str = "",
    feed: str = "",
    verdicts: Sequence[Verdict] = (),
    portraits: Mapping[str, Portrait] | None = None,
) -> str:
    """The whole page.

    Args:
        boards: what to show.
        records: address of the folder of records, relative to the page and with a final slash.
        folder: the same folder as commands name it; "" for the usual one.
        feed: address of the feed of new rows; "" where there is none.
        verdicts: of registered claims.
        portraits: of drawn tickets, by the record of the draw.
    """
    boards = tuple(boards)
    scripts = [_asset(name) for name in SCRIPTS]
    results = [one for board in boards for row in (*board.rows, *board.incomplete) for one in row.results]
    return Template(_asset("page.html")).substitute(
        policy=_policy(scripts),
        style=_asset("page.css") + _colours(),
        records=escape(records),
        folder=escape(folder),
        count=f"{len(results):,}",
        newest=max((one.created[:10] for one in results), default=""),
        overview=overview(boards, feed, verdicts),
        data=_packed(data.block(boards, portraits)),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def address(folder: Path, start: Path) -> str:
    """How a page in one folder links to files of another.

    Example:
        >>> address(Path("results/my records"), Path("pages"))
        '../results/my%20records/'
    """
    return quote(Path(os.path.relpath(folder, start)).as_posix()) + "/"


def _asset(name: str) -> str:
    return (files("bench.boards.page") / name).read_text(encoding="utf-8")


def _colours() -> str:
    """The style sheet's part of what all figures share: grounds, inks, a colour a family, of maps more and less."""
    shared = {"more": look.MORE, "less": look.LESS}
    light = {"ink": look.INK, "soft": look.SOFT, "line": look.GRID, "paper": look.PAPER, **shared}
    dark = {"ink": look.DARK_INK, "soft": look.DARK_SOFT, "line": look.DARK_GRID, "paper": look.DARK_PAPER}
    for number, (on_light, on_dark) in enumerate(look.COLOURS.values()):
        light[f"f{number}"], dark[f"f{number}"] = on_light, on_dark
    rules = [" ".join(f"--{name}: {colour};" for name, colour in told.items()) for told in (light, dark)]
    return f":root {{ {rules[0]} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {rules[1]} }} }}\n"


def _packed(text: str) -> str:
    """A text as gzip in base64, a third of its size, for the scripts to unpack; the same bytes each time."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _policy(scripts: Sequence[str]) -> str:
    """A content security policy: these scripts and no others, nothing from anywhere."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
