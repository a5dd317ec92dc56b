"""The page's first view, which reads without scripts: question, answer, the best tickets, costs, how to check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata

from bench.boards import claimed, words
from bench.boards.leaderboard import Board, Row
from bench.boards.page import answers
from bench.boards.page.answers import Answer, Best, Sure
from bench.boards.page.markup import Markup, joined, link, name, table, tag
from bench.boards.verdicts import REFUTED, SUPPORTED, Verdict
from bench.numbers.amounts import MISSING, counted, interval, percent

RECOMPUTE = "python -m bench.check recompute "


def overview(boards: Sequence[Board], feed: str = "", verdicts: Sequence[Verdict] = ()) -> Markup:
    """All cards of the first view.

    Args:
        boards: what to show.
        feed: address of the feed of new rows; "" where there is none.
        verdicts: of registered claims.
    """
    named = dict(zip(map(id, boards), words.slugs(boards), strict=True))
    best = answers.best(boards)
    parts = [_answers(answers.answers(boards))]
    if best:
        parts += [_best(best, named), _methods(best, boards, named), _costs(best, boards, named)]
    if verdicts:
        parts.append(_claims(verdicts))
    return joined([*parts, _checking(boards, feed)])


def repository() -> str:
    """Address of the project's repository, as its package tells; "" where it tells none that a browser opens."""
    try:
        told = metadata("ticketbench").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    addresses = (one.partition(",")[2].strip() for one in told)
    return next((address for address in addresses if address.startswith(("https://", "http://"))), "")


def _card(title: str, *parts: str, **attributes: str) -> Markup:
    return tag("section", tag("h2", title), *parts, class_="card", **attributes)


def _answers(found: Sequence[Answer]) -> Markup:
    asked = (
        "Does a lottery ticket, a sparse subnetwork drawn on one vision task, win on another? At what price, and how "
        "sure is that?"
    )
    items = [
        tag(
            "li",
            tag("span", answer.verdict, class_=f"verdict {answer.verdict}"),
            tag("p", tag("strong", answer.question), " ", answer.sentence, ": ", _difference(answer.whole), "."),
            tag("p", *_parts(answer), class_="soft"),
        )
        for answer in found
    ]
    note = (
        "Differences in points of the target's metric, paired by job and seed, over all sparsities and budgets; 95 % "
        "intervals with sources and seeds as two samples, so that they speak of other sources, not adjusted for the "
        "number of questions. "
    )
    told = [tag("ol", *items, class_="answers")] if items else []
    more = tag("p", note, link("Compare any two methods", "compare"), ".", class_="soft")
    return _card("What was asked, and the answer", tag("p", asked), *told, *([more] if items else []), id="answers")


def _parts(answer: Answer) -> Iterator[str]:
    whole = answer.whole
    sources = f"{whole.sources} sources" if whole.sources > 1 else "one source, which tells nothing of others"
    yield f"{whole.jobs:,} jobs, {whole.seeds} seeds, {sources}"
    for where, part in answer.parts.items():
        yield from ("; ", where, " ", _difference(part))


def _difference(found: Sure) -> Markup:
    """A difference in points with its interval."""
    between = claimed.between(*found.interval) if found.interval else ""
    return tag("span", f"{claimed.points(found.mean)}{between}", class_="figure")


def _setting(board: Board, others: Sequence[Board]) -> str:
    """A board's setting where another board of the task has another one."""
    alike = sum(other.place.task == board.place.task for other in others)
    return ", ".join(words.setting_of(board.place)) if alike > 1 else ""


def _distinct(best: Sequence[Best]) -> list[Board]:
    return list({id(one.board): one.board for one in best}.values())


def _best(best: Sequence[Best], named: dict[int, str]) -> Markup:
    """The first ticket of every table, a line a board and a column a sparsity."""
    boards, levels = _distinct(best), sorted({one.row.key.sparsity for one in best})
    found = {(id(one.board), one.row.key.sparsity): one for one in best}
    lines = [
        [
            _target(board, boards, named),
            *(_first(one, named) if (one := found.get((id(board), level))) else MISSING for level in levels),
        ]
        for board in boards
    ]
    note = (
        "Of tickets drawn on another task. A cell opens its table; “not told from 3 of 9” says that by their paired "
        "intervals three of nine rivals may be first as well."
    )
    head = ["target", *(f"at {percent(level)}" for level in levels)]
    title = "The best ticket by target and sparsity"
    return _card(title, tag("p", note, class_="soft"), table(title, head, lines, words=len(head)), id="best")


def _target(board: Board, boards: Sequence[Board], named: dict[int, str]) -> Markup:
    setting = _setting(board, boards)
    metric = words.METRICS.get(board.metric, board.metric)
    more = ", ".join(part for part in (metric, setting) if part)
    return joined([link(board.place.task, "tables", board=named[id(board)]), tag("small", more)])


def _first(best: Best, named: dict[int, str]) -> Markup:
    row = best.row
    where = {"board": named[id(best.board)], "sparsity": f"{row.key.sparsity:g}"}
    others = best.rivals - 1
    ahead = f"ahead of {others}" if others else "no rival"
    ties = f"not told from {len(best.ties)} of {others}" if best.ties else ahead
    return joined([link(row.key.ticket, "tables", **where), tag("small", f"{interval(row.score)}"), tag("small", ties)])


