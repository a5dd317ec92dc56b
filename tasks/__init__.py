"""Task adapters: data, head, loss and metric of what a ticket is drawn on and what it is transferred to.

Importing this package loads neither torch nor numpy; `TASKS.load("cls/figures")` gives the adapter's class.
"""

from __future__ import annotations

from tickets.registry import Member, Registry

TASKS = Registry(
    "task",
    {
        "cls/figures": Member("tasks.figures.tasks:FiguresClassification"),
        "seg/figures": Member("tasks.figures.tasks:FiguresSegmentation"),
        "pose/figures": Member("tasks.figures.tasks:FiguresPose"),
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
    aliases={"cls": "cls/figures", "seg": "seg/figures", "pose": "pose/figures"},
)
