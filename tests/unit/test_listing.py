"""Samples as arrays say the same as samples as objects, and take no more than their names and numbers."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.data.decoding import Job
from tasks.data.listing import CHUNK, Listing, listed
from tasks.data.originals import fingerprint
from tasks.data.samples import Few, Sample, many, parted, val_rows_of
from tasks.sets.folder import Folder, is_image, load, read
from tickets.errors import DataError

CLASSES = ("ant's", "bee", "Ölkäfer")
NAMES = ("b.jpg", "a.JPEG", "quote'.png", "both\"'.png", "below/c.jpg", "below/deeper/ü.webp", "line\nbreak.png")


def tree(place: Path) -> Path:
    """Three classes of a few images, and what is passed over."""
    for label, folder in enumerate(CLASSES):
        for number, name in enumerate((*NAMES, ".hidden.jpg", "notes.txt")):
            (place / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (place / folder / name).write_bytes(b"x" * (label * 10 + number))
    return place


def plain(place: Path) -> list[Sample]:
    """The same samples, one object each, by another way through the tree."""
    found = []
    for label, folder in enumerate(CLASSES):
        files = (
            path
            for path in (place / folder).rglob("*")
            if path.is_file() and is_image(path.name) and path.name[0] != "."
        )
        names = sorted(path.relative_to(place / folder).as_posix() for path in files)
        found += [Sample(f"{folder}/{name}", (place / folder / name,), label) for name in names]
    return found


@pytest.fixture
def both(tmp_path) -> tuple[Listing, list[Sample]]:
    place = tree(tmp_path)
    return listed(place, CLASSES, is_image), plain(place)


def test_the_samples_are_those_of_the_tree_in_their_order(both):
    arrays, objects = both
    assert list(arrays) == objects and len(arrays) == len(CLASSES) * len(NAMES)
    assert arrays[-1] == objects[-1] and list(arrays[2:5]) == objects[2:5]
    assert list(pickle.loads(pickle.dumps(arrays))) == objects
    with pytest.raises(IndexError):
        arrays[len(arrays)]


def test_what_is_told_hashed_and_held_out_is_the_same(both):
    arrays, objects = both
    for with_times in (False, True):
        assert list(arrays.told(with_times)) == list(many(objects).told(with_times))
    assert fingerprint(arrays) == fingerprint(objects)
    assert Job(arrays, read, (32, 32)).stamp() == Job(objects, read, (32, 32)).stamp()
    assert val_rows_of(arrays) == val_rows_of(objects)
    parts = parted(arrays)
    assert {name: list(part) for name, part in parts.items()} == parted(objects)
    for name, part in parts.items():
        assert fingerprint(part) == fingerprint(parted(objects)[name])


def test_a_text_is_what_the_sample_s_values_are_written_as(tmp_path):
    place = tree(tmp_path)
    file = place / "bee" / "b.jpg"
    os.utime(file, ns=(5, 7))
    told = dict(zip(plain(place), listed(place, CLASSES, is_image).told(True), strict=True))
    assert told[Sample("bee/b.jpg", (file,), 1)] == repr(("bee/b.jpg", 1, [("b.jpg", 10, 7)]))
    grouped = [Sample("a", (file,), (1, "x"), "people")]
    assert list(Few(grouped).told(True)) == [repr(("a", (1, "x"), [("b.jpg", 10, 7)], "people"))]
    assert list(Few(grouped).told(False)) == [repr(("a", (1, "x"), [("b.jpg", 10)]))]


def test_more_samples_than_are_taken_out_at_a_time(tmp_path):
    (tmp_path / "one").mkdir()
    for number in range(50):
        (tmp_path / "one" / f"{number}.png").touch()
    arrays = listed(tmp_path, ["one"], is_image).part(np.arange(CHUNK + 100) % 50)
    assert len(list(arrays.names)) == len(list(arrays.told(True))) == CHUNK + 100
    assert list(arrays.names) == [arrays[row].name for row in range(CHUNK + 100)]


def test_links_are_followed_and_one_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "one").mkdir()
    tree(tmp_path / "elsewhere")
    (tmp_path / "one" / "linked").symlink_to(tmp_path / "elsewhere" / "bee")
    assert len(listed(tmp_path, ["one"], is_image)) == len(NAMES)
    (tmp_path / "one" / "gone.jpg").symlink_to(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"one/gone\.jpg: missing \(No such file"):
        listed(tmp_path, ["one"], is_image)


@pytest.fixture
def folder(tmp_path):
    """A folder task of two classes, on the full pipeline, and how often its tree was looked at."""
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(12):
                Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / split / name / f"{number}.png")
    return Folder(size=(32, 32), root=tmp_path, cache=tmp_path / "cache", pipeline="full")


@pytest.mark.parametrize("pipeline", ["full", "resized"])
def test_a_preparation_looks_at_each_split_s_tree_once(folder, monkeypatch, pipeline):
    task = Folder(size=(32, 32), root=folder.root, cache=folder.cache, pipeline=pipeline)
    task.prepare(1)
    looked, samples = Counter(), Folder.samples
    monkeypatch.setattr(Folder, "samples", lambda self, split: (looked.update([split]), samples(self, split))[1])
    known = task.prepare(1)
    assert looked == {"train": 1, "test": 1}
    task.verify("cls/folder", known)
    assert looked == {"train": 2, "test": 2}


def test_a_changed_tree_is_noticed(folder):
    known = folder.prepare(1)
    file = folder.root / "train" / "ant" / "3.png"
    content = file.read_bytes()
    file.write_bytes(content + b"more")
    with pytest.raises(DataError, match="the data of cls/folder have changed"):
        folder.verify("cls/folder", known)
    file.write_bytes(content)
    folder.verify("cls/folder", known)
    file.rename(file.with_name("33.png"))
    with pytest.raises(DataError, match="the data of cls/folder have changed"):
        folder.verify("cls/folder", known)


def test_locating_finds_a_class_without_images_in_any_split(folder):
    folder.locate()
    for file in (folder.root / "test" / "bee").iterdir():
        file.unlink()
    (folder.root / "test" / "bee" / "notes.txt").touch()
    for look in (folder.locate, lambda: folder.samples("test")):
        with pytest.raises(DataError, match=r"bee holds no image"):
            look()


def test_a_sample_is_read_as_any_other(folder):
    sample = folder.members("train")[0]
    assert load(sample)["image"].shape == (20, 20, 3) and folder.split("train")[0]["label"] == sample.extra
