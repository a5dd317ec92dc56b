"""The kernels' C interface: structs that mirror those of kernels/shape.h, and the functions of a loaded object."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

from tickets.hosts.native import processor
from tickets.hosts.native.objects import Build, UnavailableError

INTERFACE = 1
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


@dataclass(frozen=True)
class Sizes:
    """What a job needs: elements of z and o, doubles of stats, bytes of the workspace."""

    z: int
    o: int
    stats: int
    workspace: int


class Library:
    """A loaded object.

    Args:
        kind: name of its instruction set.
        real: "f32" or "f64".

    Raises:
        UnavailableError: it is not there and cannot be compiled, or is no object for this machine.
    """

    def __init__(self, kind: str, real: str) -> None:
        path = Build(processor.named(kind), real).path()
        try:
            self._dll = ctypes.CDLL(str(path))
            sizes = (_INTS * 3)()
            self._dll.block_layout(sizes)
            self._dll.block_interface.restype = _INTS
            fits = self._dll.block_interface() == INTERFACE
        except (OSError, AttributeError) as error:
            raise UnavailableError(f"{path} cannot be loaded ({error})") from error
        if not fits or list(sizes)[:2] != [ctypes.sizeof(Job), ctypes.sizeof(Tensors)]:
            raise UnavailableError(f"{path} has another interface than this version; delete it")
        self.register_bytes = sizes[2]

    def sizes(self, job: Job) -> Sizes:
        """The memory that a job's calls need."""
        found = (_INTS * 4)()
        self._dll.block_sizes(ctypes.byref(job), found)
        return Sizes(*found)

    def forward(self, job: Job, tensors: Tensors) -> None:
        """Write `out`, and what the backward pass needs."""
        self._dll.block_forward(ctypes.byref(job), ctypes.byref(tensors))

    def backward(self, job: Job, tensors: Tensors) -> None:
        """Write all gradients."""
        self._dll.block_backward(ctypes.byref(job), ctypes.byref(tensors))


@cache
def load(kind: str, real: str = "f32") -> Library:
    """The library of an instruction set, loaded once a process."""
    return Library(kind, real)
