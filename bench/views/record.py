"""What a record says, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.numbers.aligned import show as print_table
from bench.numbers.amounts import MISSING, counted, percent
from bench.numbers.stats import mean
from bench.records.record import Code, Record, Scores
from bench.request import redraw


def show(found: Record) -> None:
    """Print a record: the job, its scores, those by class, what it cost and how to do it again."""
    for name, text in facts(found).items():
        print(f"{name + ':':<12}{text}")
    if found.scores is None:
        return
    val, test = found.scores.val, found.scores.test
    names = [found.scores.primary, *(name for name in test if name != found.scores.primary)]
    splits = [f"val ({found.counts.get('val', 0):,})", f"test: {found.test_split} ({found.counts.get('test', 0):,})"]
    rows = [[name, *(f"{values[name]:.4f}" if name in values else MISSING for values in (val, test))] for name in names]
    print_table("Scores", ["metric", *splits], rows)
    if found.scores.members:
        _members(found.scores, names)
    if by_class := found.scores.classes:
        keys = list(by_class)
        classes = list(by_class[keys[0]])
        cells = [[name, *(_share(by_class[key].get(name)) for key in keys)] for name in classes]
        print_table("Test scores by class", ["class", *keys], cells)


def facts(found: Record) -> dict[str, str]:
    """What a record says beside its scores, in words: name -> text."""
    job = found.job
    sparsity = f" at {job.sparsity:g}" if job.sparsity else ""
    way = " -> ".join(task for task in (job.source, job.target) if task)
    how = f" by {job.recipe}" if job.recipe else ""
    drawer = f"{job.transform} of {job.drawer}" if job.transform else job.drawer
    dirty = " (dirty)" if found.dirty else ""
    told = {
        "job": f"{job.control or found.kind}: {drawer}{sparsity}, {way}{how}, seed {job.seed}",
        "setting": _setting(found),
        "status": found.status if found.error is None else f"{found.status}: {found.error.splitlines()[0]}",
        "from": f"{found.origin}, {found.created}, commit {(found.commit or MISSING)[:10]}{dirty}",
        **_sizes(found),
        "code": "; ".join(map(_code, found.code)),
        "redraw": redraw.of(found),
    }
    return {name: text for name, text in told.items() if text}


def _members(scores: Scores, names: Sequence[str]) -> None:
    """Print what the members of a set score on test together, in the mean, at least, at most, and each."""
    rows = []
    for name in (name for name in names if all(name in one for one in scores.members)):
        each = [one[name] for one in scores.members]
        told = (scores.test[name], mean(each), min(each), max(each), *each)
        rows.append([name, *(f"{value:.4f}" for value in told)])
    numbers = [f"m{number}" for number in range(len(scores.members))]
    print_table("Members on test", ["metric", "together", "mean", "least", "most", *numbers], rows)


def _setting(found: Record) -> str:
    setting, drawn = found.setting, found.job.host_drawn
    host = f"{setting.host}, drawn from {drawn}" if drawn else setting.host
    parts = [setting.scale, f"host {host}", f"budget {setting.budget:g}", f"equal {setting.equal}", setting.compute]
    return ", ".join(part for part in parts if part)


def _code(code: Code) -> str:
    """A member that is another distribution's, as in "drawer 'rigl' of acme-tickets 1.0"."""
    version = f" {code.version}" if code.version else ""
    commit = f", commit {code.commit[:10]}" if code.commit else ""
    return f"{code.label}{version}{commit}{' (dirty)' if code.dirty else ''}"


def _sizes(found: Record) -> dict[str, str]:
    told = {}
    if (ticket := found.ticket) is not None:
        operations = "" if ticket.synops is None else f"{counted(ticket.synops, 'M')} synops, "
        told["ticket"] = (
            f"sparsity {percent(ticket.sparsity)}, remaining {percent(ticket.remaining)}, "
            f"{ticket.parameters:,} weights, {counted(ticket.sparse_macs, 'M')} MACs, {operations}hash {ticket.hash}"
        )
    if (costs := found.costs) is not None:
        told["costs"] = (
            f"{costs.training_macs / 1e12:.3g} T training MACs, {costs.drawing_macs / 1e12:.3g} T of the draw, "
            f"{costs.wall_s:.0f} s, {costs.peak_mib:,.0f} MiB"
        )
        if costs.timesteps is not None:
            told["time steps"] = f"{costs.timesteps}{_drawn_at(found.config.get('timesteps'))}"
    return told


def _drawn_at(told: Any) -> str:
    """What a record's config says of the time steps of the draw; nothing where it says none that can be."""
    try:
        return f", drawn at {by_steps(told)}" if told else ""
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""


def by_steps(told: Mapping[str, Any]) -> str:
    """T' of T, and what chose it."""
    seen = ", ".join(f"{value:.3g} after {steps}" for steps, value in told["divergences"].items())
    return f"{told['drawn']}; divergence from what is said after {told['full']}: {seen}"


def _share(value: float | None) -> str:
    return MISSING if value is None else percent(value)
