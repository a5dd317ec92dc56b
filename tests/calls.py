"""Functions for worker processes under test."""

import os
import signal
import sys

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


def killed(report):
    """End the process as the system does where memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def around(module, report):
    """Whether a module was there before it was asked for, and what else a process has from its parent."""
    return module in sys.modules, os.getcwd(), sys.path[0], os.environ.get("TICKETBENCH_TEST")
