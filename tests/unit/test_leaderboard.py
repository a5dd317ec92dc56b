"""bench.boards.leaderboard: which records make a row, what is compared with what, what is left out."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest
from samples import record

from bench.boards.leaderboard import Board, Row, boards
from bench.record import Record
from bench.stats import Estimate, estimate

CLS, SEG, POSE = "cls/figures", "seg/figures", "pose/figures"


def over_seeds(*scores: float | None, **changes: Any) -> list[Record]:
    """One record a score, of the seeds 0, 1, ..."""
    return [record(score=score, seed=seed, **changes) for seed, score in enumerate(scores)]


def board(records: list[Record]) -> Board:
    """The only board of some records."""
    (found,) = boards(records)
    return found


def row(found: Board, **fields: Any) -> Row:
    """The only complete row whose key has these fields."""
    (match,) = [r for r in found.rows if all(getattr(r.key, name) == fields[name] for name in fields)]
    return match


def test_no_records_no_boards() -> None:
    assert boards([]) == ()


def test_a_row_is_the_mean_over_its_seeds() -> None:
    found = board(over_seeds(0.5, 0.6, 0.7))
    (only,) = found.rows
    assert only.seeds == (0, 1, 2)
    assert only.score == estimate([0.5, 0.6, 0.7])
    assert (found.metric, found.split) == ("miou", "test")
    assert (found.place.kind, found.place.task, found.place.scale, found.place.budget) == (
        "transfer",
        SEG,
        "tiny",
        1.0,
    )


def test_costs_and_sizes_are_averaged() -> None:
    records = [record(seed=0, wall_s=10.0), record(seed=1, wall_s=20.0, deployed=None)]
    (only,) = board(records).rows
    assert only.wall_s == 15.0
    assert (only.parameters, only.remaining) == (11_374, 0.0871234)
    assert only.drawing_macs == 2_000_000_000_000
    assert only.training_macs == 1_000_000_000_000
    assert only.deployed_parameters is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", POSE),
        ("drawer", "supertickets"),
        ("transform", "random"),
        ("recipe", "scratch"),
        ("head", "keep"),
        ("sparsity", 0.95),
        ("control", "random"),
        ("origin", "submitted"),
    ],
)
def test_records_that_differ_in_the_job_are_different_rows(name: str, value: object) -> None:
    found = board([record(score=0.5), record(score=0.6, **{name: value})])
    assert sorted(r.score.mean for r in found.rows) == [0.5, 0.6]
    assert all(r.edition == "" for r in found.rows)


@pytest.mark.parametrize(("name", "value"), [("target", POSE), ("scale", "small"), ("budget", 2.0)])
def test_records_that_cannot_be_compared_are_on_different_boards(name: str, value: object) -> None:
    found = boards([record(), record(**{name: value})])
    assert [len(b.rows) for b in found] == [1, 1]


def test_another_version_of_the_targets_data_is_another_board() -> None:
    old, new = record(seed=0), record(seed=0, versions={"task": {CLS: 1, SEG: 2}, "drawer": 1, "recipe": 1})
    found = boards([old, new])
    assert len(found) == 2
    assert len({b.place.data for b in found}) == 2
    drawn = record(fingerprints={CLS: {"test": "a1"}, SEG: {"test": "ffff"}})
    assert len(boards([old, drawn])) == 2


def test_another_version_of_the_drawer_is_another_row_and_says_so() -> None:
    old = over_seeds(0.5, 0.5)
    new = over_seeds(0.6, 0.6, versions={"task": {CLS: 1, SEG: 1}, "drawer": 2, "recipe": 1})
    found = board([*old, *new])
    assert [(r.score.mean, r.edition) for r in found.rows] == [
        (0.6, "drawer version 2"),
        (0.5, "drawer version 1"),
    ]


def test_other_source_data_of_the_same_name_is_another_row() -> None:
    mine = record(score=0.5, source="cls/folder")
    yours = record(
        score=0.6,
        source="cls/folder",
        fingerprints={"cls/folder": {"test": "ff"}, SEG: mine.fingerprints[SEG]},
    )
    assert [r.edition.split()[0] for r in board([mine, yours]).rows] == ["source", "source"]


def test_the_newest_record_of_a_job_and_seed_counts() -> None:
    old = record(score=0.5, id="a", created="2026-01-01T00:00:00Z")
    new = record(score=0.6, id="b", created="2026-01-02T00:00:00Z")
    for records in ([old, new], [new, old]):
        found = board(records)
        assert [r.score for r in found.rows] == [Estimate(0.6, None, 1)]
        assert found.superseded == 1


def test_a_failure_does_not_hide_a_newer_success() -> None:
    old = record(score=None, id="a", created="2026-01-01T00:00:00Z")
    new = record(score=0.6, id="b", created="2026-01-02T00:00:00Z")
    found = board([new, old])
    assert [r.score.mean for r in found.rows] == [0.6]
    assert found.incomplete == ()


def test_shares_of_both_dense_references() -> None:
    found = board(
        [
            *over_seeds(0.4, 0.5),
            *over_seeds(0.8, 1.0, drawer="dense", sparsity=0.0),
            *over_seeds(0.5, 0.5, drawer="dense", sparsity=0.0, source=POSE),
            *over_seeds(0.6, 0.6, source=None),
        ]
    )
    ticket = row(found, drawer="omp")
    assert ticket.of_dense == 0.5
    assert ticket.of_scratch == pytest.approx(0.75, rel=1e-15)
    scratch = row(found, source=None)
    assert (scratch.of_dense, scratch.of_scratch, scratch.gap) == (None, 1.0, None)
    assert row(found, drawer="dense", source=CLS).of_dense == 1.0


def test_no_share_of_an_incomplete_reference() -> None:
    found = board([*over_seeds(0.4, 0.5), *over_seeds(0.8, drawer="dense", sparsity=0.0)])
    assert row(found, drawer="omp").of_dense is None


def test_the_gap_is_paired_with_the_native_ticket_by_seed() -> None:
    found = board(
        [
            *over_seeds(0.5, 0.6, 0.65),
            *over_seeds(0.6, 0.75, 0.7, source=SEG),
            *over_seeds(0.9, 0.9, 0.9, source=SEG, drawer="supertickets"),
            *over_seeds(0.9, 0.9, 0.9, source=SEG, sparsity=0.5),
            *over_seeds(0.9, 0.9, 0.9, source=SEG, recipe="scratch"),
            *over_seeds(0.9, 0.9, 0.9, source=SEG, transform="random", control="random"),
        ]
    )
    gap = row(found, source=CLS).gap
    assert gap.mean == pytest.approx((-0.1 - 0.15 - 0.05) / 3)
    assert gap.half == pytest.approx(4.30265272991 * 0.05 / 3**0.5)
    assert row(found, source=SEG, sparsity=0.9, recipe="finetune", transform=None, drawer="omp").gap is None
    shuffled = row(found, transform="random").gap
    assert shuffled.mean == pytest.approx((0.3 + 0.15 + 0.2) / 3)


@pytest.mark.parametrize("changes", [{"kind": "control", "control": "native"}, {}])
def test_a_native_control_and_the_diagonal_of_a_grid_are_one_row(changes: dict) -> None:
    found = board(
        [
            record(score=0.5, seed=0),
            record(score=0.5, seed=1),
            record(score=0.75, source=SEG, seed=0, kind="control", control="native"),
            record(score=0.75, source=SEG, seed=1, **changes),
        ]
    )
    assert row(found, source=SEG).seeds == (0, 1)
    assert row(found, source=CLS).gap == Estimate(-0.25, 0.0, 2)


def test_rows_are_ordered_by_score_then_name_whatever_the_order_of_the_records() -> None:
    records = [
        *over_seeds(0.5, 0.5),
        *over_seeds(0.5, 0.5, drawer="supertickets"),
        *over_seeds(0.5, 0.5, drawer="supertickets", source=POSE),
        *over_seeds(0.6, 0.6, drawer="zebra"),
        *over_seeds(0.1, 0.1, target=POSE),
        *over_seeds(0.1, 0.1, target=None),
    ]
    expected = boards(records)
    assert [(b.place.kind, b.place.task) for b in expected] == [
        ("transfer", POSE),
        ("transfer", SEG),
        ("draw", CLS),
    ]
    assert [(r.key.drawer, r.key.source) for r in expected[1].rows] == [
        ("zebra", CLS),
        ("omp", CLS),
        ("supertickets", CLS),
        ("supertickets", POSE),
    ]
    for seed in range(5):
        shuffled = random.Random(seed).sample(records, len(records))
        assert boards(shuffled) == expected


def test_ranks_are_given_to_transferred_tickets_of_one_sparsity() -> None:
    found = board(
        [
            *over_seeds(0.9, 0.9, source=None),
            *over_seeds(0.85, 0.85, source=SEG),
            *over_seeds(0.8, 0.8, drawer="dense", sparsity=0.0),
            *over_seeds(0.7, 0.7, drawer="a"),
            *over_seeds(0.6, 0.6, drawer="b"),
            *over_seeds(0.5, 0.5, drawer="c", transform="random", control="random"),
            *over_seeds(0.4, 0.4, drawer="c", sparsity=0.99),
        ]
    )
    assert [r.rank for r in found.rows] == [None, None, None, 1, 2, None, 1]


def test_what_the_seeds_cannot_decide_is_marked() -> None:
    found = board(
        [
            *over_seeds(0.70, 0.60, 0.65, drawer="a"),
            *over_seeds(0.69, 0.59, 0.64, drawer="b"),
            *over_seeds(0.60, 0.68, 0.58, drawer="c"),
        ]
    )
    assert [(r.key.drawer, r.rank, r.is_decided) for r in found.rows] == [
        ("a", 1, None),
        ("b", 2, True),
        ("c", 3, False),
    ]


def test_one_seed_decides_nothing() -> None:
    found = board([record(score=0.9, drawer="a"), record(score=0.1, drawer="b")])
    assert [r.is_decided for r in found.rows] == [None, False]


def test_a_row_with_fewer_seeds_has_no_mean_and_no_rank() -> None:
    found = board([*over_seeds(0.5, 0.6, 0.7), *over_seeds(0.9, drawer="supertickets")])
    assert [r.key.drawer for r in found.rows] == ["omp"]
    (left_out,) = found.incomplete
    assert left_out.missing == "no record of seeds 1, 2"
    assert (left_out.seeds, left_out.score, left_out.rank, left_out.of_scratch) == ((0,), None, None, None)


def test_a_row_with_a_failed_job_has_no_mean_and_says_why() -> None:
    found = board([*over_seeds(0.5, None, 0.7), *over_seeds(0.5, 0.5, 0.5, drawer="supertickets")])
    assert [r.key.drawer for r in found.rows] == ["supertickets"]
    assert found.incomplete[0].missing == "seed 1 failed: the loss is not finite"


def test_a_failed_and_a_missing_seed_are_both_told() -> None:
    found = board([*over_seeds(0.5, None), *over_seeds(0.5, 0.5, 0.5, drawer="supertickets")])
    assert found.incomplete[0].missing == "no record of seed 2; seed 1 failed: the loss is not finite"


def test_only_the_first_line_of_an_error_is_told() -> None:
    found = board([record(score=None, error="ValueError: bad\nTraceback ...\n")])
    assert found.incomplete[0].missing == "seed 0 failed: ValueError: bad"
    assert (found.rows, found.metric) == ((), "")


def test_a_job_that_failed_before_its_data_were_known_is_counted_to_its_row() -> None:
    blank = {"fingerprints": {}, "counts": {}, "test_split": "", "ticket": None, "deployed": None}
    early = record(score=None, seed=1, costs=None, versions={"task": {}}, **blank)
    found = board([record(seed=0), early, *over_seeds(0.4, 0.4, drawer="supertickets")])
    assert [r.key.drawer for r in found.rows] == ["supertickets"]
    assert [(r.key.drawer, r.seeds) for r in found.incomplete] == [("omp", (0,))]


def test_completeness_is_asked_per_target() -> None:
    found = boards([*over_seeds(0.5, 0.5), record(target=POSE)])
    assert [len(b.rows) for b in found] == [1, 1]


def test_completeness_is_asked_per_sparsity_and_of_references_by_all() -> None:
    dense = {"drawer": "dense", "sparsity": 0.0}
    found = board([*over_seeds(0.5, 0.6, 0.7), *over_seeds(0.8, 0.8, sparsity=0.5), *over_seeds(0.9, 0.9, **dense)])
    assert [(r.key.drawer, r.key.sparsity, len(r.seeds)) for r in found.rows] == [("omp", 0.5, 2), ("omp", 0.9, 3)]
    assert [(r.key.drawer, r.missing) for r in found.incomplete] == [("dense", "no record of seed 2")]
    assert len(board([*over_seeds(0.8, 0.8, sparsity=0.5), *over_seeds(0.9, 0.9, **dense)]).rows) == 2


def test_unequal_budgets_are_marked() -> None:
    found = board(
        [
            *over_seeds(0.7, 0.7, source=None),
            *over_seeds(0.6, 0.6),
            *over_seeds(0.5, 0.5, drawer="a", drawing_macs=2_290_000_000_000),
            *over_seeds(0.4, 0.4, drawer="b", drawing_macs=2_310_000_000_000),
        ]
    )
    ratios = {r.key.drawer: r.budget_ratio for r in found.rows}
    assert ratios["dense"] == pytest.approx(1.0 / 3.29)
    assert (ratios["omp"], ratios["a"], ratios["b"]) == (None, None, None)
    dear = board([*over_seeds(0.6, 0.6), *over_seeds(0.4, 0.4, drawer="b", drawing_macs=2_310_000_000_000)])
    assert [r.budget_ratio for r in dear.rows] == [None, pytest.approx(3.31 / 3)]


def test_draws_have_boards_of_their_own() -> None:
    found = boards(
        [
            record(target=None, score=0.8, val_before_last_prune=0.9, val_after_last_prune=0.7),
            record(target=None, score=0.6, seed=1, val_before_last_prune=0.8, val_after_last_prune=0.5),
            record(target=None, score=0.6, source=SEG),
            *over_seeds(0.5, 0.5),
        ]
    )
    assert [(b.place.kind, b.place.task) for b in found] == [("transfer", SEG), ("draw", CLS), ("draw", SEG)]
    (drawn,) = found[1].rows
    assert (drawn.score, drawn.before, drawn.after) == (
        estimate([0.8, 0.6]),
        estimate([0.9, 0.8]),
        estimate([0.7, 0.5]),
    )
    assert (drawn.rank, drawn.of_dense, drawn.of_scratch, drawn.gap) == (None, None, None, None)
    assert found[1].metric == "top1"
    assert found[2].rows[0].before is None


def test_a_row_from_a_paper_needs_no_costs() -> None:
    found = board([record(origin="reported", costs=None, counts={}, ticket=None, deployed=None), *over_seeds(0.6)])
    assert row(found, origin="reported").wall_s is None
    assert row(found, origin="reported").budget_ratio is None


def arrangement(found: Board) -> list[tuple[str, str | None, int, bool]]:
    """Ticket, source, group and whether it is a control, of every complete row."""
    return [(r.key.ticket, r.key.source, r.group, r.is_control) for r in found.rows]


def test_controls_stand_below_their_tickets_and_natives_below_the_best_of_their_method() -> None:
    found = board(
        [
            *over_seeds(0.9, source=None),
            *over_seeds(0.5, drawer="a"),
            *over_seeds(0.4, drawer="a", source=POSE),
            *over_seeds(0.8, drawer="a", source=SEG),
            *over_seeds(0.2, drawer="a", transform="random", control="random"),
            *over_seeds(0.6, drawer="a", source=POSE, transform="random", control="random"),
            *over_seeds(0.3, drawer="a", source=SEG, transform="random", control="random"),
            *over_seeds(0.45, drawer="b"),
            *over_seeds(0.7, drawer="b", source=SEG, sparsity=0.5),
            *over_seeds(0.1, drawer="c", transform="random", control="random"),
        ]
    )
    assert arrangement(found) == [
        ("dense", None, 1, False),
        ("b", SEG, 2, False),
        ("a", CLS, 3, False),
        ("random of a", CLS, 3, True),
        ("a", SEG, 3, True),
        ("random of a", SEG, 3, True),
        ("b", CLS, 4, False),
        ("a", POSE, 5, False),
        ("random of a", POSE, 5, True),
        ("random of c", CLS, 6, False),
    ]
    assert [r.rank for r in found.rows if r.key.is_contender] == [1, 2, 3]


def test_pareto_best_rows_are_marked_by_macs_and_by_remaining_weights() -> None:
    def sized(score: float, macs: int, remaining: float, drawer: str, **changes: Any) -> list[Record]:
        return over_seeds(score, score, drawer=drawer, sparse_macs=macs, remaining=remaining, **changes)

    found = board(
        [
            *sized(0.7, 300, 0.3, "dear"),
            *sized(0.6, 200, 0.1, "good"),
            *sized(0.6, 200, 0.2, "equal"),
            *sized(0.5, 200, 0.1, "worse"),
            *sized(0.4, 100, 0.05, "cheap", source=SEG),
            *sized(0.9, 50, 0.01, "good", transform="random", control="random"),
            *sized(0.95, 10, 0.001, "dense", sparsity=0.0),
        ]
    )
    marks = {r.key.ticket: (r.pareto_macs, r.pareto_remaining) for r in found.rows}
    assert marks == {
        "dear": (True, True),
        "good": (True, True),
        "equal": (True, False),
        "worse": (False, False),
        "cheap": (True, True),
        "random of good": (None, None),
        "dense": (None, None),
    }


def test_a_row_without_a_size_is_not_marked_and_does_not_compete() -> None:
    found = board([*over_seeds(0.9, origin="reported", ticket=None), *over_seeds(0.5)])
    assert {r.key.origin: (r.pareto_macs, r.pareto_remaining) for r in found.rows} == {
        "reported": (None, None),
        "measured": (True, True),
    }


def test_sparsity_makes_no_row_pareto_best() -> None:
    small = over_seeds(0.5, sparsity=0.5, remaining=0.05, sparse_macs=5)
    sparse = over_seeds(0.5, sparsity=0.99, remaining=0.1, sparse_macs=6)
    found = board([*small, *sparse])
    assert {r.key.sparsity: (r.pareto_macs, r.pareto_remaining) for r in found.rows} == {
        0.5: (True, True),
        0.99: (False, False),
    }


def test_rows_keep_the_results_that_they_are_made_of() -> None:
    found = board([*over_seeds(0.5, 0.6), *over_seeds(0.5, None, drawer="gmp")])
    assert [(r.seed, r.score) for r in found.rows[0].results] == [(0, 0.5), (1, 0.6)]
    assert [(r.seed, r.error) for r in found.incomplete[0].results] == [(0, None), (1, "the loss is not finite")]


def test_many_rows_and_failures_take_no_square_time() -> None:
    """12,000 results of 4,000 rows on one board; comparing each row with each other would take minutes."""
    template = record(score=0.5)

    def many() -> Any:
        for number in range(4_000):
            for seed in range(3):
                job = template.job.model_copy(update={"drawer": f"d{number}", "seed": seed})
                yield template.model_copy(update={"job": job, "id": f"r{number}-{seed}"})

    started = time.process_time()
    found = board(list(many()))
    assert len(found.rows) == 4_000
    assert time.process_time() - started < 20
