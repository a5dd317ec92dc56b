"""A run's kernels made ready: compiled, where they are not there yet, while its data are prepared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from bench.records.setting import AUTO, Setting
from bench.request.kernels import unserved
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.hosts.native import processor
from tickets.hosts.native.objects import Build, UnavailableError
from tickets.hosts.native.processor import TORCH, TRITON


class Kernels:
    """The kernels of a run, on their way from now on; left before they are there, their compiler ends.

    Args:
        setting: names them.
        asked: what was asked for; "auto" lets PyTorch's stand in for those that cannot be had.
        say: told in a line what is done instead, or takes its time.
    """

    def __init__(self, setting: Setting, asked: str, say: Callable[[str], None]) -> None:
        self.setting, self.asked, self.say = setting, asked, say
        self._build: Build | None = None
        self._missing: UnavailableError | None = None
        if setting.kernels not in (TORCH, TRITON):
            self._begin()
        elif asked == AUTO and HOSTS.traits(setting.host).has_search_blocks:
            say(f"search blocks are computed by PyTorch: {unserved(dict(setting), setting.host)}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._build is not None:
            self._build.close()

    def _begin(self) -> None:
        try:
            self._build = Build(processor.named(self.setting.kernels))
        except UnavailableError as error:
            self._missing = error
            return
        if self._build.is_needed:
            self.say(f"compiling the {self.setting.kernels} kernels: once, some seconds, while data are prepared.")

    def settled(self) -> Setting:
        """The setting that the run's jobs have: with its kernels once they are there, or with PyTorch's.

        Raises:
            UserError: they cannot be had, and were asked for by name.
        """
        try:
            if self._build is not None:
                self._build.path()
        except UnavailableError as error:
            self._missing = error
        if self._missing is None:
            return self.setting
        if self.asked != AUTO:
            raise UserError(
                f"--kernels {self.asked} cannot be had: {self._missing}; mend that, or give --kernels {TORCH}."
            )
        self.say(f"search blocks are computed by PyTorch, about three times slower: {self._missing}.")
        return self.setting.model_copy(update={"kernels": TORCH})


def require(setting: Setting) -> None:
    """Have a setting's kernels at hand, as its record's job needs them.

    Raises:
        UserError: they cannot be had here.
    """
    if setting.kernels == TORCH:
        return
    if setting.kernels == TRITON:
        from tickets.hosts.native import force  # only here, since it imports torch

        force.check(TRITON)
        return
    able = [one.name for one in processor.usable()]
    if setting.kernels not in able:
        raise UserError(
            f"its search blocks were computed by {setting.kernels} kernels, and this processor runs {', '.join(able)}; "
            "do it on such a processor."
        )
    with Kernels(setting, setting.kernels, lambda line: None) as kernels:
        kernels.settled()
