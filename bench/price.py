"""What a grid will cost, before it runs: training steps and multiply-accumulates, nothing computed."""

from __future__ import annotations

import torch

from bench.plan import Job
from bench.scale import Scale
from tasks.base import Task
from tasks.paper_heads import make_head
from tickets.cost import dense_macs, layer_costs
from tickets.drawers import make
from tickets.host import host_spec
from tickets.network import Network


def price(jobs: list[Job], scale: Scale, host: str, tasks: dict[str, Task]) -> str:
    """One line a job and a total.

    Costs are those of the full host at every step, 3x forward per training image: an upper bound for
    drawers that search and transfers of what they draw, exact but for the recalibration of batch norms and
    scorers otherwise.
    """
    lines, total = [], 0
    for job in jobs:
        name = job.source if job.kind == "draw" else job.target
        plan = scale.plan(name)
        steps = plan.transfer.steps
        if job.kind == "draw":
            steps = make(job.drawer).steps(plan.draw.steps, job.sparsity)
        macs = 3 * steps * plan.batch_size * _forward_macs(scale, host, tasks[name])
        total += macs
        lines.append(f"{job}: {steps:,} steps of {plan.batch_size}, {macs / 1e12:,.2f} T training MACs")
    return "\n".join([*lines, f"{len(jobs)} jobs, {total / 1e12:,.2f} T training MACs; nothing was computed."])


def _forward_macs(scale: Scale, name: str, task: Task) -> int:
    """MACs of one image through the full host and the task's head."""
    with torch.device("meta"):
        host = host_spec(name).build()
        head = make_head(task, scale.heads, host.features)
    return dense_macs(layer_costs(Network(host, head), task.size))
