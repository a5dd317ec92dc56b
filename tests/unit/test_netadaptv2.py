"""NetAdaptV2: ordered dropout by image, coordinate descent to a bound, surgery that changes no output."""

import copy
from itertools import pairwise

import pytest
import torch
from toy import SPEC, ToySource, drawn, toy_network

from tickets.contract.watch import Interrupted, Stopping
from tickets.cost import dense_macs, layer_costs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.drawers.netadaptv2 import NetAdaptV2
from tickets.errors import UserError
from tickets.hosts.blocks import Norm, SearchBlock
from tickets.search import clock
from tickets.search.descent import Price, architecture_of, cut, cut_copy, in_macs, proposed
from tickets.search.latency import Found, fitted, in_time
from tickets.search.ordered import OrderedDropout, gate, search_blocks_of
from tickets.search.ordered import drawn as widths_drawn
from tickets.search.surgery import live_units_mask, shrink
from tickets.seeding import generator
from tickets.training.checkpoint import Checkpoint
from tickets.training.ema import Ema
from tickets.training.settings import Settings

SIZE = (16, 16)
SETTINGS = Settings(steps=5, learning_rate=0.02, calibration_batches=1)
SMALL = {"iterations": 2, "samples": 2, "layers": 2, "images": 8}


def block(width_out: int = 3, seed: int = 0) -> SearchBlock:
    """A block with units of its own scale, offset and statistics."""
    torch.manual_seed(seed)
    made = SearchBlock(3, width_out, 1, {3: 4, 5: 4}, Norm())
    for norm in (made.expand_bn, made.depthwise_bn, made.project_bn):
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            torch.nn.init.uniform_(tensor, 0.2, 1.0)
    return made.eval()


def narrowed(whole: SearchBlock, units: dict[int, int]) -> SearchBlock:
    """The block cut to its first units, tensor by tensor."""
    keep = torch.tensor([i for k, start in ((3, 0), (5, 4)) for i in range(start, start + units[k])])
    made = SearchBlock(3, whole.width_out, 1, units, Norm())
    state = whole.state_dict()
    for name, tensor in made.state_dict().items():
        if name.startswith(("expand", "depthwise_bn")) and tensor.dim():
            state[name] = state[name][keep]
        elif name.startswith("depthwise."):
            state[name] = state[name][: len(tensor)]
        elif name == "project.weight":
            state[name] = state[name][:, keep]
    made.load_state_dict({name: state[name] for name in made.state_dict()})
    return made.eval()


