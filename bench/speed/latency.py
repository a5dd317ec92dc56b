"""Inference as `bench.speed` compares it: a dense host and a ticket's, as built, then exported alike to each engine."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.speed.engines import Call, Compacted, in_torch, missing
from bench.speed.request import Request
from bench.speed.synthetic import SEED, Synthetic, host_of, raw_batch, scores
from tickets.deploy.compact import compact
from tickets.pruning.masks import Masks, keep_top, ones, project, prunable
from tickets.search.searchable import search_blocks
from tickets.seeding import generator
from tickets.ticket import Ticket

DEAD_SHARE = 0.5
CALIBRATION_PASSES = 2


def inference_calls(
    request: Request, is_late: Callable[[], bool], report: Callable[[str], None]
) -> tuple[dict[str, Call], list[str]]:
    """Calls that map one batch of images to the host's feature maps.

    "dense host" and "ticket host" run the networks as they are built, in PyTorch; the others without what is dead and
    with batch norms folded, both networks alike.

    Args:
        request: what to build.
        is_late: once it says so, nothing more is compiled, which takes minutes for large networks.
        report: told of each network and engine before they are prepared.

    Returns:
        The calls by variant, and a sentence for each engine that is left out and for each file.
    """
    source = Synthetic.of(request)
    image = source.task.batch(raw_batch(source.task, request.latency_batch, 0))["image"]
    absent = {engine: why for engine in request.engines if (why := missing(engine, request))}
    made: dict[str, Call] = {}
    for name, host in networks(request, source.made[0]["image"].cpu()).items():
        compacted = Compacted(name, compact(host), image, request)
        made[f"{name} host"] = in_torch(host, image, request)
        for engine in request.engines:
            if engine == "compiled" and is_late():
                absent[engine] = "the limit was reached"
            if engine not in absent:
                report(f"{name} {engine}")
                made[f"{name} {engine}"] = compacted.call(engine)
    left_out = [f"{engine} is left out: {why}." for engine, why in absent.items()]
    return made, left_out + [call.note for call in made.values() if call.note]


def networks(request: Request, images: Tensor) -> dict[str, nn.Module]:
    """The host in eval mode, dense and as a ticket: the asked one, or one of which half of the units are dead."""
    dense = calibrated(host_of(request), images)
    if request.ticket is not None:
        return {"dense": dense, "ticket": Ticket.load(request.ticket).build()}
    sparse = host_of(request)
    project(sparse, half_dead(sparse, request.sparsity))
    return {"dense": dense, "ticket": calibrated(sparse, images)}


def calibrated(host: nn.Module, images: Tensor) -> nn.Module:
    """A fresh host in eval mode with batch-norm statistics of its own.

    Args:
        host: changed in place.
        images: (B, 3, H, W), for the statistics.
    """
    with torch.no_grad():
        for _ in range(CALIBRATION_PASSES):
            host.train()(images)
    return host.eval()


def half_dead(host: nn.Module, sparsity: float) -> Masks:
    """Masks under which half of each block's hidden units are dead, and single weights elsewhere.

    The depthwise and the projection's weights of dead units go first, then the smallest of the others, but
    each living unit keeps its largest weight in every layer, so that none dies by accident.

    Args:
        host: a supernet. Not modified.
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
