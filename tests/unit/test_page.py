"""bench.boards.page: the data block's bytes, what is escaped, the structure that people and screen readers find."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from samples import record

from bench import table
from bench.boards import render
from bench.boards.leaderboard import boards
from bench.boards.page import data, document
from bench.command import console
from bench.records.record import Record
from bench.request import redraw
from tickets.errors import UserError

SEG, POSE, CLS = "seg/figures", "pose/figures", "cls/figures"
HOSTILE = """<img src=x onerror="window.hacked=1"></script>&amp;'"""
EMPTY = {"meta", "input", "link", "br", "img"}


def some(drawer: str = "gmp") -> list[Record]:
    """Two methods on two targets with a control, a native ticket, a reference, a draw, and a failure."""
    records = []
    for seed in (0, 1):
        for name, score in ((drawer, 0.5), ("omp", 0.4)):
            for target in (SEG, POSE):
                records.append(record(target=target, drawer=name, score=score + seed / 100, seed=seed))
        records.append(record(drawer="omp", transform="random", control="random", score=0.2, seed=seed))
        records.append(record(drawer="omp", source=SEG, score=0.45, seed=seed))
        records.append(record(source=None, score=0.7, seed=seed))
        records.append(record(target=None, drawer=drawer, score=0.6, seed=seed))
    return [*records, record(drawer="imp", score=None, error=f"{drawer} broke")]


@pytest.fixture(autouse=True)
def no_plotly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests need no charts."""
    monkeypatch.setattr(document, "_plotly", lambda: "const Plotly = null;")


class Outline(HTMLParser):
    """All elements of a page with their attributes, and the texts of some; complains of what is not closed.

    Args:
        text: of the page.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        if self.open and text.strip():
            self.texts.setdefault(self.open[-1], []).append(text)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.found if name == tag]


def unpacked(text: str) -> str:
    """What the page's scripts find in a packed element."""
    return gzip.decompress(base64.b64decode(text)).decode()


def block(records: list[Record]) -> dict[str, Any]:
    """The data block, parsed."""
    return json.loads(data.block(boards(records)))


def test_the_data_block_is_the_same_for_any_order_of_the_records_and_any_folder() -> None:
    found, other = boards(some()), boards(reversed(some()))
    assert data.block(found) == data.block(other)
    pages = [document.to_html(found, "a/"), document.to_html(other, "../b/")]
    assert pages[0] == document.to_html(other, "a/")
    inside = [re.search(r'id="data">(.*?)</script>', page).group(1) for page in pages]
    assert inside[0] == inside[1] and unpacked(inside[0]) == data.block(found)


def test_the_data_block_holds_every_complete_row_in_the_order_of_its_table() -> None:
    told = block(some())
    assert [(b["kind"], b["task"], len(b["rows"])) for b in told["boards"]] == [
        ("overall", CLS, 2),
        ("transfer", POSE, 2),
        ("transfer", SEG, 5),
        ("draw", CLS, 1),
    ]
    rows = told["boards"][2]["rows"]
    assert [(row["label"], row["role"]) for row in rows] == [
        ("dense, scratch", "dense"),
        ("gmp from cls/figures", "ticket"),
        ("omp from cls/figures", "ticket"),
        ("random of omp from cls/figures", "random"),
        ("omp from seg/figures (native)", "native"),
    ]
    ticket = rows[2]
    assert (ticket["score"], ticket["gap"], ticket["cost"]) == (pytest.approx(0.405), pytest.approx(-0.045), 3 * 10**12)
    assert (ticket["method"], ticket["source"], ticket["targets"], ticket["sparsity"]) == ("omp", CLS, [SEG], 0.9)
    seeds = [(seed, score, ticket, told["commands"][command]) for _, seed, score, ticket, command in ticket["records"]]
    commands = [redraw.of(record(seed=seed, redraw="any")) for seed in (0, 1)]
    assert seeds == [(n, 0.4 + n / 100, "0123456789abcdef", commands[n]) for n in (0, 1)]


def test_a_ticket_is_told_by_the_first_digits_of_its_hash() -> None:
    told = block([record(hash="ab" * 32), record(source=None)])["boards"]
    assert {one[3] for board in told for row in board["rows"] for one in row["records"]} == {"ab" * 8, None}


def test_rows_have_a_key_for_every_column_of_their_table() -> None:
    found = boards(some())
    outline = Outline(document.to_html(found))
    columns = [attributes for attributes in outline.all("th") if attributes.get("scope") == "col"]
    assert len(columns) == sum(len(board["rows"][0]["keys"]) for board in block(some())["boards"])


def test_no_name_becomes_markup() -> None:
    page = document.to_html(boards(some(HOSTILE)), "records/")
    outline = Outline(page)
    assert outline.all("img") == []
    assert [a for a in outline.all("script") if a] == [{"type": "text/plain", "id": id} for id in ("data", "plotly")]
    assert len(outline.all("script")) == 2 + len(document.SCRIPTS)
    assert not any(name.startswith("on") for _, attributes in outline.found for name in attributes)
    assert HOSTILE in "".join(outline.texts["th"])
    assert any(HOSTILE in row["label"] for b in block(some(HOSTILE))["boards"] for row in b["rows"])


