"""The leaderboards' page in a real browser: it opens from a folder, sorts, filters, draws, and asks no host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
from samples import record

from bench import table

pytest.importorskip("plotly", reason='plotly is not installed: pip install "ticketbench[page]"')
pytestmark = pytest.mark.skipif(chromium.found() is None, reason="Chromium is not installed")

CLS, SEG, POSE = "cls/figures", "seg/figures", "pose/figures"
HOSTILE = '<img src=x onerror="window.hacked=1"> $x$ <b>a</b>'
BOARD = "#seg-figures-tiny"
SHOWN = "[...document.querySelectorAll('{0} tbody tr:not([hidden])')].map((row) => row.cells[{1}].textContent)"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a few methods on two targets, with controls, native tickets and a method of a hostile name."""
    home = tmp_path_factory.mktemp("page")
    for seed in (0, 1):
        for target, less in ((SEG, 0.0), (POSE, 0.1)):
            for drawer, score in (("omp", 0.4), ("gmp", 0.5), (HOSTILE, 0.3)):
                for sparsity in (0.5, 0.9):
                    job = {"drawer": drawer, "sparsity": sparsity, "seed": seed, "target": target}
                    record(score=score - less - sparsity / 10 + seed / 100, **job).write(home / "records")
            record(source=target, target=target, drawer="omp", score=0.55, seed=seed).write(home / "records")
            record(target=target, transform="random", control="random", score=0.1, seed=seed).write(home / "records")
            record(source=None, target=target, score=0.7, seed=seed).write(home / "records")
        record(target=None, drawer="omp", score=0.6, seed=seed).write(home / "records")
    record(drawer="imp", score=None, error=HOSTILE).write(home / "records")
    table.write(table.render(home / "records", ["html"], home / "out"), home / "out")
    return home / "out" / "leaderboard.html"


