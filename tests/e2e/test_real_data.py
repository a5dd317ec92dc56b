"""Adapters on the real data sets, where they lie beside the checkout or in TICKETBENCH_DATA."""

import os
import shutil
import tarfile
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.camvid import CamVid
from tasks.feed import Feed
from tasks.folder import Cifar10
from tasks.lsp import LeedsSports
from tasks.metrics import PCK

pytestmark = pytest.mark.data
UNPACKED = Path(tempfile.gettempdir()) / "ticketbench-data"


def root_of(name):
    """The folder that holds the data set's own, unpacked once for all runs where there is only an archive."""
    places = [os.environ.get("TICKETBENCH_DATA"), Path(__file__).parents[3] / "shared" / "data"]
    for place in (Path(p) for p in places if p):
        if (place / name).is_dir():
            return place
        if (archive := place / f"{name}.tar").is_file():
            return unpacked(archive)
    pytest.skip(f"no {name}/ or {name}.tar in ../shared/data beside the checkout, nor in TICKETBENCH_DATA")


def unpacked(archive):
    """Unpack beside, then rename: two runs may meet here."""
    if not (UNPACKED / archive.stem).is_dir():
        place = UNPACKED / uuid.uuid4().hex
        with tarfile.open(archive) as tar:
            tar.extractall(place, filter="data")
        try:
            (place / archive.stem).rename(UNPACKED / archive.stem)
        except OSError:
            if not (UNPACKED / archive.stem).is_dir():
                raise
        shutil.rmtree(place)
    return UNPACKED


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def prepared(kind, name, size, cache):
    task = kind(size=size, root=root_of(name), cache=cache)
    task.locate()
    prints = task.prepare(workers=2)
    assert prints == task.prepare(workers=1)
    assert len(set(prints.values())) == 3
    return task, [task.split(split) for split in ("train", "val", "test")]


def mean_pose_pck(task):
    """PCK on test of always predicting each joint's mean place in train: what a pose network must beat."""
    train, test = (task.batch(s.gather(range(len(s)))) for s in (task.split("train"), task.split("test")))
    seen = train["visible"][..., None]
    mean = (train["keypoints"] * seen).sum(0) / seen.sum(0)
    metric = PCK(task.info.outputs)
    metric.update_points(mean.expand_as(test["keypoints"]), test)
    return metric.compute()["pck"]


def test_cifar10(cache):
    task, (train, val, test) = prepared(Cifar10, "cifar10", (32, 32), cache)
    assert (len(train) + len(val), len(test)) == (20_000, 5_000)
    assert 1_800 < len(val) < 2_200
    assert np.bincount(test.gather(range(5_000))["label"].numpy()).tolist() == [500] * 10
    batch = task.batch(train.gather(range(0, 10_000, 20)))
    assert batch["image"].mean().abs() < 0.2  # normalised by another set's statistics, yet close
    assert 0.8 < batch["image"].std() < 1.2


def test_camvid(cache):
    task, (train, val, test) = prepared(CamVid, "camvid", (96, 128), cache)
    assert (len(train) + len(val), len(test)) == (367, 101)
    assert test[0]["label"].shape == (360, 480)
    assert train[0]["label"].shape == (96, 128)
    label = test.gather(range(len(test)))["label"]
    assert set(label.unique().tolist()) == {*range(11), 255}
    share = torch.bincount(label.flatten().long(), minlength=12)[:11].double() / (label != 255).sum()
    assert share.topk(4).indices.sort().values.tolist() == [0, 1, 3, 5]  # sky, building, road, tree
    moved = task.batch(train.gather(range(8)), torch.Generator().manual_seed(0))
    assert moved["label"].max() == 255


def test_camvid_in_full():
    """The field's pipeline on real scenes: crops to learn from, and whole images to score, at the labels' size."""
    pytest.importorskip("cv2", reason="OpenCV needs libGL", exc_type=ImportError)
    task = CamVid(size=(180, 240), root=root_of("camvid"), pipeline="full")
    task.locate()
    assert len(set(task.prepare().values())) == 3
    feed = Feed("seg/camvid", task, batch_size=8, seed=0)
    (batch,) = feed.batches(2, 3)
    assert (batch["image"].shape, batch["label"].shape) == ((8, 3, 180, 240), (8, 180, 240))
    shares = [label[label != 255].bincount(minlength=11).max() / (label != 255).sum() for label in batch["label"]]
    assert max(shares) < 0.75
    view = task.view(task.split("test")[0], training=False)
    assert (view["image"].shape, view["label"].shape) == ((3, 180, 240), (360, 480))


def test_lsp(cache):
    task, (train, val, test) = prepared(LeedsSports, "lspet", (64, 64), cache)
    assert (len(train) + len(val), len(test)) == (2_291, 400)
    raw = test.gather(range(400))
    batch = task.batch(raw)
    assert torch.equal(batch["visible"], raw["keypoints"][..., 2] > 0)  # every labelled joint lies in its box
    assert batch["visible"].sum(1).min() >= 12
    assert batch["torso"].min() > 0
    head, neck, ankle = (batch["keypoints"][:, i, 1] for i in (13, 12, 0))
    assert (head < neck).float().mean() > 0.95  # upright people: the order of the joints is right
    assert (neck < ankle)[batch["visible"][:, 0]].float().mean() > 0.9


def test_the_mean_pose_finds_few_joints(cache):
    task, _ = prepared(LeedsSports, "lspet", (64, 64), cache)
    assert mean_pose_pck(task) == pytest.approx(0.085, abs=0.01)
