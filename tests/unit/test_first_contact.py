"""Somebody's first minutes on the command line: an overview, -h, the Tab key, odd surroundings."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from asked import config
from samples import record

from bench import cli, table
from bench.command import console
from bench.jobs.display import Display
from bench.jobs.notebook import Output, drawn
from bench.request import completion
from bench.request.plan import jobs
from tickets.cache import cache_folder
from tickets.errors import UserError
from tickets.training.progress import Progress

ROOT = Path(__file__).parents[2]


def told(capsys, *words, app=cli.app):
    """Exit code and output of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(app, "ticketbench", list(words))
    return left.value.code, capsys.readouterr()


def test_alone_it_shows_the_first_command_and_all_others(capsys):
    code, said = told(capsys)
    assert code == 0 and not said.err and "ticketbench run --source cls --target seg" in said.out
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 120
    assert [line.split()[0] for line in lines[-len(cli.COMMANDS) :]] == list(cli.COMMANDS)


@pytest.mark.parametrize("words", [(), *((name,) for name in cli.COMMANDS), ("check", "task"), ("new", "drawer")])
def test_h_is_help_everywhere(words, capsys):
    short, long = told(capsys, *words, "-h"), told(capsys, *words, "--help")
    assert short == long and short[0] == 0 and "Usage: ticketbench" in short[1].out


