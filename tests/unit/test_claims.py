"""docs/claims.md and the README's results: what they show and state is what the published records say now."""

import re
import shlex
from pathlib import Path

import pytest

from bench import compare
from bench.boards import claimed
from bench.command import console

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```console\n\$ python -m bench\.compare (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = BLOCK.findall(PAGE)
PROSE = claimed.BLOCK.sub("", BLOCK.sub("", PAGE))
OUTPUTS = "".join(output for _, output in SHOWN)
POOLED = re.compile(r"[+-]\d+\.\d \[[^]]+\]")


@pytest.mark.parametrize(("words", "output"), SHOWN, ids=[words for words, _ in SHOWN])
def test_the_records_say_what_the_page_shows(words, output, monkeypatch, capsys) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as left:
        console.main(compare.app, "python -m bench.compare", shlex.split(words))
    assert left.value.code == 0 and capsys.readouterr().out.strip() == output.strip()


def test_a_verdict_follows_from_its_interval() -> None:
    """As first registered: supported above zero, not supported below, undecided where it holds zero."""
    claimed = re.findall(rf"\*\*(supported|not supported|undecided)\*\*: ({POOLED.pattern})", PROSE)
    assert len(claimed) > 6 and {figures for _, figures in claimed} == set(POOLED.findall(PROSE))
    for verdict, figures in claimed:
        low, high = (float(end) for end in figures.split("[")[1].rstrip("]").split(", "))
        assert verdict == ("supported" if low > 0 else "not supported" if high < 0 else "undecided"), figures


@pytest.mark.parametrize("text", [PROSE, (ROOT / "README.md").read_text(encoding="utf-8")], ids=["page", "README"])
def test_every_interval_of_the_prose_stands_in_an_output_or_on_the_leaderboard(text) -> None:
    text = " ".join(text.split())
    stated = POOLED.findall(text) + re.findall(r"[+-]\d+\.\d ±\d+\.\d", text)
    board = (ROOT / "results" / "tables" / "leaderboard.md").read_text(encoding="utf-8")
    assert stated and not [figures for figures in stated if figures not in OUTPUTS + board]
