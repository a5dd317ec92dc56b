"""bench.boards.charts: same rows, same bytes; what is in a chart; when a committed one is stale."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from samples import record

from bench.boards import charts
from bench.boards.leaderboard import boards
from bench.records.record import Record
from tickets.errors import UserError


def some(score: float = 0.5) -> list[Record]:
    """Two methods at two sparsities with their controls, a dense reference, and a draw."""
    records = [record(source=None, score=0.7, seed=seed) for seed in (0, 1)]
    for drawer in ("omp", "a$b_<c>"):
        for sparsity in (0.5, 0.9):
            job = {"drawer": drawer, "sparsity": sparsity}
            records += [record(seed=seed, score=score - sparsity / 10 + seed / 50, **job) for seed in (0, 1)]
            records += [record(source="seg/figures", seed=seed, score=0.6, **job) for seed in (0, 1)]
            records += [record(transform="random", control="random", seed=s, score=0.2, **job) for s in (0, 1)]
    return [*records, record(target=None)]


def only(records: list[Record]) -> str:
    """The only chart of some records."""
    (text,) = charts.to_svgs(boards(records)).values()
    return text


def test_the_same_records_give_the_same_bytes_in_any_order() -> None:
    assert only(some()) == only(list(reversed(some())))


def test_only_transfers_with_a_complete_row_have_a_chart() -> None:
    records = [*some(), record(target="pose/figures", score=None), record(target="cls/figures", source="seg/figures")]
    assert list(charts.to_svgs(boards(records))) == ["cls-figures-tiny", "seg-figures-tiny"]


def test_a_chart_names_its_methods_and_axes_and_holds_no_date() -> None:
    text = only(some())
    root = ElementTree.fromstring(text)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for wanted in ("omp", "a$b_<c>", "dense", "mIoU", "50.0%", "90.0%", "training MACs, drawing included"):
        assert wanted in words
    assert "Transfers to seg/figures: mIoU on test, scale tiny" in words
    assert "<dc:date>" not in text


def test_series_are_named_by_their_source_and_an_unusual_recipe() -> None:
    told = charts.to_svgs(boards([record(), record(source="pose/figures", recipe="scratch", score=0.4)]))
    (svg,) = told.values()
    assert ">cls/figures<" in svg and ">pose/figures, scratch<" in svg
    many = [record(drawer=f"drawer{i}", score=0.5) for i in range(41)]
    assert ">cls/figures<" not in next(iter(charts.to_svgs(boards(many)).values()))


def test_a_chart_is_current_by_its_bytes_or_when_another_matplotlib_drew_the_same_data() -> None:
    text, other = only(some()), only(some(0.51))
    elsewhere = text.replace("Matplotlib v", "Matplotlib v1.").replace("stroke-width", "stroke-Width")
    assert charts.is_current(text, text)
    assert charts.is_current(elsewhere, text)
    assert not charts.is_current(text.replace("stroke-width", "stroke-Width"), text)
    assert not charts.is_current(other, text)
    assert not charts.is_current(other.replace("Matplotlib v", "Matplotlib v1."), text)
    assert not charts.is_current("<svg/>", text)


def test_a_users_own_style_does_not_change_the_bytes(tmp_path: Path) -> None:
    import matplotlib

    text = only(some())
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 5, "axes.grid": True}):
        assert only(some()) == text


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r'charts need the package matplotlib.*pip install "ticketbench\[plots\]"'):
        charts.to_svgs(boards(some()))
