"""A task bound to seeds, a batch size and a device: the source or target that `tickets` sees."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from tasks.base import Task
from tasks.data.loaders import loaded
from tasks.data.split import Draw, Split
from tasks.heads.paper import make_head
from tasks.metrics.base import Metric
from tasks.metrics.together import Together
from tickets.errors import DataError
from tickets.search.searchable import Units
from tickets.seeding import derive, generator
from tickets.source import Batch, Reduction
from tickets.ticket_set import member_seed
from tickets.training import ranks
from tickets.training.ensemble import parts_of

NAMED = 8  # samples of a batch that are named
ENDLESS = 2**40  # batches; ranges and samplers need a number


@dataclass(frozen=True, eq=False)
class Stream(Dataset[Batch]):
    """Training batches by number: batch `step` is a function of (seed, name, step) alone.

    The data set is run through in permutations, one an epoch, without a gap between epochs. Decoded arrays are
    augmented as a batch, by its number; samples of a full pipeline one by one, by epoch and index.

    Args:
        task: whose samples they are.
        data: the samples.
        batch_size: samples a batch; may exceed the data set.
        seed: of order and augmentation.
        name: of the stream; other names give other orders.
    """

    task: Task
    data: Split
    batch_size: int
    seed: int
    name: str

    def indices(self, step: int) -> list[int]:
        """Which samples batch `step` holds."""
        return [index for _, index in self.places(step)]

    def places(self, step: int) -> list[tuple[int, int]]:
        """Which samples batch `step` holds: (epoch, index) of each."""
        size = len(self.data)
        places = range(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = range(places[0] // size, places[-1] // size + 1)
        orders = {epoch: _order(size, self.seed, self.name, epoch) for epoch in epochs}
        return [(p // size, int(orders[p // size][p % size])) for p in places]

    def __getitem__(self, step: int) -> Batch:
        """Batch number `step`."""
        places, stream = self.places(step), (self.seed, self.name, "augmentation")
        draw = Draw((*stream, step), [(*stream, epoch, index) for epoch, index in places])
        return self.data.batch(self.task, [index for _, index in places], draw)


@lru_cache(maxsize=2)
def _order(size: int, seed: int, name: str, epoch: int) -> np.ndarray:
    """The order of an epoch, a permutation of the indices, not to be changed.

    A batch lies in one epoch or at the border of two, so that two are kept, in each process: drawn for every batch,
    they would take most of its time with a million samples.

    Returns:
        int32 (size,), int64 for more samples than that holds.
    """
    order = torch.randperm(size, generator=generator(seed, name, "order", epoch)).numpy()
    return order.astype(np.int32) if size <= np.iinfo(np.int32).max else order


@dataclass(frozen=True, eq=False)
class Pages(Dataset[Batch]):
    """The samples of a split in their order, unaugmented, `task.scoring_batch` at a time."""

    task: Task
    data: Split

    def __len__(self) -> int:
        return -(-len(self.data) // self.task.scoring_batch)

    def __getitem__(self, page: int) -> Batch:
        """Batch number `page`; the last one may be shorter."""
        return self.data.batch(self.task, self.indices(page))

    def indices(self, page: int) -> range:
        """Which samples page `page` holds."""
        size = self.task.scoring_batch
        return range(page * size, min((page + 1) * size, len(self.data)))


@dataclass(frozen=True, eq=False)
class Mailed(Dataset[Batch | DataError]):
    """A data set whose errors about data are values, since a loader process would wrap them in a traceback."""

    data: Dataset[Batch]

    def __getitem__(self, number: int) -> Batch | DataError:
        """The batch, or what is wrong with its data."""
        try:
            return self.data[number]
        except DataError as error:
            return DataError(*error.args)


@dataclass(frozen=True, eq=False)
class Feed:
    """Implements `tickets.source.Source` for a task.

    Args:
        name: the task's registered name.
        task: the adapter.
        batch_size: images a training batch.
        seed: of data order and augmentation, shared by all methods at one seed.
        heads: "light", the task's own head, or "paper", the released ones with search blocks.
        workers: loader processes; 0 loads in this one. The batches do not depend on it.
        device: where batches go.
    """

    name: str
    task: Task
    batch_size: int
    seed: int
    heads: str = "light"
    workers: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def size(self) -> tuple[int, int]:
        """Input (H, W) in pixels."""
        return self.task.size

    @property
    def primary(self) -> str:
        """Name of the primary metric."""
        return self.task.info.primary

    def head(
        self, features: list[tuple[int, int]], units: dict[str, Units] | None = None, width: int | None = None
    ) -> nn.Module:
        """A fresh head on maps of these (width, stride), as `tickets.source.Source` has it."""
        return make_head(self.task, self.heads, features, units, width)

    def ends(self, features: list[tuple[int, int]], latent: tuple[int, int]) -> nn.Module:
        """A fresh head round a host that makes maps of these (width, stride) of such latents."""
        return self.task.ends(features, latent)

    def batches(self, start: int, stop: int | None) -> Generator[Batch, None, None]:
        """Augmented training batches number `start` to `stop` - 1, or without end, on the device."""
        return self._run("train", start, ENDLESS if stop is None else stop, self.workers)

    def calibration(self, count: int) -> Iterator[Batch]:
        """`count` augmented training batches of an order of their own, always the same ones."""
        return self._run("calibration", 0, count, 0)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The task's loss."""
        return self.task.loss(outputs, batch)

    def merge(self, outputs: list[Any]) -> Any:
        """One prediction from those of several networks, as the task has it."""
        return self.task.merge(outputs)

    def member(self, number: int) -> Feed:
        """The same task with the order and augmentation of data that a member of a set has; itself for number 0."""
        return replace(self, seed=member_seed(self.seed, number)) if number else self

    def imitation(
        self, outputs: Tensor, teacher: Tensor, batch: Batch, temperature: float = 1.0, reduction: Reduction = "sum"
    ) -> Tensor:
        """What the task says that it costs to differ from a teacher."""
        return self.task.imitation(outputs, teacher, batch, temperature, reduction)

    def score(self, network: nn.Module, split: str, limit: int | None = None) -> dict[str, float]:
        """Every metric of the task on a split, the primary one first; of its first pages alone that hold `limit`."""
        pages = None if limit is None else -(-limit // self.task.scoring_batch)
        scores = self.measure(network, split, pages).compute()
        return {self.primary: scores[self.primary], **scores}

    @torch.no_grad()
    def measure(self, network: nn.Module, split: str, pages: int | None = None) -> Metric:
        """The task's metric after it has seen all samples of a split, or so many pages of `task.scoring_batch`.

        That of a `tickets.training.ensemble.Ensemble` tells of its networks, too: `tasks.metrics.together`.
        """
        data = Pages(self.task, self.task.split(split))
        networks = parts_of(network)
        alone = len(networks) == 1
        metric: Metric = self.task.metric(split) if alone else Together(self.task, len(networks), split)
        network.eval()
        for batch in self._loaded(data, range(len(data))[:pages], self.workers):
            image = batch["image"].contiguous(memory_format=torch.channels_last)
            shown = {**batch, "image": image}
            each: Any = [ranks.predicted(partial(self.task.predict, one), shown) for one in networks]
            metric.update(each[0] if alone else each, batch)
        return metric

    def _run(self, name: str, start: int, stop: int, workers: int) -> Generator[Batch, None, None]:
        stream = Stream(self.task, self.task.split("train"), self.batch_size, self.seed, name)
        return self._loaded(stream, range(start, stop), workers)

    def _loaded(self, data: Stream | Pages, numbers: range, workers: int) -> Generator[Batch, None, None]:
        """Batches by number, on the device, loaded ahead by `workers` processes.

        On the way to CUDA they lie in pinned memory, so that the copy goes on while the host does.
        """
        pins = self.device.type == "cuda"
        if workers == 0:
            loader: Iterator[Batch | DataError] = (data[number] for number in numbers)
        else:
            seeds = torch.Generator().manual_seed(derive(self.seed, "loader"))
            loader = loaded(Mailed(data), numbers, workers, seeds, pins, lambda number: _named(data, number))
        for batch in loader:
            if isinstance(batch, DataError):
                raise batch
            here = {key: value.pin_memory() if pins else value for key, value in batch.items()}  # again costs nothing
            yield {key: value.to(self.device, non_blocking=True) for key, value in here.items()}


def _named(data: Stream | Pages, number: int) -> str:
    """Which samples of its split a batch holds, for a person."""
    indices = list(data.indices(number))
    more = f" and {len(indices) - NAMED} more" if len(indices) > NAMED else ""
    return f"batch {number}, samples {', '.join(map(str, indices[:NAMED]))}{more}"
