"""One submitted record by itself: what in it cannot be, or names what is not known here."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from bench.records import members
from bench.records.provenance import is_ahead
from bench.records.record import Deployed, Record, Scores, TicketSize
from bench.records.remembered import remembered
from bench.request import redraw
from tasks import EMBEDDED, TASKS
from tickets.drawers import DRAWERS
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.recipes import RECIPES
from tickets.transforms import TRANSFORMS

LAST_DIGITS = 1e-9
"""By how much two ways of counting the same fraction may differ."""
ELEMENT = "element"
"""The pattern whose weights are removed one by one, so that their number is exact."""
ASKED = ("source", "drawer", "sparsity", "seed")
SET = ("scale", "host", "budget", "equal", "precision", "compiled", "kernels", "threads")
"""Keys of a record's job and setting that `redraw` must tell as they are."""
FREE = ("changes", "device", "data")
"""Flags of `redraw` that are part of another one, or say only where it is computed."""
FLAGS = {"compiled": "compile"}
"""Flags whose names are not their keys'."""


def wrong(found: Record) -> Iterator[str]:
    """What cannot be in a record, a sentence each."""
    for check in (_created, _fractions, untraced, _counts, _hosts, _sizes, _costs, _redraw):
        yield from check(found)


def _created(found: Record) -> Iterator[str]:
    if is_ahead(found.created):
        yield f"'created' is {found.created}, which is yet to come; tell when the record was written."


def _fractions(found: Record) -> Iterator[str]:
    if found.scores is None:
        return
    amounts = found.scores.amounts
    for key, metric, value in _numbers(found.scores):
        if metric in amounts and value < 0:
            yield f"'scores.{key}' is {value!r}; an amount, as 'scores.amounts' calls it, is at least 0."
        elif metric not in amounts and not 0 <= value <= 1:
            yield f"'scores.{key}' is {value!r}; metrics are fractions from 0 to 1 unless 'scores.amounts' names them."
    for name in amounts:
        if name == found.scores.primary or name not in found.scores.test:
            yield f"'scores.amounts' names '{name}'; it names metrics of 'scores.test' other than the primary one."
    told, count = len(found.scores.members), found.ticket.members if found.ticket else 1
    if told and told != count:
        yield f"'scores.members' tells of {told} members, and 'ticket.members' is {count}."
    primary = _primary(found.task)
    if primary is not None and found.scores.primary != primary:
        yield f"'scores.primary' is '{found.scores.primary}', and {found.task} is scored by '{primary}'."


def _numbers(scores: Scores) -> Iterator[tuple[str, str, float]]:
    """(key with dots, metric, value) of every number there is."""
    members = {f"members.{number}": values for number, values in enumerate(scores.members)}
    for part, values in {"test": scores.test, "val": scores.val, **members}.items():
        yield from ((f"{part}.{metric}", metric, value) for metric, value in values.items())
    for metric, by_class in scores.classes.items():
        known = {name: value for name, value in by_class.items() if value is not None}
        yield from ((f"classes.{metric}.{name}", metric, value) for name, value in known.items())


def _primary(task: str) -> str | None:
    """The primary metric of a task; None where it is not known here, or only with its data."""
    try:
        info = TASKS.load(task).info
    except UserError:
        return None
    return getattr(info, "primary", None)


def untraced(found: Record) -> Iterator[str]:
    """Why others cannot get the code that measured a record, a sentence each."""
    if found.origin == "reported":
        return
    if private := members.private(found.code):
        yield private
    for code in found.code:
        if code.is_public and code.dirty:
            yield f"'code' calls {code.label} public and dirty, and it cannot be both."
    if found.commit is None:
        yield "it names no commit, so that nobody can find its code; run it from a git checkout."
    elif found.dirty is not False:
        yield f"'dirty' is {found.dirty}: its code differed from commit {found.commit[:10]}; run it from a clean one."


def _counts(found: Record) -> Iterator[str]:
    if any(found.counts.get(split) == 0 for split in ("train", "test")):
        yield f"'counts' are {found.counts}; train and test hold at least one sample."
    if found.scores is None or not is_embedded(found.task) or not is_ours(found, found.task):
        return
    from tasks.figures import scenes

    counts = {split: found.counts.get(split, 0) for split in ("train", "val", "test")}
    if counts["train"] + counts["val"] != scenes.TRAIN or counts["test"] != scenes.TEST:
        yield (
            f"'counts' are {counts}, and {found.task} has {scenes.TRAIN} in train and val together and {scenes.TEST} "
            "in test."
        )


