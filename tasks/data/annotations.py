"""COCO's keypoint annotations and detections, read from their JSON files and checked. Imports no torch.

Every mistake is told with the file, the annotation's id, the value and what to do. What tools that export this format
leave out or write otherwise, and training can do without, is read; `tasks.data.noted` tells of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tickets import bounded
from tickets.errors import DataError

MOST = 4096 * bounded.MIB
"""Bytes of a file; COCO's largest has 450 MiB."""
LARGEST = 2**31
"""No id, no side and no place in an image is beyond."""
Box = tuple[float, float, float, float]  # x, y, width, height in pixels, from the image's edge


class Photo(NamedTuple):
    """An image that a file lists."""

    file: str
    width: int
    height: int


class Person(NamedTuple):
    """An annotated person, whether or not their joints are."""

    number: int
    photo: int
    box: Box
    joints: tuple[float, ...]  # x, y, labelled (0, 1 or 2) of each of K joints
    labelled: int  # joints
    area: float
    crowd: bool

    @property
    def usable(self) -> bool:
        """Whether a pose can be learned from it: one person, with a labelled joint."""
        return not self.crowd and self.labelled > 0 and any(self.joints[2::3])


@dataclass(frozen=True)
class Content:
    """What a file of keypoint annotations holds.

    Args:
        names: of the K joints, spaces in place of underscores.
        skeleton: pairs of joints, from 0.
        photos: by id.
        people: by image, then by id.
        categories: ids of those that have keypoints, the same ones.
        pairs: of joints that a mirror exchanges, where the file names them.
        is_undrawn: whether the file has a skeleton that is none of these joints.
    """

    names: tuple[str, ...]
    skeleton: tuple[tuple[int, int], ...]
    photos: dict[int, Photo]
    people: tuple[Person, ...]
    categories: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] | None = None
    is_undrawn: bool = False

    def truth(self, photos: Iterable[int]) -> list[dict[str, Any]]:
        """COCO's annotations of these images, as an evaluator takes them, crowds among them."""
        wanted = set(photos)
        return [
            {
                "id": person.number,
                "image_id": person.photo,
                "keypoints": list(person.joints),
                "num_keypoints": person.labelled,
                "area": person.area,
                "bbox": list(person.box),
                "iscrowd": int(person.crowd),
            }
            for person in self.people
            if person.photo in wanted
        ]


def keypoints(path: Path) -> Content:
    """The keypoint annotations of a file; read again only when its time or size has changed.

    Usable people have boxes with an area, cut to their image; other people's are as they are.

    Raises:
        DataError: missing, not JSON, not of COCO's form, or a mistake in an annotation; names the file.
    """
    return _keypoints(path, *_state(path))


def detections(path: Path, content: Content) -> list[tuple[int, Box, float]]:
    """(image id, box, score) of each person in a file of detections in COCO's result format, best first by image.

    Args:
        path: a JSON list of {"image_id", "category_id", "bbox", "score"}; other categories are passed over.
        content: the annotations of the images that were looked at.

    Raises:
        DataError: as `keypoints`, or a box of an image that the annotations do not list, or no person at all.
    """
    return list(_detections(path, *_state(path), content.categories, tuple(content.photos.items())))


def _state(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path}: missing ({error.strerror}); restore the file.") from error
    return state.st_mtime_ns, state.st_size


def _json(path: Path) -> Any:
    try:
        return json.loads(bounded.read(path, MOST))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({str(error)[:200]}); restore the file.") from error


@lru_cache(maxsize=4)
def _keypoints(path: Path, mtime_ns: int, size: int) -> Content:
    data = _json(path)
    for key in ("images", "annotations", "categories"):
        if not isinstance(data, dict) or not isinstance(data.get(key), list):
            raise DataError(
                f"{path}: has no list '{key}'; COCO's annotations have images, annotations and categories; "
                "give a file of keypoint annotations."
            )
    joints = _joints(path, data["categories"])
    photos: dict[int, Photo] = {}
    for entry in data["images"]:
        number, photo = _photo(path, entry)
        if number in photos:
            raise DataError(f"{path}: lists the image id {number} twice; correct one of them.")
        photos[number] = photo
    entries = [e for e in data["annotations"] if isinstance(e, dict) and _number(e.get("category_id")) in joints.kinds]
    counted = any(entry.get("num_keypoints") for entry in entries)
    people: dict[int, Person] = {}
    for entry in entries:
        person = _person(path, entry, len(joints.names), photos, counted)
        if person.number in people:
            raise DataError(f"{path}: lists the annotation id {person.number} twice; correct one of them.")
        people[person.number] = person
    ordered = tuple(sorted(people.values(), key=lambda person: (person.photo, person.number)))
    skeleton = _skeleton(joints.lines, len(joints.names))
    return Content(joints.names, skeleton or (), photos, ordered, joints.kinds, joints.pairs, skeleton is None)


