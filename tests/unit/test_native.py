"""The native search block is the block: outputs, gradients, statistics; the same bits however it is run."""

from __future__ import annotations

import copy
import threading

import compiler
import pytest
import torch
from torch import nn

from tickets.hosts.blocks import Norm, SearchBlock
from tickets.hosts.native import block as native
from tickets.hosts.native import force, memory, processor, stem
from tickets.hosts.supernet import Supernet, preset
from tickets.pruning.masks import keep_top
from tickets.search.searchable import live_units
from tickets.training.ema import recalibrate
from tickets.training.masking import Reparam
from tickets.training.network import Network

pytestmark = compiler.needed
BEST, *OTHERS = (one.name for one in processor.usable())
CASES = [  # in, out, stride, units, (height, width), batch
    (12, 12, 1, {3: 24, 5: 24, 7: 24}, (16, 16), 4),
    (12, 24, 2, {3: 24, 5: 24, 7: 24}, (16, 16), 4),
    (24, 12, 1, {3: 48, 5: 48, 7: 48}, (8, 8), 3),
    (40, 40, 1, {3: 80, 5: 80, 7: 80}, (4, 4), 9),
    (18, 36, 2, {3: 72, 5: 72, 7: 72}, (28, 28), 2),
    (72, 144, 2, {3: 17, 5: 1, 7: 40}, (14, 14), 3),
    (144, 144, 1, {3: 33, 7: 90}, (7, 7), 8),
    (36, 72, 1, {3: 5}, (9, 13), 5),
    (36, 72, 2, {7: 5}, (9, 13), 5),
    (20, 30, 2, {5: 19}, (13, 9), 5),
    (8, 8, 1, {3: 1, 7: 2}, (3, 5), 17),
    (8, 4, 2, {3: 3, 5: 7, 7: 16}, (5, 3), 6),
    (3, 5, 2, {3: 3, 5: 7, 7: 16}, (2, 1), 6),
    (25, 49, 2, {3: 31, 5: 64, 7: 16}, (32, 31), 3),
    (49, 25, 1, {3: 31, 5: 64, 7: 16}, (11, 17), 3),
    (160, 100, 1, {3: 31, 5: 64, 7: 16}, (6, 30), 2),
]


def made(case, dtype=torch.float32):
    """A block whose norms are nowhere near their start, and images with correlated channels."""
    width_in, width_out, stride, units, size, batch = case
    torch.manual_seed(sum(units.values()) + width_in)
    block = SearchBlock(width_in, width_out, stride, units, Norm()).to(dtype)
    for norm in (block.expand_bn, block.depthwise_bn, block.project_bn):
        nn.init.normal_(norm.weight, 1, 0.3), nn.init.normal_(norm.bias, 0, 0.3), nn.init.normal_(norm.running_mean)
    x = torch.randn(batch, width_in, *size, dtype=dtype).relu() + 0.3 * torch.randn(width_in, 1, 1, dtype=dtype)
    return block.train(), x.contiguous(memory_format=torch.channels_last)


