"""Triton's depthwise convolutions against float64; without a GPU in Triton's interpreter, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tickets.hosts import triton
from tickets.hosts.blocks import Norm, SearchBlock
from tickets.hosts.native import force
from tickets.hosts.triton import depthwise as module
from tickets.hosts.triton.depthwise import depthwise

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
runs_kernels = pytest.mark.skipif(DEVICE == "cpu" and not IS_INTERPRETED, reason="the last test here runs it")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """So few pixels a program that small maps need several; the interpreter is slow."""
    for name, value in {"PIXELS": 32, "CHANNELS": 4, "ROUNDS": 2}.items():
        monkeypatch.setattr(module, name, value)
    module._bands.cache_clear()


def inputs(sizes, size, dtype=torch.float32):
    """A map and the kernels of its channels, by (channels, size of kernels)."""
    torch.manual_seed(0)
    x = torch.randn(2, sum(n for n, _ in sizes), *size).to(DEVICE, dtype).requires_grad_()
    return x, [torch.randn(n, 1, k, k).to(DEVICE, dtype).requires_grad_() for n, k in sizes]


def by_torch(x, weights, stride):
    """PyTorch's, a convolution by size."""
    parts = zip(x.split([len(w) for w in weights], 1), weights, strict=True)
    return torch.cat([F.conv2d(p, w, None, stride, w.shape[-1] // 2, 1, len(w)) for p, w in parts], 1)


def double(x, weights):
    return [t.detach().double().requires_grad_() for t in (x, *weights)]


@runs_kernels
@pytest.mark.parametrize(
    ("sizes", "size", "stride", "dtype"),
    [
        (((2, 3), (5, 5), (1, 7)), (7, 9), 1, torch.float32),
        (((2, 3), (5, 5), (1, 7)), (5, 6), 2, torch.float32),
        (((2, 3), (1, 5)), (2, 5), 2, torch.bfloat16),
        (((3, 5),), (6, 7), 2, torch.float32),
        (((3, 3),), (1, 1), 1, torch.float32),
    ],
)
def test_it_and_its_gradients_are_those_of_float64_and_the_same_again(sizes, size, stride, dtype):
    x, weights = inputs(sizes, size, dtype)
    x64, *weights64 = double(x, weights)
    truth = by_torch(x64, weights64, stride)
    grad = torch.randn_like(truth).to(dtype)
    truths = [truth, *torch.autograd.grad(truth, [x64, *weights64], grad.double())]

    def passed():
        out = depthwise(x, weights, stride)
        assert out.is_contiguous(memory_format=torch.channels_last)
        return [out, *torch.autograd.grad(out, [x, *weights], grad)]

    found = passed()
    near = 1e-6 if dtype == torch.float32 else 2**-7
    for ours, true in zip(found, truths, strict=True):
        assert ours.dtype == dtype and ours.shape == true.shape
        assert (ours.double() - true).abs().max() <= near * true.abs().max()
    if dtype == torch.bfloat16 or DEVICE == "cuda":  # the interpreter is too slow to repeat all
        assert all(torch.equal(a, b) for a, b in zip(found, passed(), strict=True))


@runs_kernels
def test_second_derivatives_are_pytorch_s():
    x, weights = inputs(((1, 3), (2, 5)), (4, 5))
    x64, *weights64 = double(x, weights)
    found = []
    for function, tensors in ((depthwise, (x, *weights)), (by_torch, (x64, *weights64))):
        out = function(tensors[0], tensors[1:], 2)
        first = torch.autograd.grad(out.square().sum(), tensors, create_graph=True)
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), tensors))
    for ours, true in zip(*found, strict=True):
        torch.testing.assert_close(ours.double(), true, rtol=1e-4, atol=1e-4 * float(true.abs().max()))


@runs_kernels
def test_autocast_computes_in_its_type_and_weights_get_their_own():
    x, weights = inputs(((1, 3), (2, 5)), (4, 5))
    found = []
    for function in (depthwise, by_torch):
        with torch.autocast(DEVICE, torch.bfloat16):
            out = function(x, weights, 1)
        found.append([out, *torch.autograd.grad(out.float().square().sum(), [x, *weights])])
    for ours, theirs in zip(*found, strict=True):
        assert ours.dtype == theirs.dtype
        torch.testing.assert_close(
            ours.float(), theirs.float(), rtol=0.02, atol=0.02 * float(theirs.detach().abs().max())
        )


@runs_kernels
def test_a_block_in_training_is_computed_by_them_where_they_are_in_force(monkeypatch):
    monkeypatch.setattr(module, "serves", lambda x: True)  # whatever the device
    calls = []
    monkeypatch.setattr(module, "depthwise", lambda *given: calls.append(given) or depthwise(*given))
    block = SearchBlock(2, 2, 2, {3: 2, 7: 1}, Norm()).to(DEVICE)
    x = torch.randn(2, 2, 5, 6, device=DEVICE)
    theirs = block._at_once(x)
    assert not calls
    with force.using("triton"):
        torch.testing.assert_close(block._at_once(x), theirs, rtol=1e-4, atol=1e-5)
        assert len(calls) == 1
        block.eval()._at_once(x)  # hooks of modules are called in evaluation
    assert len(calls) == 1


def test_on_the_cpu_they_change_nothing_and_threads_stay():
    block, x = SearchBlock(2, 2, 1, {3: 2}, Norm()), torch.randn(2, 2, 4, 4)
    before = torch.get_num_threads()
    theirs = block(x)
    with force.using("triton"):
        assert force.now() is None and torch.equal(block(x), theirs)
    with force.using("triton", 2):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before and not force.has_triton()


@pytest.mark.skipif(not triton.is_installed(), reason="Triton is not installed")
@pytest.mark.skipif(IS_INTERPRETED, reason="runs the others")
def test_the_kernels_in_triton_s_interpreter():
    """Triton must find the variable when it is first imported."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", __file__]
    env = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    env.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "9 passed, 1 skipped" in done.stdout
