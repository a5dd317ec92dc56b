"""One submitted record by itself: what in it cannot be, or names what is not known here."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from bench.record import Record
from tasks import TASKS
from tickets import drawers
from tickets.errors import UserError
from tickets.recipes import RECIPES

LAST_DIGITS = 1e-9
"""By how much two ways of counting the same fraction may differ."""
EMBEDDED = "figures"


def wrong(found: Record) -> Iterator[str]:
    """What cannot be in a record, a sentence each."""
    for check in (_texts, _fractions, _origin, _counts, _sizes, _costs, _redraw):
        yield from check(found)


def _texts(found: Record) -> Iterator[str]:
    for key, text in _strings(found.model_dump(mode="json", by_alias=True)):
        allowed = "\n\t" if key == "error" else ""
        if any(not sign.isprintable() and sign not in allowed for sign in text):
            yield f"'{key}' holds a tab or another sign that cannot be printed: {text!r}; write plain text."


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(key with dots, text) of every text in some JSON data, keys of dictionaries included."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield key, name
            yield from _strings(one, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, key)


def _fractions(found: Record) -> Iterator[str]:
    if found.scores is None:
        return
    by_class = {f"classes.{key}": values for key, values in found.scores.classes.items()}
    for key, values in {"test": found.scores.test, "val": found.scores.val, **by_class}.items():
        for name, value in values.items():
            if value is not None and not 0 <= value <= 1:
                yield f"'scores.{key}.{name}' is {value!r}; metrics are fractions from 0 to 1."
    primary = _primary(found.task)
    if primary is not None and found.scores.primary != primary:
        yield f"'scores.primary' is '{found.scores.primary}', and {found.task} is scored by '{primary}'."


def _primary(task: str) -> str | None:
    """The primary metric of a task; None where it is not known here, or only with its data."""
    try:
        info = TASKS.load(task).info
    except UserError:
        return None
    return getattr(info, "primary", None)


def _origin(found: Record) -> Iterator[str]:
    if found.origin == "reported":
        return
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


def _sizes(found: Record) -> Iterator[str]:
    ticket, deployed = found.ticket, found.deployed
    if found.status == "ok" and ticket is None and found.origin != "reported":
        yield "'ticket' is missing; a job that was run tells of its ticket."
    if ticket is None:
        return
    if ticket.remaining > 1 - ticket.sparsity + LAST_DIGITS:
        yield (
            f"'ticket.remaining' is {ticket.remaining!r}, and at sparsity {ticket.sparsity!r} at most "
            f"{1 - ticket.sparsity!r} can remain."
        )
    elif not _may_search(found.job.drawer) and ticket.remaining < 1 - ticket.sparsity - LAST_DIGITS:
        yield (
            f"'ticket.remaining' is {ticket.remaining!r}, and {found.job.drawer}, which does not search, leaves "
            f"{1 - ticket.sparsity!r} at sparsity {ticket.sparsity!r}."
        )
    total = _host_weights(found.job.host)
    if total is not None and ticket.parameters > total:
        yield f"'ticket.parameters' is {ticket.parameters}, and {found.job.host} has {total} weights."
    elif total is not None and abs(ticket.parameters / total - ticket.remaining) > LAST_DIGITS:
        yield (
            f"'ticket.parameters' is {ticket.parameters} of the {total} weights of {found.job.host}, which is "
            f"{ticket.parameters / total!r}, and 'ticket.remaining' is {ticket.remaining!r}."
        )
    if total is not None and not _may_search(found.job.drawer):
        removed = round(found.job.sparsity * total)
        if total - ticket.parameters != removed:
            yield (
                f"'ticket.parameters' is {ticket.parameters}; at sparsity {found.job.sparsity:g} exactly "
                f"{total - removed} of {total} weights are kept."
            )
    for part, sizes in {"ticket": ticket, **({"deployed": deployed} if deployed else {})}.items():
        if sizes.sparse_macs > sizes.macs:
            yield f"'{part}.sparse_macs' is {sizes.sparse_macs}, more than the {sizes.macs} of '{part}.macs'."
    if deployed is not None:
        for name in ("parameters", "macs", "sparse_macs"):
            if getattr(deployed, name) < getattr(ticket, name):
                yield (
                    f"'deployed.{name}' is {getattr(deployed, name)}, less than the {getattr(ticket, name)} of the "
                    "ticket that is part of it."
                )


def _may_search(drawer: str) -> bool:
    """Whether a drawer may leave fewer units than the host has; true of one that is not known here."""
    try:
        return drawers.traits(drawer).searches
    except UserError:
        return True


@cache
def _host_weights(host: str) -> int | None:
    """Prunable weights of a host; None where it is not known here."""
    import torch

    from tickets.host import host_spec
    from tickets.masks import prunable

    try:
        with torch.device("meta"):
            return sum(weight.numel() for weight in prunable(host_spec(host).build()).values())
    except UserError:
        return None


def _costs(found: Record) -> Iterator[str]:
    costs = found.costs
    if costs is None:
        return
    if costs.sparse_training_macs > costs.training_macs:
        yield (
            f"'costs.sparse_training_macs' is {costs.sparse_training_macs}, more than the {costs.training_macs} of "
            "'costs.training_macs'."
        )
    if found.job.source is None and costs.drawing_macs:
        yield f"'costs.drawing_macs' is {costs.drawing_macs}, and dense training from fresh weights draws nothing."


def _redraw(found: Record) -> Iterator[str]:
    """Whether `redraw` is a command of bench.run, and draws this record's ticket."""
    if found.redraw is None:
        if found.job.source is not None and found.origin != "reported":
            yield "'redraw' is missing; tell the python -m bench.run command that draws the ticket."
        return
    start = "python -m bench.run "
    if not found.redraw.startswith(start):
        yield f"'redraw' is {found.redraw!r}; let it start with {start.strip()}."
        return
    try:
        asked = _flags(shlex.split(found.redraw.removeprefix(start)))
    except ValueError as error:
        yield f"'redraw' is no command that can be run: {' '.join(str(error).split()).rstrip('.')}."
        return
    base, *options = [asked["scale"], *(asked.get("changes") or ())]
    asked["scale"] = "@".join([base, *sorted(options)])
    for name in ("source", "drawer", "sparsity", "seed", "scale", "host", "budget", "equal"):
        wanted = getattr(found.job, name)
        if not _same(asked[name], wanted, name):
            yield f"'redraw' has --{name} {asked[name]}, and the job's is {wanted}."


def _flags(words: list[str]) -> dict[str, Any]:
    """What bench.run is told by some words.

    Raises:
        ValueError: they are not accepted.
    """
    from bench import console

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
    resolve: Callable[[Any], Any] = {"source": TASKS.resolve, "drawer": drawers.resolve}.get(name, str)
    try:
        if isinstance(wanted, (int, float)):
            return f"{float(asked):g}" == f"{wanted:g}"
        return resolve(asked) == resolve(wanted) if wanted is not None else asked == "none"
    except (ValueError, OverflowError):
        return asked == str(wanted)


def unknown(found: Record) -> Iterator[str]:
    """Names that this installation does not know, a plug-in's or misspelt, a sentence each."""
    names = [(TASKS.resolve, found.job.source), (TASKS.resolve, found.job.target)]
    for resolve, name in [*names, (drawers.resolve, found.job.drawer), (RECIPES.resolve, found.job.recipe)]:
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
