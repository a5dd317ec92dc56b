"""Heat maps: both objectives' targets, readings and mirrors by hand; what goes in comes out."""

import math

import pytest
import torch

from tasks.metrics.heatmaps import CODECS, Likelihood, Regression, gaussians, mirrored

SIZE = (256, 192)
GRID = (64, 48)
PAIRS = ((0, 1),)


def points(*places):
    """Places as (1, K, 2)."""
    return torch.tensor([places], dtype=torch.float32)


class TestRegression:
    def test_a_target_by_hand(self):
        """A joint at 41.5, 21.5 pixels is 42 and 22 from the edge, 10.5 and 5.5 cells; sigma 2."""
        target = Regression().targets(points((41.5, 21.5)), GRID, SIZE)[0, 0]
        assert target.shape == GRID
        for row, column in ((5, 10), (6, 11), (6, 10)):  # four cells are equally near
            assert target[row, column] == pytest.approx(math.exp(-(0.5**2 + 0.5**2) / 8))
        assert target[9, 10] == pytest.approx(math.exp(-(3.5**2 + 0.5**2) / 8))
        assert target.max() < 1

    def test_sigma_follows_the_map(self):
        """2 cells for maps of 64 rows, 3 for 96, at least half a cell."""
        for rows, sigma in ((64, 2.0), (96, 3.0), (8, 0.5)):
            size = (4 * rows, 3 * rows)
            target = Regression().targets(points((15.5, 15.5)), (rows, rows * 3 // 4), size)[0, 0]
            assert target[4, 5] == pytest.approx(math.exp(-1 / (2 * sigma**2)))

    def test_quarter_cells_by_hand(self):
        maps = torch.zeros(1, 4, *GRID)
        maps[0, 0, 20, 10] = 1.0
        maps[0, 0, 20, 11] = 0.5  # towards the right; above and below are equal
        maps[0, 1, 20, 10] = 1.0
        maps[0, 1, 19, 10], maps[0, 1, 20, 9] = 0.2, 0.1  # up and left
        maps[0, 2, 0, 47] = 1.0  # a corner stays
        maps[0, 2, 0, 46] = 0.9
        maps[0, 3] = float("nan")
        found = Regression().points(maps, SIZE)[0]
        assert found[:3].tolist() == [
            [4 * 10.25 - 0.5, 4 * 20 - 0.5], [4 * 9.75 - 0.5, 4 * 19.75 - 0.5], [4 * 47 - 0.5, -0.5],
        ]  # fmt: skip
        assert found[3].isnan().all()

    def test_the_loss_by_hand(self):
        """Zero outputs: half the mean square of the target, of the visible half of the joints."""
        places = points((40.0, 40.0), (90.0, 90.0))
        codec = Regression()
        square = codec.targets(places, GRID, SIZE)[0, 0].square().sum()
        visible = torch.tensor([[True, False]])
        loss = codec.loss(torch.zeros(1, 2, *GRID), places, visible, SIZE)
        assert loss == pytest.approx(0.5 * square.item() / (2 * 64 * 48), rel=1e-5)
        assert codec.loss(codec.targets(places, GRID, SIZE), places, visible, SIZE) == 0

    def test_confidence_is_the_height(self):
        maps = torch.zeros(1, 2, 4, 4)
        maps[0, 0, 1, 2], maps[0, 1] = 0.7, -0.3
        assert Regression().confidence(maps, (16, 16))[0].tolist() == pytest.approx([0.7, -0.3])


class TestLikelihood:
    def test_confidence_is_one_for_a_target_on_a_cell(self):
        codec = Likelihood()
        centre, between = gaussians(
            points((4 * 10.5 - 0.5, 4 * 20.5 - 0.5), (4 * 11 - 0.5, 4 * 21 - 0.5)), GRID, SIZE, 0.03 * 192
        )[0]
        sure = codec.confidence(torch.stack([centre, between, torch.full(GRID, 1 / (64 * 48))])[None], SIZE)[0]
        assert sure[0] == pytest.approx(1.0, abs=1e-5)
        assert sure[1] == pytest.approx(math.exp(-2 * 0.5**2 / (2 * (5.76 / 4) ** 2)), rel=1e-3)
        assert sure[2] < 0.01


class TestMirror:
    def test_the_shift_by_hand(self):
        """One row of four cells, two joints that a mirror exchanges."""
        maps = torch.tensor([[[[1.0, 2, 3, 4]], [[5.0, 6, 7, 8]]]])
        assert mirrored(maps, PAIRS, 0).flatten(2).tolist() == [[[8, 7, 6, 5], [4, 3, 2, 1]]]
        assert mirrored(maps, PAIRS, 1).flatten(2).tolist() == [[[8, 8, 7, 6], [4, 4, 3, 2]]]

    def test_mirrored_targets_fit_the_mse_objective_exactly(self):
        codec, places = Regression(), points((30.2, 50.9), (120.7, 200.3))
        other = places.clone()
        other[..., 0] = 191 - other[..., 0]  # as pixels of the mirrored image
        back = mirrored(codec.targets(other[:, [1, 0]], GRID, SIZE), PAIRS, codec.shift)
        assert torch.allclose(back[..., 1:], codec.targets(places, GRID, SIZE)[..., 1:], atol=1e-6)

    def test_mirrored_probabilities_fit_exactly(self):
        codec, places = Likelihood(), points((30.2, 50.9), (120.7, 200.3))
        other = places.clone()
        other[..., 0] = 191 - other[..., 0]
        back = mirrored(gaussians(other[:, [1, 0]], GRID, SIZE, 6.0), PAIRS, codec.shift)
        assert torch.allclose(back, gaussians(places, GRID, SIZE, 6.0), atol=1e-6)


@pytest.mark.parametrize(("size", "grid"), [((256, 192), (64, 48)), ((384, 288), (96, 72)), ((64, 48), (16, 12))])
def test_targets_are_read_within_a_quarter_of_a_cell(size, grid):
    """Quarter cells leave at most a quarter on each axis: on average 0.383 x half a cell of four pixels."""
    extent = torch.tensor(size[::-1])
    places = torch.rand(40, 17, 2, generator=torch.Generator().manual_seed(0)) * extent
    codec = Regression()
    error = codec.points(codec.targets(places, grid, size), size) - places
    inner = ((places > 8) & (places < extent - 8)).all(2)
    assert error[inner].abs().max() <= 1.0 + 1e-3
    assert error[inner].norm(dim=1).mean() == pytest.approx(0.765, abs=0.04)


def test_the_objectives_have_their_names():
    assert {name: codec.shift for name, codec in CODECS.items()} == {"cross_entropy": 0, "mse": 1}
