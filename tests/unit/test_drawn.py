"""bench.boards.figures: what is drawn of some boards, whether labels overlap, and files are the same again."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from samples import record

from bench.boards.figures import canvas, catalogue, ranks, tradeoff, transfer
from bench.boards.figures.canvas import Figure
from bench.boards.leaderboard import boards
from bench.boards.measured import with_speeds
from bench.boards.ranking import Ranking
from bench.numbers import stats
from bench.records import record as record_files
from bench.records.record import Record
from tickets.errors import UserError

CLS, SEG, POSE = "cls/figures", "seg/figures", "pose/figures"
NASTY = "a$b_<c>&\u202eright to left\x07 中 " + "long" * 30
SCORES = {"omp": 0.5, "imp": 0.45, "supertickets": 0.55, NASTY: 0.3}
ROOT = Path(__file__).parents[2]


def some(shift: float = 0.0) -> list[Record]:
    """Four methods at two sparsities from two sources on two targets, their controls, and dense references."""
    records = []
    for target in (SEG, POSE):
        for seed in (0, 1, 2):
            records += [record(source=None, target=target, score=0.7, seed=seed, drawer="dense", sparsity=0.0,
                               control="dense", recipe="scratch")]  # fmt: skip
            for source in (CLS, SEG, POSE):
                job = {"source": source, "target": target, "seed": seed, "created": f"2026-03-0{1 + seed}T10:00:00Z"}
                records.append(record(score=0.75 + seed / 100, drawer="dense", sparsity=0.0, **job))
                for place, (drawer, score) in enumerate(SCORES.items()):
                    for sparsity in (0.5, 0.9):
                        size = {"sparse_macs": int(1e6 * (1 - sparsity) * (1 + place / 9)), "sparsity": sparsity}
                        size |= {"parameters": int(1e5 * (1 - sparsity))}
                        value = score - sparsity / 10 + seed / 100 + (shift if source == CLS else 0.02)
                        records.append(record(score=value, drawer=drawer, **size, **job))
    job = {"drawer": "omp", "target": SEG, "sparse_macs": 100_000, "parameters": 10_000}
    return records + [record(transform="random", control="random", seed=s, score=0.01, **job) for s in (0, 1, 2)]


def drawn(records: list[Record], *names: str) -> list[Figure]:
    """The figures of some records, all or those of some names."""
    return list(catalogue.figures(boards(records), names or tuple(catalogue.NAMES)))


def texts(svg: str) -> list[str]:
    """All that is written on a figure."""
    words = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(element.itertext()) for element in words]


def boxes(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[tuple[str, Any]]]:
    """The figure's own box and those of everything that is written on it, in pixels, as they are drawn at last."""
    from matplotlib.text import Text

    found: dict[int, tuple[str, Any]] = {}
    draw = Text.draw

    def kept(self: Any, renderer: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            found[id(self)] = (self.get_text(), Text.get_window_extent(self, renderer))  # without a line to its point
        draw(self, renderer)

    with canvas.drawing(figure) as whole:
        with monkeypatch.context() as patch:
            patch.setattr(Text, "draw", kept)
            whole.draw_without_rendering()
        return whole.bbox.frozen(), list(found.values())


def overlapping(written: Sequence[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Texts whose boxes share more than a pixel."""
    return [
        (one, other)
        for number, (one, box) in enumerate(written)
        for other, there in written[number + 1 :]
        if min(box.x1, there.x1) - max(box.x0, there.x0) > 1 and min(box.y1, there.y1) - max(box.y0, there.y0) > 1
    ]


def outside(whole: Any, written: Sequence[tuple[str, Any]]) -> list[str]:
    """Texts that are cut off."""
    return [
        text for text, box in written
        if box.x0 < whole.x0 - 1 or box.x1 > whole.x1 + 1 or box.y0 < whole.y0 - 1 or box.y1 > whole.y1 + 1
    ]  # fmt: skip


def test_no_labels_overlap_and_none_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    found = drawn(some())
    assert {figure.name for figure in found} == set(catalogue.NAMES)
    for figure in {figure.name: figure for figure in found}.values():
        whole, written = boxes(figure, monkeypatch)
        assert (figure.file, overlapping(written), outside(whole, written)) == (figure.file, [], [])


def test_ranks_of_many_methods_are_legible(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [{f"method{number}": (number * 7 + job) % 40 / 40 for number in range(40)} for job in range(5)]
    found = Ranking(many)
    whole, written = boxes(ranks.figure(found, "x", "many", "; ".join(found.clauses)), monkeypatch)
    assert len(written) > 40 and (overlapping(written), outside(whole, written)) == ([], [])


def test_labels_of_the_published_figures_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    published = boards(record_files.each(ROOT / "results" / "records"))
    found = {figure.file: figure for figure in catalogue.figures(published)}
    crowded = ["tradeoff-pose-figures-tiny-macs-0.5", "tradeoff-cls-figures-tiny-macs-0.5-avx512-kernels"]
    for file in (*crowded, "retention-cls-figures-tiny-spiking-tiny-0.5", "transfer-tiny-macs-0.5-avx512-kernels-0.9"):
        whole, written = boxes(found[file], monkeypatch)
        assert (file, overlapping(written), outside(whole, written)) == (file, [], [])


def leaders(figure: Figure) -> list[tuple[Any, Any]]:
    """Lines from labels to their points, as they are drawn, each as its two ends in pixels."""
    with canvas.drawing(figure) as whole:
        whole.draw_without_rendering()
        patches = [text.arrow_patch for panel in whole.axes for text in panel.texts if hasattr(text, "arrow_patch")]
        paths = [patch.get_transform().transform_path(patch.get_path()) for patch in patches if patch is not None]
        return [(path.vertices[0], path.vertices[-1]) for path in paths]


def crossings(lines: Sequence[tuple[Any, Any]]) -> int:
    """How many pairs of lines have an inner point in common."""

    def side(a: Any, b: Any, c: Any) -> float:
        return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    return sum(
        side(*one, other[0]) * side(*one, other[1]) < 0 and side(*other, one[0]) * side(*other, one[1]) < 0
        for one, other in combinations(lines, 2)
    )


def test_lines_from_labels_to_their_points_do_not_cross() -> None:
    published = boards(record_files.each(ROOT / "results" / "records"))
    crowd = [
        record(drawer=f"method{number}", score=0.4 + number * 7 % 18 / 1000, sparse_macs=10**6 + 10**4 * (number % 5))
        for number in range(18)
    ]
    crowd.append(record(drawer="far", score=0.9, sparse_macs=10**7))
    figures = [*catalogue.figures(published, ["tradeoff"]), *drawn(crowd, "tradeoff")]
    found = {one.file: leaders(one) for one in figures if "macs-0.5" in one.file or one is figures[-1]}
    assert sum(map(len, found.values())) > 20 and len(found[figures[-1].file]) > 2
    assert {file: crossings(lines) for file, lines in found.items() if crossings(lines)} == {}


def test_every_figure_says_its_n_its_budget_rule_and_the_day_of_its_records() -> None:
    for figure in drawn(some()):
        assert "n = 3 seeds" in figure.facts, figure.file
        assert "budgets: equal steps" in figure.facts, figure.file
        assert figure.facts.endswith("records up to 2026-03-03."), figure.file


def test_axes_hold_what_a_score_can_be() -> None:
    low = [record(score=score, seed=seed, drawer=name, sparse_macs=macs) for name, macs in (("omp", 10), ("imp", 20))
           for seed, score in enumerate((0.0, 0.02, 0.99))]  # fmt: skip
    (figure,) = drawn(low, "tradeoff")
    with canvas.drawing(figure) as whole:
        for panel in whole.axes:
            assert panel.get_ylim() == (0, 1) and panel.get_xlim()[0] >= 0
            for line in panel.collections:
                assert all(0 <= y <= 1 for path in line.get_paths() for _, y in path.vertices)


def test_no_axis_has_a_cost_that_is_equal_by_rule() -> None:
    alike = [
        record(drawer=name, score=score, sparse_macs=1000, parameters=10)
        for name, score in (("omp", 0.4), ("imp", 0.5))
    ]
    assert drawn(alike, "tradeoff") == []
    (figure,) = drawn([*alike, record(drawer="gmp", score=0.3, sparse_macs=2000, parameters=10)], "tradeoff")
    with canvas.drawing(figure) as whole:
        assert [panel.get_xlabel() for panel in whole.axes] == [tradeoff.COSTS[0].title]
    assert "equal by rule, and so not drawn: weights of the ticket" in figure.facts


def test_measured_latency_has_a_panel_that_names_the_machine(tmp_path: Path) -> None:
    from bench.records.speeds import Speeds

    records = [
        record(drawer=name, hash=letter * 64, sparse_macs=macs)
        for name, letter, macs in (("omp", "a", 9), ("imp", "b", 5))
    ]
    part = {"size": (64, 64), "low": 1.0, "high": 3.0, "ms": 1.0, "dense_ms": 2.0, "mb": 1.0, "dense_mb": 2.0}
    told = {letter * 64: {**part, "faster": faster} for letter, faster in (("a", 2.0), ("b", 4.0))}
    speeds = Speeds.model_validate(
        {"schema": 1, "machine": "a machine", "engine": "an engine", "threads": 1, "tickets": told}
    )
    (figure,) = catalogue.figures(with_speeds(boards(records), speeds), ["tradeoff"])
    assert "latency on" in figure.facts and "a machine" in figure.facts
    assert tradeoff.COSTS[2].title in texts(canvas.to_bytes(figure).decode())


def test_a_front_rises_and_its_band_holds_it() -> None:
    (board, _) = (board for board in boards(some()) if board.place.kind == "transfer")
    known = [(row, row.sparse_macs or 0.0) for row in board.rows if row.key.role in tradeoff.RIVALS]
    low, middle, high = (tradeoff._steps(known, 1e7, side)[1] for side in (-1, 0, 1))
    assert middle == sorted(middle) and len(set(middle)) > 1
    assert all(a <= b <= c for a, b, c in zip(low, middle, high, strict=True))


def test_retention_is_the_share_of_the_dense_score_of_the_same_seed() -> None:
    figure = next(figure for figure in drawn(some(), "retention") if figure.slug.startswith("pose"))
    found = {(name, source, sparsity): share for name, source, sparsity, share in figure.shown}
    share = found["omp", CLS, 0.5]
    by_hand = stats.estimate([(0.45 + seed / 100) / (0.75 + seed / 100) for seed in (0, 1, 2)])
    assert (share.mean, share.half) == pytest.approx((by_hand.mean, by_hand.half))


def test_a_map_has_a_value_and_an_interval_in_each_cell_and_pale_ones_where_nothing_is_decided() -> None:
    figures = {figure.name: figure for figure in drawn(some(), "transfer", "difference")}
    words = texts(canvas.to_bytes(figures["transfer"]).decode())
    assert {CLS, SEG, POSE, "omp", "dense, sparsity 0"} <= set(words)
    cells = {name: dict(told) for name, told in figures["difference"].shown}
    assert figures["difference"].title.startswith("supertickets minus each other method")
    assert cells["omp"][CLS, SEG].text == "+5.0\n±0.0"
    noisy = transfer._differing((CLS, SEG), stats.Estimate(-0.01, 0.02, 3), 0.1)
    sure = transfer._differing((CLS, SEG), stats.Estimate(-0.01, 0.005, 3), 0.1)
    assert noisy.text == "-1.0\n±2.0" and noisy.ground != sure.ground
    assert transfer._differing((SEG, SEG), stats.Estimate(-0.0001, 0.02, 3), 0.1).text.startswith("+0.0")


def test_maps_of_many_methods_go_to_several_figures_that_fit_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"method{number}@allocation=uniform": number for number in range(30)}
    places = [(source, target) for source in (CLS, SEG, POSE) for target in (CLS, SEG, POSE)]
    many = [record(source=a, target=b, drawer=name, score=0.3 + n / 99) for a, b in places for name, n in names.items()]
    figures = drawn(many, "transfer")
    assert [figure.file for figure in figures] == ["transfer-tiny-0.9-1of2", "transfer-tiny-0.9-2of2"]
    assert [name for figure in figures for name, _ in figure.shown] == list(names)[::-1]
    assert all(figure.size[0] < 8.6 and figure.size[1] < 9 for figure in figures)
    whole, written = boxes(figures[0], monkeypatch)
    assert (overlapping(written), outside(whole, written)) == ([], [])
    assert {"method29@\nallocation=uniform", "cls/\nfigures", SEG} <= {text for text, _ in written}


def test_ranks_name_their_test_and_say_when_jobs_are_too_few() -> None:
    (figure, *_) = drawn(some(), "ranks")
    assert (
        "N = 9 jobs by source and seed" in figure.facts
        and "Friedman test (Iman and Davenport): p < 0.001" in figure.facts
    )
    assert "Nemenyi's test at 5 %" in figure.facts
    few = [{"a": 0.3, "b": 0.2, "c": 0.1}] * 2
    assert "too few jobs" in " ".join(Ranking(few).clauses)
    mixed = [{"a": 0.3, "b": 0.2, "c": 0.1}, {"a": 0.1, "b": 0.2, "c": 0.3}] * 4
    assert "shows no difference" in " ".join(Ranking(mixed).clauses)
    assert Ranking(mixed).groups == [("a", "b", "c")]


def test_a_lone_newcomer_empties_no_ranks() -> None:
    late = [record(source=CLS, drawer=name, seed=seed, score=0.4) for name in ("mine", "yours") for seed in (0, 1, 2)]
    late += [record(source="cls/cifar10", drawer="mine", seed=seed, score=0.4) for seed in (0, 1, 2)]
    found = {figure.slug: figure for figure in drawn([*some(), *late], "ranks")}
    (crowded,) = [figure for slug, figure in found.items() if slug.startswith("seg") and slug.endswith("-0.9")]
    assert "2 more methods lack some of these jobs" in crowded.facts and set(crowded.shown[0]) == set(SCORES)


def test_the_test_of_ranks_is_that_of_scipy() -> None:
    from scipy.stats import f, friedmanchisquare

    cells = [{"a": 0.3, "b": 0.2, "c": 0.1}, {"a": 0.5, "b": 0.5, "c": 0.1}, {"a": 0.2, "b": 0.4, "c": 0.3}]
    chi = friedmanchisquare(*([cell[name] for cell in cells] for name in "abc")).statistic
    assert stats.friedman(cells) == pytest.approx(f.sf(2 * chi / (3 * 2 - chi), 2, 4))
    assert stats.friedman([{"a": 0.5, "b": 0.5, "c": 0.5}] * 4) is None and stats.friedman(cells[:1]) is None


@pytest.mark.parametrize("kind", canvas.KINDS)
def test_the_same_records_give_the_same_bytes_in_any_order(kind: str) -> None:
    name = "tradeoff" if kind == "svg" else "ranks"
    once, again = (canvas.to_bytes(drawn(found, name)[0], kind) for found in (some(), some()[::-1]))
    assert once == again
    assert b"CreationDate" not in once and b"<dc:date>" not in once


def test_a_users_own_style_does_not_change_the_bytes() -> None:
    import matplotlib

    figure = drawn(some(), "retention")[0]
    plain = canvas.to_bytes(figure)
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 5, "axes.grid": True}):
        assert canvas.to_bytes(figure) == plain


def test_hostile_names_leave_a_figure_whole() -> None:
    for figure in {one.name: one for one in drawn(some(), "tradeoff", "transfer", "ranks")}.values():
        svg = canvas.to_bytes(figure).decode()
        assert "a$b_<c>&" in "".join(texts(svg)) and "\u202e" not in svg and "\x07" not in svg


def test_a_figure_is_current_by_its_bytes_or_when_another_matplotlib_drew_the_same_data() -> None:
    text, other = (canvas.to_bytes(drawn(some(shift), "tradeoff")[0]).decode() for shift in (0.0, 0.1))
    elsewhere = text.replace("Matplotlib v", "Matplotlib v1.").replace("stroke-width", "stroke-Width")
    assert canvas.is_current(text, text)
    assert canvas.is_current(elsewhere, text)
    assert not canvas.is_current(text.replace("stroke-width", "stroke-Width"), text)
    assert not canvas.is_current(other, text)
    assert not canvas.is_current(other.replace("Matplotlib v", "Matplotlib v1."), text)
    assert not canvas.is_current("<svg/>", text)


def test_a_figure_is_current_where_its_lines_lie_a_hair_elsewhere() -> None:
    text = canvas.to_bytes(drawn(some(), "tradeoff")[0]).decode()
    first = re.search(r"\nL (\d+\.\d+) ", text)
    assert first
    hair, broad = (text.replace(first[1], f"{float(first[1]) + by:.6f}", 1) for by in (2e-6, 0.5))
    assert text not in (hair, broad) and canvas.is_current(hair, text) and not canvas.is_current(broad, text)


def test_clip_paths_are_called_by_their_order_and_not_by_the_last_digits_of_their_places() -> None:
    svg = canvas.to_bytes(drawn(some(), "transfer")[0]).decode()
    named, used = re.findall(r'<clipPath id="([^"]+)"', svg), set(re.findall(r"url\(#([^)]+)\)", svg))
    assert named == [f"clip-{number + 1}" for number in range(len(named))] and used == set(named)


def test_without_matplotlib_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(some(), "retention")[0]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r'figures need the package matplotlib.*pip install "ticketbench\[plots\]"'):
        canvas.to_bytes(figure)
