"""Records made up for tests: `record(...)` fills in everything that a test does not care about."""

from __future__ import annotations

from typing import Any

from bench.records.curve import Curve
from bench.records.portrait import Block, Layer, Mask, Portrait
from bench.records.record import Code, Costs, Deployed, Job, Record, Scores, TicketSize, job_id
from bench.records.setting import Setting

METRIC = {"cls": "top1", "seg": "miou", "pose": "pck"}
VERSIONS = {"cls/figures": 1, "seg/figures": 1, "pose/figures": 1}


MODELS = {"job": Job, "setting": Setting, "costs": Costs, "ticket": TicketSize, "deployed": Deployed, "scores": Scores}
PARTS = {key: model.model_fields for key, model in MODELS.items()}
"""Keys of a record's parts; the first part that has a key is meant, and the record itself before all but the job."""


def record(
    source: str | None = "cls/figures",
    target: str | None = "seg/figures",
    score: float | None = 0.5,
    seed: int = 0,
    **changes: Any,
) -> Record:
    """A coherent record; a target of None makes it a draw, a score of None a failure.

    Args:
        source: task drawn on; None for dense training from scratch.
        target: task transferred to.
        score: of the test split.
        seed: the job's seed.
        changes: keys of the record's `job`, `setting`, or of the record itself, or of its `costs`, `ticket`,
            `deployed`, `scores`.
    """
    data = template(source, target, score, seed)
    for name, value in changes.items():
        places = [data[key] for key, fields in PARTS.items() if data[key] and name in fields]
        own = name in Record.model_fields and name not in PARTS["job"]
        (data if own or not places else places[0])[name] = value
    data["id"] = changes.get("id") or job_id("sample", {key: data[key] for key in ("job", "setting", "versions")})
    return Record.model_validate(data)


def portrait(draw: str, ticket: str, name: str = "stem.0") -> Portrait:
    """A portrait of two blocks, two layers and a mask of eight weights.

    Args:
        draw: id of its record.
        ticket: the hash of its content.
        name: of a layer.
    """
    block = {"row": 0, "live": (4, 0), "full": (4, 4), "kept": 10, "weights": 40}
    return Portrait(
        record=draw,
        ticket=ticket,
        kernels=(3, 5),
        blocks=tuple(Block(column=n, over=f"stage {n}\nblock 0", **block) for n in (0, 1)),
        layers=(Layer(name=name, weights=20, kept=7), Layer(name="branches.0.0.0.project", weights=8, kept=0)),
        mask=Mask(layer=name, size=(2, 4), rows=("0f0f", "8f00")),
        curve=Curve(points=((0.1, 2.5, 0.0), (0.5, 1.5, 0.4), (1.0, 1.25, 0.9))),
    )


def code(**changes: Any) -> Code:
    """A drawer of another distribution, installed from an index and unchanged."""
    told = {"noun": "drawer", "name": "rigl", "distribution": "acme-tickets", "version": "1.0", "source": "ab" * 32}
    return Code(**{**told, "commit": None, "dirty": False, "is_public": True, **changes})


def older(found: Record) -> dict[str, Any]:
    """The JSON data of a record as schema 1 told them; what it could not tell is left out."""
    data = found.model_dump(mode="json", by_alias=True)
    setting = data.pop("setting")
    data["job"] |= {name: setting[name] for name in ("scale", "host", "budget", "equal")}
    data["config"] |= {"settings": {name: setting[name] for name in ("precision", "compiled")}}
    data |= {"schema": 1, "threads": setting["threads"]}
    late = {"job": ["host_drawn"], "scores": ["amounts", "members"], "ticket": ["members", "synops", "pattern"]}
    late |= {"costs": ["teacher_macs", "timesteps"]}
    for part, names in late.items():
        data[part] = data[part] and {name: value for name, value in data[part].items() if name not in names}
    del data["code"]
    data["redraw"] = data["redraw"] and data["redraw"].removesuffix(" --kernels torch")
    return data


def template(source: str | None, target: str | None, score: float | None, seed: int) -> dict[str, Any]:
    """The JSON data of a record with nothing changed; parts that do not apply are None."""
    kind = "draw" if target is None else "transfer" if source else "control"
    primary = METRIC[(target or source or "").split("/")[0]]
    tasks = [task for task in (source, target) if task]
    scores = {
        "primary": primary,
        "score": score,
        "test": {primary: score},
        "val": {primary: score},
        "classes": {},
        "val_before_last_prune": None,
        "val_after_last_prune": None,
    }
    return {
        "schema": 3,
        "id": "",
        "kind": kind,
        "status": "failed" if score is None else "ok",
        "error": "the loss is not finite" if score is None else None,
        "origin": "measured",
        "job": {
            "source": source,
            "target": target,
            "drawer": "omp" if source else "dense",
            "sparsity": 0.9 if source else 0.0,
            "transform": None,
            "recipe": None if kind == "draw" else "finetune" if source else "scratch",
            "head": "fresh" if kind == "transfer" else None,
            "control": "dense" if kind == "control" else None,
            "seed": seed,
        },
        "setting": {"scale": "tiny", "host": "supernet/tiny", "budget": 1.0, "threads": 1, "device": "cpu"},
        "config": {"preset": "tiny", "size": [64, 64]},
        "scores": None if score is None else scores,
        "counts": {"train": 3684, "val": 412, "test": 1024},
        "test_split": "test",
        "ticket": {
            "hash": "0123456789abcdef",
            "sparsity": 0.9,
            "remaining": 0.0871234,
            "parameters": 11_374,
            "macs": 23_456_789,
            "sparse_macs": 3_456_789,
            "estimated_macs": 2_345_679,
        }
        if source
        else None,
        "deployed": None
        if kind == "draw"
        else {"parameters": 15_812, "macs": 30_456_789, "sparse_macs": 10_456_789, "sparsity": 0.88},
        "costs": {
            "training_macs": 1_000_000_000_000,
            "sparse_training_macs": 300_000_000_000,
            "drawing_macs": 2_000_000_000_000 if kind == "transfer" else 0,
            "images": 36_840,
            "wall_s": 61.25,
            "peak_mib": 712.5,
        },
        "versions": {
            "task": {task: VERSIONS.get(task, 1) for task in tasks},
            "drawer": 1,
            "recipe": None if kind == "draw" else 1,
        },
        "fingerprints": {task: {"train": "a1b2c3d4e5f60718", "test": "18076f5e4d3c2b1a"} for task in tasks},
        "redraw": "python -m bench.run --source cls --target seg --kernels torch" if source else None,
        "commit": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "dirty": False,
        "packages": {"python": "3.11.7", "torch": "2.15.0"},
        "device": "cpu (Linux x86_64)",
        "created": "2026-01-31T12:00:00Z",
    }
