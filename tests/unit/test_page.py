"""bench.boards.page: the data block, the overview and its numbers, what is escaped, what screen readers find."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from email.message import Message
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from samples import portrait, record

from bench import table
from bench.boards import claimed, pairing
from bench.boards.figures import catalogue
from bench.boards.leaderboard import boards
from bench.boards.page import answers, data, document, field, pairs, told
from bench.boards.page.columns import columns
from bench.boards.page.works import WORKS
from bench.boards.places import places
from bench.boards.verdicts import verdicts
from bench.command import console
from bench.numbers.amounts import interval
from bench.records import published
from bench.records.record import Record, each
from bench.request import claim, redraw
from tasks import TASKS
from tickets.drawers import DRAWERS

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
        ("transfer", POSE, 2),
        ("transfer", SEG, 5),
        ("draw", CLS, 1),
    ]
    rows = told["boards"][1]["rows"]
    assert [(row["label"], row["role"]) for row in rows] == [
        ("dense, scratch", "dense"),
        ("gmp from cls/figures", "ticket"),
        ("omp from cls/figures", "ticket"),
        ("random of omp from cls/figures", "random"),
        ("omp from seg/figures (native)", "native"),
    ]
    ticket = rows[2]
    assert (ticket["score"], ticket["gap"][0], ticket["costs"]["training"]) == (
        pytest.approx(0.405),
        pytest.approx(-0.045),
        3 * 10**12,
    )
    assert (ticket["method"], ticket["source"], ticket["sparsity"]) == ("omp", CLS, 0.9)
    seeds = [(one[1], one[2], one[3], told["commands"][one[4]]) for one in ticket["records"]]
    commands = [redraw.of(record(seed=seed, redraw="any")) for seed in (0, 1)]
    assert seeds == [(n, 0.4 + n / 100, "0123456789abcdef", commands[n]) for n in (0, 1)]


def test_rows_have_a_text_and_a_value_for_every_column_of_their_board() -> None:
    told = block(some())
    for board in told["boards"]:
        for row in board["rows"]:
            assert len(row["cells"]) == len(row["keys"]) == len(board["columns"])
    titles = [told["columns"][number][0] for number in told["boards"][1]["columns"]]
    row = told["boards"][1]["rows"][2]
    assert dict(zip(titles, row["cells"], strict=True))["score"] == "40.5% ±6.4"
    assert row["halves"][str(titles.index("score"))] == pytest.approx(0.0635, abs=1e-4)


def test_every_column_tells_what_it_means() -> None:
    about = {column.title: column.about for column in columns({})}
    assert all(about.values()), [title for title, text in about.items() if not text]
    assert about["gap"] == "score - native score, paired by seed."


def test_a_ticket_is_told_by_the_first_digits_of_its_hash() -> None:
    told = block([record(hash="ab" * 32), record(source=None)])["boards"]
    assert {one[3] for board in told for row in board["rows"] for one in row["records"]} == {"ab" * 8, None}


def test_places_are_those_that_the_seeds_leave_a_row() -> None:
    """Of a, b and c only b and c overlap; d has one difference in sign by seed, and is told from nobody but a."""
    scores = {"a": (0.9, 0.91, 0.9), "b": (0.5, 0.52, 0.54), "c": (0.51, 0.5, 0.55), "d": (0.1, 0.6, 0.4)}
    found = [record(drawer=name, score=s, seed=n) for name, by in scores.items() for n, s in enumerate(by)]
    board = next(one for one in boards(found) if one.place.kind == "transfer")
    assert {key.drawer: (one.best, one.worst) for key, one in places(board).items()} == {
        "a": (1, 2),
        "b": (2, 4),
        "c": (2, 4),
        "d": (1, 4),
    }


def test_one_seed_tells_nobody_from_anybody() -> None:
    board = boards([record(drawer=name, score=s) for name, s in (("a", 0.9), ("b", 0.1))])[0]
    assert {str(one) for one in places(board).values()} == {"1\u2009\u2013\u20092"}


def test_the_answers_are_differences_of_the_records() -> None:
    """Tickets score 0.505 and 0.405 on seg, 0.2 shuffled, 0.7 dense, 0.45 natively; on pose nothing is beside them."""
    found = {answer.question: answer for answer in answers.answers(boards(some()))}
    shuffled, native, dense = found.values()
    assert (shuffled.whole.mean, shuffled.whole.jobs, shuffled.verdict) == (pytest.approx(0.205), 2, "yes")
    assert (native.whole.mean, native.whole.jobs, native.verdict) == (pytest.approx(-0.045), 2, "undecided")
    assert (dense.whole.mean, dense.whole.jobs, dense.verdict) == (pytest.approx(-0.245), 4, "no")
    assert dense.sentence.startswith("No: a ticket loses")


def test_figures_of_the_overview_are_those_of_the_tables() -> None:
    found = boards(some())
    page = Outline(document.to_html(found))
    best = answers.best(found)
    assert [(one.board.place.task, one.row.key.drawer, one.rivals) for one in best] == [
        (POSE, "gmp", 2),
        (SEG, "gmp", 2),
    ]
    assert all(interval(one.row.score) in page.texts["small"] for one in best)
    links = [a["href"] for a in page.all("a")]
    assert "#view=tables&board=seg-figures-tiny&sparsity=0.9" in links
    assert page.texts["span"][1] == "+20.5 [+14.1, +26.9]"


def test_pooled_differences_are_those_of_bench_compare() -> None:
    found = pairs.block(boards(some()))
    one, other = (found["names"].index(name) for name in ("gmp", "omp"))
    cells = pairing.cells(some())
    for scope, keep in {"|": (SEG, POSE), f"{SEG}|": (SEG,), f"{SEG}|0.9": (SEG,)}.items():
        kept = {cell: scores for cell, scores in cells.items() if cell.place.task in keep and cell.source == CLS}
        whole = pairing.pooled(pairing.differences(kept, "gmp", "omp"))
        assert found["pooled"][f"{one}|{other}|{scope}"] == [whole.mean, whole.low, whole.high, whole.clusters, whole.n]


def test_a_method_is_told_by_its_docstring_and_its_place() -> None:
    found = told.member(DRAWERS, "imp@rounds=5")
    path, line = found.place.split(":")
    assert "class IterativeMagnitude" in Path(path).read_text().splitlines()[int(line) - 1]
    assert "1803.03635" in found.works and "rounds" in found.settings
    assert told.member(DRAWERS, "imp/many_rounds").variant == {"rate": 0.2, "share": 1.0}
    assert told.member(DRAWERS, "of somebody else") is None


def test_every_work_that_a_method_names_is_known() -> None:
    named = {work for name in DRAWERS.builtin for work in told.member(DRAWERS, name).works}
    assert named == WORKS.keys()


def test_a_data_set_is_told_by_its_adapter_and_its_records() -> None:
    task = block(some())["tasks"][SEG]
    assert task["counts"] == {"train": 3684, "val": 412, "test": 1024}
    assert task["licence"] == "that of ticketbench" and task["outputs"] == len(task["names"]) == 9
    assert block([record(source="cls/mine", target="seg/mine")])["tasks"]["seg/mine"].keys() == {"counts"}


def test_every_score_of_the_field_tells_its_source_and_what_differs() -> None:
    assert field.known().keys() == {name for name in TASKS.builtin if not name.endswith(("/figures", "/folder"))}
    for note, scores in field.known().values():
        assert note.endswith(".") and (scores or note.startswith("None"))
        for one in scores:
            assert 0 < one.score < 100 and "arXiv:" in one.source + "arXiv:" * one.source.startswith(OWN), one
            assert all(text.strip() for text in (one.method, one.metric, one.tested, one.differs)), one


OWN = ("README of github.com/", "torchvision, ")
"""Sources that are no paper's: a repository's own figures, and those that a package tells of its weights."""


def test_the_field_has_no_score_of_drawn_data() -> None:
    assert block(some())["tasks"][SEG]["reported"] == {"note": field.DRAWN, "scores": []}
    assert field.told("seg/mine") == {}


def test_ranks_are_those_of_the_figures() -> None:
    found = boards([*some(), *(record(drawer="wanda", score=0.3, seed=seed) for seed in (0, 1))])
    (figure,) = catalogue.figures(found, ["ranks"])
    (told,) = [one for board in json.loads(data.block(found))["boards"] for one in board["ranks"]]
    ranks, apart, groups = figure.shown
    names = [name for name, _, _ in told["methods"]]
    assert {name: rank for name, _, rank in told["methods"]} == ranks and names == list(ranks)
    assert [tuple(names[first : last + 1]) for first, last in told["groups"]] == groups
    assert (told["apart"], told["title"], told["said"]) == (apart, figure.title, figure.facts)
    assert "Friedman test" in told["said"] and "budgets: equal steps" in told["said"]


def test_a_portrait_is_shown_with_its_ticket_and_one_of_another_ticket_is_told_as_such() -> None:
    names = ("gmp", "omp", "imp")
    draws = [record(target=None, drawer=name, score=0.6, hash=str(n) * 64) for n, name in enumerate(names)]
    hashes = {draw.id: draw.ticket.hash for draw in draws if draw.ticket}
    known = {draw.id: portrait(draw.id, hashes[draw.id]) for draw in draws[:1]}
    known |= {draws[1].id: portrait(draws[1].id, "f" * 64), "no-such-draw": portrait("no-such-draw", "e" * 64)}
    found = json.loads(data.block(boards(draws), known))["portraits"]
    by_record = {one["record"]: one for one in found.values()}
    assert {name: one["isAgain"] for name, one in by_record.items()} == {draws[0].id: False, draws[1].id: True}
    told = by_record[draws[0].id]
    assert told["columns"] == ["stage 0\nblock 0", "stage 1\nblock 0"] and told["kernels"] == [3, 5]
    assert told["blocks"][0] == [0, 0, [4, 0], [4, 4], 10, 40] and told["layers"][0] == ["stem.0", 7, 20]


def test_no_name_becomes_markup() -> None:
    page = document.to_html(boards(some(HOSTILE)), "records/")
    outline = Outline(page)
    assert outline.all("img") == []
    assert [a for a in outline.all("script") if a] == [{"type": "text/plain", "id": "data"}]
    assert len(outline.all("script")) == 1 + len(document.SCRIPTS)
    assert not any(name.startswith("on") for _, attributes in outline.found for name in attributes)
    assert HOSTILE in "".join(outline.texts["bdi"])
    assert any(HOSTILE in row["label"] for b in block(some(HOSTILE))["boards"] for row in b["rows"])


def test_the_folder_of_records_cannot_leave_its_attribute(tmp_path: Path) -> None:
    where = document.address(tmp_path / '"><b>' / "records", tmp_path)
    page = Outline(document.to_html(boards(some()), where))
    assert page.all("body") == [{"data-records": "%22%3E%3Cb%3E/records/", "data-folder": ""}]


def test_only_the_pages_own_scripts_may_run_and_nothing_is_asked_for() -> None:
    page = document.to_html(boards(some()))
    policy = next(a["content"] for a in Outline(page).all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert rules["script-src"] == " ".join(f"'sha256-{digest}'" for digest in digests)
    for tag in ("link", "iframe", "img"):
        assert Outline(page).all(tag) == []
    assert not any("src" in attributes for attributes in Outline(page).all("script"))


def test_our_scripts_make_no_code_and_no_markup_of_texts() -> None:
    for name in document.SCRIPTS:
        text = document._asset(name)
        for risky in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "http:"):
            assert risky not in text.replace("http://www.w3.org/2000/svg", "")


def test_tables_of_the_overview_have_captions_scopes_and_boxes_that_a_keyboard_scrolls() -> None:
    page = Outline(document.to_html(boards(some())))
    assert page.texts["caption"] == [
        "The best ticket by target and sparsity",
        "The best of each method by target, at 90.0%",
        "What a point costs",
    ]
    assert {attributes.get("scope") for attributes in page.all("th")} == {"col", "row"}
    boxes = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert len(boxes) == 3 and all(box["tabindex"] == "0" and box["role"] == "region" for box in boxes)
    assert [len(page.all(tag)) for tag in ("main", "header", "nav", "h1")] == [1, 1, 1, 1]


def test_incomplete_rows_are_told_below_their_table() -> None:
    notes = block(some())["boards"][1]["notes"]
    assert notes == ["Incomplete: imp from cls/figures, sparsity 90.0%: no record of seed 1; seed 0 failed: gmp broke."]


def test_a_page_of_draws_alone_has_no_best_ticket() -> None:
    page = Outline(document.to_html(boards([record(target=None)])))
    assert page.all("table") == [] and [a["id"] for a in page.all("section") if "id" in a] == ["answers", "check"]


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
    assert Outline(text).all("body") == [{"data-records": "../../my%20runs/records/", "data-folder": "my runs/records"}]


def test_the_page_of_the_published_records_is_small() -> None:
    found = boards(each(published.RECORDS))
    assert len(document.to_html(found, "records/").encode()) < 1_500_000


def test_the_repository_is_told_where_the_package_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Message()
    told["Project-URL"] = "Script, javascript:alert(1)"
    told["Project-URL"] = "Repository, https://example.org/ticketbench"
    monkeypatch.setattr("bench.boards.page.overview.metadata", lambda name: told)
    links = [a["href"] for a in Outline(document.to_html(boards(some()), feed="leaderboard.atom")).all("a")]
    assert links[-2:] == ["leaderboard.atom", "https://example.org/ticketbench"]


def test_an_answer_of_one_seed_is_undecided_and_has_no_interval() -> None:
    found = [one for one in some() if one.job.seed == 0]
    (shuffled, *_) = answers.answers(boards(found))
    assert (shuffled.verdict, shuffled.whole.interval, shuffled.whole.mean) == ("undecided", None, pytest.approx(0.2))


def test_verdicts_of_claims_that_lie_beside_the_records_are_shown_as_bench_claims_tells_them() -> None:
    rows = [claimed.row(one) for one in verdicts(each(published.RECORDS), claim.each(claim.FOLDER))]
    page = Outline(table.render(published.RECORDS, ["html"])["leaderboard.html"])
    pills = page.texts["span"][-len(rows) :]
    assert pills == [row[-1].partition(":")[0] for row in rows]
    assert set(page.texts["td"]) >= {row[4] for row in rows}
