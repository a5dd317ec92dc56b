"""The command: our formulation against a plain one, and against the promises of the project."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.command import console, flags
from bench.speed.report import Part, show, upkeep
from bench.speed.request import LOADER, Request, parse
from bench.speed.timing import Run, Times, cuda_seconds, interleaved, seconds
from tickets import atomic

app = console.application()

SETTING, MEASURING = "What is measured", "How it is measured"
WARM_UP = 3


@dataclass(frozen=True)
class Target:
    """A promise of the project.

    Args:
        text: what is promised.
        figure: which of `figures` it is about.
        bound: the least or the most that keeps it.
        is_least: whether `bound` is the least.
        where: attributes of the requests it is promised for.
    """

    text: str
    figure: str
    bound: float
    is_least: bool
    where: Mapping[str, object]

    def applies_to(self, request: Request) -> bool:
        """Whether it is promised for such a request."""
        return all(getattr(request, name) == value for name, value in self.where.items())

    def is_met(self, value: float) -> bool:
        """Whether a measured value keeps the promise."""
        return value >= self.bound if self.is_least else value <= self.bound


PLAIN = {"device": "cpu", "dtype": "float32", "layout": "channels_last", "compiled": False}
TINY = {"preset": "tiny", **PLAIN}
PAPER = {"preset": "paper", "task": "cls", "batch": 8, "size": (224, 224), **PLAIN}
TARGETS = (
    Target("masked steps at least 3x as fast as the reference's, on two idle cores", "step", 3.0, True, PAPER),
    Target("peak memory of masked steps no higher than the reference's", "memory", 1.0, False, PAPER),
    Target("masked steps at least 2x as fast as the reference's", "step", 2.0, True, TINY),
    Target("projection adds at most 3 % to a dense step", "projection", 0.03, False, {"preset": "paper"}),
    Target("reparam adds at most 8 % to a dense step", "reparam", 0.08, False, {"preset": "paper"}),
    Target("a loader of two processes gives at least 1.5x the images that the step takes", LOADER, 1.5, True, TINY),
    Target("compacted takes at most 0.7 of masked, half of the units dead", "compacted", 0.7, False, {}),
)


def _option(name: str, help_text: str, panel: str, envvar: str | None = None) -> Any:
    return typer.Option(f"--{name}", help=help_text, rich_help_panel=panel, envvar=envvar)


@app.command()
def speed(
    preset: Annotated[str, _option("preset", "Supernet: tiny, small or paper.", SETTING)] = "tiny",
    task: Annotated[str, _option("task", "Head and loss: cls, seg or pose; with --loader any task.", SETTING)] = "cls",
    batch: Annotated[
        int | None, _option("batch", "Images a step (default: the scale's; 8 for paper).", SETTING)
    ] = None,
    latency_batch: Annotated[int, _option("latency-batch", "Images an inference call.", SETTING)] = 1,
    size: Annotated[str | None, _option("size", "224 or 256x192 (default: the scale's).", SETTING)] = None,
    sparsity: Annotated[float, _option("sparsity", "Of masked variants, in [0, 1).", SETTING)] = 0.9,
    what: Annotated[str, _option("what", "train, inference or both.", SETTING)] = "train,inference",
    loader: Annotated[bool, _option("loader", "Only the loader of --task's data.", SETTING)] = False,
    data_root: Annotated[
        Path | None, _option("data-root", "Folder of its data, for --loader.", SETTING, envvar="TICKETBENCH_DATA")
    ] = None,
    threads: Annotated[int | None, _option("threads", "PyTorch threads (default: all cores).", MEASURING)] = None,
    layout: Annotated[str, _option("layout", "Ours: channels_last or contiguous.", MEASURING)] = "channels_last",
    dtype: Annotated[str, _option("dtype", "float32, or bfloat16 by autocast.", MEASURING)] = "float32",
    compiled: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Use torch.compile.", rich_help_panel=MEASURING)
    ] = False,
    rounds: Annotated[int, _option("rounds", "Measured rounds over all variants.", MEASURING)] = 11,
    device: Annotated[str, _option("device", "cpu, cuda or cuda:N.", MEASURING)] = "cpu",
    file: Annotated[Path | None, _option("json", "Also write all figures there.", MEASURING)] = None,
) -> None:
    """Compare training steps and inference calls on random data; ratios are taken while all take turns.

    Training: the plain formulation (reference), ours without masks (dense) and with (projection, reparam).

    Inference, of the host alone: dense, masked, compacted, and compacted in ONNX Runtime.

    Examples:

    python -m bench.speed

    python -m bench.speed --preset paper --batch 8 --size 224 --what train

    python -m bench.speed --loader --task seg/camvid --data-root DATA
    """
    request = parse({
        "preset": preset, "task": task, "batch": batch, "latency_batch": latency_batch, "size": size,
        "threads": threads, "layout": layout, "dtype": dtype, "compiled": compiled, "sparsity": sparsity,
        "rounds": rounds, "device": device, "what": what, "loader": loader, "data_root": data_root,
    })  # fmt: skip
    if file is not None:
        flags.out_file(file)
    parts = measure(request)
    found = figures(parts)
    show(list(parts.values()), str(request), [*costs(parts), *verdicts(request, found)])
    if file is not None:
        atomic.write(file, f"{json.dumps(_raw(request, parts, found), indent=1, default=str)}\n".encode())


def measure(request: Request) -> dict[str, Part]:
    """Time what was asked for, then find the peak memory of training steps."""
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no pool of compilers that outlives a peak's process
    import torch

    torch.set_num_threads(request.threads)
    if request.device != "cpu":
        torch.cuda.set_device(request.device)
    parts = {}
    if "train" in request.what:
        from bench.speed.steps import VARIANTS, training_step

        times = _timed("training steps", {name: training_step(request, name) for name in VARIANTS}, request)
        parts["train"] = Part("training step", request.batch, times, peaks(request, VARIANTS))
    if "inference" in request.what:
        from bench.speed.latency import inference_calls

        calls, notes = inference_calls(request)
        times = _timed("inference calls", calls, request)
        parts["inference"] = Part("inference", request.latency_batch, times, notes=notes)
    if LOADER in request.what:
        from bench.speed import loading

        task = loading.located(request)
        times = _timed("loaders and training steps", loading.runs(request, task), request)
        parts[LOADER] = Part("training step and loaders", request.batch, loading.a_batch(times))
    return parts


def _timed(what: str, runs: Mapping[str, Run], request: Request) -> Times:
    clock = seconds if request.device == "cpu" else cuda_seconds
    with _progress(what, WARM_UP + request.rounds) as report:
        return interleaved(runs, request.rounds, WARM_UP, clock, report)


@contextmanager
def _progress(what: str, rounds: int) -> Any:
    """A bar on stderr, if that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    screen = Console(stderr=True)
    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(what, total=rounds)
        yield lambda done: bar.update(task, completed=done)


