"""Cityscapes, ADE20K and own folders: what is read, and that bad files are told in one sentence that names them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import trees
from PIL import Image
from refusals import SIZE, opened, refused, truncate

from tasks.data import pairs
from tasks.sets.ade20k import ADE20K
from tasks.sets.ade20k import LEGEND as ADE_LEGEND
from tasks.sets.camvid import CamVid
from tasks.sets.cityscapes import EVALUATED, LEGEND, Cityscapes
from tasks.sets.mask_folder import MaskFolder
from tickets.errors import DataError


@dataclass(frozen=True)
class Layout:
    """A data set's tree and its parts, relative to the root."""

    kind: type
    write: Callable
    images: str  # of train, with the city
    labels: str
    image_end: str
    label_end: str
    allowed: str

    def first(self, root: Path) -> tuple[Path, Path]:
        """The first training image and its label image."""
        image = sorted((root / self.images).iterdir())[0]
        return image, root / self.labels / (image.name.removesuffix(self.image_end) + self.label_end)

    def split(self, root: Path) -> Path:
        """The folder that holds the images of train."""
        place = root / self.images
        return place.parent if self.kind is Cityscapes else place


LAYOUTS = {
    "cityscapes": Layout(
        Cityscapes, trees.cityscapes, "cityscapes/leftImg8bit/train/aachen", "cityscapes/gtFine/train/aachen",
        "_leftImg8bit.png", "_gtFine_labelIds.png", r"0 to 33 and 255 \(labelIds\)",
    ),
    "ade20k": Layout(
        ADE20K, trees.ade20k, "ADEChallengeData2016/images/training", "ADEChallengeData2016/annotations/training",
        ".jpg", ".png", r"1 to 150 and 0 \(other objects\)",
    ),
    "folder": Layout(
        MaskFolder, trees.masks, "train/images", "train/masks", ".png", ".png", r"0 to 2 and 255 \(ignored\)"
    ),
}  # fmt: skip


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return LAYOUTS[request.param]


@pytest.fixture
def root(layout, tmp_path):
    """The data set with six images a split, below a folder whose name needs care."""
    place = tmp_path / "données de José" / "素材"
    layout.write(place, 6, (32, 48))
    return place


@pytest.fixture
def task(layout, root):
    return opened(layout.kind, root)


def test_what_is_read(task):
    """Images of either pipeline belong to their labels: a class has its colour."""
    task.locate()
    prints = task.prepare(workers=1)
    assert len(set(prints.values())) == 3 and prints == task.prepare(workers=2)
    whole = replace(task, pipeline="full")
    counts = {}
    for split in ("train", "val", "test"):
        data, originals = task.split(split), whole.split(split)
        counts[split] = len(data)
        assert len(data) == len(originals) > 0
        for i, row in enumerate([originals[i] for i in range(len(data))]):
            assert row["image"].shape == (*row["label"].shape, 3)
            small = data[i]
            assert small["image"].shape == (3, *SIZE)
            keeps = split == "test" and isinstance(task, Cityscapes)
            assert small["label"].shape == ((32, 48) if keeps else SIZE)
            for c in set(row["label"].ravel()) - {255}:
                seen = row["image"][row["label"] == c]
                colour = trees.COLOURS[source_id(task, c)]
                assert len(seen) < 100 or np.abs(np.median(seen, 0) - colour).max() < 12
    assert counts["train"] + counts["val"] == counts["test"] == 6


def source_id(task, c):
    """The id that the trees give a class."""
    return {Cityscapes: list(EVALUATED).__getitem__, ADE20K: lambda c: c + 1, MaskFolder: int}[type(task)](c)


def test_the_two_pipelines_hold_out_the_same_images(task):
    names = {s.name for s in replace(task, pipeline="full").split("val").samples}
    samples, rows = task.samples("train"), task.split("val").rows
    assert {samples[row].name for row in rows} == names


