"""bench.boards.formats.latex: what is escaped, what a document needs, whether it compiles."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from samples import record

from bench.boards.formats.latex import escaped, to_latex
from bench.boards.leaderboard import boards

NASTY = r"\input{x} $a_b^c$ 100% & #1 ~ {} [y] <z> |q| `e' \"d\" a--b---c 中 é …"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", r"a\_b"),
        ("5% & #1 $x$", r"5\% \& \#1 \$x\$"),
        (r"\end{x}", r"\textbackslash{}end\{x\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("a--b", "a-{}-b"),
        ("[12pt]", "{[}12pt{]}"),
        ("±1 ×2 – …", r"$\pm$1 $\times$2 -- \ldots{}"),  # noqa: RUF001
        ("é 中\n", r"\'{e} U+4E2D "),
    ],
)
def test_signs_that_latex_reads_otherwise_are_escaped(text: str, expected: str) -> None:
    assert escaped(text) == expected


def test_a_board_is_a_longtable_with_rules_and_its_controls_set_in() -> None:
    text = to_latex(boards([record(), record(transform="random", control="random", score=0.25)]))
    lines = text.splitlines()
    (begin,) = [line for line in lines if line.startswith(r"\begin{longtable}")]
    header = lines[lines.index(r"\toprule") + 1]
    columns = begin.removeprefix(r"\begin{longtable}{@{}").removesuffix("@{}}")
    assert columns.count("l") + columns.count("r") == header.count("&") + 1
    rows = [line for line in lines if line.startswith(("1 &", "-- &"))]
    assert [row.split(" & ")[1] for row in rows] == ["omp", r"\quad random of omp"]
    assert {line.count("&") for line in (header, *rows)} == {header.count("&")}
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\endhead", r"\end{longtable}"):
        assert text.count(rule) == 1


def test_incomplete_rows_stand_below() -> None:
    text = to_latex(boards([record(score=None, error="50% & more")]))
    assert r"Incomplete: omp from cls/figures, sparsity 90.0\%: seed 0 failed: 50\% \& more.\par" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_a_document_that_loads_two_packages_compiles(tmp_path: Path) -> None:
    records = [record(drawer=NASTY), record(drawer="gmp"), record(score=None, seed=1, error=NASTY)]
    records += [record(drawer=name, target="pose/figures") for name in ("gmp", NASTY)]
    (tmp_path / "leaderboard.tex").write_text(to_latex(boards([*records, record(drawer="[b]", score=0.9)])))
    (tmp_path / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs,longtable}\n"
        "\\begin{document}\n\\input{leaderboard}\n\\end{document}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 1000
