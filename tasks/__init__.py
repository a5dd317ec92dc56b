"""Task adapters: data, head, loss and metric of what a ticket is drawn on and what it is transferred to.

Importing this package loads neither torch nor numpy; `TASKS.load("cls/figures")` gives the adapter's class.
"""

from __future__ import annotations

from tickets.registry import Registry

TASKS = Registry(
    "task",
    {
        "cls/figures": "tasks.classification:FiguresClassification",
        "seg/figures": "tasks.segmentation:FiguresSegmentation",
        "pose/figures": "tasks.pose:FiguresPose",
        "cls/folder": "tasks.folder:Folder",
        "cls/imagenet": "tasks.folder:ImageNet",
        "cls/cifar10": "tasks.folder:Cifar10",
        "seg/folder": "tasks.mask_folder:MaskFolder",
        "seg/cityscapes": "tasks.cityscapes:Cityscapes",
        "seg/ade20k": "tasks.ade20k:ADE20K",
        "seg/camvid": "tasks.camvid:CamVid",
        "pose/lsp": "tasks.lsp:LeedsSports",
        "pose/coco": "tasks.coco:Coco",
        "pose/folder": "tasks.coco:KeypointFolder",
    },
    "ticketbench.tasks",
    aliases={"cls": "cls/figures", "seg": "seg/figures", "pose": "pose/figures"},
)
