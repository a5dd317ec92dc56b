"""Eight-bit weights and activations of an exported network, by ONNX Runtime's own quantisation."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tickets.deploy.export import inference_session
from tickets.errors import UserError


def quantise(file: Path, images: Sequence[np.ndarray]) -> None:
    """Make an ONNX file one of int8 weights, a scale a channel, and of uint8 activations by the images' ranges.

    Args:
        file: of a whole network; replaced, or left as it is where this fails.
        images: float32 (1, 3, H, W) as the file takes them, of which the ranges are measured; none: activations are
            quantised by their ranges at each run, which is exact to the image and slower.

    Raises:
        UserError: ONNX Runtime cannot quantise the network, or no longer run it.
    """
    from onnxruntime import quantization

    unsigned = quantization.QuantType.QUInt8
    with TemporaryDirectory(dir=file.parent, prefix=f".{file.name}.") as folder, _quiet():
        ready, small = Path(folder) / "ready.onnx", Path(folder) / "int8.onnx"
        try:
            name = inference_session(file).get_inputs()[0].name
            quantization.shape_inference.quant_pre_process(str(file), str(ready), skip_symbolic_shape=True)
            if images:
                quantization.quantize_static(
                    str(ready), str(small), _Images(name, images), per_channel=True,
                    activation_type=unsigned, weight_type=quantization.QuantType.QInt8,
                )  # fmt: skip
            else:
                quantization.quantize_dynamic(str(ready), str(small), weight_type=unsigned)  # as its convolutions take
            inference_session(small)
        except Exception as error:  # whatever it stumbles over, it has no errors of its own
            reason = str(error).strip().partition("\n")[0].rstrip(".")
            raise UserError(
                f"ONNX Runtime cannot quantise this network ({type(error).__name__}: {reason}); leave --int8 out."
            ) from error
        small.replace(file)


class _Images:
    """What the ranges are measured on; has the one method of `onnxruntime.quantization.CalibrationDataReader`."""

    def __init__(self, name: str, images: Sequence[np.ndarray]) -> None:
        self.left: Iterator[dict[str, Any]] = iter([{name: image} for image in images])

    def get_next(self) -> dict[str, Any] | None:
        """The next image under the input's name; None after the last."""
        return next(self.left, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the quantisation prints and logs on the way."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
