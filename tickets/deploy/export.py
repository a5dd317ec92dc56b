"""Exports of a plain network, as of `compact`: a `torch.export` program, or an ONNX file that was tried."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.hosts.base import given_to, latent_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ONNX_PACKAGES = ("onnx", "onnxruntime", "onnxscript")
MORE = 32
"""Pixels by which a side is longer at which a file of free sides is tried again."""
TOLERANCE = 1e-4
"""Allowed difference between an ONNX file's outputs and the module's, relative to the largest output."""


@dataclass(frozen=True)
class Face:
    """How an exported network looks from outside.

    Args:
        outputs: their names; None for feature maps, "features_0" and so on.
        free_sides: whether height and width stay free, and not only the batch.
        step: what free sides are multiples of.
        metadata: what the file tells of itself.
    """

    outputs: tuple[str, ...] | None = None
    free_sides: bool = False
    step: int = 1
    metadata: Mapping[str, str] = field(default_factory=dict)


HOST = Face()
"""A host alone: images of one size -> feature maps."""


def to_program(module: nn.Module, size: tuple[int, int], path: Path, face: Face = HOST) -> None:
    """Write a `torch.export` program, which `torch.export.load(path).module()` turns back into a module.

    Args:
        module: in eval mode, images (B, 3, H, W), or latents, -> list of feature maps. Not modified.
        size: (H, W) of the images; the batch stays free.
        path: the file to write, customarily "*.pt2"; its folder is made.
        face: outputs need no names here; metadata go into its extra file "metadata.json".

    Raises:
        UserError: the module is in training mode, or cannot be run at the size.
        Exception: sides shall be free, and the tracer fixes them.
    """
    _check(module, size)
    program = torch.export.export(module, (random_inputs(module, 2, size),), dynamic_shapes=_free(face))
    if face.free_sides:
        with torch.no_grad():
            program.module()(random_inputs(module, 3, _more(size)))
    with _written(path) as file:
        torch.export.save(program, file, extra_files={"metadata.json": json.dumps(dict(face.metadata))})


def to_onnx(module: nn.Module, size: tuple[int, int], path: Path, face: Face = HOST) -> None:
    """Write an ONNX file with the input "image", or "latent", and the outputs "features_0", "features_1" and so on.

    Before the file gets its name it is run by onnxruntime on the CPU, and its outputs are compared with the module's.

    Args:
        module: in eval mode, images (B, 3, H, W), or latents, -> list of feature maps. Not modified.
        size: (H, W) of the images; the batch stays free.
        path: the file to write; its folder is made.
        face: names, free dimensions and metadata.

    Raises:
        UserError: a package of the extra `export` is missing, the module is in training mode, or cannot be run at
            the size.
        RuntimeError: the file computes something else than the module; nothing is left at `path`.
        Exception: sides shall be free, and the tracer fixes them.
    """
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"to_onnx() needs {', '.join(missing)}, not installed here; pip install 'ticketbench[export]'.")
    _check(module, size)
    names = face.outputs or tuple(f"features_{i}" for i in range(_maps(module, size)))
    with _written(path) as file:
        torch.onnx.export(
            module,
            (random_inputs(module, 2, size),),
            file,
            input_names=["image" if latent_of(module) is None else "latent"],
            output_names=list(names),
            dynamic_shapes=_free(face),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        if face.metadata:
            _state(file, face.metadata)
        for sides in (size, _more(size))[: 1 + face.free_sides]:
            _compare(file, names, module, random_inputs(module, 3, sides))


def inference_session(file: Path | bytes, threads: int = 0) -> InferenceSession:
    """An ONNX file, ready to run on the CPU: `run(None, fed(session, array))` gives the feature maps.

    Args:
        file: from `to_onnx`, or its content.
        threads: of one call; 0 leaves that to ONNX Runtime.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def fed(session: InferenceSession, given: Tensor) -> dict[str, Any]:
    """The one input of a session under its name."""
    return {session.get_inputs()[0].name: given.cpu().numpy()}


def _check(module: nn.Module, size: tuple[int, int]) -> None:
    """Refuse what would be exported wrongly or not at all."""
    training = [name or "the module" for name, part in module.named_modules() if part.training]
    if training:
        raise UserError(f"only a module in eval mode is exported, but {training[0]} is in training mode; call .eval().")
    if len(size) != 2 or min(size) < 1:
        raise UserError(f"size must be a positive (height, width), got {size}; use that of the task's images.")
    try:
        with torch.no_grad():
            module(random_inputs(module, 1, size))
    except Exception as error:  # networks refuse sizes with assertions, shape errors and more
        reason = (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".")
        raise UserError(
            f"the network cannot be run at {size[0]}x{size[1]} ({reason}); give a size that it takes, as that of its "
            "training."
        ) from error


def random_inputs(module: nn.Module, batch: int, size: tuple[int, int]) -> Tensor:
    """Random images, or latents for such, always the same, of the module's dtype and device; (batch, 3, H, W).

    They are normalised, or of levels 0 to 255 for a module that says `takes_pixels`.
    """
    like = next(module.parameters())
    drawn = torch.randn(batch, *given_to(module, size), generator=torch.Generator().manual_seed(0)).to(like)
    return (drawn * 60 + 120).round().clamp(0, 255) if getattr(module, "takes_pixels", False) else drawn


def _free(face: Face) -> tuple[dict[int, Any]]:
    """The dynamic shapes of one argument: its first dimension, and its sides where they are free."""
    batch = {0: torch.export.Dim("batch")}
    if not face.free_sides:
        return (batch,)
    if face.step == 1:
        return ({**batch, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},)
    return ({**batch, 2: face.step * torch.export.Dim("rows"), 3: face.step * torch.export.Dim("columns")},)


def _more(size: tuple[int, int]) -> tuple[int, int]:
    """Another size that a file of free sides is tried at."""
    return size[0] + MORE, size[1] + MORE


def _maps(module: nn.Module, size: tuple[int, int]) -> int:
    """How many feature maps it gives."""
    with torch.no_grad():
        return len(module(random_inputs(module, 1, size)))


def _state(file: Path, metadata: Mapping[str, str]) -> None:
    """Write metadata into an ONNX file."""
    import onnx

    model = onnx.load(str(file))
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.save(model, str(file))


def _compare(file: Path, names: Sequence[str], module: nn.Module, images: Tensor) -> None:
    """Run an ONNX file on images of another batch size than it was traced with, and perhaps of other sides."""
    with torch.no_grad():
        expected = module(images)
    session = inference_session(file)
    outputs = session.run(None, fed(session, images))
    for name, got, wanted in zip(names, outputs, expected, strict=True):
        wanted = wanted.cpu()
        scale = float(wanted.abs().max())
        error = float((torch.from_numpy(got) - wanted).abs().max())
        if not error <= TOLERANCE * scale:
            raise RuntimeError(
                f"the ONNX file's {name} differ from the module's by {error:.3g} where {TOLERANCE:g} of "
                f"{scale:.3g} is allowed; try other versions of {', '.join(ONNX_PACKAGES)}."
            )


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it if the body succeeds and deleted otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
