"""What the project promises of its speed, and whether what was measured keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.speed.report import Part
from bench.speed.request import ENGINES, GRID, LOADER, Request
from bench.speed.timing import Spread, spread

MASKED = ("projection", "reparam")
"""The variants of the training step that keep masks."""
DENSE = ("native", "torch")
"""Its variants without masks; the first that was measured is what masks are held against."""


@dataclass(frozen=True)
class Target:
    """A promise of the project.

    Args:
        text: what is promised.
        figure: which of `figures` it is about.
        bound: the least or the most that keeps it.
        is_least: whether `bound` is the least.
        where: which `facts` it is promised under.
    """

    text: str
    figure: str
    bound: float
    is_least: bool
    where: Mapping[str, object]

    def applies_to(self, known: Mapping[str, object]) -> bool:
        """Whether it is promised under such facts."""
        return all(known[name] == value for name, value in self.where.items())

    def is_met(self, value: float) -> bool:
        """Whether a measured value keeps the promise."""
        return value >= self.bound if self.is_least else value <= self.bound


PLAIN = {"device": "cpu", "dtype": "float32", "layout": "channels_last", "compiled": False}
TINY = {"preset": "tiny", **PLAIN}
TINY_STEP = {**TINY, "task": "cls", "batch": 32, "size": (64, 64)}
PAPER_STEP = {"preset": "paper", "task": "cls", "batch": 8, "size": (224, 224), **PLAIN}
CALL = {"device": "cpu", "dtype": "float32", "threads": 1}
ONE_CALL = {"preset": "paper", "host": None, "latency_batch": 1, **CALL}
HALVED = {
    "host": {"kind": "timm", "model": "resnet18"},
    "drawn": ("channel", "uniform", 0.5),
    "size": (224, 224),
    **CALL,
}


def _native(bound: float, threads: int, vectors: str, where: Mapping[str, object]) -> Target:
    """A promise of the native kernels' step, by the width of the machine's vectors."""
    amount = "one thread" if threads == 1 else f"{threads} threads"
    text = f"native steps at least {bound:g}x as fast as the reference's ({vectors}, {amount})"
    return Target(text, "native", bound, True, {**where, "threads": threads, "vectors": vectors})


TARGETS = (
    _native(7.0, 1, "AVX512", TINY_STEP),
    _native(5.5, 2, "AVX512", TINY_STEP),
    _native(4.5, 1, "AVX512", PAPER_STEP),
    _native(6.0, 2, "AVX512", PAPER_STEP),
    _native(5.5, 1, "AVX2", TINY_STEP),
    _native(3.0, 1, "AVX2", PAPER_STEP),
    Target("peak memory of native steps at most half of the torch path's", "native memory", 0.5, False, PAPER_STEP),
    Target("peak memory of masked steps no higher than the reference's", "memory", 1.0, False, PAPER_STEP),
    Target("projection adds at most 3 % to a dense step", "projection", 0.03, False, {"preset": "paper"}),
    Target("reparam adds at most 8 % to a dense step", "reparam", 0.08, False, {"preset": "paper"}),
    Target("a loader of two processes gives at least 1.5x the images that the step takes", LOADER, 1.5, True, TINY),
    Target("a local grid takes at most 50 ms a job beside the job's work", f"{GRID} local", 50, False, {}),
    Target("a grid on Ray takes at most 200 ms a job beside the job's work", f"{GRID} ray", 200, False, {}),
    Target("a second run of a finished suite of 10,000 jobs takes at most 10 s", f"{GRID} finished", 1e4, False, {}),
    Target("compacted takes at most 0.7 of masked, half of the units dead", "compacted", 0.7, False, {"ticket": None}),
    Target("a ticket in ONNX Runtime at least 1.3x as fast as a dense network", "exported", 1.3, True, ONE_CALL),
    Target("half of each layer's channels gone: at least 1.5x as fast (PyTorch)", "inferred", 1.5, True, HALVED),
    Target("half of each layer's channels gone: at least 1.5x as fast (ONNX Runtime)", "exported", 1.5, True, HALVED),
)


def facts(request: Request) -> dict[str, object]:
    """What targets are promised under: the request's fields, and what follows from them and from the machine.

    That is the `host` as plain values, the pattern, the allocation and the sparsity that a ticket was `drawn` by, and
    the `vectors` that PyTorch's own kernels use.
    """
    import torch

    vectors = torch.backends.cpu.get_cpu_capability()
    host = None if request.host is None else request.host.to_json()
    return {**vars(request), "host": host, "drawn": _drawn(request.ticket), "vectors": vectors}


def _drawn(ticket: Path | None) -> tuple[object, object, object] | None:
    if ticket is None:
        return None
    from tickets.ticket import Ticket

    told = Ticket.load(ticket).provenance
    return told.get("pattern"), told.get("options", {}).get("allocation"), told.get("sparsity")


def figures(parts: Mapping[str, Part]) -> dict[str, float]:
    """What targets are about, as far as it was measured: medians over the rounds, peaks over peaks.

    `step` and `memory` take the worse of the two masked variants.
    """
    found: dict[str, float] = {}
    if part := parts.get("train"):
        found |= _of_steps(part)
    if part := parts.get(LOADER):
        from bench.speed.loading import AHEAD, STEP

        found[LOADER] = part.ratio(STEP, AHEAD).median
    if part := parts.get(GRID):
        found |= {f"{GRID} {name}": 1000 * spread(taken).median for name, taken in part.times.items()}
    if part := parts.get("inference"):
        pairs = {
            "compacted": ("ticket torch", "ticket host"),
            "exported": ("dense onnx", "ticket onnx"),
            "inferred": ("dense torch", "ticket torch"),
        }
        found |= {name: part.ratio(*pair).median for name, pair in pairs.items() if set(pair) <= part.times.keys()}
    return found


def _of_steps(part: Part) -> dict[str, float]:
    peaks = part.peaks_mib
    found = {"step": min(part.ratio("reference", name).median for name in MASKED)}
    found |= {name: upkeep(part, name).median for name in MASKED}
    if "native" in part.times:
        found["native"] = part.ratio("reference", "native").median
    if {"reference", *MASKED} <= peaks.keys():
        found["memory"] = max(peaks[name] for name in MASKED) / peaks["reference"]
    if {"native", "torch"} <= peaks.keys():
        found["native memory"] = peaks["native"] / peaks["torch"]
    return found


def upkeep(part: Part, masked: str) -> Spread:
    """What masks cost: the share of a dense step that a masked one takes longer, by rounds."""
    found = part.ratio(masked, next(name for name in DENSE if name in part.times))
    return Spread(found.median - 1, found.low - 1, found.high - 1)


def costs(parts: Mapping[str, Part]) -> list[str]:
    """What masks cost while training, a line for each way of keeping them."""
    lines = []
    if part := parts.get("train"):
        for name in MASKED:
            cost = upkeep(part, name)
            between = f"{cost.low:+.1%} to {cost.high:+.1%}"
            lines.append(f"mask upkeep, {name}: {cost.median:+.1%} ({between}) of a dense step")
    return lines


def gains(parts: Mapping[str, Part]) -> list[str]:
    """How much faster a ticket is than a dense network in the same engine, a line for each engine."""
    part = parts.get("inference")
    if part is None:
        return []
    engines = [engine for engine in ENGINES if {f"dense {engine}", f"ticket {engine}"} <= part.times.keys()]
    found = {engine: part.ratio(f"dense {engine}", f"ticket {engine}") for engine in engines}
    return [
        f"dense / ticket, {name}: {one.median:.2f}x ({one.low:.2f} to {one.high:.2f})" for name, one in found.items()
    ]


FORMATS: Mapping[str, Callable[[float], str]] = dict.fromkeys(MASKED, "{:+.1%}".format) | dict.fromkeys(
    [f"{GRID} {name}" for name in ("local", "ray", "finished")], "{:,.1f} ms".format
)


def verdicts(known: Mapping[str, object], found: Mapping[str, float]) -> list[str]:
    """For each target that is promised under such facts, whether it is met."""
    return [
        f"{'met' if target.is_met(found[target.figure]) else 'missed':6}  {target.text}: "
        + FORMATS.get(target.figure, "{:.2f}x".format)(found[target.figure])
        for target in TARGETS
        if target.figure in found and target.applies_to(known)
    ]
