"""What a grid will cost, before it runs: training steps and multiply-accumulates, nothing computed."""

from __future__ import annotations

import torch

from bench.plan import Job
from bench.scale import Scale
from tasks.base import Task
from tasks.paper_heads import paper_head
from tickets.cost import dense_macs, layer_costs
from tickets.network import Network
from tickets.supernet import Supernet, preset


def price(jobs: list[Job], scale: Scale, tasks: dict[str, Task]) -> str:
    """One line a job and a total.

    Costs are those of the full supernet at every step, 3x forward per training image: an upper bound for
    drawers that search, exact but for the recalibration of batch norms otherwise.
    """
    lines, total = [], 0
    for job in jobs:
        name = job.source if job.kind == "draw" else job.target
        plan = scale.plan(name)
        steps = (plan.draw if job.kind == "draw" else plan.transfer).steps
        macs = 3 * steps * plan.batch_size * _forward_macs(scale, tasks[name])
        total += macs
        lines.append(f"{job}: {steps:,} steps of {plan.batch_size}, {macs / 1e12:,.2f} T training MACs")
    return "\n".join([*lines, f"{len(jobs)} jobs, {total / 1e12:,.2f} T training MACs; nothing was computed."])


def _forward_macs(scale: Scale, task: Task) -> int:
    """MACs of one image through the full host and the task's head."""
    with torch.device("meta"):
        host = Supernet(preset(scale.preset))
        if scale.heads == "paper":
            head = paper_head(task.info.kind, host.features, task.info.outputs)
        else:
            head = task.head(host.features)
    return dense_macs(layer_costs(Network(host, head), task.size))
