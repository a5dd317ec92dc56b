"""Host: a small plain convolutional pyramid."""

from dataclasses import dataclass

from torch import nn

from tickets import HostSpec


@dataclass(frozen=True)
class Pyramid(HostSpec):
    """Two strided convolutions, then one more for each further map.

    Args:
        width: channels of the first map, at a quarter of the image's size; each further one has half as many more.
        levels: maps, at least 1.
    """

    kind = "pyramid"
    width: int = 16
    levels: int = 3

    def build(self, units=None):
        return Layers([self.width + self.width // 2 * level for level in range(self.levels)])


def conv(width_in, width_out):
    return nn.Sequential(nn.Conv2d(width_in, width_out, 3, 2, 1, bias=False), nn.BatchNorm2d(width_out), nn.ReLU())


class Layers(nn.Module):
    def __init__(self, widths):
        super().__init__()
        self.features = [(width, 4 * 2**level) for level, width in enumerate(widths)]
        self.stem = conv(3, widths[0])
        self.levels = nn.ModuleList(conv(a, b) for a, b in zip([widths[0], *widths], widths, strict=False))

    def forward(self, image):
        x, maps = self.stem(image), []
        for level in self.levels:
            maps.append(x := level(x))
        return maps
