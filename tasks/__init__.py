"""Task adapters: data, head, loss and metric of what a ticket is drawn on and what it is transferred to.

Importing this package loads neither torch nor numpy; `TASKS.load("cls/figures")` gives the adapter's class.
"""

from __future__ import annotations

from tickets.registry import Member, Registry

TASKS = Registry(
    "task",
    {
        "cls/figures": Member("tasks.classification:FiguresClassification"),
        "seg/figures": Member("tasks.segmentation:FiguresSegmentation"),
        "pose/figures": Member("tasks.pose:FiguresPose"),
        "cls/folder": Member("tasks.folder:Folder"),
        "cls/imagenet": Member("tasks.folder:ImageNet"),
        "cls/cifar10": Member("tasks.folder:Cifar10"),
        "seg/folder": Member("tasks.mask_folder:MaskFolder"),
        "seg/cityscapes": Member("tasks.cityscapes:Cityscapes"),
        "seg/ade20k": Member("tasks.ade20k:ADE20K"),
        "seg/camvid": Member("tasks.camvid:CamVid"),
        "pose/lsp": Member("tasks.lsp:LeedsSports"),
        "pose/coco": Member("tasks.coco:Coco"),
        "pose/folder": Member("tasks.coco:KeypointFolder"),
    },
    "ticketbench.tasks",
    "tasks.base:Task",
    aliases={"cls": "cls/figures", "seg": "seg/figures", "pose": "pose/figures"},
)
