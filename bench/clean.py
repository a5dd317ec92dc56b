"""python -m bench.clean: removes what no record of a home needs, after saying so."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.command import console
from bench.numbers.amounts import mib
from tickets.errors import UserError

if TYPE_CHECKING:
    from bench.inventory.cache import Decoded
    from bench.inventory.inventory import Item

app = console.application()


@app.command()
def clean(
    home: Annotated[Path, typer.Option("--home", help="The folder that bench.run wrote to.")] = Path("runs"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    cache: Annotated[
        bool, typer.Option("--cache", help="Decoded images of all homes, too; the next run decodes them again.")
    ] = False,
) -> None:
    """Remove tickets, checkpoints and temporary files that nothing needs, and what killed runs left in the cache;
    records are never touched.

    Needed are the tickets of finished draws and those that a record's job started from, the checkpoints of unfinished
    jobs, and all files of running jobs. A damaged record is refused, since nobody can tell what it needs.

    Examples:

    python -m bench.clean --dry-run

    python -m bench.clean --home runs --cache --yes
    """
    from bench.inventory import inventory

    found = inventory.inventory(home, inventory.read(home))
    items, folders = [item for item in found if not item.kept_by], _decoded(home) if cache else _left()
    if young := sum(item.kept_by == inventory.PERHAPS_RUNNING for item in found):
        print(f"{young} more changed within the last hour and stay, since a job may be using them.")
    if not items and not folders:
        print(f"there is nothing to remove in {home}{' and the cache' if cache else ''}.")
        return
    _tell(items, folders)
    if dry_run:
        print("nothing was removed.")
    elif not yes and not sys.stdin.isatty():
        raise UserError("nobody can be asked here whether to remove these; give --yes, or --dry-run to only see them.")
    elif yes or typer.confirm("Remove them?"):
        _remove(home, items, folders)
    else:
        print("nothing was removed.")


def _decoded(home: Path) -> list[Decoded]:
    """The cache's folders that can be removed.

    Raises:
        UserError: a job runs and may be reading them.
    """
    from bench.inventory import cache, inventory

    if inventory.is_busy(home):
        raise UserError(f"a job of {home} runs and may read the cache; wait for its end, or leave --cache out.")
    return [one for one in cache.decoded() if not one.is_being_built]


def _left() -> list[Decoded]:
    """The cache's folders that killed runs did not finish."""
    from bench.inventory import cache

    return [one for one in cache.decoded() if one.is_left]


def _tell(items: Sequence[Item], folders: Sequence[Decoded]) -> None:
    for item in items:
        print(f"{item.kind:<16}{mib(item.size):>9} MiB  {item.name}")
    for one in folders:
        kind = "unfinished cache" if one.is_left else "decoded images"
        print(f"{kind:<16}{mib(one.size):>9} MiB  {one.data}/{one.folder.name}")
    total = sum(item.size for item in items) + sum(one.size for one in folders)
    print(f"{len(items) + len(folders)} things that no record needs, {mib(total)} MiB")


def _remove(home: Path, items: Sequence[Item], folders: Sequence[Decoded]) -> None:
    """Delete them; what a job has begun to use meanwhile stays.

    Raises:
        UserError: a file cannot be deleted.
    """
    from bench.inventory import cache, inventory

    try:
        removed = [item.size for item in items if inventory.remove(home, item)]
        for one in folders:
            cache.remove(one)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be removed ({error.strerror}); change its permissions.") from error
    left = len(items) - len(removed)
    stayed = f"; {left} stayed, since jobs began to use them" if left else ""
    print(f"removed {len(removed) + len(folders)}, {mib(sum(removed) + sum(one.size for one in folders))} MiB{stayed}")


if __name__ == "__main__":
    console.main(app, "python -m bench.clean")
