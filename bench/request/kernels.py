"""Which kernels a run's search blocks are computed by: what was asked for, held against the rest and this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.records.setting import AUTO, Setting
from tickets.errors import UserError, unknown
from tickets.hosts import HOSTS, triton
from tickets.hosts.native import processor
from tickets.hosts.native.processor import TORCH, TRITON

NAMES = (AUTO, TORCH, *processor.NAMES, TRITON)


def chosen(asked: str, setting: Mapping[str, Any], host: str) -> str:
    """The kernels of a run; `auto` is the fastest that this processor has, or PyTorch's where no others serve the run.

    Args:
        asked: for --kernels.
        setting: what else was asked for, by the fields of `Setting`.
        host: its full name.

    Raises:
        UserError: asked for by name, and they do not serve the run, or this processor cannot run them.
    """
    if asked not in NAMES:
        raise unknown("kernels", asked, NAMES)
    if asked == TORCH:
        return TORCH
    if asked == TRITON:
        if why := unserved_by_triton(setting, host):
            raise UserError(f"--kernels {TRITON} is for search blocks on cuda, and {why}; leave --kernels out.")
        return TRITON
    able, why = [one.name for one in processor.usable()], unserved(setting, host)
    if asked == AUTO:
        return TORCH if why else able[0]
    if why:
        raise UserError(
            f"--kernels {asked} computes search blocks in float32 on a CPU, and {why}; leave --kernels out."
        )
    if asked not in able:
        raise UserError(f"--kernels {asked}: this processor cannot run them; give {AUTO}, {TORCH}, {', '.join(able)}.")
    return asked


def moved(setting: Setting, host: str) -> Setting:
    """The setting of a run on another host, whose kernels are the same where it has search blocks."""
    kernels = setting.kernels if HOSTS.traits(host).has_search_blocks else TORCH
    return setting.model_copy(update={"host": host, "kernels": kernels})


def unserved(setting: Mapping[str, Any], host: str) -> str:
    """Why our kernels for CPUs do not serve a run, as part of a sentence; "" where they do."""
    if setting.get("device") == "cuda":
        return "the device is cuda"
    if setting.get("precision") == "bfloat16":
        return "the precision is bfloat16"
    return _unserved_anywhere(setting, host)


def unserved_by_triton(setting: Mapping[str, Any], host: str) -> str:
    """Why Triton's kernels do not serve a run, likewise; `auto` leaves them out until they are measured."""
    if setting.get("device") != "cuda":
        return "the device is cpu"
    if not triton.is_installed():
        return "Triton is not installed"
    return _unserved_anywhere(setting, host)


def _unserved_anywhere(setting: Mapping[str, Any], host: str) -> str:
    if setting.get("ranks", 1) > 1:
        return "a job of several processes shares its batch norms, which they compute within blocks"
    if setting.get("compiled"):
        return "--compile gives them to the compiler of PyTorch"
    if not HOSTS.traits(host).has_search_blocks:
        return f"the host {host} has none"
    return ""
