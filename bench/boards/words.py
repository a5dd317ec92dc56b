"""What boards, rows and settings are called wherever they are shown, and what is said below them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bench.boards.leaderboard import Board, Row
from bench.boards.overall import Overall
from bench.boards.result import Key, Place
from bench.numbers import stats
from bench.numbers.amounts import MISSING, percent

METRICS = {"top1": "top-1", "miou": "mIoU", "pck": "PCK@0.2", "ap": "OKS AP"}
BUDGETS = {"macs": "training MACs", "sparse": "sparse training MACs"}
"""What methods got alike, where that is not their steps."""
LONGEST = 200
"""Characters of a reason (an error, say) that a table shows."""


def recipe(key: Key) -> str:
    """How the ticket is trained on the target, as in "finetune, head kept"."""
    return (key.recipe or MISSING) + (", head kept" if key.head == "keep" else "")


def label(key: Key) -> str:
    """A row in words, as in "omp from cls/figures, rewind"; the recipe finetune goes without saying."""
    text = key.ticket
    if key.source and key.target:
        text += f" from {key.source}" + (" (native)" if key.is_native else "")
    if key.recipe not in (None, "finetune"):
        text += f", {key.recipe}"
    return text + (", head kept" if key.head == "keep" else "")


def heading(board: Board, boards: Sequence[Board] = ()) -> str:
    """What a board is about, in one line; names its data if another of the boards differs in nothing else."""
    place = board.place
    subject = f"Tickets drawn on {place.task}" if place.kind == "draw" else f"Transfers to {place.task}"
    parts = [f"{METRICS.get(board.metric, board.metric)} on {_split(board)}"] if board.metric else []
    parts += setting_of(place)
    if any(replace(other.place, data=place.data) == place != other.place for other in boards):
        parts.append(f"data {place.data or 'unknown'}")
    return f"{subject}: {', '.join(parts)}"


def setting_of(place: Place) -> list[str]:
    """Scale, host, budget and way of computing of a board in words, those that go without saying left out."""
    parts = [f"scale {place.scale}"]
    if place.host != f"supernet/{place.scale}":
        parts.append(f"host {place.host}")
    if place.equal in BUDGETS:
        parts.append(f"equal {BUDGETS[place.equal]}")
    if place.budget != 1:
        parts.append(f"budget {place.budget:g}")
    return parts + ([place.compute] if place.compute else [])


def slugs(boards: Sequence[Board]) -> list[str]:
    """A short name for each board, different from the others', for files and links: "seg-figures-tiny"."""
    names = [_slug(board) for board in boards]
    return [
        f"{name}-{board.place.data or 'unknown'}" if names.count(name) > 1 else name
        for name, board in zip(names, boards, strict=True)
    ]


def _slug(board: Board) -> str:
    place = board.place
    parts = ["draw"] if place.kind == "draw" else []
    parts += [place.task, place.scale]
    parts += [place.host] if place.host != f"supernet/{place.scale}" else []
    parts += [place.equal] if place.equal != "steps" else []
    parts += [f"{place.budget:g}"] if place.budget != 1 else []
    parts += [place.compute] if place.compute else []
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(parts)).strip("-.")


def _split(board: Board) -> str:
    return "test" if board.split in ("", "test") else f"test (officially {board.split})"


def notes(board: Board) -> list[str]:
    """One sentence for every row of sets, every incomplete row, what was left out, what speeds were measured by."""
    lines = [text for row in board.rows if (text := _of_members(row))]
    for row in board.incomplete:
        name = f"{label(row.key)}, sparsity {percent(row.key.sparsity)}"
        lines.append(f"Incomplete: {name}: {_clipped(row.missing or '')}.")
    if board.superseded:
        older = "1 older record" if board.superseded == 1 else f"{board.superseded} older records"
        lines.append(f"Left out: {older} of a job and seed that ran again.")
    if board.measured:
        what = "of the host without what is dead, one image, beside the dense one"
        lines.append(f"Speed-up and file: {what}, on {board.measured}.")
    return lines


def _of_members(row: Row) -> str | None:
    """What a set scores and what its members do alone, the mean over the seeds; None for a row of single tickets."""
    each = [result.members for result in row.results if result.members]
    if len(each) < len(row.results):
        return None
    alone, best = (stats.mean([of(scores) for scores in each]) for of in (stats.mean, max))
    name = f"{label(row.key)}, sparsity {percent(row.key.sparsity)}"
    return f"Set: {name}: {percent(row.mean)} together, a member alone {percent(alone)}, the best one {percent(best)}."


def _clipped(text: str) -> str:
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def overall_heading(found: Overall) -> str:
    """What an overall board is about, in one line."""
    setting = setting_of(found.boards[0].place)
    return f"Tickets of {found.source} over {len(found.targets)} targets: {', '.join(setting)}"


def overall_notes(found: Overall) -> list[str]:
    """One sentence for every method that lacks a target."""
    return [
        f"Incomplete: {label(key)}, sparsity {percent(key.sparsity)}: no complete row on {', '.join(targets)}."
        for key, targets in found.incomplete
    ]
