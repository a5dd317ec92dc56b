"""Any two methods over all that they share: what the page compares. The numbers are those of bench.compare. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from bench.boards import pairing, words
from bench.boards.leaderboard import Board
from bench.boards.pairing import OF, Cell
from bench.numbers import stats

MOST = 400
"""Pairs whose pooled intervals a page holds, those that share most; of the others it shows the single jobs."""
DEGREES = 40


def block(boards: Iterable[Board]) -> dict[str, Any]:
    """What the comparing view knows.

    Returns:
        `names`; `cells`, each with where it is and scores as {number of the name: {seed: score}}; `pooled`, by
        "first|second|target|sparsity" (numbers of names, the last two empty for all of them) the mean, both ends of the
        interval, clusters and jobs; `quantiles` of Student's t by degrees of freedom from 1.
    """
    cells = pairing.celled(
        sorted(
            (
                (board.place, row.key, {one.seed: one for one in row.results})
                for board in boards
                for row in (*board.rows, *board.incomplete)
            ),
            key=lambda job: pairing.edition(job[1]),
        )
    )
    found = {cell: scores for cell, scores in sorted(cells.items()) if len(scores) > 1}
    names = pairing.names_of(found)
    shared = Counter(pair for scores in found.values() for pair in combinations(sorted(scores), 2) if _is_told(*pair))
    pairs = sorted(shared, key=lambda pair: (-shared[pair], pair))
    number = {name: at for at, name in enumerate(names)}
    return {
        "names": names,
        "cells": [
            {**_where(cell), "scores": {number[name]: scores for name, scores in by_name.items()}}
            for cell, by_name in found.items()
        ],
        "pooled": {
            f"{number[left]}|{number[right]}|{scope}": pooled
            for left, right in pairs[:MOST]
            for scope, pooled in _pooled(list(pairing.paired(found, left, right))).items()
        },
        "quantiles": [stats.quantile(degrees) for degrees in range(1, DEGREES)],
    }


def _is_told(left: str, right: str) -> bool:
    """Two methods, or one and what a transform made of it; not the forms of different ones."""
    forms = [OF in name for name in (left, right)]
    return not any(forms) or left.endswith(OF + right) or right.endswith(OF + left)


def _where(cell: Cell) -> dict[str, Any]:
    head = ", head kept" if cell.head == "keep" else ""
    setting = ", ".join(words.setting_of(cell.place))
    told = {"target": cell.place.task, "source": cell.source, "recipe": cell.recipe + head, "setting": setting}
    return {**told, "sparsity": cell.sparsity}


def _pooled(found: Sequence[tuple[Cell, Mapping[int, float]]]) -> dict[str, list[Any]]:
    """Differences pooled over everything, by target, by sparsity, and by both."""
    scopes: dict[str, list[tuple[Cell, Mapping[int, float]]]] = {}
    for one in found:
        for target in ("", one[0].place.task):
            for sparsity in ("", f"{one[0].sparsity:g}"):
                scopes.setdefault(f"{target}|{sparsity}", []).append(one)
    told: dict[tuple[int, ...], list[Any]] = {}
    for members in scopes.values():
        same = tuple(map(id, members))
        if same not in told:
            whole = pairing.pooled_by_seed(members)
            told[same] = [whole.mean, whole.low, whole.high, whole.clusters, whole.n]
    return {scope: told[tuple(map(id, members))] for scope, members in scopes.items()}