def _hosts(found: Record) -> Iterator[str]:
    """Whether the ticket was drawn from the host that its transform draws from."""
    try:
        there = TRANSFORMS.traits(found.job.transform).draws_from if found.job.transform else None
    except UserError:  # a transform that is not known here
        return
    if there != found.job.host_drawn:
        what = f"the transform {found.job.transform}" if found.job.transform else "a job without a transform"
        yield f"'job.host_drawn' is {found.job.host_drawn}, and {what} has {there}."


def _sizes(found: Record) -> Iterator[str]:
    ticket, deployed = found.ticket, found.deployed
    if found.status == "ok" and ticket is None and found.origin != "reported":
        yield "'ticket' is missing; a job that was run tells of its ticket."
    if ticket is None:
        return
    yield from _kept(found, ticket)
    parts: dict[str, TicketSize | Deployed | None] = {"ticket": ticket, "deployed": deployed}
    for part, sizes in parts.items():
        if sizes is not None and sizes.sparse_macs > sizes.macs:
            yield f"'{part}.sparse_macs' is {sizes.sparse_macs}, more than the {sizes.macs} of '{part}.macs'."
    if ticket.synops is not None and ticket.synops > ticket.sparse_macs:
        yield f"'ticket.synops' is {ticket.synops}, more than the {ticket.sparse_macs} of 'ticket.sparse_macs'."
    if deployed is not None:
        for name in ("parameters", "macs", "sparse_macs"):
            if getattr(deployed, name) < getattr(ticket, name):
                yield (
                    f"'deployed.{name}' is {getattr(deployed, name)}, less than the {getattr(ticket, name)} of the "
                    "ticket that is part of it."
                )


def _kept(found: Record, ticket: TicketSize) -> Iterator[str]:
    """Whether remaining, sparsity, weights and members tell the same; members keep as many weights each."""
    count, host, searches = ticket.members, found.setting.host, _may_search(found.job.drawer)
    most, of = count * (1 - ticket.sparsity), f" of {count} members" if count > 1 else ""
    if ticket.remaining > most + LAST_DIGITS:
        yield (
            f"'ticket.remaining' is {ticket.remaining!r}, and at sparsity {ticket.sparsity!r}{of} at most "
            f"{most!r} can remain."
        )
    elif not searches and found.job.host_drawn is None and ticket.remaining < most - LAST_DIGITS:
        yield (
            f"'ticket.remaining' is {ticket.remaining!r}, and {found.job.drawer}, which does not search, leaves "
            f"{most!r} at sparsity {ticket.sparsity!r}{of}."
        )
    total = _host_weights(host)
    if total is None:
        return
    if ticket.parameters > count * total:
        yield f"'ticket.parameters' is {ticket.parameters}{of}, and {host} has {total} weights."
    elif abs(ticket.parameters / total - ticket.remaining) > LAST_DIGITS:
        yield (
            f"'ticket.parameters' is {ticket.parameters} of the {total} weights of {host}, which is "
            f"{ticket.parameters / total!r}, and 'ticket.remaining' is {ticket.remaining!r}."
        )
    kept = count * (total - round(found.job.sparsity * total))
    is_exact = not searches and found.job.host_drawn is None and ticket.pattern == ELEMENT
    if is_exact and ticket.parameters != kept:
        yield (
            f"'ticket.parameters' is {ticket.parameters}{of}; at sparsity {found.job.sparsity:g} exactly {kept} of "
            f"{count * total} weights are kept."
        )


def _may_search(drawer: str) -> bool:
    """Whether a drawer may leave fewer units than the host has; true of one that is not known here."""
    try:
        return DRAWERS.traits(drawer).searches
    except UserError:
        return True


@cache
def _host_weights(host: str) -> int | None:
    """Prunable weights of a host; None where it is not known here. They are remembered of hosts that are ours."""
    try:
        if not HOSTS.is_ours(host):
            return _counted_weights(host)
        found: int = remembered(
            "weights", {"host": host}, lambda told: type(told) is int, lambda: _counted_weights(host)
        )
        return found
    except UserError:
        return None


def _counted_weights(host: str) -> int:
    import torch

    from tickets.pruning.masks import prunable

    with torch.device("meta"):
        return sum(weight.numel() for weight in prunable(HOSTS.make(host).build()).values())


