"""bench.boards.leaderboard: which records make a row, what is compared with what, what is left out."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from samples import code, record

from bench.boards.leaderboard import Board, Row, boards
from bench.boards.words import heading, setting_of, slugs
from bench.numbers.stats import Estimate, estimate
from bench.records.record import Record, read

CLS, SEG, POSE = "cls/figures", "seg/figures", "pose/figures"


H100 = {"scale": "tiny", "host": "supernet/tiny", "budget": 1.0, "threads": 1, "device": "cuda"}
FLOAT32 = Path(__file__).parents[1] / "golden" / "records" / "supertickets-cls-seg-s0-853000605e.json"
BFLOAT16 = FLOAT32.with_name("supertickets-cls-seg-bfloat16-s0-2f1c9b07d4.json")


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
        ("origin", "submitted"),
    ],
)
def test_records_that_differ_in_the_job_are_different_rows(name: str, value: object) -> None:
    found = board([record(score=0.5), record(score=0.6, **{name: value})])
    assert sorted(r.score.mean for r in found.rows) == [0.5, 0.6]
    assert all(r.edition == "" for r in found.rows)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target", POSE),
        ("scale", "small"),
        ("budget", 2.0),
        ("precision", "bfloat16"),
        ("compiled", True),
        ("threads", 2),
        ("setting", H100),
    ],
)
def test_records_that_cannot_be_compared_are_on_different_boards(name: str, value: object) -> None:
    found = boards([record(), record(**{name: value})])
    assert [len(b.rows) for b in found] == [1, 1]


def test_budgets_of_steps_macs_and_sparse_macs_never_share_a_board() -> None:
    found = boards([record(equal=equal) for equal in ("steps", "macs", "sparse")])
    assert [len(b.rows) for b in found] == [1, 1, 1]
    assert {setting_of(b.place)[-1] for b in found} == {
        "scale tiny", "equal training MACs", "equal sparse training MACs",
    }  # fmt: skip


def test_float32_on_a_cpu_and_bfloat16_on_an_h100_are_two_rows() -> None:
    cpu, gpu = read(FLOAT32), read(BFLOAT16)
    assert (cpu.job, cpu.versions, cpu.fingerprints) == (gpu.job, gpu.versions, gpu.fingerprints)
    found = boards([cpu, gpu])
    assert [(b.place.compute, [r.score.mean for r in b.rows], b.superseded) for b in found] == [
        ("", [cpu.scores.score], 0),
        ("bfloat16, cuda", [gpu.scores.score], 0),
    ]
    assert [setting_of(b.place) for b in found] == [["scale tiny"], ["scale tiny", "bfloat16, cuda"]]
    assert heading(found[1], found) == "Transfers to seg/figures: mIoU on test, scale tiny, bfloat16, cuda"
    assert slugs(found) == ["seg-figures-tiny", "seg-figures-tiny-bfloat16-cuda"]


def test_references_are_never_those_of_another_way_of_computing() -> None:
    native, dense = {"source": SEG}, {"drawer": "dense", "sparsity": 0.0}
    cpu = [*over_seeds(0.5, 0.6), *over_seeds(0.5, 0.7, **native), *over_seeds(0.8, 0.8, **dense)]
    both = boards([*cpu, *over_seeds(0.4, 0.4, setting=H100)])
    assert [b.place.compute for b in both] == ["", "cuda"]
    (alone,) = both[1].rows
    assert (alone.gap, alone.of_dense, alone.rank) == (None, None, 1)
    assert row(both[0], source=CLS, drawer="omp").gap is not None


def test_a_transform_is_a_control_only_where_the_job_says_so() -> None:
    """Elastic tickets are ranked, have natives, gaps and controls of their own; shuffled ones are controls."""
    grown = {"transform": "elastic@depth=2"}
    found = board(
        [
            *over_seeds(0.5, 0.5),
            *over_seeds(0.7, 0.6, **grown),
            *over_seeds(0.8, 0.8, source=SEG, **grown),
            *over_seeds(0.9, 0.9, source=SEG),
            *over_seeds(0.2, 0.2, transform="permuted@by=row", control="permuted", kind="control"),
        ]
    )
    rows = [(r.key.ticket, r.key.is_native, r.key.role, r.rank, r.is_control, r.group) for r in found.rows]
    assert rows == [
        ("elastic@depth=2 of omp", False, "ticket", 1, False, 1),
        ("elastic@depth=2 of omp", True, "native", None, True, 1),
        ("omp", False, "ticket", 2, False, 2),
        ("permuted@by=row of omp", False, "random", None, True, 2),
        ("omp", True, "native", None, True, 2),
    ]
    gaps = {r.key.ticket: r.gap and round(r.gap.mean, 6) for r in found.rows if not r.key.is_native}
    assert gaps == {"elastic@depth=2 of omp": -0.15, "omp": -0.4, "permuted@by=row of omp": -0.7}
    assert {r.key.ticket: r.pareto_macs is None for r in found.rows if not r.key.is_native}["permuted@by=row of omp"]
    assert [r.key.method for r in found.rows] == [*["elastic@depth=2 of omp"] * 2, *["omp"] * 3]


def test_another_source_of_a_plug_in_is_another_row_and_says_so() -> None:
    """A drawer whose score was turned into its opposite, and drawn again for one seed, does not move the old mean."""
    old = over_seeds(0.5, 0.7, code=[code()])
    found = board([*old, record(score=0.1, seed=0, code=[code(source="cd" * 32)], created="2026-03-01T00:00:00Z")])
    assert [r.score.mean for r in found.rows] == [0.6] and [r.seeds for r in found.incomplete] == [(0,)]
    assert {r.edition.partition(" ")[0] for r in (*found.rows, *found.incomplete)} == {"code"}
    ours = board(over_seeds(0.5, 0.7)).rows[0]
    assert ours.key.code is None and found.rows[0].key.code is not None


def test_another_source_of_a_plug_in_task_is_another_board() -> None:
    """As another version of its data is; the code of a source is that of its data, too."""
    task = {"noun": "task", "name": SEG}
    found = boards([record(code=[code(**task)]), record(code=[code(**task, source="cd" * 32)]), record()])
    assert len({b.place.data for b in found}) == len(found) == 3
    assert all(r.key.code is None for b in found for r in b.rows)
    drawn = {"noun": "task", "name": CLS}
    rows = board([record(code=[code(**drawn)]), record(code=[code(**drawn, source="cd" * 32)])]).rows
    assert [r.edition.startswith("source data") for r in rows] == [True, True]


def test_a_control_of_a_plug_in_transform_stands_below_its_ticket() -> None:
    """The ticket has not the transform's code; of two editions of a drawer each has its own."""
    transform = code(noun="transform", name="permuted")
    control = {"transform": "permuted", "control": "permuted", "kind": "control"}
    found = board([*over_seeds(0.5, 0.5), *over_seeds(0.2, 0.2, code=[transform], **control)])
    assert [(r.key.ticket, r.is_control) for r in found.rows] == [("omp", False), ("permuted of omp", True)]
    random = {"transform": "random", "control": "random", "kind": "control"}
    both = [code(), code(source="cd" * 32)]
    records = [r for n, one in enumerate(both) for r in over_seeds(0.5 + n / 10, 0.5, code=[one])]
    records += [r for one in both for r in over_seeds(0.1, 0.1, code=[one], **random)]
    rows = board(records).rows
    assert [(r.is_control, r.group) for r in rows] == [(False, 1), (True, 1), (False, 2), (True, 2)]
    assert rows[0].key.code == rows[1].key.code != rows[2].key.code == rows[3].key.code


def test_tickets_of_another_host_are_rows_of_their_own() -> None:
    grown = {"transform": "elastic", "score": 0.5}
    found = board([record(**grown, host_drawn=f"supernet/tiny{n}") for n in (2, 3)])
    names = [f"elastic of omp on supernet/tiny{n}" for n in (2, 3)]
    assert [r.key.ticket for r in found.rows] == names


def test_a_dense_network_that_was_transformed_is_no_reference() -> None:
    dense = {"drawer": "dense", "sparsity": 0.0}
    found = board([*over_seeds(0.5, 0.5), *over_seeds(0.25, 0.25, transform="elastic", **dense)])
    assert row(found, drawer="omp").of_dense is None and row(found, drawer="dense").key.role == "dense"


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