def test_a_gate_keeps_the_first_units_of_each_kernel_size():
    assert gate(torch.tensor([[1, 0], [2, 3]]), [2, 3]).int().tolist() == [[1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]


def test_a_gated_block_computes_what_the_block_cut_to_these_units_does():
    whole, x = block(), torch.randn(2, 3, 8, 8)
    whole.gate = gate(torch.tensor([[2, 1], [2, 1]]), [4, 4])
    torch.testing.assert_close(whole(x), narrowed(whole, {3: 2, 5: 1})(x), rtol=1e-6, atol=1e-6)


def test_a_gate_of_ones_changes_no_bit_in_training_and_evaluation():
    x = torch.randn(2, 3, 8, 8)
    for training in (False, True):
        plain, gated = block().train(training), block().train(training)
        gated.gate = torch.ones(2, 8)
        assert torch.equal(plain(x), gated(x))


def test_images_of_a_batch_have_widths_of_their_own_and_no_gradient_reaches_what_an_image_drops():
    whole, x = block(), torch.randn(2, 3, 8, 8)
    live = torch.tensor([[1, 4], [3, 0]])
    whole.gate = gate(live, [4, 4])
    both = whole(x)
    for i in range(2):
        whole.gate = gate(live[i : i + 1], [4, 4])
        torch.testing.assert_close(both[i : i + 1], whole(x[i : i + 1]))
    whole.gate = gate(live, [4, 4])
    whole(x)[1].sum().backward()  # of the second image alone
    used = torch.tensor([1, 1, 1, 0, 0, 0, 0, 0], dtype=torch.bool)
    assert not whole.depthwise_bn.bias.grad[~used].any() and whole.depthwise_bn.bias.grad[used].all()
    assert not whole.project.weight.grad[:, ~used].any()


def test_widths_are_uniform_over_quarters_and_spare_a_unit_where_nothing_may_be_bypassed():
    blocks = {"a": {3: 8, 5: 8}}
    live = widths_drawn(blocks, 4000, 4, True, generator(0, "law"))["a"]
    assert set(live.unique().tolist()) == {0, 2, 4, 6, 8}
    shares = torch.bincount(live.flatten(), minlength=9)[::2] / live.numel()
    assert (shares - 0.2).abs().max() < 0.02
    assert (live.sum(1) == 0).any()
    spared = widths_drawn(blocks, 4000, 4, False, generator(0, "law"))["a"]
    assert (spared.sum(1) > 0).all()


def test_ordered_dropout_acts_in_training_alone_and_on_its_own_host():
    network = toy_network()
    host = network.host
    seen = []
    dropout = OrderedDropout(
        host, lambda n: seen.append(n) or widths_drawn(architecture_of(host), n, 4, True, generator(1))
    )
    x = torch.randn(3, 3, *SIZE)
    host.eval()(x)
    copy.deepcopy(host).train()(x)
    assert not seen
    host.train()(x)
    assert seen == [3] and all(one.gate is None for one in search_blocks_of(host).values())
    dropout.remove()
    host.train()(x)
    assert seen == [3]


def scrambled():
    """A toy network whose norms are not as they begin."""
    network = toy_network()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point() and tensor.dim() == 1:
            torch.nn.init.uniform_(tensor, 0.3, 1.0)
    return network.eval()


def test_surgery_changes_no_output_of_what_ordered_dropout_computes_and_a_plain_shrink_would():
    network, x = scrambled(), torch.randn(2, 3, *SIZE)
    whole = architecture_of(network.host)
    to = {name: {k: n // 2 for k, n in units.items()} for name, units in whole.items()}
    first = next(iter(to))
    to[first] = dict.fromkeys(to[first], 0)  # a block goes, and its skip stays
    for name, one in search_blocks_of(network.host).items():
        one.gate = gate(torch.tensor([list(to[name].values())] * 2), list(whole[name].values()))
    with torch.no_grad():
        wanted = network(x)
        for one in search_blocks_of(network.host).values():
            one.gate = None
        twin = cut_copy(network, to)
        assert first not in architecture_of(twin.host)
        torch.testing.assert_close(twin.eval()(x), wanted, rtol=1e-5, atol=1e-5)
        plain = copy.deepcopy(network)
        ema = Ema(plain, 0.0)
        live = {
            f"host.{name}": torch.cat([torch.arange(n) < to[name][k] for k, n in units.items()])
            for name, units in whole.items()
        }
        shrink(plain, ema, torch.optim.SGD(plain.parameters(), lr=1.0), live)
        assert (plain(x) - wanted).abs().max() > 0.1


def test_prices_in_macs_are_exact_for_every_architecture():
    network = toy_network()
    price, whole = in_macs(network.host, SIZE), architecture_of(network.host)
    assert price.of(whole) == pytest.approx(dense_macs(layer_costs(network.host, SIZE)), rel=1e-12)
    to = {name: {k: n // 3 for k, n in units.items()} for name, units in whole.items()}
    to[next(iter(to))] = dict.fromkeys(to[next(iter(to))], 0)
    assert price.of(to) == pytest.approx(dense_macs(layer_costs(cut_copy(network, to).host, SIZE)), rel=1e-12)
    assert price.floor(whole, True) == price.rest < price.floor(whole, False)


def ticks(module, whole) -> float:
    """What a module takes by a clock that ticks for blocks and their units; `whole` makes a host's of its blocks'."""
    units = [one.units for one in module.modules() if isinstance(one, SearchBlock)]
    blocks = [0.5 * any(one.values()) + 0.1 * sum(one.values()) for one in units]
    return blocks[0] if isinstance(module, SearchBlock) else whole(blocks)


def ticking(monkeypatch, whole):
    """Put such a clock in the place of the wall's."""

    def shares(calls, host, rounds=1):
        unit = ticks(host.func, whole)
        return {name: ticks(call.func, whole) / unit for name, call in calls.items()}, unit

    monkeypatch.setattr("tickets.search.clock.shares", shares)


def test_prices_in_seconds_are_lines_through_what_blocks_take_and_add_up_to_the_host(monkeypatch):
    """The rest of the host 3; every block .5 and .1 a unit."""

    def whole(blocks):
        return 3 + sum(blocks)

    network = toy_network()
    ticking(monkeypatch, whole)
    price, there = in_time(network.host, SIZE), architecture_of(network.host)
    assert price.of(there) == pytest.approx(ticks(network.host, whole)) and price.rest == pytest.approx(3)
    assert list(price.blocks.values()) == pytest.approx([0.5] * len(there))
    halves = {name: {k: n // 2 for k, n in units.items()} for name, units in there.items()}
    assert price.of(halves) == pytest.approx(ticks(cut_copy(network, halves).host, whole))


def test_blocks_that_seem_to_take_more_than_their_host_are_scaled_to_it(monkeypatch):
    network = toy_network()
    ticking(monkeypatch, lambda blocks: sum(blocks) / 2)
    price = in_time(network.host, SIZE)
    assert price.rest == 0
    assert price.of(architecture_of(network.host)) == pytest.approx(ticks(network.host, lambda b: sum(b) / 2))


def test_calls_are_timed_in_turn_and_a_slow_phase_hits_all_alike(monkeypatch):
    now, done = [0.0], [0]

    def takes(seconds, ends=False):
        def call():
            now[0] += seconds * (10 if done[0] % 2 else 1)  # every other round is a slow one
            done[0] += ends
            return torch.zeros(1)

        return call

    monkeypatch.setattr("tickets.search.clock.time.thread_time", lambda: now[0])
    shares, seconds = clock.shares({"a": takes(1.0), "b": takes(3.0)}, takes(4.0, ends=True), rounds=8)
    assert shares == pytest.approx({"a": 0.25, "b": 0.75}) and seconds == 4.0


def test_bounds_fall_to_the_target_by_a_geometric_law():
    drawer = NetAdaptV2(macs_target=0.5)
    steps = [drawer.bound(1.0, k - 1) - drawer.bound(1.0, k) for k in range(1, 8)]
    assert drawer.bound(1.0, 7) == pytest.approx(0.5, abs=1e-9)
    assert 1 - drawer.bound(1.0, 0) == pytest.approx(0.07178, abs=1e-5)  # r0 of 8 iterations to a half
    assert all(b / a == pytest.approx(0.96) for a, b in pairwise(steps))


PRICE = Price(10.0, {"a": 0.0, "b": 0.0}, {"a": {3: 1.0, 5: 2.0}, "b": {3: 4.0}})
NOW = {"a": {3: 10, 5: 10}, "b": {3: 5}}


def test_a_proposal_by_hand(monkeypatch):
    """60 of 60 to 40: shares .5 and .5 of 20, within `a` .2 and .8: 2 units of 1, 4 of 2; of `b` 2 of 4 (8, not 10).

    What is still over the bound goes unit by unit: 2 MACs, here of kernel size 5 of `a`.
    """
    shares = iter([[0.5, 0.5], [0.2, 0.8], [1.0]])
    monkeypatch.setattr("tickets.search.descent._shares", lambda count, law: next(shares))
    monkeypatch.setattr("torch.randperm", lambda n, generator: torch.arange(n))
    monkeypatch.setattr("torch.randint", lambda n, shape, generator: torch.tensor(1))
    assert PRICE.of(NOW) == 60.0
    assert proposed(NOW, PRICE, 40.0, 2, True, generator(0)) == {"a": {3: 8, 5: 5}, "b": {3: 3}}


def test_proposals_meet_the_bound_change_as_many_blocks_as_asked_and_never_grow():
    for seed in range(50):
        found = proposed(NOW, PRICE, 45.0, 1, True, generator(seed))
        if found is not None:
            assert 45.0 - 4.0 < PRICE.of(found) <= 45.0
            assert sum(found[b] != NOW[b] for b in NOW) == 1
            assert all(found[b][k] <= NOW[b][k] for b in NOW for k in NOW[b])
    assert proposed(NOW, PRICE, 9.0, 0, True, generator(0)) is None
    spared = proposed(NOW, PRICE, 15.0, 0, False, generator(0))
    assert spared is not None and all(sum(units.values()) >= 1 for units in spared.values())


def request(**more) -> Request:
    return Request(SPEC, ToySource(), SETTINGS, 0.0, 0, **more)


@pytest.mark.parametrize("target", [0.5, 0.7])
def test_the_ticket_has_the_macs_asked_for_from_below_and_tells_its_way(target):
    ticket = drawn(NetAdaptV2(macs_target=target, **SMALL), request())
    whole = dense_macs(layer_costs(SPEC.build(), SIZE))
    unit = max(max(of.values()) for of in in_macs(SPEC.build(), SIZE).units.values())  # a few per cent of a toy
    assert target * whole - unit < ticket.costs(SIZE)["macs"] <= target * whole
    told = ticket.provenance["search"]
    assert told["resource"] == "macs" and told["full"] == pytest.approx(whole)
    assert [step["cost"] <= step["bound"] for step in told["path"]] == [True, True]


def test_a_random_architecture_is_trained_as_long_and_no_data_choose_it():
    ticket = drawn(DRAWERS.make("architecture/random"), request())
    whole = dense_macs(layer_costs(SPEC.build(), SIZE))
    assert 0.45 < ticket.costs(SIZE)["macs"] / whole <= 0.5
    searched = drawn(NetAdaptV2(**SMALL), request())
    assert ticket.provenance["spent"]["images"] < searched.provenance["spent"]["images"]


def test_what_is_spent_is_what_a_hand_counts(monkeypatch):
    """Three steps of the whole network, two of the found one, its recalibration, and what proposals computed."""
    costs = []
    score = NetAdaptV2._score

    def watched(self, training, units):
        twin = cut_copy(training.network, units)
        costs.append(dense_macs(layer_costs(twin, SIZE)))
        return score(self, training, units)

    monkeypatch.setattr(NetAdaptV2, "_score", watched)
    source, drawer = ToySource(), NetAdaptV2(**SMALL)
    ticket = drawn(drawer, request())
    whole = dense_macs(layer_costs(toy_network(), SIZE))
    found = dense_macs(layer_costs(ticket.network(source), SIZE))
    batch = source.batch_size
    scored = 2 * batch  # two batches are scored on, whatever is asked for
    search = sum(costs) * (2 * batch + scored)
    assert len(costs) == 4
    assert ticket.provenance["spent"]["macs"] == 3 * batch * (3 * whole + 2 * found) + batch * found + search


def test_killed_between_two_iterations_it_goes_on_to_the_same_ticket(tmp_path):
    drawer = NetAdaptV2(**SMALL)
    whole = drawn(drawer, request())
    for number in (4, 5):  # after three steps, at the beginning of the first iteration, and of the second
        path = tmp_path / f"{number}"
        with pytest.raises(Interrupted):
            drawer.draw(request(checkpoint=Stopping(path, number)))
        assert drawer.draw(request(checkpoint=Checkpoint(path))).hash == whole.hash


def test_a_latency_is_measured_fitted_and_told(monkeypatch):
    """By a clock by which a host takes more than its blocks do alone, so that their table would miss by far."""

    def whole(blocks):
        return 3 + sum(blocks) ** 1.3

    ticking(monkeypatch, whole)
    ticket = drawn(NetAdaptV2(**{**SMALL, "layers": 0}, latency_target=0.7), request())
    told, full = ticket.provenance["search"], ticks(SPEC.build(), whole)
    assert told["resource"] == "seconds" and told["full"] == pytest.approx(full)
    assert told["path"][-1]["cost"] == pytest.approx(ticks(ticket.build(), whole))
    assert told["path"][-1]["cost"] == pytest.approx(0.7 * full, rel=0.04)


def test_a_sample_that_misses_its_time_is_made_anew_by_what_it_gave_up():
    """From 60 to 38 by the prices, and to 49 by the clock, of 40: half of what prices say, so 20 are asked for next."""
    asked = []

    def again(bound):
        asked.append(bound)
        return {"a": {3: 0, 5: 5}, "b": {3: 0}}  # 20 by the prices

    first = {"a": {3: 10, 5: 5}, "b": {3: 2}}  # 38
    now = Found(NOW, 60.0)
    found = fitted(now, first, again, lambda units: 60 - (60 - PRICE.of(units)) / 2, PRICE, 40.0)
    assert asked == [20.0] and found == Found({"a": {3: 0, 5: 5}, "b": {3: 0}}, 40.0)


def test_a_latency_that_cannot_be_met_is_refused_before_any_step(monkeypatch):
    """Blocks that take a third of what they are part of."""
    ticking(monkeypatch, lambda blocks: 3 * sum(blocks) if len(blocks) == 6 else sum(blocks))
    report = []
    with pytest.raises(
        UserError, match=r"latency_target is 0.5: what cannot be searched takes 66.7% of the host's sec"
    ):
        NetAdaptV2(**SMALL, latency_target=0.5).draw(request(report=report.append))
    assert not report


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"macs_target": 1.2}, "macs_target is 1.2; give a share above 0 and below 1"),
        ({"latency_target": 1.0}, "latency_target is 1.0; give a share below 1"),
        ({"iterations": 0}, "iterations is 0; give a whole number of at least 1"),
        ({"decay": 0.0}, "decay is 0.0; give a factor above 0"),
        ({"layers": -1}, "layers is -1"),
        ({"layers": 40}, "layers is 40, and the host has 6 search blocks; give 1 to 6"),
        ({"macs_target": 0.02}, r"macs_target is 0.02: what cannot be searched takes \d+\.\d% of the host's MACs"),
    ],
)
def test_bad_options_are_told_in_one_sentence(options, told):
    with pytest.raises(UserError, match=told):
        NetAdaptV2(**options).check(SPEC, 0.0)


def test_a_bound_that_no_single_block_can_meet_is_told():
    with pytest.raises(UserError, match="no proposal met the bound in 1000 tries at iteration 1; give more layers"):
        drawn(NetAdaptV2(**{**SMALL, "iterations": 1, "layers": 1, "macs_target": 0.4}), request())


def test_pruning_on_top_keeps_the_architecture_and_the_count():
    base = drawn(NetAdaptV2(**SMALL), request())
    pruned = DRAWERS.make("omp@base=netadaptv2").draw(Request(SPEC, ToySource(), SETTINGS, 0.5, 0, {"base": base}))
    assert pruned.host.units == base.host.units
    assert pruned.prunable - pruned.kept == round(0.5 * pruned.prunable)


def test_the_average_is_cut_alike():
    network = scrambled()
    ema = Ema(network, 0.0)
    to = {name: {k: max(1, n // 2) for k, n in units.items()} for name, units in architecture_of(network.host).items()}
    cut(network, ema, torch.optim.SGD(network.parameters(), lr=1.0), to)
    assert all((live.all()) for live in live_units_mask(network, ema, 0.0, True).values())
    assert {name: t.shape for name, t in network.state_dict().items() if name in ema.values} == {
        name: t.shape for name, t in ema.values.items()
    }
