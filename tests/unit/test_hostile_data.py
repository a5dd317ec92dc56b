"""Data of strangers: only what is listed is opened, by what it holds; nothing takes memory or time without bound."""

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from tasks.data import annotations, exported, files, matlab
from tasks.data.annotations import keypoints
from tickets.errors import DataError

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(touch) run\n%%EOF\n"


@pytest.mark.parametrize("name", ["a.eps", "a.png", "a.jpg", "a"])
def test_what_starts_a_program_is_refused_by_what_it_holds(tmp_path, monkeypatch, name):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    (tmp_path / name).write_bytes(EPS)
    with pytest.raises(DataError, match="not readable as an image of a format that is read, which are JPEG, PNG"):
        files.rgb(tmp_path / name)


@pytest.mark.parametrize("kind", ["DDS", "PCX", "TGA", "ICO", "SGI", "PDF"])
def test_other_formats_are_refused_whatever_their_suffix(tmp_path, kind):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", kind)
    with pytest.raises(DataError, match="of a format that is read"):
        files.rgb(tmp_path / "a.png")


@pytest.mark.parametrize("kind", files.FORMATS)
def test_the_listed_formats_are_read_whatever_their_suffix(tmp_path, kind):
    Image.new("RGB", (8, 8), (250, 250, 250)).save(tmp_path / "a.dat", kind)
    assert files.rgb(tmp_path / "a.dat").size == (8, 8)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("1", (8200, 8200)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"it has 8,200 x 8,200 pixels, and at most 67,108,864 are decoded"):
        files.rgb(tmp_path / "a.png")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no names there")
def test_pipes_devices_and_sparse_files_are_no_images(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    os.symlink("/dev/zero", tmp_path / "zero.png")
    with open(tmp_path / "sparse.png", "wb") as file:
        file.truncate(100 * 10**9)
    for name, why in {"pipe": "it is a pipe", "zero": "it is a device", "sparse": "95,367 MiB"}.items():
        with pytest.raises(DataError, match=why):
            files.rgb(tmp_path / f"{name}.png")


@pytest.mark.parametrize("kind", files.FORMATS)
def test_damaged_images_give_the_usual_sentence_or_an_image(tmp_path, kind):
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 255, (16, 16, 3), np.uint8)).save(tmp_path / "a", kind)
    good = (tmp_path / "a").read_bytes()
    for _ in range(100):
        bad = bytearray(good)
        for place in random.integers(0, min(len(bad), 200), 3):
            bad[place] = random.integers(256)
        (tmp_path / "a").write_bytes(bad[: random.integers(1, len(bad) + 1)])
        try:
            files.rgb(tmp_path / "a", upright=True)
        except DataError as error:
            assert str(tmp_path / "a") in str(error)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a/../../b.png", "..", "..\\x.png", "/etc/passwd", "/etc", "a\0.png"], ids=repr
)
def test_names_that_leave_the_folder_of_images_are_refused(tmp_path, name):
    with pytest.raises(DataError, match="correct the name"):
        exported.files(tmp_path / "coco.json", tmp_path, [name])


def test_a_name_from_the_root_of_another_machine_leads_into_the_folder_alone(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0.png").touch()
    assert exported.files(tmp_path, tmp_path, ["/home/me/data/0.png"]) == {"/home/me/data/0.png": "data/0.png"}
    outside = tmp_path / "data" / "0.png"
    assert exported.files(tmp_path, tmp_path, [str(outside)]) == {str(outside): "data/0.png"}


def coco(**changes):
    """Annotations of one person with keys of the parts changed, as in annotations__bbox."""
    data = {
        "images": [{"id": 1, "file_name": "0.png", "width": 8, "height": 8}],
        "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [1, 1, 2, 2, 2, 2], "bbox": [0, 0, 4, 4]}
        ],
    }
    for key, value in changes.items():
        part, _, name = key.partition("__")
        data[part][0][name] = value
    return json.dumps(data)


