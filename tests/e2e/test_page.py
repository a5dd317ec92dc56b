"""The leaderboards' page in a real browser: it answers, filters, draws, keeps its state, asks no host."""

from __future__ import annotations

import csv
import importlib.util
import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import chromium
import pytest
from samples import portrait, record

from bench import table
from bench.numbers.amounts import counted, interval, percent, points
from bench.numbers.stats import Estimate
from bench.records import portrait as portraits
from bench.records import published
from tickets import atomic

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.found() is None, reason="Chromium is not installed"),
]

CLS, SEG, POSE = "cls/figures", "seg/figures", "pose/figures"
HOSTILE = '<img src=x onerror="window.hacked=1"> $x$ <b>a</b>'
TURNED = "\u05e9\u05dc\u05d5\u05dd-\u0645\u0631\u062d\u0628\u0627 ±12%"
LONG = "verylongname" * 12
VIEWS = (
    "view=overview",
    "view=tables",
    f"view=tables&target={SEG}&sparsity=0.9",
    "view=tradeoffs",
    "view=retention",
    "view=transfer",
    "view=transfer&measure=difference",
    "view=compare",
    "view=method",
    "view=method&name=omp",
    f"view=task&name={SEG}",
    "view=task&name=seg/camvid",
)
LOOKS = [(1200, False), (390, True)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a few methods on two targets, with controls, native tickets and methods of hostile names."""
    home = tmp_path_factory.mktemp("page")
    for seed in (0, 1):
        for target, less in ((SEG, 0.0), (POSE, 0.1)):
            for drawer, score in (("omp", 0.4), ("gmp", 0.5), (HOSTILE, 0.3), (TURNED, 0.28), (LONG, 0.26)):
                for sparsity in (0.5, 0.9):
                    job = {"drawer": drawer, "sparsity": sparsity, "seed": seed, "target": target}
                    record(score=score - less - sparsity / 10 + seed / 100, **job).write(home / "records")
            record(source=target, target=target, drawer="omp", score=0.55, seed=seed).write(home / "records")
            record(target=target, transform="random", control="random", score=0.1, seed=seed).write(home / "records")
            record(source=None, target=target, score=0.7, seed=seed).write(home / "records")
        draw = record(target=None, drawer="omp", score=0.6, seed=seed, hash=str(seed) * 64)
        draw.write(home / "records")
        shown = portrait(draw.id, "1" * 64, HOSTILE)
        atomic.write(portraits.beside(home / "records") / f"{draw.id}.json", shown.to_bytes())
    record(drawer="imp", score=None, error=HOSTILE).write(home / "records")
    table.write(table.render(home / "records", ["html"], home / "out"), home / "out")
    return home / "out" / "leaderboard.html"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the published records."""
    out = tmp_path_factory.mktemp("whole")
    table.write(table.render(published.RECORDS, ["html"], out), out)
    return out / "leaderboard.html"


@pytest.fixture(scope="module")
def browser(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    with chromium.opened(path, tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: chromium.Page, path: Path) -> Iterator[chromium.Page]:
    """The page, opened anew; whatever a test did, nothing was complained of, asked for or smuggled in."""
    browser.visit(path)
    go(browser, "view=overview")
    yield browser
    is_innocent(browser, path)


def is_innocent(page: chromium.Page, path: Path) -> None:
    """Nothing was complained of, asked for, or run."""
    assert page.complaints() == []
    asked = {url.partition("#")[0] for url in page.requests() if not url.startswith("data:image/jpeg")}
    assert asked == {path.resolve().as_uri()}
    assert page.run("window.hacked") is None
    sources = page.run("[...document.images].map((image) => image.src)")
    assert all(source.startswith("data:image/jpeg") for source in sources)


def go(page: chromium.Page, state: str) -> None:
    """Follow a link to a state of the page, and wait until all its rows are there."""
    page.run(f"location.hash = {json.dumps(state)}")
    page.run("new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done, 60)), 60))")
    page.wait_until("tables.lines.length === 0")


def choose(page: chromium.Page, name: str, value: str) -> None:
    """Choose in one of the view's fields as a person does."""
    field = f"document.querySelector('.choices').elements[{json.dumps(name)}]"
    kind = "input" if name == "text" else "change"
    page.run(f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('{kind}', {{bubbles: true}}))")
    page.wait_until("tables.lines.length === 0")


def shown(page: chromium.Page, title: str) -> list[str]:
    """A column's texts in the rows that all tables show, in order."""
    script = """[...document.querySelectorAll('.board')].flatMap((card) => {
        const at = [...card.querySelectorAll('table.rows > thead th')].findIndex((th) => th.textContent === %s);
        return at < 0 ? [] : [...card.querySelectorAll('tr[data-row]')].map((row) => row.cells[at].textContent);
    })"""
    return page.run(script % json.dumps(title))


def overlapping(page: chromium.Page) -> list[str]:
    """Texts of drawings whose boxes meet by more than a pixel."""
    script = """[...document.querySelectorAll('.chart svg')].flatMap((svg) => {
        const of = (text) => {
            const box = text.getBoundingClientRect();
            return [text.textContent, box.left, box.top, box.right, box.bottom];
        };
        return [...svg.querySelectorAll('text')].map(of).map((one) => [svg.getAttribute('aria-label'), ...one]);
    })"""
    boxes = page.run(script)
    return [
        f"{a[1]} meets {b[1]}"
        for a, b in itertools.combinations(boxes, 2)
        if a[0] == b[0] and min(a[4], b[4]) - max(a[2], b[2]) > 1 and min(a[5], b[5]) - max(a[3], b[3]) > 1
    ]


def too_wide(page: chromium.Page) -> list[str]:
    """What is wider than the card that it stands in, or than the window."""
    script = """[...document.querySelectorAll('.scroll, .card > *, .card, .choices, .top')].filter((one) => {
        const own = one.getBoundingClientRect();
        const card = (one.closest('.card') ?? document.documentElement).getBoundingClientRect();
        return own.width && (own.right > card.right + 0.5 || own.left < card.left - 0.5);
    }).map((one) => one.outerHTML.slice(0, 100))"""
    found = page.run(script)
    width = page.run("[document.documentElement.scrollWidth, innerWidth]")
    return found if width[0] <= width[1] else [*found, f"the page: {width}"]


@pytest.mark.parametrize(("width", "dark"), LOOKS)
@pytest.mark.parametrize("which", ["path", "whole"])
def test_no_label_hides_another_and_no_table_is_wider_than_its_card(
    which: str, width: int, dark: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    path = request.getfixturevalue(which)
    with chromium.opened(path, tmp_path / "browser", width=width, dark=dark) as page:
        drawn = 0
        for view in VIEWS:
            go(page, view)
            assert (view, overlapping(page), too_wide(page)) == (view, [], [])
            drawn += page.run("document.querySelectorAll('.chart .point').length")
        assert drawn > 10
        ground = page.run("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(13, 16, 19)") is dark
        is_innocent(page, path)


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_axe_finds_nothing(width: int, dark: bool, whole: Path, tmp_path: Path) -> None:
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip('axe is not installed: pip install "ticketbench[test]"')
    script = Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")
    ask = "axe.run(document).then((told) => told.violations.map((one) => [one.impact, one.id, one.nodes[0].html]))"
    with chromium.opened(whole, tmp_path / "browser", width=width, dark=dark) as page:
        page.run(f"{script}; 0")
        for view in VIEWS:
            go(page, view)
            assert (view, page.run(ask)) == (view, [])


def test_a_click_sorts_all_tables_by_a_column_and_back(page: chromium.Page) -> None:
    go(page, f"view=tables&target={SEG}&sparsity=0.9&method=omp")
    go(page, f"view=tables&target={SEG}&sparsity=0.9")
    own = shown(page, "ticket")
    assert own == ["gmp", "omp", HOSTILE, TURNED, LONG, "omp", "random of omp", "dense"]
    score = "table.rows thead th.score button"
    page.click(score)
    page.click(score)
    page.wait_until("tables.lines.length === 0")
    assert shown(page, "ticket")[:5] == [LONG, TURNED, HOSTILE, "omp", "gmp"]
    assert page.run("document.querySelector('th.score').getAttribute('aria-sort')") == "ascending"
    assert "sort=score&order=up" in page.run("location.hash")
    page.click(score)
    page.wait_until("tables.lines.length === 0")
    assert shown(page, "ticket") == own
    page.run("document.querySelector('table.rows thead th.ticket button').focus()")
    page.press("Enter", 13)
    page.wait_until("tables.lines.length === 0")
    assert shown(page, "ticket")[:2] == [HOSTILE, "gmp"]
    assert page.run("document.activeElement.textContent") == "ticket"


def test_choices_stand_in_the_address_and_survive_a_reload(page: chromium.Page, path: Path) -> None:
    go(page, "view=tables")
    choose(page, "target", POSE)
    choose(page, "sparsity", "0.5")
    choose(page, "text", "gmp")
    before = (shown(page, "ticket"), page.run("location.hash"))
    assert before[0] == ["gmp", "dense"]
    page.command("Page.reload")
    page.wait_until("document.documentElement && 'ready' in document.documentElement.dataset")
    page.wait_until("tables.lines.length === 0")
    assert (shown(page, "ticket"), page.run("location.hash")) == before
    assert page.run("document.querySelector('.choices').elements.sparsity.value") == "0.5"
    page.click(".clear")
    page.wait_until("document.querySelector('#counts').textContent === '28 rows in 4 tables'")
    assert page.run("location.hash") == "#view=tables"


FORMATS = {"of dense": percent, "remaining": percent, "MACs": counted, "cost": counted}


def test_the_csv_is_what_is_shown(whole: Path, tmp_path: Path) -> None:
    with chromium.opened(whole, tmp_path / "browser") as page:
        go(page, "view=tables&board=seg-figures-tiny-macs-0.5&sparsity=0.9")
        rows = list(csv.DictReader(io.StringIO(page.run("tablesCsv()"))))
        assert [row["ticket"] for row in rows] == shown(page, "ticket") and len(rows) > 15
        assert [_interval(row, "score", interval) for row in rows] == _spaced(shown(page, "score"))
        assert [_interval(row, "gap", points) for row in rows] == _spaced(shown(page, "gap"))
        for title, form in FORMATS.items():
            units = ("M",) if form is counted else ()
            told = [form(float(row[title]) if row[title] else None, *units) for row in rows]
            assert told == shown(page, title)
        told = json.loads(page.run("tablesJson()"))
        assert told["state"] == page.run("location.hash.slice(1)")
        assert [row["score"] for row in told["rows"]] == [float(row["score"]) for row in rows]
        assert page.run("tablesTex()").count("\\\\\n") >= len(rows)


def _interval(row: dict[str, str], name: str, form: Any) -> str:
    if not row[name]:
        return form(None)
    half = row.get(f"{name} half")
    return form(Estimate(float(row[name]), float(half) if half else None, 3))


def _spaced(texts: list[str]) -> list[str]:
    return [text.replace("±", " ±") for text in texts]


def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(page: chromium.Page) -> None:
    assert page.run("""toCsv(['a'], [['=1+1'], ['a"b'], [-0.5]])""") == 'a\n\'=1+1\n"a""b"\n-0.5\n'


def test_a_row_opens_with_its_runs_and_its_commands(page: chromium.Page, path: Path) -> None:
    go(page, f"view=tables&target={SEG}&sparsity=0.9")
    page.click("tr[data-row] button")
    links = page.run("[...document.querySelectorAll('.open .runs a')].map((a) => a.getAttribute('href'))")
    assert len(links) == 2 and all((path.parent / link).is_file() for link in links)
    told = page.run("[...document.querySelectorAll('.open code')].map((code) => code.textContent)")
    assert told[0].startswith("python -m bench.run --source cls/figures --target none --drawer gmp")
    assert told[-1] == f"python -m bench.check recompute {Path(links[0]).stem}"
    assert page.run("document.activeElement.getAttribute('aria-expanded')") == "true"
    go(page, "view=overview")
    page.run("history.back()")
    page.wait_until("document.querySelectorAll('.open').length === 1")
    page.click("tr[data-row] button")
    assert page.run("document.querySelectorAll('.open').length") == 0


def test_what_was_drawn_is_pictured_in_a_row_and_with_its_method(page: chromium.Page) -> None:
    go(page, "view=method&name=omp")
    names = page.run("[...document.querySelectorAll('.portrait b')].map((title) => title.textContent)")
    assert names == [
        "What the search left",
        "What the mask left of each layer",
        "The mask of its largest layer",
        "How it was trained",
    ]
    told = page.run("document.querySelector('.portrait').textContent")
    assert "8 of 16 hidden units are left" in told and "7 of 28 weights are kept" in told
    assert "1 of 2 layers have none left" in told and "another ticket than the row's" in told
    bars = page.run("[...document.querySelectorAll('.portrait g[data-about]')].map((one) => one.dataset.about)")
    assert bars[0] == "4 of 4 units of 3x3, 0 of 4 units of 5x5; 25.0% of its weights kept"
    assert bars[2] == f"{HOSTILE}: 7 of 20 weights, 35.0%"
    go(page, "view=tables&kind=draw")
    page.click("tr[data-row] button")
    assert page.run("document.querySelectorAll('.open .portrait svg').length") == 4


def test_a_stranger_gets_the_best_ticket_for_segmentation_in_three_clicks(whole: Path, tmp_path: Path) -> None:
    with chromium.opened(whole, tmp_path / "browser") as page:
        page.run("""document.querySelectorAll('#best tbody tr').forEach((line) => {
            if (!line.cells[0].textContent.startsWith('seg/figures')) return;
            line.cells[3].querySelector('a')?.setAttribute('id', 'want');
        })""")
        page.click("#want")  # what would I take
        page.wait_until("document.querySelectorAll('.board tr[data-row]').length > 0")
        assert page.run("document.querySelectorAll('.board').length") == 1
        assert shown(page, "rank")[0].startswith("1") and "±" in shown(page, "score")[0]  # how sure is that
        page.click(".board tr[data-row] button")  # and how do I get it
        assert "python -m bench.run" in page.run("document.querySelector('.open code').textContent")
        page.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }; 0")
        page.click(".open .copy")
        assert page.run("window.copied") == page.run("document.querySelector('.open code').textContent")


def test_a_hostile_name_is_a_name_everywhere(page: chromium.Page) -> None:
    for name in (HOSTILE, TURNED):
        go(page, f"view=method&name={name}".replace("%", "%25").replace("&lt", "%26lt"))
        assert page.run("document.querySelector('.title').textContent") == name
        go(page, "view=tradeoffs")
        assert name in page.run("[...document.querySelectorAll('.key li')].map((li) => li.textContent)")
        go(page, "view=compare")
        choose(page, "a", name)
        assert page.run("document.querySelector('#live h3').textContent").startswith(f"{name} less ")
    assert page.run("getComputedStyle(document.querySelector('bdi')).unicodeBidi") == "isolate"


def test_comparing_tells_what_python_found(whole: Path, tmp_path: Path) -> None:
    with chromium.opened(whole, tmp_path / "browser") as page:
        go(page, "view=compare&a=supertickets&b=stp/magnitude&sparsity=0.9")
        text = page.run("document.querySelector('.whole').textContent")
        assert text.startswith(
            "decided +3.2 [+1.1, +5.5] points over 45 jobs in 15 clusters"
        )  # as docs/claims.md has it
        go(page, "view=compare&a=stp/magnitude&b=supertickets&sparsity=0.9")
        assert "-3.2 [-5.5, -1.1]" in page.run("document.querySelector('.whole').textContent")
        assert len(page.run("[...document.querySelectorAll('.forest tbody tr')].map((row) => row.textContent)")) == 9
        told = page.run("document.querySelector('.command code').textContent")
        flags = f"--sparsity 0.9 --records {published.RECORDS}"
        assert told == f"python -m bench.compare stp/magnitude supertickets {flags}"


def test_a_data_set_stands_beside_what_the_field_reports(whole: Path, tmp_path: Path) -> None:
    with chromium.opened(whole, tmp_path / "browser") as page:
        go(page, "view=task&name=seg/camvid")
        lines = page.run("[...document.querySelectorAll('#live section')].map((one) => one.textContent)")[1]
        assert lines.startswith("Reference scores of the field")
        assert "ESPNet55.64%mIoU233 test imagestrained at 480 x 360S. Mehta et al., arXiv:1803.06815" in lines
        assert "ours: dense from cls/cifar10" in lines and "101 val images333 training images; scale tiny" in lines


def cut_off(page: chromium.Page) -> list[str]:
    """Texts of drawings that reach beyond their drawing."""
    return page.run("""[...document.querySelectorAll('.chart svg')].flatMap((svg) => {
        const all = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter((text) => {
            const box = text.getBoundingClientRect();
            return box.left < all.left - 1 || box.right > all.right + 1 || box.bottom > all.bottom + 1;
        }).map((text) => text.textContent);
    })""")


@pytest.mark.parametrize("width", [1200, 390])
def test_ranks_name_their_test_and_all_methods_and_their_lines_do_not_cross(
    width: int, whole: Path, tmp_path: Path
) -> None:
    with chromium.opened(whole, tmp_path / "browser", width=width) as page:
        go(page, "view=compare&target=cls/figures")
        told = page.run("[...document.querySelectorAll('#live figure')].map((one) => one.textContent)")
        assert len(told) == 2 and all("Friedman test" in text and "budgets: " in text for text in told)
        names = page.run("[...document.querySelectorAll('.ranks svg')].map((svg) => svg.querySelectorAll('a').length)")
        assert names == page.run(
            "page.boards.filter((one) => one.task === 'cls/figures').flatMap((one) => one.ranks)"
            ".map((one) => one.methods.length)"
        )
        assert (overlapping(page), cut_off(page)) == ([], [])
        for number in range(len(names)):
            drawn = f"document.querySelectorAll('.ranks svg')[{number}].querySelectorAll('.leader')"
            assert (
                crossing([steps(path) for path in page.run(f"[...{drawn}].map((one) => one.getAttribute('d'))")]) == 0
            )


@pytest.mark.parametrize("width", [1200, 390])
def test_lines_from_labels_to_their_points_do_not_cross(width: int, whole: Path, tmp_path: Path) -> None:
    with chromium.opened(whole, tmp_path / "browser", width=width) as page:
        drawn = 0
        for board in page.run("transferBoards().map((board) => board.id)"):
            go(page, f"view=tradeoffs&board={board}")
            paths = page.run("[...document.querySelectorAll('.chart .leader')].map((one) => one.getAttribute('d'))")
            assert (board, crossing([steps(path) for path in paths]), overlapping(page)) == (board, 0, [])
            drawn += len(paths)
        assert drawn > (8 if width < 500 else 0)
        crowd = """drawnIn(document.querySelector('.chart'), () => drawing({
            name: 'crowd', ...Object.fromEntries(['x', 'y'].map((axis) =>
                [axis, {title: '', format: String, low: 0, high: 9}])),
            series: [{colour: 'red', symbol: CIRCLE, points: [...Array(16).keys()].map((at) => ({
                x: 4 + (at % 4) / 8, y: 4 + Math.floor(at / 4) / 4 + at / 99, half: null, tip: '', label: `way${at}`,
            }))}],
        }, innerWidth), placeLabels)"""
        page.run(f"document.querySelector('.chart').replaceChildren(), {crowd}")
        paths = page.run("[...document.querySelectorAll('.chart .leader')].map((one) => one.getAttribute('d'))")
        assert len(paths) > 3 and crossing([steps(path) for path in paths]) == 0
        assert overlapping(page) == []


Spot = tuple[float, float]


def steps(path: str) -> list[tuple[Spot, Spot]]:
    """The sides of a path of M, V, H and L."""
    (start, *more) = re.findall(r"([MVHL])([-\d. ]+)", path)
    spots = [tuple(map(float, start[1].split()))]
    for kind, numbers in more:
        x, y = spots[-1]
        ends = [float(number) for number in numbers.split()]
        spots.append((ends[0], y) if kind == "H" else (x, ends[0]) if kind == "V" else (ends[0], ends[1]))
    return list(itertools.pairwise(spots))


def crossing(lines: list[list[tuple[Spot, Spot]]]) -> int:
    """How often lines of different bundles cross, ends that touch left out."""
    return sum(_meet(*a, *b) for one, other in itertools.combinations(lines, 2) for a in one for b in other)


def _meet(a: Spot, b: Spot, c: Spot, d: Spot) -> bool:
    """Whether two sides have an inner point in common."""
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0


def _turn(a: Spot, b: Spot, c: Spot) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def test_finding_leads_to_a_method_or_a_data_set(page: chromium.Page) -> None:
    page.run("document.querySelector('.find input').focus()")
    for letter in "seg/fig":
        page.command("Input.dispatchKeyEvent", type="char", text=letter)
    page.press("Enter", 13)
    page.wait_until("document.querySelector('#live .title')?.textContent === 'seg/figures'")
    assert "4,108" not in page.run("document.querySelector('#live dl').textContent")
    assert "train 3,684, val 412, test 1,024" in page.run("document.querySelector('#live dl').textContent")


def test_columns_are_chosen_and_tell_what_they_mean(page: chromium.Page) -> None:
    go(page, f"view=tables&target={SEG}&sparsity=0.9")
    assert shown(page, "parameters") == []
    page.run("document.querySelector('.columns').open = true")
    page.click(".columns input[value='parameters']")
    page.wait_until("tables.lines.length === 0")
    assert shown(page, "parameters")[0] == "11.4k"
    assert "columns=" in page.run("location.hash")
    page.run("document.querySelector('table.rows th.score button').focus()")
    assert page.run("document.getElementById('tip').textContent") == "test split's primary metric over the seeds."


def test_after_a_choice_among_many_rows_the_first_ones_are_there_at_once(tmp_path: Path) -> None:
    """Nobody waits for rows that are out of view: some are made at once, the others in turns."""
    for copy in range(60):
        for target in (SEG, POSE):
            for seed in (0, 1):
                job = {"drawer": f"omp@batches={copy + 1}", "target": target, "seed": seed}
                record(score=0.4 + copy / 1000, **job).write(tmp_path / "records")
    table.write(table.render(tmp_path / "records", ["html"], tmp_path), tmp_path)
    with chromium.opened(tmp_path / "leaderboard.html", tmp_path / "browser") as page:
        go(page, "view=tables")
        assert len(shown(page, "ticket")) == 120
        count = "document.querySelectorAll('tr[data-row]').length"
        at_once = page.run(f"choose({{ target: '{SEG}' }}), showTables(), {count}")
        assert 10 <= at_once <= 40
        page.wait_until(f"{count} === 60")


TEXT = HOSTILE + " &amp; ' _{}\\ % " + TURNED
WORD = TEXT.replace(" ", "_")


def hostile(seed: int, **changes: Any) -> Any:
    """A record with such a text in every field that takes one."""
    names = ("scale", "host", "device", "test_split", "hash", "commit", "redraw")
    texts = dict.fromkeys(names, TEXT)
    metric = {"primary": TEXT, "test": {TEXT: 0.4 + seed / 100}, "val": {TEXT: 0.4}, "score": 0.4 + seed / 100}
    more = {"packages": {TEXT: TEXT}, "config": {TEXT: TEXT}, "fingerprints": {TEXT: {TEXT: TEXT}}, "pattern": WORD}
    job = {"source": f"cls/{TEXT}", "target": f"seg/{TEXT}", "drawer": TEXT, "recipe": TEXT, "transform": WORD}
    asked = {**texts, **metric, **more, **job, "host_drawn": WORD, "seed": seed}
    score = changes.pop("score", metric["score"])
    return record(**{**asked, **changes, "score": score, "test": {TEXT: score}})


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_a_record_with_hostile_text_in_every_field_leaves_the_page_whole(
    width: int, dark: bool, tmp_path: Path
) -> None:
    for seed in (0, 1):
        for sparsity in (0.5, 0.9):
            hostile(seed, sparsity=sparsity).write(tmp_path / "records")
        hostile(seed, drawer="omp", score=0.3).write(tmp_path / "records")
    table.write(table.render(tmp_path / "records", ["html", "atom"], tmp_path), tmp_path)
    path = tmp_path / "leaderboard.html"
    with chromium.opened(path, tmp_path / "browser", width=width, dark=dark) as page:
        names = page.run("[page.names[0], Object.keys(page.tasks)[0], page.boards[0].rows[0].records[0][0]]")
        views = [view for view in VIEWS if SEG not in view]
        views += [f"view=tables&open={names[2]}", f"view=method&{_stated(names[0])}", f"view=task&{_stated(names[1])}"]
        for view in views:
            go(page, view)
            assert (view, overlapping(page), too_wide(page)) == (view, [], [])
        assert page.run("document.querySelectorAll('main b, main img').length") == page.run(
            "[...document.querySelectorAll('main b')].filter((one) => one.closest('.tick, figcaption, .whole')).length"
        )
        go(page, "view=tables")
        assert any(TEXT in text for text in shown(page, "ticket"))
        is_innocent(page, path)


def _stated(name: str) -> str:
    return urlencode({"name": name})


def test_a_command_is_marked_where_no_page_may_copy(page: chromium.Page) -> None:
    go(page, f"view=tables&target={SEG}&sparsity=0.9")
    page.click("tr[data-row] button")
    page.run("navigator.clipboard.writeText = async () => { throw new Error('not here'); }; 0")
    page.click(".open .copy")
    page.wait_until("document.getElementById('said').textContent.startsWith('Marked')")
    assert page.run("getSelection().toString()") == page.run("document.querySelector('.open code').textContent")
