"""Which images look alike, over splits: copies and neighbours are found, strangers not; CamVid's old split is."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from real import root_of

from tasks import TASKS, contract
from tasks.data import likeness
from tasks.data.samples import Sample
from tasks.figures import scenes
from tasks.figures.tasks import FiguresClassification
from tasks.sets.camvid import CamVid
from tasks.sets.folder import Folder

RANDOM = np.random.default_rng(0)
KINDS = ("cls", "seg", "pose")


def picture(size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A smooth random scene, uint8 (H, W, 3)."""
    rough = Image.fromarray(RANDOM.integers(0, 255, (12, 12, 3), dtype=np.uint8))
    return np.asarray(rough.resize(size[::-1], Image.Resampling.BICUBIC))


def looks(images: list[np.ndarray]) -> likeness.Looks:
    """Of images that are numbered from 100."""
    return likeness.looks(enumerate(images, 100))


def jpeg(image: np.ndarray) -> np.ndarray:
    """Stored badly."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "jpeg", quality=30)
    return np.asarray(Image.open(file))


CHANGES = {
    "jpeg": jpeg,
    "darker": lambda image: (image * 0.6 + 20).astype(np.uint8),
    "half as large": lambda image: np.asarray(Image.fromarray(image).resize((32, 24))),
    "noisy": lambda image: (image + RANDOM.normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_looks_like_its_original_and_strangers_like_nothing(change):
    images = [picture() for _ in range(60)]
    copies = [CHANGES[change](image) for image in images[:20]]
    found = likeness.alike(looks([*copies, *(picture() for _ in range(40))]), looks(images))
    assert found == {row: row for row in range(100, 120)}


def test_each_copy_of_one_image_counts_and_images_of_one_colour_look_like_nothing():
    image, plain = picture(), np.full((16, 16, 3), 7, np.uint8)
    assert likeness.alike(looks([image] * 3 + [plain]), looks([plain, image, image])) == dict.fromkeys(
        (100, 101, 102), 101
    )
    assert likeness.alike(looks([]), looks([image])) == likeness.alike(looks([image]), looks([])) == {}


def test_signs_are_those_of_the_cosine_transform():
    """A wave of two and a half turns down: of all coefficients the sixth down is the largest; half of 64 are above."""
    wave = np.cos(np.pi * 5 * (np.arange(32) + 0.5) / 32)
    image = np.repeat((127 + 100 * wave)[:, None, None].round().astype(np.uint8), 32, 1).repeat(3, 2)
    bits = np.unpackbits(looks([image]).signs.view(np.uint8))
    assert bits[5 * 8 - 1] == 1  # the mean, which would be first, is left out


@pytest.mark.parametrize("differ", [0, 7, 9])
def test_up_to_eight_of_64_signs_may_differ(differ):
    one = looks([picture()])
    flipped = sum(1 << (9 * bit) for bit in range(differ))  # no two in one band of eight, but the last
    other = replace(one, signs=one.signs ^ np.uint64(flipped % 2**64))
    count = min(differ, bin(flipped % 2**64).count("1"))
    assert bool(likeness.alike(one, other)) == (count <= 7)


@pytest.mark.parametrize("is_old", [False, True])
def test_ones_are_counted_with_any_numpy(is_old, monkeypatch):
    if is_old:
        monkeypatch.delattr(np, "bitwise_count", raising=False)
    words = RANDOM.integers(0, 2**63, (3, 5), dtype=np.uint64)
    assert likeness._ones(words).tolist() == [[bin(word).count("1") for word in row] for row in words.tolist()]


# ---- what the contract makes of it


class Clip(FiguresClassification):
    """Every training scene again for testing, a little darker."""

    store, columns = "clip", {}

    def samples(self, split):
        """The same ones for both splits."""
        return [Sample(f"{split}/{row}", (), (row, split == "test"), f"drive {row // 6}") for row in range(60)]

    @staticmethod
    def read(sample, size):
        """Darker for testing."""
        row, dark = sample.extra
        image = np.random.default_rng(row).integers(0, 255, (12, 12, 3), dtype=np.uint8)
        image = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BICUBIC))
        return {"image": (image * 0.8).astype(np.uint8) if dark else image, "label": np.int64(row % 8)}


class OwnClip(Clip):
    is_own = True


def verdicts(name, task):
    """Of the checks of what splits share, by outcome."""
    subject = contract.Subject(name, task, seconds=0)
    return {text: contract.verdict(text, subject) for text in contract.CHECKS if "image" in text or "scenes" in text}


def told(name, task):
    """(outcome, detail) of likeness, and of scenes."""
    found = verdicts(name, task)
    return [
        (found[text].outcome, found[text].detail)
        for text in (
            "few images look like one of another split",
            "most of what is scored shows other scenes than train",
        )
    ]


def test_an_adapter_whose_splits_look_alike_fails_and_own_data_are_warned_of(tmp_path):
    for task, outcomes in ((Clip, ["FAILED", "FAILED"]), (OwnClip, ["warning", "passed"])):
        (alike, said), (scene, where) = told("cls/figures", task(size=(32, 32), cache=tmp_path))
        assert [alike, scene] == outcomes
        assert "of 60 images of test" in said and "look like one of train, as test/" in said
        assert "of 60 of test are of scenes of train: drive" in where


def test_where_nothing_looks_alike_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "TRAIN", 96), monkeypatch.setattr(scenes, "TEST", 40)
    (outcome, said), (scene, nothing) = told("cls/figures", FiguresClassification(size=(32, 32), cache=tmp_path))
    assert (outcome, said) == ("passed", "none of 136 images")
    assert (scene, nothing) == ("passed", "its samples name no scenes")


def test_one_likeness_in_a_folder_of_ones_own_is_a_warning_with_both_files(tmp_path):
    images = [picture() for _ in range(79)]
    for number, image in enumerate([*images, (images[0] * 0.8).astype(np.uint8)]):
        place = tmp_path / "own" / ("train" if number < 40 else "test") / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:02}.png")
    own = Folder(size=(32, 32), root=tmp_path / "own", cache=tmp_path)
    (outcome, said), _ = told("cls/own", own)
    assert outcome == "warning" and said.startswith("1 of 40 images of test (2.5%) look like one of ")
    assert said.count(f"{tmp_path / 'own'}") == 2


class FirstCamVid(CamVid):
    """Version 1: val, one clip of a drive, was reported on, and validation was on a slice of train."""

    official = ("train", "test")

    def samples(self, split):
        """Val for test."""
        return super().samples("val" if split == "test" else split)


def test_camvids_first_split_is_found_and_the_present_one_passes(tmp_path):
    """Frames of one second apart, 11 of 34 to validate on; all 101 to test on were of a drive of train."""
    root = root_of("camvid")
    (alike, said), (scene, where) = told("seg/camvid", FirstCamVid(size=(96, 128), root=root, cache=tmp_path))
    assert (alike, scene) == ("FAILED", "FAILED")
    assert said.startswith("11 of 34 images of val (32.4%) look like one of train, as ")
    assert "101 of 101 of test are of scenes of train: 0016E5" in where
    found = told("seg/camvid", CamVid(size=(96, 128), root=root, cache=tmp_path))
    assert [outcome for outcome, _ in found] == ["passed", "passed"]
    assert "62 of 233 of test are of scenes of train: 0001TP" in found[1][1]


# ---- what the field reports on

COUNTS = {
    "cls/cifar10": {"train": 50_000, "test": 10_000},
    "cls/imagenet": {"train": 1_281_167, "test": 50_000},
    "pose/coco": {"train": 149_813, "test": 6_352},
    "seg/ade20k": {"train": 20_210, "test": 2_000},
    "seg/camvid": {"train": 367, "val": 101, "test": 233},
    "seg/cityscapes": {"train": 2_975, "test": 500},
}
"""Samples by official split; docs/data.md names the sources."""
UNKNOWN = {"pose/lsp"}
"""Read here is the extended set, of which the field has no split: it reports on Leeds Sports' own 1,000 images."""


