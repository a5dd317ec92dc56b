"""The record that a job leaves: one JSON file, validated, written whole or not at all.

`results/README.md` tells what every key means.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)
from pydantic import model_validator as validator

from bench.records.migrations import upgraded
from bench.records.setting import Setting
from tickets import atomic, bounded
from tickets.errors import UserError, short
from tickets.plain import DEEPEST, plain, texts

SCHEMA: Final = 3
NEWEST = f'"schema": {SCHEMA}'.encode()
"""How this version writes the number of its schema."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]*")
CREATED = re.compile(r"\d{4}-\d\d-\d\dT", re.ASCII)
"""How times start; so written, their texts have the order of the times."""
MOST = 16 * bounded.MIB
"""Bytes of a record's file; a published one has four thousand."""
LONGEST = 10_000
"""Signs of any text of a record but its error."""
ERROR = "error"
ODD = re.compile(rb"[^\x20-\x7e\n]|\\[bfnrtu]")
"""What a file without any sign that cannot be printed has none of; such a file may have it and hold none, either."""

_BY = r"[^\s|<>\[\]`\\][^|<>\[\]`\\\r\n\t]{0,59}"
SUBMITTER = re.compile(_BY)
"""Names of submitters: nothing that means something in a table's markup."""
ORIGIN = rf"^(measured|submitted( by {_BY})?|reported)$"

