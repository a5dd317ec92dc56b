"""A task bound to seeds, a batch size and a device: the source or target that `tickets` sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from tasks.arrays import Arrays
from tasks.base import Task
from tasks.paper_heads import paper_head
from tickets.seeding import derive, generator
from tickets.source import Batch

SCORING_BATCH = 128
ENDLESS = 2**40  # batches; ranges and samplers need a number


@dataclass(frozen=True, eq=False)
class Stream(Dataset):
    """Augmented batches by number: batch `step` is a function of (seed, name, step) alone.

    The data set is run through in permutations, one an epoch, without a gap between epochs.

    Args:
        data: the samples.
        make: `Task.batch`: raw samples and a generator -> batch.
        batch_size: samples a batch; may exceed the data set.
        seed: of order and augmentation.
        name: of the stream; other names give other orders.
    """

    data: Arrays
    make: Callable[..., Batch]
    batch_size: int
    seed: int
    name: str

    def indices(self, step: int) -> Tensor:
        """Which samples batch `step` holds, int64 (batch_size,)."""
        size = len(self.data)
        places = torch.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = range(int(places[0]) // size, int(places[-1]) // size + 1)
        orders = {e: torch.randperm(size, generator=generator(self.seed, self.name, "order", e)) for e in epochs}
        return torch.stack([orders[p // size][p % size] for p in places.tolist()])

    def __getitem__(self, step: int) -> Batch:
        """Batch number `step`."""
        raw = self.data.gather(self.indices(step))
        return self.make(raw, generator(self.seed, self.name, "augmentation", step))


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
        self, features: list[tuple[int, int]], units: dict[str, dict[int, int]] | None = None
    ) -> nn.Module:
        """A fresh head on maps of these (width, stride); `units` rebuilds a searched one."""
        if self.heads == "paper":
            return paper_head(self.task.info.kind, features, self.task.info.outputs, units)
        return self.task.head(features)

    def batches(self, start: int, stop: int | None) -> Iterator[Batch]:
        """Augmented training batches number `start` to `stop` - 1, or without end, on the device."""
        return self._run("train", start, ENDLESS if stop is None else stop, self.workers)

    def calibration(self, count: int) -> Iterator[Batch]:
        """`count` augmented training batches of an order of their own, always the same ones."""
        return self._run("calibration", 0, count, 0)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The task's loss."""
        return self.task.loss(outputs, batch)

    @torch.no_grad()
    def score(self, network: nn.Module, split: str) -> dict[str, float]:
        """Every metric of the task on all samples of a split, the primary one first."""
        metric, data = self.task.metric(), self.task.split(split)
        network.eval()
        for start in range(0, len(data), SCORING_BATCH):
            raw = data.gather(range(start, min(start + SCORING_BATCH, len(data))))
            batch = self._moved(self.task.batch(raw, None))
            metric.update(network(batch["image"].contiguous(memory_format=torch.channels_last)), batch)
        scores = metric.compute()
        return {self.primary: scores[self.primary], **scores}

    def _run(self, name: str, start: int, stop: int, workers: int) -> Iterator[Batch]:
        stream = Stream(self.task.split("train"), self.task.batch, self.batch_size, self.seed, name)
        if workers == 0:
            loader: Iterator[Batch] = (stream[step] for step in range(start, stop))
        else:
            seeds = torch.Generator().manual_seed(derive(self.seed, name, "loader"))
            loader = iter(
                DataLoader(stream, None, sampler=range(start, stop), num_workers=workers, generator=seeds)
            )
        return (self._moved(batch) for batch in loader)

    def _moved(self, batch: Batch) -> Batch:
        return {key: value.to(self.device, non_blocking=True) for key, value in batch.items()}