LONG = 10**400


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"images": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "9" * 5000,
        coco(images__id=LONG),
        coco(images__id="9" * 5000),
        coco(images__width=LONG),
        coco(images__height="8"),
        coco(images__file_name=3),
        coco(annotations__id=LONG),
        coco(annotations__image_id=[1]),
        coco(annotations__keypoints=[LONG, 1, 2, 2, 2, 2]),
        coco(annotations__keypoints=["1", 1, 2, 2, 2, 2]),
        coco(annotations__keypoints=[1, 1, [2], 2, 2, 2]),
        coco(annotations__keypoints={"a": 1}),
        coco(annotations__bbox=[0, 0, LONG, 4]),
        coco(annotations__bbox=[0, 0, None, 4]),
        coco(annotations__area=LONG),
        coco(annotations__num_keypoints=[1]),
        coco(categories__keypoints=[["nose"], "tail"]),
        coco(categories__flip_pairs=[[1, 2]]),
    ],
    ids=lambda text: text[:20],
)
def test_annotations_that_cannot_be_are_refused_in_one_sentence(tmp_path, text):
    (tmp_path / "coco.json").write_text(text)
    with pytest.raises(DataError) as refused:
        keypoints(tmp_path / "coco.json")
    assert "coco.json: " in str(refused.value) and len(str(refused.value)) < 600


def test_a_skeleton_of_endless_numbers_is_undrawn(tmp_path):
    (tmp_path / "coco.json").write_text(coco(categories__skeleton=[[1, 2], [LONG, 1]]))
    assert keypoints(tmp_path / "coco.json").is_undrawn
    (tmp_path / "coco.json").write_text(coco(categories__skeleton=[[float("inf"), 2]]))
    assert keypoints(tmp_path / "coco.json").is_undrawn


def test_detections_of_wrong_types_are_refused(tmp_path):
    (tmp_path / "coco.json").write_text(coco())
    content = keypoints(tmp_path / "coco.json")
    for box in ("0123", LONG, [0, 0, LONG, 1], {"0": 0, "1": 0, "2": 0, "3": 0}):
        found = [{"category_id": 1, "image_id": 1, "bbox": box, "score": 0.5}]
        (tmp_path / "found.json").write_text(json.dumps(found))
        with pytest.raises(DataError, match="needs category_id"):
            annotations.detections(tmp_path / "found.json", content)


def test_a_matlab_array_is_read_as_it_is(tmp_path):
    written = np.random.default_rng(0).random((14, 3, 5))
    savemat(tmp_path / "joints.mat", {"joints": written}, do_compression=True)
    found = matlab.array(tmp_path / "joints.mat", "joints")
    assert np.array_equal(found, written) and found.dtype == written.dtype


def test_a_matlab_file_that_asks_for_eight_gigabytes_is_refused(tmp_path):
    header = struct.pack("<5i", 0, 2**20, 2**10, 0, 7) + b"joints\0"
    (tmp_path / "joints.mat").write_bytes(header + bytes(200))
    with pytest.raises(DataError, match=r"joints\.mat: not readable as a MATLAB file"):
        matlab.array(tmp_path / "joints.mat", "joints")


@pytest.mark.parametrize(
    ("body", "why"),
    [("import os; os.abort()", "its reader ended with -6"), ("bytearray(2**31)", "its reader ended with 1")],
)
def test_a_reader_that_crashes_or_grows_ends_alone(tmp_path, monkeypatch, body, why):
    savemat(tmp_path / "joints.mat", {"joints": np.zeros((14, 3, 1))})
    start = matlab._START.rpartition("serve(")[0] + f"import tasks.data.matlab as own; own._limit()\n{body}\n"
    monkeypatch.setattr(matlab, "_START", start)
    with pytest.raises(DataError, match=why):
        matlab.array(tmp_path / "joints.mat", "joints")


def test_a_matlab_file_that_hangs_its_reader_is_refused(tmp_path, monkeypatch):
    savemat(tmp_path / "joints.mat", {"joints": np.zeros((14, 3, 1))})
    monkeypatch.setattr(matlab, "SECONDS", 0.2)
    monkeypatch.setattr(matlab, "_START", "import time; time.sleep(60)")
    with pytest.raises(DataError, match="not read within"):
        matlab.array(tmp_path / "joints.mat", "joints")
