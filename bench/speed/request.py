"""What `bench.speed` was asked to measure, checked before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

import tasks
from bench.command import flags
from bench.inventory import called
from bench.records.setting import AUTO
from bench.request import scale as scales
from bench.request.kernels import chosen
from tasks.data.places import NOWHERE, Places
from tickets.errors import UserError
from tickets.hosts.native.processor import TORCH

if TYPE_CHECKING:
    from tickets.hosts.base import HostSpec

TASKS = ("cls", "seg", "pose")
LAYOUTS = ("channels_last", "contiguous")
Precision = Literal["float32", "bfloat16"]
DTYPES: tuple[Precision, ...] = ("float32", "bfloat16")
WHAT = ("train", "inference")
LOADER, GRID = "loader", "grid"
ENGINES = ("torch", "compiled", "onnx", "openvino")
SLOW = "compiled"
"""The engine that takes minutes to prepare a network of `paper`."""
LARGEST_BATCH = {"paper": 8}
"""Where the scale's own batch is for many GPUs."""


@dataclass(frozen=True)
class Request:
    """One comparison.

    Args:
        preset: of the supernet; its scale gives the heads.
        task: "cls", "seg" or "pose", over random images and labels; for the loader the full name of one with data.
        batch: images a training step.
        latency_batch: images of an inference call.
        size: input (H, W) in pixels.
        threads: PyTorch threads, and those of the kernels.
        kernels: that compute search blocks beside PyTorch's; "torch" for no others.
        layout: memory format of our formulation: "channels_last" or "contiguous".
        dtype: "float32", or "bfloat16" for autocast.
        compiled: whether the forward passes of training steps go through torch.compile.
        sparsity: of the masked variants.
        rounds: measured rounds, unless the limit ends them.
        limit: seconds after which no round begins, but the first.
        device: "cpu", "cuda" or "cuda:N".
        what: "train", "inference" or both, or the loader or grids alone.
        engines: that run inference, of `ENGINES`.
        ticket: what is run beside a dense network; None for one that is made up.
        host: of the ticket, where that is no supernet; None for the preset.
        places: where data lie, for the loader.
    """

    preset: str
    task: str
    batch: int
    latency_batch: int
    size: tuple[int, int]
    threads: int
    kernels: str
    layout: str
    dtype: Precision
    compiled: bool
    sparsity: float
    rounds: int
    limit: float
    device: str
    what: tuple[str, ...]
    engines: tuple[str, ...]
    ticket: Path | None = None
    host: HostSpec | None = None
    places: Places = NOWHERE

    def __str__(self) -> str:
        network = f"preset {self.preset}" if self.host is None else named(self.host)
        parts = [network, self.task, "x".join(map(str, self.size)), self.dtype, self.layout]
        parts += ["compiled"] * self.compiled + [self.device]
        parts += [f"{self.kernels} kernels"] * (self.kernels != TORCH)
        return ", ".join([*parts, f"{self.threads} thread" + "s" * (self.threads != 1)])


class Asked(TypedDict):
    """What the command line gave, by the fields of `Request`.

    None is the scale's batch and size, all cores, and the usual engines.
    """

    preset: str
    task: str
    batch: int | None
    latency_batch: int
    size: str | None
    threads: int | None
    kernels: NotRequired[str]
    layout: str
    dtype: str
    compiled: bool
    sparsity: float
    rounds: int
    limit: float
    device: str
    what: str
    engines: str | None
    ticket: NotRequired[str | Path | None]
    home: NotRequired[Path]
    loader: NotRequired[bool]
    grid: NotRequired[bool]
    data_root: NotRequired[Path | None]
    data: NotRequired[list[str] | None]


