"""Task adapters: data, head, loss and metric of what a ticket is drawn on and what it is transferred to.

Importing this package loads neither torch nor numpy; `TASKS.load("cls/figures")` gives the adapter's class. The other
names of `__all__` are the package's public face, what an adapter and its reader need; they are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tickets.registry import Member, Registry

if TYPE_CHECKING:
    from tasks.base import Info, Task
    from tasks.data.files import names_in, rgb
    from tasks.data.samples import IGNORED, SPLITS, Row, Sample
    from tasks.feed import Feed
    from tasks.kinds.classification import Classification
    from tasks.kinds.pose import Pose
    from tasks.kinds.reconstruction import Reconstruction
    from tasks.kinds.segmentation import Segmentation
    from tasks.metrics.base import Metric

__all__ = [
    "IGNORED", "SPLITS", "TASKS", "Classification", "Feed", "Info", "Metric", "Pose", "Reconstruction", "Row", "Sample",
    "Segmentation", "Task", "names_in", "rgb",
]  # fmt: skip

EMBEDDED = "figures"
"""The last part of the names of tasks whose data come with this package."""
LONG = "needs an hour or a GPU"
"""The note of tasks that a minute's training says nothing of."""

TASKS: Registry[Task] = Registry(
    "task",
    {
        "cls/figures": Member("tasks.figures.tasks:FiguresClassification"),
        "seg/figures": Member("tasks.figures.tasks:FiguresSegmentation"),
        "pose/figures": Member("tasks.figures.tasks:FiguresPose"),
        "vae/figures": Member("tasks.figures.tasks:FiguresReconstruction"),
        "vae/cifar10": Member("tasks.sets.cifar10:Cifar10Reconstruction"),
        "gan/figures": Member("tasks.figures.tasks:FiguresGeneration", note=LONG),
        "gan/cifar10": Member("tasks.sets.cifar10:Cifar10Generation", note=LONG),
        "cls/folder": Member("tasks.sets.folder:Folder"),
        "cls/imagenet": Member("tasks.sets.imagenet:ImageNet"),
        "cls/cifar10": Member("tasks.sets.cifar10:Cifar10"),
        "seg/folder": Member("tasks.sets.mask_folder:MaskFolder"),
        "seg/cityscapes": Member("tasks.sets.cityscapes:Cityscapes"),
        "seg/ade20k": Member("tasks.sets.ade20k:ADE20K"),
        "seg/camvid": Member("tasks.sets.camvid:CamVid"),
        "pose/lsp": Member("tasks.sets.lsp:LeedsSports"),
        "pose/coco": Member("tasks.sets.coco:Coco"),
        "pose/folder": Member("tasks.sets.keypoint_folder:KeypointFolder"),
    },
    "ticketbench.tasks",
    "tasks.base:Task",
    "seg/camvid@average=all",
    aliases={kind: f"{kind}/{EMBEDDED}" for kind in ("cls", "seg", "pose", "vae", "gan")},
    beside="NAMES given by --data KIND/NAME=PATH",
)

_PUBLIC = {
    "Classification": "tasks.kinds.classification",
    "Feed": "tasks.feed",
    "IGNORED": "tasks.data.samples",
    "Info": "tasks.base",
    "Metric": "tasks.metrics.base",
    "Pose": "tasks.kinds.pose",
    "Reconstruction": "tasks.kinds.reconstruction",
    "Row": "tasks.data.samples",
    "SPLITS": "tasks.data.samples",
    "Sample": "tasks.data.samples",
    "Segmentation": "tasks.kinds.segmentation",
    "Task": "tasks.base",
    "names_in": "tasks.data.files",
    "rgb": "tasks.data.files",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tasks' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
