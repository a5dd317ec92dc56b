"""Errors of the small files beside records, alike for all kinds of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from tickets.errors import UserError


@contextmanager
def reading(path: Path, no: str, then: str) -> Iterator[None]:
    """Tell in a sentence of a file that cannot be read in the block, or does not hold what it should.

    Args:
        path: the file.
        no: what it is not, as in "no portrait of a ticket".
        then: what to do about it.

    Raises:
        UserError: one sentence that names the file and the first thing that is wrong with it.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path} is {no}: {where}: {first['msg'].lower()}; {then}.") from error