def parse(asked: Asked) -> Request:
    """Check what the command line gave.

    Raises:
        UserError: a value that cannot be measured; names it and what is allowed.
    """
    loader, sparsity = asked.get("loader", False), asked["sparsity"]
    places = flags.places(asked.get("data_root"), asked.get("data"))
    name = tasks.TASKS.resolve(asked["task"]) if loader else flags.one_of(asked["task"], TASKS, "task")
    preset = flags.one_of(asked["preset"], scales.presets(), "preset")
    plan = scales.load(preset).plan(name)
    if not 0 <= sparsity < 1:
        raise UserError(f"--sparsity is {sparsity}; give the removed share of the weights, from 0 to below 1.")
    usual = min(plan.batch_size, LARGEST_BATCH.get(preset, plan.batch_size))
    what = (LOADER,) if loader else (GRID,) if asked.get("grid", False) else _several(asked["what"], WHAT, "what")
    given = asked.get("ticket")
    ticket = None if given is None else called.located(given, asked.get("home", Path("runs")))
    host = _host(ticket, preset)
    request = Request(
        preset=preset,
        task=name,
        batch=usual if asked["batch"] is None else asked["batch"],
        latency_batch=asked["latency_batch"],
        size=plan.size if asked["size"] is None else flags.image_size(asked["size"]),
        threads=(os.cpu_count() or 1) if asked["threads"] is None else asked["threads"],
        kernels=_kernels(asked, preset) if host is None else TORCH,
        layout=flags.one_of(asked["layout"], LAYOUTS, "layout"),
        dtype=flags.one_of(asked["dtype"], DTYPES, "dtype"),
        compiled=asked["compiled"],
        sparsity=sparsity,
        rounds=asked["rounds"],
        limit=asked["limit"],
        device=asked["device"],
        what=what,
        engines=_usual(preset, what) if asked["engines"] is None else _several(asked["engines"], ENGINES, "engines"),
        ticket=ticket,
        host=host,
        places=places,
    )
    _check(request)
    return request


def _kernels(asked: Asked, preset: str) -> str:
    device = asked["device"].partition(":")[0]
    setting = {"device": device, "precision": asked["dtype"], "compiled": asked["compiled"]}
    return chosen(asked.get("kernels", AUTO), setting, f"supernet/{preset}")


def _check(request: Request) -> None:
    """See that the numbers are large enough, and that the device and a compiler are there."""
    for flag, value, least in (
        ("batch", request.batch, 2),  # batch norms of a training step need two values a channel
        ("latency-batch", request.latency_batch, 1),
        ("threads", request.threads, 1),
        ("rounds", request.rounds, 1),
    ):
        if value < least:
            raise UserError(f"--{flag} is {value}; give a whole number of at least {least}.")
    if not request.limit > 0:
        raise UserError(f"--limit is {request.limit}; give a number of seconds above 0.")
    if request.host is not None:
        _check_host(request.host, request)
    flags.device(request.device)
    flags.compiler(request.compiled)


def _host(ticket: Path | None, preset: str) -> HostSpec | None:
    """The host of a ticket that is of no supernet; None for one of the preset, and where no ticket was asked for."""
    if ticket is None:
        return None
    from tickets.hosts.supernet import PRESETS, Spec
    from tickets.ticket_set import single

    spec = single(ticket, "bench.speed times").spec
    if not isinstance(spec, Spec):
        return spec
    if spec.stages != PRESETS[preset].stages:
        raise UserError(f"the ticket {ticket.name} is none of the supernet {preset}; give its --preset.")
    return None


def _check_host(spec: HostSpec, request: Request) -> None:
    """See that only inference was asked for, and that the host takes images of the size."""
    from tickets.hosts.base import check_size

    if spec.traits.takes != "image":
        raise UserError(
            f"the ticket's host is {named(spec)}, which takes latents, and networks of images are measured; "
            "bench.export writes it."
        )
    if request.what != ("inference",):
        raise UserError(
            f"the ticket's host is {named(spec)}, and only steps of supernets are measured; give --what inference."
        )
    check_size(spec, named(spec), request.size)


def named(spec: HostSpec) -> str:
    """A host that is no supernet, as its kind and its options."""
    return " ".join(map(str, spec.to_json().values()))


def _several(text: str, allowed: Sequence[str], flag: str) -> tuple[str, ...]:
    """Values separated by commas, each once."""
    return tuple(dict.fromkeys(flags.one_of(part.strip(), allowed, f"part of --{flag}") for part in text.split(",")))


def _usual(preset: str, what: tuple[str, ...]) -> tuple[str, ...]:
    """All engines; the slow one only where nothing else is asked for and the network is not large."""
    return tuple(e for e in ENGINES if e != SLOW or (what == ("inference",) and preset not in LARGEST_BATCH))