def passed(block, x, kernels, threads=1):
    """Output, gradients and statistics of one training step of a copy, by name."""
    block, x = copy.deepcopy(block), x.clone().requires_grad_()
    weight = torch.randn(1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(x.dtype)
    with force.using(kernels, threads):
        out = block(x)
        weight = weight[: out.shape[1], None, None] * weight[100 : 100 + out.shape[2], None] + weight[: out.shape[3]]
        (out * weight + out * out * 0.3).sum().backward()
    found = {"out": out.detach(), "x": x.grad, **{name: p.grad for name, p in block.named_parameters()}}
    return found | {name: buffer.clone() for name, buffer in block.named_buffers()}


def distances(found, wanted):
    """The largest difference of each tensor, as a share of the largest value."""
    assert found.keys() == wanted.keys()
    pairs = {name: (found[name].double(), wanted[name].double()) for name in wanted}
    return {name: float((a - b).abs().max() / b.abs().max().clamp(min=1e-9)) for name, (a, b) in pairs.items()}


def same(found, wanted):
    """Whether all bits are the same."""
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.fixture
def by_torch(monkeypatch):
    """Fails the test where native kernels are called."""

    def called(*args):
        raise AssertionError("native kernels were called")

    monkeypatch.setattr(native, "run", called)
    monkeypatch.setattr(stem, "run", called)


@pytest.mark.parametrize("case", CASES)
def test_a_block_is_pytorch_s_in_double(case):
    block, x = made(case, torch.double)
    errors = distances(passed(block, x, BEST, 2), passed(block, x, "torch"))
    assert max(errors.values()) < 1e-12, errors


@pytest.mark.parametrize("kernels", [BEST, *OTHERS])
@pytest.mark.parametrize("case", CASES)
def test_in_float32_it_is_no_further_from_the_truth_than_pytorch_is(case, kernels):
    """A sum in another order may be off by as much; rounding is compared, so a factor of it is left."""
    block, x = made(case)
    truth = passed(copy.deepcopy(block).double(), x.double(), "torch")
    ours, theirs = (distances(passed(block, x, one), truth) for one in (kernels, "torch"))
    assert max(ours.values()) < max(4 * max(theirs.values()), 2e-5), (ours, theirs)


@pytest.mark.parametrize("case", CASES)
def test_the_same_bits_come_again_with_any_number_of_threads(case):
    block, x = made(case)
    once = passed(block, x, BEST, 1)
    for threads in (1, 2, 3, 8):
        assert same(passed(block, x, BEST, threads), once), threads


def test_the_same_bits_come_from_python_threads_at_once():
    blocks = [made(case) for case in CASES[:6]]
    alone = [passed(block, x, BEST) for block, x in blocks]
    found = {}

    def work(number):
        block, x = copy.deepcopy(blocks[number][0]), blocks[number][1].clone().requires_grad_()
        for _ in range(20):
            out = native.run(block, x, force.Force(BEST, 1))
            found.setdefault(number, []).append(out.detach())
            out.sum().backward()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(blocks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, wanted in enumerate(alone):
        assert len(found[number]) == 20 and all(torch.equal(out, wanted["out"]) for out in found[number])


def test_helping_threads_treat_denormal_numbers_as_the_caller_does():
    """Projected values so small that a thread which flushes them to zero leaves another running mean."""
    block, x = made(CASES[0])
    nn.init.zeros_(block.project_bn.running_mean)
    with torch.no_grad():
        block.project.weight.mul_(1e-38)
    means = {}
    for flush in (False, True):
        torch.set_flush_denormal(flush)
        try:
            ways = [passed(block, x, BEST, threads)["project_bn.running_mean"] for threads in (1, 2, 4)]
        finally:
            torch.set_flush_denormal(False)
        assert torch.equal(ways[0], ways[1]) and torch.equal(ways[0], ways[2])
        means[flush] = ways[0]
    assert means[False].any() and not torch.equal(means[False], means[True])


def test_evaluation_and_recalibration_are_pytorch_s():
    """With running statistics, and in training without gradients, momentum None included."""
    with force.using("torch", 1):
        host = Supernet(preset("tiny"))
    for norm in (m for m in host.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_var, 0.5, 2), nn.init.normal_(norm.running_mean, 0, 0.1)
    images = torch.randn(3, 6, 3, 64, 64)
    found = {}
    for kernels in ("torch", BEST):
        twin = copy.deepcopy(host).eval()
        with force.using(kernels, 2), torch.no_grad():
            before = twin(images[0])
            recalibrate(twin, images)
            found[kernels] = [*before, *twin(images[0]), *(b.double() for b in twin.buffers())]
    for ours, theirs in zip(found[BEST], found["torch"], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_evaluation_has_the_same_bits_with_any_number_of_threads():
    block, x = made(CASES[5])
    block.eval()
    outs = []
    for threads in (1, 2, 5):
        with force.using(BEST, threads), torch.no_grad():
            outs.append(block(x))
    assert torch.equal(outs[0], outs[1]) and torch.equal(outs[0], outs[2])
    with torch.no_grad():
        torch.testing.assert_close(outs[0], block(x), rtol=1e-4, atol=1e-4)


def test_masked_weights_and_frozen_ones_get_the_gradients_that_pytorch_gives():
    torch.manual_seed(0)
    host = Supernet(preset("tiny")).double().to(memory_format=torch.channels_last)
    masks = keep_top({f"host.{n}": w.detach().abs() for n, w in host.named_parameters() if w.dim() == 4}, 0.8)
    image = torch.randn(4, 3, 64, 64, dtype=torch.double).contiguous(memory_format=torch.channels_last)
    host.fuses[0].paths["0to0"].expand.weight.requires_grad_(False)
    found = {}
    for kernels in ("torch", BEST):
        network = Network(copy.deepcopy(host), nn.Identity(), masks, Reparam()).train()
        with force.using(kernels, 1):
            sum(m.square().mean() for m in network(image)).backward()
        found[kernels] = {n: p.grad for n, p in network.named_parameters()}
    ours, theirs = found[BEST], found["torch"]
    assert [n for n, g in ours.items() if g is None] == [n for n, g in theirs.items() if g is None] != []
    for name, grad in theirs.items():
        if grad is not None:
            torch.testing.assert_close(ours[name], grad, rtol=1e-8, atol=1e-10 * float(grad.abs().max()))
    for name, mask in masks.items():
        assert ours[name] is None or not ours[name][~mask].any()


def test_second_derivatives_are_pytorch_s():
    block, x = made((4, 6, 2, {3: 3, 5: 2}, (5, 6), 3), torch.double)
    x.requires_grad_()
    found = []
    for kernels in ("torch", BEST):
        twin = copy.deepcopy(block)
        with force.using(kernels, 1):
            inputs = [x, *twin.parameters()]
            first = torch.autograd.grad(twin(x).pow(3).sum(), inputs, create_graph=True)
            found.append([*first, *torch.autograd.grad(sum(g.square().sum() for g in first), inputs)])
            found[-1] += [b.double() for b in twin.buffers()]
    for ours, theirs in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_where_the_kernels_cannot_serve_pytorch_computes(by_torch):
    block, x = made(CASES[0])
    with force.using(BEST, 1):
        with torch.autocast("cpu", torch.bfloat16):
            assert block(x).isfinite().all()
        assert block(x.half().float().to(torch.bfloat16).float()[:0]).shape[0] == 0  # no image at all
        block.eval()
        assert block(x).requires_grad  # gradients of an evaluation
        seen = []
        block.expand.register_forward_hook(lambda *_: seen.append(1))
        with torch.no_grad():
            block(x)
        assert seen  # hooks of inner modules are called
        assert copy.deepcopy(block).to("meta")(x.to("meta")).device.type == "meta"


def test_without_any_in_force_pytorch_computes(by_torch):
    block, x = made(CASES[0])
    assert block(x).requires_grad and force.now() is None


def test_with_kernels_in_force_pytorch_has_one_thread_and_all_is_put_back():
    torch.set_num_threads(2)
    try:
        with force.using(BEST):
            assert torch.get_num_threads() == 1 and force.now() == force.Force(BEST, 2)
            with force.using("torch", 3):
                assert torch.get_num_threads() == 3 and force.now() is None
            assert torch.get_num_threads() == 1 and force.now() == force.Force(BEST, 2)
        assert torch.get_num_threads() == 2 and force.now() is None
    finally:
        torch.set_num_threads(1)


def test_what_a_search_leaves_is_computed_too():
    """Blocks of other numbers of units, of one kernel size, and without any."""
    left = {name: {3: 5, 5: 0, 7: 1 + number} for number, name in enumerate(live_units(Supernet(preset("tiny"))))}
    left["branches.0.0.0"] = {3: 0, 5: 0, 7: 0}
    left["fuses.1.new"] = {3: 0, 5: 9, 7: 0}
    torch.manual_seed(0)
    host, x = Supernet(preset("tiny"), left).double(), torch.randn(4, 3, 64, 64, dtype=torch.double)
    found = []
    for kernels in ("torch", BEST):
        twin = copy.deepcopy(host).train()
        with force.using(kernels, 1):
            maps = twin(x)
            found.append([*maps, *torch.autograd.grad(sum(m.square().mean() for m in maps), list(twin.parameters()))])
    for ours, theirs in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10 * float(theirs.detach().abs().max()))


LAYERS = [  # in, out, (height, width), batch
    (3, 12, (64, 64), 5),
    (12, 12, (32, 32), 9),
    (3, 24, (33, 31), 3),
    (24, 24, (7, 9), 5),
    (20, 33, (5, 4), 9),
    (4, 4, (1, 1), 9),
    (3, 8, (3, 2), 1),
]


def layer(case, dtype=torch.double):
    """A convolution, a batch norm and images."""
    width_in, width_out, size, batch = case
    torch.manual_seed(width_out)
    conv, norm = nn.Conv2d(width_in, width_out, 3, 2, 1, bias=False), nn.BatchNorm2d(width_out)
    nn.init.normal_(norm.weight, 1, 0.3), nn.init.normal_(norm.bias)
    return conv.to(dtype), norm.to(dtype), torch.randn(batch, width_in, *size, dtype=dtype)


def through(case, kernels, threads=1, dtype=torch.double, second=False):
    """What a layer gives in training and in evaluation, its gradients and statistics."""
    conv, norm, x = layer(case, dtype)
    x.requires_grad_()
    with force.using(kernels, threads):
        native_run = force.now() and (lambda: stem.run(conv, norm, x, force.now()))
        run = native_run or (lambda: torch.relu(norm(conv(x))))
        inputs = [x, conv.weight, norm.weight, norm.bias]
        grads = torch.autograd.grad(run().pow(3).sum(), inputs, create_graph=second)
        if second:
            return [*grads, *torch.autograd.grad(sum(g.square().sum() for g in grads), inputs)]
        norm.eval()
        with torch.no_grad():
            return [*grads, run(), *(b.to(dtype) for b in norm.buffers())]


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_of_the_stem_is_pytorch_s_in_double(case):
    for ours, theirs in zip(through(case, BEST, 2), through(case, "torch"), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11 * max(1.0, float(theirs.abs().max())))


@pytest.mark.parametrize("case", LAYERS)
def test_a_layer_of_the_stem_has_the_same_bits_with_any_number_of_threads(case):
    once = through(case, BEST, 1, torch.float32)
    for threads in (1, 2, 8):
        again = through(case, BEST, threads, torch.float32)
        assert all(torch.equal(a, b) for a, b in zip(again, once, strict=True)), threads


@pytest.mark.parametrize("case", LAYERS[:4])
def test_weights_that_lie_otherwise_are_held_until_the_kernels_are_done(case):
    """As those of a network in channels_last, whose copies would else be memory that others write to."""
    conv, norm, x = layer(case)
    expected = torch.relu(norm(conv(x)))
    conv.to(memory_format=torch.channels_last)
    assert case[0] == 1 or not conv.weight.is_contiguous()
    empty = torch.empty

    def written_to(*args, **kwargs):
        for size in (conv.weight.numel(), norm.weight.numel()):
            empty(size, dtype=torch.double).fill_(torch.nan)  # what was given back is given out again
        return empty(*args, **kwargs)

    with force.using(BEST, 1), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "empty", written_to)
        at = memory.at
        patch.setattr(memory, "at", lambda tensor: written_to(1) is None or at(tensor))
        found = stem.run(conv, norm, x, force.now())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_second_derivatives_of_a_layer_are_pytorch_s():
    case = (3, 4, (6, 5), 3)
    for ours, theirs in zip(through(case, BEST, second=True), through(case, "torch", second=True), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def test_a_supernet_runs_its_stem_and_all_its_blocks_by_the_kernels(monkeypatch):
    calls = []
    for module in (native, stem):
        run = module.run
        monkeypatch.setattr(module, "run", lambda *args, run=run: calls.append(run) or run(*args))
    host = Supernet(preset("tiny"))
    with force.using(BEST, 1):
        host(torch.randn(2, 3, 32, 32))
    assert len(calls) == 2 + len(live_units(host))
