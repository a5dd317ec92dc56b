"""ImageNet: photographs of a thousand classes, in the tree that its archives unpack to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from tasks.base import Info
from tasks.sets.folder import Tree


@dataclass(frozen=True)
class ImageNet(Tree):
    """ILSVRC 2012 as its archives unpack: `root/imagenet/train/<synset>/*.JPEG`, `root/imagenet/val/<synset>/*.JPEG`.

    The 1,000 classes are the synsets' folders, sorted, as everyone numbers them; a part of them is a task too.
    """

    store = "imagenet"
    field_counts: ClassVar[Mapping[str, int]] = {
        "train": 1_281_167,
        "test": 50_000,
    }  # of ILSVRC 2012; test is val
    about: ClassVar[dict[str, Any]] = {
        "citation": "O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 115(3), 2015",
        "licence": "non-commercial research and education; not redistributed with this project",
        "url": "https://www.image-net.org/",
    }
    """What is known of it without its files."""

    @property
    def info(self) -> Info:
        """The classes that are there, and what to cite."""
        return replace(super().info, version=1, test="val", **self.about)

    def tree(self) -> Path:
        """`root/imagenet`."""
        return self.folder("imagenet")
