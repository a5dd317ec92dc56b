"""The paper's recipes on trees in the official layouts: every pair of its four data sets."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import people
import pytest
import trees

from bench.records import record
from bench.request import scale as scales
from tickets.ticket import Ticket

ROOT = Path(__file__).parents[2]
SETS = ("cls/imagenet", "seg/cityscapes", "seg/ade20k", "pose/coco")
PRIMARY = dict(zip(SETS, ("top1", "miou", "miou", "ap"), strict=True))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight images a split and class of each set; its sizes are none of the recipes'."""
    root = tmp_path_factory.mktemp("data")
    for write in (trees.imagenet, trees.cityscapes, trees.ade20k, people.coco):
        write(root)
    return root


def run(data: Path, home: Path, source: str, target: str, scale: str) -> list[record.Record]:
    """The records of a run."""
    command = [sys.executable, "-m", "bench.run", "--source", source, "--target", target, "--scale", scale]
    done = subprocess.run(
        [*command, "--data-root", str(data), "--home", str(home)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return record.read_all(home / "records")


def test_every_pair_goes_through_the_papers_pipelines(data, tmp_path):
    """About one epoch a job (eight to twenty-four images), by the rehearsal scale's two options."""
    short = "rehearsal@draw.steps=4@transfer.steps=2"
    found = run(data, tmp_path, ",".join(SETS), ",".join(SETS), short)
    assert len(found) == 4 + 4 + 16 and all(each.status == "ok" for each in found)
    pairs = {(each.job.source, each.job.target) for each in found if each.kind == "transfer"}
    assert pairs == set(product(SETS, SETS))
    plans = {task: scales.load("paper").plan(task) for task in SETS}
    for each in found:
        assert each.config["heads"] == "paper" and each.config["options"] == plans[each.task].options
        assert each.config["settings"]["schedule"] == plans[each.task].schedule
        assert each.scores.primary == PRIMARY[each.task] and 0 <= each.scores.score <= 1
        assert each.ticket.sparsity == pytest.approx(0.9, abs=1e-4) or each.job.drawer == "dense"
        assert set(each.fingerprints[each.task]) == {"train", "val", "test"}
    for each in (each for each in found if each.kind == "draw"):
        head = Ticket.load(tmp_path / "tickets" / each.id).head
        assert head.masks and (head.raw["predict.weight"].shape[1] == 180) == (each.job.source == "seg/ade20k")


@pytest.mark.slow
def test_a_pair_with_the_papers_network(data, tmp_path):
    """ImageNet -> COCO at 224 and 256 x 192, two images a step."""
    short = "paper@batch_size=2@calibration=20@draw.steps=2@transfer.steps=2"
    found = run(data, tmp_path, "cls/imagenet", "pose/coco", short)
    assert [each.status for each in found] == ["ok"] * 3
    (transfer,) = [each for each in found if each.kind == "transfer"]
    assert transfer.setting.host == "supernet/paper" and transfer.config["size"] == [256, 192]
