"""How fast and how small tickets are on one machine: the file that `bench.measure` writes and tables read."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from bench.records.reading import reading
from bench.records.record import Amount, Hash, Part, Positive
from tickets import atomic, bounded

NAME, MOST = "speed.json", 64 * bounded.MIB
SCHEMA: Final = 1


class Timed(Part):
    """One ticket beside the dense host.

    Args:
        size: (H, W) of the image, pixels.
        faster: the dense host's seconds over the ticket's, the median of rounds in which both had their turn.
        low: its 10th percentile.
        high: its 90th.
        ms: milliseconds for one image.
        dense_ms: of the dense host.
        mb: of the ticket's file, millions of bytes.
        dense_mb: of the dense host's.
    """

    size: tuple[Positive, Positive]
    faster: Amount
    low: Amount
    high: Amount
    ms: Amount
    dense_ms: Amount
    mb: Amount
    dense_mb: Amount

    @property
    def share(self) -> float:
        """The ticket's file over the dense host's."""
        return self.mb / self.dense_mb


class Speeds(Part):
    """All that was measured on a machine.

    Args:
        machine: its type.
        engine: what ran the networks, as in "onnxruntime 1.20.1".
        threads: of a call.
        tickets: by the hash of a ticket's content.
    """

    format: Literal[1] = Field(default=SCHEMA, alias="schema")
    machine: str
    engine: str
    threads: Positive
    tickets: dict[Hash, Timed]

    @property
    def by(self) -> str:
        """What measured, in words."""
        return f"{self.machine} by {self.engine}, {self.threads} thread{'s' * (self.threads != 1)}"

    def fits(self, other: Speeds) -> bool:
        """Whether both may stand in one file: the same machine, engine and threads."""
        return self.by == other.by

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        atomic.write(path, f"{self.model_dump_json(by_alias=True, indent=1)}\n".encode())


def read(path: Path) -> Speeds | None:
    """What a file says, or None where there is none.

    Raises:
        UserError: it is damaged, or another file; names what is wrong.
    """
    with reading(path, "none of bench.measure's", "delete it and measure again"):
        try:
            data = bounded.read(path, MOST)
        except FileNotFoundError:
            return None
        return Speeds.model_validate_json(data)


def beside(records: Path) -> Path:
    """Where the speeds of a folder of records lie, as in runs/speed.json for runs/records."""
    return records.parent / NAME
