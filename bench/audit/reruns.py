"""Reruns of some jobs on the compute paths that a machine has: what `results/spread.yaml` is measured by."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.audit.spread import Changed, Spread, groups, key, merged, path_of
from bench.records import provenance, record
from bench.records.record import Record
from tickets.errors import UserError

COMMAND = "python -m bench.check spread"
PUBLISHED = "published"
"""The path of published records, where they were measured on another processor or by another PyTorch."""
RIGHT, WRONG = "avx512", "changed"
"""The path that reruns with something changed are held against, and how these are called."""


@dataclass(frozen=True)
class Way:
    """How the same is computed.

    Args:
        flags: of bench.run.
        environment: variables that hold libraries to older instructions.
    """

    flags: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([*(f"{key}={value}" for key, value in self.environment.items()), self.flags])


ATEN, ONEDNN = {"ATEN_CPU_CAPABILITY": "avx2"}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}
WAYS = {
    "avx512": Way("--kernels avx512"),
    "avx2-aten-avx2": Way("--kernels avx2", ATEN),
    "avx512-onednn-avx2": Way("--kernels avx512", ONEDNN),
    "torch": Way("--kernels torch"),
    "torch-aten-avx2": Way("--kernels torch", ATEN),
    "torch-onednn-avx2": Way("--kernels torch", ONEDNN),
    "torch-threads-2": Way("--kernels torch --threads 2"),
}
"""Compute paths by name; one that a processor does not have is left out there."""
CHANGES = {
    "avx512-lr-tenth": "--set draw.learning_rate=0.002 --set transfer.learning_rate=0.002",
    "avx512-lr-double": "--set draw.learning_rate=0.04 --set transfer.learning_rate=0.04",
}
"""What is changed in reruns that the rule shall refuse."""

NATIVE, SPOILT = ("avx512", "avx2-aten-avx2", "torch"), tuple(CHANGES)
PLAIN = ("torch", "torch-aten-avx2", "torch-onednn-avx2")
FIGURES = "--source cls --target cls,seg,pose --control none --equal macs --budget 0.5"
DENSE = "--source none --target cls,seg,pose --equal macs --budget 0.5"
VAE = "--source vae --target vae --drawer imp --recipe rewind --control none --budget 0.5"
GAN = "--host decoder/tiny --drawer imp --source none --target gan --budget 0.1"
STUDIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (f"{FIGURES} --seed 0", (*NATIVE, "avx512-onednn-avx2", "torch-threads-2", *SPOILT)),
    (f"{FIGURES} --seed 1,2", NATIVE),
    (f"{DENSE} --seed 0,1", NATIVE),
    (f"{VAE} --seed 0,1", NATIVE),
    (f"{GAN} --seed 0,1", PLAIN),
)
"""Flags of runs and the paths that compute them: settings of published rows, but for gan's, which would take a day."""


def run(home: Path) -> Iterator[str]:
    """Compute all studies, a home a path; what is there is skipped. A line a run.

    Args:
        home: a folder for all of them.

    Raises:
        UserError: a run failed, other than for kernels that this processor does not have.
    """
    for flags, names in STUDIES:
        for name in names:
            way = Way(f"--kernels {RIGHT} {CHANGES[name]}") if name in CHANGES else WAYS[name]
            yield f"{name}: {flags}{_outcome(flags, way, home / name)}"


def _outcome(flags: str, way: Way, home: Path) -> str:
    words = [*flags.split(), *way.flags.split(), "--home", str(home), "--jobs", "1", "--keep", "none"]
    words += [] if "--threads" in words else ["--threads", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.run", *words],
        env={**os.environ, **way.environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
    if "this processor cannot run them" in said:
        return f": left out, {said.removeprefix('error: ')}"
    raise UserError(f"bench.run {' '.join(words)} ended with {done.returncode}: {said.removeprefix('error: ')}")


def measured(home: Path, others: Iterable[Record]) -> Spread:
    """What the homes of all paths hold, beside records that were measured elsewhere.

    Args:
        home: of `run`.
        others: published records; only those of the same jobs are taken, from another machine or PyTorch.

    Raises:
        UserError: no job was computed on two paths.
    """
    homes = {name: _records(home / name) for name in (*WAYS, *CHANGES)}
    here = {name: homes[name] for name in WAYS}
    own = [one for records in here.values() for one in records if one.status == "ok"]
    if not own:
        raise UserError(f"{home} holds no record of any path; run {COMMAND} --home {home} without --collect first.")
    others, mine = [one for one in others if one.status == "ok"], {(key(one), path_of(one)): one for one in own}
    again = [(one, mine[name]) for one in others if (name := (key(one), path_of(one))) in mine]
    paths = {**here, PUBLISHED: [one for one in others if path_of(one)[:2] != path_of(own[0])[:2]]}
    reruns = [one for one in merged(paths) if set(one.scores) - {PUBLISHED}]
    changed = [
        Changed(change=change, rerun=one)
        for name, change in CHANGES.items()
        for one in merged({RIGHT: here[RIGHT], WRONG: map(_unchanged, homes[name])})
    ]
    return Spread(
        about="Reruns of one seed over compute paths, and what they say; docs/reproduced.md tells how it is used.",
        command=f"{COMMAND} --home DIR",
        date=provenance.now(),
        machine=provenance.machine(),
        packages=provenance.packages(),
        paths={**{name: str(way) for name, way in WAYS.items() if here[name]}, PUBLISHED: _elsewhere(paths[PUBLISHED])},
        reruns=reruns,
        changed=changed,
        repeated=len(again),
        equal=sum(old.scored.score == new.scored.score for old, new in again),
        groups=groups(reruns),
    )


def _unchanged(found: Record) -> Record:
    """The same under the scale's own name, which tells what was changed."""
    scale = found.setting.scale.partition("@")[0]
    return found.model_copy(update={"setting": found.setting.model_copy(update={"scale": scale})})


def _elsewhere(found: Iterable[Record]) -> str:
    places = sorted({f"{one.device}, torch {one.packages.get('torch')}" for one in found})
    return "; ".join(places) or "none"


def _records(home: Path) -> list[Record]:
    folder = home / "records"
    return record.read_all(folder) if folder.is_dir() else []
