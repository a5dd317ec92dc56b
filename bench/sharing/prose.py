"""What a card tells people, as Markdown: what is shared, what it scores, how it is used, whose terms apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bench.audit.plausible import untraced
from bench.numbers.amounts import MISSING
from bench.records.record import Record
from bench.sharing.layout import ADOPTED, NETWORKS, PICTURES, TABLE
from bench.sharing.shared import Pair, Shared
from bench.sharing.terms import TERMS, terms
from bench.views import record as record_views
from tickets.ticket_set import members_of


def of_pairs(found: Shared, name: str, place: str) -> str:
    """The text about tickets and networks.

    Args:
        found: the folder, its pictures drawn.
        name: the title.
        place: where others pull it from.
    """
    parts = [f"# {name}\n", *(text for pair in found.pairs for text in _pair(found, pair))]
    parts += ["## How to use it\n", _loading(found.pairs[0], place)]
    scored = [pair.record for pair in found.pairs if pair.record]
    parts += map(_recomputing, scored[:1])
    told = [pair.found.provenance for pair in found.pairs]
    tasks = dict.fromkeys(task for pair in found.pairs for task in (pair.source, pair.task) if task)
    return "\n".join([*parts, *_terms(terms(tasks, (one["network"] for one in told if "network" in one)))])


def of_records(found: Shared, name: str, place: str) -> str:
    """The text about records alone; arguments as of `of_pairs`."""
    tasks = dict.fromkeys(task for one in found.records for task in (one.job.source, one.job.target) if task)
    origins = ", ".join(sorted({one.origin for one in found.records}))
    count = Counter(one.task for one in found.records)
    methods = Counter(task for task, _ in {(one.task, one.job.drawer) for one in found.records})
    rows = [[f"`{task}`", f"{count[task]:,}", f"{methods[task]:,}"] for task in sorted(count)]
    parts = [
        f"# {name}\n",
        f"{len(found.records):,} records of lottery tickets that were drawn on one vision task and transferred to "
        f"others ({origins}): a JSON file a job in `records/`, and `{TABLE}`, a row a record. Every record says what "
        "its score came from, so that anybody can compute it again.\n",
        _table(["scored on", "records", "methods"], rows),
        "## How to use it\n",
        _block("sh", *(f"python -m bench.{command}" for command in (
            f"share pull {place} --home theirs", "table theirs/records", "check results theirs/records"
        ))),
    ]  # fmt: skip
    return "\n".join([*parts, *_terms(terms(tasks))])


def metrics(one: Record) -> list[str]:
    """Names of what was measured on test, the primary metric first."""
    primary = one.scored.primary
    return [primary, *(name for name in one.scored.test if name != primary)]


def picture(pair: Pair) -> str:
    """Where in the folder the picture of a pair lies."""
    return f"{PICTURES}/{pair.name}.png"


def _pair(found: Shared, pair: Pair) -> list[str]:
    """One ticket or network: what it is, its picture, its scores, its setting."""
    from bench.views.ticket import facts

    told = pair.found.provenance
    what = "trained network" if pair.room == NETWORKS else "lottery ticket, a sparse subnetwork,"
    origin = f"drawn by `{pair.drawer}` on `{pair.source}` with ticketbench"
    if pair.room == ADOPTED:
        origin = f"pruned elsewhere, on {f'`{pair.source}`' if pair.source else 'an unknown task'}"
    parts = [
        f"## {pair.name}\n",
        f"A {what} {origin}; its {len(pair.files)} files in `{pair.room}/` vouch for each other.\n",
    ]
    if (found.root / picture(pair)).is_file():
        parts.append(f"![What is left of the host]({picture(pair)})\n")
    if pair.record is not None and pair.record.scores is not None:
        parts.append(_scores(pair.record))
    about = facts(pair.found, tuple(told["size"])) if "size" in told else {"hash": pair.found.hash}
    about |= record_views.facts(pair.record) if pair.record else {"record": "none; its score is not told"}
    if "redraw" in about:
        about["redraw"] = f"`{about['redraw']}`"
    return [*parts, _table(["", "as told"], about.items())]


def _scores(one: Record) -> str:
    parts = (one.scored.val, one.scored.test)
    splits = [f"val ({one.counts.get('val', 0):,})", f"test: {one.test_split} ({one.counts.get('test', 0):,})"]
    rows = [
        [f"`{one.task}`", name, *(f"{part[name]:.4f}" if name in part else MISSING for part in parts)]
        for name in metrics(one)
    ]
    return _table(["scored on", "metric", *splits], rows)


def _loading(pair: Pair, place: str) -> str:
    """How a pair is taken over, looked at and loaded."""
    file = f"runs/{pair.room}/{pair.name}"
    commands = [f"python -m bench.share pull {place}", f"python -m bench.show {file}.json"]
    if pair.room == NETWORKS:
        commands.append(f"python -m bench.predict {file}.json photographs --out told")
        code = ["from tasks.network import opened", "from tickets.ticket_set import load", "",
                f'kept = opened(load("{file}"))']  # fmt: skip
    elif len(members_of(pair.found)) > 1:
        code = ["from tickets.ticket_set import load", "", f'members = load("{file}").members']
    else:
        code = ["from tickets import Ticket", "", f'host = Ticket.load("{file}").build()  # images -> feature maps']
    return f"{_block('sh', *commands)}\n{_block('python', *code)}"


def _recomputing(one: Record) -> str:
    if why := next(untraced(one), ""):
        return f"Others cannot compute its score again for certain: {why}\n"
    at = f" at commit `{one.commit}`" if one.commit else ""
    return (
        "The record says all that the score came from; the same code gives it again, to the last digit on the same "
        f"type of machine{at}:\n\n{_block('sh', f'python -m bench.check recompute {one.id} --records runs/records')}"
    )


def _terms(of: Mapping[str, Mapping[str, str]]) -> list[str]:
    return [
        "## Licence and data terms\n",
        "No data are in here. What was learned from data may be bound to their terms:\n",
        _table(
            ["data", "licence", "from", "to cite"],
            [[f"`{task}`", *(told[key] or MISSING for key in TERMS)] for task, told in of.items()],
        ),
    ]


def _block(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```", ""])


def _table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    """Text that stays in its cell."""
    return " ".join(text.split()).replace("|", "\\|")
