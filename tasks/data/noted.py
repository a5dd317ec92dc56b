"""What a person should know of annotated people: who is no sample, and joints that lie where none can be."""

from __future__ import annotations

from tasks.data.annotations import Content, Person

MARGIN = 0.5  # of a box's sides, by which a joint may lie beyond it
MISTAKES = "correct them if they are mistakes"


def remarks(file: str, content: Content) -> list[str]:
    """A sentence on each thing that is odd, with a count and the first image.

    Args:
        file: the name of the file of annotations.
        content: what it holds.
    """
    idle = [person for person in content.people if not person.crowd and not person.usable]
    found = []
    if content.is_undrawn:
        found.append(f"{file}: its skeleton is no list of pairs of its {len(content.names)} joints, and is not drawn")
    if idle:
        found.append(
            f"{file}: people without a labelled joint: {len(idle):,} of {len(content.people):,}, the first in "
            f"{content.photos[idle[0].photo].file}; they are scored against, and are no samples"
        )
    return found + _outside(file, content)


def _outside(file: str, content: Content) -> list[str]:
    """Labelled joints outside of their image, and further ones far outside of their person's box."""
    beyond: dict[str, list[tuple[Person, int]]] = {"outside of their image": [], "far outside of their box": []}
    of_image, of_box = beyond.values()
    for person in filter(lambda person: person.usable, content.people):
        _, width, height = content.photos[person.photo]
        for joint in range(len(content.names)):
            x, y, labelled = person.joints[3 * joint : 3 * joint + 3]
            if labelled and not (-0.5 <= x <= width and -0.5 <= y <= height):
                of_image.append((person, joint))
            elif labelled and not _is_near(x, y, person):
                of_box.append((person, joint))
    return [
        f"{file}: labelled joints {where}: {len(found):,}, the first {_told(*found[0], content)}; {MISTAKES}"
        for where, found in beyond.items()
        if found
    ]


def _is_near(x: float, y: float, person: Person) -> bool:
    left, top, width, height = person.box
    wide, high = MARGIN * width, MARGIN * height
    return left - wide <= x <= left + width + wide and top - high <= y <= top + height + high


def _told(person: Person, joint: int, content: Content) -> str:
    x, y = person.joints[3 * joint : 3 * joint + 2]
    return f"the {content.names[joint]} at ({x:g}, {y:g}) in {content.photos[person.photo].file}"