def test_every_adapter_of_a_known_set_knows_the_splits_that_the_field_reports_on():
    known = {name: dict(TASKS.load(name).field_counts) for name in TASKS.builtin if name.split("/")[0] in KINDS}
    own = {name for name in known if TASKS.load(name).is_own or name.endswith("/figures")}
    assert {name: counts for name, counts in known.items() if counts} == COUNTS
    assert set(known) == {*COUNTS, *UNKNOWN, *own}


def test_the_documents_table_is_that_of_the_adapters():
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+/\w+)` \| ([\d, ]*\d) \|", text, re.MULTILINE))
    assert rows == {name: ", ".join(f"{count:,}" for count in counts.values()) for name, counts in COUNTS.items()}


def test_a_part_of_a_known_set_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "TRAIN", 96), monkeypatch.setattr(scenes, "TEST", 40)
    for counts, outcome, said in (
        ({"train": 96, "test": 40}, "passed", "train 96, test 40"),
        ({"train": 960, "test": 40}, "warning", "train 96 of 960, test 40; scores on other splits are no"),
        ({}, "passed", "the adapter knows no such numbers"),
    ):
        monkeypatch.setattr(FiguresClassification, "field_counts", counts)
        subject = contract.Subject("cls/figures", FiguresClassification(size=(32, 32), cache=tmp_path), seconds=0)
        (promise,) = [text for text in contract.CHECKS if "the field reports on" in text]
        verdict = contract.verdict(promise, subject)
        assert verdict.outcome == outcome and verdict.detail.startswith(said)
