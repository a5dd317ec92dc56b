"""Portraits: what a picture of a ticket is made of is the ticket's own, and what a stranger's says is bounded."""

import itertools
import json
from dataclasses import replace

import pytest
import torch
from toy import SPEC, ToySource

from bench.jobs.portraying import portrait_of
from bench.records import portrait
from bench.records.curve import POINTS, Watch
from tickets.deploy import anatomy
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.training.progress import Progress
from tickets.training.settings import Settings

ID = "draw_cls-figures_mine_s0.5_seed0-0123456789"


@pytest.fixture(scope="module")
def drawn():
    """A ticket whose architecture was searched, and the curve of its drawing."""
    watch = Watch(None)
    settings = Settings(30, 0.02, calibration_batches=1, ema_decay=0.9)
    request = Request(SPEC, ToySource(), settings, 0.5, 0, report=watch)
    return DRAWERS.make("supertickets@threshold=0.9@rho=0.3").draw(request), watch.curve


@pytest.fixture(scope="module")
def made(drawn):
    """Its portrait."""
    return portrait_of(ID, *drawn)


def test_units_and_weights_are_those_of_the_ticket(drawn, made):
    ticket, _ = drawn
    assert made.ticket == ticket.hash and made.kernels == (3, 5, 7)
    live = [units for name, units in ticket.host.units.items()]
    assert sum(sum(block.live) for block in made.blocks) == sum(sum(units.values()) for units in live)
    assert sum(sum(block.live) for block in made.blocks) < sum(sum(block.full) for block in made.blocks)
    assert {layer.name: layer.kept for layer in made.layers} == {
        name.removesuffix(".weight"): int(mask.sum()) for name, mask in ticket.host.masks.items()
    }
    assert len({(block.column, block.row) for block in made.blocks}) == len(made.blocks)


def test_blocks_that_no_picture_has_a_place_for_are_left_out(drawn, made, monkeypatch):
    """As those of somebody's own host, whose draws end well."""
    of_supernet = anatomy.blocks
    named = lambda ticket: [replace(block, name=f"body.{n}") for n, block in enumerate(of_supernet(ticket))]  # noqa: E731
    monkeypatch.setattr(anatomy, "blocks", named)
    found = portrait_of(ID, *drawn)
    assert (found.blocks, found.kernels) == ((), ()) and found.layers == made.layers


def test_what_is_more_than_a_portrait_holds_has_none(drawn, monkeypatch):
    spots = anatomy.spots
    far = lambda names: {name: replace(spot, column=10**6) for name, spot in spots(names).items()}  # noqa: E731
    monkeypatch.setattr(anatomy, "spots", far)
    assert portrait_of(ID, *drawn) is None


def test_the_mask_is_that_of_the_largest_layer_in_cells(drawn, made):
    masks = drawn[0].host.masks
    largest = max(masks.values(), key=torch.numel).flatten(1)
    rows, columns = made.mask.size
    assert (rows, columns) == tuple(largest.shape)
    told = torch.tensor([[int(cell, 16) / 15 for cell in row] for row in made.mask.rows])
    assert max(told.shape) <= portrait.SIDE
    strips = largest.float().tensor_split(len(told))
    means = torch.stack(
        [torch.stack([cell.mean() for cell in strip.tensor_split(told.shape[1], 1)]) for strip in strips]
    )
    assert (told - means).abs().max() <= 0.5 / 15 + 1e-6


def test_it_is_read_back_and_named_by_its_record(tmp_path, made):
    path = tmp_path / f"{ID}.json"
    path.write_bytes(made.to_bytes())
    assert portrait.read_all(tmp_path) == {ID: made}
    path.rename(tmp_path / "other.json")
    with pytest.raises(UserError, match=f"other.json is the portrait of {ID}; name it by that"):
        portrait.read_all(tmp_path)
    assert portrait.read_all(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ticket": "mine"}, "ticket: string should match"),
        ({"mask": None}, "it has layers and no mask"),
        ({"kernels": [3]}, "a block has units of other kernels"),
        ({"mask": {"layer": "a", "size": [2, 2], "rows": ["0f", "0"]}}, "its rows are not of one length"),
        ({"mask": {"layer": "a", "size": [2, 2], "rows": ["0g"]}}, "mask.rows.0: string should match"),
        ({"mask": {"layer": "a", "size": [2, 2], "rows": []}}, "mask.rows: tuple should have at least 1"),
        ({"curve": {"points": [[0.5, 1.0, 2.0]]}}, "curve.points.0.2: input should be less than or equal to 1"),
        ({"more": 1}, "more: extra inputs are not permitted"),
    ],
)
def test_what_is_none_is_refused_in_a_sentence(tmp_path, made, changes, why):
    path = tmp_path / f"{ID}.json"
    path.write_text(json.dumps(json.loads(made.to_bytes()) | changes))
    with pytest.raises(UserError, match="is no portrait of a ticket: ") as said:
        portrait.read(path)
    assert why in str(said.value) and str(said.value).endswith("let bench.publish write it anew.")


def test_a_column_without_bound_is_refused(tmp_path, made):
    blocks = [one.model_copy(update={"column": 10**6}) for one in made.blocks]
    (tmp_path / f"{ID}.json").write_bytes(made.model_copy(update={"blocks": tuple(blocks)}).to_bytes())
    with pytest.raises(UserError, match=r"blocks\.0\.column: input should be less than 1000"):
        portrait.read(tmp_path / f"{ID}.json")


def test_a_curve_tells_on_and_keeps_few_points_over_the_whole_training():
    told = []
    watch, steps = Watch(told.append), 1000
    for step in range(1, steps + 1):
        watch(Progress(step, steps, 1 / step, None, 0.5))
    assert len(told) == steps
    points = watch.curve.points
    assert POINTS / 2 <= len(points) <= POINTS and points[-1][0] > 0.97
    gaps = {round(steps * (b[0] - a[0])) for a, b in itertools.pairwise(points)}
    assert len(gaps) == 1
    assert all(loss == pytest.approx(1 / (share * steps), rel=1e-3) for share, loss, _ in points)


def test_a_loss_that_is_no_number_is_no_point_and_no_training_is_more_than_done():
    watch = Watch(None)
    at = Progress(1, 2, 1.0, None, 0.0)
    for loss in (1.0, float("nan"), float("inf"), 1e31, -1e31):
        watch(replace(at, loss=loss))
    watch(replace(at, step=3))
    assert watch.curve.points == ((0.5, 1.0, 0.0), (1.0, 1.0, 0.0))
