"""The faster convolutions compute what PyTorch's do: outputs, gradients, gradients of gradients."""

import pytest
import torch
import torch.nn.functional as F

from tickets.hosts.fastconv import depthwise, pointwise


def plain_depthwise(x, weight, stride):
    """PyTorch's own."""
    return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, groups=len(weight))


@pytest.mark.parametrize("kernel", [1, 3, 5, 7, 9])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 3), (1, 1)])
def test_depthwise_and_its_gradients_are_pytorch_s(kernel, stride, size):
    """Also where the kernel is wider than the map, and at odd sizes."""
    torch.manual_seed(kernel)
    x = torch.randn(2, 4, *size, dtype=torch.double).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(4, 1, kernel, kernel, dtype=torch.double, requires_grad=True)
    ours, theirs = depthwise(x, weight, stride), plain_depthwise(x, weight, stride)
    torch.testing.assert_close(ours, theirs)
    out = torch.randn_like(theirs)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight), out), torch.autograd.grad(theirs, (x, weight), out), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_second_gradients_exist_and_agree():
    """As Hessian-vector products need them."""
    torch.manual_seed(0)
    x = torch.randn(1, 2, 5, 5, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 1, 5, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda a, b: depthwise(a, b, 1), (x, weight))


def test_what_needs_no_gradient_gets_none():
    x, weight = torch.randn(1, 2, 6, 6, requires_grad=True), torch.randn(2, 1, 5, 5)
    depthwise(x, weight, 1).sum().backward()
    assert x.grad is not None and weight.grad is None
    with torch.no_grad():
        assert not depthwise(x, weight.requires_grad_(), 1).requires_grad


def test_pointwise_is_a_1x1_convolution():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 5, dtype=torch.double).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(6, 3, 1, 1, dtype=torch.double, requires_grad=True)
    ours, theirs = pointwise(x, weight), F.conv2d(x, weight)
    torch.testing.assert_close(ours, theirs)
    assert ours.is_contiguous(memory_format=torch.channels_last)
    out = torch.randn_like(theirs)
    for a, b in zip(
        torch.autograd.grad(ours, (x, weight), out), torch.autograd.grad(theirs, (x, weight), out), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_autocast_gives_what_pytorch_s_own_gives():
    x, weight = torch.randn(1, 2, 6, 6, requires_grad=True), torch.randn(2, 1, 5, 5, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = depthwise(x, weight, 1), plain_depthwise(x, weight, 1)
    assert ours.dtype == theirs.dtype == torch.bfloat16
    a, b = (torch.autograd.grad(out.sum(), weight)[0] for out in (ours, theirs))
    assert a.dtype == torch.float32
    torch.testing.assert_close(a, b, atol=0.1, rtol=0.05)
