"""Draws README's picture of results from the differences that README states, which a test holds against the records.

python docs/pictures/draw.py
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
LABELS = (
    "joint drawing less search, then prune",
    "tickets less their shuffled masks",
    "tickets less the dense network",
)
GROUNDS = (("drawn images, sparsity 0.9", "#1d4ed8"), ("photographs, sparsity 0.8", "#b45309"))
POOLED = re.compile(r"([+-]\d+\.\d) \[([+-]\d+\.\d), ([+-]\d+\.\d)\]")
LEFT, RIGHT, TOP, STEP = 310, 790, 56, 62
LOW, HIGH = -20, 25


def across(points: float) -> float:
    """Pixels from the left of a difference in points."""
    return LEFT + (points - LOW) / (HIGH - LOW) * (RIGHT - LEFT)


def picture(text: str) -> str:
    """The SVG of the six differences of a README's results, three claims on two grounds."""
    results = " ".join(text[text.index("## Results") : text.index("## Where")].split())
    found = POOLED.findall(results)
    if len(found) != len(LABELS) * len(GROUNDS):
        raise ValueError(f"README's results state {len(found)} differences, not {len(LABELS) * len(GROUNDS)}")
    height = TOP + STEP * len(LABELS) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {height}" font-family="system-ui, sans-serif" '
        'font-size="14" fill="#1f2937">',
        f'<rect width="960" height="{height}" fill="#ffffff"/>',
    ]
    for number, (ground, colour) in enumerate(GROUNDS):
        x = LEFT + 260 * number
        parts.append(f'<circle cx="{x}" cy="24" r="5" fill="{colour}"/><text x="{x + 12}" y="29">{ground}</text>')
    for points in range(LOW, HIGH + 1, 10):
        x, is_zero = across(points), points == 0
        mark = "0" if is_zero else f"{points:+d}"
        parts.append(
            f'<line x1="{x:.1f}" y1="{TOP - 12}" x2="{x:.1f}" y2="{height - 30}" '
            f'stroke="{"#1f2937" if is_zero else "#d1d5db"}"/>'
            f'<text x="{x:.1f}" y="{height - 12}" text-anchor="middle" font-size="12">{mark}</text>'
        )
    for row, label in enumerate(LABELS):
        parts.append(f'<text x="{LEFT - 16}" y="{TOP + STEP * row + 22}" text-anchor="end">{label}</text>')
        for number, (_, colour) in enumerate(GROUNDS):
            mean, low, high = found[row * len(GROUNDS) + number]
            y = TOP + STEP * row + 8 + 22 * number
            parts.append(
                f'<line x1="{across(float(low)):.1f}" y1="{y}" x2="{across(float(high)):.1f}" y2="{y}" '
                f'stroke="{colour}" stroke-width="3" stroke-linecap="round"/>'
                f'<circle cx="{across(float(mean)):.1f}" cy="{y}" r="5.5" fill="{colour}"/>'
                f'<text x="{RIGHT + 12}" y="{y + 5}" font-size="12.5">{mean} [{low}, {high}]</text>'
            )
    title = "points of the target's metric, 95 % intervals"
    parts.append(f'<text x="20" y="{height - 12}" font-size="12" fill="#6b7280">{title}</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    (HERE / "results.svg").write_text(picture(README.read_text(encoding="utf-8")), encoding="utf-8")
