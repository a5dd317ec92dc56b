"""The checks of adapters: each fails on an adapter that breaks its promise, and says how."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tasks import contract
from tasks.figures import scenes
from tasks.figures.tasks import FiguresClassification, FiguresPose, FiguresSegmentation
from tasks.metrics.miou import MeanIoU
from tasks.metrics.topk import TopK
from tasks.sets.folder import Folder
from tickets.errors import DataError

INFO = FiguresClassification.info


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(scenes, "TRAIN", 64)
    monkeypatch.setattr(scenes, "TEST", 24)


def found(task, text, cache, **more):
    """The verdict of the check whose sentence starts so."""
    (promise,) = [each for each in contract.CHECKS if each.startswith(text)]
    subject = contract.Subject(f"{task.info.kind}/figures", task(size=(32, 32), cache=cache), seconds=0, **more)
    return contract.verdict(promise, subject)


class Unnamed(FiguresClassification):
    info = replace(INFO, names=INFO.names[1:])


class Uncited(FiguresClassification):
    info = replace(INFO, citation="")


class Twisted(FiguresPose):
    info = replace(FiguresPose.info, flip_pairs=((1, 2), (2, 3)))


class Shared(FiguresClassification):
    store = "shared"

    def samples(self, split):
        return scenes.samples("train")[:20]


class Empty(FiguresClassification):
    store = "empty"

    def split(self, name):
        data = super().split(name)
        return replace(data, rows=data.rows[:0]) if name == "val" else data


class Restless(FiguresClassification):
    def prepare(self, workers=2, progress=None):
        return {split: str(np.random.rand()) for split in ("train", "val", "test")}


class Raw(FiguresClassification):
    def batch(self, raw, generator=None):
        return {**super().batch(raw, generator), "image": raw["image"].float()}


class Doubles(FiguresClassification):
    def batch(self, raw, generator=None):
        batch = super().batch(raw, generator)
        return {**batch, "image": batch["image"].double()}


class OneTooMany(FiguresSegmentation):
    def batch(self, raw, generator=None):
        batch = super().batch(raw, generator)
        return {**batch, "label": batch["label"] + (batch["label"] == 8)}


class Outside(FiguresPose):
    def batch(self, raw, generator=None):
        batch = super().batch(raw, generator)
        return {**batch, "keypoints": batch["keypoints"] + 40}


class Global(FiguresClassification):
    def batch(self, raw, generator=None):
        batch = super().batch(raw, generator)
        return {**batch, "image": batch["image"] + torch.rand(1) * (generator is not None)}


class Scribbler(FiguresClassification):
    def batch(self, raw, generator=None):
        batch = super().batch(raw, generator)
        raw["label"] += 1
        return batch


class Still(FiguresClassification):
    def batch(self, raw, generator=None):
        return super().batch(raw, None)


class Deaf(FiguresClassification):
    def head(self, features):
        head = super().head(features)
        head.unused = torch.nn.Linear(2, 2)
        return head


class Upwards(FiguresClassification):
    def loss(self, outputs, batch):
        return Backward.apply(super().loss(outputs, batch))


class Backward(torch.autograd.Function):
    """A loss with the wrong sign of its gradient."""

    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, grad):
        return -grad


class Endless(FiguresClassification):
    def loss(self, outputs, batch):
        return super().loss(outputs, batch) / 0


class Biased(FiguresClassification):
    def imitation(self, outputs, teacher, *how):
        return super().imitation(outputs + torch.arange(8), teacher, *how)


class Aloof(FiguresPose):
    def imitation(self, outputs, teacher, *how):
        return super().imitation(outputs.detach(), teacher, *how) + 0 * outputs.sum()


class PerImage(FiguresSegmentation):
    def metric(self, split="test"):
        return Averaged(self.info.outputs)


class Averaged(MeanIoU):
    """Averages over batches instead of pooling pixels."""

    def __init__(self, classes):
        super().__init__(classes)
        self.scores = []

    def update(self, outputs, batch):
        own = MeanIoU(self.classes)
        own.update(outputs, batch)
        self.scores.append(own.compute()["miou"])

    def merge(self, other):
        self.scores += other.scores

    def compute(self):
        return {"miou": float(np.mean(self.scores))}


class Shifted(FiguresClassification):
    def metric(self, split="test"):
        return OffByOne(self.info.outputs)


class OffByOne(TopK):
    """Compares with the next class."""

    def update(self, outputs, batch):
        super().update(outputs.roll(1, 1), batch)


class Percent(FiguresClassification):
    def metric(self, split="test"):
        return Hundred(self.info.outputs)


class Hundred(TopK):
    """Scores in percent."""

    def compute(self):
        return {name: 100 * value for name, value in super().compute().items()}


class Generous(FiguresClassification):
    def metric(self, split="test"):
        return Always(self.info.outputs)


class Always(TopK):
    """Finds everything right."""

    def compute(self):
        return {"top1": 1.0}


class Fixed(FiguresClassification):
    def head(self, features):
        return torch.nn.Sequential(FirstMap(), torch.nn.Linear(6 * 8 * 8, 8))


class FirstMap(torch.nn.Module):
    """The first map, flat: the head depends on the input's size."""

    def forward(self, maps):
        return maps[0].flatten(1)


