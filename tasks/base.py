"""What a task is: samples, head, loss, metric and picture of one data set, behind one small class.

A new data set is an adapter: a subclass of `Classification`, `Segmentation` or `Pose` that says where its
samples are (`samples`) and how one is decoded (`read`); decoding in parallel, the cache, verification,
fingerprints and the val slice are inherited. Adapters and readers import torch inside the methods that need
it, never at the top of their module, since decoding processes and `--list` load them. A whole adapter:

    from tasks import Classification, Info, Row, Sample, rgb

    def read(sample: Sample, size: tuple[int, int]) -> Row:
        image = rgb(sample.files[0]).resize(size[::-1])
        return {"image": np.asarray(image), "label": np.int64(sample.extra)}

    @dataclass(frozen=True)
    class Plankton(Classification):
        '''Plankton photographs, one of two classes an image.'''

        info = Info(kind="cls", version=1, primary="top1", outputs=2, names=("diatom", "copepod"), test="test", ...)
        store = "plankton"
        read = staticmethod(read)

        def locate(self) -> None:
            self.folder("plankton")  # DataError where the root is not given or holds no such folder

        def samples(self, split: str) -> list[Sample]:
            files = sorted((self.folder("plankton") / split).glob("*/*.jpg"))
            return [Sample(f"{f.parent.name}/{f.name}", (f,), self.info.names.index(f.parent.name)) for f in files]
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

from tasks.data.arrays import Arrays, Damaged, Meta, rows_of, verified
from tasks.data.decoding import Job, build
from tasks.data.originals import Fresh, Originals
from tasks.data.partial import put_aside
from tasks.data.samples import SPLITS, Progress, Row, Sample, parted
from tasks.data.split import Split
from tasks.picture import Panel, sheet
from tickets.cache import cache_folder
from tickets.errors import DataError, UserError, unknown
from tickets.traits import Taken

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tasks.answer import Answer
    from tasks.metrics.base import Diversity, Metric
    from tickets.source import Reduction

    Reader = staticmethod[[Sample, tuple[int, int]], Row]
    Loader = staticmethod[[Sample], Row]
else:  # which has no parameters when options are validated
    Reader = Loader = staticmethod

Features = Sequence[tuple[int, int]]  # (width, stride) of each feature map of a host, in its order
PIPELINES = ("resized", "full")


@dataclass(frozen=True)
class Info:
    """What a table, a record and a head need to know of a task.

    Args:
        kind: "cls", "seg", "pose" or a new one; the first part of the task's name.
        version: raised when the data, the preparation, the loss or the metric change results.
        primary: name of the primary metric, as "top1", "miou", "pck" or "ap"; a fraction, higher is better.
        outputs: classes (void excluded) or keypoints.
        names: of the classes or keypoints, in the order of the outputs.
        test: which official split "test" is, as in "val".
        citation: the work to cite.
        licence: of the data.
        url: where the data come from.
        flip_pairs: pose only, (left, right) keypoints that a mirror exchanges.
        skeleton: pose only, pairs of keypoints that a picture joins.
        torso: pose only, the keypoints whose means are neck and mid-hip; empty where there are none.
        head: pose only, neck and top of the head; empty where there are none.
        mirrors: pose only, whether it is known what a mirror exchanges, so that images may be mirrored.
    """

    kind: str
    version: int
    primary: str
    outputs: int
    names: tuple[str, ...]
    test: str
    citation: str
    licence: str
    url: str
    flip_pairs: tuple[tuple[int, int], ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    torso: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    head: tuple[int, ...] = ()
    mirrors: bool = True


@dataclass(frozen=True)
class Task(ABC):
    """One data set as a task; see the module's docstring for how to add one.

    Batches are dictionaries of tensors with the samples first: `image` float32 (B, 3, H, W), normalised by
    `tasks.views.batches.normalise`, and the truth, whose keys the kinds document.

    Args:
        size: (H, W) of the input in pixels.
        root: the folder that holds the data set's own folder; None where the data need none.
        cache: where decoded arrays are kept.
        pipeline: "resized": every image is decoded once, at the input size, and batches are augmented lightly;
            "full": images are read from their files each time, and augmented and evaluated as the field does.
        head_width: channels before the prediction of the released dense heads: 90, for ADE20K 180.

    The kinds add further fields; a scale sets them by name.

    Raises:
        UserError: the size is not two whole numbers of at least 16, no such pipeline, or not for this data set.
    """

    size: tuple[int, int] = (64, 64)
    root: Path | None = None
    cache: Path = field(default_factory=cache_folder)
    pipeline: str = "resized"
    head_width: int = 90

    store: ClassVar[str]  # the name of this data set's folder in the cache; tasks over the same samples share one
    columns: ClassVar[Mapping[str, str]] = {}  # key of a sample -> key that `read` gives; all, unrenamed, where empty
    read: ClassVar[Reader]  # of a torch-free function of a module
    load: ClassVar[Loader | None] = None  # the same at full size, for the full pipeline
    is_own: ClassVar[bool] = False  # whether the samples are the user's, who may part them as they like
    field_counts: ClassVar[Mapping[str, int]] = {}  # samples of the official splits on which the field reports
    is_game: ClassVar[bool] = False  # whether its loss is the sum of several players', each with parameters of its own
    stands_on: ClassVar[tuple[Taken, ...]] = ("image",)  # what hosts that it can be trained on take
    exported: ClassVar[str] = "outputs"  # what an exported network's outputs are called; empty where none is exported
    has_released_head: ClassVar[bool] = True  # whether scales with the paper's heads give it one of those

    def __post_init__(self) -> None:
        size = tuple(self.size)
        if len(size) != 2 or not all(isinstance(side, int) and side >= 16 for side in size):
            raise UserError(
                f"size {self.size} is not (height, width) in whole pixels of at least 16; give e.g. (64, 64)."
            )
        if self.pipeline not in PIPELINES:
            raise unknown("pipeline", self.pipeline, PIPELINES)
        if self.pipeline == "full" and self.load is None:
            raise UserError(f"'{self.store}' has no full pipeline; use a scale whose pipeline is resized, as tiny.")
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "cache", Path(self.cache).expanduser())
        if self.root is not None:
            object.__setattr__(self, "root", Path(self.root).expanduser())

    @property
    @abstractmethod
    def info(self) -> Info:
        """What tables, records and heads need to know: `info = Info(...)`, or read from the user's tree."""

    # ---- data: what an adapter declares

    def locate(self) -> None:
        """Check cheaply, without decoding, that the data are there.

        Raises:
            DataError: they are not; says what was looked for, and where.
        """
        for split in self.official:
            self.samples(split)

    def download(self) -> bool:
        """Fetch the data into the root if they are not there.

        Returns:
            Whether the adapter knows how to; the default knows no place to fetch them from.
        """
        return False

    @property
    def official(self) -> tuple[str, ...]:
        """The splits that `samples` knows: "train" and "test", and "val" where the data set has one beside them.

        Where it has none, val is a slice of train. An adapter says `official = SPLITS`, or decides by its tree.
        """
        return "train", "test"

    @abstractmethod
    def samples(self, split: str) -> Sequence[Sample]:
        """All samples of an official split, in a fixed order."""

    def scene(self, sample: Sample) -> str:
        """What a sample shows that others show, too, as the drive that a frame is of; empty where nothing is known."""
        return sample.group

    def remarks(self) -> Iterable[str]:
        """What a person should know of how the data were read, a sentence each without a full stop; none is a mistake.

        Told by every command that prepares or shows the data, after `locate`.
        """
        return ()

    @property
    def beside(self) -> str:
        """What decides scores beside the samples and is read from the data, so that fingerprints have to tell it."""
        return ""

    def check(self, arrays: Mapping[str, np.ndarray], start: int) -> Iterable[tuple[int, str]]:
        """What is wrong with decoded samples.

        Args:
            arrays: some consecutive rows of each array, under the keys that `read` gives.
            start: the number of the first of them.

        Returns:
            (row number, sentence) for each wrong sample; the sentence says the value, what is allowed, what
            to do.
        """
        return ()

    def folder(self, name: str) -> Path:
        """`root / name`.

        Raises:
            DataError: no root was given, or it holds no such folder.
        """
        if self.root is None:
            raise DataError(
                f"no data folder was given for '{self.store}'; give the folder that holds {name}/ by --data-root or "
                "TICKETBENCH_DATA."
            )
        if not (self.root / name).is_dir():
            raise DataError(
                f"{self.root} holds no folder {name}/; give the folder that does by --data-root or TICKETBENCH_DATA, "
                "or unpack the data there."
            )
        return self.root / name

    # ---- data: what every adapter inherits

    def prepare(self, workers: int = 2, progress: Progress | None = None) -> dict[str, str]:
        """Decode everything once into the cache; a second call only looks. Full pipelines only look for the files.

        Arrays that are no longer those that were decoded are decoded anew, which a line on stderr says.

        Args:
            workers: decoding processes; the result does not depend on it.
            progress: called with (split, samples done, samples in all).

        Returns:
            {"train": ..., "val": ..., "test": ...}, fingerprints of the splits, 16 hex digits: of the decoded
            content, or with full pipelines of names, annotations and sizes of files.

        Raises:
            DataError: an image or annotation is missing or wrong; names the file.
        """
        kept = self._looked(workers, progress, mend=True)
        return {name: self._fingerprint(kept(name)) for name in SPLITS}

    def _fingerprint(self, split: Split) -> str:
        """Of a split, and of what stands beside it."""
        own = split.fingerprint()
        return blake2b(f"{own} {self.beside}".encode(), digest_size=8).hexdigest() if self.beside else own

    def verify(self, name: str, recorded: Mapping[str, str]) -> None:
        """Hold the data as they are now against the fingerprints that a run recorded.

        Content is read once a process, and again where a file's size or time has changed.

        Args:
            name: the task's registered name, for the message.
            recorded: as `prepare` gave them.

        Raises:
            DataError: the data have changed since, or their decoded arrays have; names task and split, or the folder.
        """
        kept = self._looked()
        for split in SPLITS:
            if (now := self._fingerprint(kept(split))) != (known := recorded.get(split)):
                raise DataError(
                    f"the data of {name} have changed since this run prepared them: the fingerprint of {split} is "
                    f"{now} and was {known}; run the command again."
                )

    def split(self, name: str) -> Split:
        """The samples of "train", "val" or "test", prepared if they are not yet: `Arrays`, or in a full pipeline
        `Originals`.

        Raises:
            UserError: another name.
            DataError: as `prepare`, or the decoded arrays are no longer what they were.
        """
        return self._looked()(name)

    def fresh(self, name: str) -> Split:
        """The same samples, decoded when asked for; the cache is neither read nor written.

        Raises:
            UserError: another name.
            DataError: the data are not there, or hold no sample.
        """
        return self._fresh(self.members(name))

    def _fresh(self, samples: Sequence[Sample]) -> Split:
        if self.load is not None and self.pipeline == "full":
            return Originals(samples, self.load)
        return Fresh(Job(samples, self.read, self.size), self.columns, self.check)

    def _looked(self, workers: int = 2, progress: Progress | None = None, mend: bool = False) -> Callable[[str], Split]:
        """Gives splits by name after one look at the samples, prepared with so many workers; `mend` decodes damaged
        arrays anew.
        """
        samples = cache(self.samples)
        sliced = cache(lambda: parted(samples("train")))
        built = cache(lambda split: self._built(split, samples(split), workers, progress, mend))

        def kept(name: str) -> Split:
            split, part = self._part(name)
            if self.pipeline == "full":
                return self._fresh(samples(split) if part == "all" else sliced()[part])
            folder, beside = built(split)
            columns = self.columns or {file.stem: file.stem for file in sorted(folder.glob("*.npy"))}
            return Arrays(folder, columns, rows_of(beside, part), beside["fingerprints"][part])

        return kept

    def _part(self, name: str) -> tuple[str, str]:
        """The official split that holds a split, and which part of it that is: "all", "train" or "val".

        Raises:
            UserError: another name.
        """
        if name not in SPLITS:
            raise unknown("split", name, SPLITS)
        sliced = "val" not in self.official and name != "test"
        return ("train", name) if sliced else (name, "all")

    def _built(
        self, split: str, samples: Sequence[Sample], workers: int, progress: Progress | None, mend: bool
    ) -> tuple[Path, Meta]:
        """The folder of an official split's verified arrays, built if it is not there, and what stands beside them.

        Raises:
            DataError: as `prepare`, or without `mend`, which decodes them anew, the arrays are damaged.
        """
        job = Job(samples, self.read, self.size)
        height, width = self.size
        folder = self.cache / self.store / f"{split}-{height}x{width}-{job.stamp()}"
        parts = [part for official, part in map(self._part, SPLITS) if official == split]
        try:
            beside = verified(folder, parts)
        except Damaged as damage:
            if not mend:
                raise DataError(f"{folder}: {damage}; remove this folder, so that it is decoded anew.") from damage
            print(f"{folder}: {damage}; it is put aside and decoded anew.", file=sys.stderr)
            put_aside(folder)
            beside = None
        if beside is not None:
            return folder, beside
        report = (lambda done, total: progress(split, done, total)) if progress else None
        build(folder, job, workers=workers, progress=report, check=self.check)
        return self._built(
            split, self.samples(split), workers, progress, False
        )  # looked at as any other: its files may have changed meanwhile

    def members(self, name: str) -> Sequence[Sample]:
        """Which samples "train", "val" or "test" holds, in its order; none is decoded.

        Raises:
            UserError: another name.
            DataError: the data are not there, or hold no sample.
        """
        split, part = self._part(name)
        return self.samples(split) if part == "all" else parted(self.samples(split))[part]

    # ---- what a kind of task defines

    @abstractmethod
    def batch(self, raw: Mapping[str, Tensor], generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """What the host and the loss are given, from samples as stored.

        Args:
            raw: as `Arrays.gather` returns; not modified.
            generator: augments, all randomness from it; None leaves the samples as they are.
        """

    @property
    def scoring_batch(self) -> int:
        """Samples that are scored at once."""
        return 128

    def view(self, row: Row, training: bool) -> dict[str, Tensor]:
        """One sample of a full pipeline as a batch holds it, without the first dimension.

        Args:
            row: as `load` gave it.
            training: augment; all randomness from the global generators of Python, NumPy and PyTorch, which
                the caller has seeded. Samples that are not trained on may be of different sizes where
                `scoring_batch` is 1.
        """
        raise UserError(f"{type(self).__name__} has no full pipeline; use a scale whose pipeline is resized, as tiny.")

    def predict(self, network: Callable[[Tensor], Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        """The network's outputs for a batch that is scored; a kind may average over views of it."""
        return network(batch["image"])

    def merge(self, outputs: Sequence[Any]) -> Any:
        """One prediction from those of several networks, as one of them has it; a kind says how.

        Args:
            outputs: of each network, for the same batch; not modified.

        Raises:
            UserError: this kind of task does not say how.
        """
        raise UserError(
            f"{type(self).__name__} does not say how the outputs of several networks are merged; define its merge, or "
            "use a drawer that draws single tickets."
        )

    @classmethod
    def merges(cls) -> bool:
        """Whether it says how outputs are merged, so that ticket sets can be scored."""
        return cls.merge is not Task.merge

    @abstractmethod
    def head(self, features: Features) -> nn.Module:
        """A fresh head; its `forward` takes the list of the host's maps."""

    def ends(self, features: Features, latent: tuple[int, int]) -> nn.Module:
        """A fresh head round a host that takes latents of this (width, stride), `tickets.training.network.Ends`.

        Raises:
            UserError: this kind of task stands on hosts of images alone.
        """
        raise UserError(
            f"{type(self).__name__} looks at images, and the host makes them of latents; use a host that takes images."
        )

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The loss that is trained on, a scalar, the mean over the batch."""

    @property
    def has_temperature(self) -> bool:
        """Whether a temperature changes `imitation`, as it does where outputs are logits."""
        return True

    def imitation(
        self,
        outputs: Tensor,
        teacher: Tensor,
        batch: Mapping[str, Tensor],
        temperature: float = 1.0,
        reduction: Reduction = "sum",
    ) -> Tensor:
        """What it costs to differ from a teacher's outputs, as `tickets.source.Source` has it; a kind says what.

        Raises:
            UserError: the kind defines none, which is the default.
        """
        raise UserError(
            f"{type(self).__name__} defines no imitation of a teacher; train on it without one, or override its "
            "method imitation."
        )

    @classmethod
    def is_imitable(cls) -> bool:
        """Whether it says what it costs to differ from a teacher, so that recipes can imitate one."""
        return cls.imitation is not Task.imitation

    def imagined(self, network: Callable[[Tensor], Tensor], batch: Mapping[str, Tensor]) -> Sequence[Panel]:
        """What a network makes up by itself, a picture for each sample of the batch; none where it makes up nothing."""
        return ()

    def sight(self, image: np.ndarray) -> dict[str, Tensor]:
        """A picture without a truth as a batch of one, made ready as samples are that are scored.

        Args:
            image: uint8 (H, W, 3), of any size.

        Raises:
            UserError: this kind of task says nothing of a picture.
        """
        raise UserError(
            f"{type(self).__name__} does not say what a network is shown of a picture that is no sample; define its "
            "sight and answer, or predict with a network of another task."
        )

    def answer(self, image: np.ndarray, outputs: Any) -> Answer:
        """What outputs for `sight(image)` say of it.

        Args:
            image: uint8 (H, W, 3).
            outputs: of one image.

        Raises:
            UserError: as `sight`.
        """
        raise UserError(f"{type(self).__name__} does not say what outputs tell of a picture; define its answer.")

    @classmethod
    def answers(cls) -> bool:
        """Whether its networks can be asked about any picture."""
        return cls.sight is not Task.sight and cls.answer is not Task.answer

    @abstractmethod
    def metric(self, split: str = "test") -> Metric:
        """A fresh accumulator of this task's metrics, for the samples of one split."""

    def reliability(self) -> Metric | None:
        """A fresh accumulator of how far outputs can be trusted; None for none.

        It is measured of ticket sets and of their members, beside `metric`.
        """
        return None

    def diversity(self, networks: int) -> Diversity | None:
        """A fresh accumulator of how far the outputs of so many networks, at least 2, differ; None for none."""
        return None

    @abstractmethod
    def panels(self, batch: Mapping[str, Tensor], outputs: Any = None) -> Sequence[tuple[Panel, ...]]:
        """Input, truth and, where outputs are given, prediction of each sample, as pictures."""

    def preview(self, batch: Mapping[str, Tensor], outputs: Any = None) -> Image.Image:
        """Input, truth and, where outputs are given, prediction side by side, with a legend."""
        return sheet(self.panels(batch, outputs))

    def perfect(self, batch: Mapping[str, Tensor]) -> Any:
        """Outputs that say the batch's truth, which `metric` scores with 1; None where a task builds none.

        `python -m bench.check task` also makes a constant prediction of their shape.
        """
        return None
