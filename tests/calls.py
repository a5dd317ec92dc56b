"""Functions for worker processes under test."""

import os
import signal
import sys
import time

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


def gpu(report):
    """Which GPUs the process sees."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "")


def again(work, report):
    """Tell of progress, and wait until a file is there, or be ended; return what a second try is told."""
    report("begun")
    while not work.told and not work.go.exists():
        time.sleep(0.02)
    return work.told


def waiting(go, report):
    """Tell of progress until a file is there."""
    while not go.exists():
        report("waiting")
        time.sleep(0.05)
    return "went"


def noting(note, tells, report):
    """Tell who its parent is, once or again and again, until asked to end; then write a note, as a training does."""
    from tickets.training.checkpoint import LEAVING, Left

    with LEAVING.training():
        report(os.getppid())
        while not LEAVING.is_asked:
            time.sleep(0.02)
            if tells:
                report(os.getppid())
    note.touch()
    raise Left
