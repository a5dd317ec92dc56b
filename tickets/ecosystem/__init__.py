"""Tickets where others train: timm, torchvision, mmengine and mmseg, Lightning, the Hub; nothing here imports them."""