class Blind(FiguresClassification):
    def panels(self, batch, outputs=None):
        return super().panels(batch, None)


BROKEN = {
    (Unnamed, "its info"): "8 outputs and 7 names",
    (Uncited, "its info"): "info.citation is empty",
    (Twisted, "its info"): "exchanges a keypoint twice",
    (Shared, "train, val and test"): r"train and test share \d+ images, as train/",
    (Empty, "train, val and test"): "val holds no sample",
    (Restless, "its fingerprints"): "then",
    (Raw, "its batches"): r"the images reach 2\d\d; they must be normalised",
    (Doubles, "its batches"): r"'image' is torch.float64 \(8, 3, 32, 32\), not torch.float32",
    (OneTooMany, "its truth"): r"labels hold \[9\]; the classes are 0 to 8",
    (Outside, "its truth"): "joints are 'visible' and lie outside",
    (Global, "batches are decided"): "batch 0 has other values of image when asked for again",
    (Scribbler, "augmentation leaves"): "label of the stored samples changed",
    (Still, "augmentation leaves"): "the generator changes nothing",
    (Deaf, "its loss is finite"): "no gradient reaches the head's unused.weight",
    (Endless, "its loss is finite"): "the loss of a fresh network is inf",
    (Upwards, "a small step"): r"from 2\.\d+ to 2\.\d+ by a step",
    (Biased, "where a teacher"): r"the teacher's own outputs cost \d",
    (Aloof, "where a teacher"): "no gradient reaches the head",
    (PerImage, "its metric"): "one by one in another order",
    (Percent, "its metric"): "are no fractions, and no amounts",
    (Shifted, "a perfect"): "top1 of the truth itself is 0.0000",
    (Generous, "a constant"): r"top1 is 1.0000, and class 0 has 0.1250 of the samples",
    (Fixed, "its head"): "RuntimeError",
    (Blind, "its picture"): "a prediction adds nothing to input, truth",
}


@pytest.mark.parametrize(("task", "text"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_promise_is_found(task, text, cache):
    verdict = found(task, text, cache)
    assert verdict.outcome == "FAILED"
    assert re.search(BROKEN[task, text], verdict.detail), verdict.detail
    assert found(task.__mro__[1], text, cache).outcome == "passed"


def test_a_bug_in_an_adapter_is_told_with_its_place(cache):
    class Buggy(FiguresClassification):
        def loss(self, outputs, batch):
            return batch["lable"]

    verdict = found(Buggy, "its loss is finite", cache)
    assert verdict.outcome == "FAILED" and verdict.detail.startswith("KeyError: 'lable'")
    assert "test_contract.py" in verdict.detail


def test_what_cannot_be_checked_is_skipped_with_the_reason(cache):
    class Own(FiguresClassification):
        info = replace(INFO, primary="own")

        def perfect(self, batch):
            return None

    assert found(Own, "a perfect", cache).outcome == "skipped"
    verdict = found(Own, "a constant", cache)
    assert verdict.outcome == "skipped" and "top1, miou, pck" in verdict.detail


def test_damaged_data_are_the_users_to_mend(cache):
    class Missing(FiguresClassification):
        def samples(self, split):
            raise DataError("no/such/file: missing; restore it.")

    with pytest.raises(DataError, match="no/such/file: missing"):
        found(Missing, "train, val and test", cache)


@pytest.mark.parametrize("text", contract.CHECKS)
def test_a_full_pipeline_is_checked_too(text, tmp_path_factory):
    root = tmp_path_factory.getbasetemp() / "photographs"
    for number in range(0 if root.is_dir() else 48):
        split, name = "train" if number < 36 else "test", ("ant", "bee")[number % 2]
        file = root / split / name / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file)
    task = Folder(size=(32, 32), root=root, cache=root / "cache", pipeline="full")
    verdict = contract.verdict(text, contract.Subject("cls/folder", task, "paper", seconds=0))
    assert verdict.outcome == "passed", verdict.detail
    assert not (root / "cache").exists()
