"""How a layer exchanges weights, by hand: what goes, what comes, that the count stays; how the released code loses."""

import pytest
import torch
from torch import Tensor

from tickets.pruning.allocation import allocate
from tickets.pruning.rewiring import rewired, rewired_as_released
from tickets.pruning.schedules import exchanges
from tickets.seeding import generator

WEIGHTS, MASK = (0.5, -0.1, 0.3, 0.0, 0.0, 0.0), (1, 1, 1, 0, 0, 0)


def exchanged(rule, gradient, fraction=1 / 3, weights=WEIGHTS, mask=MASK, seed=0):
    """The mask of a layer after an exchange."""
    slope = None if gradient is None else torch.tensor(gradient, dtype=torch.float32)
    kept, weight = torch.tensor(mask, dtype=torch.bool), torch.tensor(weights, dtype=torch.float32)
    found: Tensor = rule(kept, weight, slope, fraction, generator(seed, "test"))
    return found.int().tolist()


@pytest.mark.parametrize("rule", [rewired, rewired_as_released])
def test_the_smallest_goes_and_the_largest_gradient_elsewhere_comes(rule):
    """Of three weights one goes, -.1. The largest gradient elsewhere is -.7; or .9, of the one that just went."""
    assert exchanged(rule, (9, 0.05, 9, 0.1, -0.7, 0.2)) == [1, 0, 1, 0, 1, 0]
    assert exchanged(rule, (9, 0.9, 9, 0.1, -0.7, 0.2)) == [1, 1, 1, 0, 0, 0]


def test_where_gradients_are_zero_chance_decides_among_what_is_not_kept():
    """Two go, .3 and -.1; one has a gradient, and the other comes from anywhere but the kept position."""
    found = [exchanged(rewired, (9, 0, 0, 0, -1e-30, 0), 2 / 3, seed=seed) for seed in range(40)]
    assert all(mask[0] and mask[4] and sum(mask) == 3 for mask in found)
    assert {mask.index(1, 1) if mask[1] + mask[2] + mask[3] else 5 for mask in found} == {1, 2, 3, 5}


def test_growing_at_random_reaches_every_position_that_is_not_kept():
    found = [exchanged(rewired, None, seed=seed) for seed in range(60)]
    assert all(mask[0] and mask[2] and sum(mask) == 3 for mask in found)
    assert [max(mask[i] for mask in found) for i in (1, 3, 4, 5)] == [1, 1, 1, 1]


def test_tiny_gradients_beside_huge_ones_are_told_apart():
    """1 + 1e-9 is 1 in float32; the larger of two small gradients comes all the same."""
    assert exchanged(rewired, (0, 1e9, 0, 1e-9, 3e-9, 2e-9), 2 / 3) == [1, 1, 0, 0, 1, 0]


def test_equal_weights_and_equal_gradients_go_by_position():
    assert exchanged(rewired, [1] * 6, weights=[0.2, 0.2, 0.2, 0, 0, 0]) == [1, 1, 1, 0, 0, 0]
    assert exchanged(rewired, [0, 0, 0, 1, 1, 1], weights=[0.2, 0.2, 0.2, 0, 0, 0]) == [1, 1, 0, 1, 0, 0]


def layers(count=300):
    """Layers of random shapes, masks and fractions, with ties; every third has no gradient, every third a zero one."""
    g = torch.Generator().manual_seed(0)
    for number in range(count):
        shape = [int(torch.randint(1, 6, (), generator=g)) for _ in range(int(torch.randint(1, 5, (), generator=g)))]
        mask = torch.rand(shape, generator=g) < torch.rand((), generator=g)
        weight = (2 * torch.randn(shape, generator=g)).round() * mask
        gradient = (None, torch.zeros(shape), torch.randn(shape, generator=g).round())[number % 3]
        yield mask, weight, gradient, float(torch.rand((), generator=g)), g


def test_the_count_stays_whatever_weights_and_gradients_are():
    for mask, weight, gradient, fraction, g in layers():
        before = weight.clone()
        found = rewired(mask, weight, gradient, fraction, g)
        assert (found.dtype, found.shape, int(found.sum())) == (torch.bool, mask.shape, int(mask.sum()))
        gone = mask & ~found
        assert int(gone.sum()) <= round(fraction * int(mask.sum())) and torch.equal(weight, before)


def test_what_stays_is_no_smaller_than_what_goes_for_good():
    for mask, weight, _, fraction, g in layers():
        found = rewired(mask, weight, (~mask).float(), fraction, g)  # nothing that goes comes back
        gone, stays = weight[mask & ~found].abs(), weight[mask & found].abs()
        assert len(gone) == min(round(fraction * int(mask.sum())), int((~mask).sum()))
        assert not len(gone) or not len(stays) or gone.max() <= stays.min()


