"""What the records say in short: three answers with intervals, the best ticket of every table, hours. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.boards import pairing
from bench.boards.leaderboard import Board, Row
from bench.boards.pairing import NATIVE, TRANSFERRED, Cell
from bench.boards.places import Places, places
from bench.boards.result import Key
from bench.numbers import stats
from bench.numbers.crossed import crossed
from tasks import EMBEDDED

Differences = list[tuple[Cell, Mapping[int, float]]]
DRAWN, PHOTOGRAPHS = "on drawn images", "on photographs"


@dataclass(frozen=True)
class Sure:
    """A difference, and how sure it is for other sources and seeds than those that were seen.

    Args:
        mean: as a fraction; over sources and seeds where those tell an interval, else over jobs.
        interval: of 95 %, sources and seeds taken as two samples; None where too few tell a spread.
        jobs: that it was seen on.
        sources: that the mean is over.
        seeds: likewise.
    """

    mean: float
    interval: tuple[float, float] | None
    jobs: int
    sources: int
    seeds: int

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True)
class Answer:
    """One question and what the records say.

    Args:
        question: in words.
        words: what is said where the interval lies above zero, below, and where it holds zero.
        whole: the difference over all jobs.
        parts: the same on drawn images and on photographs, where there are both.
    """

    question: str
    words: tuple[str, str, str]
    whole: Sure
    parts: Mapping[str, Sure]

    @property
    def verdict(self) -> str:
        """ "yes", "no" or "undecided"."""
        return ("yes" if self.whole.mean > 0 else "no") if self.whole.is_decided else "undecided"

    @property
    def sentence(self) -> str:
        """The words of the verdict."""
        return self.words[("yes", "no", "undecided").index(self.verdict)]


QUESTIONS = {
    "shuffled": (
        "Is anything carried over?",
        (
            "Yes: a transferred ticket beats itself with its kept positions shuffled within each layer",
            "No: a transferred ticket loses to itself with its kept positions shuffled",
            "Undecided: a transferred ticket is not told from itself with its kept positions shuffled",
        ),
    ),
    "native": (
        "Does it win on another task?",
        (
            "Yes: a transferred ticket beats the one that the same method draws on the target itself",
            "No: a transferred ticket loses to the one that the same method draws on the target itself",
            "Undecided: a transferred ticket is not told from the one that the same method draws on the target itself",
        ),
    ),
    "dense": (
        "Does it replace the dense network?",
        (
            "Yes: a ticket beats the dense network trained on the target alone",
            "No: a ticket loses to the dense network trained on the target alone",
            "Undecided: a ticket is not told from the dense network trained on the target alone",
        ),
    ),
}


def answers(boards: Sequence[Board]) -> list[Answer]:
    """What the transfers of pruned tickets say; questions that no record bears upon are left out."""
    found = {"shuffled": _shuffled(boards), "native": _native(boards), "dense": _dense(boards)}
    return [Answer(*QUESTIONS[name], _sure(cells), _parts(cells)) for name, cells in found.items() if cells]


def _parts(found: Differences) -> dict[str, Sure]:
    split: dict[str, Differences] = {DRAWN: [], PHOTOGRAPHS: []}
    for one in found:
        split[DRAWN if one[0].place.task.endswith(f"/{EMBEDDED}") else PHOTOGRAPHS].append(one)
    return {part: _sure(cells) for part, cells in split.items()} if all(split.values()) else {}


def _sure(found: Differences) -> Sure:
    """All differences together, the mean of each source and seed counting once; sources of one seed tell no spread."""
    values: dict[tuple[str, int], list[float]] = defaultdict(list)
    for cell, by_seed in found:
        for seed, value in by_seed.items():
            values[cell.source, seed].append(value)
    jobs = sum(map(len, values.values()))
    seeds = Counter(source for source, _ in values)
    several = {key: stats.mean(part) for key, part in values.items() if seeds[key[0]] > 1}
    whole = crossed(several)
    if whole is None:
        everything = [value for part in values.values() for value in part]
        return Sure(stats.mean(everything), None, jobs, len(seeds), max(seeds.values()))
    return Sure(whole.mean, whole.interval(), jobs, whole.rows, whole.columns)


def _contenders(boards: Iterable[Board]) -> Iterator[tuple[Board, Row]]:
    """Ranked tickets from which something was removed."""
    for board in boards:
        yield from ((board, row) for row in board.rows if row.rank is not None and row.key.sparsity)


def _cell(board: Board, key: Key) -> Cell:
    return Cell(board.place, key.source or "", key.ticket, key.recipe or "", key.head or "", key.sparsity)


def _against(board: Board, row: Row, other: Row) -> tuple[Cell, Mapping[int, float]] | None:
    one, two = row.by_seed, other.by_seed
    found = {seed: one[seed] - two[seed] for seed in sorted(one.keys() & two.keys())}
    return (_cell(board, row.key), found) if found else None


def _shuffled(boards: Iterable[Board]) -> Differences:
    tickets = {(board.place, replace(row.key, code=None)): (board, row) for board, row in _contenders(boards)}
    found = []
    for board in boards:
        for control in (row for row in board.rows if row.key.role == "random"):
            pair = tickets.get((board.place, replace(control.key, transform=None, control=None, code=None)))
            found.append(_against(*pair, control) if pair else None)
    return [one for one in found if one]


def _native(boards: Iterable[Board]) -> Differences:
    jobs = [
        (board.place, row.key, {one.seed: one for one in row.results})
        for board in boards
        for row in board.rows
        if row.key.sparsity and row.key.role in ("ticket", "native")
    ]
    return list(pairing.paired(pairing.celled(jobs, "origin"), TRANSFERRED, NATIVE))


def _dense(boards: Sequence[Board]) -> Differences:
    dense = {board.place: scratch(board) for board in boards}
    found = [_against(board, row, one) for board, row in _contenders(boards) if (one := dense[board.place])]
    return [one for one in found if one]


def scratch(board: Board) -> Row | None:
    """The dense network trained on a board's target alone; None where there is no such row."""
    return next((row for row in board.rows if row.key.role == "dense" and row.key.recipe == "scratch"), None)


