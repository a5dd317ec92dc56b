"""bench.boards.formats.paper: what a table for a paper says, whether it fits and compiles into a column and a page."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from samples import record

from bench.boards.formats.paper import ROWS, WIDTHS, Paper, broken, to_latex
from bench.boards.leaderboard import boards
from bench.records import record as record_files
from tickets.errors import UserError

ROOT = Path(__file__).parents[2]
NASTY = r"\input{x} $a_b^c$ 100% & #1 ~ {} [y] <z> |q| `e' \"d\" a--b---c 中 é … " + "unbreakable" * 9
DOCUMENTS = {"two columns": r"\documentclass[twocolumn]{article}", "one column": r"\documentclass{report}"}
MOST = 5.0
"""Points that a box may stand out."""


def told(records, columns=None, width=None):
    """The tables of some records."""
    return to_latex(boards(records), Paper.of(columns, width))


def some():
    """Two methods, one of them clearly better, with a control, and a third that the seeds do not tell from it."""
    scores = {"omp": 0.5, "imp": 0.3, "gmp": 0.29}
    found = [
        record(drawer=name, score=score + seed * (seed + place) / 50, seed=seed)
        for place, (name, score) in enumerate(scores.items()) for seed in (0, 1, 2)
    ]  # fmt: skip
    return found + [record(transform="random", control="random", score=0.2, seed=seed) for seed in (0, 1, 2)]


def test_a_table_has_caption_label_rules_and_the_columns_that_were_asked_for_in_their_order():
    text = told(some(), "score, ticket,seeds")
    assert "\nscore & ticket & seeds \\\\\n" in text
    for wanted in (r"\begin{table}", r"\caption{Transfers to seg/", r"\label{tab:seg-figures-tiny}", r"\toprule",
                   r"\midrule", r"\bottomrule", r"\end{table}"):  # fmt: skip
        assert text.count(wanted) == 1, wanted
    assert r"\begin{table*}" in told(some(), None, "page")


def test_the_best_is_bold_and_what_is_undecided_is_marked():
    lines = told(some()).splitlines()
    (best,) = [line for line in lines if r"\textbf" in line]
    assert best.startswith(r"\textbf{omp}") and r"\textbf{53.3\% $\pm$" in best
    (undecided,) = [line for line in lines if r"\dagger" in line]
    assert undecided.startswith("imp")
    assert any(line.startswith(r"\quad random of omp") for line in lines)


def test_a_recipe_stands_behind_the_ticket_where_it_has_no_column():
    records = [*some(), *(record(recipe="scratch", seed=seed, score=0.25) for seed in (0, 1, 2))]
    assert "\nomp, scratch & " in told(records) and "omp, scratch" not in told(records, "ticket,recipe,score")


def test_a_caption_says_n_budget_rule_day_and_how_to_read_it():
    caption = re.sub(r"\\allowbreak{}", "", re.search(r"\\caption{(.*)}", told(some()))[1])
    assert (
        "n = 3 seeds; bold: the best of its sparsity; dagger: the seeds do not tell it from the row ranked above"
        in caption
    )
    assert "budgets: equal steps; records up to 20" in caption


def test_long_boards_are_told_in_parts():
    text = told([record(drawer=f"mine{number}", score=number / 100) for number in range(ROWS + 3)])
    assert text.count(r"\begin{table}") == 2 and "(2 of 2)" in text and r"\label{tab:seg-figures-tiny-2}" in text


@pytest.mark.parametrize(
    ("columns", "width", "message"),
    [
        ("score,tikket", None, "unknown column 'tikket'. Did you mean 'ticket'?"),
        ("score", "collumn", "unknown --width 'collumn'. Did you mean 'column'?"),
        ("score,gap,of dense,of scratch,MACs,parameters,remaining,drawing MACs,training MACs,time,seeds,recipe", None,
         "more than a column has room for even in the smallest print; name fewer by --columns, or give --width page."),
    ],
)  # fmt: skip
def test_what_is_not_known_or_does_not_fit_is_refused(columns, width, message):
    with pytest.raises(UserError, match=re.escape(message)):
        told(some(), columns, width)


def test_names_break_where_they_may_and_no_part_is_too_long():
    assert broken("imp@rounds=3") == r"imp@\allowbreak{}rounds=\allowbreak{}3"
    parts = broken("x" * 40).split(r"\allowbreak{}")
    assert "".join(parts) == "x" * 40 and max(map(len, parts)) <= 14


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("document", DOCUMENTS)
def test_published_and_hostile_tables_compile_without_a_box_that_stands_out(document, tmp_path):
    """The usual columns for both widths, and as many as a page holds."""
    found = [
        *record_files.each(ROOT / "results" / "records"),
        *(record(drawer=NASTY, host=NASTY, seed=s) for s in (0, 1)),
    ]
    wanted = [Paper.of(None, width) for width in WIDTHS]
    wanted.append(Paper.of("rank,ticket,source,recipe,sparsity,seeds,score,of dense,gap,MACs", "page"))
    for number, paper in enumerate(wanted):
        text = to_latex(boards(found), paper)
        (tmp_path / f"t{number}.tex").write_text(re.sub(r"label{tab:", f"label{{tab:{number}", text))
    inputs = "".join(f"\\input{{t{number}}}\\clearpage\n" for number in range(len(wanted)))
    head = f"{DOCUMENTS[document]}\n\\usepackage{{booktabs,tabularx}}\n\\begin{{document}}\n"
    (tmp_path / "paper.tex").write_text(head + inputs + "\\end{document}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "paper.log").read_text(encoding="latin-1")
    assert "Output written on paper.pdf" in log
    assert [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log) if float(points) > MOST] == []