Fraction = Annotated[float, Field(ge=0, le=1)]
Sparsity = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0, le=10**24)]
Positive = Annotated[int, Field(ge=1, le=10**9)]
Small = Annotated[int, Field(ge=0, lt=2**63)]
"""What a column of whole numbers holds, whatever reads it: seeds, versions."""
Amount = Annotated[float, Field(ge=0, le=1e30)]
Measured = Annotated[float, Field(ge=-1e30, le=1e30)]
"""A metric; so bounded, squares and sums of some are finite."""
Named = Annotated[str, Field(min_length=1)]
Plain = Annotated[str, Field(pattern=r"^\S+$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

STATED = ("scale", "host", "budget", "threads", "device")
"""Keys of a record's setting that must be told; an option that came later may go without saying."""
PLAIN_CONTROLS = ("dense", "native")
"""Controls that are a job of their own; any other one is the transform of that name."""


class Part(BaseModel):
    """What all parts of a record share: no unknown keys, no NaN or infinity, no change once made."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True, populate_by_name=True)


class Job(Part):
    """What was asked for."""

    source: Named | None
    target: Named | None
    drawer: Named
    sparsity: Sparsity
    transform: Plain | None = None
    recipe: Named | None = None
    head: Literal["fresh", "keep"] | None = None
    control: Plain | None = None
    seed: Small
    host_drawn: Plain | None = None

    @validator(mode="after")
    def _control_is_its_transform(self) -> Self:
        if self.control in (None, *PLAIN_CONTROLS) or self.control == (self.transform or "").partition("@")[0]:
            return self
        raise ValueError(
            f"control is {short(repr(self.control))} and transform {short(repr(self.transform))}; a control is null, "
            "dense, native or the transform's name"
        )


class Scores(Part):
    """What was measured, as fractions but for the metrics named in `amounts`."""

    primary: str
    score: Fraction
    test: dict[str, Measured]
    val: dict[str, Measured]
    classes: dict[str, dict[str, Measured | None]] = {}
    amounts: list[Plain] = []
    members: list[dict[str, Measured]] = []
    val_before_last_prune: Fraction | None = None
    val_after_last_prune: Fraction | None = None

    @validator(mode="after")
    def _agrees(self) -> Self:
        if self.test.get(self.primary) != self.score:
            raise ValueError(
                f"score is {self.score!r} and test has {self.test.get(self.primary)!r} for '{short(self.primary)}'; "
                "they must be the same"
            )
        return self


class TicketSize(Part):
    """The ticket: the host without a head."""

    hash: str
    sparsity: Sparsity
    remaining: Amount
    parameters: Count
    macs: Count
    sparse_macs: Count
    estimated_macs: Count
    members: Positive = 1
    synops: Count | None = None
    pattern: Plain = "element"

    @validator(mode="after")
    def _remains_of_its_members(self) -> Self:
        if self.remaining > self.members:
            raise ValueError(
                f"remaining is {self.remaining!r} and members {self.members}; no more than the host's weights remain "
                "in each member"
            )
        return self


class Deployed(Part):
    """Host and head as used on the target."""

    parameters: Count
    macs: Count
    sparse_macs: Count
    sparsity: Sparsity


class Costs(Part):
    """What the job used."""

    training_macs: Count
    sparse_training_macs: Count
    drawing_macs: Count = 0
    stated_macs: Count | None = 0
    teacher_macs: Count = 0
    grad_checkpointing: bool = False
    timesteps: Positive | None = None
    images: Count
    wall_s: Amount
    peak_mib: Amount

    @model_serializer(mode="wrap")
    def _told(self, told: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what came after records that do not say it."""
        rare = ("stated_macs", "grad_checkpointing")
        return {name: value for name, value in told(self).items() if value != 0 or name not in rare}


class Versions(Part):
    """Versions of everything that computes a score."""

    task: dict[str, Small]
    drawer: Small | None = None
    recipe: Small | None = None


class Code(Part):
    """A member of the job (a drawer, scorer, recipe, transform, host or task) whose code is another distribution's."""

    noun: str
    name: str
    distribution: str | None
    version: str | None
    source: Hash
    commit: str | None
    dirty: bool | None
    is_public: bool

    @property
    def label(self) -> str:
        """How messages call it, as in "drawer 'rigl' of acme-tickets"."""
        return f"{self.noun} '{self.name}' of {self.distribution or 'no distribution'}"


class Record(Part):
    """One job and its outcome."""

    schema_number: Literal[3] = Field(default=SCHEMA, alias="schema")
    id: str
    kind: Literal["draw", "transfer", "control"]
    status: Literal["ok", "failed"]
    error: str | None = None
    origin: Annotated[str, Field(pattern=ORIGIN)] = "measured"
    job: Job
    setting: Setting
    config: dict[str, Any]
    scores: Scores | None = None
    counts: dict[str, Count] = {}
    test_split: str = ""
    ticket: TicketSize | None = None
    deployed: Deployed | None = None
    costs: Costs | None = None
    versions: Versions
    fingerprints: dict[str, dict[str, str]] = {}
    redraw: str | None = None
    code: list[Code] = []
    commit: str | None = None
    dirty: bool | None = None
    packages: dict[str, str] = {}
    device: str
    created: str

    @field_validator("schema_number", mode="before")
    @classmethod
    def _schema_is_a_whole_number(cls, value: Any) -> Any:
        if type(value) is not int:
            raise ValueError("must be a whole number")  # True and 1.0 equal 1
        return value

    @field_validator("id")
    @classmethod
    def _id_is_a_file_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError("letters, digits and . _ + = - are allowed, the first a letter or digit")
        return value

    @field_validator("created")
    @classmethod
    def _created_is_utc(cls, value: str) -> str:
        if not CREATED.match(value) or datetime.fromisoformat(value).utcoffset() != timedelta(0):
            raise ValueError("must be a UTC time such as 2026-01-31T12:00:00Z")
        return value

    @field_validator("setting", mode="before")
    @classmethod
    def _setting_is_told(cls, value: Any) -> Any:
        silent = [name for name in STATED if isinstance(value, dict) and name not in value]
        if silent:
            raise ValueError(f"must tell {', '.join(silent)}")
        return value

    @field_validator("config")
    @classmethod
    def _config_is_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        canonical(value)
        return value

    @validator(mode="after")
    def _is_coherent(self) -> Self:
        job, ok = self.job, self.status == "ok"
        measured = ok and self.origin == "measured"
        wrong = {
            "error must be told when the status is failed, and only then": ok == (self.error is not None),
            "scores must be there when the status is ok, and only then": ok == (self.scores is None),
            "a measured record needs costs": measured and self.costs is None,
            "a measured record needs counts.test": measured and "test" not in self.counts,
            "a draw needs job.source": self.kind == "draw" and job.source is None,
            "a transfer needs job.source": self.kind == "transfer" and job.source is None,
            "a transfer or control needs job.target": self.kind != "draw" and job.target is None,
            "a control needs job.control": self.kind == "control" and job.control is None,
        }
        for sentence, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(sentence)
        return self

    @property
    def task(self) -> str:
        """The task that the score is about: the target, or the source for a draw."""
        return (self.job.source if self.kind == "draw" else self.job.target) or ""

    @property
    def scored(self) -> Scores:
        """The scores of a record whose status is ok.

        Raises:
            ValueError: it failed, and has none.
        """
        if self.scores is None:
            raise ValueError(f"the record {self.id} has no scores")
        return self.scores

    @property
    def needs(self) -> dict[str, str]:
        """Names of the records of all draws that the job needed, by what for, as far as `config.needs` tells."""
        told = self.config.get("needs")
        named = told.items() if isinstance(told, dict) else ()
        return {role: name for role, name in named if isinstance(name, str) and NAME.fullmatch(name)}

    def to_json(self) -> str:
        """The file's text: sorted keys, full precision, final newline; the same bytes for the same record."""
        data = self.model_dump(mode="json", by_alias=True)
        return json.dumps(data, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False) + "\n"

    def write(self, folder: Path) -> Path:
        """Write the record as `folder`/id.json, whole or not at all; an older one of that name is replaced.

        Raises:
            CannotWriteError: the folder or the file cannot be written.
        """
        path = Path(folder) / f"{self.id}.json"
        atomic.write(path, self.to_json().encode())
        return path


def canonical(data: Any) -> str:
    """JSON with sorted keys and no spaces: equal data, equal text.

    Raises:
        ValueError: something in it has no exact JSON form (NaN, infinity, an object).
    """
    try:
        return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"has no exact JSON form: {error}") from error


def job_id(prefix: str, determinants: Mapping[str, Any]) -> str:
    """The name of a record: a readable prefix and the hash of everything that determines the result.

    Args:
        prefix: for people; anything but letters, digits and . _ + = becomes "-".
        determinants: JSON data; 1 and 1.0 differ, the order of keys does not matter.

    Raises:
        ValueError: the determinants have no exact JSON form.

    Example:
        >>> job_id("cls/figures-omp-s0", {"seed": 0})
        'cls-figures-omp-s0-bd04888434'
    """
    readable = re.sub(r"[^A-Za-z0-9._+=]+", "-", prefix).strip("-._+=")
    return f"{readable}-{hashlib.sha256(canonical(determinants).encode()).hexdigest()[:10]}".lstrip("-")


def json_schema() -> str:
    """The JSON Schema of a record's file, as text: what is checked of it without this package."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Record.model_json_schema(by_alias=True)}
    schema["required"] = ["schema", *schema["required"]]
    return json.dumps(schema, sort_keys=True, indent=1) + "\n"


def read(path: Path | str) -> Record:
    """Read and check one record; one of an older schema is brought up to this one's (`bench.records.migrations`).

    Raises:
        UserError: no such file, no JSON, or no record of a schema that is known; names the file and the reason.
    """
    try:
        text = bounded.read(path, MOST, inside=True)
    except OSError as error:
        raise UserError(f"cannot read the record {path}: {error.strerror or error}.") from error
    record = _read_fast(text) or _read_slowly(Path(path), text)
    if record.id != os.path.splitext(os.path.basename(path))[0]:
        raise _refused(Path(path), f"its id is '{short(record.id)}', which must be the file's name without .json")
    return record


def _read_fast(text: bytes) -> Record | None:
    """A record of this schema in one go; None for anything else, an older schema above all."""
    if NEWEST not in text or len(text) > LONGEST or ODD.search(text):
        return None
    try:
        record = Record.model_validate_json(text)
    except ValidationError:
        return None
    tells_schema = "schema_number" in record.model_fields_set and b'"schema_number"' not in text
    return record if tells_schema else None


def _read_slowly(path: Path, text: bytes) -> Record:
    """The same step by step, so that an older schema is brought up, and the first step that fails is named."""
    try:
        data = json.loads(text.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"it is no JSON ({error})") from error
    if not isinstance(data, dict):
        raise _refused(path, f"it holds a {type(data).__name__}, not a record")
    try:
        return Record.model_validate(upgraded(data if _is_plain(text) else _readable(data), SCHEMA))
    except ValidationError as error:
        raise _refused(path, explain(error)) from error
    except ValueError as error:
        raise _refused(path, str(error)) from error


def _is_plain(text: bytes) -> bool:
    """Whether all texts of a record can be printed and are short, and it is not deep, as its bytes alone tell."""
    return len(text) <= LONGEST and text.count(b"{") + text.count(b"[") <= DEEPEST and not ODD.search(text)


def _readable(data: dict[str, Any]) -> dict[str, Any]:
    """The same data, all of whose texts can be printed: a terminal that shows them does nothing else.

    An error is made so: it is what some library said, colours included.

    Raises:
        ValueError: another text cannot be printed or is too long, or the data are nested too deep; part of a sentence.
    """
    if isinstance(said := data.get(ERROR), str):
        data = {**data, ERROR: plain(said, allowed="\n\t")}
    for key, text in texts({name: value for name, value in data.items() if name != ERROR}):
        where = plain(key[:80])
        if not text.isprintable():
            shown = ascii(text[:80])
            raise ValueError(f"'{where}' holds a tab or another sign that cannot be printed: {shown}; write plain text")
        if len(text) > LONGEST:
            raise ValueError(f"'{where}' has {len(text):,} signs, and at most {LONGEST:,} are read")
    return data


def each(folder: Path) -> Iterator[Record]:
    """Every record (*.json) of a folder, by name, one at a time; temporary files are not looked at.

    Raises:
        UserError: no such folder, or a file that is no record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; run python -m bench.run first, or name another.")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith("."))
    return (read(os.path.join(folder, name)) for name in names)  # a Path each would take as long as its file


def read_all(folder: Path) -> list[Record]:
    """Every record of a folder at once; see `each`."""
    return list(each(folder))


def explain(error: ValidationError) -> str:
    """The first complaint of pydantic as "'key' ...: what is wrong, got ...".

    Returns:
        Part of a sentence, without a full stop.
    """
    first = error.errors(include_url=False)[0]
    key = short(".".join(str(part) for part in first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"the key '{key}' is not known"
    if first["type"] == "missing":
        return f"the key '{key}' is missing"
    reason = first["msg"].removeprefix("Value error, ")
    if not key:
        return reason
    got = "" if isinstance(first["input"], (dict, Record)) else f" (got {short(repr(first['input']))})"
    return f"'{key}': {reason[0].lower()}{reason[1:]}{got}"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")


def _refused(path: Path, reason: str) -> UserError:
    return UserError(f"the record {plain(str(path))} is refused: {reason}; repair it or take it out of the folder.")
