"""New rows as an Atom feed (RFC 4287): a file that readers of feeds subscribe to, the same bytes for the same rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from bench.boards import words
from bench.boards.leaderboard import Board, Row
from bench.numbers.amounts import interval, percent

MOST = 100
"""Rows that a feed holds, the newest."""
PAGE = "leaderboard.html"


def to_atom(boards: Iterable[Board]) -> str:
    """The newest complete rows of all boards, each an entry that links to its row of the page beside the feed."""
    boards = tuple(boards)
    rows = [
        (newest, slug, words.heading(board, boards), row)
        for board, slug in zip(boards, words.slugs(boards), strict=True)
        for row in board.rows
        if (newest := max(one.created for one in row.results))
    ]
    rows.sort(key=lambda one: (one[0], one[1], one[3].key.name), reverse=True)
    entries = "".join(_entry(*one) for one in rows[:MOST])
    updated = rows[0][0] if rows else "1970-01-01T00:00:00Z"
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"<title>ticketbench: new rows</title><id>urn:ticketbench:rows</id><updated>{escape(updated)}</updated>\n"
        f"<author><name>ticketbench</name></author><link href={quoteattr(PAGE)}/>\n{entries}</feed>\n"
    )


def _entry(newest: str, slug: str, heading: str, row: Row) -> str:
    rank = "" if row.rank is None else f", rank {row.rank}"
    title = f"{words.label(row.key)} at {percent(row.key.sparsity)}: {interval(row.score)}{rank}"
    kind = {"kind": "draw"} if row.key.target is None else {}
    state = {"view": "tables", **kind, "board": slug, "sparsity": f"{row.key.sparsity:g}", "open": row.results[0].id}
    digest = hashlib.sha256("\0".join([slug, *row.key.name, newest]).encode()).hexdigest()
    return (
        f"<entry><title>{escape(title)}</title><id>urn:sha256:{digest}</id><updated>{escape(newest)}</updated>"
        f"<link href={quoteattr(f'{PAGE}#{urlencode(state)}')}/><summary>{escape(heading)}</summary></entry>\n"
    )
