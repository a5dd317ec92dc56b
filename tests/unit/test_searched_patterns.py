"""Patterns in searches: units die in multiples, tickets are exact by group and verified, what cannot be is refused."""

import pytest
import torch
from toy import ToySource, drawn

from tasks.heads.paper import PaperDense
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts.supernet import Spec, Stage
from tickets.patterns import PATTERNS
from tickets.recipes import RECIPES
from tickets.recipes.base import transfer
from tickets.search.surgery import in_multiples
from tickets.ticket import Ticket
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.training.settings import Settings

SPEC = Spec(stem=8, stages=(Stage((1,), (4,)), Stage((1, 1), (4, 8))), expansion=4)
"""All layers have a multiple of 8 weights; branches of 16 or 32 units, but those behind the stem's."""
SETTINGS = Settings(20, 0.05, calibration_batches=1)
CUTTING = {"rho": 0.01, "threshold": 1.0}
"""A penalty and a threshold under which most units die, and some branches keep a few."""
SEARCHING = ["supertickets", "supertickets/one_shot", "supertickets/as_released", "supertickets/no_reactivation"]


def in_groups(pattern: str, mask: torch.Tensor) -> torch.Tensor:
    """A mask's entries by group, written out apart from the pattern; (groups, entries)."""
    if pattern == "channel":
        return mask.flatten(1)
    return (mask.permute(0, 2, 3, 1) if mask.dim() == 4 else mask).reshape(-1, 4)


def exact(ticket: Ticket, pattern: str) -> bool:
    """Whether half of the groups, or of every group, are gone."""
    parts = [in_groups(pattern, mask) for mask in ticket.host.masks.values()]
    if pattern == "2:4":
        return all(bool((part.sum(1) == 2).all()) for part in parts)
    whole = all(bool((part.all(1) | ~part.any(1)).all()) for part in parts)
    return whole and sum(int((~part.any(1)).sum()) for part in parts) == round(0.5 * sum(map(len, parts)))


@pytest.fixture(scope="module")
def tickets() -> dict[tuple[str, str], Ticket]:
    """Of every drawer that searches or starts from a search, and every pattern."""
    request = Request(SPEC, ToySource(), SETTINGS, 0.5, 0)
    return {
        (name, pattern): drawn(DRAWERS.make(f"{name}@pattern={pattern}", CUTTING), request, CUTTING)
        for name in [*SEARCHING, "stp/magnitude", "stp/wanda"]
        for pattern in ("2:4", "channel")
    }


def test_a_search_under_a_pattern_is_exact_by_group_and_verified(tickets, tmp_path):
    full = Ticket.dense(SPEC).prunable
    for (name, pattern), ticket in tickets.items():
        ticket.save(tmp_path / "t")
        back = Ticket.load(tmp_path / "t")
        assert (back.hash, back.provenance["pattern"]) == (ticket.hash, pattern)
        assert exact(back, pattern) and back.prunable < full, (name, pattern)


def test_units_die_in_fours_under_groups_of_four_and_one_by_one_else(tickets):
    for (name, pattern), ticket in tickets.items():
        counts = [n for units in ticket.host.units.values() for n in units.values()]
        assert counts and min(counts) < 16, name  # some branch has lost units and lives
        assert all(n % 4 == 0 for n in counts) == (pattern == "2:4"), (name, pattern)


def test_a_base_that_is_searched_is_told_of_groups_that_must_divide_it():
    """One search for all scorers otherwise, channels included."""
    bases = {
        name: DRAWERS.traits(name).base for name in ("stp/snip@pattern=2:4", "stp/snip@pattern=channel", "stp/snip")
    }
    assert list(bases.values()) == ["supertickets/search_only@pattern=2:4", *["supertickets/search_only"] * 2]
    assert DRAWERS.traits("omp@pattern=2:4").base == "dense"


def test_a_transfer_keeps_the_pattern(tickets):
    for pattern in ("2:4", "channel"):
        ticket = tickets["supertickets", pattern]
        training = transfer(ticket, RECIPES.make("finetune"), ToySource("toy/other"), SETTINGS, 0)
        training.run()
        weights = {name: training.network.host.get_parameter(name) for name in ticket.host.masks}
        assert all(not w[~ticket.host.masks[name]].any() for name, w in weights.items())
        assert (
            PATTERNS.make(pattern).wrong({n: m & (weights[n] != 0) for n, m in ticket.host.masks.items()}, 0.5) is None
        )


def training_with(gammas: list[float], drawer: str) -> tuple[Training, str]:
    """A training whose first block has these scales on its units of kernel size 3, in network and average."""
    network = Network(SPEC.initial(0), ToySource().head([(4, 4), (8, 8)]))
    training = Training(network, ToySource(), SETTINGS, 0, DRAWERS.make(drawer))
    name = "host.fuses.1.paths.0to0"
    with torch.no_grad():
        for gamma in (network.get_submodule(name).gamma, training.ema.values[f"{name}.depthwise_bn.weight"]):
            gamma[: len(gammas)] = torch.tensor(gammas)
    return training, name


@pytest.mark.parametrize(
    ("drawer", "left"), [("supertickets@pattern=2:4", 8), ("supertickets@pattern=1:2", 6), ("supertickets", 5)]
)
def test_of_dead_units_those_of_largest_scale_live_on_until_the_number_fits(drawer, left):
    """By hand: 5 of 16 live; the next scales are 9e-4, 8e-4 and 7e-4, at the places 2, 7 and 11."""
    gammas = [1.0, 1.0, 9e-4, 1.0, 0.0, 0.0, 0.0, -8e-4, 0.0, -1.0, 0.0, 7e-4, 0.0, 0.0, 0.0, 1.0]
    training, name = training_with(gammas, drawer)
    first = training.network.get_submodule(f"{name}.depthwise.3").weight.detach().clone()
    DRAWERS.make(drawer).do_shrink(training, final=True)
    places = [0, 1, 3, 9, 15, 2, 7, 11][:left]
    block = training.network.get_submodule(name)
    assert block.units == {3: left, 5: 16, 7: 16}
    assert torch.equal(block.kernels["3"].weight, first[sorted(places)])


def test_a_branch_without_live_units_dies_and_a_small_one_stays_whole():
    training, name = training_with([0.0] * 16, "supertickets@pattern=2:4")
    DRAWERS.make("supertickets@pattern=2:4").do_shrink(training, final=True)
    assert training.network.get_submodule(name).units == {5: 16, 7: 16}
    live = {name: torch.arange(32) < 1}
    found = in_multiples(training.network, training.ema, live, 32)[name]
    assert found[:16].all() and not found[16:].any()  # 16 units are no multiple of 32


def test_a_head_that_groups_do_not_divide_is_refused_before_the_first_step():
    class Searched(ToySource):
        """Its head reads 12 channels and makes 5 of them; the skip has 60 weights."""

        def head(self, features, units=None, width=None):
            return PaperDense(features, 2, width=5, units=units)

        def batches(self, start, stop):
            raise AssertionError("it is trained")

    with pytest.raises(
        UserError, match=r"^the pattern 4:8 does not divide 'head\.transform\.skip\.weight', whose 60 we"
    ):
        drawn(DRAWERS.make("gmp@pattern=4:8"), Request(SPEC, Searched(), SETTINGS, 0.5, 0))
