"""Which images look alike, as frames of one clip or two copies of one photograph do. Imports no torch.

An image has 64 signs, whether each of its 64 lowest cosine coefficients but the mean lies above their median (after
Zauner, Implementation and benchmarking of perceptual image hash functions, 2010), and a thumbnail. Two look alike where
at most `MOST_SIGNS` signs differ and the thumbnails correlate. Only images that have eight signs in a row in common are
compared, which all with up to seven that differ have, and 99.8 % of those with eight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

MOST_SIGNS = 8
LEAST_CORRELATION = 0.9
COMPARED = 2**31
"""Comparisons at most, about half a minute; what is beyond them, as with many images of few looks, is passed over."""

GRID = 32  # cells a side that coefficients are taken from
SIDE = 8  # of the coefficients, and of the thumbnail
BANDS = 8  # of eight signs each
CHUNK = 2**23  # numbers of images at a time
BLOCK = 2**21  # comparisons at a time


@dataclass(frozen=True, eq=False)
class Looks:
    """How some images look.

    Args:
        rows: their numbers, int64 (N,).
        signs: uint64 (N,).
        thumbnails: of mean 0 and length 1 each, float16 (N, 192).
    """

    rows: np.ndarray
    signs: np.ndarray
    thumbnails: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def looks(images: Iterable[tuple[int, np.ndarray]]) -> Looks:
    """How images look, each given with its number; uint8 (H, W, 3) of any size."""
    rows, signs, thumbnails = [], [np.empty(0, np.uint64)], [np.empty((0, 3 * SIDE**2), np.float16)]
    for some in _chunks(images):
        rows += [row for row, _ in some]
        pixels = np.stack([image for _, image in some]).astype(np.float32)
        signs.append(_signs(pixels))
        thumbnails.append(_thumbnails(pixels))
    return Looks(np.array(rows, np.int64), np.concatenate(signs), np.concatenate(thumbnails))


def _chunks(images: Iterable[tuple[int, np.ndarray]]) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Some images of one size at a time."""
    some: list[tuple[int, np.ndarray]] = []
    for row, image in images:
        if some and (len(some) * image.size >= CHUNK or image.shape != some[0][1].shape):
            yield some
            some = []
        some.append((row, image))
    if some:
        yield some


def _signs(pixels: np.ndarray) -> np.ndarray:
    """Of images (N, H, W, 3)."""
    down, across = (_cosines(length) for length in pixels.shape[1:3])
    found = down @ pixels.mean(3) @ across.T
    low = np.concatenate([found[:, :SIDE, :SIDE].reshape(len(pixels), -1)[:, 1:], found[:, SIDE, :1]], 1)
    return np.packbits(low > np.median(low, 1, keepdims=True), axis=1).view(np.uint64)[:, 0]


def _thumbnails(pixels: np.ndarray) -> np.ndarray:
    """Of images (N, H, W, 3); one of a single colour has length 0."""
    down, across = (_means(length, SIDE) for length in pixels.shape[1:3])
    small = np.stack([down @ pixels[..., colour] @ across.T for colour in range(3)], 1).reshape(len(pixels), -1)
    small -= small.mean(1, keepdims=True)
    return (small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-3)).astype(np.float16)


@cache
def _cosines(length: int) -> np.ndarray:
    """From so many pixels in a row to the first coefficients of their cosine transform over the grid's cells."""
    waves = np.cos(np.pi * (2 * np.arange(GRID) + 1) * np.arange(SIDE + 1)[:, None] / (2 * GRID))
    return (waves @ _means(length, GRID)).astype(np.float32)


@cache
def _means(length: int, cells: int) -> np.ndarray:
    """From so many pixels in a row to the means over cells of equal width, (cells, length)."""
    edges, pixels = np.linspace(0, length, cells + 1), np.arange(length)
    shared = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (shared.clip(0) * cells / length).astype(np.float32)


def alike(ones: Looks, others: Looks) -> dict[int, int]:
    """Which of the first images look like one of the others: the number of each, and that of one that it is like."""
    first, second = _distinct(ones), _distinct(others)
    like = np.full(len(first.signs), -1)
    left = COMPARED
    for band in range(BANDS):
        keys, theirs = first.signs.view(np.uint8)[band::BANDS], second.signs.view(np.uint8)[band::BANDS]
        for key in np.unique(keys[like < 0]):
            mine, candidates = np.flatnonzero((keys == key) & (like < 0)), np.flatnonzero(theirs == key)
            if len(candidates):
                mine = mine[: left // len(candidates)]
                left -= len(mine) * len(candidates)
                _compare(first, second, mine, candidates, like)
    chosen = like[first.of]
    hits = np.flatnonzero(chosen >= 0)
    return dict(zip(ones.rows[hits].tolist(), others.rows[second.one[chosen[hits]]].tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class _Distinct:
    """Looks, each once.

    Args:
        signs: uint64 (M,).
        thumbnails: float32 (M, 192).
        one: an image that looks so, by its place among all, int64 (M,).
        of: of each image its look, int64 (N,).
    """

    signs: np.ndarray
    thumbnails: np.ndarray
    one: np.ndarray
    of: np.ndarray


def _distinct(all_: Looks) -> _Distinct:
    both = np.concatenate([all_.signs[:, None].view(np.uint8), all_.thumbnails.view(np.uint8)], 1)
    keys = np.ascontiguousarray(both).view(np.dtype((np.void, both.shape[1])))[:, 0]
    _, one, of = np.unique(keys, return_index=True, return_inverse=True)
    return _Distinct(all_.signs[one], all_.thumbnails[one].astype(np.float32), one, of)


def _compare(first: _Distinct, second: _Distinct, mine: np.ndarray, theirs: np.ndarray, like: np.ndarray) -> None:
    """Note in `like` which of my looks are like one of theirs."""
    step = max(1, BLOCK // len(theirs))
    for some in (mine[start : start + step] for start in range(0, len(mine), step)):
        differ = _ones(first.signs[some, None] ^ second.signs[theirs])
        row, column = np.nonzero(differ <= MOST_SIGNS)
        a, b = some[row], theirs[column]
        for part in (slice(start, start + BLOCK // 256) for start in range(0, len(a), BLOCK // 256)):
            close = np.einsum("nd,nd->n", first.thumbnails[a[part]], second.thumbnails[b[part]]) >= LEAST_CORRELATION
            like[a[part][close]] = b[part][close]


def _ones(words: np.ndarray) -> np.ndarray:
    """How many bits are set in each of uint64 (N, M)."""
    if hasattr(np, "bitwise_count"):  # from NumPy 2 on, and 40 times as fast
        return np.bitwise_count(words)
    return _ONES[words.view(np.uint16).reshape(*words.shape, 4)].sum(2, dtype=np.uint8)


_ONES = np.unpackbits(np.arange(2**16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(1, dtype=np.uint8)
