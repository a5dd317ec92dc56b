"""The command: our formulation against a plain one, tickets against dense networks, all against the promises."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.command import console, flags
from bench.numbers.amounts import MISSING
from bench.records import provenance
from bench.speed.report import Live, Part, show
from bench.speed.request import ENGINES, GRID, LOADER, Request, parse
from bench.speed.roof import Roof, roof_runs
from bench.speed.targets import costs, facts, figures, gains, verdicts
from bench.speed.timing import Deadline, Run, Times, clock_of, collected, interleaved
from tickets import atomic

app = console.application()

SETTING, MEASURING = "What is measured", "How it is measured"
WARM_UP = 3


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
    inference: Annotated[bool, _option("inference", "Only inference, as --what inference.", SETTING)] = False,
    engines: Annotated[
        str | None, _option("engines", f"Of {', '.join(ENGINES)} (default: all that prepare quickly).", SETTING)
    ] = None,
    ticket: Annotated[
        str | None,
        typer.Option(
            "--ticket",
            "--network",
            rich_help_panel=SETTING,
            help="Infer with the host of this ticket or trained network, of the preset or another host: a file, or a "
            "record's id (default: one made up).",
        ),
    ] = None,
    home: Annotated[Path, _option("home", "Where a record's id is looked for.", SETTING)] = Path("runs"),
    loader: Annotated[bool, _option("loader", "Only the loader of --task's data.", SETTING)] = False,
    grid: Annotated[bool, _option("grid", "Only what grids cost beside their jobs.", SETTING)] = False,
    data_root: Annotated[
        Path | None, _option("data-root", "Folder of its data, for --loader.", SETTING, envvar="TICKETBENCH_DATA")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="KIND/NAME=PATH",
            help="A folder for one task, for --loader; repeatable.",
            rich_help_panel=SETTING,
        ),
    ] = None,
    threads: Annotated[int | None, _option("threads", "PyTorch threads (default: all cores).", MEASURING)] = None,
    kernels: Annotated[str, _option("kernels", "Of native steps: auto, torch or a name.", MEASURING)] = "auto",
    layout: Annotated[str, _option("layout", "Ours: channels_last or contiguous.", MEASURING)] = "channels_last",
    dtype: Annotated[str, _option("dtype", "float32, or bfloat16 by autocast.", MEASURING)] = "float32",
    compiled: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Compile training steps.", rich_help_panel=MEASURING)
    ] = False,
    rounds: Annotated[int, _option("rounds", "Measured rounds over all variants.", MEASURING)] = 11,
    limit: Annotated[float, _option("limit", "Seconds after which no round begins.", MEASURING)] = 600,
    device: Annotated[str, _option("device", "cpu, cuda or cuda:N.", MEASURING)] = "cpu",
    file: Annotated[Path | None, _option("json", "Also write all figures there.", MEASURING)] = None,
) -> None:
    """Compare training steps and inference calls on random data; ratios are taken while all take turns.

    Training: the plain formulation (reference), ours by PyTorch (torch) and by kernels of our own (native), and these
    with masks (projection, reparam).

    Inference, of the host alone, dense and of a ticket: as built, then without what is dead in each engine.

    Examples:

    python -m bench.speed

    python -m bench.speed --preset paper --batch 8 --size 224 --what train --limit 300

    python -m bench.speed --inference --preset paper --ticket TICKET --threads 1

    python -m bench.speed --inference --ticket TICKET_OF_RESNET18 --size 224 --engines torch,onnx

    python -m bench.speed --loader --task seg/camvid --data-root DATA

    python -m bench.speed --grid --threads 1 --rounds 3
    """
    request = parse({
        "preset": preset, "task": task, "batch": batch, "latency_batch": latency_batch, "size": size,
        "threads": threads, "kernels": kernels, "layout": layout, "dtype": dtype, "compiled": compiled,
        "sparsity": sparsity, "rounds": rounds, "limit": limit, "device": device,
        "what": "inference" if inference else what,
        "engines": engines, "ticket": ticket, "home": home, "loader": loader, "grid": grid, "data_root": data_root,
        "data": data,
    })  # fmt: skip
    if file is not None:
        flags.out_file(file)
    request = _served(request, kernels)
    _begin(request)
    parts = measure(request, Deadline(request.limit))
    for part in parts.values():
        show(part)
    known, found = facts(request), figures(parts)
    print("", *costs(parts), *gains(parts), *verdicts(known, found), sep="\n")
    if file is not None:
        raw = _raw(request, parts, found)
        atomic.write(file, f"{json.dumps(raw, indent=1, default=str)}\n".encode())


def _served(request: Request, asked: str) -> Request:
    """The request with its kernels at hand, compiled where they have to be, or with PyTorch's in their place."""
    if request.host is not None:
        return request
    from bench.jobs.kernels import Kernels
    from bench.records.setting import Setting

    setting = Setting.model_validate({
        "host": f"supernet/{request.preset}", "kernels": request.kernels, "device": request.device.partition(":")[0],
        "precision": request.dtype, "compiled": request.compiled,
    })  # fmt: skip
    with Kernels(setting, asked, print) as kernels:
        return replace(request, kernels=kernels.settled().kernels)


