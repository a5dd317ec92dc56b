"""Masks that last: zeros stay zeros in anybody's training, in either form, whatever computes the blocks."""

import copy

import pytest
import torch
from toy import SPEC, ToySource

from tickets.deploy.compact import compact
from tickets.drawers.base import Drawer, Request
from tickets.errors import UserError
from tickets.hosts.native import force, processor
from tickets.hosts.timm import TimmSpec
from tickets.pruning.lasting import FORMS, bake, lasting, masks_of, plain, zeros
from tickets.pruning.masks import keep_top, prunable
from tickets.ticket import Part, Ticket, copied
from tickets.training.settings import Settings

BEST = processor.usable()[-1].name
KERNELS = ("torch", BEST)


@pytest.fixture(scope="module")
def drawn():
    """A ticket of the toy supernet, whose blocks kernels of our own can compute."""
    return Drawer().draw(Request(SPEC, ToySource(), Settings(2, 0.01, calibration_batches=1), 0.7, 0))


@pytest.fixture(scope="module")
def residual():
    """A ticket of a timm host, of weights that nobody trained."""
    spec = TimmSpec("test_resnet")
    host = spec.initial(0)
    state, masks = copied(host), keep_top({n: w.detach().abs() for n, w in prunable(host).items()}, 0.8)
    return Ticket(spec, Part(masks, state, state))


@pytest.fixture(params=["drawn", "residual"])
def ticket(request):
    """Either of them."""
    return request.getfixturevalue(request.param)


def steps(host, optimiser, count=3, **options):
    """A user's own training loop on noise."""
    made = optimiser(host.train().parameters(), lr=0.05, weight_decay=0.1, **options)
    for _ in range(count):
        made.zero_grad()
        sum(one.pow(2).mean() for one in host(torch.randn(2, 3, 32, 32))).backward()
        made.step()
    return host


def same(one, other, image, tolerance=0.0):
    """See that two hosts give the same maps."""
    with torch.no_grad():
        for a, b in zip(one(image), other(image), strict=True):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def holds(host, ticket):
    """See that exactly the ticket's masks are in force: what is masked is zero, and what is kept was trained."""
    first, there = prunable(ticket.build()), prunable(bake(copy.deepcopy(host)))
    for name, mask in ticket.host.masks.items():
        assert not there[name][~mask].any(), name
        assert (there[name] != first[name].to(there[name].dtype))[mask].float().mean() > 0.5, name


@pytest.mark.parametrize("form", FORMS)
def test_a_masked_host_is_the_plain_one_until_it_is_trained(ticket, form):
    image = torch.randn(2, 3, 32, 32)
    host = ticket.build(masks=form)
    same(host, ticket.build(), image)
    masks = masks_of(host)
    assert masks.keys() == ticket.host.masks.keys()
    assert all(torch.equal(masks[name], mask) for name, mask in ticket.host.masks.items())
    assert list(bake(host).state_dict()) == list(ticket.build().state_dict()) and masks_of(host) == {}
    same(host, ticket.build(), image)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("optimiser", "options"), [(torch.optim.Adam, {}), (torch.optim.SGD, {"momentum": 0.9})])
def test_zeros_stay_zeros_under_anybody_s_optimiser(ticket, form, kernels, optimiser, options):
    with force.using(kernels, 1):
        host = steps(ticket.build(masks=form), optimiser, **options)
        holds(host, ticket)
        image = torch.randn(2, 3, 32, 32)
        same(host.eval(), bake(copy.deepcopy(host)), image, 1e-3)


def test_without_masks_they_do_not(ticket):
    """What the default of `build` leaves: a plain module, as before."""
    host = ticket.build()
    assert masks_of(host) == {} and not any("mask" in name for name in host.state_dict())
    steps(host, torch.optim.SGD, 1)
    assert any(bool(prunable(host)[name][~mask].any()) for name, mask in ticket.host.masks.items())


def test_kernels_of_our_own_train_the_masked_weights_as_pytorch_does(drawn):
    def trained(kernels):
        torch.manual_seed(0)
        with force.using(kernels, 1):
            return steps(drawn.build(masks="parametrize"), torch.optim.SGD, momentum=0.9).state_dict()

    one, other = map(trained, KERNELS)
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], rtol=1e-3, atol=1e-4, msg=name)


