"""The docs' site: every link of the pages leads somewhere, those in code are none."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)
PAGES = [*(ROOT / name for name in build.PAGES), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_link_to_what_is_there(page):
    assert build.missing(page) == []


def test_links_of_all_kinds_are_found_and_those_in_code_are_not(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        '[a](there.md#part) ![b](lost.png) <img src="lost.svg"> [c](https://example.org) [d](#here) `[e](code.md)`\n'
        "```\n[f](block.md)\n```\n"
    )
    (tmp_path / "there.md").write_text("")
    assert build.missing(page) == ["lost.png", "lost.svg"]


def test_every_page_of_docs_is_in_the_sites_menu():
    menu = (ROOT / "zensical.toml").read_text()
    assert [page for page in PAGES if f'"{page.relative_to(ROOT)}"' not in menu] == []