@pytest.fixture(scope="module")
def browser(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    with chromium.opened(path, tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: chromium.Page, path: Path) -> Iterator[chromium.Page]:
    """The page, opened anew; whatever a test did, nothing was complained of, asked for or smuggled in."""
    browser.visit(path)
    yield browser
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:image/")] == [path.resolve().as_uri()]
    assert browser.run("window.hacked") is None
    assert browser.run("document.images.length") == 0


def shown(page: chromium.Page, column: int, board: str = BOARD) -> list[str]:
    """A column's texts in the rows that a table shows."""
    return page.run(SHOWN.format(board, column))


def sorting(page: chromium.Page, column: int) -> Any:
    """What a column's title says of the order."""
    return page.run(f"document.querySelectorAll('{BOARD} thead th')[{column}].getAttribute('aria-sort')")


def column_of(page: chromium.Page, title: str) -> int:
    titles = page.run(f"[...document.querySelectorAll('{BOARD} thead th')].map((th) => th.textContent)")
    return titles.index(title)


def wait_for_charts(page: chromium.Page, board: str = BOARD) -> None:
    page.run(f"document.querySelector('{board}').scrollIntoView({{behavior: 'instant'}})")
    page.wait_until(f"document.querySelectorAll('{board} .chart .main-svg').length > 0")


def test_a_click_sorts_by_a_column_and_back(page: chromium.Page) -> None:
    score, ticket = column_of(page, "score"), column_of(page, "ticket")
    own = shown(page, ticket)
    button = f"{BOARD} thead th:nth-child({score + 1}) button"
    page.click(button)
    values = [float(text.split("%")[0]) for text in shown(page, score)]
    assert values == sorted(values, reverse=True) and len(set(values)) > 5
    assert sorting(page, score) == "descending"
    page.click(button)
    assert [float(text.split("%")[0]) for text in shown(page, score)] == sorted(values)
    assert sorting(page, score) == "ascending"
    page.click(button)
    assert (shown(page, ticket), sorting(page, score)) == (own, "none")


def test_the_keyboard_sorts_too_and_absent_numbers_come_last(page: chromium.Page) -> None:
    rank, ticket = column_of(page, "rank"), column_of(page, "ticket")
    page.run(f"document.querySelectorAll('{BOARD} thead button')[{rank}].focus()")
    page.press("Enter", 13)
    places = [text.rstrip("?") for text in shown(page, rank)]
    assert places == ["1", "1", "2", "2", "3", "3", "\u2013", "\u2013", "\u2013"]
    assert sorting(page, rank) == "ascending"
    page.run(f"document.querySelectorAll('{BOARD} thead button')[{ticket}].focus()")
    page.press("Enter", 13)
    names = shown(page, ticket)
    assert names.index("gmp") < names.index("omp") < names.index("random of omp")
    assert (sorting(page, rank), sorting(page, ticket)) == ("none", "ascending")


def choose(page: chromium.Page, name: str, value: str) -> None:
    """Choose in one of the filters as a person does."""
    field = f"document.forms[0].elements[{json.dumps(name)}]"
    page.run(f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")


def test_filters_narrow_all_tables_and_are_cleared(page: chromium.Page) -> None:
    ticket, count = column_of(page, "ticket"), "document.querySelector('output').textContent"
    whole = page.run(count)
    choose(page, "method", "omp")
    assert set(shown(page, ticket)) == {"omp", "random of omp"}
    choose(page, "sparsity", "0.5")
    assert shown(page, ticket) == ["omp"]
    choose(page, "target", POSE)
    assert shown(page, ticket) == []
    assert page.run(f"getComputedStyle(document.querySelector('{BOARD}')).display") == "none"
    assert page.run(count) == f"2 of {whole}"
    page.click("form button[type=reset]")
    page.wait_until(f"{count} === {json.dumps(whole)}")
    assert len(shown(page, ticket)) == 9


def test_a_word_is_found_anywhere_in_a_row(page: chromium.Page) -> None:
    page.run("document.querySelector('input[type=search]').focus()")
    for letter in "native":
        page.command("Input.dispatchKeyEvent", type="char", text=letter)
    assert [text for text in shown(page, column_of(page, "source"))] == ["seg/figures (native)"]


def test_charts_are_drawn_with_a_point_for_every_row(page: chromium.Page) -> None:
    wait_for_charts(page)
    points = f"[...document.querySelectorAll('{BOARD} .chart')].map((p) => p.querySelectorAll('.point').length)"
    assert page.run(points) == [8, 8]
    choose(page, "method", "gmp")
    page.wait_until(f"JSON.stringify({points}) === '[2,2]'")
    names = f"[...document.querySelectorAll('{BOARD} .key li')].map((li) => li.textContent)"
    assert page.run(names) == ["gmp", "filled: drawn on another task"]


def test_a_point_leads_to_its_records_and_they_are_there(page: chromium.Page, path: Path) -> None:
    wait_for_charts(page)
    page.click(f"{BOARD} .chart .points .point")
    page.wait_until("document.querySelector('dialog').open")
    links = page.run("[...document.querySelectorAll('dialog a')].map((a) => a.getAttribute('href'))")
    assert len(links) == 2
    assert all((path.parent / link).is_file() for link in links)
    assert "ticket 0123456789abcdef" in page.run("document.querySelector('dialog').textContent")
    command = page.run("document.querySelector('dialog .commands').textContent")
    assert command == "python -m bench.run --source cls --target seg --kernels torch"
    page.press("Escape", 27)
    page.wait_until("!document.querySelector('dialog').open")


def test_a_hostile_name_is_a_name_in_table_chart_and_box(page: chromium.Page) -> None:
    wait_for_charts(page)
    row = shown(page, column_of(page, "ticket")).index(HOSTILE)
    assert HOSTILE in page.run(f"[...document.querySelectorAll('{BOARD} .key li')].map((li) => li.textContent)")
    number = page.run(f"[...document.querySelectorAll('{BOARD} tbody tr')][{row}].dataset.row")
    plot = f"document.querySelector('{BOARD} .chart')"
    curve = page.run(f"{plot}.data.findIndex((t) => t.customdata.some((c) => c[1] === {number}))")
    page.run(f"Plotly.Fx.hover({plot}, [{{curveNumber: {curve}, pointNumber: 0}}])")
    page.wait_until(f"{plot}.querySelector('.hovertext') !== null")
    assert page.run(f"{plot}.querySelector('.hovertext').textContent").startswith(f"{HOSTILE} from cls/figures")
    page.run(f"document.querySelectorAll('{BOARD} tbody button')[{row}].click()")
    assert page.run("document.querySelector('#details-title').textContent") == f"{HOSTILE} from cls/figures"


def test_the_heat_map_tells_the_gaps_and_has_a_table(page: chromium.Page) -> None:
    wait_for_charts(page, "#gaps")
    table = "[...document.querySelectorAll('#gaps tbody tr')].map((tr) => [...tr.cells].map((c) => c.textContent))"
    texts = page.run(table)
    assert [line[0] for line in texts] == [CLS, POSE, SEG]
    assert texts[0][1].startswith("-33.5") and texts[0][2].startswith("-23.5")
    assert texts[1][1:] == ["native", "\u2013"]
    drawn = "[...document.querySelectorAll('#gaps .chart .annotation-text')].map((t) => t.textContent)"
    assert page.run(drawn) == [text for line in texts for text in line[1:]]


def test_all_columns_are_shown_when_asked_for(page: chromium.Page) -> None:
    visible = f"[...document.querySelectorAll('{BOARD} thead th')].filter((th) => th.offsetWidth).length"
    every = page.run(f"document.querySelectorAll('{BOARD} thead th').length")
    assert page.run(visible) < every
    page.click("input[name=all]")
    assert page.run(visible) == every


def test_a_phone_scrolls_down_only_and_the_dark_scheme_is_dark(path: Path, tmp_path: Path) -> None:
    with chromium.opened(path, tmp_path / "browser", width=360, height=700, dark=True) as page:
        assert page.run("document.documentElement.scrollWidth") <= 360
        wait_for_charts(page)
        widths = page.run(f"[...document.querySelectorAll('{BOARD} .chart')].map((chart) => chart.offsetWidth)")
        assert 200 < max(widths) < 360
        assert page.run(f"document.querySelector('{BOARD} .scroll').scrollWidth") > 360
        assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(18, 20, 24)"
        ink = page.run("style('--ink')")
        assert page.run(f"document.querySelector('{BOARD} .chart').layout.font.color") == ink == "#e6e9ee"
        page.run(f"document.querySelector('{BOARD} tbody button').click()")
        assert page.run("document.querySelector('dialog').getBoundingClientRect().width") <= 360
        assert page.complaints() == []
