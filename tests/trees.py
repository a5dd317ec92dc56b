"""Small data sets in their official layouts, written for tests: random, but learnable, since a class has its colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

Size = tuple[int, int]
COLOURS = np.random.default_rng(7).integers(30, 226, (256, 3))  # of an id, in every tree


def scene(number: int, size: Size, ids: list[int], spots: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Rectangles of random ids, each id in its colour under noise.

    Args:
        number: decides everything.
        size: (H, W).
        ids: that occur.
        spots: rectangles before a ground of one id.

    Returns:
        Image uint8 (H, W, 3) and label uint8 (H, W).
    """
    rng = np.random.default_rng(number)
    label = np.full(size, rng.choice(ids), np.uint8)
    for _ in range(spots):
        y, x = (int(rng.integers(0, side)) for side in size)
        height, width = (int(rng.integers(side // 4, side // 2 + 1)) for side in size)
        label[y : y + height, x : x + width] = rng.choice(ids)
    return noisy(COLOURS[label], rng), label


def noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An image (H, W, 3) under noise, uint8."""
    return (image + rng.normal(0, 12, image.shape)).clip(0, 255).astype(np.uint8)


def save(path: Path, array: np.ndarray) -> Path:
    """Write an image file and the folders above it; JPEG files keep small regions' colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fine = {"quality": 95, "subsampling": 0} if path.suffix.lower() in (".jpg", ".jpeg") else {}
    Image.fromarray(array).save(path, **fine)
    return path


def cityscapes(root: Path, count: int = 8, size: Size = (32, 64)) -> Path:
    """`root/cityscapes`: `count` scenes in each of train and val, in two cities each, with labelIds."""
    ids = [0, 4, 7, 11, 21, 23, 24, 26, 33]
    for start, split, cities in ((0, "train", ("aachen", "ulm")), (10_000, "val", ("lindau", "münster"))):
        for i in range(count):
            image, label = scene(start + i, size, ids)
            city = cities[i % 2]
            name = f"{city}_{i:06}_000019"
            save(root / "cityscapes" / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", image)
            save(root / "cityscapes" / "gtFine" / split / city / f"{name}_gtFine_labelIds.png", label)
    return root / "cityscapes"


def ade20k(root: Path, count: int = 8, size: Size = (36, 48)) -> Path:
    """`root/ADEChallengeData2016`: `count` scenes in each split, ids 0 to 150, every other one upright."""
    place = root / "ADEChallengeData2016"
    for start, split, short in ((0, "training", "train"), (10_000, "validation", "val")):
        for i in range(count):
            image, label = scene(start + i, size if i % 2 == 0 else size[::-1], [0, 1, 2, 3, 13, 150])
            save(place / "images" / split / f"ADE_{short}_{i + 1:08}.jpg", image)
            save(place / "annotations" / split / f"ADE_{short}_{i + 1:08}.png", label)
    return place


def camvid(root: Path, count: int = 8, size: Size = (36, 48)) -> Path:
    """`root/camvid`: `count` scenes in each of train, val and test, ids 0 to 11, and the split files."""
    for start, split in ((0, "train"), (10_000, "test"), (20_000, "val")):
        lines = []
        for i in range(count):
            image, label = scene(start + i, size, [0, 1, 3, 8, 11])
            save(root / "camvid" / split / f"{split}{i}.png", image)
            save(root / "camvid" / f"{split}annot" / f"{split}{i}.png", label)
            lines.append(f"{split}/{split}{i}.png {split}annot/{split}{i}.png\n")
        (root / "camvid" / f"{split}.txt").write_text("".join(lines))
    return root / "camvid"


def masks(root: Path, count: int = 8, size: Size = (36, 48)) -> Path:
    """`root` as seg/folder wants it: three classes, `count` images in each of train and test, some pixels ignored."""
    for start, split in ((0, "train"), (10_000, "test")):
        for i in range(count):
            image, label = scene(start + i, size, [0, 1, 2, 255])
            save(root / split / "images" / f"bild {i} é.png", image)
            save(root / split / "masks" / f"bild {i} é.png", label)
    (root / "classes.txt").write_text("Himmel\nrote Dächer\n木\n", encoding="utf-8")
    return root


def imagenet(root: Path, count: int = 8, size: Size = (36, 48), classes: int = 3) -> Path:
    """`root/imagenet`: `count` JPEG files for each of some synsets, in each of train and val."""
    for start, split in ((0, "train"), (10_000, "val")):
        for c in range(classes):
            for i in range(count):
                rng = np.random.default_rng(start + 100 * c + i)
                image = noisy(np.broadcast_to(COLOURS[c], (*size, 3)), rng)
                name = f"n{c:08}_{i}.JPEG" if split == "train" else f"ILSVRC2012_val_{count * c + i + 1:08}.JPEG"
                save(root / "imagenet" / split / f"n{c:08}" / name, image)
    return root / "imagenet"
