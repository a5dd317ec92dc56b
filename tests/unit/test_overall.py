"""bench.boards.overall: which targets and methods are compared over, and by what."""

from __future__ import annotations

import csv
import io
import random
from typing import Any

from samples import record

from bench.boards import overall, words
from bench.boards.formats import flat, markdown
from bench.boards.leaderboard import boards
from bench.records.record import Record

CLS, SEG, POSE, OTHER = "cls/figures", "seg/figures", "pose/figures", "cls/cifar10"


def transfers(drawer: str, scores: dict[str, float | None], source: str = CLS, **changes: Any) -> list[Record]:
    """One record of seed 0 for each target."""
    return [
        record(source=source, target=target, drawer=drawer, score=score, **changes) for target, score in scores.items()
    ]


def only(records: list[Record]) -> overall.Overall:
    """The only overall board of some records."""
    (found,) = overall.over_targets(boards(records))
    return found


def test_ranks_and_shares_are_averaged_over_the_targets() -> None:
    """a ranks 1, 2; b 2, 1; c 3, 3. Shares of dense by hand: a (0.75 + 0.5) / 2, b (0.5 + 0.625) / 2."""
    found = only(
        [
            *transfers("dense", {SEG: 0.8, POSE: 0.4}, sparsity=0.0),
            *transfers("a", {SEG: 0.6, POSE: 0.2}),
            *transfers("b", {SEG: 0.4, POSE: 0.25}),
            *transfers("c", {SEG: 0.2, POSE: 0.1}),
        ]
    )
    assert (found.source, found.targets, found.incomplete) == (CLS, (POSE, SEG), ())
    lines = [(line.key.drawer, line.rank, line.ranks, line.average_rank, line.of_dense) for line in found.lines]
    assert lines == [
        ("a", 1, (2.0, 1.0), 1.5, 0.625),
        ("b", 2, (1.0, 2.0), 1.5, 0.5625),
        ("c", 3, (3.0, 3.0), 3.0, 0.25),
    ]


def test_methods_that_were_computed_another_way_are_compared_apart() -> None:
    """Else b, in bfloat16, would rank among those in float32, and the csv would have two rows of one identity."""
    slow = [*transfers("a", {SEG: 0.6, POSE: 0.2}), *transfers("b", {SEG: 0.5, POSE: 0.1})]
    fast = [record(source=CLS, target=t, drawer="b", score=0.9, precision="bfloat16") for t in (SEG, POSE)]
    found = overall.over_targets(boards([*slow, *fast]))
    assert [[line.key.drawer for line in one.lines] for one in found] == [["a", "b"], ["b"]]
    assert [words.overall_heading(one).endswith(", bfloat16") for one in found] == [False, True]
    rows = list(csv.DictReader(io.StringIO(flat.to_csv(boards([*slow, *fast])))))
    assert [row["compute"] for row in rows if row["kind"] == "overall"] == ["", "", "bfloat16"]
    identities = [tuple(row[name] for name in flat.IDENTITY) for row in rows]
    assert len(set(identities)) == len(identities)


def test_a_method_that_lacks_a_target_has_no_mean_and_does_not_move_the_others_ranks() -> None:
    found = only(
        [
            *transfers("a", {SEG: 0.6, POSE: 0.6}),
            *transfers("b", {SEG: 0.5, POSE: 0.5}),
            *transfers("best", {SEG: 0.9}),
            *transfers("failed", {SEG: 0.9, POSE: None}),
        ]
    )
    assert [(line.key.drawer, line.average_rank) for line in found.lines] == [("a", 1.0), ("b", 2.0)]
    assert [(key.drawer, lacks) for key, lacks in found.incomplete] == [("best", (POSE,)), ("failed", (POSE,))]
    assert words.overall_notes(found)[0] == "Incomplete: best, sparsity 90.0%: no complete row on pose/figures."


def test_a_target_of_one_newcomer_does_not_empty_the_board() -> None:
    found = only(
        [
            *transfers("a", {SEG: 0.6, POSE: 0.6}),
            *transfers("b", {SEG: 0.5, POSE: 0.5}),
            *transfers("c", {SEG: 0.4, POSE: 0.4, OTHER: 0.9}),
        ]
    )
    assert found.targets == (POSE, SEG)
    assert [line.key.drawer for line in found.lines] == ["a", "b", "c"]