class _Joints(NamedTuple):
    """What the categories say of joints."""

    kinds: tuple[int, ...]
    names: tuple[str, ...]
    lines: Any  # the skeleton as it stands there
    pairs: tuple[tuple[int, int], ...] | None


def _joints(path: Path, categories: list[Any]) -> _Joints:
    """The joints of all categories that name some, which have to be the same."""
    found = [entry for entry in categories if isinstance(entry, dict) and entry.get("keypoints")]
    if not found:
        raise DataError(
            f"{path}: 0 of its {len(categories)} categories name keypoints; one has to, as COCO's person does; give a "
            "file of keypoint annotations."
        )
    kinds = []
    for entry in found:
        number, names = _number(entry.get("id")), entry["keypoints"]
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if number is None or not is_list or len(set(names)) < len(names):
            raise DataError(
                f"{path}: its category {_shown(entry.get('name', number))} needs an integer id and keypoints of "
                "different names; correct it."
            )
        if names != found[0]["keypoints"]:
            raise DataError(
                f"{path}: its categories {found[0].get('name')!r} and {entry.get('name')!r} name different keypoints; "
                "leave one of them out, or give each a folder of its own."
            )
        kinds.append(number)
    names = tuple(name.replace("_", " ") for name in found[0]["keypoints"])
    return _Joints(tuple(kinds), names, found[0].get("skeleton"), _pairs(path, found[0], names))


def _pairs(path: Path, category: dict[str, Any], names: tuple[str, ...]) -> tuple[tuple[int, int], ...] | None:
    """What a mirror exchanges, where the category says so: `"flip_pairs": [["hip_L", "hip_R"]]`."""
    if (told := category.get("flip_pairs")) is None:
        return None
    at = {name: place for place, name in enumerate(names)}
    try:
        found = tuple((at[left.replace("_", " ")], at[right.replace("_", " ")]) for left, right in told)
    except (AttributeError, KeyError, TypeError, ValueError):
        found = ((0, 0),)
    if len({joint for pair in found for joint in pair}) < 2 * len(found):
        raise DataError(
            f"{path}: its flip_pairs are {_shown(told)}; they must be a list of pairs of names of its keypoints, each "
            "in one pair at most; correct them."
        )
    return found


def _skeleton(lines: Any, joints: int) -> tuple[tuple[int, int], ...] | None:
    """Pairs of joints from 0, of a skeleton that counts from 1, or where it names 0 from 0; None if it is none."""
    try:
        pairs = [(int(a), int(b)) for a, b in lines or ()]
    except (TypeError, ValueError, OverflowError):
        return None
    first = 0 if any(0 in pair for pair in pairs) else 1
    fits = all(0 <= joint - first < joints for pair in pairs for joint in pair)
    return tuple((a - first, b - first) for a, b in pairs if a != b) if fits else None


