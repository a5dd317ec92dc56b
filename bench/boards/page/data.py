"""What the page's scripts know: the boards' rows as numbers, and where their records are. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bench.boards import render
from bench.boards.leaderboard import Board, Row
from bench.boards.overall import Line, Overall, over_targets
from bench.boards.result import Key

DIGITS = 16
"""Of a ticket's hash, which tell it from all others; its record has them all."""


def block(boards: Iterable[Board]) -> str:
    """The data block: JSON, the same bytes for the same boards.

    Returns:
        An object with
        `commands`, the commands that draw tickets again, each once;
        `boards`, in the order of the page, each with `id`, `kind` ("overall", "transfer" or "draw"), `task`,
        `metric`, `setting` and its complete `rows` in the order of its table.
        A row has its place among the filters, `keys` to sort its columns by, what the charts show, and
        `records` as [id, seed, score, first digits of the ticket's hash, index of its command].
    """
    boards = tuple(boards)
    commands = sorted({r.redraw for board in boards for row in board.rows for r in row.results if r.redraw})
    index = {command: number for number, command in enumerate(commands)}
    told = [_overall(found, name) for found, name in zip(over_targets(boards), overall_ids(boards), strict=True)]
    told += [_board(board, name, index) for board, name in zip(boards, render.slugs(boards), strict=True)]
    return json.dumps({"boards": told, "commands": commands}, sort_keys=True, separators=(",", ":"), allow_nan=False)


def overall_ids(boards: Sequence[Board]) -> list[str]:
    """The sections' ids of the boards over all targets."""
    return [f"overall-{number}" for number, _ in enumerate(over_targets(boards), 1)]


def sort_keys(row: Row, columns: Sequence[render.Column]) -> list[float | str | None]:
    """What a row is sorted by, a column each: a number, None where there is none, or the text itself."""
    return [column.value(row) if column.value else column.cell(row).removeprefix(render.CONTROL) for column in columns]


def _board(board: Board, name: str, index: dict[str, int]) -> dict[str, Any]:
    columns = render.filled(board)
    return {
        "id": name,
        "kind": board.place.kind,
        "task": board.place.task,
        "metric": render.METRICS.get(board.metric, board.metric),
        "setting": ", ".join(render.setting_of(board.place)),
        "rows": [_row(row, columns, index) for row in board.rows],
    }


def _row(row: Row, columns: Sequence[render.Column], index: dict[str, int]) -> dict[str, Any]:
    return {
        **_place(row.key),
        "keys": sort_keys(row, columns),
        "targets": [row.key.target] if row.key.target else [],
        "score": row.mean,
        "half": row.half,
        "gap": row.gap and row.gap.mean,
        "gap_half": row.gap and row.gap.half,
        "cost": row.total_macs,
        "records": [
            [r.id, r.seed, r.score, r.ticket and r.ticket[:DIGITS], index.get(r.redraw or "")] for r in row.results
        ],
    }


def _place(key: Key) -> dict[str, Any]:
    """What a row is filtered by and drawn as."""
    return {
        "label": render.label(key),
        "method": key.method,
        "source": key.source,
        "recipe": render.recipe(key),
        "sparsity": key.sparsity,
        "role": key.role,
    }


def _overall(found: Overall, name: str) -> dict[str, Any]:
    rows = [
        {**_place(line.key), "role": "ticket", "keys": overall_keys(line), "targets": list(found.targets)}
        for line in found.lines
    ]
    setting = ", ".join(render.setting_of(found.boards[0].place))
    return {"id": name, "kind": "overall", "task": found.source, "metric": "", "setting": setting, "rows": rows}


def overall_keys(line: Line) -> list[float | str | None]:
    """What a line over all targets is sorted by, a column each."""
    words = [line.key.ticket, render.recipe(line.key)]
    numbers = [line.key.sparsity, line.average_rank, line.of_dense, *(row.mean for row in line.rows)]
    return [line.rank, *words, *numbers]
