"""Task adapters: data, head, loss and metric of what a ticket is drawn on and what it is transferred to.

Importing this package loads neither torch nor numpy; `TASKS.load("cls/figures")` gives the adapter's class.
"""

from __future__ import annotations

from tickets.registry import Registry

TASKS = Registry(
    "task",
    {
        "cls/figures": "tasks.figures.tasks:FiguresClassification",
        "seg/figures": "tasks.figures.tasks:FiguresSegmentation",
        "pose/figures": "tasks.figures.tasks:FiguresPose",
        "cls/folder": "tasks.sets.folder:Folder",
        "cls/imagenet": "tasks.sets.imagenet:ImageNet",
        "cls/cifar10": "tasks.sets.cifar10:Cifar10",
        "seg/folder": "tasks.sets.mask_folder:MaskFolder",
        "seg/cityscapes": "tasks.sets.cityscapes:Cityscapes",
        "seg/ade20k": "tasks.sets.ade20k:ADE20K",
        "seg/camvid": "tasks.sets.camvid:CamVid",
        "pose/lsp": "tasks.sets.lsp:LeedsSports",
        "pose/coco": "tasks.sets.coco:Coco",
        "pose/folder": "tasks.sets.keypoint_folder:KeypointFolder",
    },
    "ticketbench.tasks",
    aliases={"cls": "cls/figures", "seg": "seg/figures", "pose": "pose/figures"},
)
