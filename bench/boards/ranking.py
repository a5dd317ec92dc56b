"""Methods by their average ranks over jobs, which of them are told apart, and the test that says so (J. Demsar, JMLR 7,
2006). Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from bench.boards.facts import called, facts, metric
from bench.boards.leaderboard import Board, Row
from bench.boards.overall import MAJORITY
from bench.boards.words import setting_of
from bench.numbers import stats

FEWEST = 3
"""Methods from which on ranks are compared; two are compared in pairs."""

Blocks = Sequence[Mapping[str, float]]
"""Score by method, of jobs that all methods share."""


@dataclass(frozen=True)
class Ranking:
    """Methods over the jobs that all of them share.

    Args:
        blocks: at least one job, with the same methods, of which there are two or more.
    """

    blocks: Blocks

    @cached_property
    def ranks(self) -> dict[str, float]:
        """Average rank by method, the best first."""
        return stats.average_ranks(self.blocks)

    @cached_property
    def apart(self) -> float:
        """How far two ranks must lie apart to differ at 5 % (Nemenyi)."""
        return stats.critical_difference(len(self.ranks), len(self.blocks))

    @cached_property
    def p(self) -> float | None:
        """Of Friedman's test that all methods are alike."""
        return stats.friedman(self.blocks)

    @property
    def is_decided(self) -> bool:
        """Whether Friedman's test shows any difference."""
        return self.p is not None and self.p < 1 - stats.LEVEL

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """Which methods are not told apart; all of them where Friedman's test shows no difference."""
        return stats.cliques(self.ranks, self.apart) if self.is_decided else [tuple(self.ranks)]

    @property
    def clauses(self) -> list[str]:
        """The tests, what they say, and whether the jobs are too few for them."""
        found, most = [f"N = {len(self.blocks)} jobs by source and seed, taken as independent"], len(self.ranks) - 1
        if self.p is not None:
            found.append(f"Friedman test (Iman and Davenport): p {'< 0.001' if self.p < 0.001 else f'= {self.p:.3f}'}")
        if self.apart >= most:
            found.append(
                f"too few jobs: ranks differ by Nemenyi's test from {self.apart:.2f} on, and can by {most} at most"
            )
        elif not self.is_decided:
            found.append("which shows no difference, so that none is told apart")
        else:
            found.append("Nemenyi's test at 5 %: bars join what is not told apart")
        return found


@dataclass(frozen=True)
class Ranked:
    """The ranking of a board's tickets of one sparsity, and what is said of it wherever it is drawn.

    Args:
        board: of transfers.
        sparsity: of the tickets.
        ranking: of the methods that have all jobs.
        rows: theirs.
        lacking: names of the methods that lack some of these jobs.
    """

    board: Board
    sparsity: float
    ranking: Ranking
    rows: Sequence[Row]
    lacking: Sequence[str]

    @property
    def title(self) -> str:
        """Of what, and by which metric."""
        place = self.board.place
        setting = f"{metric(self.board.metric)}, {', '.join(setting_of(place))}"
        return f"Average ranks on {place.task} at sparsity {100 * self.sparsity:.3g} %: {setting}"

    @property
    def said(self) -> str:
        """n, tests, who is left out, budget rule and day."""
        lack = [f"{len(self.lacking)} more methods lack some of these jobs"] if self.lacking else []
        return facts(self.board.place, self.rows, *self.ranking.clauses, *lack)


def of_board(board: Board) -> Iterator[Ranked]:
    """A ranking for every sparsity of a target at which three methods share a job.

    Args:
        board: of transfers.
    """
    for sparsity in sorted({row.key.sparsity for row in board.rows if row.key.role == "ticket"}):
        rows = [row for row in board.rows if row.key.sparsity == sparsity and row.key.role in ("ticket", "native")]
        blocks, lacking, shown = _blocks(rows)
        if blocks and len(blocks[0]) >= FEWEST:
            yield Ranked(board, sparsity, Ranking(blocks), shown, lacking)


def _blocks(rows: Sequence[Row]) -> tuple[list[dict[str, float]], list[str], list[Row]]:
    """Scores of the jobs that half of the methods have, by those that have all of these; the names of the others; the
    rows that count.
    """
    scores: dict[str, dict[tuple[str, int], float]] = defaultdict(dict)
    of: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        name = called(row.key, row.edition)
        of[name].append(row)
        scores[name] |= {(row.key.source or "", seed): score for seed, score in row.by_seed.items()}
    counts = Counter(job for found in scores.values() for job in found)
    jobs = {job for job, count in counts.items() if count >= MAJORITY * len(scores)}
    whole = sorted(name for name, found in scores.items() if found.keys() >= jobs)
    blocks = [{name: scores[name][job] for name in whole} for job in sorted(jobs)]
    return blocks, sorted(scores.keys() - set(whole)), [row for name in whole for row in of[name]]
