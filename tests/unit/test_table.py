"""bench.table and what it prints: golden files, formats, staleness, mistakes, and what it may import."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from rich.console import Console
from samples import record

from bench import table
from bench.boards import words
from bench.boards.figures import catalogue
from bench.boards.formats import markdown, terminal
from bench.boards.leaderboard import boards
from bench.command import console
from bench.records.record import read_all
from tickets import atomic
from tickets.errors import UserError

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `python -m bench.table ARGS`."""
    with pytest.raises(SystemExit) as left:
        console.main(table.app, "python -m bench.table", [str(arg) for arg in args])
    return left.value.code, *capsys.readouterr()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with results/records and the tables that belong to them."""
    monkeypatch.chdir(tmp_path)
    for seed, score in enumerate((0.5, 0.6)):
        record(seed=seed, score=score).write(tmp_path / "results" / "records")
        smaller = {"drawer": "imp", "sparse_macs": 1000, "parameters": 100}
        record(seed=seed, score=score - 0.1, **smaller).write(tmp_path / "results" / "records")
    files = table.render(tmp_path / "results" / "records", ["md", "csv", "tex", "svg"])
    for name, text in files.items():
        atomic.write(tmp_path / "results" / "tables" / name, str(text).encode())
    return tmp_path


@pytest.mark.parametrize("ending", ["md", "csv", "tex"])
def test_golden_records_render_to_the_golden_bytes(ending: str) -> None:
    """After a wanted change: bench.table tests/golden/records --format md,csv,tex --out tests/golden; read the diff."""
    files = table.render(GOLDEN / "records", [ending])
    assert files[f"leaderboard.{ending}"].encode() == (GOLDEN / f"leaderboard.{ending}").read_bytes()


def test_golden_records_are_written_as_they_were() -> None:
    """Those of this schema; the others stay what an older version wrote, and are brought up."""
    texts = {found.id: (GOLDEN / "records" / f"{found.id}.json").read_bytes() for found in read_all(GOLDEN / "records")}
    older = [name for name, text in texts.items() if b'"schema": 1,' in text]
    assert 5 < len(older) < len(texts) - 5
    for found in read_all(GOLDEN / "records"):
        assert found.id in older or found.to_json().encode() == texts[found.id]


def test_the_csv_keeps_every_digit_and_every_row() -> None:
    rows = list(csv.DictReader(io.StringIO((GOLDEN / "leaderboard.csv").read_text())))
    assert all(None not in row and None not in row.values() for row in rows)
    (found,) = [r for r in rows if r["drawer"] == "omp" and r["source"] == "cls/figures"]
    scores = [r.scores.score for r in read_all(GOLDEN / "records") if r.id.startswith("omp-cls-seg")]
    assert float(found["score"]) == sum(scores) / 2
    assert float(found["score_half"]) == pytest.approx(12.7062047364 * abs(scores[0] - scores[1]) / 2, rel=1e-9)
    assert sorted(r["pareto_macs"] for r in rows if r["target"]) == [
        "",
        "",
        "",
        "",
        "",
        "False",
        "False",
        "True",
        "True",
    ]
    incomplete = [r for r in rows if r["missing"]]
    assert [(r["source"], r["score"], r["rank"]) for r in incomplete] == [("pose/figures", "", "")] * 2


def test_markdown_tables_are_rectangular_and_escaped() -> None:
    text = markdown.markdown(boards([record(score=None, error="a | b *c* <d>\nmore"), record(drawer="a_b|c")]))
    assert r"seed 0 failed: a \| b \*c\* \<d\>." in text
    lines = [line.replace(r"\|", "") for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 3
    assert r"| a\_b\|c |" in text


def test_a_long_error_is_cut() -> None:
    text = markdown.markdown(boards([record(score=None, error="x" * 5000)]))
    assert "x" * 100 in text and "x" * 300 not in text
    assert "…" in text


def test_the_heading_tells_the_official_split_and_the_budget() -> None:
    (found,) = boards([record(test_split="val", budget=0.5)])
    assert words.heading(found) == ("Transfers to seg/figures: mIoU on test (officially val), scale tiny, budget 0.5")


def test_boards_that_differ_in_their_data_only_are_told_apart() -> None:
    other = record(versions={"task": {"cls/figures": 1, "seg/figures": 2}, "drawer": 1, "recipe": 1})
    both = boards([record(), other])
    headings = [words.heading(found, both) for found in both]
    assert all(f", data {found.place.data}" in heading for found, heading in zip(both, headings, strict=True))
    assert ", data" not in words.heading(both[0], both[:1])


def test_superseded_records_are_counted_in_words() -> None:
    old = [record(id=f"r{day}", created=f"2026-01-0{day}T00:00:00Z") for day in (1, 2, 3)]
    assert "Left out: 2 older records of a job and seed that ran again." in terminal.plain(boards(old))
    assert "Left out: 1 older record of" in terminal.plain(boards(old[:2]))


def test_marks_tell_origin_budget_and_edition() -> None:
    new = record(versions={"task": {"cls/figures": 1, "seg/figures": 1}, "drawer": 2, "recipe": 1})
    text = terminal.plain(boards([record(drawing_macs=9 * 10**12, id="a"), new, record(origin="submitted")]))
    assert "drawer version 2" in text
    assert "drawer version 1, budget ×3.33" in text  # noqa: RUF001
    assert "submitted" in text


def test_plain_text_shows_draws_first_and_leaves_out_empty_columns() -> None:
    text = terminal.plain(boards([record(), record(target=None, val_before_last_prune=0.625)]))
    draw, transfer = text.split("\n\n")
    assert draw.startswith("Tickets drawn on cls/figures: top-1 on test, scale tiny\n")
    assert "before last prune" in draw and "62.5%" in draw
    assert "after it" not in draw
    assert transfer.splitlines() == [
        "Transfers to seg/figures: mIoU on test, scale tiny",
        "  ticket                score  sparsity  remaining  params   MACs  time",
        "  omp from cls/figures  50.0%     90.0%       8.7%   11.4k  3.46M  61 s",
    ]


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_a_terminal_tears_no_number_and_says_what_it_left_out(width: int) -> None:
    found = boards(read_all(GOLDEN / "records"))
    out = io.StringIO()
    Console(file=out, width=width).print(terminal.rich(found, width))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "60.2% ±3.9" in text and "80.3% ±17.1" in text
    assert ("Not shown here: marks, time, gap" in text) is (width <= 80)
    assert "…" not in text


def test_show_is_rich_in_a_terminal_and_plain_when_piped() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    found = boards([record()])
    piped, screen = io.StringIO(), Terminal()
    terminal.show(found, piped)
    terminal.show(found, screen)
    assert piped.getvalue() == terminal.plain(found)
    assert screen.getvalue() != piped.getvalue()
    assert "omp from" in screen.getvalue()


def test_it_prints_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, GOLDEN / "records")
    assert (code, out, err) == (0, (GOLDEN / "leaderboard.md").read_text(), "")


def test_it_prints_csv_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, GOLDEN / "records", "--format", "csv")
    assert (code, out) == (0, (GOLDEN / "leaderboard.csv").read_text())


def test_figures_are_written_alone_as_svg_or_pdf(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "results/records", "--figure", "tradeoff", "--format", "svg,pdf", "--out", "x")[0] == 0
    names = {"tradeoff-seg-figures-tiny.svg": b"<?xml", "tradeoff-seg-figures-tiny.pdf": b"%PDF"}
    assert {path.name for path in (published / "x").iterdir()} == set(names)
    assert all((published / "x" / name).read_bytes().startswith(head) for name, head in names.items())


def test_tables_for_a_paper_are_printed(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "results/records", "--columns", "ticket,score", "--width", "page")
    assert code == 0 and r"\begin{table*}" in out and "ticket & score" in out


def test_the_default_folder_is_that_of_the_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record().write(tmp_path / "runs" / "records")
    code, out, _ = run(capsys)
    assert code == 0
    assert "## Transfers to seg/figures" in out


def test_it_writes_files_and_tells_where(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, GOLDEN / "records", "--out", tmp_path / "new")
    assert code == 0
    names = ["leaderboard.md", "leaderboard.csv", "leaderboard.tex"]
    assert out.split()[:3] == [str(tmp_path / "new" / name) for name in names]
    drawn = [Path(path).name for path in out.split()[3:]]
    assert all(name.split("-")[0] in catalogue.NAMES and name.endswith(".svg") for name in drawn)
    for name in names[:3]:
        assert (tmp_path / "new" / name).read_bytes() == (GOLDEN / name).read_bytes()


def test_the_tables_of_this_repository_are_not_stale(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    code, out, err = run(capsys, "--check")
    assert code == 0, out + err


def test_check_passes_when_the_tables_follow(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--check")
    assert (code, err) == (0, "")
    assert out == "4 tables in results/tables are what their records render to.\n"


def test_check_names_the_row_that_differs_and_the_missing_file(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(seed=2, score=0.7).write(published / "results" / "records")
    (published / "results" / "tables" / "leaderboard.tex").unlink()
    before = sorted(published.rglob("*"))
    code, out, err = run(capsys, "--check")
    assert (code, out) == (1, "")
    row = "omp from cls/figures to seg/figures, finetune, sparsity 0.9, scale tiny"
    assert err.splitlines() == [
        "error: results/tables/leaderboard.md is stale: it differs from line 20 on; run make table and commit it.",
        f"error: results/tables/leaderboard.csv is stale: {row} has seeds 0 1 in it and 0 1 2 by the records; "
        "run make table and commit it.",
        "error: results/tables/leaderboard.tex is missing; run make table and commit it.",
        "error: results/tables/tradeoff-seg-figures-tiny.svg belongs to no board; delete it; "
        "run make table and commit it.",
    ]
    assert sorted(published.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("0.55,", "0.56,", 1), "scale tiny has score 0.56 in it and 0.55 by the records"),
        (lambda text: text.splitlines(keepends=True)[0], "scale tiny is not in it"),
        (lambda text: text + text.splitlines(keepends=True)[1].replace("omp", "gmp"), "gmp from cls/figures to "),
        (lambda text: text.replace("\n", "\r\n"), "leaderboard.csv is stale; run"),
    ],
    ids=["a digit", "a row too few", "a row too many", "line ends"],
)
def test_check_finds_what_was_edited_by_hand(
    change: Callable[[str], str], message: str, published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = published / "results" / "tables" / "leaderboard.csv"
    path.write_bytes(change(path.read_bytes().decode()).encode())
    code, _, err = run(capsys, "--check")
    assert (code, err.count("\n")) == (1, 1)
    assert message in err


def test_check_finds_charts_of_no_board_and_edited_ones(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables = published / "results" / "tables"
    (tables / "tradeoff-pose-figures-tiny.svg").write_text("<svg/>")
    chart = tables / "tradeoff-seg-figures-tiny.svg"
    chart.write_text(chart.read_text().replace("stroke-width", "stroke-Width", 1))
    code, _, err = run(capsys, "--check")
    assert code == 1
    assert "tradeoff-seg-figures-tiny.svg is stale" in err
    assert "tradeoff-pose-figures-tiny.svg belongs to no board; delete it" in err


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    """The same records under names that sort the other way round give the same bytes in every format."""
    found = read_all(GOLDEN / "records")
    formats = {name: table.TEXTS[name](boards(found)) for name in table.TEXTS}
    assert formats == {name: table.TEXTS[name](boards(reversed(found))) for name in table.TEXTS}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere"], "there is no folder nowhere; run python -m bench.run first, or name another."),
        (["empty"], "there is no record in empty; run python -m bench.run first, or name another."),
        (["full", "--format", "mdd"], "unknown format 'mdd'. Did you mean 'md'? Known: md, csv, tex, atom, parquet,"),
        (["full", "--format", "md,csv"], "several files (md,csv) need a folder to go to; give --out DIR"),
        (["full", "--figure", "rank"], "unknown figure 'rank'. Did you mean 'ranks'? Known: tradeoff, retention,"),
        (["full", "--figure", "ranks"], "several files (svg) need a folder to go to; give --out DIR"),
        (
            ["full", "--figure", "ranks", "--format", "md"],
            "--figure ranks draws nothing as md; give --format svg",
        ),
        (
            ["full", "--columns", "ticket", "--format", "md"],
            "--columns and --width are of --format tex, and --",
        ),
        (["full", "--columns", "tikket"], "unknown column 'tikket'. Did you mean 'ticket'?"),
        (["full", "--width", "pag"], "unknown --width 'pag'. Did you mean 'page'?"),
        (["full", "--check", "--width", "page"], "--columns and --width are of --format tex, and --check compares"),
        (["full", "--format", "svg"], "several files (svg) need a folder to go to; give --out DIR"),
        (
            ["full", "--check", "--format", "md,html"],
            "html is never committed, and so not checked (got --",
        ),
        (["full", "--out", "full/one.json"], "cannot write full/one.json/leaderboard.md: "),
        (["damaged"], "the record damaged/one.json is refused: it is no JSON"),
        (["full", "--outt", "x"], "no such option: --outt"),
        (["full", "more"], "got unexpected extra argument"),
        (["full", "--out"], "option '--out' requires an argument"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    args: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "one.json").write_text('{"schema": 1,')
    record(id="one").write(tmp_path / "full")
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_the_frame_passes_exit_codes_on_and_keeps_bugs_loud(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command()
    def command(what: str) -> None:
        if what == "refuse":
            raise UserError("a line\nand another.")
        if what == "interrupt":
            raise KeyboardInterrupt
        if what == "bug":
            raise ZeroDivisionError("a bug")
        raise typer.Exit(int(what))

    def code(what: str) -> object:
        with pytest.raises(SystemExit) as left:
            console.main(app, "test", [what])
        return left.value.code

    assert (code("0"), code("1"), code("refuse"), code("interrupt")) == (0, 1, 2, 130)
    assert capsys.readouterr().err == "error: a line and another.\nerror: interrupted.\n"
    with pytest.raises(ZeroDivisionError, match="a bug"):
        console.main(app, "test", ["bug"])


def script(*args: str) -> subprocess.CompletedProcess[str]:
    """What a fresh interpreter says, in this repository."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(
        [sys.executable, *args],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_console_script_runs_the_same_command() -> None:
    module = script("-m", "bench.table", "tests/golden/records")
    command = script("-m", "bench.cli", "table", "tests/golden/records")
    assert (module.returncode, module.stderr) == (0, "")
    assert (command.returncode, command.stdout, command.stderr) == (0, module.stdout, "")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["tabel"], "error: unknown command 'tabel'. Did you mean 'table'? Known: run, table, "),
        (["check"], "error: missing command. See ticketbench check --help.\n"),
        (["table", "--outt"], "error: no such option: --outt"),
    ],
)
def test_mistakes_with_the_console_script(args: list[str], message: str) -> None:
    done = script("-m", "bench.cli", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_the_console_script_tells_its_version_and_commands() -> None:
    from bench import __version__

    assert script("-m", "bench.cli", "--version").stdout == f"ticketbench {__version__}\n"
    page = script("-m", "bench.cli", "--help").stdout
    assert "run" in page and "table" in page


def test_nobody_reading_is_no_traceback() -> None:
    line = f"{sys.executable} -m bench.table tests/golden/records | true; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.returncode in (0, 1)
