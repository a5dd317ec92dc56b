"""docs/own-data.md, run as it stands: two own folders to a network that ONNX Runtime and plain PyTorch go on with."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import trees
from PIL import Image
from typer.testing import CliRunner

from bench import check, export, predict, preview, run
from tasks import TASKS
from tickets.deploy import padding
from tickets.registry import BY_HAND

pytest.importorskip("onnxruntime")

PAGE = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")
COMMANDS = {"bench.check": check, "bench.export": export, "bench.predict": predict, "bench.preview": preview,
            "bench.run": run}  # fmt: skip
FEW = (
    "--set draw.steps=2 --set transfer.steps=2 --set batch_size=4 --set size=64x64 --jobs 1 --threads 1 --kernels torch"
)
ORIENTATIONS = {1: 0, 3: 2, 6: 1}


def photograph(path: Path, upright: np.ndarray, number: int) -> None:
    """Every third as it is, every third upside down, every third on its side, as a phone stores them."""
    orientation = list(ORIENTATIONS)[number % 3]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rot90(upright, ORIENTATIONS[orientation]).copy()).save(path, exif=exif, quality=95)


@pytest.fixture
def day(tmp_path, monkeypatch):
    """birds/ and leaves/ in the current folder; names do not outlast the day."""
    for split, numbers in (("train", range(12)), ("test", range(12, 15))):
        for number in numbers:
            for species in ("heron", "stork"):
                image, _ = trees.scene(number + 50 * (species == "heron"), (48, 60), [1, 2])
                photograph(tmp_path / "birds" / split / species / f"IMG_{number:04}.JPG", image, number)
            image, ids = trees.scene(number, (60, 80), [0, 1, 2])
            photograph(tmp_path / "leaves" / split / "images" / f"IMG_{number:04}.JPG", image, number)
            mask = Image.fromarray(ids).convert("P")
            mask.putpalette(trees.COLOURS.astype(np.uint8).tobytes())
            mask.putdata(ids.ravel().tolist())
            (tmp_path / "leaves" / split / "masks").mkdir(parents=True, exist_ok=True)
            mask.save(tmp_path / "leaves" / split / "masks" / f"IMG_{number:04}.png")
    (tmp_path / "leaves" / "classes.txt").write_text("ground\noak\nbeech\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(BY_HAND, "")
    monkeypatch.setattr(padding, "MULTIPLES", (1,))  # one trial of paddings, each a minute where cores are shared
    vars(TASKS).pop("_plugins", None)
    yield tmp_path
    vars(TASKS).pop("_plugins", None)


def told(command: str) -> str:
    """Run a command of the page."""
    _, _, module, *words = shlex.split(command)
    if module == "bench.run":
        words += FEW.split()
    words = [str(next(Path("runs/networks").glob("transfer_*.json"))) if "TRANSFER" in one else one for one in words]
    done = CliRunner().invoke(COMMANDS[module].app, words)
    assert done.exit_code == 0, (command, done.output)
    return done.output


def test_the_day(day):
    blocks = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.S)
    commands = [line for kind, block in blocks if kind == "sh" for line in block.replace("\\\n", " ").splitlines()]
    outputs = [told(command) for command in commands]
    assert "0 failed" in outputs[0] and "0 failed" in outputs[1] and Path("leaves.png").is_file()
    predictions = json.loads(Path("told/predictions.json").read_text(encoding="utf-8"))
    assert predictions["names"] == ["ground", "oak", "beech"]
    assert [(one["height"], one["width"]) for one in predictions["images"]] == [(60, 80)] * 3  # upright
    for kind, block in blocks:
        if kind == "python":
            exec(compile(block, "docs/own-data.md", "exec"), {})