@dataclass(frozen=True)
class Best:
    """The first row of a table, and how sure that is.

    Args:
        board: of the table.
        row: of the highest mean among the contenders.
        ties: the others that may be first.
        rivals: all contenders of the table.
    """

    board: Board
    row: Row
    ties: tuple[Row, ...]
    rivals: int


def best(boards: Iterable[Board]) -> list[Best]:
    """The best contender of every board and sparsity, in the order of boards and sparsities."""
    found = []
    for board in boards:
        ranks = places(board)
        for sparsity in sorted({key.sparsity for key in ranks}):
            rows = [row for row in board.rows if row.key in ranks and row.key.sparsity == sparsity]
            found.append(Best(board, rows[0], _ties(rows, ranks), len(rows)))
    return found


def _ties(rows: Sequence[Row], ranks: Mapping[Key, Places]) -> tuple[Row, ...]:
    return tuple(row for row in rows[1:] if ranks[row.key].best == 1)


def hours(row: Row, draws: Mapping[str, float]) -> float | None:
    """Mean CPU hours of a row's jobs with the draws of their tickets; None where those are not known.

    Args:
        row: of a transfer.
        draws: seconds of every draw by its ticket's hash.
    """
    found = []
    for one in row.results:
        drawing = 0.0 if row.key.source is None else draws.get(one.ticket or "")
        if one.wall_s is None or drawing is None:
            return None
        found.append((one.wall_s + drawing) / 3600)
    return stats.mean(found)


def drawing_seconds(boards: Iterable[Board]) -> dict[str, float]:
    """Seconds of every draw by its ticket's hash."""
    return {
        one.ticket: one.wall_s
        for board in boards
        if board.place.kind == "draw"
        for row in board.rows
        for one in row.results
        if one.ticket is not None and one.wall_s is not None
    }
