"""Adapters on the real data sets, where TICKETBENCH_DATA names the folder that holds them."""

import numpy as np
import pytest
import torch
from people import reference
from real import published, root_of

from tasks.feed import Feed
from tasks.metrics.pck import PCK
from tasks.sets.camvid import CamVid
from tasks.sets.cifar10 import Cifar10, Cifar10Reconstruction
from tasks.sets.coco import Coco
from tasks.sets.lsp import LeedsSports

pytestmark = pytest.mark.data


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
    assert task.prepare() == published("cls/cifar10", task.info.version)
    assert Cifar10Reconstruction(size=(32, 32), root=task.root, cache=cache).prepare() == task.prepare()
    assert np.bincount(test.gather(range(5_000))["label"].numpy()).tolist() == [500] * 10
    batch = task.batch(train.gather(range(0, 10_000, 20)))
    assert batch["image"].mean().abs() < 0.2  # normalised by another set's statistics, yet close
    assert 0.8 < batch["image"].std() < 1.2


def test_camvid(cache):
    task, (train, val, test) = prepared(CamVid, "camvid", (96, 128), cache)
    assert [len(data) for data in (train, val, test)] == [367, 101, 233]
    assert test[0]["label"].shape == val[0]["label"].shape == (360, 480)
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
    assert task.prepare() == published("pose/lsp", task.info.version)
    raw = test.gather(range(400))
    batch = task.batch(raw)
    assert torch.equal(batch["visible"], raw["keypoints"][..., 2] > 0)  # every labelled joint lies in its box
    assert batch["visible"].sum(1).min() >= 12
    assert batch["torso"].min() > 0
    head, neck, ankle = (batch["keypoints"][:, i, 1] for i in (13, 12, 0))
    assert (head < neck).float().mean() > 0.95  # upright people: the order of the joints is right
    assert (neck < ankle)[batch["visible"][:, 0]].float().mean() > 0.9


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    """A root in which the archive's coco-mini/ goes by the data set's own name."""
    root = tmp_path_factory.mktemp("root")
    (root / "coco").symlink_to(root_of("coco-mini") / "coco-mini", target_is_directory=True)
    return root


@pytest.mark.parametrize("pipeline", ["resized", "full"])
def test_coco(coco, cache, pipeline):
    task = Coco(size=(256, 192), root=coco, cache=cache, pipeline=pipeline)
    task.locate()
    assert len(set(task.prepare(workers=2).values())) == 3
    train, val, test = (task.split(name) for name in ("train", "val", "test"))
    assert (len(train) + len(val), len(test)) == (86, 68)
    assert task.info.test == "val2017, ground-truth boxes"
    batch = people_of(task, "test")
    assert batch["visible"].sum(1).min() >= 1
    upright = batch["visible"][:, [0, 15, 16]].all(1)
    assert (batch["keypoints"][upright, 0, 1] < batch["keypoints"][upright, 15, 1]).float().mean() > 0.9


def people_of(task, name):
    """A whole split as one batch, not augmented."""
    split = task.split(name)
    if task.pipeline == "resized":
        return task.batch(split.gather(range(len(split))))
    return torch.utils.data.default_collate([task.view(split[i], training=False) for i in range(len(split))])


def test_a_perfect_prediction_on_coco(coco, cache):
    """Truth -> targets -> places -> the photograph's frame, at 384 x 288: 0.8 pixels of the input, AP 1.

    Five labelled joints of three people lie outside of the frame about their box, where no map has a cell: top-down
    itself cannot reach more than an AP of 0.987 here.
    """
    task = Coco(size=(384, 288), root=coco, cache=cache, pipeline="full", objective="mse")
    batch = people_of(task, "test")
    outputs = task.codec.targets(batch["keypoints"], (96, 72), (384, 288))
    error = (task.codec.points(outputs, (384, 288)) - batch["keypoints"]).norm(dim=2)
    assert error[batch["visible"]].mean() < 0.8
    metric = task.metric("test")
    metric.update(outputs, batch)
    scores = metric.compute()
    assert scores["ap"] == pytest.approx(0.9871, abs=1e-3) and scores["pck"] == 1.0
    inside = dict(zip(batch["annotation"].tolist(), batch["visible"].long(), strict=True))
    hidden = 0
    for person in metric.truth:
        if person["id"] in inside:
            labels = np.array(person["keypoints"][2::3])
            person["keypoints"][2::3] = (labels * inside[person["id"]].numpy()).tolist()
            hidden += int((labels > 0).sum() - inside[person["id"]].sum())
    assert hidden == 5
    assert metric.compute()["ap"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("spread", [4.0, 12.0])
def test_noisy_predictions_on_coco_agree_with_pycocotools(coco, cache, spread):
    task = Coco(size=(256, 192), root=coco, cache=cache, objective="mse")
    batch = people_of(task, "test")
    generator = torch.Generator().manual_seed(0)
    moved = batch["keypoints"] + spread * torch.randn(batch["keypoints"].shape, generator=generator)
    outputs = task.codec.targets(moved, (64, 48), (256, 192)) * torch.rand(68, 17, 1, 1, generator=generator)
    metric = task.metric("test")
    metric.update(outputs, batch)
    scores, content = metric.compute(), task.content("test")
    scores.pop("pck")
    assert scores == pytest.approx(reference(content.truth(content.photos), metric.results()), abs=1e-6)
    assert 0.02 < scores["ap"] < 0.98


def test_the_mean_pose_finds_few_joints(cache):
    task, _ = prepared(LeedsSports, "lspet", (64, 64), cache)
    assert mean_pose_pck(task) == pytest.approx(0.085, abs=0.01)
