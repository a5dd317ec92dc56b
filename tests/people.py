"""A small set of photographs and annotations in COCO's format, written for tests."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tasks.kinds import joints

SIZE = (160, 200)  # height, width of the photographs


def person(random: np.random.Generator, number: int, photo: int, **changes: Any) -> dict[str, Any]:
    """An annotation of a person whose joints lie in their box; about a quarter of the joints are not labelled."""
    wide, high = random.uniform(40, 90), random.uniform(70, 120)
    left, top = random.uniform(0, SIZE[1] - wide), random.uniform(0, SIZE[0] - high)
    joints = np.column_stack(
        [random.integers(left + 1, left + wide - 1, 17), random.integers(top + 1, top + high - 1, 17)]
    )
    seen = random.integers(0, 4, 17).clip(max=2)
    seen[[5, 6, 11, 12]] = 2
    entry = {
        "id": number,
        "image_id": photo,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [round(float(v), 2) for v in (left, top, wide, high)],
        "area": round(float(wide * high * 0.6), 2),
        "keypoints": (np.column_stack([joints, seen]) * (seen > 0)[:, None]).ravel().tolist(),
        "num_keypoints": int((seen > 0).sum()),
        "segmentation": [],
    }
    return {**entry, **changes}


def annotations(split: str, photos: int, seed: int) -> dict[str, Any]:
    """The content of a file of annotations: three people an image, one without joints and one crowd in all."""
    random = np.random.default_rng(seed)
    names = [name.replace(" ", "_") for name in joints.KEYPOINTS]
    images = [
        {"id": 500 + i, "file_name": f"{split} {i}.jpg", "height": SIZE[0], "width": SIZE[1]} for i in range(photos)
    ]
    people = [person(random, 9000 - i, 500 + i // 3) for i in range(3 * photos)]
    people[1].update(keypoints=[0] * 51, num_keypoints=0)
    people.append(person(random, 1, 500, iscrowd=1, keypoints=[0] * 51, num_keypoints=0))
    skeleton = [[a + 1, b + 1] for a, b in joints.SKELETON]
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": skeleton}
    return {"images": images, "annotations": people, "categories": [category]}


def write(path: Path, content: Any) -> Path:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def photographs(folder: Path, content: dict[str, Any]) -> None:
    """Noise for each image that the annotations list."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in content["images"]:
        noise = np.random.default_rng(entry["id"]).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / entry["file_name"])


def coco(root: Path, photos: int = 8) -> Path:
    """`root/coco` with `photos` images to train on and half as many to test on; returns the folder."""
    for split, count, seed in (("train", photos, 0), ("val", photos // 2, 1)):
        content = annotations(split, count, seed)
        write(root / "coco" / "annotations" / f"person_keypoints_{split}2017.json", content)
        photographs(root / "coco" / f"{split}2017", content)
    return root / "coco"


def reference(truth: list[dict[str, Any]], results: list[dict[str, Any]]) -> dict[str, float]:
    """pycocotools' summary under our names, without those of sizes that nobody has."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    photos = sorted({person["image_id"] for person in (*truth, *results)})
    known = COCO()
    known.dataset = {
        "images": [{"id": photo} for photo in photos],
        "annotations": [{**p, "id": n, "category_id": 1} for n, p in enumerate(truth, 1)],
        "categories": [{"id": 1, "name": "person"}],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        known.createIndex()
        run = COCOeval(known, known.loadRes([{**r, "category_id": 1} for r in results]), "keypoints")
        run.evaluate()
        run.accumulate()
        run.summarize()
    names = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar")
    return {name: value for name, value in zip(names, run.stats[:6].tolist(), strict=True) if value >= 0}
