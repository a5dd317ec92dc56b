"""What a home and the cache take on the disk, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.inventory import cache, inventory
from bench.inventory.inventory import KINDS, TICKET, Item
from bench.jobs.store import Store
from bench.numbers.aligned import show as print_table
from bench.numbers.amounts import mib


def show(home: Path) -> None:
    """Print how many records, tickets and other files there are, their size, what nothing needs, and the cache.

    Raises:
        UserError: it is no home, or one of its records is damaged.
    """
    records = inventory.read(home)
    items = inventory.inventory(home, records)
    files = sorted(Store(home).records.glob("*.json"))
    rows = [["record", str(len(records)), mib(inventory.size(files)), "0", mib(0)]]
    rows += [_row(kind, [item for item in items if item.kind == kind]) for kind in KINDS]
    print_table(f"Store {home}", ["", "number", "MiB", "not needed", "MiB"], rows)
    for item in items:
        if item.kind == TICKET and not item.kept_by:
            print(f"no record needs the ticket {item.name}")
    found = cache.decoded()
    names = sorted({one.data for one in found})
    by_name = {name: [one.size for one in found if one.data == name] for name in names}
    if by_name:
        rows = [[name, str(len(sizes)), mib(sum(sizes))] for name, sizes in by_name.items()]
        print_table(f"Cache {found[0].folder.parent.parent}", ["decoded images of", "folders", "MiB"], rows)
    for one in found:
        if one.is_left:
            print(f"a killed run did not finish {one.data}/{one.folder.name}, {mib(one.size)} MiB")
    if any(not item.kept_by for item in items) or any(one.is_left for one in found):
        print(f"python -m bench.clean --home {home} removes what is not needed.")


def _row(kind: str, items: Sequence[Item]) -> list[str]:
    spare = [item for item in items if not item.kept_by]
    return [kind, str(len(items)), mib(_total(items)), str(len(spare)), mib(_total(spare))]


def _total(items: Iterable[Item]) -> int:
    return sum(item.size for item in items)
