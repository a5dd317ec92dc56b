"""Samples read from their files each time they are asked for, as large as they are: the field's own pipelines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.arrays import Row, Sample, decoded, states, val_rows_of
from tickets.errors import DataError


@dataclass(frozen=True, eq=False)
class Originals:
    """The samples of one split, decoded when asked for.

    Args:
        samples: in a fixed order.
        load: from a sample to its arrays at full size, "image" uint8 (H, W, 3).
    """

    samples: Sequence[Sample]
    load: Callable[[Sample], Row]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Row:
        """One sample, decoded.

        Raises:
            DataError: its file is missing or cannot be read; names it.
        """
        return decoded(self.samples[index], self.load)


def parted(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The official train split -> {"train": ..., "val": ...}, by the same rule as decoded arrays."""
    if not samples:
        raise DataError("the data set has no samples; give a folder that holds some.")
    held = set(val_rows_of(samples))
    return {
        "train": [sample for row, sample in enumerate(samples) if row not in held],
        "val": [sample for row, sample in enumerate(samples) if row in held],
    }


def fingerprint(samples: Sequence[Sample]) -> str:
    """16 hex digits of what the samples are: names, extras, names and sizes of their files; no content is read.

    Raises:
        DataError: a file is missing; names it.
    """
    digest, known = hashlib.blake2b(digest_size=8), states(samples)
    for sample in samples:
        digest.update(repr((sample.name, sample.extra, [known[file][:2] for file in sample.files])).encode())
    return digest.hexdigest()
