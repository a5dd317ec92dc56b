"""The kernels' C interface: structs that mirror those of kernels/shape.h, and the functions of a loaded object."""

from __future__ import annotations

import ctypes
from functools import cache

from tickets.hosts.native import processor
from tickets.hosts.native.objects import Build, UnavailableError

INTERFACE = 2
KERNELS = (3, 5, 7)
_INTS, _DOUBLES, _POINTER = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p


class Job(ctypes.Structure):
    """What a call is asked for."""

    _fields_ = [
        *((name, _INTS) for name in ("images", "height", "width", "width_in", "width_out", "stride", "threads")),
        *((name, _INTS) for name in ("skip", "groups", "is_fixed")),
        ("units", _INTS * 3),
        ("eps", _DOUBLES * 3),
        ("momentum", _DOUBLES * 3),
    ]


WEIGHTS = (
    "expand", "gamma1", "beta1", "depthwise3", "depthwise5", "depthwise7", "gamma2", "beta2", "project", "gamma3",
    "beta3", "skip",
)  # fmt: skip
"""Of a block, in the order in which all calls take them."""


class Tensors(ctypes.Structure):
    """Addresses of all tensors of a call."""

    _fields_ = [
        *((name, _POINTER) for name in ("x", *WEIGHTS)),
        ("running", _POINTER * 6),
        *((name, _POINTER) for name in ("out", "z", "o", "workspace", "stats", "dout", "dx")),
        *((f"d_{name}", _POINTER) for name in WEIGHTS),
    ]


class StemJob(ctypes.Structure):
    """What a call for a layer of a stem is asked for."""

    _fields_ = [
        *((name, _INTS) for name in ("images", "height", "width", "width_in", "width_out", "threads", "is_fixed")),
        ("wants_dx", _INTS),
        *((name, _DOUBLES) for name in ("eps", "momentum")),
    ]


STEM_WEIGHTS = ("weight", "gamma", "beta")


class StemTensors(ctypes.Structure):
    """Addresses of all tensors of such a call."""

    _fields_ = [
        *((name, _POINTER) for name in ("x", *STEM_WEIGHTS)),
        ("running", _POINTER * 2),
        *((name, _POINTER) for name in ("out", "y", "workspace", "stats", "dout", "dx")),
        *((f"d_{name}", _POINTER) for name in STEM_WEIGHTS),
    ]


STRUCTS = (Job, Tensors, StemJob, StemTensors)


class Library:
    """A loaded object; its functions take the structs by reference and fill what they point to.

    Args:
        kind: name of its instruction set.
        real: "f32" or "f64".

    Raises:
        UnavailableError: it is not there and cannot be compiled, or is no object for this machine.
    """

    def __init__(self, kind: str, real: str) -> None:
        path = Build(processor.named(kind), real).path()
        told = (_INTS * 6)()
        try:
            self._dll = ctypes.CDLL(str(path))
            self._dll.interface(told)
        except (OSError, AttributeError) as error:
            raise UnavailableError(f"{path} cannot be loaded ({error})") from error
        number, *sizes, self.register_bytes = told
        if number != INTERFACE or sizes != [ctypes.sizeof(struct) for struct in STRUCTS]:
            raise UnavailableError(f"{path} has another interface than this version; delete it")

    def sizes(self, name: str, job: ctypes.Structure, count: int) -> tuple[int, ...]:
        """The memory that the calls of a job need: elements of what is kept, doubles of stats, bytes of workspace."""
        found = (_INTS * count)()
        getattr(self._dll, f"{name}_sizes")(ctypes.byref(job), found)
        return tuple(found)

    def call(self, name: str, job: ctypes.Structure, tensors: ctypes.Structure) -> None:
        """Run "block_forward", "block_backward", "stem_forward" or "stem_backward"."""
        getattr(self._dll, name)(ctypes.byref(job), ctypes.byref(tensors))


@cache
def load(kind: str, real: str) -> Library:
    """The library of an instruction set, loaded once a process."""
    return Library(kind, real)
