"""Coverage, precision and the two distances against brute force and values by hand, and generated images' scores."""

import math

import pytest
import torch
from torch import Tensor

from tasks.heads.adversarial import Played
from tasks.metrics.generated import Generated
from tasks.metrics.lite0 import lite0_features
from tasks.metrics.moments import frechet, kernel_distance
from tasks.metrics.prdc import coverage, precision, radii
from tasks.views.batches import normalise

LINE, ONE = torch.tensor([[0.0], [1], [2], [10]]), torch.tensor([[0.5]])


def points(count: int, seed: int, width: int = 3) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_four_real_points_and_a_generated_one_on_a_line():
    assert radii(LINE, 1).tolist() == [1, 1, 1, 8]
    assert coverage(LINE, ONE, 1) == 0.5 and precision(LINE, ONE, 1) == 1
    assert coverage(LINE, torch.tensor([[3.0], [4]]), 1) == 0.25  # at distance 1 from 2, which is not below its radius
    assert precision(LINE, torch.tensor([[3.0], [-4]]), 1) == 0.5


def test_points_that_are_the_real_ones_cover_all_and_points_far_away_nothing():
    real = points(40, 0)
    assert coverage(real, real) == precision(real, real) == 1
    assert coverage(real, real + 100) == precision(real, real + 100) == 0


@pytest.mark.parametrize("k", [1, 5])
def test_coverage_and_precision_are_those_of_loops_over_all_pairs(k):
    real, fake = points(30, 1).tolist(), (points(20, 2) + 1.5).tolist()
    reach = [sorted(math.dist(one, other) for other in real)[k] for one in real]
    covered = [min(math.dist(one, made) for made in fake) < r for one, r in zip(real, reach, strict=True)]
    within = [any(math.dist(one, made) < r for one, r in zip(real, reach, strict=True)) for made in fake]
    found = coverage(torch.tensor(real), torch.tensor(fake), k), precision(torch.tensor(real), torch.tensor(fake), k)
    assert found == pytest.approx((sum(covered) / 30, sum(within) / 20)) and 0 < found[0] < 1


def test_a_point_has_no_fifth_neighbour_among_five():
    with pytest.raises(ValueError, match="no 5th neighbour among 5 points"):
        coverage(points(5, 0), points(5, 1))


def normal(mean: float, deviation: float) -> Tensor:
    """Two numbers whose mean and variance, divided by one less than their number, are just those."""
    return torch.tensor([[mean - deviation / math.sqrt(2)], [mean + deviation / math.sqrt(2)]])


@pytest.mark.parametrize(("other", "distance"), [((0, 1), 0), ((1, 1), 1), ((0, 2), 1), ((3, 4), 9 + 9)])
def test_the_frechet_distance_of_normal_distributions_on_a_line(other, distance):
    assert frechet(normal(0, 1), normal(*other)) == pytest.approx(distance, abs=1e-5)


def test_the_frechet_distance_of_covariances_that_do_not_commute_is_that_of_the_matrix_root():
    import scipy.linalg

    real, fake = points(50, 3), points(40, 4) @ points(3, 5).T + 1
    (m, c), (n, d) = ((one.double().mean(0), one.double().T.cov().numpy()) for one in (real, fake))
    root = scipy.linalg.sqrtm(c @ d).real
    assert frechet(real, fake) == pytest.approx(float((m - n).square().sum()) + (c + d - 2 * root).trace())


def test_the_kernel_distance_is_that_of_loops_over_pairs_of_different_points():
    real, fake = points(6, 6), points(5, 7) + 1

    def kernel(x: Tensor, y: Tensor) -> float:
        return (float(x.double() @ y.double()) / 3 + 1) ** 3

    within = [
        sum(kernel(a, b) for i, a in enumerate(some) for j, b in enumerate(some) if i != j)
        / (len(some) * (len(some) - 1))
        for some in (real, fake)
    ]
    across = sum(kernel(a, b) for a in real for b in fake) / 30
    assert kernel_distance(real, fake) == pytest.approx(sum(within) - 2 * across)


# ---- images


def pixels(images: Tensor) -> Tensor:
    """A network that any machine has: pixels of one channel, coarse."""
    return images[:, 0, ::4, ::4].flatten(1).float() / 255


def made(image: Tensor) -> Tensor:
    """What a head says that generated these."""
    blank = torch.zeros(len(image))
    return Played(image, blank, blank, blank).packed()


def noise(count: int, seed: int) -> Tensor:
    raw = torch.randint(0, 256, (count, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    return normalise(raw.to(torch.uint8))


def test_scores_are_the_same_in_any_order_and_parts():
    real, fake = noise(40, 0), noise(40, 1)
    whole, parts = Generated(pixels), [Generated(pixels), Generated(pixels)]
    whole.update(made(fake), {"image": real})
    order = torch.randperm(40, generator=torch.Generator().manual_seed(2)).tolist()
    for place, row in enumerate(order):
        parts[place % 2].update(made(fake[row : row + 1]), {"image": real[row : row + 1]})
    parts[0].merge(parts[1])
    assert parts[0].compute() == whole.compute() and parts[0].count == 40


def test_real_images_are_looked_at_once_and_generated_ones_each_time():
    seen = []

    def counted(images: Tensor) -> Tensor:
        seen.append(len(images))
        return pixels(images)

    for seed in (1, 2):
        metric = Generated(counted)
        metric.update(made(noise(10, seed)), {"image": noise(10, 0)})
        metric.compute()
        assert metric.amounts  # which asks for the scores again
    assert sum(seen) == 10 + 2 * 10


def test_the_frechet_distance_is_left_out_where_images_are_no_more_than_features():
    found = {}
    for count in (4, 5):
        metric = Generated(lambda images: pixels(images)[:, :4])
        for seed in range(2):
            metric.update(made(noise(count, seed)), {"image": noise(count, seed + 2)})
        found[count] = metric.compute()
        assert set(metric.amounts) == found[count].keys() - {"coverage", "precision", "recall"}
    few = Generated(lambda images: images[:, :, :, :4].flatten(1).float())
    few.update(made(noise(10, 0)), {"image": noise(10, 1)})
    assert "fid_lite0" not in few.compute() and "fid_lite0" in found[5] and few.compute()["kid_lite0"] >= 0


def test_five_images_are_too_few():
    metric = Generated(pixels)
    metric.update(made(noise(5, 0)), {"image": noise(5, 1)})
    with pytest.raises(ValueError, match="5 images is undefined"):
        metric.compute()


def test_the_real_network_tells_brightness_and_looks_at_every_image_by_itself():
    images = torch.stack([torch.full((3, 16, 16), value, dtype=torch.uint8) for value in (0, 255, 0)])
    found = lite0_features(images)
    assert found.shape == (3, 1280) and torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])
    torch.testing.assert_close(lite0_features(images[:1]), found[:1], rtol=1e-4, atol=1e-5)
