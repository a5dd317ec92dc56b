"""make docs: the pages of this repository and the reference from docstrings, as a site that opens without a network.

What the site is made of keeps its place (README.md, docs/, results/README.md and so on), so that a link means the same
on the site and in the repository. Every file that a page links to comes along; a link to nowhere ends the build.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAGED = ROOT / "build" / "pages"
SITE = ROOT / "build" / "site"
ELSEWHERE = re.compile(r'<script src="https?://[^"]*"[^>]*>')
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "results/README.md",
    "results/claims/README.md",
    "results/tables/leaderboard.md",
)
"""Beside all of docs/."""
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.M | re.S)


def main() -> int:
    """Stage what belongs to the site and have Zensical build it; the exit code."""
    shutil.rmtree(STAGED, ignore_errors=True)
    wanted = [ROOT / name for name in PAGES] + sorted((ROOT / "docs").rglob("*.md"))
    lost = [f"{page.relative_to(ROOT)} links to {link}" for page in wanted for link in missing(page)]
    if lost:
        print(*(f"error: {line}, which is not there." for line in lost), sep="\n", file=sys.stderr)
        return 1
    for file in {*wanted, *(target for page in wanted for target in linked(page) if target.is_file())}:
        place = STAGED / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    zensical = Path(sys.executable).with_name("zensical")
    command = [zensical, "build", "--clean", "--strict"]
    built = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(built.stdout)
    if "griffe: " in built.stdout:
        print("error: a docstring is not what the reference takes it for; see above.", file=sys.stderr)
        return 1
    if not built.returncode:
        keep_offline()
    return built.returncode


def keep_offline() -> None:
    """Have the search of pages on a disk run by a script of our own, in place of one from elsewhere."""
    shutil.copy(ROOT / "docs" / "offline.js", SITE / "offline.js")
    for page in SITE.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        up = "../" * (len(page.relative_to(SITE).parts) - 1)
        page.write_text(ELSEWHERE.sub(f'<script src="{up}offline.js">', text), encoding="utf-8")


def links(page: Path) -> Iterator[str]:
    """The relative links and pictures of a page, what stands in code left out."""
    for match in LINK.finditer(CODE.sub("", page.read_text(encoding="utf-8"))):
        link = (match[1] or match[2]).partition("#")[0]
        if link and not re.match(r"[a-z]+:", link):
            yield link


def linked(page: Path) -> Iterator[Path]:
    """What a page links to in this repository."""
    return ((page.parent / link).resolve() for link in links(page))


def missing(page: Path) -> list[str]:
    """Links of a page to nowhere."""
    return [link for link in links(page) if not (page.parent / link).exists()]


if __name__ == "__main__":
    sys.exit(main())
