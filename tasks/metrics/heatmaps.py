"""Heat maps of joints: what is trained on, and how places and confidences are read from them, by objective.

Lengths in input pixels, pixel centres at integers. An input of W pixels has a map of w cells, of stride W / w.
The two objectives lay the cells differently, and each mirrors its maps accordingly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.metrics.mixture import mixture
from tickets.source import Reduction, divergence


class Codec(Protocol):
    """One objective: loss, and reading of maps (B, K, h, w) that stand for inputs of `size`, (H, W)."""

    shift: int  # cells that a map moves to the right when it is mirrored

    def loss(self, outputs: Tensor, points: Tensor, visible: Tensor, size: tuple[int, int]) -> Tensor:
        """The loss of outputs against joints (B, K, 2), of which `visible` bool (B, K) count; a scalar."""
        ...

    def imitation(
        self, outputs: Tensor, teacher: Tensor, visible: Tensor, temperature: float, reduction: Reduction
    ) -> Tensor:
        """The loss of outputs against a teacher's of that shape, as `tickets.source.Source.imitation`; a scalar."""
        ...

    def perfect(self, points: Tensor, shape: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """Outputs (B, K, h, w), (h, w) the shape, that say that the joints (B, K, 2) are where they are."""
        ...

    def merge(self, outputs: Sequence[Tensor]) -> Tensor:
        """One network's outputs from those of several, as their mean."""
        ...

    def maps(self, outputs: Tensor) -> Tensor:
        """A network's outputs as maps that `points` and `confidence` read, float32."""
        ...

    def points(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Joints float32 (B, K, 2), x and y in input pixels; NaN for a map whose peak is not finite."""
        ...

    def confidence(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """How sure each joint is, float32 (B, K): about 1 where the map looks as the target does."""
        ...


class Likelihood:
    """Outputs are logits of where a joint is: cross entropy against a Gaussian of sum 1, read by a parabola.

    The centre of cell j lies at stride * j + (stride - 1) / 2, so that mirrored maps fit without a shift.
    """

    shift = 0
    spread = 0.03  # standard deviation of the target, of the input's shorter side

    def loss(self, outputs: Tensor, points: Tensor, visible: Tensor, size: tuple[int, int]) -> Tensor:
        """Cross entropy over a map's cells, the mean over visible joints; 0 where there are none.

        Compared on figures after 800 steps of 64 images (a 0.12 M-parameter network, AdamW at 6e-3, maps of
        stride 4): PCK@0.2 0.69, against 0.25 with the visibility-weighted squared error on heat maps, which
        spends its first hundreds of steps on predicting nothing anywhere.
        """
        target = gaussians(points, sides(outputs), size, self.spread * min(size))
        cross = -(target.flatten(2) * F.log_softmax(outputs.float().flatten(2), 2)).sum(2)
        return (cross * visible).sum() / visible.sum().clamp_min(1)

    def imitation(
        self, outputs: Tensor, teacher: Tensor, visible: Tensor, temperature: float, reduction: Reduction
    ) -> Tensor:
        """T^2 KL over a map's cells, the mean over visible joints; 0 where there are none."""
        apart = divergence(outputs.flatten(2), teacher.flatten(2), temperature, 2, reduction)
        return (apart * visible).sum() / visible.sum().clamp_min(1)

    def perfect(self, points: Tensor, shape: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """Logarithms of Gaussians with a spread of two pixels, or half a cell."""
        return gaussians(points, shape, size, 2.0).clamp_min(1e-30).log()

    def merge(self, outputs: Sequence[Tensor]) -> Tensor:
        """The logarithm of the mean probabilities over each map's cells."""
        return mixture([one.flatten(2) for one in outputs], 2).view(outputs[0].shape)

    def maps(self, outputs: Tensor) -> Tensor:
        """Probabilities, of sum 1 over each map's cells."""
        return outputs.float().flatten(2).softmax(2).view(outputs.shape)

    def points(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """The highest cell, refined by a parabola; see `decode`."""
        return decode(maps, size)

    def confidence(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """The peak as a share of that of a target centred on a cell, at most 1."""
        middle = torch.tensor([[[stride * (cells // 2 + 0.5) - 0.5 for stride, cells in _strides(maps, size)]]])
        best = gaussians(middle, sides(maps), size, self.spread * min(size)).max()
        return (maps.flatten(2).amax(2) / best.to(maps.device)).clamp_max(1.0)


class Regression:
    """Outputs are the heat maps: half the squared error against Gaussians of height 1, read to a quarter cell.

    As HRNet (Sun et al., CVPR 2019) and the SuperTickets release have it, cell j stands for the place stride * j,
    counted from the input's edge, which is 0.5 less counted from pixel centres. A mirror then takes cell j to w - j,
    not w - 1 - j: mirrored maps fit after a shift by one cell, exactly. A joint within half a cell of the right or
    lower edge is read at the last cell.
    """

    shift = 1

    def loss(self, outputs: Tensor, points: Tensor, visible: Tensor, size: tuple[int, int]) -> Tensor:
        """0.5 x the squared error, its mean over cells, joints and samples; joints not visible count as right."""
        return self._error(outputs, self.targets(points, sides(outputs), size), visible)

    def imitation(
        self, outputs: Tensor, teacher: Tensor, visible: Tensor, temperature: float, reduction: Reduction
    ) -> Tensor:
        """The loss with the teacher's maps for targets; a mean as it stands, which no temperature changes."""
        return self._error(outputs, teacher.float(), visible)

    def _error(self, outputs: Tensor, target: Tensor, visible: Tensor) -> Tensor:
        error = (outputs.float() - target).square().mean((2, 3))
        return 0.5 * (error * visible).mean()

    def perfect(self, points: Tensor, shape: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """The targets."""
        return self.targets(points, shape, size)

    def targets(self, points: Tensor, shape: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """Gaussians of height 1 about the joints, at sub-pixel places.

        Args:
            points: (B, K, 2), x and y in input pixels.
            shape: (h, w) of the maps. The standard deviation is h / 32 cells: 2 for maps of 64 rows, 3 for 96,
                at least half a cell.
            size: (H, W) of the input.

        Returns:
            float32 (B, K, h, w).
        """
        sigma = max(shape[0] / 32, 0.5)
        sides = []
        for axis, (cells, extent) in enumerate(zip(shape[::-1], size[::-1], strict=True)):
            place = (points[..., axis, None].float() + 0.5) * (cells / extent)
            offset = torch.arange(cells, device=points.device) - place
            sides.append(torch.exp(-(offset**2) / (2 * sigma**2)))
        return sides[1][..., :, None] * sides[0][..., None, :]

    def merge(self, outputs: Sequence[Tensor]) -> Tensor:
        """The mean heat maps."""
        return torch.stack([one.float() for one in outputs]).mean(0)

    def maps(self, outputs: Tensor) -> Tensor:
        """The outputs themselves."""
        return outputs.float()

    def points(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """The highest cell, moved a quarter of a cell on each axis towards the higher neighbour.

        Not moved at the map's edge nor between equal neighbours. Of equal cells the first in reading order wins.
        """
        peak, index, (column, row) = _peaks(maps)
        places = []
        for at, step, (stride, cells) in zip((column, row), (1, maps.shape[3]), _strides(maps, size), strict=True):
            before, _, after = _around(maps, index, step)
            nudge = torch.where((at > 0) & (at < cells - 1), 0.25 * (after - before).sign(), 0.0)
            places.append(stride * (at + nudge) - 0.5)
        return torch.stack(places, 2).where(peak.isfinite()[..., None], torch.nan)

    def confidence(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """The peak's height."""
        return maps.flatten(2).amax(2)


CODECS: dict[str, Codec] = {"cross_entropy": Likelihood(), "mse": Regression()}


def sides(maps: Tensor) -> tuple[int, int]:
    """(H, W) of maps or images (..., H, W)."""
    height, width = maps.shape[-2:]
    return height, width


def mirrored(maps: Tensor, pairs: Sequence[tuple[int, int]], shift: int) -> Tensor:
    """Maps (B, K, h, w) of mirrored inputs as maps of the inputs themselves.

    Args:
        maps: not modified.
        pairs: (left, right) of the K joints that a mirror exchanges.
        shift: cells to move to the right; the columns that nothing moves into keep what they had.
    """
    order = list(range(maps.shape[1]))
    for left, right in pairs:
        order[left], order[right] = right, left
    back = maps[:, order].flip(3)
    return torch.cat([back[..., :shift], back[..., : back.shape[3] - shift]], 3)


def gaussians(points: Tensor, shape: tuple[int, int], size: tuple[int, int], sigma: float) -> Tensor:
    """Gaussians about the points, each of sum 1 over a map's cells.

    Args:
        points: (B, K, 2), x and y in input pixels, pixel centres at integers.
        shape: (h, w) of the map.
        size: (H, W) of the input that the map stands for.
        sigma: spread in input pixels; at least half a cell is taken.

    Returns:
        float32 (B, K, h, w).
    """
    sides = []
    for axis, (cells, extent) in enumerate(zip(shape[::-1], size[::-1], strict=True)):
        stride = extent / cells
        centres = (torch.arange(cells, device=points.device, dtype=torch.float32) + 0.5) * stride - 0.5
        offset = (points[..., axis, None].float() - centres) / max(sigma, stride / 2)
        sides.append(torch.softmax(-0.5 * offset**2, -1))
    return sides[1][..., :, None] * sides[0][..., None, :]


def decode(heatmaps: Tensor, size: tuple[int, int]) -> Tensor:
    """Joint positions from heat maps: the highest cell, refined by the parabola through its neighbours.

    The refinement is made on each axis. It is exact where the map is the logarithm of a Gaussian, as logits
    trained against Gaussian targets tend to be, and close for a Gaussian itself. It moves by at most half a
    cell, and not at all at the map's edge or on a plateau. Of equal cells the first in reading order wins.

    Args:
        heatmaps: float (B, K, h, w).
        size: (H, W) of the input that the maps stand for. With stride s = W / w, the centre of column j lies
            at s * j + (s - 1) / 2 input pixels, pixel centres being at integers.

    Returns:
        float32 (B, K, 2): x, y in input pixels; NaN for a map whose peak is not finite.
    """
    heatmaps = heatmaps.float()
    peak, index, (column, row) = _peaks(heatmaps)
    places = []
    for at, step, (stride, cells) in zip((column, row), (1, heatmaps.shape[3]), _strides(heatmaps, size), strict=True):
        vertex = _vertex(*_around(heatmaps, index, step))
        inner = (at > 0) & (at < cells - 1)
        places.append(stride * (at + torch.where(inner, vertex, 0.0) + 0.5) - 0.5)
    return torch.stack(places, 2).where(peak.isfinite()[..., None], torch.nan)


def _peaks(maps: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Value and flat index (B, K) of each map's highest cell, and its column and row."""
    peak, index = maps.flatten(2).max(2)
    return peak, index, (index % maps.shape[3], index // maps.shape[3])


def _around(maps: Tensor, index: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values (B, K) `step` cells before the index, at it, and after it."""
    flat = maps.flatten(2)
    around = torch.stack([index - step, index, index + step], 2).clamp(0, flat.shape[2] - 1)
    before, here, after = flat.gather(2, around).unbind(2)
    return before, here, after


def _vertex(before: Tensor, centre: Tensor, after: Tensor) -> Tensor:
    """Offset, within half a cell of the centre, of the vertex of the parabola through three values."""
    bend = before - 2 * centre + after
    return torch.where(bend < 0, 0.5 * (before - after) / bend, 0.0).clamp(-0.5, 0.5)


def _strides(maps: Tensor, size: tuple[int, int]) -> list[tuple[float, int]]:
    """(stride in input pixels, cells) of the x axis, then of the y axis."""
    return [(size[1] / maps.shape[3], maps.shape[3]), (size[0] / maps.shape[2], maps.shape[2])]
