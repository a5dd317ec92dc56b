"""bench.check of tasks and other members: a line a check, exit codes 0, 1 and 2, broken files named."""

import pytest
from PIL import Image

from bench import check
from bench.command import console
from tasks import contract
from tasks.figures import scenes
from tasks.figures.tasks import FiguresClassification
from tickets import contract as members
from tickets.patterns.nm import NofM


def run(capsys, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(check.app, "check", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


@pytest.fixture(autouse=True)
def few(monkeypatch, tmp_path):
    monkeypatch.setattr(scenes, "TRAIN", 64)
    monkeypatch.setattr(scenes, "TEST", 24)
    monkeypatch.setattr(contract.Subject, "seconds", 0.0)
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))


def test_a_line_a_check(capsys):
    code, out, _ = run(capsys, "task", "cls")
    first, *lines, last = out.splitlines()
    assert code == 0 and first == f"cls/figures at 64x64, resized pipeline: {len(contract.CHECKS)} checks"
    assert [line[8:].partition(":")[0] for line in lines] == list(contract.CHECKS)
    assert all(line.startswith("passed  ") for line in lines)
    assert last == f"{len(lines)} passed, 0 failed, 0 skipped"


def test_a_failed_check_exits_with_1_and_the_others_are_made(capsys, monkeypatch):
    monkeypatch.setattr(FiguresClassification, "perfect", lambda self, batch: None)
    monkeypatch.setattr(FiguresClassification, "loss", lambda self, outputs, batch: outputs.sum() * float("nan"))
    code, out, _ = run(capsys, "task", "cls")
    lines = out.splitlines()
    assert code == 1 and "FAILED  its loss is finite and reaches every weight of the head: the loss of a" in out
    assert "skipped a perfect prediction scores 1: the adapter does not say" in out
    assert lines[-1].endswith("2 failed, 2 skipped") and len(lines) == len(contract.CHECKS) + 2


def test_broken_data_are_named_and_exit_with_2(capsys, tmp_path):
    for split in ("train", "test"):
        for number in range(8):
            file = tmp_path / "data" / split / ("ant", "bee")[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (number, 0, split == "test")).save(file)
    file.write_text("broken")
    code, _, err = run(capsys, "task", "cls/folder", "--data-root", tmp_path / "data")
    assert code == 2 and f"error: {file}: not readable as an image" in err.splitlines()[-1]


@pytest.mark.parametrize("name", ["channel", "2:4@n=1"])
def test_a_line_a_check_of_a_member(name, capsys):
    code, out, _ = run(capsys, "pattern", name)
    first, *lines, last = out.splitlines()
    checks = members.of("pattern").CHECKS
    assert code == 0 and first == f"{name}: {len(checks)} checks"
    assert [line[8:].partition(":")[0] for line in lines] == list(checks)
    assert last == f"{len(lines)} passed, 0 failed, 0 skipped"


def test_a_member_that_breaks_a_promise_exits_with_1(capsys, monkeypatch):
    monkeypatch.setattr(NofM, "wrong", lambda self, masks, sparsity: None)
    code, out, _ = run(capsys, "pattern", "2:4")
    assert code == 1 and "FAILED  it notices one weight that is wrong: entry 0 of a mask" in out
    assert out.splitlines()[-1].endswith("1 failed, 0 skipped")


def test_every_noun_has_its_command():
    assert set(check.LOOKED_AT) == set(members.REGISTRIES)
    for noun, (plain, other, _) in check.LOOKED_AT.items():
        registry = members.REGISTRIES[noun]
        assert [registry.resolve(plain), registry.resolve(other)] == [plain, other]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["task", "cls/nothing"], "unknown task 'cls/nothing'"),
        (["task", "seg", "--scale", "huge"], "unknown scale 'huge'"),
        (["task", "seg/camvid"], "no data folder was given for 'camvid'"),
        (["task", "seg/camvid", "--data-root", "."], "holds no folder camvid/"),
        (["task"], "missing argument"),
        (["drawer", "impp"], "unknown drawer 'impp'. Did you mean 'imp'?"),
        (["drawer", "imp@round=3"], "unknown option of the drawer imp 'round'. Did you mean 'rounds'?"),
        (["pattern", "2:4@n=9"], "n is 9 and m is 4"),
        (["host", "timm/resnet"], "unknown timm model 'resnet'"),
        (["scorer"], "missing argument"),
        (["pictures"], "no such command 'pictures'"),
        ([], "missing command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_sentence(args, message, capsys, monkeypatch):
    monkeypatch.delenv("TICKETBENCH_DATA", raising=False)
    code, out, err = run(capsys, *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1
