"""COCO's keypoint evaluation: object keypoint similarity (OKS), its suppression of doubles, average precision.

The similarity of two people with K joints is the mean of exp(-d^2 / (2 a (2 s)^2)) over joints, with their distance
d, the area a and the joint's constant s (Ronchi and Perona, ICCV 2017).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

# COCO's per-keypoint standard deviations, nose to right ankle, as published with its evaluation code
SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
SURE = 0.2  # joints of more confidence count in a person's score
SAME = 0.9  # people of one image who are more similar than this are one
OFF = -1e6  # in place of coordinates and scores that are not finite
STATS = {"ap": 0, "ap50": 1, "ap75": 2, "ap_medium": 3, "ap_large": 4, "ar": 5}  # places in the evaluator's summary


def rescored(box: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Scores of people: of the box (N,) times the mean of the joints' (N, K) above 0.2, 0 where none is."""
    sure = joints > SURE
    return box * (joints * sure).sum(1) / np.maximum(sure.sum(1), 1)


def similarity(person: np.ndarray, others: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """OKS (N,) of a person (17, 2) with others (N, 17, 2), at these areas (N,), over all joints."""
    distance = ((others - person) ** 2).sum(2)
    return np.exp(-distance / (2 * areas[:, None] * (2 * SIGMAS) ** 2)).mean(1)


def suppressed(points: np.ndarray, areas: np.ndarray, scores: np.ndarray) -> list[int]:
    """Which people of one image stay, the best first: none more similar than 0.9 to a better one.

    Args:
        points: (N, 17, 2).
        areas: (N,), above 0; a pair is compared at the mean of its two.
        scores: (N,); of equal ones the earlier person is the better.
    """
    left = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        left = left[similarity(points[best], points[left], (areas[best] + areas[left]) / 2) <= SAME]
    return kept


def evaluate(truth: Iterable[Mapping[str, Any]], results: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """COCO's summary of results against annotations, by faster-coco-eval.

    Args:
        truth: annotations with "image_id", "keypoints", "num_keypoints", "area", "bbox", "iscrowd"; renumbered, since
            the matching reads the id 0 as "none".
        results: "image_id", "keypoints" (x, y, anything) * 17, "score"; results in images without annotations count
            as wrong.

    Returns:
        {"ap", "ap50", "ap75", "ap_medium", "ap_large", "ar"} in [0, 1]; without those of sizes that nobody has.
    """
    from faster_coco_eval import COCO, COCOeval_faster  # costs a moment: only who asks pays

    people = [{**person, "id": n, "category_id": 1} for n, person in enumerate(truth, start=1)]
    guesses = [{**guess, "category_id": 1} for guess in results]
    images = [{"id": number} for number in sorted({person["image_id"] for person in (*people, *guesses)})]
    known = COCO({"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]})
    evaluation = COCOeval_faster(
        known, known.loadRes(guesses), iouType="keypoints", kpt_oks_sigmas=SIGMAS, print_function=_silent
    )
    evaluation.run()
    found = {name: float(evaluation.stats[place]) for name, place in STATS.items()}
    return {name: max(0.0, value) for name, value in found.items() if value >= 0 or name in ("ap", "ap50", "ap75")}


def average_precision(people: np.ndarray) -> dict[str, float]:
    """COCO's keypoint AP over OKS thresholds 0.5 to 0.95, and at 0.5 and 0.75, of one person an image.

    Args:
        people: float (N, 5 * 17 + 2), a row an image: truth (x, y, visible) * 17, area in square pixels,
            prediction (x, y) * 17, score. Rows are sorted first, so that their order cannot decide between
            equal scores. Coordinates and scores that are not finite become -1e6.

    Returns:
        {"ap", "ap50", "ap75"} in [0, 1].
    """
    k = len(SIGMAS)
    people = np.nan_to_num(people, nan=OFF, posinf=OFF, neginf=OFF)
    people = people[(people[:, 2 : 3 * k : 3] > 0).any(1)]
    people = people[np.lexsort(people.T)]
    truths, guesses = [], []
    for number, row in enumerate(people, start=1):
        truth, points = row[: 3 * k].reshape(k, 3), row[3 * k + 1 : -1].reshape(k, 2)
        labelled = truth[:, 2] > 0
        joints = np.column_stack([truth[:, :2], 2.0 * labelled]).ravel().tolist()
        truths.append(
            {
                "image_id": number,
                "keypoints": joints,
                "num_keypoints": int(labelled.sum()),
                "area": float(row[3 * k]),
                "bbox": [0, 0, 1, 1],  # read, but used only for people without labelled joints
                "iscrowd": 0,
            }
        )
        joints = np.column_stack([points, np.ones(k)]).ravel().tolist()
        guesses.append({"image_id": number, "keypoints": joints, "score": float(row[-1])})
    scores = evaluate(truths, guesses)
    return {name: scores[name] for name in ("ap", "ap50", "ap75")}


def _silent(*_: object) -> None:
    """Swallow the evaluator's progress lines."""
