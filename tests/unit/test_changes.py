"""bench.boards.changes and feed: what changed in ranks since a day and why; new rows for readers of feeds."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from samples import record

from bench import table
from bench.boards.changes import changes, text
from bench.boards.formats.feed import to_atom
from bench.boards.leaderboard import boards
from bench.command import console
from bench.records.record import Record

OLD, DAY, NEW = "2026-01-01T00:00:00Z", "2026-02-01", "2026-03-01T00:00:00Z"
ATOM = "{http://www.w3.org/2005/Atom}"


def row(drawer: str, score: float, created: str = OLD, **more: object) -> list[Record]:
    """Two seeds of a method."""
    return [record(drawer=drawer, score=score, seed=seed, created=created, **more) for seed in (0, 1)]


def told(records: list[Record]) -> list[tuple[str, int | None, int | None, str]]:
    """Method, rank before, rank now, and why, of every change."""
    return [(one.row.key.drawer, one.before, one.row.rank, one.why) for one in changes(records, DAY)]


def test_nothing_new_changes_nothing() -> None:
    found = [*row("gmp", 0.5), *row("omp", 0.4)]
    assert changes(found, DAY) == []
    assert text([], DAY) == "No rank changed since 2026-02-01, and no row is new.\n"


def test_a_new_row_moves_those_below_it_and_is_named_as_the_reason() -> None:
    assert told([*row("gmp", 0.5), *row("omp", 0.4), *row("imp", 0.45, NEW)]) == [
        ("imp", None, 2, "new, of 2 records"),
        ("omp", 2, 3, "imp from cls/figures is above now"),
    ]


def test_newer_records_of_a_row_are_its_own_reason() -> None:
    seeds = [record(drawer=name, score=0.5, seed=2, created=NEW) for name in ("gmp", "omp")]
    found = [*row("gmp", 0.5), *row("omp", 0.4), *seeds]
    assert told(found) == [
        ("gmp", 1, 1, "1 record since, before 50.0% ±0.0"),
        ("omp", 2, 2, "1 record since, before 40.0% ±0.0"),
    ]


def test_a_row_that_was_incomplete_is_new_where_its_last_seed_came() -> None:
    found = [*row("gmp", 0.5), record(drawer="omp", score=0.8, created=OLD)]
    found.append(record(drawer="omp", score=0.8, seed=1, created=NEW))
    assert told(found) == [("omp", None, 1, "new, of 1 record"), ("gmp", 1, 2, "omp from cls/figures is above now")]


def test_the_lines_count_new_rows_that_have_no_rank() -> None:
    found = [*row("gmp", 0.5), *row("imp", 0.45, NEW), *row("gmp", 0.1, NEW, transform="random", control="random")]
    lines = text(changes(found, DAY), DAY).splitlines()
    assert lines[0] == "Transfers to seg/figures: mIoU on test, scale tiny"
    assert lines[1] == "  imp from cls/figures, 90.0%: \N{EN DASH} -> 2, 45.0% ±0.0: new, of 2 records"
    assert lines[2].startswith("  1 new row without a rank")


def test_the_command_prints_changes_and_refuses_what_does_not_go_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in [*row("gmp", 0.5), *row("imp", 0.45, NEW)]:
        one.write(tmp_path)
    for arguments, said in {
        (DAY,): "imp from cls/figures, 90.0%",
        ("yesterday",): "error: --since yesterday is no day; give one as 2026-01-31",
        (DAY, "--format", "csv"): "error: --since 2026-02-01 prints what changed; leave --format out.",
    }.items():
        with pytest.raises(SystemExit) as left:
            console.main(table.app, "table", [str(tmp_path), "--since", *arguments])
        shown = capsys.readouterr()
        assert said in shown.out + shown.err
        assert left.value.code == (2 if said.startswith("error") else 0)


def test_a_feed_is_well_formed_whatever_a_name_is_and_has_the_newest_row_first() -> None:
    found = boards([*row("gmp", 0.5), *row('<b>&"x', 0.45, NEW)])
    feed = ElementTree.fromstring(to_atom(found))
    entries = feed.findall(f"{ATOM}entry")
    assert [one.findtext(f"{ATOM}title") for one in entries] == [
        '<b>&"x from cls/figures at 90.0%: 45.0% ±0.0, rank 2',
        "gmp from cls/figures at 90.0%: 50.0% ±0.0, rank 1",
    ]
    assert feed.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated") == NEW
    link = entries[1].find(f"{ATOM}link").get("href")
    assert link.startswith("leaderboard.html#view=tables&board=seg-figures-tiny&sparsity=0.9&open=sample-")
    assert len({one.findtext(f"{ATOM}id") for one in entries}) == 2
    assert to_atom(found) == to_atom(boards([*row('<b>&"x', 0.45, NEW), *row("gmp", 0.5)]))
