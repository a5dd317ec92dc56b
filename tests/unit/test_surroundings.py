"""A machine that does not play along: closed and full outputs, long names, packages that cannot be imported."""

import errno
import io
import subprocess
import sys
from pathlib import Path

import pytest
from asked import config

from bench import table
from bench.command import console, curves
from bench.jobs.display import Display
from tickets.errors import UserError

ROOT = Path(__file__).parents[2]
LIST = [sys.executable, "-m", "bench.run", "--list"]
WRONG = [sys.executable, "-m", "bench.run", "--source", "nothing"]
linux = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")


def shell(words, how):
    """Exit code, output, errors of a command under a shell's redirection."""
    line = " ".join(f"'{word}'" for word in words)
    done = subprocess.run(["sh", "-c", f"{line} {how}"], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@linux
@pytest.mark.parametrize(
    ("words", "how", "code", "err"),
    [
        (LIST, ">&-", 0, ""),
        (LIST, "2>&-", 0, ""),
        (LIST, "2>/dev/full", 0, ""),
        (WRONG, "2>/dev/full", 2, ""),
        (WRONG, "2>&-", 2, ""),
        (
            LIST,
            ">/dev/full",
            1,
            "error: the output cannot be written (No space left on device); give it another place.\n",
        ),
        (LIST, "| head -c 1 >/dev/null", 0, ""),
    ],
)
def test_outputs_that_take_nothing_change_no_verdict_and_print_no_traceback(words, how, code, err):
    found, _, told = shell(words, how)
    assert (found, told) == (code, err)


def test_a_message_that_the_disk_does_not_take_stops_no_grid():
    class Full(io.StringIO):
        tried = 0

        def write(self, text):
            self.tried += 1
            raise OSError(errno.ENOSPC, "No space left on device")

    display = Display()
    display.console.file = Full()
    display.say("a line")
    assert display.console.file.tried


def test_a_name_that_is_too_long_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as left:
        console.main(table.app, "bench.table", ["x" * 300])
    err = capsys.readouterr().err
    assert left.value.code == 2 and err.startswith("error: ") and err.count("\n") == 1 and "too long" in err


def test_a_sparsity_that_leaves_no_weight_is_found_before_anything_is_drawn():
    told = r"sparsity 0\.9999999 leaves none of the [\d,]+ weights of supernet/tiny; give one of at most 0\.9999\d+\."
    with pytest.raises(UserError, match=told):
        config(sparsity="0.9999999", drawer="omp")
    assert config(sparsity="0.9999", drawer="omp").sweeps[0].sparsities == (0.9999,)


def test_tensorboard_that_cannot_be_imported_is_found_before_anything_is_trained(monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.setitem(sys.modules, curves.WRITER, None)
    with pytest.raises(UserError, match=r"--tensorboard needs the package tensorboard, which cannot be imported \(Mod"):
        config(tensorboard=True)
