"""What a job's record says: of how it was asked for, and of what it measured."""

from __future__ import annotations

from typing import Any

import torch

from bench.jobs import memory
from bench.jobs.computing import Outcome
from bench.jobs.identity import codes, knobs, settings_of, versions
from bench.jobs.scoring import synops_of
from bench.jobs.work import Facts, Work, beside, own_draw
from bench.records import provenance
from bench.records.record import Record
from bench.request import redraw
from bench.request.plan import TICKET, Job, describe
from tasks import TASKS
from tickets.cost import dense_macs, layer_costs, sparse_macs
from tickets.hosts.base import timesteps_of
from tickets.patterns import ELEMENT
from tickets.ticket_set import members_of
from tickets.training.ensemble import parts_of


def succeeded(work: Work, outcome: Outcome, wall_s: float) -> Record:
    """The record of a job that succeeded.

    Args:
        work: the job.
        outcome: what it measured.
        wall_s: seconds that it took.
    """
    feed, spent, masks = outcome.feed, outcome.spent, outcome.masks
    layers = layer_costs(outcome.network, feed.size)
    dense_weights = sum(layer.weights for layer in layers)
    removed = sum(mask.numel() - int(mask.sum()) for mask in masks.values())
    size = outcome.ticket.costs(feed.size)
    found = {
        **frame(work),
        "status": "ok",
        "scores": {"primary": feed.primary, "score": outcome.scores["test"][feed.primary], **outcome.scores},
        "counts": {split: len(feed.task.split(split)) for split in ("train", "val", "test")},
        "test_split": feed.task.info.test,
        "ticket": {
            "hash": outcome.ticket.hash,
            "sparsity": outcome.ticket.sparsity,
            "remaining": outcome.ticket.remaining,
            "pattern": outcome.ticket.provenance.get("pattern", ELEMENT),
            "members": len(members_of(outcome.ticket)),
            "synops": synops_of(feed, outcome.ticket, outcome.network),
            **size,
        },
        "deployed": {
            "parameters": sum(p.numel() for p in outcome.network.parameters()) - removed,
            "macs": dense_macs(layers),
            "sparse_macs": sparse_macs(layers, masks),
            "sparsity": removed / dense_weights,
        },
        "costs": {
            "training_macs": spent.macs,
            "sparse_training_macs": spent.sparse_macs,
            "teacher_macs": spent.teacher_macs,
            "grad_checkpointing": work.facts.grad_checkpointing,
            "drawing_macs": outcome.drawing_macs,
            "stated_macs": outcome.stated_macs,
            "timesteps": timesteps_of(parts_of(outcome.network)[0].get_submodule("host")),
            "images": spent.images,
            "wall_s": wall_s,
            "peak_mib": memory.peak_mib(feed.device),
        },
    }
    if work.job.kind == "draw" and (told := outcome.ticket.provenance.get("timesteps")):
        found["config"] |= {"timesteps": told}
    return Record.model_validate(found)


def frame(work: Work) -> dict[str, Any]:
    """What a record says whether or not the job succeeded."""
    job, facts = work.job, work.facts
    plan, foreign = facts.scale.plan(job.trained_on), codes(job, facts)
    is_cuda, said = facts.setting.device == "cuda", knobs(job, plan)
    return {
        "id": work.id,
        "kind": job.kind,
        "job": describe(job),
        "setting": facts.setting,
        "config": {
            "heads": facts.scale.heads,
            "size": list(plan.size),
            "batch_size": plan.batch_size,
            "options": plan.options,
            "interval": said.get("interval"),
            "knobs": said,
            "settings": settings_of(job, facts).to_json(),
            "draw": own_draw(work.draws),
            "needs": beside(work.draws),
            **({"retried": work.retried} if work.retried else {}),
        },
        "versions": versions(job, facts.tasks),
        "fingerprints": {task: facts.fingerprints[task] for task in job.tasks},
        "redraw": redraw_command(job, facts) if job.source else None,
        "code": foreign,
        **provenance.stamp(torch.cuda.get_device_name(facts.device) if is_cuda else facts.device, foreign),
    }


def redraw_command(job: Job, facts: Facts) -> str:
    """What draws the job's ticket again and does nothing else."""
    setting = facts.of(job.needs.get(TICKET, job)).setting
    is_elsewhere = job.source is not None and TASKS.other(job.source) is not None
    return redraw.command(job.source or "", job.drawer, job.sparsity, job.seed, setting, is_elsewhere)
