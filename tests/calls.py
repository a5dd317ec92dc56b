"""Functions for worker processes under test."""

import os

from tickets.errors import UserError


def double(number, report):
    """Tell of progress once, return twice the number."""
    report(f"got {number}")
    return 2 * number


def die(number, report):
    """End the process as a kill would."""
    os._exit(number)


def refuse(number, report):
    """Refuse."""
    raise UserError(f"no {number} here")


def threads(report):
    """What the process was told before anything was imported."""
    return os.environ["OMP_NUM_THREADS"]
