"""Inference as `bench.speed` compares it: the host dense, masked, compacted, and compacted in ONNX Runtime."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.speed.request import Request
from bench.speed.synthetic import SEED, Synthetic, as_asked, host_of, layout_of, raw_batch, scores
from bench.speed.timing import Run
from tickets.deploy.compact import compact
from tickets.deploy.export import ONNX_PACKAGES, to_onnx
from tickets.hosts.supernet import Supernet
from tickets.pruning.masks import Masks, keep_top, ones, project, prunable
from tickets.searchable import search_blocks
from tickets.seeding import generator

DENSE, MASKED, COMPACTED, ONNX = "dense", "masked", "compacted", "onnx runtime"
DEAD_SHARE = 0.5
CALIBRATION_PASSES = 2


def inference_calls(request: Request) -> tuple[dict[str, Run], list[str]]:
    """Calls that map one batch of images to the host's feature maps.

    Returns:
        The calls by variant, and a sentence for each variant that is left out.
    """
    source = Synthetic.of(request)
    image = source.task.batch(raw_batch(source.task, request.latency_batch, 0))["image"]
    dense = calibrated(host_of(request), source.made[0]["image"].cpu())
    masked = calibrated(host_of(request), source.made[0]["image"].cpu(), request.sparsity)
    compacted = compact(masked)
    hosts = {DENSE: dense, MASKED: masked, COMPACTED: compacted}
    missing = _why_no_onnx(request)
    onnx = {} if missing else {ONNX: _onnx_call(compacted, image, request)}
    calls = {name: _call(host, image, request) for name, host in hosts.items()}
    return {**calls, **onnx}, [f"{ONNX} is left out: {missing}."] if missing else []


def calibrated(host: Supernet, images: Tensor, sparsity: float | None = None) -> Supernet:
    """A fresh host in eval mode with batch-norm statistics of its own.

    Args:
        host: changed in place.
        images: (B, 3, H, W), for the statistics.
        sparsity: zeroes the weights that `half_dead` masks; None leaves the host dense.
    """
    if sparsity is not None:
        project(host, half_dead(host, sparsity))
    with torch.no_grad():
        for _ in range(CALIBRATION_PASSES):
            host.train()(images)
    return host.eval()


def half_dead(host: Supernet, sparsity: float) -> Masks:
    """Masks under which half of each block's hidden units are dead, and single weights elsewhere.

    The depthwise and the projection's weights of dead units go first, then the smallest of the others, but
    each living unit keeps its largest weight in every layer, so that none dies by accident.

    Args:
        host: not modified.
        sparsity: of the whole host; where the dead units alone make more than that, it is more.
    """
    weights = prunable(host)
    alive, ranked = ones(weights), scores(weights)
    random = generator(SEED, "speed", "dead")
    for name, block in search_blocks(host).items():
        for kernel, units in block.units.items():
            layer = f"{name}.depthwise.{kernel}.weight"
            dead = torch.randperm(units, generator=random)[: round(DEAD_SHARE * units)]
            alive[layer][dead] = False
        dead = torch.cat([~alive[f"{name}.depthwise.{kernel}.weight"].flatten(1).any(1) for kernel in block.units])
        alive[f"{name}.project.weight"][:, dead] = False
        for layer, dim in ((f"{name}.expand.weight", 0), (f"{name}.project.weight", 1)):
            _favour_largest(ranked[layer], dim)
        for kernel in block.units:
            _favour_largest(ranked[f"{name}.depthwise.{kernel}.weight"], 0)
    kept = keep_top({name: score.masked_fill(~alive[name], -1.0) for name, score in ranked.items()}, sparsity)
    return {name: mask & alive[name] for name, mask in kept.items()}


def _favour_largest(score: Tensor, dim: int) -> None:
    """Lift the largest score of each unit, which are counted along `dim`, above all others, in place."""
    rows = score.transpose(0, dim).flatten(1)
    best = torch.zeros_like(rows).scatter_(1, rows.argmax(1, keepdim=True), 1e6)
    score.add_(best.view(score.transpose(0, dim).shape).transpose(0, dim))


def _call(host: nn.Module, image: Tensor, request: Request) -> Run:
    layout = layout_of(request)
    host.to(request.device).to(memory_format=layout)
    image = image.to(request.device, memory_format=layout)
    forward = torch.no_grad()(as_asked(host, request))
    return lambda: forward(image)


def _why_no_onnx(request: Request) -> str | None:
    """Why the ONNX file cannot be compared with the rest; None where it can."""
    if request.device != "cpu":
        return "it is run on the CPU only"
    if request.dtype != "float32":
        return "it is run in float32 only"
    missing = [name for name in ONNX_PACKAGES if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)} not installed; pip install 'ticketbench[export]'" if missing else None


def _onnx_call(compacted: nn.Module, image: Tensor, request: Request) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request.threads
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "compacted.onnx"
        to_onnx(compacted, request.size, file)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = {"image": image.contiguous().numpy()}
    return lambda: session.run(None, feed)
