"""The name of a job's record: readable, with a hash of everything that determines the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from bench.jobs.work import Facts, beside, own_draw
from bench.records import record
from bench.records.members import code_of
from bench.records.record import Code
from bench.records.setting import USUAL
from bench.request.plan import Job, describe
from bench.request.scale import Plan
from tasks import TASKS
from tasks.base import Task
from tickets import contract
from tickets.drawers import DRAWERS
from tickets.hosts import HOSTS
from tickets.recipes import RECIPES
from tickets.registry import Registry
from tickets.training.settings import Settings
from tickets.transforms import TRANSFORMS

if TYPE_CHECKING:
    from tickets.hosts.base import HostSpec

REGISTRIES: dict[str, Registry[Any]] = {TASKS.noun: TASKS, **contract.REGISTRIES}
"""Every noun that members of jobs are, by what messages call it."""

SEARCH = "supertickets"
"""Whose `rho` and `interval` identities have stated for all drawers since before knobs had their owners' names."""

HEADS = {("paper", "pose"): 2}
"""Editions of heads of a kind where they are not the first: pose's had the norms and first weights of the others."""


def identify(job: Job, draws: Mapping[str, str], facts: Facts) -> str:
    """The name of a job's record.

    Args:
        job: what is computed.
        draws: names of the draws that it needs, by role, which stand for all that determines their tickets.
        facts: the run's setting, scale and data.
    """
    return record.job_id(job.prefix, determinants(job, draws, facts))


def determinants(job: Job, draws: Mapping[str, str], facts: Facts) -> dict[str, Any]:
    """Everything that determines a job's result, as JSON data; what is usual or not there is left out or null."""
    return _own(job, draws) | _shared(job, facts)


def _own(job: Job, draws: Mapping[str, str]) -> dict[str, Any]:
    """What of it tells a job from those that differ from it in their seed alone."""
    needs = beside(draws)
    told = {"job": describe(job.asked) if job.kind != "draw" else describe(job), "draw": own_draw(draws)}
    return told | ({"needs": needs} if needs else {})


def _shared(job: Job, facts: Facts) -> dict[str, Any]:
    """What of it does not depend on the seed."""
    facts = facts.of(job)
    plan, setting = facts.scale.plan(job.trained_on), facts.setting
    said = knobs(job, plan)
    found = {
        "spec": _host(job, setting.host).to_json(),
        "heads": facts.scale.heads,
        "size": plan.size,
        "batch_size": plan.batch_size,
        "options": plan.options,
        "interval": said.get("interval"),
        "settings": settings_of(job, facts).to_json(),
        "versions": versions(job, facts.tasks),
        "fingerprints": {task: facts.fingerprints[task] for task in job.tasks},
        "threads": setting.threads,
        "device": setting.device,
    }
    unusual: dict[str, Any] = {
        name: value for name in ("kernels", "ranks") if (value := getattr(setting, name)) != USUAL[name]
    }
    further: dict[str, Any] = {
        "knobs": {key: value for key, value in said.items() if key not in ("rho", "interval")},
        "head": max(HEADS.get((facts.scale.heads, task.partition("/")[0]), 0) for task in job.tasks),
        "code": [[one.noun, one.name, one.distribution, one.version, one.source] for one in codes(job, facts)],
    }
    return found | unusual | {name: value for name, value in further.items() if value}


def _host(job: Job, name: str) -> HostSpec:
    """What a job's network is built from, as a draw's own drawer has it."""
    spec = HOSTS.make(name)
    return DRAWERS.make(job.drawer).host(spec) if job.kind == "draw" else spec


def identify_all(jobs: list[Job], facts: Facts, report: object = None) -> dict[Job, str]:
    """Names for jobs that are listed draws first; `report` is there for `bench.engines.local` and is not used."""
    found: dict[Job, str] = {}
    shared: dict[Job, dict[str, Any]] = {}
    for job in jobs:
        alike = replace(job, seed=0)
        if alike not in shared:
            shared[alike] = _shared(job, facts)
        draws = {role: found[need] for role, need in job.needs.items()}
        found[job] = record.job_id(job.prefix, _own(job, draws) | shared[alike])
    return found


def knobs(job: Job, plan: Plan) -> dict[str, Any]:
    """What the scale says to a draw's drawer, of the options that it has."""
    if job.kind != "draw":
        return {}
    known = {field.name for field in fields(DRAWERS.load(job.drawer))}
    return {key: value for key, value in plan.knobs(job.drawer).items() if key in known}


def settings_of(job: Job, facts: Facts) -> Settings:
    """A scale's numbers as the training loop takes them."""
    plan, setting = facts.scale.plan(job.trained_on), facts.setting
    phase = plan.draw if job.kind == "draw" else plan.transfer
    return Settings(
        steps=phase.steps,
        learning_rate=phase.learning_rate,
        weight_decay=plan.weight_decay,
        optimizer=plan.optimizer,
        eps=plan.eps,
        beta=plan.beta,
        schedule=plan.schedule,
        decay=plan.decay,
        falls=plan.falls,
        warmup=plan.warmup,
        calibration_batches=plan.calibration_batches,
        beta_range=plan.beta_range,
        average_from=plan.average_from,
        equal=setting.equal,
        precision=setting.precision,
        compiled=setting.compiled,
        accumulate=setting.accumulate,
        knobs={"rho": plan.drawers.get(SEARCH, {}).get("rho", 0.0) if job.kind == "draw" else 0.0},
    )


def versions(job: Job, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Versions of everything that computes a job's score and states one."""
    return {
        "task": {task: tasks[task].info.version for task in job.tasks},
        "drawer": DRAWERS.make(job.drawer).version if job.source else None,
        "recipe": RECIPES.make(job.recipe).version if job.recipe else None,
    }


def codes(job: Job, facts: Facts) -> list[Code]:
    """The job's members whose code does not come with the project."""
    found = []
    for noun, name in dict.fromkeys(_members(job, facts)):
        registry = REGISTRIES[noun]
        if not registry.is_ours(name):
            own, _ = registry.parts(name)
            found.append(code_of(noun, own, registry.target(name), registry.distribution(name)))
    return found


def _members(job: Job, facts: Facts) -> Iterator[tuple[str, str]]:
    """(noun, name) of every member that computes a job; what draws that it needs are computed by stands in theirs."""
    yield from ((TASKS.noun, task) for task in job.tasks)
    yield HOSTS.noun, facts.setting.host
    if job.kind == "draw":
        yield DRAWERS.noun, job.drawer
        drawer = DRAWERS.make(job.drawer, knobs(job, facts.scale.plan(job.trained_on)))
        yield from drawer.uses.items()
    if job.recipe:
        yield RECIPES.noun, job.recipe
    if job.transform:
        yield TRANSFORMS.noun, job.transform
