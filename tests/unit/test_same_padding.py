"""Networks whose padding depends on the sides are exported with free ones, in steps that leave the padding as it is."""

import pytest
import torch
from timm.layers import AvgPool2dSame, Conv2dSame
from torch import nn

from tickets.deploy.export import Face, inference_session, to_onnx
from tickets.deploy.same import STEP, pads_by_side, settled


class Stack(nn.Module):
    """Layers, their output alone in a list."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, image):
        return [self.layers(image)]


def stack():
    torch.manual_seed(0)
    strided = (Conv2dSame(channels, 4, kernel, 2) for channels, kernel in ((3, 3), (4, 5), (4, 3), (4, 5), (4, 2)))
    return Stack(*strided).eval()


def images(height, width):
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_constant_padding_is_that_of_every_multiple_of_the_stride():
    module = stack()
    constant = settled(module, images(32, 64))
    assert pads_by_side(module) and not pads_by_side(constant)
    assert [one.data_ptr() for one in constant.parameters()] == [one.data_ptr() for one in module.parameters()]
    for sides in ((32, 32), (96, 160)):
        assert torch.equal(constant(images(*sides))[0], module(images(*sides))[0])
    assert constant(images(33, 32))[0].shape != module(images(33, 32))[0].shape  # elsewhere it is another network


def test_there_is_none_at_other_sides_or_for_other_layers():
    assert settled(stack(), images(50, 64)) is None
    assert settled(Stack(AvgPool2dSame(3, 2)), images(64, 64)) is None
    assert settled(Stack(Conv2dSame(3, 4, 3, 3)), images(96, 96)) is None  # 32 is no multiple of its stride


@pytest.mark.filterwarnings("ignore")  # of the exporter
def test_such_a_file_takes_multiples_of_the_step(tmp_path):
    module = stack()
    file = tmp_path / "free.onnx"
    to_onnx(settled(module, images(64, 96)), (64, 96), file, Face(free_sides=True, step=STEP))
    (got,) = inference_session(file).run(None, {"image": images(128, 64).numpy()})
    assert torch.allclose(torch.from_numpy(got), module(images(128, 64))[0], atol=1e-5)
