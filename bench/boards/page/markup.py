"""HTML of elements and texts; whatever is not markup already is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlencode


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str) -> Markup:
    """An element; a trailing underscore of an attribute's name is dropped, others become hyphens.

    Example:
        >>> tag("a", "1 < 2", href="#x", class_="y", aria_label="&")
        '<a href="#x" class="y" aria-label="&amp;">1 &lt; 2</a>'
    """
    told = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{told}>{joined(children)}</{name}>")


def joined(children: Iterable[str]) -> Markup:
    """Markup as it is and texts escaped, one after the other."""
    return Markup("".join(child if isinstance(child, Markup) else escape(child) for child in children))


def name(text: str) -> Markup:
    """A name that records chose: its direction stays its own."""
    return tag("bdi", text)


def link(text: str, view: str, **state: str) -> Markup:
    """A link to a view of the page in a certain state."""
    return tag("a", name(text), href=f"#{urlencode({'view': view, **state})}")


def table(label: str, head: Sequence[str], body: Iterable[Sequence[str]], words: int = 1) -> Markup:
    """A table in a box that scrolls; the first cell of a line is its header.

    Args:
        label: its caption, for those who hear it.
        head: a title a column.
        body: lines of cells.
        words: number of columns, from the first, that hold words and not numbers.
    """
    kinds = [{"class_": "w"} if column < words else {} for column in range(len(head))]
    titles = [tag("th", title, scope="col", **kind) for title, kind in zip(head, kinds, strict=True)]
    lines = [
        tag(
            "tr",
            *(
                tag("th", cell, scope="row", class_="w") if column == 0 else tag("td", cell, **kinds[column])
                for column, cell in enumerate(cells)
            ),
        )
        for cells in body
    ]
    parts = tag("caption", label) + tag("thead", tag("tr", *titles)) + tag("tbody", *lines)
    return tag("div", tag("table", Markup(parts)), class_="scroll", tabindex="0", role="region", aria_label=label)
