"""A person's own folders: photographs stand upright, each file counts once, and what is passed over is told."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import people
import pytest
import trees
from PIL import Image
from refusals import opened, refused

from tasks.sets.folder import Folder
from tasks.sets.keypoint_folder import KeypointFolder
from tasks.sets.mask_folder import MaskFolder
from tickets.errors import DataError

TURNED = {3: 2, 6: 1}  # EXIF orientation -> quarter turns, to the left, of what a camera stored
COLOURS = [(10, 0, 0), (0, 200, 0), (0, 0, 150)]  # by class
NAMED = "sky 10 0 0\nred roof 0 200 0\ntree 0 0 150\n"
VOID = (0, 0, 0)


def stored(path: Path, upright: np.ndarray, orientation: int) -> None:
    """Save an image as a camera does that was turned: its pixels otherwise, and EXIF that says how."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(upright, TURNED[orientation]).copy()).save(path, exif=exif)


def half(size: tuple[int, int] = (30, 20)) -> np.ndarray:
    """A picture, white above and black below."""
    image = np.zeros((*size, 3), np.uint8)
    image[: size[0] // 2] = 255
    return image


@pytest.fixture
def classes(tmp_path):
    """Two classes, three images each in train and test."""
    return tree(tmp_path / "own")


def tree(root: Path, splits: Iterable[str] = ("train", "test")) -> Path:
    for split in splits:
        for number, name in enumerate(("ant", "bee")):
            for i in range(3):
                trees.save(root / split / name / f"{i}.png", np.full((20, 24, 3), 40 * i + 20 * number, np.uint8))
    return root


@pytest.fixture
def masks(tmp_path):
    """As seg/folder wants it, five images a split."""
    return trees.masks(tmp_path / "own", 5)


def repaint(root: Path, paint) -> None:
    """Write every mask as `paint` makes it of the ids; all of them are counted ones."""
    for file in root.glob("*/masks/*.png"):
        ids = np.asarray(Image.open(file)).copy()
        ids[ids == 255] = 2
        ids[0, :3] = (0, 1, 2)
        made = paint(ids)
        (made if isinstance(made, Image.Image) else Image.fromarray(made)).save(file)


def remarks(task) -> str:
    return "\n".join(task.remarks())


class TestUpright:
    @pytest.mark.parametrize("orientation", TURNED)
    @pytest.mark.parametrize("pipeline", ["resized", "full"])
    def test_photographs_of_classes(self, classes, orientation, pipeline):
        stored(classes / "train" / "ant" / "0.png", half(), orientation)
        task = opened(Folder, classes, pipeline=pipeline)
        sample = task.samples("train")[0]
        image = (task.load(sample) if pipeline == "full" else task.read(sample, (30, 20)))["image"]
        assert np.array_equal(image, half())

    @pytest.mark.parametrize("orientation", TURNED)
    def test_photographs_and_masks_drawn_on_what_viewers_show(self, masks, orientation):
        first = opened(MaskFolder, masks).samples("train")[0]
        stored(first.files[1], half((36, 48)), orientation)
        row = MaskFolder.load(first)
        assert np.array_equal(row["image"], half((36, 48))) and row["label"].shape == (36, 48)

    def test_a_mask_that_fits_only_the_stored_image(self, masks):
        first = opened(MaskFolder, masks).samples("train")[0]
        stored(first.files[1], half((48, 36)), 6)  # stored as 36 x 48, which the mask has
        refused(opened(MaskFolder, masks), r"as its viewers turn it; restore the pair, or turn the mask, too\.")

    def test_a_mask_with_an_orientation_of_its_own(self, masks):
        first = opened(MaskFolder, masks).samples("train")[0]
        upright = MaskFolder.load(first)["label"]
        stored(first.files[0], upright, 6)
        assert np.array_equal(MaskFolder.load(first)["label"], upright)

    @pytest.mark.parametrize("orientation", TURNED)
    def test_photographs_and_joints(self, tmp_path, orientation):
        task = persons(tmp_path / "own")
        stored(task.samples("train")[0].files[0], half((40, 30)), orientation)
        assert np.array_equal(task.load(task.samples("train")[0])["image"], half((40, 30)))

    def test_joints_on_the_stored_image(self, tmp_path):
        task = persons(tmp_path / "own")
        stored(task.samples("train")[0].files[0], half((30, 40)), 6)  # stored as 40 x 30, as annotated
        refused(task, r"30 pixels as its viewers turn it, .*; restore the pair, or annotate the upright image\.")


def persons(root: Path) -> KeypointFolder:
    """Three images 40 x 30 a split, one person each."""
    for split in ("train", "test"):
        images = [{"id": i, "file_name": f"{i}.png", "width": 30, "height": 40} for i in range(3)]
        entry = {"category_id": 1, "bbox": [2, 2, 20, 30], "keypoints": [5, 5, 2, 15, 25, 2]}
        told = [{**entry, "id": 1 + i, "image_id": i} for i in range(3)]
        category = {"id": 1, "name": "bird", "keypoints": ["beak", "tail"]}
        people.write(
            root / "annotations" / f"{split}.json", {"images": images, "annotations": told, "categories": [category]}
        )
        for i in range(3):
            trees.save(root / split / f"{i}.png", np.full((40, 30, 3), 50 * i, np.uint8))
    return opened(KeypointFolder, root)


class TestOneWalk:
    @pytest.mark.parametrize("leads_to", ["..", "../..", ".", "../bee", "../../test/bee/../.."])
    def test_links_to_what_is_read_elsewhere_add_nothing(self, classes, leads_to):
        (classes / "train" / "ant" / "up").symlink_to(leads_to, target_is_directory=True)
        samples = opened(Folder, classes).samples("train")
        assert [sample.extra for sample in samples] == [0, 0, 0, 1, 1, 1]

    def test_a_link_to_elsewhere_is_read_once(self, classes, tmp_path):
        tree(tmp_path / "more")
        for name in ("one", "two"):
            (classes / "train" / "bee" / name).symlink_to(tmp_path / "more" / "train" / "bee")
        assert [sample.extra for sample in opened(Folder, classes).samples("train")] == [0] * 3 + [1] * 6

    @pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX", "@eaDir", ".Trash"])
    def test_hidden_and_system_folders_at_every_level(self, classes, name):
        before = opened(Folder, classes).prepare(workers=1)
        for place in (classes, classes / "train", classes / "train" / "ant"):
            shutil.copytree(classes / "test" / "bee", place / name)
        (classes / "train" / "ant" / "._0.png").write_bytes(b"a resource fork")
        task = opened(Folder, classes)
        assert task.prepare(workers=1) == before and "passed over" not in remarks(task)

    @pytest.mark.parametrize("name", [".ipynb_checkpoints", "__MACOSX"])
    def test_the_same_beside_masks(self, masks, name):
        before = opened(MaskFolder, masks).prepare(workers=1)
        for place in ("images", "masks"):
            shutil.copytree(masks / "test" / place, masks / "train" / place / name)
        assert opened(MaskFolder, masks).prepare(workers=1) == before

    @pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
    @pytest.mark.parametrize("place", ["train", "train/ant"])
    def test_a_name_that_is_no_utf_8(self, classes, place):
        os.mkdir(os.fsencode(classes / place) + b"/caf\xe9")
        shutil.copy(classes / "train" / "ant" / "0.png", os.fsencode(classes / place) + b"/caf\xe9/0.png")
        if place == "train":
            refused(opened(Folder, classes), r"train/caf\\xe9: its name is no UTF-8; rename it\.")
        else:
            refused(opened(Folder, classes), r"caf\\xe9/0\.png: its name is no UTF-8; rename it\.")

    @pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
    def test_what_is_passed_over_may_have_any_name(self, classes):
        for name in (b"caf\xe9.txt", b"a.caf\xe9"):
            Path(os.fsdecode(os.fsencode(classes / "train" / "ant") + b"/" + name)).touch()
        told = remarks(opened(Folder, classes))
        assert "passed over 1 *.caf\\xe9, 1 *.txt in train" in told


class TestRemarks:
    def test_what_is_passed_over_is_counted(self, classes):
        for i in range(4):
            (classes / "train" / "ant" / f"{i}.HEIC").touch()
        (classes / "test" / "bee" / "README").touch()
        told = remarks(opened(Folder, classes))
        assert "passed over 4 *.HEIC in train; images end in .jpg" in told
        assert "passed over 1 without a suffix in test" in told

    def test_images_in_no_class_folder(self, classes):
        for i in range(2):
            shutil.copy(classes / "train" / "ant" / "0.png", classes / "train" / f"{i}.png")
        assert "passed over 2 images of train that lie in no class folder" in remarks(opened(Folder, classes))

    @pytest.mark.parametrize("kind", [Folder, MaskFolder])
    def test_where_val_comes_from(self, tmp_path, kind):
        root = (tree if kind is Folder else trees.masks)(tmp_path / "own")
        assert "own has no val/ beside test/, so one in 10 of train is held out to validate on" in remarks(
            opened(kind, root)
        )
        shutil.copytree(root / "test", root / "val")
        task = opened(kind, root)
        assert "val/" not in remarks(task) and task.official == ("train", "val", "test")

    def test_a_class_that_never_occurs(self, masks):
        (masks / "classes.txt").write_text("sky\nroof\ntree\nboat\n")
        told = remarks(opened(MaskFolder, masks))
        assert "class boat never occurs in the 5 masks of train looked at" in told
        assert "class boat never occurs in the 5 masks of test looked at" in told

    def test_masks_of_0_and_255_are_refused_with_what_to_do(self, masks):
        repaint(masks, lambda ids: (255 * (ids > 0)).astype(np.uint8))
        (masks / "classes.txt").write_text("ground\ndisc\n")
        with pytest.raises(DataError, match=r"only 'ground' occurs, beside 255, .*'disc 255 255 255'\.") as told:
            remarks(opened(MaskFolder, masks))
        assert "\n" not in str(told.value)
        (masks / "classes.txt").write_text("ground 0 0 0\ndisc 255 255 255\n")
        task = opened(MaskFolder, masks)
        assert "never" not in remarks(task)
        assert set(np.unique(task.load(task.samples("train")[0])["label"])) == {0, 1}


class TestClasses:
    def test_a_list_as_other_systems_write_it(self, masks):
        (masks / "classes.txt").write_bytes("\ufeffsky\r\nred roof\r\ntree\r\n\r\n".encode())
        assert opened(MaskFolder, masks).info.names == ("sky", "red roof", "tree")

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
    def test_colours(self, masks, mode):
        repaint(masks, lambda ids: ids)
        before = opened(MaskFolder, masks).prepare(workers=1)

        def paint(ids: np.ndarray) -> Image.Image:
            if mode != "P":
                return Image.fromarray(np.array(COLOURS, np.uint8)[ids]).convert(mode)
            made = Image.fromarray((9 - ids).astype(np.uint8), "L").convert("P")
            made.putdata((9 - ids).ravel().tolist())
            made.putpalette([v for i in range(10) for v in (COLOURS[9 - i] if i > 6 else (1, 2, 3))])
            return made

        repaint(masks, paint)
        (masks / "classes.txt").write_text(NAMED)
        task = opened(MaskFolder, masks)
        assert task.info.names == ("sky", "red roof", "tree") and task.prepare(workers=1) == before

    def test_a_palette_without_colours_in_the_list_holds_ids(self, masks):
        before = opened(MaskFolder, masks).prepare(workers=1)
        for file in masks.glob("*/masks/*.png"):
            image = Image.open(file)
            ids = np.asarray(image).ravel().tolist()
            image = image.convert("P")
            image.putdata(ids)
            image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
            image.save(file)
        assert opened(MaskFolder, masks).prepare(workers=1) == before

    def test_a_colour_that_is_not_counted(self, masks):
        repaint(masks, lambda ids: np.array([*COLOURS[:2], VOID], np.uint8)[ids])
        (masks / "classes.txt").write_text("sky 10 0 0\nroof 0 200 0\nignored 0 0 0\n")
        task = opened(MaskFolder, masks)
        assert task.info.names == ("sky", "roof")
        assert set(np.unique(task.load(task.samples("train")[0])["label"])) == {0, 1, 255}

    def test_a_colour_without_a_name(self, masks):
        repaint(masks, lambda ids: np.array(COLOURS, np.uint8)[ids])
        (masks / "classes.txt").write_text(NAMED)
        file = opened(MaskFolder, masks).samples("train")[0].files[0]
        pixels = np.asarray(Image.open(file)).copy()
        pixels[5, 5:8] = (7, 8, 9)
        Image.fromarray(pixels).save(file)
        refused(opened(MaskFolder, masks), r"0 é\.png: has 3 pixels of a colour that classes\.txt .* as 7 8 9; name it")

    @pytest.mark.parametrize(
        ("text", "wrong"),
        [("sky 10 0 0\nroof\ntree 0 0 1\n", r"line 2 has no colour and others have; write one behind each name or"),
         ("sky 1 0 0\nroof 1 0 0\n", r"gives two names one colour; give each its own"),
         ("sky 1 0 0\nroof 1 0 256\n", r"line 2 has no colour and others have"),
         ("sky 1 0 0\nignored 0 0 0\n", r"holds 1 names")],
    )  # fmt: skip
    def test_colours_that_do_not_go(self, masks, text, wrong):
        (masks / "classes.txt").write_text(text)
        refused(opened(MaskFolder, masks), rf"classes\.txt: {wrong}")

    def test_colours_without_a_list_of_them(self, masks):
        repaint(masks, lambda ids: np.array(COLOURS, np.uint8)[ids])
        refused(opened(MaskFolder, masks), r"has 3 channels; .* behind its name in classes\.txt, as in 'road 128 64 12")


class TestPairs:
    def test_folders_below(self, masks):
        for name in ("images", "masks"):
            (masks / "train" / name / "trip").mkdir()
            shutil.move(masks / "train" / name / "bild 0 é.png", masks / "train" / name / "trip" / "bild 1 é.png")
        task = opened(MaskFolder, masks)
        assert len(task.samples("train")) == 5 and task.samples("train")[-1].name == "trip/bild 1 é.png"
        task.prepare(workers=1)

    def test_suffixes_in_any_case(self, masks):
        before = opened(MaskFolder, masks).prepare(workers=1)
        for file in masks.glob("*/masks/*.png"):
            file.rename(file.with_suffix(".PNG"))
        assert opened(MaskFolder, masks).prepare(workers=1) == before

    def test_two_masks_of_one_image(self, masks):
        place = masks / "train" / "masks"
        shutil.copy(place / "bild 0 é.png", place / "bild 0 é.tif")
        refused(opened(MaskFolder, masks), r"bild 0 é\.tif: bild 0 é\.png is a mask of the same name; remove one")


class TestOddImages:
    """What is no plain RGB file is read as a viewer shows it; nothing turns black."""

    def image(self, classes: Path, name: str) -> np.ndarray:
        (classes / "train" / "ant" / "0.png").unlink()
        task = opened(Folder, classes)
        sample = next(sample for sample in task.samples("train") if sample.files[0].name == name)
        return task.load(sample)["image"]

    def test_sixteen_bits(self, classes):
        Image.fromarray(np.full((20, 24), 0x8040, np.uint16)).save(classes / "train" / "ant" / "a.tif")
        assert (self.image(classes, "a.tif") == 0x80).all()

    def test_cmyk(self, classes):
        Image.new("CMYK", (24, 20), (0, 255, 255, 0)).save(classes / "train" / "ant" / "a.jpg", quality=100)
        assert np.abs(self.image(classes, "a.jpg").astype(int) - (255, 0, 0)).max() <= 3

    @pytest.mark.parametrize("name", ["a.webp", "a.tif", "a.png"])
    def test_of_several_pictures_the_first(self, classes, name):
        first, *rest = (Image.new("RGB", (24, 20), (level, 0, 0)) for level in (200, 10, 90))
        more = {"lossless": True} if name.endswith("webp") else {}
        first.save(classes / "train" / "ant" / name, save_all=True, append_images=rest, **more)
        assert (self.image(classes, name) == (200, 0, 0)).all()

    @pytest.mark.parametrize("size", [(1, 400), (400, 1), (1, 1)])
    @pytest.mark.parametrize("pipeline", ["resized", "full"])
    def test_very_thin(self, classes, size, pipeline):
        trees.save(classes / "train" / "ant" / "a.png", np.full((*size, 3), 90, np.uint8))
        assert self.image(classes, "a.png").shape == (*size, 3)
        task = opened(Folder, classes, pipeline=pipeline)
        task.prepare(workers=1)
        from tasks.feed import Feed

        batch = next(Feed("cls/folder", task, 6, 0).batches(0, 1))
        assert batch["image"].isfinite().all()

    @pytest.mark.parametrize("pipeline", ["resized", "full"])
    def test_very_thin_with_a_mask(self, masks, pipeline):
        trees.save(masks / "train" / "images" / "bild 0 é.png", np.full((1, 400, 3), 90, np.uint8))
        trees.save(masks / "train" / "masks" / "bild 0 é.png", np.array([[0, 1] * 200], np.uint8))
        task = opened(MaskFolder, masks, pipeline=pipeline)
        task.prepare(workers=1)
        from tasks.feed import Feed

        batch = next(Feed("seg/folder", task, 5, 0).batches(0, 1))
        assert batch["image"].isfinite().all() and batch["label"].shape[1:] == batch["image"].shape[2:]
