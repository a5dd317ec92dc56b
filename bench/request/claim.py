"""Claims as data: what is claimed, by which contrast it is decided, and when that was fixed. One YAML file a family.

`results/claims/README.md` tells what every key means. Committed before a run, such a file is its pre-registration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator
from pydantic import model_validator as validator

from bench.records.record import Part, Sparsity, explain
from bench.request import written
from tickets import bounded
from tickets.errors import UserError
from tickets.plain import plain

FOLDER = Path("results/claims")
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

MARKUP = "|<>`\\"
"""Signs that mean something in the tables that claims are shown in."""


def _text(value: str) -> str:
    if not value.replace("\n", " ").isprintable():
        raise ValueError("it holds a sign that cannot be printed; write plain text")
    return value


def _line(value: str) -> str:
    if not value.isprintable() or any(sign in value for sign in MARKUP):
        raise ValueError(f"one line of plain text is allowed, without any of {MARKUP}")
    return value


Text = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_text)]
Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_line)]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Points = Annotated[float, Field(ge=-100, le=100)]


class Source(Part):
    """Where a claim is made.

    Args:
        paper: as in "SuperTickets, arXiv 2207.03677".
        section: of it.
    """

    paper: Line
    section: Line | None = None


class Registered(Part):
    """When a claim was fixed.

    Args:
        date: UTC, as in 2026-01-31T12:00:00Z.
        commit: the first that holds it, where that is another file's.
    """

    date: Time
    commit: Commit | None = None


class Late(Part):
    """A claim that was added after its records, or some of its family's, had been seen.

    Args:
        date: when.
        why: it was added.
    """

    date: Time
    why: Line


class Arms(Part):
    """Two arms, and which records they are taken from: those that share everything but the arm.

    Args:
        first: what is claimed to be better, as tables and bench.compare call it.
        second: what it is held against: a rival or a control.
        by: what both are.
        source: only tickets drawn on these tasks; empty for all, as below.
        target: only transfers to these; none for draws.
        method: only these methods.
        recipe: only these recipes.
        sparsity: only these sparsities.
        host: only this host.
        scale: only this scale.
        budget: only this budget.
    """

    first: Line
    second: Line
    by: Literal["method", "recipe", "origin", "members"] = "method"
    source: list[Line] = Field(default=[])
    target: list[Line] = Field(default=[])
    method: list[Line] = Field(default=[])
    recipe: list[Line] = Field(default=[])
    sparsity: list[Sparsity] = Field(default=[])
    host: Line | None = None
    scale: Line | None = None
    budget: float | None = None

    @validator(mode="after")
    def _can_be_compared(self) -> Self:
        if self.first == self.second:
            raise ValueError(f"first and second are both {self.first!r}; give two arms")
        if getattr(self, self.by, None):
            raise ValueError(f"{self.by} is given beside {self.by}s that are compared; leave it out")
        if "none" in self.target and len(self.target) > 1:
            raise ValueError(f"target is {', '.join(self.target)}; give none alone, for draws, or tasks")
        return self


class Contrast(Arms):
    """What is measured: the first arm minus the second, in points, paired by job and seed.

    Args:
        less: another difference that is taken off, paired by source, target, sparsity and seed.
        clusters: what counts once as first registered, where that is not what bench.compare takes: tickets of one
            source and seed, or all of a seed.
    """

    less: Arms | None = None
    clusters: Literal["source and seed", "seed"] | None = None


class Claim(Part):
    """One claim.

    Args:
        claim: in a sentence; readers of the table see it.
        over: which data and sparsity, in words.
        contrast: what is measured.
        controls: what stands beside it, so that a difference means what is claimed.
        margin: points; the mean must be at least that, or, where it is below 0, may fall short by no more.
        seeds: that each arm has.
        refuted: what would refute it.
        late: where it was added later than its family; else None.
        void: why it says nothing although it was measured; else None.
    """

    claim: Line
    over: Line
    contrast: Contrast
    controls: list[Line] = Field(default=[])
    margin: Points = 0.0
    seeds: Annotated[int, Field(ge=2, le=10_000)]
    refuted: Line
    late: Late | None = None
    void: Line | None = None


class Family(Part):
    """A file's content: claims that were registered together, and are adjusted for their number.

    Args:
        about: what is claimed, by whom, and how it is decided.
        source: where.
        suites: that compute it; what they run is theirs to say.
        registered: when.
        claims: by name.
    """

    about: Text
    source: Source
    suites: Annotated[list[Line], Field(min_length=1)]
    registered: Registered
    claims: Annotated[dict[str, Claim], Field(min_length=1)]

    @field_validator("claims")
    @classmethod
    def _names_are_plain(cls, value: dict[str, Claim]) -> dict[str, Claim]:
        for name in value:
            if not NAME.fullmatch(name):
                raise ValueError(f"a claim is called {name!r}; small letters, digits and - between them are allowed")
        return value

    @validator(mode="after")
    def _late_is_later(self) -> Self:
        for name, claim in self.claims.items():
            if claim.late and claim.late.date < self.registered.date:
                raise ValueError(
                    f"the claim {name} is late by {claim.late.date}, before its family was registered at "
                    f"{self.registered.date}; one of the two is wrong"
                )
        return self


@dataclass(frozen=True)
class Registration:
    """A family and the name of its file.

    Args:
        name: of the file, without .yaml.
        family: what it holds.
    """

    name: str
    family: Family


def read(path: Path) -> Registration:
    """Read and check one file.

    Raises:
        UserError: it cannot be read or is no family of claims; names the file, the key and what is allowed.
    """
    try:
        data = written.read(bounded.read(path, written.MOST, inside=True).decode())
        return Registration(path.stem, Family.model_validate(_called(data)))
    except OSError as error:
        raise UserError(f"cannot read the claims {path}: {error.strerror or error}.") from error
    except ValidationError as error:
        raise _refused(path, explain(error)) from error
    except ValueError as error:
        raise _refused(path, str(error)) from error


def _called(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"it holds a {type(data).__name__}, not keys such as about and claims")
    return data


def paths(folder: Path) -> list[Path]:
    """The files of a folder that hold claims, by name.

    Raises:
        UserError: there is no such folder, or no such file in it.
    """
    found = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    if not found:
        raise UserError(f"there are no claims (*.yaml) in {folder}; name a folder that has some.")
    return found


def each(folder: Path) -> Iterator[Registration]:
    """All families of a folder, by name.

    Raises:
        UserError: see `paths` and `read`.
    """
    return map(read, paths(folder))


def _refused(path: Path, reason: str) -> UserError:
    return UserError(f"the claims {plain(str(path))} are refused: {plain(reason)}; see results/claims/README.md.")