def test_the_folder_of_records_cannot_leave_its_attribute(tmp_path: Path) -> None:
    where = document.address(tmp_path / '"><b>' / "records", tmp_path)
    page = Outline(document.to_html(boards(some()), where))
    assert page.all("body") == [{"data-records": "%22%3E%3Cb%3E/records/"}]


def test_only_the_pages_own_scripts_may_run_and_nothing_is_asked_for() -> None:
    page = document.to_html(boards(some()))
    policy = next(a["content"] for a in Outline(page).all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    plotly = unpacked(re.search(r'id="plotly">(.*?)</script>', page).group(1))
    assert plotly == document._plotly()
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (plotly, *scripts)]
    assert rules["script-src"] == " ".join(f"'sha256-{digest}'" for digest in digests)
    for tag in ("link", "iframe", "img"):
        assert Outline(page).all(tag) == []
    assert not any("src" in attributes for attributes in Outline(page).all("script"))


def test_our_scripts_make_no_code_and_no_markup_of_texts() -> None:
    for name in document.SCRIPTS:
        text = document._asset(name)
        for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "http:"):
            assert risky not in text.replace("http://www.w3.org/2000/svg", "")


def test_tables_have_captions_scopes_and_boxes_that_a_keyboard_scrolls() -> None:
    page = Outline(document.to_html(boards(some())))
    tables = page.all("table")
    assert len(tables) == 4
    assert page.texts["caption"][:2] == [
        "Tickets of cls/figures over 2 targets: scale tiny",
        "Transfers to pose/figures: PCK@0.2 on test, scale tiny",
    ]
    assert len(page.texts["caption"]) == len(tables)
    assert {attributes.get("scope") for attributes in page.all("th")} == {"col", "row"}
    boxes = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert all(box["tabindex"] == "0" and box["role"] == "region" for box in boxes)
    ids = {a["id"] for _, a in page.found if "id" in a}
    assert all(a["aria-labelledby"] in {*ids, "details-title"} for _, a in page.found if "aria-labelledby" in a)
    links = [a["href"] for a in page.all("a")]
    assert all(link.startswith("#") and link[1:] in ids for link in links)
    assert [len(page.all(tag)) for tag in ("main", "header", "nav", "h1")] == [1, 1, 1, 1]


def test_a_table_s_classes_tell_which_columns_are_words_and_which_are_extra() -> None:
    """Of the transfers to seg: rank, ticket, source, score, recipe, ..., as their headers have it."""
    page = document.to_html(boards(some()))
    section = re.search(r'id="seg-figures-tiny".*?<table class="([^"]*)">.*?<tr>(.*?)</tr>', page, re.S)
    marks, titles = section.group(1).split(), re.findall(r"<th[^>]*>(.*?)</th>", section.group(2))
    columns = {column.title: column for column in render.COLUMNS}
    assert [titles[int(mark[1:]) - 1] for mark in marks if mark[0] == "x"] == [t for t in titles if t in document.EXTRA]
    assert [mark[1:] for mark in marks if mark[0] == "w"] == [
        str(number) for number, title in enumerate(titles, 1) if not columns[title].is_number
    ]
    for mark in marks:
        assert f".{mark} tr > :nth-child({mark[1:]})" in page


def test_controls_follow_their_tickets_and_incomplete_rows_stand_below() -> None:
    page = Outline(document.to_html(boards(some())))
    assert [a["class"] for a in page.all("tr") if "data-row" in a and "class" in a] == [
        "ticket",
        "ticket",
        "dense",
        "ticket",
        "ticket",
        "random control",
        "native control",
        "draw",
    ]
    assert (
        "Incomplete: imp from cls/figures, sparsity 90.0%: no record of seed 1; seed 0 failed: gmp broke."
        in (page.texts["li"])
    )


def test_a_page_of_draws_alone_has_no_overall_board() -> None:
    told = block([record(target=None)])
    assert [board["kind"] for board in told["boards"]] == ["draw"]


def test_it_is_written_where_it_is_asked_for_and_links_to_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for one in some():
        one.write(tmp_path / "my runs" / "records")
    with pytest.raises(SystemExit) as left:
        console.main(table.app, "table", ["my runs/records", "--format", "html", "--out", "pages/new"])
    assert (left.value.code, capsys.readouterr().out) == (0, "pages/new/leaderboard.html\n")
    text = (tmp_path / "pages" / "new" / "leaderboard.html").read_text()
    assert Outline(text).all("body") == [{"data-records": "../../my%20runs/records/"}]


def test_without_plotly_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(UserError, match=r'the page needs the package plotly.*pip install "ticketbench\[page\]"'):
        document.to_html(boards(some()))