def _costs(found: Record) -> Iterator[str]:
    costs = found.costs
    if costs is None:
        return
    if costs.sparse_training_macs > costs.training_macs:
        yield (
            f"'costs.sparse_training_macs' is {costs.sparse_training_macs}, more than the {costs.training_macs} of "
            "'costs.training_macs'."
        )
    if (costs.stated_macs or 0) > costs.drawing_macs:
        yield (
            f"'costs.stated_macs' is {costs.stated_macs}, more than the {costs.drawing_macs} of 'costs.drawing_macs' "
            "that they are part of."
        )
    if found.job.source is None and costs.drawing_macs:
        yield f"'costs.drawing_macs' is {costs.drawing_macs}, and dense training from fresh weights draws nothing."


def _redraw(found: Record) -> Iterator[str]:
    """Whether `redraw` is a command of bench.run that draws this record's ticket and does nothing else."""
    if found.redraw is None:
        if found.job.source is not None and found.origin != "reported":
            yield "'redraw' is missing; tell the python -m bench.run command that draws the ticket."
        return
    if not found.redraw.startswith(redraw.START):
        yield f"'redraw' is another command; let it start with {redraw.START.strip()}."
        return
    try:
        words = shlex.split(found.redraw.removeprefix(redraw.START))
        asked = _flags(list(words))
    except ValueError as error:
        yield f"'redraw' is no command that can be run: {_cut(' '.join(str(error).split()).rstrip('.'))}."
        return
    if shlex.join(words) != found.redraw.removeprefix(redraw.START):
        yield "'redraw' holds what a shell would take for more than words; quote it."
    asked["scale"] = "@".join([asked["scale"], *sorted(asked.get("changes") or ())])
    told = {name: getattr(found.job, name) for name in ASKED} | {name: getattr(found.setting, name) for name in SET}
    if found.job.host_drawn is not None:
        told |= {name: getattr(redraw.drawn_under(found), name) for name in ("host", "kernels")}
    for name, wanted in told.items():
        if not _same(asked[name], wanted, name):
            yield f"'redraw' has --{FLAGS.get(name, name)} {_cut(asked[name])}, and the job's is {_cut(wanted)}."
    if list(asked["data"] or ()) not in ([], [redraw.folder(found.job.source or "")]):
        yield "'redraw' has --data of other folders than the source's; write KIND/NAME=FOLDER for that alone."
    for name, usual in _flags(["--target", "none"]).items():
        if name not in (*told, *FREE) and asked[name] != usual:
            yield f"'redraw' has --{name}, which does more than draw the ticket; leave it out."


def _cut(value: Any) -> str:
    """A value as a sentence may show it."""
    text = str(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _flags(words: list[str]) -> dict[str, Any]:
    """What bench.run is told by some words.

    Raises:
        ValueError: they are not accepted.
    """
    from bench.command import console

    if "--help" in words:
        raise ValueError("it asks for help.")
    try:
        return _bench_run().make_context("bench.run", words).params
    except console.USAGE_ERROR as error:
        raise ValueError(error.format_message()) from error


@cache
def _bench_run() -> Any:
    """The command that `redraw` calls."""
    import typer

    from bench import run

    return typer.main.get_command(run.app)


def _same(asked: Any, wanted: Any, name: str) -> bool:
    """Whether a flag's value is what the job has; names of tasks and drawers by what they resolve to."""
    if name == "host" and asked == "supernet":
        return wanted.startswith("supernet/")
    resolve: Callable[[Any], Any] = {"source": TASKS.resolve, "drawer": DRAWERS.resolve}.get(name, str)
    try:
        if isinstance(wanted, (int, float)):
            return float(asked) == float(wanted)
        return resolve(asked) == resolve(wanted) if wanted is not None else asked == "none"
    except (ValueError, OverflowError):
        return asked == str(wanted)


def unknown(found: Record) -> Iterator[str]:
    """Names that this installation does not know, a plug-in's or misspelt, a sentence each."""
    names = [(TASKS.resolve, found.job.source), (TASKS.resolve, found.job.target)]
    for resolve, name in [*names, (DRAWERS.resolve, found.job.drawer), (RECIPES.resolve, found.job.recipe)]:
        try:
            resolve(name) if name is not None else None
        except UserError as error:
            yield f"{str(error).partition(' Known: ')[0]} It is taken for a plug-in's."


def is_embedded(task: str) -> bool:
    """Whether a task's data come with this package."""
    return task in TASKS.builtin and task.endswith(f"/{EMBEDDED}")


def is_ours(found: Record, task: str) -> bool:
    """Whether a record used the version of a task that is here."""
    return found.versions.task.get(task) == TASKS.load(task).info.version
