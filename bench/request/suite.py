"""Suites: named runs in YAML files, so that everybody can run the same grid by one word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.records.setting import ASKED, FLAGS, type_of
from bench.request import written
from bench.request.sweep import DEFAULTS, NONE, seeds_in
from tickets import bounded
from tickets.errors import UserError, unknown

FOLDER = Path(__file__).parent / "suites"
WHOLE = {name: (int, float) if type_of(name) is float else type_of(name) for name in FLAGS}
"""Keys that hold for all sweeps of a suite, those of `bench.records.setting.Setting`, and the types of their values."""
KEYS = ("about", "set", "sweeps", *WHOLE)
RULES = ("scale", "host", "budget", "equal")
"""What of the setting a suite rules even where it does not say it; the rest says how it is computed, and tables keep
rows that were computed otherwise apart."""


@dataclass(frozen=True)
class Suite:
    """A file's content, still as texts.

    Args:
        sweeps: each by the keys of `bench.request.sweep.DEFAULTS`.
        whole: by the keys of `WHOLE`, those that the file has.
        changes: of the scale, as `--set` takes them.
        about: what the suite is for.
        mistakes: what could not be read, a sentence each; told together with the names that turn out wrong.
    """

    sweeps: tuple[dict[str, str], ...]
    whole: dict[str, Any] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    about: str = ""
    mistakes: tuple[str, ...] = ()


def names() -> list[str]:
    """The suites that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Suite:
    """A suite by its name, or from a file of one's own (*.yaml).

    Raises:
        UserError: no such suite or file, no YAML, or no suite at all.
    """
    is_file = name.endswith((".yaml", ".yml"))
    if not is_file and name not in names():
        raise unknown("suite", name, names())
    path = Path(name) if is_file else FOLDER / f"{name}.yaml"
    try:
        data = written.read(bounded.read(path, written.MOST).decode())
    except OSError as error:
        raise UserError(f"cannot read the suite {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise UserError(f"{path} is no YAML: {error}; tabs do not indent, spaces do.") from error
    return parse(data, str(path))


def narrowed(suite: Suite, asked: Mapping[str, str]) -> list[dict[str, str]]:
    """The sweeps of a suite, or only some of their seeds, or with other methods in place of its own.

    Args:
        suite: as loaded.
        asked: flags of a sweep that were given beside it; only "seed" and "drawer" are allowed.

    Raises:
        UserError: another flag, seeds of which no sweep has one, or a method for a suite that draws nothing.
    """
    for name in asked:
        if name not in ("seed", "drawer"):
            raise UserError(
                f"--{name} and --suite both say what to compute; leave one out, or copy the suite's file, change it "
                "there and give --suite FILE.yaml."
            )
    sweeps = _of_seeds(suite.sweeps, asked["seed"]) if "seed" in asked else list(suite.sweeps)
    return _of_drawer(sweeps, asked["drawer"]) if "drawer" in asked else sweeps


def _of_seeds(sweeps: Iterable[dict[str, str]], asked: str) -> list[dict[str, str]]:
    wanted, found = set(seeds_in(asked)), []
    for sweep in sweeps:
        seeds = [seed for seed in seeds_in(sweep.get("seed", DEFAULTS["seed"])) if seed in wanted]
        if seeds:
            found.append({**sweep, "seed": ",".join(map(str, seeds))})
    if not found:
        raise UserError(f"--seed {asked}: the suite has none of these seeds; give some that it has.")
    return found


def _of_drawer(sweeps: Iterable[dict[str, str]], asked: str) -> list[dict[str, str]]:
    """The sweeps that draw, each once, with these methods; dense references of their own draw nothing and stay."""
    found = [sweep if sweep.get("source") == NONE else {**sweep, "drawer": asked} for sweep in sweeps]
    if all(sweep.get("source") == NONE for sweep in found):
        raise UserError(f"--drawer {asked}: the suite draws nothing; give one that has sources.")
    return [sweep for place, sweep in enumerate(found) if sweep not in found[:place]]


def keep_rules(name: str, suite: Suite, given: Mapping[str, Any], changes: Sequence[str]) -> None:
    """See that a method which is added to a suite is computed by the suite's rules, so that its rows may stand there.

    Args:
        name: of the suite, for the message.
        suite: as loaded.
        given: what was typed of the setting beside it, by field.
        changes: of the scale that were typed.

    Raises:
        UserError: a typed value is another than the suite's, of what the suite says or of `RULES`.
    """
    said = {**{rule: ASKED[rule] for rule in RULES}, **suite.whole}
    broken = [f"--{FLAGS[key]} {value}" for key, value in given.items() if key in said and value != said[key]]
    if broken := broken + [f"--set {change}" for change in changes]:
        raise UserError(
            f"{', '.join(broken)} would break the rules of the suite {name}, beside whose rows those of --drawer are "
            "to stand; leave it out, or copy the suite's file, change it there and give --suite FILE.yaml."
        )


def parse(data: Any, where: str) -> Suite:
    """Check what a file holds.

    Args:
        data: as YAML gives it.
        where: the file, for messages.

    Raises:
        UserError: it holds no keys.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"{where} holds {_called(data)}; a suite has keys such as scale and sweeps.")
    mistakes = [str(unknown("key of a suite", str(key), KEYS)) for key in data if key not in KEYS]
    whole = {key: data[key] for key in WHOLE if key in data}
    for key in [key for key, value in whole.items() if not _is_a(value, WHOLE[key])]:
        mistakes.append(f"{key} is {repr(whole.pop(key))[:80]}; give one value.")
    changes, sweeps = data.get("set") or {}, data.get("sweeps")
    if not isinstance(changes, Mapping):
        mistakes.append(f"set is {repr(changes)[:80]}; give keys of the scale with values, as in batch_size: 8.")
        changes = {}
    if not isinstance(sweeps, list) or not sweeps:
        mistakes.append("sweeps is empty; give a list with at least one sweep, as in - {source: cls, target: seg}.")
        sweeps = []
    texts = []
    for number, sweep in enumerate(sweeps, start=1):
        if not isinstance(sweep, Mapping):
            mistakes.append(f"sweep {number} is {_called(sweep)}; give keys such as source and target.")
            continue
        mistakes += [f"sweep {number}: {unknown('key', str(key), DEFAULTS)}" for key in sweep if key not in DEFAULTS]
        texts.append({key: _text(value) for key, value in sweep.items() if key in DEFAULTS})
        for key in [key for key, text in texts[-1].items() if not text]:
            mistakes.append(f"sweep {number}: {key} is empty; give a value.")
            del texts[-1][key]
        for key in [key for key in texts[-1] if not _is_flat(sweep[key])]:
            mistakes.append(f"sweep {number}: {key} is {repr(sweep[key])[:80]}; give a value or a list of values.")
            del texts[-1][key]
    settings = tuple(f"{key}={_text(value, 'x')}" for key, value in changes.items())
    told = tuple(f"{where}: {mistake}" for mistake in mistakes)
    return Suite(tuple(texts), whole, settings, str(data.get("about", "")), told)


def _text(value: Any, joint: str = ",") -> str:
    """A value or a list of values as a flag has it."""
    if isinstance(value, list):
        return joint.join(_text(part, joint) for part in value)
    return "" if value is None else str(value)


def _is_flat(value: Any) -> bool:
    """Whether a value is a single one, or a list of such."""
    return not any(isinstance(one, (list, Mapping)) for one in (value if isinstance(value, list) else [value]))


def _is_a(value: Any, wanted: type | tuple[type, ...]) -> bool:
    """Whether a value is of a type; true and false are no numbers."""
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def _called(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
