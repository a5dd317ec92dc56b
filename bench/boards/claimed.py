"""Verdicts of registered claims as texts: a table for people, and the blocks of pages that are made of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bench.boards.verdicts import NOT_RUN, Verdict
from bench.numbers.amounts import MISSING
from tickets.errors import UserError, unknown

HEADER = ("claim", "over", "as first registered", "two factors", "adjusted", "of", "p", "verdict")
"""`adjusted`: two factors again, at the level that Holm's procedure leaves for one `of` so many claims."""
BLOCK = re.compile(r"(<!-- claims: ([a-z0-9, -]+?) -->\n).*?(<!-- end of claims -->)", re.DOTALL)


def row(verdict: Verdict) -> tuple[str, ...]:
    """A text for each column of `HEADER`."""
    claim, first, found = verdict.claim, verdict.first, verdict.crossed
    told = f"{claim.claim} (late: {claim.late.why})" if claim.late else claim.claim
    if first is None:
        return (told, claim.over, MISSING, MISSING, MISSING, str(verdict.count), MISSING, NOT_RUN)
    old = f"{points(first.mean)}{between(first.low, first.high)}: {verdict.first_word}"
    two, adjusted, p = MISSING, MISSING, MISSING
    if found and verdict.interval:
        two = f"{points(found.mean)}{between(*found.interval())}"
        adjusted, p = between(*verdict.interval).strip(), f"{verdict.p:.3f}"
    word = f"{verdict.word}: {claim.void}" if claim.void else verdict.word
    return (told, claim.over, old, two, adjusted, str(verdict.count), p, word)


def points(fraction: float) -> str:
    """A difference in points, as in "+3.2"."""
    return f"{100 * fraction:+.1f}"


def between(low: float | None, high: float | None) -> str:
    """An interval in points after a space, as in " [+1.1, +5.5]"; nothing where there is none."""
    return "" if low is None or high is None else f" [{points(low)}, {points(high)}]"


def markdown(verdicts: Sequence[Verdict]) -> str:
    """A table of Markdown; claims of several families are told apart by their files' names."""
    several = len({one.family for one in verdicts}) > 1
    rows = [(f"`{one.family}`", *row(one)) if several else row(one) for one in verdicts]
    header = ("family", *HEADER) if several else HEADER
    rows = [
        (*cells[:-1], f"**{cells[-1].partition(':')[0]}**{''.join(cells[-1].partition(':')[1:])}") for cells in rows
    ]
    lines = [header, (":--",) * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def filled(page: str, verdicts: Mapping[str, Sequence[Verdict]], where: str = "the page") -> str:
    """A page whose blocks, as in <!-- claims: NAME, NAME --> to <!-- end of claims -->, are what the records say now.

    Args:
        page: its text.
        verdicts: by the names of their families' files.
        where: it lies, for messages.

    Raises:
        UserError: it has no block, or one that names an unknown family.
    """

    def table(found: re.Match[str]) -> str:
        names = [name.strip() for name in found[2].split(",")]
        for name in names:
            if name not in verdicts:
                raise unknown(f"family of claims in {where}", name, verdicts)
        return f"{found[1]}\n{markdown([one for name in names for one in verdicts[name]])}\n{found[3]}"

    text, count = BLOCK.subn(table, page)
    if not count:
        raise UserError(
            f"{where} has no block of claims; write <!-- claims: NAME --> and <!-- end of claims -->, a line each,"
            " where their table is to stand."
        )
    return text
