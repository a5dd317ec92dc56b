"""What runs a network for its user: PyTorch, PyTorch compiled, ONNX Runtime and OpenVINO, and whether it can here."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from bench.command import flags
from bench.speed.request import Request
from bench.speed.synthetic import autocast, layout_of
from bench.speed.timing import Run
from tickets.cost import dense_macs, layer_costs
from tickets.deploy.export import ONNX_PACKAGES, inference_session
from tickets.deploy.padding import Tried, padded, to_fastest_onnx
from tickets.errors import UserError


@dataclass(frozen=True)
class Call:
    """An inference call.

    Args:
        run: makes it.
        macs: that it computes.
        file_mb: size of the file that it runs; None without one.
        note: a sentence about what was chosen for it.
    """

    run: Run
    macs: int
    file_mb: float | None = None
    note: str | None = None


def in_torch(network: nn.Module, image: Tensor, request: Request, compiled: bool = False) -> Call:
    """In PyTorch, as the request lays maps out; (B, 3, H, W) -> maps."""
    layout = layout_of(request)
    network.to(request.device).to(memory_format=layout)
    image = image.to(request.device, memory_format=layout)
    forward = torch.compile(network, dynamic=False) if compiled else network
    forward = torch.no_grad()(autocast(forward, request))
    if compiled:
        forward(image)  # compiles now, where the user was told of it
    return Call(lambda: forward(image), _macs(network, request))


@dataclass(frozen=True)
class Compacted:
    """A network of `compact`, to be run by any engine.

    Args:
        name: of it.
        network: in eval mode.
        image: (B, 3, H, W), on the CPU.
        request: device, layout, threads.
    """

    name: str
    network: nn.Module
    image: Tensor
    request: Request

    def call(self, engine: str) -> Call:
        """How an engine that is here runs it."""
        if engine == "onnx":
            return self._in_onnxruntime()
        if engine == "openvino":
            return self._in_openvino()
        return in_torch(self.network, self.image, self.request, compiled=engine == "compiled")

    @cached_property
    def exported(self) -> Exported:
        """Its ONNX file as `bench.export` writes it, with the padding that is fastest."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            plain = copy.deepcopy(self.network).to(memory_format=torch.contiguous_format)
            kept = to_fastest_onnx(plain, self.request.size, file, self.request.threads)[0]
            macs = _macs(padded(plain, kept.multiple), self.request)
            return Exported(file.read_bytes(), macs, kept)

    def _in_onnxruntime(self) -> Call:
        file, kept = self.exported, self.exported.kept
        session = inference_session(file.data, self.request.threads)
        feed = {"image": self.image.contiguous().numpy()}
        filled = "not padded" if kept.multiple == 1 else f"padded to multiples of {kept.multiple}"
        note = f"{self.name} onnx: {kept.units:,} units, {filled}."
        return Call(lambda: session.run(None, feed), file.macs, file.mb, note if kept.units else None)

    def _in_openvino(self) -> Call:
        """In float32, with its input's size fixed, as PyTorch's compiler has it."""
        import openvino

        core = openvino.Core()
        config = {
            "INFERENCE_NUM_THREADS": self.request.threads,
            "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the processor has it
            "PERFORMANCE_HINT": "LATENCY",
        }
        with TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            file.write_bytes(self.exported.data)
            model = core.read_model(str(file))
            model.reshape(list(self.image.shape))
            compiled = core.compile_model(model, "CPU", config)
        feed = [self.image.contiguous().numpy()]
        return Call(lambda: compiled(feed), self.exported.macs, self.exported.mb)


@dataclass(frozen=True)
class Exported:
    """An ONNX file.

    Args:
        data: all of it.
        macs: of a call.
        kept: how its network is padded.
    """

    data: bytes
    macs: int
    kept: Tried

    @property
    def mb(self) -> float:
        """Its size in millions of bytes."""
        return len(self.data) / 1e6


def missing(engine: str, request: Request) -> str | None:
    """Why an engine cannot be compared here; None where it can."""
    return _MISSING[engine](request)


def _no_compiler(request: Request) -> str | None:
    try:
        flags.compiler(True)
    except UserError:
        return "no C++ compiler here"
    return None


def _no_file(*packages: str) -> Callable[[Request], str | None]:
    """Why a file cannot be run by what these packages bring."""

    def why(request: Request) -> str | None:
        if request.device != "cpu":
            return "it is run on the CPU only"
        if request.dtype != "float32":
            return "it is run in float32 only"
        absent = [name for name in packages if importlib.util.find_spec(name) is None]
        return f"{', '.join(absent)} not installed" if absent else None

    return why


_MISSING: dict[str, Callable[[Request], str | None]] = {
    "torch": lambda request: None,
    "compiled": _no_compiler,
    "onnx": _no_file(*ONNX_PACKAGES),
    "openvino": _no_file(*ONNX_PACKAGES, "openvino"),
}


def _macs(network: nn.Module, request: Request) -> int:
    return request.latency_batch * dense_macs(layer_costs(network, request.size))
