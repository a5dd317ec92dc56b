"""The suite from Python: `from bench import api; api.run(source="cls", target="seg")`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import run as command
from bench.boards import comparison, leaderboard
from bench.boards.comparison import Comparison
from bench.boards.formats import frame, html, markdown, terminal
from bench.command import console
from bench.records import published as together
from bench.records import record
from bench.records.record import Record
from bench.records.setting import exact
from bench.request.sweep import NONE
from tasks import TASKS
from tickets import atomic, contract
from tickets.errors import UserError, unknown

if TYPE_CHECKING:
    import pandas

    from bench.request.config import RunConfig
    from bench.request.plan import Job
    from tasks.base import Task

__all__ = ["COLUMNS", "Comparison", "Results", "UserError", "load", "names", "read_csv", "register", "run"]

NOT_HERE = ("help", "list")
"""Flags of the command that only print; `names` and Python's help stand for them."""
read_csv, COLUMNS = frame.read_csv, frame.COLUMNS


class Results:
    """Records, in their order, and what can be made of them.

    Args:
        records: of any kind.
        where: they come from, for messages.
    """

    def __init__(self, records: Iterable[Record], where: str = "the request") -> None:
        self.records, self.where = tuple(records), where

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getitem__(self, number: int) -> Record:
        return self.records[number]

    @property
    def failed(self) -> Results:
        """The records of jobs that failed; each says why in its `error`."""
        return Results((one for one in self.records if one.status == "failed"), self.where)

    def to_pandas(self) -> pandas.DataFrame:
        """A row a record; `bench.boards.formats.frame.COLUMNS` tells columns and dtypes. Fractions are fractions."""
        return frame.to_frame(self.records)

    def save(self, path: Path | str) -> Path:
        """Write `to_pandas` as CSV, whole or not at all; `read_csv` gives it back.

        Raises:
            CannotWriteError: the file cannot be written.
        """
        atomic.write(Path(path), frame.to_csv(self.to_pandas()).encode())
        return Path(path)

    def board(self) -> Markdown:
        """The leaderboards, as `python -m bench.table` prints them; a notebook shows them as tables."""
        return Markdown(markdown.markdown(leaderboard.boards(self.records)))

    def compare(
        self,
        *names: str,
        by: str = "method",
        source: Any = None,
        target: Any = None,
        method: Any = None,
        recipe: Any = None,
        sparsity: Any = None,
        published: bool = False,
    ) -> Comparison:
        """The first name against each of the others, over the jobs that they share, as `python -m bench.compare`.

        Args:
            names: methods as tables call them, or what `by` says.
            by: "method", "recipe", "origin" or "members".
            source: only these; a value, several, or texts as on the command line.
            target: likewise; "none" compares draws.
            method: likewise.
            recipe: likewise.
            sparsity: likewise.
            published: beside the published records; one name alone is compared with all of theirs.

        Raises:
            UserError: names that are too few or in no record, or no job that they share.
        """
        only = {"source": source, "target": target, "method": method, "recipe": recipe, "sparsity": sparsity}
        asked = {name: None if value is None else _text(value) for name, value in only.items()}
        draws = asked["target"] == NONE
        asked["target"] = None if draws else asked["target"]
        records = together.beside(self.records) if published else self.records
        return comparison.compared(records, names, by, asked, draws, self.where, published)

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if len(self.failed) else ""
        return f"{len(self)} records{failed}\n{terminal.plain(leaderboard.boards(self.records))}"

    def _repr_html_(self) -> str:
        boards = sorted(leaderboard.boards(self.records), key=lambda board: board.place.kind)
        failed = "".join(f"<p>failed: {one.id}: {escape(one.error or '')}</p>" for one in self.failed)
        return "".join(html.html(board, boards) for board in boards) + failed


class Markdown(str):
    """A text that a notebook shows as what it is."""

    def _repr_markdown_(self) -> str:
        return str(self)


@functools.cache
def _flags() -> dict[str, Any]:
    """By keyword the command's parameters."""
    parameters = console.command(command.app).params
    told = {one.opts[0].removeprefix("--").replace("-", "_"): one for one in parameters}
    return {name: one for name, one in told.items() if name not in NOT_HERE}


