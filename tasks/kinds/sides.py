"""What the names of joints say: which are left and right of each other, and which are neck, hips and head.

A side is a word of its own, never a part of one: "hip_L", "left hip", "hipLeft" and "LHip" have one, "brightness" has
none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from tickets.errors import DataError

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")  # "LHip" has two, as "l_hip" and "hip left" have
SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
OTHER = {"left": "right", "right": "left"}
MOST_TOLD = 4  # pairs

Pairs = tuple[tuple[int, int], ...]


def words(name: str) -> list[str]:
    """The words of a name, in small letters."""
    return [word.lower() for word in WORD.findall(name)]


def sided(name: str) -> tuple[str, str]:
    """("left" or "right", the other words); ("", all words) where no word, or more than one, is a side.

    Example:
        >>> sided("LHip"), sided("hip-left"), sided("brightness")
        (('left', 'hip'), ('left', 'hip'), ('', 'brightness'))
    """
    every = words(name)
    sides = [SIDES[word] for word in every if word in SIDES]
    if len(sides) != 1:
        return "", " ".join(every)
    return sides[0], " ".join(word for word in every if word not in SIDES)


def pairs(where: object, names: Sequence[str]) -> Pairs:
    """(left, right) of the joints whose names differ in nothing but the side, by the place of the left one.

    Args:
        where: the file, for the message.
        names: of all joints.

    Raises:
        DataError: a joint is named left or right, not by a letter alone, and there is not one other.
    """
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        places[sided(name)].append(place)
    found = set()
    for (side, rest), own in [entry for entry in places.items() if entry[0][0]]:
        other = places.get((OTHER[side], rest), [])
        if len(own) == len(other) == 1:
            found.add((own[0], other[0]) if side == "left" else (other[0], own[0]))
        elif side in words(names[own[0]]):
            many = "none" if not other else "not one alone"
            raise DataError(
                f"{where}: has the keypoint '{names[own[0]]}' but {many} named '{OTHER[side]} {rest}'; add or rename "
                'it, or name the pairs in the category, as "flip_pairs": [["hip_L", "hip_R"]], or [] for none.'
            )
    return tuple(sorted(found))


def ends(names: Sequence[str]) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], tuple[int, ...]]:
    """What joints' names say of lengths: `Info.torso` and `Info.head`."""
    at = {" ".join(sided(name)).strip(): place for place, name in enumerate(names)}

    def first(*choices: tuple[str, ...]) -> tuple[int, ...]:
        return next((tuple(at[n] for n in choice) for choice in choices if at.keys() >= set(choice)), ())

    neck = first(("neck",), ("thorax",), ("left shoulder", "right shoulder"))
    hips = first(("pelvis",), ("left hip", "right hip"))
    head = first(("neck", "head top"), ("neck", "top of head"))
    return (neck, hips) if neck and hips else ((), ()), head


def told(names: Sequence[str], found: Pairs, by_name: bool) -> str:
    """What was taken for pairs, and by whom, in a sentence.

    Args:
        names: of all joints.
        found: the pairs.
        by_name: whether names said so, and not the file.
    """
    source = "by their names" if by_name else "by the file's flip_pairs"
    if not found and by_name:
        return (
            "no joint is left or right by its name, so images are not mirrored; name pairs in the category of "
            'train.json, as "flip_pairs": [["a", "b"]], or [] where a mirror exchanges none'
        )
    shown = [f"{names[left]} and {names[right]}" for left, right in found[:MOST_TOLD]]
    more = [f"{len(found) - MOST_TOLD} more pairs"] if len(found) > MOST_TOLD else []
    rest = len(names) - 2 * len(found)
    return f"left and right {source}: {'; '.join(shown + more) or 'none'}; {rest} joints have no side"
