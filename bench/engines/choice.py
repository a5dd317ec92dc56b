"""Which engine a run asks for, as `--engine NAME@option=value`, and the engine itself."""

from __future__ import annotations

import importlib
import importlib.util
import math
from dataclasses import dataclass, field
from pathlib import Path

from bench.engines.contract import Engine
from tickets.errors import UserError, unknown

LOCAL, RAY, SLURM = "local", "ray", "slurm"
NAMES = (LOCAL, RAY, SLURM)
PACKAGES = {RAY: "ray", SLURM: "submitit"}
"""What must be installed for an engine; each is the extra of the engine's name."""
MANY = 256
"""Jobs at once where a cluster says what fits, and nobody says how many."""


@dataclass(frozen=True)
class Choice:
    """An engine as it is asked for.

    Args:
        name: one of `NAMES`.
        options: of it, as typed.
    """

    name: str = LOCAL
    options: dict[str, str] = field(default_factory=dict)

    @property
    def is_here(self) -> bool:
        """Whether jobs run on this machine."""
        return self.name == LOCAL


@dataclass(frozen=True)
class Demand:
    """What a run's jobs need wherever they run.

    Args:
        at_once: most of them.
        threads: of each.
        loaders: processes that each has beside it.
        gpus: that each needs, 0 or 1.
        home: folder of records and tickets.
        folders: that each must see, the home and that of decoded data.
    """

    at_once: int
    threads: int = 1
    loaders: int = 0
    gpus: int = 0
    home: Path = Path("runs")
    folders: tuple[Path, ...] = ()

    @property
    def cpus(self) -> int:
        """Cores that a job keeps busy."""
        return self.threads + self.loaders


def chosen(text: str) -> Choice:
    """The engine that a person asks for.

    Args:
        text: "local", "ray", "ray@address=HOST:PORT", "slurm@partition=gpu@time=240".

    Raises:
        UserError: no such engine, an option without a value, or a package is not installed.

    Example:
        >>> chosen("local")
        Choice(name='local', options={})
    """
    name, *said = text.split("@")
    if name not in NAMES:
        raise unknown("engine", name, NAMES)
    pairs = [one.partition("=") for one in said]
    for key, equals, value in pairs:
        if not (key and equals and value):
            raise UserError(f"--engine {text}: '{key}' is no option=value; write e.g. slurm@partition=gpu@time=240.")
    if name == LOCAL and pairs:
        raise UserError(f"--engine {text}: local has no options; give --jobs, --threads and --device.")
    package = PACKAGES.get(name)
    if package and importlib.util.find_spec(package) is None:
        raise UserError(f'--engine {name} needs the package {package}; pip install "ticketbench[{name}]".')
    return Choice(name, {key: value for key, _, value in pairs})


def made(choice: Choice, demand: Demand) -> Engine:
    """The engine of a cluster, to be entered.

    Raises:
        UserError: an option that it has not.
    """
    found: Engine = importlib.import_module(f"bench.engines.{choice.name}").made(choice.options, demand)
    return found


def only(options: dict[str, str], known: tuple[str, ...]) -> None:
    """See that options are among those that there are.

    Raises:
        UserError: one is not.
    """
    for name in options:
        if name not in known:
            raise unknown("option of --engine", name, known)


def number(name: str, text: str) -> float:
    """An option's positive number.

    Raises:
        UserError: it is none.

    Example:
        >>> number("gpus", "0.5")
        0.5
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"--engine: {name} is '{text}'; give a number above 0.")
    return value