def offered(words, monkeypatch, capsys):
    """What a shell is offered for the last word of a line."""
    parts = words.split(" ")
    monkeypatch.setenv("_TICKETBENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(parts) - 1))
    with pytest.raises(SystemExit):
        console.main(cli.app, "ticketbench", [])
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ticketbench comp", ["compare"]),
        ("ticketbench run --sourc", ["--source"]),
        ("ticketbench run --source seg/cam", ["seg/camvid"]),
        ("ticketbench run --target cls,pose/l", ["cls,pose/lsp"]),
        ("ticketbench run --drawer omp,gm", ["omp,gmp"]),
        ("ticketbench run --recipe rew", ["rewind"]),
        ("ticketbench run --control nat", ["native"]),
        ("ticketbench run --host tim", ["timm/"]),
        ("ticketbench run --scale re", ["rehearsal"]),
        ("ticketbench run --suite smo", ["smoke"]),
        ("ticketbench run --equal ma", ["macs"]),
        ("ticketbench check drawer gm", ["gmp"]),
        ("ticketbench check task pose/c", ["pose/coco"]),
        ("ticketbench compare gm", ["gmp"]),
        ("ticketbench check recompute --records recs mi", ["mine-0123456789"]),
        ("ticketbench export runs/tickets/dr", ["runs/tickets/draw.json"]),
    ],
)
def test_the_tab_key_offers_names(words, found, monkeypatch, capsys, tmp_path):
    for file in ("recs/mine-0123456789.json", "runs/tickets/draw.json"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    assert offered(words, monkeypatch, capsys) == found


def test_every_offer_belongs_to_a_parameter_of_a_command():
    """A renamed flag would leave its offer behind."""
    import importlib

    from bench.records.setting import Setting

    commands = [console.command(importlib.import_module(module).app) for module in cli.COMMANDS.values()]
    inner = [one for command in commands for one in (command, *getattr(command, "commands", {}).values())]
    names = {parameter.name for command in inner for parameter in command.params}
    assert set(completion.OFFERS) <= names and set(Setting.model_fields) <= names
    pairs = {(command.name, parameter.name) for command in inner for parameter in command.params}
    assert set(completion.OF_COMMANDS) <= pairs


def fresh(*args, cwd=ROOT, **environment):
    """A command of its own process, whose Python finds the packages by PYTHONPATH."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = [sys.executable, *args]
    return subprocess.run(done, cwd=cwd, env=variables, capture_output=True, text=True, timeout=120, errors="replace")


@pytest.mark.parametrize("name", ["tasks.py", "tickets.py", "tasks/__init__.py"])
def test_a_file_of_ones_own_that_hides_ours_is_named_and_not_run(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("raise SystemExit('hers was run')\n")
    done = fresh("-m", "bench.run", "--list", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: {tmp_path / name} hides ") and "type ticketbench COMMAND" in done.stderr
    assert fresh("-P", "-m", "bench.run", "--list", cwd=tmp_path).returncode == 0
    imported = fresh("-c", "import bench", cwd=tmp_path)
    assert imported.stderr.splitlines()[-1].startswith("ImportError: ") and "hides" in imported.stderr


def test_an_empty_folder_of_that_name_hides_nothing(tmp_path):
    (tmp_path / "tasks").mkdir()
    assert fresh("-m", "bench.run", "--list", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}])
def test_outputs_that_lack_our_signs_get_others(environment):
    done = fresh("-m", "bench.table", "tests/golden/records", **environment)
    assert done.returncode == 0 and done.stderr == ""
    assert "mean over the seeds +- half the 95 %" in done.stdout
    assert fresh("-m", "bench.cli", "run", "-h", **environment).returncode == 0


def test_signs_without_a_like_are_question_marks(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    console._write_anything()
    out.write("a ± b × c – ß")  # noqa: RUF001
    out.flush()
    assert out.buffer.getvalue() == b"a +- b x c - ?"


def test_a_user_without_a_home_is_asked_for_a_folder(monkeypatch, capsys):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("TICKETBENCH_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(UserError, match="no home folder to keep decoded data in; set TICKETBENCH_CACHE"):
        cache_folder()
    assert told(capsys, "run", "--list")[0] == 0


@pytest.fixture
def three():
    """The jobs of a small grid: a draw, its transfer, the dense reference."""
    return jobs(config())


def test_bars_tell_the_whole_grid_and_the_jobs_at_hand(three):
    display = Display(quiet=True)
    display.expect(dict.fromkeys(three, 10))
    display.progress(three[0], Progress(5, 10, 1.5, None, 0.25))
    first, second = drawn(display.bar).splitlines()
    assert "17%" in first and "0 of 3 jobs" in first
    assert "50%" in second and f"loss 1.500 sparsity 0.25: {three[0]}" in second
    display.finished(three[0], record(score=None))
    display.progress(three[1], Progress(1, 10, 1.0, 0.5, 0.9))
    first, second = drawn(display.bar).splitlines()
    assert "37%" in first and "1 of 3 jobs, 1 failed" in first and str(three[1]) in second


def test_a_pipe_gets_lines_and_now_and_then_how_far_the_grid_is(three, monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("bench.jobs.display.time.monotonic", lambda: now[0])
    with Display() as display:
        display.expect(dict.fromkeys(three, 10))
        for job in three:
            now[0] += 40.0
            display.progress(job, Progress(10, 10, 1.0, None, 0.0))
            display.finished(job, record(wall_s=40.0))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["done", "done", "2", "done"]
    assert lines[2] == "2 of 3 jobs, about 40 s left"


def test_a_notebook_has_the_bars_in_one_output_that_is_gone_in_the_end(three, monkeypatch):
    shown, over = [], threading.Event()

    class Handle:
        def update(self, what):
            shown.append(what)
            over.set()

    def display(what, display_id):
        assert display_id is True and what._repr_html_() == ""
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    grid = Display(quiet=True)
    grid.expect(dict.fromkeys(three, 10))
    with Output(grid.bar):
        assert over.wait(20)
    assert "0 of 3 jobs" in repr(shown[0]) and shown[0]._repr_html_().startswith("<pre>")
    assert repr(shown[-1]) == shown[-1]._repr_html_() == ""


def test_quiet_is_quiet(three, capsys):
    with Display(quiet=True) as display:
        display.expect(dict.fromkeys(three, 10))
        display.say("nothing")
        display.finished(three[0], record())
    assert capsys.readouterr() == ("", "")


def test_a_table_is_found_by_its_module(capsys):
    assert told(capsys, "-h", app=table.app)[0] == 0