# ---- the released code's rule


def test_released_growth_loses_weights_where_gradients_are_zero():
    """FT-9: two go; one removed position has a gradient, the other place is the first of the layer, which is kept."""
    assert exchanged(rewired_as_released, (9, 0, 0, 0, -0.7, 0), 2 / 3) == [1, 0, 0, 0, 1, 0]
    assert exchanged(rewired_as_released, (0,) * 6, 2 / 3) == [1, 1, 0, 0, 0, 0]
    assert exchanged(rewired_as_released, (0,) * 6, 1 / 3) == [1, 0, 1, 0, 0, 0]
    assert [sum(exchanged(rewired, (9, 0, 0, 0, -0.7, 0), 2 / 3)), sum(exchanged(rewired, (0,) * 6))] == [3, 3]


def test_released_death_takes_all_that_is_as_small_as_the_threshold():
    """FT-10: one of four is to go; two are freshly grown zeros and go together, and two come."""
    weights, mask, gradient = (0.5, 0, 0, 0.3, 0, 0), (1, 1, 1, 1, 0, 0), (0, 1, 0, 0, 3, 2)
    assert exchanged(rewired_as_released, gradient, 1 / 4, weights, mask) == [1, 0, 0, 1, 1, 1]
    assert exchanged(rewired, gradient, 1 / 4, weights, mask) == [1, 1, 0, 1, 1, 0]
    assert exchanged(rewired_as_released, (0, 0, 0, 0, 3, 0), 1 / 4, weights, mask) == [1, 0, 0, 1, 1, 0]  # and FT-9


def test_released_death_rounds_up():
    """A tenth of three weights is one."""
    gradient = (0, 0, 0, 3, 2, 1)
    assert exchanged(rewired_as_released, gradient, 0.1) == [1, 0, 1, 1, 0, 0]
    assert exchanged(rewired, gradient, 0.1) == list(MASK)


def test_released_random_growth_is_exact_in_the_mean_only():
    """FT-7: one of four removed positions is to come, each with probability 1/4."""
    counts = [sum(exchanged(rewired_as_released, None, seed=seed)) for seed in range(400)]
    assert set(counts) >= {2, 3, 4} and sum(counts) / len(counts) == pytest.approx(3, abs=0.15)


def test_released_rule_never_gains_by_gradients_and_leaves_dense_layers_whole():
    seen = {"lost": 0, "even": 0}
    for mask, weight, gradient, fraction, g in layers():
        if gradient is None:
            continue
        lost = int(mask.sum()) - int(rewired_as_released(mask, weight, gradient, fraction, g).sum())
        assert lost >= 0
        seen["lost" if lost else "even"] += 1
        whole = torch.ones_like(mask)
        assert rewired_as_released(whole, weight, gradient, fraction, g).all()
    assert min(seen.values()) > 20


# ---- when, and how many at first


def test_the_law_of_the_share_by_hand():
    """zeta(0) = .3, zeta(.375 T) = .15, zeta(.75 T) = 0, nothing later; the constant one goes up to the end."""
    found = dict(exchanges(400, 0.02, 0.3, 0.75, "cosine"))
    assert list(found) == list(range(8, 300, 8)) and found[152] < 0.15 < found[144]
    assert dict(exchanges(80, 0.125, 0.3, 0.75, "cosine"))[30] == pytest.approx(0.15)
    assert found[8] == pytest.approx(0.3, abs=1e-3) and found[296] == pytest.approx(0, abs=1e-3)
    assert dict(exchanges(80, 0.125, 0.5, 1.0, "constant")) == dict.fromkeys(range(10, 81, 10), 0.5)
    assert dict(exchanges(80, 0.125, 0.5, 0.75, "constant")) == dict.fromkeys(range(10, 61, 10), 0.5)


@pytest.mark.parametrize("steps", [1, 4, 5, 6, 8, 33, 100, 250])
def test_exchanges_are_at_least_five_steps_apart(steps):
    found = [step for step, _ in exchanges(steps, 0.02, 0.3, 1.0, "constant")]
    assert found == list(range(5, steps + 1, 5))


def test_the_densities_of_erdos_renyi_kernels_by_hand():
    """At density .2, layers of 108, 32 and 16 weights keep 10.96, 11.81 and 8.43 of 31 = round(31.2)."""
    shapes = {"a": (4, 3, 3, 3), "b": (8, 4, 1, 1), "c": (2, 8)}
    masks = allocate({name: torch.rand(shape) for name, shape in shapes.items()}, 0.8, "erk")
    assert [int(mask.sum()) for mask in masks.values()] == [11, 12, 8]