def _methods(best: Sequence[Best], boards: Sequence[Board], named: dict[int, str]) -> Markup:
    """The best row of each method at the sparsity that most contenders have."""
    counts: Counter[float] = Counter()
    for one in best:
        counts[one.row.key.sparsity] += one.rivals
    level = max(counts, key=lambda sparsity: (counts[sparsity], sparsity))
    chosen = [one.board for one in best if one.row.key.sparsity == level]
    found: dict[str, dict[int, Row]] = {}
    for board in chosen:
        for row in board.rows:
            if row.rank is not None and row.key.sparsity == level:
                found.setdefault(row.key.ticket, {}).setdefault(id(board), row)
    lines = [
        [
            link(method, "method", name=method),
            *(_score(rows.get(id(board)), board, named) for board in chosen),
        ]
        for method, rows in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    head: list[str] = ["method", *(_heading(board, chosen) for board in chosen)]
    title = f"The best of each method by target, at {percent(level)}"
    note = "Of its sources the best; mean over seeds ± half the 95 % interval. Columns of one target differ in setting."
    return _card(title, tag("p", note, class_="soft"), table(title, head, lines), id="methods-best")


def _heading(board: Board, boards: Sequence[Board]) -> Markup:
    setting = _setting(board, boards)
    return joined([name(board.place.task), tag("small", setting)])


def _score(row: Row | None, board: Board, named: dict[int, str]) -> Markup:
    if row is None:
        return Markup(MISSING)
    where = {"board": named[id(board)], "sparsity": f"{row.key.sparsity:g}", "method": row.key.method}
    return link(interval(row.score), "tables", **where)


def _costs(best: Sequence[Best], boards: Sequence[Board], named: dict[int, str]) -> Markup:
    """What the best ticket and the dense network cost, whole and by point of score."""
    draws = answers.drawing_seconds(boards)
    lines = []
    shown = _distinct(best)
    for board in shown:
        rivals = [one.row for one in best if one.board is board and one.row.key.sparsity]
        rows = [answers.scratch(board), max(rivals, key=lambda row: row.key.sparsity, default=None)]
        for row in (row for row in rows if row is not None):
            what = words.label(row.key) + (f" at {percent(row.key.sparsity)}" if row.key.sparsity else "")
            lines.append([_target(board, shown, named), name(what), *_price(row, answers.hours(row, draws))])
    head = ["target", "network", "score", "training MACs", "a point", "CPU hours", "a point"]
    title = "What a point costs"
    note = (
        "Of one seed: training MACs of drawing and transfer, counted dense as executed, and hours of one CPU thread; "
        "a point is one of the target's metric, so the last column of each is cost over score. Of tickets the best at "
        "the highest sparsity."
    )
    return _card(title, tag("p", note, class_="soft"), table(title, head, lines, words=2), id="costs")


def _price(row: Row, hours: float | None) -> list[str]:
    points = 100 * row.mean
    macs = row.total_macs
    each = None if macs is None or not points else macs / points
    told = [MISSING, MISSING] if hours is None else [f"{hours:.3f}", f"{3600 * hours / points:.1f} s" if points else ""]
    return [interval(row.score), counted(macs, "M"), counted(each, "M"), *told]


PILLS = {SUPPORTED: "yes", REFUTED: "no"}
"""How the verdicts look that decide something."""


def _claims(verdicts: Sequence[Verdict]) -> Markup:
    """Registered claims with what the records say, as bench.claims tells them."""
    lines = []
    for one in verdicts:
        claim, over, first, _, adjusted, count, _, word = claimed.row(one)
        pill = tag("span", one.word, class_=f"verdict {PILLS.get(one.word, 'undecided')}")
        more = [tag("small", word.partition(": ")[2])] if ": " in word else []
        told = joined([claim, tag("small", f"{one.family}: {over}")])
        lines.append([told, joined([pill, *more]), first.partition(":")[0], adjusted, count])
    head = ["claim", "verdict", "as first registered", "adjusted", "of claims"]
    note = (
        "Each was fixed with its controls and its margin, most before their runs (results/claims). Points; as first "
        "registered: clusters of source and seed; adjusted: sources and seeds as two samples, so that it speaks of "
        "other sources, at the level that Holm's procedure leaves one of so many claims. The verdict follows from it."
    )
    title = "Registered claims"
    return _card(title, tag("p", note, class_="soft"), table(title, head, lines, words=2), id="claims")


def _checking(boards: Sequence[Board], feed: str) -> Markup:
    results = [one for board in boards for row in (*board.rows, *board.incomplete) for one in row.results]
    example = next((one.id for one in results if one.score is not None), "ID")
    spent = sum(one.wall_s or 0 for one in results) / 3600
    commands = [
        ("computes a published record again and holds its score against the record's", RECOMPUTE + example),
        ("checks that every record can be true", "python -m bench.check results"),
        ("checks that the tables are what the records render to", "python -m bench.table --check"),
    ]
    items = [tag("li", tag("code", command), " ", text) for text, command in commands]
    told = f"{len(results):,} records, {spent:,.1f} CPU hours. Every row opens, and links each of its records."
    get = (
        "Tickets and networks are not stored beside the records: an opened row has the command that draws its ticket "
        "again, bit for bit on one type of machine, into runs/tickets; "
    )
    export = tag("code", "python -m bench.export")
    card = [tag("p", told), tag("ul", *items, class_="commands"), tag("h3", "Where the network is to be had")]
    card.append(tag("p", get, export, " makes a deployable network of it."))
    links = {"New rows as a feed": feed, "The repository": repository()}
    card += [tag("p", tag("a", text, href=address)) for text, address in links.items() if address]
    return _card("How a row is checked", *card, id="check")
