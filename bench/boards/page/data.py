"""What the page's scripts know: the boards' rows as texts and numbers, and where their records are. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bench.boards import look, ranking, words
from bench.boards.facts import called
from bench.boards.leaderboard import Board, Row
from bench.boards.page import field, pairs
from bench.boards.page.columns import USUAL, Column, columns, filled, newest
from bench.boards.page.samples import picture
from bench.boards.page.told import Told, member
from bench.boards.page.works import WORKS
from bench.boards.places import places
from bench.boards.ranking import Ranked
from bench.boards.result import Key, Result
from bench.records.portrait import Portrait
from tasks import TASKS
from tasks.base import Info
from tickets.drawers import DRAWERS
from tickets.errors import UserError

DIGITS = 16
"""Of a ticket's hash, which tell it from all others; its record has them all."""


def block(boards: Iterable[Board], portraits: Mapping[str, Portrait] | None = None) -> str:
    """The data block: JSON, the same bytes for the same boards.

    Args:
        boards: what to show.
        portraits: of drawn tickets, by the record of the draw.

    Returns:
        An object with
        `columns`, title, meaning, and whether numbers stand in them, and whether a table shows them unasked;
        `boards`, in the order of their names, each with `id`, `kind` ("transfer" or "draw"), `task`, `metric`,
        `setting`, `notes`, the numbers of its columns, its complete `rows`, best first, and its methods' `ranks`;
        `looks`, by method the number of its family among `look.COLOURS` and its symbol's path;
        `methods` and `tasks`, what is known of each by name;
        `pairs`, as `pairs.block` tells; `works`, authors, title and year by arXiv number;
        `commands`, the commands that draw tickets again, each once;
        `portraits`, by digits of a ticket's hash what `_portrait` tells.
        A row has its place among the filters, a text and a value a column, halves of intervals, what charts show, and
        `records` as [id, seed, score, digits of the ticket's hash, number of its command, created, seconds, commit].
    """
    boards = tuple(boards)
    commands = sorted({r.redraw for board in boards for row in board.rows for r in row.results if r.redraw})
    index = {command: number for number, command in enumerate(commands)}
    found = columns({})
    told = {
        "boards": [_board(board, name, index) for board, name in zip(boards, words.slugs(boards), strict=True)],
        "columns": [[one.title, one.about, one.value is not None, one.title in USUAL] for one in found],
        "commands": commands,
        "portraits": dict(_portraits(boards, portraits or {})),
        "looks": _looks(boards),
        "methods": {name: _method(key) for name, key in sorted(_methods(boards).items())},
        "tasks": {name: _task(name, boards) for name in sorted(_tasks(boards))},
        "pairs": pairs.block(boards),
        "works": WORKS,
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _board(board: Board, name: str, index: dict[str, int]) -> dict[str, Any]:
    all_columns = columns(places(board))
    shown = filled(board, all_columns)
    return {
        "id": name,
        "kind": board.place.kind,
        "task": board.place.task,
        "metric": words.METRICS.get(board.metric, board.metric),
        "split": board.split,
        "setting": ", ".join(words.setting_of(board.place)),
        "measured": board.measured,
        "notes": words.notes(board),
        "columns": [all_columns.index(column) for column in shown],
        "rows": [_row(row, shown, index) for row in board.rows],
        "ranks": [_ranked(one) for one in ranking.of_board(board)] if board.place.kind == "transfer" else [],
    }


def _ranked(one: Ranked) -> dict[str, Any]:
    """What a critical-difference diagram shows: each [name, method, average rank], groups as places of their ends."""
    methods = {called(row.key, row.edition): row.key.method for row in one.rows}
    place = {name: number for number, name in enumerate(one.ranking.ranks)}
    return {
        "sparsity": one.sparsity,
        "methods": [[name, methods[name], rank] for name, rank in one.ranking.ranks.items()],
        "apart": one.ranking.apart,
        "groups": [[place[members[0]], place[members[-1]]] for members in one.ranking.groups],
        "title": one.title,
        "said": one.said,
    }


def _row(row: Row, shown: Sequence[Column], index: dict[str, int]) -> dict[str, Any]:
    key = row.key
    return {
        "label": words.label(key),
        "method": key.method,
        "source": key.source,
        "recipe": words.recipe(key),
        "sparsity": key.sparsity,
        "role": key.role,
        "cells": [column.cell(row) for column in shown],
        "keys": [column.value(row) if column.value else None for column in shown],
        "halves": {number: half for number, column in enumerate(shown) if (half := _half(column, row)) is not None},
        "score": row.mean,
        "half": row.half,
        "gap": row.gap and [row.gap.mean, row.gap.half],
        "shares": {"dense": row.of_dense, "scratch": row.of_scratch},
        "costs": {
            "MACs": row.sparse_macs,
            "parameters": row.parameters,
            "deployed MACs": row.deployed_macs,
            "speed-up": row.faster,
            "training": row.total_macs,
        },
        "seconds": row.wall_s,
        "newest": newest(row)[:10],
        "records": [_record(one, index) for one in row.results],
    }


def _portraits(boards: Sequence[Board], known: Mapping[str, Portrait]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The portraits of draws that are shown."""
    draws = (row for board in boards if board.place.kind == "draw" for row in board.rows)
    for result in (result for row in draws for result in row.results):
        if result.ticket and result.id in known:
            yield result.ticket[:DIGITS], _portrait(known[result.id], result.ticket)


def _portrait(known: Portrait, ticket: str) -> dict[str, Any]:
    """What a picture is made of; `isAgain` where it is another ticket that the same command drew elsewhere."""
    return {
        "record": known.record,
        "isAgain": known.ticket != ticket,
        "kernels": known.kernels,
        "columns": [over for _, over in sorted({(one.column, one.over) for one in known.blocks})],
        "blocks": [[one.column, one.row, one.live, one.full, one.kept, one.weights] for one in known.blocks],
        "layers": [[one.name, one.kept, one.weights] for one in known.layers],
        "mask": known.mask and [known.mask.layer, known.mask.size, known.mask.rows],
        "curve": known.curve.points if known.curve else [],
    }


def _half(column: Column, row: Row) -> float | None:
    estimate = column.estimate(row) if column.estimate else None
    return estimate.half if estimate else None


def _record(one: Result, index: dict[str, int]) -> list[Any]:
    ticket = one.ticket and one.ticket[:DIGITS]
    seconds = None if one.wall_s is None else round(one.wall_s)
    told = [one.id, one.seed, one.score, ticket, index.get(one.redraw or "")]
    return [*told, one.created[:10], seconds, one.commit]


def _methods(boards: Sequence[Board]) -> dict[str, Key]:
    return {row.key.method: row.key for board in boards for row in (*board.rows, *board.incomplete)}


def _tasks(boards: Sequence[Board]) -> set[str]:
    return {name for board in boards for name in (board.place.task, *(row.key.source for row in board.rows)) if name}


def _looks(boards: Sequence[Board]) -> dict[str, tuple[int, str]]:
    """How methods are drawn wherever they are, here too."""
    families = list(look.COLOURS)
    found = look.looks(_methods(boards))
    return {name: (families.index(one.family), one.path) for name, one in found.items()}


def _method(key: Key) -> dict[str, Any]:
    told = member(DRAWERS, key.drawer)
    return {"drawer": key.drawer, "transform": key.transform if not key.is_spoilt else None, **_of_member(told)}


def _of_member(told: Told | None) -> dict[str, Any]:
    if told is None:
        return {}
    variant = {name: str(value) for name, value in told.variant.items()}
    return {
        "about": told.about,
        "place": told.place,
        "settings": dict(told.settings),
        "variant": variant,
        "facts": dict(told.facts),
        "works": list(told.works),
    }


def _task(name: str, boards: Sequence[Board]) -> dict[str, Any]:
    told: dict[str, Any] = {"counts": dict(next(_counts(name, boards), ()))}
    try:
        adapter = TASKS.load(name)
    except UserError:  # a plug-in's that is not installed here
        return told
    info = getattr(adapter, "info", None)
    if not isinstance(info, Info):  # somebody's own folder tells of itself only where it lies
        return told
    names = ("version", "outputs", "names", "test", "citation", "licence", "url")
    told |= {one: getattr(info, one) for one in names}
    return told | {"field": dict(adapter.field_counts), "reported": field.told(name), "picture": picture(name)}


def _counts(name: str, boards: Sequence[Board]) -> Iterator[tuple[tuple[str, int], ...]]:
    """Samples of each split as the task's records tell them."""
    for board in boards:
        if board.place.task == name:
            yield from (one.counts for row in board.rows for one in row.results if one.counts)
