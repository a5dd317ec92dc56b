"""Files of claims held against records and history: what in them cannot be, one sentence each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.audit.submission import Finding
from bench.boards.verdicts import Bench, settings
from bench.boards.words import setting_of
from bench.records import provenance
from bench.records.record import Record
from bench.request import claim, suite
from bench.request.claim import Claim, Registered, Registration
from tickets.errors import UserError


def findings(folder: Path, records: Iterable[Record]) -> tuple[int, list[Finding]]:
    """Check every file of claims of a folder.

    Args:
        folder: of the files.
        records: that the claims are held against.

    Returns:
        How many claims could be read, and everything there is to say, by file.
    """
    bench, count, found = Bench(records), 0, []
    for path in claim.paths(folder):
        try:
            one = claim.read(path)
        except UserError as error:
            found.append(Finding(path.name, " ".join(str(error).split())))
            continue
        count += len(one.family.claims)
        found += [Finding(path.name, text) for text in _family(one)]
        told = fixed(path, one.family.registered)
        for name, each in one.family.claims.items():
            wrong = [*_late(each, told, bench), *_other(each, bench)]
            found += [Finding(path.name, f"the claim {name} {text}") for text in wrong]
    return count, found


def _family(found: Registration) -> Iterator[str]:
    """Suites that are not known, and a date that is none of the past."""
    for name in found.family.suites:
        if name not in (known := suite.names()):
            yield f"'suites' names '{name}', which is none of {', '.join(known)}."
    if (told := found.family.registered.date) > provenance.now():
        yield f"'registered.date' is {told}, which is yet to come; tell when the claims were fixed."


def fixed(path: Path, told: Registered) -> str:
    """When a family was registered: its date, or that of its commit where this is later.

    The commit is the one that it names, else the first that holds its file; one that git does not know here, as in a
    shallow clone, proves nothing.
    """
    root, since = provenance.checkout(), None
    if root and told.commit:
        since = provenance.git(root, "show", "--no-patch", "--format=%aI", f"{told.commit}^{{commit}}")
    elif root and provenance.git(root, "rev-parse", "--is-shallow-repository") == "false":
        since = provenance.git(root, "log", "--diff-filter=A", "--follow", "--format=%aI", "--", str(path.resolve()))
    if not since:
        return told.date
    return max(told.date, datetime.fromisoformat(since.splitlines()[-1]).astimezone(UTC).strftime(provenance.TIME))


def _late(one: Claim, told: str, bench: Bench) -> Iterator[str]:
    """Records that had been written when the claim was fixed, where it does not say so."""
    if one.late:
        return
    first = min(((result.created, result.id) for result in bench.results(one.contrast)), default=None)
    if first and first[0] < told:
        yield (
            f"was registered at {told}, after the first of its records ({first[1]}, written at {first[0]}); mark it "
            "late, with the date and why it was added."
        )


def _other(one: Claim, bench: Bench) -> Iterator[str]:
    """More or other records than were registered."""
    differences = bench.differences(one.contrast)
    if len(found := settings(differences)) > 1:
        ways = "; ".join(sorted(", ".join(setting_of(place)) for place in found))
        yield f"mixes {len(found)} ways of computing ({ways}); let its contrast name host, scale or budget."
    if (seeds := len({seed for each in differences for seed in each.by_seed})) > one.seeds:
        yield (
            f"was registered with {one.seeds} seeds and has {seeds} in the records; a claim for more seeds is another "
            "one, marked late."
        )
