"""Zero units that bring each kernel's branch to the blocks of channels that a runtime computes in.

ONNX Runtime's fast convolutions work on blocks of 16 channels with AVX-512 and of 8 with AVX2. A depthwise
convolution over another number of channels leaves that format: the maps are reordered before and after it, and it is
computed by a plain kernel. Units of zeros change no output; whether they pay is measured, not guessed.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch.nn.functional as F
from torch import Tensor, nn

from tickets.deploy.compact import CompactBranch, branches_of
from tickets.deploy.export import HOST, Face, fed, inference_session, random_inputs, to_onnx

MULTIPLES = (1, 8, 16)
"""Of units, that are tried; 1 leaves them as they are."""
ROUNDS = 30


@dataclass(frozen=True)
class Tried:
    """A network as it was timed.

    Args:
        multiple: each branch has a multiple of this many hidden units.
        units: hidden units of all branches, those of zeros included.
        seconds: of a call with one image, the least of some.
    """

    multiple: int
    units: int
    seconds: float


def to_fastest_onnx(
    module: nn.Module, size: tuple[int, int], path: Path, threads: int = 1, face: Face = HOST
) -> list[Tried]:
    """Write an ONNX file as `to_onnx` does, with the padding that ONNX Runtime is fastest with on this machine.

    Args:
        module: as for `to_onnx`; only one of `compact` has branches that can be padded.
        size: (H, W) of the images, for which it is timed.
        path: the file to write.
        threads: of ONNX Runtime.
        face: as for `to_onnx`.

    Returns:
        What was tried, the one that was written first. One that is not padded is always among them.

    Raises:
        UserError: as `to_onnx`.
        RuntimeError: as `to_onnx`.
    """
    variants = _variants(module)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        files = {multiple: Path(folder) / f"{multiple}.onnx" for multiple in variants}
        for multiple, variant in variants.items():
            to_onnx(variant, size, files[multiple], face)
        image = random_inputs(module, 1, size)
        sessions = {multiple: inference_session(file, threads) for multiple, file in files.items()}
        runs = {m: partial(session.run, None, fed(session, image)) for m, session in sessions.items()}
        taken = _least_seconds(runs)
        tried = [Tried(multiple, hidden_units(variants[multiple]), taken[multiple]) for multiple in variants]
        tried.sort(key=lambda one: one.seconds)
        files[tried[0].multiple].replace(path)
    return tried


def padded(module: nn.Module, multiple: int) -> nn.Module:
    """A copy whose branches have units of zeros up to a multiple; its outputs differ by rounding at most.

    Args:
        module: a network of `compact`; any other has no branches.
        multiple: at least 1.
    """
    twin = copy.deepcopy(module)
    for branch in branches_of(twin):
        _pad(branch, math.ceil(branch.units / multiple) * multiple)
    return twin


def hidden_units(module: nn.Module) -> int:
    """Hidden units of a compacted network, all branches together."""
    return sum(branch.units for branch in branches_of(module))


def _variants(module: nn.Module) -> dict[int, nn.Module]:
    """The module under each multiple that changes something; 1 first."""
    made = {multiple: padded(module, multiple) for multiple in MULTIPLES}
    shapes = {multiple: [branch.units for branch in branches_of(variant)] for multiple, variant in made.items()}
    first = {tuple(shape): multiple for multiple, shape in reversed(shapes.items())}
    return {multiple: made[multiple] for multiple in sorted(first.values())}


def _pad(branch: CompactBranch, units: int) -> None:
    """Give a branch this many units, in place."""
    more = units - branch.units
    for conv in (branch.expand, branch.depthwise):
        conv.weight = _with_zeros(conv.weight, more)
        conv.bias = None if conv.bias is None else _with_zeros(conv.bias, more)
        conv.out_channels = units
    branch.project.weight = _with_zeros(branch.project.weight, more, dim=1)
    branch.depthwise.in_channels = branch.depthwise.groups = branch.project.in_channels = units


def _with_zeros(tensor: Tensor, more: int, dim: int = 0) -> nn.Parameter:
    """A tensor with so many entries of zeros after the last along `dim`."""
    sides = [0, 0] * (tensor.dim() - 1 - dim) + [0, more]
    return nn.Parameter(F.pad(tensor.detach(), sides), tensor.requires_grad)


def _least_seconds(runs: Mapping[int, Callable[[], Sequence[object]]]) -> dict[int, float]:
    """Seconds of a call by name: all take turns, so that a busy machine hits all alike, and the least counts."""
    least = dict.fromkeys(runs, math.inf)
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            least[name] = min(least[name], time.perf_counter() - start)
    return least
