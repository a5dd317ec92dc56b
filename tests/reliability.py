"""docs/reliability.md, made of tests/reliability.yaml: `python tests/reliability.py` writes it."""

from __future__ import annotations

from pathlib import Path

import yaml

TABLE = Path(__file__).with_suffix(".yaml")
PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
HEAD = """\
# What a run survives

Nothing that was computed is lost, and nothing wrong is used silently. What goes wrong is said in one sentence that
names the file or the process; the same command goes on from where things stood. Every line below is a test; this page
is made of `tests/reliability.yaml` by `python tests/reliability.py`.
"""
COLUMNS = ("done", "seen", "kept", "test")


def rows() -> dict[str, list[dict[str, str]]]:
    """By kind of fault: a row for each thing that was done."""
    told = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {kind: [{**one, "done": done} for one in group for done in one["done"]] for kind, group in told.items()}


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for kind, found in rows().items():
        lines = [
            " | ".join(["", *(row[name] for name in COLUMNS[:3]), f"`{row['test']}`", ""]).strip() for row in found
        ]
        parts.append("\n".join([f"## {kind}\n", f"| {' | '.join(COLUMNS)} |", "| --- | --- | --- | --- |", *lines, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
