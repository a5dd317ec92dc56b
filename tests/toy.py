"""A source and a supernet small enough for unit tests."""

from __future__ import annotations

from tickets.contract.brightness import Brightness as ToySource
from tickets.contract.brightness import Pool as ToyHead
from tickets.drawers import DRAWERS as BUILT_IN
from tickets.hosts.supernet import Spec, Stage

__all__ = ["DRAWERS", "SPEC", "ToyHead", "ToySource"]

SPEC = Spec(stem=4, stages=(Stage((1,), (4,)), Stage((1, 1), (4, 6))), expansion=1)
"""A supernet of two branches and 6 blocks, for 16x16 images."""

DRAWERS = ["imp/many_rounds@rate=0.7" if name == "imp/many_rounds" else name for name in BUILT_IN.builtin]
"""All built-in drawers with their defaults; the one that trains for many times the request's steps, for fewer."""
