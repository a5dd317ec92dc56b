"""CIFAR-10: small photographs of ten classes, in a tree of images, fetched where asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from tasks.base import Info
from tasks.data.listing import Listing
from tasks.kinds.adversarial import Adversarial
from tasks.kinds.images import Images
from tasks.kinds.reconstruction import CHANNELS, Reconstruction
from tasks.sets.folder import Tree, read
from tickets.errors import DataError, UserError


@dataclass(frozen=True)
class Cifar10(Tree):
    """CIFAR-10 as a tree of images: `root/cifar10/train/<class>/*` and `root/cifar10/test/<class>/*`."""

    store = "cifar10"
    field_counts: ClassVar[Mapping[str, int]] = {"train": 50_000, "test": 10_000}  # the data set's page
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    info = Info(
        kind="cls", version=1, primary="top1", outputs=10, names=names, test="test",
        citation="A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, "
        "technical report, University of Toronto, 2009",
        licence="none stated by the author; used for research; not redistributed with this project",
        url="https://www.cs.toronto.edu/~kriz/cifar.html",
    )  # fmt: skip

    def tree(self) -> Path:
        """`root/cifar10`."""
        return self.folder("cifar10")

    def download(self) -> bool:
        """Fetch CIFAR-10 by torchvision and unpack it as PNG files into `root/cifar10`, unless that is there.

        Raises:
            UserError: no root was given.
            DataError: it could not be fetched.
        """
        if self.root is None:
            raise UserError("--download needs a folder to put cifar10/ in; give it by --data-root or TICKETBENCH_DATA.")
        if (self.root / "cifar10").exists():
            return True
        from torchvision.datasets import CIFAR10

        with tempfile.TemporaryDirectory(dir=self.root) as place:
            try:
                parts = {"train": CIFAR10(place, train=True, download=True), "test": CIFAR10(place, train=False)}
            except (OSError, RuntimeError) as error:
                raise DataError(f"CIFAR-10 could not be fetched ({error}); get it from {self.info.url}.") from error
            for split, images in parts.items():
                for label in self.names:
                    (Path(place) / "cifar10" / split / label).mkdir(parents=True)
                for number, (image, label) in enumerate(images):
                    image.save(Path(place) / "cifar10" / split / self.names[label] / f"{number:05}.png")
            (Path(place) / "cifar10").rename(self.root / "cifar10")
        return True


@dataclass(frozen=True)
class _Images(Images):
    """The images of the same tree, whatever is made of them."""

    store = Cifar10.store
    read = staticmethod(read)

    @property
    def tree(self) -> Cifar10:
        """The same images as a classification."""
        return Cifar10(self.size, self.root, self.cache)

    @property
    def official(self) -> tuple[str, ...]:
        """As the tree has them."""
        return self.tree.official

    def locate(self) -> None:
        """Check that the tree is there.

        Raises:
            DataError: as that of classification.
        """
        self.tree.locate()

    def download(self) -> bool:
        """Fetch it as classification does."""
        return self.tree.download()

    def samples(self, split: str) -> Listing:
        """Every image, by class, then by path."""
        return self.tree.samples(split)


@dataclass(frozen=True)
class Cifar10Reconstruction(_Images, Reconstruction):
    """The photographs of CIFAR-10 again, through a few numbers."""

    info = replace(Cifar10.info, kind="vae", primary="saved", outputs=len(CHANNELS), names=CHANNELS)


@dataclass(frozen=True)
class Cifar10Generation(_Images, Adversarial):
    """Pictures like those of CIFAR-10."""

    info = replace(Cifar10.info, kind="gan", primary="coverage", outputs=len(CHANNELS), names=CHANNELS)
