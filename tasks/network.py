"""A kept network: host and head as they were trained, and all that predicts with them; nothing of the data is needed.

Its file pair is a ticket's, whose head is that of the task it was trained on and whose provenance states that task
under `network`: adapter, options, size, names of classes or joints, normalisation, and the record that scored it. A
network of several is the file of a ticket set. So a network is verified as a ticket is, and goes wherever one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tasks import TASKS
from tasks.base import Info, Task
from tasks.feed import Feed
from tickets.errors import DamagedTicketError, UserError
from tickets.patterns import ELEMENT, PATTERNS
from tickets.pruning.masks import Masks
from tickets.search.searchable import live_units
from tickets.source import MEAN, STD
from tickets.ticket import Part, Ticket, copied
from tickets.ticket_set import TicketSet, members_of
from tickets.training.ensemble import Ensemble, parts_of
from tickets.training.network import Network, part_masks

if TYPE_CHECKING:
    import numpy as np

    from tasks.answer import Answer

KEY = "network"
"""Of the provenance of tickets that are networks."""
DROPPED = ("joint", "scores", "given", "rates", "made")
"""What a ticket's provenance tells of its drawing that holds of a network made from it no longer."""


@dataclass(frozen=True)
class Kept:
    """A network, or several that predict together, and the task that it answers to.

    Args:
        found: hosts and heads; its provenance is that of the ticket that it was trained from.
        name: the task's registered name.
        task: the adapter, with the names and options of the training; it has no data.
        heads: "light" or "paper".
    """

    found: Ticket | TicketSet
    name: str
    task: Task
    heads: str

    @cached_property
    def network(self) -> Network | Ensemble:
        """Host and head in eval mode, images (B, 3, H, W), normalised -> the task's outputs.

        Raises:
            UserError: the head is no head of the task.
        """
        return self.found.network(Feed(self.name, self.task, 1, 0, heads=self.heads))

    @torch.no_grad()
    def answer(self, image: np.ndarray) -> Answer:
        """What it says of a picture uint8 (H, W, 3), of any size.

        Raises:
            UserError: tasks of this kind predict nothing of a picture.
        """
        batch = self.task.sight(image)
        batch["image"] = batch["image"].contiguous(memory_format=torch.channels_last)
        each = [self.task.predict(one, batch) for one in parts_of(self.network)]
        return self.task.answer(image, each[0] if len(each) == 1 else self.task.merge(each))


def kept(
    found: Ticket | TicketSet, network: nn.Module, masks: Masks, feed: Feed, told: Mapping[str, Any]
) -> Ticket | TicketSet:
    """A trained network as what `save` writes.

    Args:
        found: the ticket or set that was trained.
        network: host and head as scored, or an `Ensemble` of a set's; not modified.
        masks: in force, as the network names them.
        feed: the task that it was trained on.
        told: plain values beside the task: the record, the job, the scores.
    """
    networks = parts_of(network)
    parts = [masks] if len(networks) == 1 else [part_masks(masks, f"networks.{n}") for n in range(len(networks))]
    stated = {**_stated(feed, networks[0]), **told}
    made = tuple(map(_one, members_of(found), networks, parts, [feed] * len(parts), [stated] * len(parts)))
    return made[0] if len(made) == 1 else TicketSet(made, _provenance(found, made[0].sparsity, feed, stated))


def opened(found: Ticket | TicketSet) -> Kept:
    """The network of what `kept` made, as loaded.

    Raises:
        UserError: it is a ticket, or its task is of a package that is not installed.
        DamagedTicketError: it does not state a task as this version does.
    """
    told = found.provenance.get(KEY)
    if told is None:
        raise UserError(
            f"a ticket drawn on {found.provenance.get('source')} was given where a trained network was expected; give "
            "one of the folder networks/ of a home."
        )
    try:
        return Kept(found, told["task"], _task(told), told["heads"])
    except (KeyError, TypeError, AttributeError) as error:
        record = told.get("record") if isinstance(told, dict) else told
        raise DamagedTicketError(
            f"the network of the record {record} does not state its task as this version does ({error!r}); train it "
            "again."
        ) from error


def is_network(found: Ticket | TicketSet) -> bool:
    """Whether it is a trained network, not only a ticket."""
    return KEY in found.provenance


def without_data(name: str, info: Info, options: Mapping[str, Any]) -> Task:
    """A task's adapter that tells what it is told, and looks for no data.

    Args:
        name: the task's registered name.
        info: what it tells of itself.
        options: fields of the adapter.
    """
    adapter = TASKS.load(name)
    told = type(adapter.__name__, (adapter,), {"info": info, "__doc__": adapter.__doc__, "__module__": __name__})
    task: Task = told(**options)
    return task


def _one(found: Ticket, network: nn.Module, masks: Masks, feed: Feed, stated: Mapping[str, Any]) -> Ticket:
    host, head = (_part(network.get_submodule(part), part_masks(masks, part)) for part in ("host", "head"))
    sparsity = PATTERNS.make(found.provenance.get("pattern", ELEMENT)).sparsity(host.masks)
    return Ticket(found.spec, host, head, _provenance(found, sparsity, feed, stated))


def _part(module: nn.Module, masks: Masks) -> Part:
    """A part as it was scored: the averaged weights and nothing else."""
    return Part(
        {name: mask.cpu().clone() for name, mask in masks.items()}, ema=copied(module), units=live_units(module)
    )


def _provenance(found: Ticket | TicketSet, sparsity: float, feed: Feed, stated: Mapping[str, Any]) -> dict[str, Any]:
    """That of the ticket, with what of it is another one's now, and the task."""
    drawn = {key: value for key, value in found.provenance.items() if key not in DROPPED}
    asked = {"asked": drawn["sparsity"]} if "sparsity" in drawn else {}
    return {
        "source": feed.name,
        "seed": feed.seed,
        **drawn,
        **asked,
        "sparsity": sparsity,
        "size": list(feed.size),
        "base": {"hash": found.hash if "spent" in drawn else None, "macs": found.macs_spent if "spent" in drawn else 0},
        KEY: dict(stated),
    }


def _stated(feed: Feed, network: nn.Module) -> dict[str, Any]:
    """The task of a feed, as `_task` reads it."""
    task = feed.task
    other = TASKS.other(feed.name)
    options = {field.name: getattr(task, field.name) for field in fields(task) if field.name not in ("root", "cache")}
    width = getattr(network.get_submodule("head"), "predict", None)
    if feed.heads == "paper" and isinstance(width, nn.Conv2d):
        options["head_width"] = width.in_channels  # of a head that another task's was carried into
    return {
        "task": feed.name,
        **({"over": other} if other else {}),
        "heads": feed.heads,
        "options": options,
        "info": asdict(task.info),
        "normalisation": {"mean": list(MEAN), "std": list(STD), "of": "RGB / 255"},
    }


def _task(told: Mapping[str, Any]) -> Task:
    info = Info(**{key: _tuples(value) for key, value in told["info"].items()})
    options = {key: _tuples(value) for key, value in told["options"].items()}
    return without_data(told.get("over", told["task"]), info, options)


def _tuples(value: Any) -> Any:
    """Plain values with tuples where JSON has lists."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
