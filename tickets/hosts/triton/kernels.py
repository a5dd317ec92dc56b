"""The kernels: a depthwise convolution over channels that have kernels of several sizes, and its gradients.

Maps are (B, H, W, C), dense; weights (side * side, C), each kernel in the middle of the largest one's square, so that a
tap's weights of neighbouring channels are neighbours. A program takes a block of channels of one size. `bands` tells it
which, (blocks, 3): first channel, channel after the last, and radius, which is k // 2. Sums are float32.
"""

# Triton gives its own types to what a kernel takes.
# mypy: allow-untyped-defs, allow-incomplete-defs

import triton
import triton.language as tl


@triton.jit
def gather(
    x, weight, out, bands, pixels, height, width, out_height, out_width, channels,
    SIDE: tl.constexpr, STEP: tl.constexpr, SIGN: tl.constexpr, PARTS: tl.constexpr,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Every pixel of `out`, (B, out_height, out_width, C), from those of `x` that its kernel reaches.

    A tap at distance d reads row (STEP * row + SIGN * d) / PARTS where that is a whole number, columns likewise: a
    convolution of stride s is (s, 1, 1), and its input's gradient, of the output's, (1, -1, s).
    """
    channel, has_channel, radius = _band(bands, CHANNELS)
    pixel = tl.program_id(0).to(tl.int64) * PIXELS + tl.arange(0, PIXELS)
    image, row, column = _place(pixel, out_height, out_width)
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            y, z = STEP * row + SIGN * down, STEP * column + SIGN * right
            is_there = (pixel < pixels) & (y % PARTS == 0) & (z % PARTS == 0)
            values = _values(x, image, y // PARTS, z // PARTS, is_there, height, width, channel, has_channel, channels)
            tap = (down + SIDE // 2) * SIDE + right + SIDE // 2
            taps = tl.load(weight + tap * channels + channel, mask=has_channel, other=0).to(tl.float32)
            total += values * taps[None, :]
    where = pixel[:, None] * channels + channel[None, :]
    tl.store(out + where, total, mask=(pixel < pixels)[:, None] & has_channel[None, :])


@triton.jit
def weigh(
    x, grad, partial, bands, pixels, height, width, out_height, out_width, channels,
    SIDE: tl.constexpr, STRIDE: tl.constexpr, ROUNDS: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """The weights' gradient over ROUNDS * PIXELS of the pixels of `grad`, the output's; one such part a program.

    `partial`, (parts, SIDE * SIDE, C), gets the sums, to be added over the parts; other taps than a kernel's are left.
    """
    channel, has_channel, radius = _band(bands, CHANNELS)
    part = tl.program_id(0).to(tl.int64)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            total = tl.zeros((PIXELS, CHANNELS), tl.float32)
            for i in range(ROUNDS):
                pixel = (part * ROUNDS + i) * PIXELS + tl.arange(0, PIXELS)
                image, row, column = _place(pixel, out_height, out_width)
                is_there = pixel < pixels
                y, z = STRIDE * row + down, STRIDE * column + right
                values = _values(x, image, y, z, is_there, height, width, channel, has_channel, channels)
                where = pixel[:, None] * channels + channel[None, :]
                factor = tl.load(grad + where, mask=is_there[:, None] & has_channel[None, :], other=0)
                total += values * factor.to(tl.float32)
            tap = (down + SIDE // 2) * SIDE + right + SIDE // 2
            to = partial + (part * SIDE * SIDE + tap) * channels + channel
            tl.store(to, tl.sum(total, 0), mask=has_channel)


@triton.jit
def _band(bands, CHANNELS: tl.constexpr):
    """A program's channels, which of them there are, and the radius of their kernels."""
    band = bands + 3 * tl.program_id(1)
    channel = tl.load(band) + tl.arange(0, CHANNELS)
    return channel, channel < tl.load(band + 1), tl.load(band + 2)


@triton.jit
def _place(pixel, height, width):
    """Image, row and column of pixels that are numbered through all images."""
    return pixel // (height * width), pixel // width % height, pixel % width


@triton.jit
def _values(x, image, row, column, is_there, height, width, channel, has_channel, channels):
    """What stands at some pixels of a map, (pixels, channels); zero beside the map."""
    inside = is_there & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    where = ((image * height + row) * width + column)[:, None] * channels + channel[None, :]
    return tl.load(x + where, mask=inside[:, None] & has_channel[None, :], other=0).to(tl.float32)