def _number(value: Any) -> int | None:
    """An id, which some tools write as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def _photo(path: Path, entry: Any) -> tuple[int, Photo]:
    try:
        number, photo = _number(entry["id"]), Photo(entry["file_name"], entry["width"], entry["height"])
        fits = isinstance(photo.file, str) and 0 < photo.width < LARGEST and 0 < photo.height < LARGEST
    except (KeyError, TypeError):
        number, fits = None, False
    if number is None or not fits:
        raise DataError(
            f"{path}: its image {_shown(entry)} needs an integer id, a file_name, and a width and height above 0; "
            "correct it."
        )
    return number, photo


def _person(path: Path, entry: dict[str, Any], joints: int, photos: dict[int, Photo], counted: bool) -> Person:
    """A person; whose labelled joints are counted here where nobody's are `counted` in the file."""
    number = _number(entry.get("id"))
    where = f"{path}: annotation {_shown(entry.get('id'))}"
    if number is None:
        raise DataError(f"{path}: its annotation {_shown(entry)} has no integer id; give it one.")
    photo = _number(entry.get("image_id"))
    if photo is None or photo not in photos:
        raise DataError(
            f"{where} is of the image {_shown(entry.get('image_id'))}, which the file does not list; correct it."
        )
    points = _points(where, entry.get("keypoints") or [0] * 3 * joints, joints)
    seen = sum(v > 0 for v in points[2::3])
    box = entry.get("bbox") or ([] if seen else [0, 0, 0, 0])
    if not isinstance(box, list) or len(box) != 4 or not _numbers(box):
        told = _shown(box)
        raise DataError(f"{where} has the box {told}; it must be 4 numbers, x, y, width, height; correct it.")
    labelled, area = entry.get("num_keypoints") if counted else seen, entry.get("area") or box[2] * box[3]
    labelled = seen if labelled is None else labelled
    if not _numbers([labelled, area]):
        raise DataError(
            f"{where} has num_keypoints {_shown(labelled)} and area {_shown(area)}; they must be numbers; correct it."
        )
    person = Person(number, photo, tuple(box), tuple(points), labelled, area, bool(entry.get("iscrowd", 0)))
    return person._replace(box=_cut(where, person.box, photos[photo])) if person.usable else person


def _points(where: str, points: Any, joints: int) -> list[Any]:
    """x, y, labelled of each joint, as they stand in an annotation."""
    if not isinstance(points, list) or len(points) != 3 * joints:
        length = len(points) if isinstance(points, list) else "no"
        raise DataError(
            f"{where} has {length} keypoint values, not {3 * joints} (x, y, labelled of {joints} joints); correct it."
        )
    if not _numbers(points) or not set(points[2::3]) <= {0, 1, 2}:
        raise DataError(f"{where} has keypoints that are not finite numbers x, y and 0, 1 or 2 (labelled); correct it.")
    return points


def _cut(where: str, box: Box, photo: Photo) -> Box:
    """The part of a box that lies in its image.

    Raises:
        DataError: a side of the box is not above 0, or it lies outside.
    """
    x, y, width, height = box
    if not (width > 0 and height > 0):
        raise DataError(f"{where} has the box {list(box)}, whose width and height must be above 0; correct it.")
    left, top = max(x, 0.0), max(y, 0.0)
    wide, high = min(x + width, photo.width) - left, min(y + height, photo.height) - top
    if not (wide > 0 and high > 0):
        raise DataError(
            f"{where} has the box {list(box)}, outside of its image {photo.file} of {photo.width} x {photo.height} "
            "pixels; correct it."
        )
    return left, top, wide, high


@lru_cache(maxsize=1)
def _detections(
    path: Path, mtime_ns: int, size: int, categories: tuple[int, ...], listed: tuple[tuple[int, Photo], ...]
) -> tuple[tuple[int, Box, float], ...]:
    data, photos = _json(path), dict(listed)
    if not isinstance(data, list):
        raise DataError(f"{path}: is no list of boxes; give detections in COCO's result format.")
    found = []
    for place, entry in enumerate(data):
        where = f"{path}: detection {place}"
        try:
            kind, photo, box, score = (entry[key] for key in ("category_id", "image_id", "bbox", "score"))
            fits = isinstance(photo, int) and isinstance(box, list) and len(box) == 4 and _numbers([*box, score])
        except (KeyError, TypeError):
            fits = False
        if not fits:
            raise DataError(
                f"{where}, {_shown(entry)}, needs category_id, an integer image_id, a bbox of 4 numbers and a score; "
                "give detections in COCO's result format."
            )
        if photo not in photos:
            raise DataError(
                f"{where} is of the image {photo}, which the annotations do not list; give the detections of their "
                "images."
            )
        if kind in categories:
            found.append((photo, _cut(where, tuple(box), photos[photo]), float(score)))
    if not found:
        raise DataError(f"{path}: holds no box of category {categories[0]} (a person); give a file that does.")
    return tuple(sorted(found, key=lambda each: (each[0], -each[2], each[1])))


def _numbers(values: Iterable[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except (TypeError, OverflowError):  # no number, or one that no float holds
        return False


def _shown(entry: Any) -> str:
    try:
        text = repr(entry)
    except ValueError:  # of a number of thousands of digits
        text = "a number beyond all bounds"
    return text if len(text) <= 80 else f"{text[:77]}..."