class TestBadInput:
    def test_image_without_label(self, layout, root, task):
        label = layout.first(root)[1]
        label.unlink()
        refused(task, rf"{label.name}: missing \(No such file")
        refused(replace(task, pipeline="full"), rf"{label.name}: missing \(No such file")

    def test_label_of_another_size(self, layout, root, task):
        image, label = layout.first(root)
        trees.save(label, np.zeros((20, 48), np.uint8))
        refused(task, rf"{label.name}: is 48 x 20 pixels and its image {image.name} 48 x 32; restore the pair")

    @pytest.mark.parametrize(("value", "kind"), [(250, np.uint8), (700, np.uint16)])
    def test_label_that_is_no_class(self, layout, root, task, value, kind):
        label = layout.first(root)[1]
        ids = np.ones((32, 48), kind)
        ids[3, 4] = value
        trees.save(label, ids)
        refused(task, rf"{label.name}: holds label {value}; allowed are {layout.allowed}")

    def test_label_in_colours(self, layout, root, task):
        label = layout.first(root)[1]
        trees.save(label, np.zeros((32, 48, 3), np.uint8))
        refused(task, rf"{label.name}: has 3 channels; a label image has one, of class ids")

    @pytest.mark.parametrize("damage", [truncate, lambda path: path.write_bytes(b"")], ids=["truncated", "empty"])
    @pytest.mark.parametrize("which", [0, 1], ids=["image", "label"])
    def test_file_damaged(self, layout, root, task, damage, which):
        file = layout.first(root)[which]
        damage(file)
        refused(task, rf"{file.name}: not readable as an image")
        whole = replace(task, pipeline="full")
        with pytest.raises(DataError, match=rf"{file.name}: not readable as an image") as told:
            for split in ("train", "val"):
                list(whole.split(split))
        assert "\n" not in str(told.value)

    def test_split_folder_missing(self, layout, root, task):
        place = layout.split(root)
        place.rename(place.parent / "elsewhere")
        refused(task, rf"{place}: missing; restore this folder")

    def test_folder_that_cannot_be_read(self, layout, root, task):
        place = layout.split(root)
        shutil.rmtree(place)
        place.symlink_to(place)  # which no user, not even root, can list
        refused(task, rf"{place}: not readable as a folder \(Too many levels of symbolic links\)")

    def test_folder_without_images(self, layout, root, task):
        place = layout.first(root)[0].parent
        for file in place.iterdir():
            file.rename(file.with_suffix(".txt"))
        refused(task, rf"{place}: holds no file that ends in .*; restore this folder")

    def test_no_root_and_no_set(self, layout, root):
        with pytest.raises(DataError, match=r"no data folder was given for .*--data-root or TICKETBENCH_DATA"):
            layout.kind(size=SIZE).locate()
        (root / "empty").mkdir()
        refused(opened(layout.kind, root / "empty"), r"holds no folder .*/|classes\.txt: missing")


class TestOddInput:
    def test_grey_and_deep_images(self, layout, root, task):
        image, _ = layout.first(root)
        ramp = np.tile(np.linspace(0, 65535, 48).astype(np.uint16), (32, 1))
        grey = (ramp >> 8).astype(np.uint8)
        if layout.image_end == ".jpg":
            trees.save(image, grey)
        else:
            Image.fromarray(ramp).save(image)
        row = task.load(next(s for s in task.samples("train") if s.files[1] == image))
        assert np.abs(row["image"].astype(int) - grey[..., None]).max() <= (3 if layout.image_end == ".jpg" else 0)

    def test_deep_labels(self, layout, root, task):
        label = layout.first(root)[1]
        before = task.prepare(workers=1)
        Image.fromarray(np.asarray(Image.open(label)).astype(np.uint16)).save(label)
        assert task.prepare(workers=1) == before

    def test_links(self, layout, root, task):
        before = task.prepare(workers=1)
        image, label = layout.first(root)
        for i, file in enumerate((image, label)):
            file.rename(root / f"moved {i}")
            file.symlink_to(root / f"moved {i}")
        place = layout.split(root)
        place.rename(root / "moved too")
        place.symlink_to(root / "moved too", target_is_directory=True)
        assert task.prepare(workers=1) == before

    def test_a_link_that_leads_nowhere(self, layout, root, task):
        image, _ = layout.first(root)
        image.unlink()
        image.symlink_to(root / "gone")
        refused(task, rf"{image.name}: missing \(No such file")