def _begin(request: Request) -> None:
    """Set PyTorch up, and say what is measured where."""
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # no pool of compilers that outlives a peak's process
    import torch

    torch.set_num_threads(request.threads)
    if request.device != "cpu":
        torch.cuda.set_device(request.device)
    print(f"{request}\n{provenance.machine()}, {facts(request)['vectors']}", flush=True)


def measure(request: Request, deadline: Deadline) -> dict[str, Part]:
    """Measure each part that was asked for; what the deadline leaves is shared equally by those that are left."""
    measures = {"train": _train, "inference": _inference, LOADER: _loader, GRID: _grid}
    found = {}
    for done, name in enumerate(request.what):
        found[name] = measures[name](request, deadline.share(len(request.what) - done))
    return found


def _train(request: Request, deadline: Deadline) -> Part:
    from bench.speed.steps import step_macs, training_step, variants

    title, names = "training step", variants(request)
    peaks = _peaks(request, Live(f"{title}, MiB", names), deadline)
    roof, times, notes = _timed(title, {name: training_step(request, name) for name in names}, request, deadline)
    if len(peaks) < len(names):
        notes.append(f"peak memory of {len(names) - len(peaks)} variants is left out: the limit was reached.")
    return Part(title, request.batch, roof, times, dict.fromkeys(names, step_macs(request)), peaks, notes=notes)


def _inference(request: Request, deadline: Deadline) -> Part:
    from bench.speed.latency import inference_calls

    calls, notes = inference_calls(request, deadline.is_over, lambda name: print(f"preparing {name}", flush=True))
    roof, times, late = _timed("inference", {name: call.run for name, call in calls.items()}, request, deadline)
    macs = {name: call.macs for name, call in calls.items()}
    files = {name: call.file_mb for name, call in calls.items() if call.file_mb is not None}
    return Part("inference", request.latency_batch, roof, times, macs, file_mb=files, notes=[*notes, *late])


def _loader(request: Request, deadline: Deadline) -> Part:
    from bench.speed import loading

    runs = loading.runs(request, loading.located(request))
    roof, times, notes = _timed("loaders", runs, request, deadline)
    return Part("training step and loaders", request.batch, roof, loading.a_batch(times), notes=notes)


def _grid(request: Request, deadline: Deadline) -> Part:
    from bench.speed import grids

    with grids.runs(request) as runs:
        roof, times, notes = _timed("grids", runs, request, deadline)
    return Part("a job without work", 1, roof, grids.a_job(times), notes=notes, unit="jobs")


def _timed(title: str, runs: Mapping[str, Run], request: Request, deadline: Deadline) -> tuple[Roof, Times, list[str]]:
    """The roof, seconds by variant and round, and a note if there are fewer rounds than were asked for."""
    runs = {**runs, **roof_runs(request)}
    measured = interleaved(runs, request.rounds, WARM_UP, clock_of(request.device), deadline.is_over)
    times = collected(Live(f"{title}, ms", runs).rounds(measured, request.rounds))
    roof = Roof.of(request, times)
    rounds = len(roof.product)
    short = f"{rounds} of {request.rounds} rounds: the limit of {request.limit:g} s was reached."
    return roof, times, [short] if rounds < request.rounds else []


def _peaks(request: Request, live: Live, deadline: Deadline) -> dict[str, float]:
    """MiB by variant, each in a fresh process and alone, as long as there is time."""
    from bench.engines.local import Workers

    found = {}
    live.begin("peak")
    for name in live.widths:
        if not deadline.is_over():
            with Workers(1, request.threads) as workers:
                found[name] = workers.call("bench.speed.steps:peak", request, name)
        live.cell(name, f"{found[name]:,.0f}" if name in found else MISSING)
    return found


def _raw(request: Request, parts: Mapping[str, Part], found: Mapping[str, float]) -> dict[str, Any]:
    name = request.device
    if name != "cpu":
        import torch

        name = torch.cuda.get_device_name(request.device)
    return {
        "request": asdict(request),
        **provenance.stamp(name),
        "threads": request.threads,
        "parts": {key: part.to_json() for key, part in parts.items()},
        "figures": dict(found),
    }