def test_second_derivatives_are_of_the_masked_weights(drawn):
    """The gradient of a gradient's norm, by kernels of our own and by PyTorch."""

    def of(kernels):
        host, image = drawn.build(masks="parametrize").train(), torch.linspace(-1, 1, 2 * 3 * 32 * 32)
        with force.using(kernels, 1):
            loss = sum(one.pow(2).mean() for one in host(image.view(2, 3, 32, 32)))
            grads = torch.autograd.grad(loss, list(host.parameters()), create_graph=True)
            sum(grad.pow(2).sum() for grad in grads).backward()
        return {name: weight.grad for name, weight in host.named_parameters()}

    one, other = map(of, KERNELS)
    for name, grad in one.items():
        torch.testing.assert_close(grad, other[name], rtol=1e-2, atol=1e-2 * other[name].abs().max().item(), msg=name)


@pytest.mark.parametrize("form", FORMS)
def test_a_state_dict_is_loaded_into_a_fresh_host_with_the_same_masks(ticket, form, tmp_path):
    host = steps(ticket.build(masks=form), torch.optim.AdamW)
    torch.save(host.state_dict(), tmp_path / "mine.pt")
    fresh = ticket.build(masks=form)
    fresh.load_state_dict(torch.load(tmp_path / "mine.pt", weights_only=True))
    same(fresh.eval(), host.eval(), torch.randn(1, 3, 32, 32))
    holds(steps(fresh, torch.optim.Adam), ticket)


@pytest.mark.parametrize("form", FORMS)
def test_a_copy_is_trained_apart_and_keeps_its_zeros(ticket, form):
    host = steps(ticket.build(masks=form), torch.optim.SGD)
    twin = steps(copy.deepcopy(host), torch.optim.AdamW)
    holds(twin, ticket)
    holds(host, ticket)
    assert any(not torch.equal(a, b) for a, b in zip(host.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("form", FORMS)
def test_another_dtype_keeps_the_masks(ticket, form):
    host = ticket.build(masks=form).to(torch.float64).train()
    made = torch.optim.Adam(host.parameters(), lr=0.01, weight_decay=0.1)
    sum(one.pow(2).mean() for one in host(torch.randn(2, 3, 32, 32, dtype=torch.float64))).backward()
    made.step()
    host.eval()(torch.randn(1, 3, 32, 32, dtype=torch.float64))
    there = prunable(bake(host))
    assert {one.dtype for one in there.values()} == {torch.float64}
    assert all(not there[name][~mask].any() for name, mask in ticket.host.masks.items())


def test_what_lies_below_a_mask_does_not_matter():
    """As Adam in half precision leaves it, whose zero over zero is no number."""
    layer = lasting(torch.nn.Linear(2, 2, bias=False), {"weight": torch.eye(2).bool()})
    layer.weight = torch.tensor([[2.0, float("nan")], [float("inf"), 3.0]])
    assert layer(torch.ones(1, 2)).tolist() == [[2.0, 3.0]] and bake(layer).weight.tolist() == [[2.0, 0.0], [0.0, 3.0]]


@pytest.mark.parametrize("form", FORMS)
def test_a_masked_host_is_compacted_as_the_plain_one_is(ticket, form):
    image, host = torch.randn(2, 3, 32, 32), ticket.build(masks=form)
    small = compact(host)
    same(small, compact(ticket.build()), image)
    assert masks_of(small) == {} and masks_of(host)


@pytest.mark.parametrize("form", FORMS)
def test_a_compacted_host_keeps_the_zeros_that_are_left(ticket, form):
    small = compact(ticket.build())
    wanted = zeros(small)
    host = steps(lasting(small, form=form), torch.optim.AdamW)
    there = prunable(bake(host))
    assert any(not mask.all() for mask in wanted.values())
    assert all(not there[name][~mask].any() for name, mask in wanted.items())


def test_a_plain_module_is_returned_as_it_is(residual):
    host = residual.build()
    assert plain(host) is host and bake(host) is host


def test_an_unknown_form_is_named(residual):
    with pytest.raises(UserError, match=r"unknown form of masks 'hooks'\. Known: parametrize, prune"):
        residual.build(masks="hooks")