class TestIds:
    def test_cityscapes(self):
        """Four of the nineteen and all kinds of ignored, by the table of the authors' labels.py."""
        table = LEGEND.table
        assert [table[i] for i in (7, 8, 23, 33)] == [0, 1, 10, 18]
        assert [table[i] for i in (0, 1, 6, 9, 10, 14, 18, 29, 30, 255)] == [255] * 10
        assert (table[34:255] == -1).all() and table[256] == -1
        assert sorted(table[(table >= 0) & (table < 255)]) == list(range(19))

    def test_ade20k(self, tmp_path):
        trees.save(tmp_path / "a.png", np.array([[0, 1, 150]], np.uint8))
        assert pairs.classes(tmp_path / "a.png", ADE_LEGEND).tolist() == [[255, 0, 149]]

    def test_floating_point_labels(self, tmp_path):
        Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "f.tif")
        with pytest.raises(DataError, match=r"f\.tif: holds floating-point pixels; a label image has whole numbers"):
            pairs.classes(tmp_path / "f.tif", pairs.plain(3))

    def test_negative_labels(self, tmp_path):
        Image.fromarray(np.array([[1, -1]], np.int32)).save(tmp_path / "n.tif")
        with pytest.raises(DataError, match=r"n\.tif: holds label -1; allowed are 0 to 2 and 255"):
            pairs.classes(tmp_path / "n.tif", pairs.plain(3))

    def test_black_and_white_labels(self, tmp_path):
        Image.fromarray(np.array([[True, False]])).save(tmp_path / "b.png")
        assert pairs.classes(tmp_path / "b.png", pairs.plain(2)).tolist() == [[1, 0]]

    @pytest.mark.parametrize(("kind", "theirs"), [(Cityscapes, "CityscapesDataset"), (ADE20K, "ADE20KDataset")])
    def test_names_are_those_of_mmsegmentation(self, kind, theirs):
        datasets = pytest.importorskip("mmseg.datasets", exc_type=ImportError)
        names = getattr(datasets, theirs).METAINFO["classes"]
        assert kind.info.names == tuple(name.strip() for name in names)


class TestMaskFolder:
    @pytest.fixture
    def own(self, tmp_path):
        return trees.masks(tmp_path / "own", 3)

    def test_classes(self, own):
        (own / "classes.txt").write_text("Himmel\nrote Dächer \n木\n\n", encoding="utf-8")
        info = opened(MaskFolder, own).info
        assert (info.names, info.outputs, info.test) == (("Himmel", "rote Dächer", "木"), 3, "test")
        (own / "test").rename(own / "val")
        assert opened(MaskFolder, own).info.test == "val"

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [("a\n", "holds 1 names"), ("a\n\nb\n", "line 2 is blank"), ("a\nb\na\n", "names 'a' twice"),
         ("", "holds 0 names"), ("\n".join(map(str, range(256))), "holds 256 names")],
    )  # fmt: skip
    def test_bad_lists_of_classes(self, own, text, wrong):
        (own / "classes.txt").write_text(text)
        refused(opened(MaskFolder, own), rf"classes\.txt: {wrong}; write 2 to 255 different names, one a line")

    def test_list_of_classes_missing(self, own):
        (own / "classes.txt").unlink()
        refused(opened(MaskFolder, own), r"classes\.txt: missing; restore the list of class names")

    def test_no_train(self, own):
        (own / "train").rename(own / "Train2")
        refused(opened(MaskFolder, own), r"own holds no folder train/ with images/ and masks/; give the folder")

    def test_val_beside_test_is_what_is_validated_on(self, own):
        sliced = opened(MaskFolder, own).prepare(workers=1)
        shutil.copytree(own / "train", own / "val")
        task = opened(MaskFolder, own)
        prints = task.prepare(workers=1)
        assert [len(task.split(name)) for name in ("train", "val", "test")] == [3, 3, 3]
        assert prints["train"] == prints["val"] != sliced["train"] and prints["test"] == sliced["test"]

    def test_a_tree_whose_test_has_no_images_uses_val(self, own):
        (own / "test").rename(own / "val")
        (own / "test").mkdir()
        assert len(opened(MaskFolder, own).samples("test")) == 3


def test_cityscapes_without_cities(tmp_path):
    trees.cityscapes(tmp_path, 2)
    shutil.rmtree(tmp_path / "cityscapes" / "leftImg8bit" / "val")
    (tmp_path / "cityscapes" / "leftImg8bit" / "val").mkdir()
    refused(opened(Cityscapes, tmp_path), r"leftImg8bit/val: holds no folder of a city")


def test_camvid_loads_what_it_reads(tmp_path):
    trees.camvid(tmp_path, 3, size=SIZE)
    task = opened(CamVid, tmp_path)
    row, small = replace(task, pipeline="full").split("test")[2], task.split("test")[2]
    assert np.array_equal(row["image"].transpose(2, 0, 1), small["image"]) and row["image"].shape == (*SIZE, 3)
    assert np.array_equal(row["label"], small["label"]) and 255 in row["label"]