def peaks(request: Request, variants: Sequence[str]) -> dict[str, float]:
    """MiB by variant, each in a fresh process and alone."""
    from bench.jobs.workers import Workers

    found = {}
    for name in variants:
        with Workers(1, request.threads) as workers:
            found[name] = workers.call("bench.speed.steps:peak", request, name)
    return found


def figures(parts: Mapping[str, Part]) -> dict[str, float]:
    """What targets are about, as far as it was measured: medians over the rounds.

    `step` and `memory` take the worse of the two masked variants.
    """
    found: dict[str, float] = {}
    if part := parts.get("train"):
        masked = ("projection", "reparam")
        found["step"] = min(part.ratio("reference", name).median for name in masked)
        found["memory"] = max(part.peaks_mib[name] for name in masked) / part.peaks_mib["reference"]
        found.update((name, upkeep(part, name, "dense").median) for name in masked)
    if part := parts.get(LOADER):
        from bench.speed.loading import AHEAD, STEP

        found[LOADER] = part.ratio(STEP, AHEAD).median
    if part := parts.get("inference"):
        found["compacted"] = part.ratio("compacted", "masked").median
    return found


def costs(parts: Mapping[str, Part]) -> list[str]:
    """What masks cost while training, a line for each way of keeping them."""
    lines = []
    if part := parts.get("train"):
        for name in ("projection", "reparam"):
            cost = upkeep(part, name, "dense")
            between = f"{cost.low:+.1%} to {cost.high:+.1%}"
            lines.append(f"mask upkeep, {name}: {cost.median:+.1%} ({between}) of a dense step")
    return lines


FORMATS: dict[str, Callable[[float], str]] = {
    "projection": lambda value: f"{value:+.1%}",
    "reparam": lambda value: f"{value:+.1%}",
}


def verdicts(request: Request, found: Mapping[str, float]) -> list[str]:
    """For each target that is promised for such a request, whether it is met."""
    return [
        f"{'met' if target.is_met(found[target.figure]) else 'missed':6}  {target.text}: "
        + FORMATS.get(target.figure, "{:.2f}x".format)(found[target.figure])
        for target in TARGETS
        if target.figure in found and target.applies_to(request)
    ]


def _raw(request: Request, parts: Mapping[str, Part], found: Mapping[str, float]) -> dict[str, Any]:
    from bench.records.provenance import stamp

    name = request.device
    if name != "cpu":
        import torch

        name = torch.cuda.get_device_name(request.device)
    return {
        "request": asdict(request),
        **stamp(name),
        "threads": request.threads,
        "parts": {key: part.to_json() for key, part in parts.items()},
        "figures": dict(found),
    }
