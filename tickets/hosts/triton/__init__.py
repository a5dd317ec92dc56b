"""Depthwise convolutions of search blocks by Triton kernels on CUDA. Imports neither torch nor Triton.

`depthwise` gives them to autograd, `kernels` holds them, and `tickets.hosts.native.force` puts them in force:

    with force.using("triton"):
        ticket = drawer.draw(request)

Nothing here was measured on a GPU yet, so `--kernels auto` does not choose them. Triton's interpreter runs them on the
CPU where TRITON_INTERPRET=1 is set before Triton is imported; so they are tested.
"""

from importlib.util import find_spec


def is_installed() -> bool:
    """Whether Triton can be imported; it comes with PyTorch where that is built for CUDA."""
    return find_spec("triton") is not None