def test_each_source_setting_and_sparsity_is_ranked_apart() -> None:
    both = {SEG: 0.5, POSE: 0.5}
    found = overall.over_targets(
        boards(
            [
                *transfers("a", both),
                *transfers("a", both, sparsity=0.5),
                *transfers("b", {CLS: 0.3, POSE: 0.3}, source=SEG),
                *transfers("b", both, scale="small", host="supernet/small"),
            ]
        )
    )
    assert [(o.source, [(line.key.sparsity, line.rank) for line in o.lines]) for o in found] == [
        (CLS, [(0.9, 1)]),
        (CLS, [(0.5, 1), (0.9, 1)]),
        (SEG, [(0.9, 1)]),
    ]


def test_natives_controls_and_references_are_not_compared_over_targets() -> None:
    records = [
        *transfers("a", {CLS: 0.9, SEG: 0.5, POSE: 0.5}),
        *transfers("a", {SEG: 0.4, POSE: 0.4}, transform="random", control="random"),
        *transfers("dense", {SEG: 0.9, POSE: 0.9}, sparsity=0.0),
    ]
    assert [(line.key.ticket, len(line.rows)) for line in only(records).lines] == [("a", 2)]


def test_one_target_is_no_board() -> None:
    assert overall.over_targets(boards(transfers("a", {SEG: 0.5}))) == ()
    assert overall.over_targets(boards(transfers("a", {SEG: 0.5, CLS: 0.5}))) == ()


def test_of_a_target_whose_data_changed_the_newest_board_counts() -> None:
    new = {"versions": {"task": {CLS: 1, SEG: 2}, "drawer": 1, "recipe": 1}, "created": "2026-03-01T00:00:00Z"}
    records = [*transfers("a", {SEG: 0.5, POSE: 0.5}), *transfers("a", {SEG: 0.7}, **new)]
    assert [[row.score.mean for row in line.rows] for line in only(records).lines] == [[0.5, 0.7]]


def test_the_csv_has_a_line_for_every_method_whatever_the_order_of_the_records() -> None:
    records = [
        *transfers("a", {SEG: 0.6, POSE: 0.6}),
        *transfers("b", {SEG: 0.5, POSE: 0.5}),
        *transfers("c", {SEG: 0.5}),
    ]
    text = flat.to_csv(boards(records))
    lines = [row for row in csv.DictReader(io.StringIO(text)) if row["kind"] == "overall"]
    assert [(r["drawer"], r["target"], r["average_rank"], r["rank"], r["missing"]) for r in lines] == [
        ("a", "pose/figures seg/figures", "1.0", "1", ""),
        ("b", "pose/figures seg/figures", "2.0", "2", ""),
        ("c", "pose/figures seg/figures", "", "", "no complete row on pose/figures"),
    ]
    for seed in range(3):
        shuffled = random.Random(seed).sample(records, len(records))
        assert flat.to_csv(boards(shuffled)) == text
        assert markdown.markdown(boards(shuffled)) == markdown.markdown(boards(records))


def test_markdown_shows_the_overall_board_first() -> None:
    text = markdown.markdown(boards([*transfers("a", {SEG: 0.6, POSE: 0.5}), *transfers("b", {SEG: 0.5, POSE: 0.4})]))
    _, first, *_ = text.split("## ")
    assert first.rstrip().splitlines() == [
        "Tickets of cls/figures over 2 targets: scale tiny",
        "",
        "| rank | ticket | recipe | sparsity | average rank | of dense | pose/figures | seg/figures |",
        "| --: | :-- | :-- | --: | --: | --: | --: | --: |",
        "| 1 | a | finetune | 90.0% | 1.00 | – | 50.0% | 60.0% |",  # noqa: RUF001
        "| 2 | b | finetune | 90.0% | 2.00 | – | 40.0% | 50.0% |",  # noqa: RUF001
    ]