def _signed(function: Callable[..., Results]) -> Callable[..., Results]:
    """A function whose signature and text, for help and completion, have the command's options and their defaults."""
    own = list(inspect.signature(function).parameters.values())
    kind = inspect.Parameter.KEYWORD_ONLY
    told = [inspect.Parameter(name, kind, default=one.default) for name, one in _flags().items()]
    function.__signature__ = inspect.Signature([*told, own[0]], return_annotation=Results)  # type: ignore[attr-defined]
    lines = (f"        {name}: {one.help} ({one.default})" for name, one in _flags().items())
    function.__doc__ = "\n".join([function.__doc__ or "", "    Options, with their defaults:", *lines, ""])
    return function


@_signed
def run(*, quiet: bool = False, **options: Any) -> Results:
    """Draw tickets on source tasks and train them on target tasks, as `python -m bench.run` does.

    Names, defaults and checks of the options are the command's: `data_root` for --data-root, `jobs` for --jobs. A value
    may be a list where the command takes several ([0, 1, 2] for "0,1,2"), `set` a dictionary, a flag True.

    What has a record in `home` is not computed again. An interrupted run ends its workers; the same call goes on.

    Args:
        quiet: tell nothing while it runs; failures stand in `Results.failed`.
        options: as `python -m bench.run --help` lists them, but `list`, for which there is `names`. With `dry_run` the
            jobs and their price are printed, and the results are empty.

    Returns:
        The records of exactly these jobs, those that were there before among them.

    Raises:
        UserError: an option or a value is not known or not possible, data cannot be read, the home takes no records.

    Example:
        >>> run(sorce="cls")
        Traceback (most recent call last):
        ...
        tickets.errors.UserError: unknown option 'sorce'. Did you mean 'source'? Known: source, target, ...
    """
    found: list[Record] = []

    def answer(asked: RunConfig, todo: list[Job], tasks: dict[str, Task], verbose: bool, dry_run: bool) -> None:
        from bench.jobs.display import Display

        with Display(verbose, quiet) as display:
            if dry_run:
                print(command.priced(asked, todo, tasks, display))
            else:
                found.extend(command.computed(asked, todo, tasks, display))

    console.call(command.app, _words(options), answer)
    return Results(found)


def load(folder: Path | str) -> Results:
    """The records of a folder, as `runs/records` or `results/records`, or of a home that holds such a folder.

    Raises:
        UserError: no such folder, or a file in it that is no record.
    """
    place = Path(folder)
    place = place / "records" if (place / "records").is_dir() else place
    with console.uncollected():
        return Results(record.read_all(place), str(place))


def names() -> dict[str, list[str]]:
    """By kind (tasks, drawers, recipes, hosts, scales, suites and more), every name that options take."""
    return command.known()


def register(noun: str, name: str, target: str) -> None:
    """Add a member of one's own for this process and the workers that it starts; an installed package needs no such
    call (docs/extending.md).

    Args:
        noun: "task", "drawer", "recipe", "transform", "host", "scorer" or "pattern".
        name: as options then name it.
        target: "module:Class", the module in a file on Python's path. After an edit, call again.

    Raises:
        UserError: no such noun, a name that is taken, or a class that cannot be loaded or is no such thing.
    """
    registries = {TASKS.noun: TASKS, **contract.REGISTRIES}
    if noun not in registries:
        raise unknown("noun", noun, registries)
    registries[noun].register(name, target)


def _words(options: Mapping[str, Any]) -> list[str]:
    """A command line of keywords.

    Raises:
        UserError: a keyword that is no option, or a flag that is neither True nor False.
    """
    words: list[str] = []
    for name, value in options.items():
        if name not in _flags():
            raise unknown("option", name, _flags())
        flag = _flags()[name]
        if flag.is_flag:
            if not isinstance(value, bool):
                raise UserError(f"{name} is {value!r}; give True or False.")
            words += [flag.opts[0]] * value
        elif value is not None or flag.default is not None:  # None is "none", but where it is the default
            words += [f"{flag.opts[0]}={text}" for text in (_texts(value) if flag.multiple else [_text(value)])]
    return words


def _texts(value: Any) -> list[str]:
    """The values of a repeatable flag: of a dictionary, a list, or one text."""
    if isinstance(value, Mapping):
        return [f"{key}={_text(one, 'x')}" for key, one in value.items()]
    return [value] if isinstance(value, str) else [str(one) for one in value]


def _text(value: Any, joint: str = ",") -> str:
    """A value, or several of them, as a person types it."""
    if value is None:
        return NONE
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Iterable):
        return joint.join(_text(one, joint) for one in value)
    return exact(value) if isinstance(value, float) else str(value)
