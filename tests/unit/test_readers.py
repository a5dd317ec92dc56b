"""Adapters of real data sets: bad input is told in one sentence with the file, odd but good input is read."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image
from refusals import SIZE, opened, refused, truncate
from scipy.io import savemat

from tasks.data.files import rgb
from tasks.sets.camvid import CamVid
from tasks.sets.cifar10 import Cifar10
from tasks.sets.folder import Folder
from tasks.sets.lsp import LeedsSports
from tickets.errors import DataError


def noise(height=20, width=30, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


class TestModes:
    def test_every_mode_becomes_the_same_grey_ramp(self, tmp_path):
        deep = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
        grey = (deep >> 8).astype(np.uint8)
        colour = np.repeat(grey[..., None], 3, 2)
        files = [
            save(tmp_path / "grey.png", grey),
            save(tmp_path / "rgba.png", np.dstack([colour, 255 - grey])),
            save(tmp_path / "deep.png", deep),
            save(tmp_path / "deep.tif", deep),
        ]
        palette = Image.fromarray(grey).convert("P")
        palette.save(tmp_path / "palette.png")
        palette.save(tmp_path / "clear.png", transparency=bytes(range(256)))
        for file in [*files, tmp_path / "palette.png", tmp_path / "clear.png"]:
            image = rgb(file)
            assert (image.mode, np.abs(np.asarray(image).astype(int) - colour).max()) == ("RGB", 0), file.name

    def test_black_and_white_and_cmyk(self, tmp_path):
        save(tmp_path / "one.png", noise()[..., 0] > 127)
        Image.fromarray(noise()).convert("CMYK").save(tmp_path / "four.jpg")
        assert rgb(tmp_path / "one.png").size == rgb(tmp_path / "four.jpg").size == (30, 20)

    def test_floating_point_is_refused(self, tmp_path):
        save(tmp_path / "f.tif", np.ones((4, 4), np.float32))
        with pytest.raises(DataError, match=r"f\.tif: holds floating-point pixels"):
            rgb(tmp_path / "f.tif")


@pytest.fixture
def tree(tmp_path):
    """Three classes with names that need care, four training and two test images each."""
    root = tmp_path / "mes données"
    for split, count in (("train", 4), ("test", 2)):
        for c, name in enumerate(("chat noir", "Hund", "鳥")):
            for i in range(count):
                save(root / split / name / f"bild {i} é.png", noise(seed=100 * c + i))
    return root


class TestFolder:
    def test_reads_and_resizes(self, tree):
        save(tree / "train" / "Hund" / "deep" / "x.JPG", noise(64, 16), format="JPEG")
        (tree / "train" / "Hund" / "Thumbs.db").write_bytes(b"junk")
        (tree / "train" / ".hidden").mkdir()
        task = opened(Folder, tree)
        task.locate()
        assert task.info.names == ("Hund", "chat noir", "鳥")
        assert task.info.outputs == 3
        assert task.info.test == "test"
        prints = task.prepare(workers=1)
        assert prints == task.prepare(workers=2)
        train, val, test = (task.split(name) for name in ("train", "val", "test"))
        assert len(train) + len(val) == 13
        assert test.gather(range(6))["label"].tolist() == [0, 0, 1, 1, 2, 2]
        sample = test[5]
        assert sample["image"].shape == (3, *SIZE)
        centre = Image.fromarray(noise(seed=201)).resize(SIZE[::-1], Image.Resampling.BILINEAR)
        assert np.array_equal(sample["image"].permute(1, 2, 0).numpy(), np.asarray(centre))

    def test_a_changed_image_is_read_again(self, tree):
        task = opened(Folder, tree)
        before = task.prepare(workers=1)
        save(tree / "test" / "Hund" / "bild 0 é.png", noise(seed=9))
        after = task.prepare(workers=1)
        assert after["train"] == before["train"]
        assert after["test"] != before["test"]

    def test_val_stands_in_for_test(self, tree):
        (tree / "test").rename(tree / "val")
        task = opened(Folder, tree)
        assert (task.info.test, len(task.samples("test"))) == ("val", 6)
        save(tree / "test" / "000.png", noise())  # as ImageNet's, which has no classes
        assert task.info.test == "val"

    @pytest.mark.parametrize("pipeline", ["resized", "full"])
    def test_val_beside_test_is_what_is_validated_on(self, tree, pipeline):
        task = opened(Folder, tree, pipeline=pipeline)
        sliced = task.prepare(workers=1)
        shutil.copytree(tree / "test", tree / "val")
        (tree / "val" / "Hund" / "bild 1 é.png").unlink()
        prints = task.prepare(workers=1)
        assert [len(task.split(name)) for name in ("train", "val", "test")] == [12, 5, 6]
        assert (prints["test"], task.info.test) == (sliced["test"], "test")
        assert sliced["train"] != prints["train"] != prints["val"] != sliced["val"]
        shutil.rmtree(tree / "val")
        save(tree / "val" / "000.png", noise())  # no class folders: no val
        assert task.prepare(workers=1) == sliced

    def test_other_classes_in_val(self, tree):
        shutil.copytree(tree / "test", tree / "val")
        (tree / "val" / "Hund").rename(tree / "val" / "Katze")
        refused(opened(Folder, tree), r"val holds 3 class folders, the task 3 classes: .* Hund, Katze; give")

    def test_no_root(self):
        with pytest.raises(DataError, match=r"cls/folder; give the folder .*--data-root or TICKETBENCH_DATA"):
            Folder(size=SIZE).locate()

    def test_root_without_the_set(self, tmp_path):
        refused(opened(Folder, tmp_path / "nowhere"), r"nowhere holds no folder train/ .*--data-root")

    def test_no_test_folder(self, tree):
        (tree / "test").rename(tree / "prüfung")
        refused(opened(Folder, tree), "holds no folder test/ or val/ ")

    def test_not_an_image(self, tree):
        (tree / "train" / "Hund" / "bild 2 é.png").write_text("not an image")
        refused(opened(Folder, tree), r"Hund/bild 2 é\.png: not readable as an image")

    def test_truncated_image(self, tree):
        truncate(tree / "test" / "鳥" / "bild 1 é.png")
        refused(opened(Folder, tree), r"鳥/bild 1 é\.png: not readable as an image .*truncated")

    def test_empty_image(self, tree):
        (tree / "train" / "Hund" / "bild 2 é.png").write_bytes(b"")
        refused(opened(Folder, tree), r"bild 2 é\.png: not readable as an image")

    def test_empty_class(self, tree):
        for file in (tree / "train" / "Hund").iterdir():
            file.unlink()
        (tree / "train" / "Hund" / "notes.txt").write_text("none left")
        refused(opened(Folder, tree), r"train/Hund holds no image \(\.jpg")

    def test_other_classes_in_test(self, tree):
        (tree / "test" / "Hund").rename(tree / "test" / "Katze")
        refused(opened(Folder, tree), r"test holds 3 class folders, the task 3 classes: .* Hund, Katze; give")

    def test_one_class(self, tree):
        for name in ("Hund", "鳥"):
            (tree / "train" / name).rename(tree / f"other {name}")
        refused(opened(Folder, tree), r"train holds 1 class folders; a classification needs at least 2")

    def test_cifar10_names_its_folder(self, tree):
        refused(opened(Cifar10, tree), r"holds no folder cifar10/")
        tree.rename(tree.parent / "cifar10")
        refused(opened(Cifar10, tree.parent), r"train holds 3 class folders, the task 10 classes: .* and more")


@pytest.fixture
def scenes(tmp_path):
    """Four training, two validation and three test scenes; the label is the column number modulo 12."""
    place = tmp_path / "données routières" / "camvid"
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        lines = []
        for i in range(count):
            name = f"{split}{i}"
            save(place / split / f"{name}.jpg", noise(seed=i))
            save(place / f"{split}annot" / f"{name}.png", np.tile(np.arange(30, dtype=np.uint8) % 12, (20, 1)))
            lines.append(f"{split}/{name}.jpg {split}annot/{name}.png\n")
        (place / f"{split}.txt").write_text("".join(lines))
    return place


class TestCamVid:
    def test_sizes_and_void(self, scenes):
        task = opened(CamVid, scenes.parent)
        task.locate()
        task.prepare(workers=1)
        assert [len(task.split(name)) for name in ("train", "val", "test")] == [4, 2, 3]
        assert [sample.name for sample in task.members("val")] == ["val0", "val1"]
        sample = task.split("test")[0]
        assert (sample["image"].shape, sample["label"].shape) == ((3, *SIZE), (20, 30))
        assert task.split("val")[0]["label"].shape == (20, 30)
        assert sample["label"][3].tolist() == [255 if i % 12 == 11 else i % 12 for i in range(30)]
        assert task.split("train")[0]["label"].shape == SIZE

    def test_paths_of_the_original_split_files(self, scenes):
        plain = opened(CamVid, scenes.parent).prepare(workers=1)
        words = (scenes / "train.txt").read_text().split()
        lines = [f"/SegNet/CamVid/{a} /SegNet/CamVid/{b}\n" for a, b in zip(words[::2], words[1::2], strict=True)]
        (scenes / "train.txt").write_text("".join(lines))
        assert opened(CamVid, scenes.parent).prepare(workers=1) == plain

    @pytest.mark.parametrize(("kind", "name"), [(CamVid, "camvid"), (LeedsSports, "lspet"), (Cifar10, "cifar10")])
    def test_no_root(self, kind, name):
        with pytest.raises(DataError, match=f"no data folder was given .*holds {name}/"):
            kind(size=SIZE).locate()

    def test_no_set(self, scenes):
        scenes.rename(scenes.parent / "CityScapes")
        refused(opened(CamVid, scenes.parent), "holds no folder camvid/")

    def test_split_file_missing(self, scenes):
        (scenes / "val.txt").unlink()
        refused(opened(CamVid, scenes.parent), r"val\.txt: missing; restore the split file")

    def test_split_file_malformed(self, scenes):
        with (scenes / "train.txt").open("a") as file:
            file.write("\ntrain/train0.jpg\n")
        refused(opened(CamVid, scenes.parent), r"train\.txt: line 6, 'train/train0\.jpg', has 1 words, not 2")

    def test_split_file_repeats(self, scenes):
        with (scenes / "val.txt").open("a") as file:
            file.write("val/val0.jpg valannot/val0.png\n")
        refused(opened(CamVid, scenes.parent), r"val\.txt: line 3, .* repeats line 1")

    @pytest.mark.parametrize("content", [b"", b"\n\n"])
    def test_split_file_empty(self, scenes, content):
        (scenes / "val.txt").write_bytes(content)
        refused(opened(CamVid, scenes.parent), r"val\.txt: lists no sample")

    def test_split_file_not_text(self, scenes):
        (scenes / "val.txt").write_bytes(b"\xff\xfe\x00")
        refused(opened(CamVid, scenes.parent), r"val\.txt: not readable as text")

    def test_listed_image_missing(self, scenes):
        (scenes / "train" / "train1.jpg").unlink()
        refused(opened(CamVid, scenes.parent), r"train/train1\.jpg: missing")

    def test_image_truncated(self, scenes):
        truncate(scenes / "train" / "train1.jpg")
        refused(opened(CamVid, scenes.parent), r"train/train1\.jpg: not readable as an image")

    @pytest.mark.parametrize("value", [12, 255])
    def test_label_out_of_range(self, scenes, value):
        label = np.zeros((20, 30), np.uint8)
        label[4, 5] = value
        save(scenes / "valannot" / "val1.png", label)
        refused(
            opened(CamVid, scenes.parent),
            rf"val1\.png: holds label {value}; allowed are 0 to 10 and 11 \(void\)",
        )

    def test_label_of_another_size(self, scenes):
        save(scenes / "trainannot" / "train2.png", np.zeros((10, 30), np.uint8))
        refused(opened(CamVid, scenes.parent), r"train2\.png: is 30 x 10 pixels and its image train2\.jpg 30 x 20")

    def test_label_in_colours(self, scenes):
        save(scenes / "trainannot" / "train2.png", noise())
        refused(opened(CamVid, scenes.parent), r"train2\.png: has 3 channels; a label image has one")

    def test_palette_label(self, scenes):
        file = scenes / "testannot" / "test0.png"
        with Image.open(file) as image:
            palette = Image.fromarray(np.asarray(image)).convert("P")
        palette.putdata(np.full(600, 7, np.uint8).tolist())
        palette.putpalette([i for c in range(12) for i in (20 * c, 0, 0)])
        palette.save(file)
        assert (opened(CamVid, scenes.parent).split("test")[0]["label"] == 7).all()


def people(count=4, seed=0):
    """joints (14, 3, count) inside 60 x 40 images, joint 5 unlabelled with junk coordinates."""
    joints = np.random.default_rng(seed).uniform(5, 35, (14, 3, count))
    joints[:, 2] = 1
    joints[5] = np.array([-9e4, np.nan, 0])[:, None]
    return joints


@pytest.fixture
def athletes(tmp_path):
    place = tmp_path / "sport é" / "lspet"
    for i in range(4):
        save(place / "images" / f"im0000{i + 1}.jpg", noise(40, 60, seed=i))
    (place / "train.txt").write_text("im00001.jpg\nim00002.jpg\nim00004.jpg\n")
    (place / "val.txt").write_text("im00003.jpg\n")
    savemat(place / "joints.mat", {"joints": people()})
    return place


class TestLeedsSports:
    def test_joints_stay_on_their_pixels(self, athletes):
        """A white square at a joint is found where the keypoint says, in a box wider than the image."""
        joints = people()
        joints[13, :2, 2] = 3.0, 4.0
        savemat(athletes / "joints.mat", {"joints": joints})
        image = np.zeros((40, 60, 3), np.uint8)
        image[3:6, 2:5] = 255
        save(athletes / "images" / "im00003.png", image).rename(athletes / "images" / "im00003.jpg")
        task = LeedsSports(size=(96, 72), root=athletes.parent, cache=athletes.parent / "cache")
        sample = task.split("test")[0]
        weight = sample["image"].float().mean(0).numpy()
        weight[weight < 64] = 0
        y, x = (np.average(grid, weights=weight) for grid in np.indices(weight.shape))
        assert sample["keypoints"][13].tolist() == pytest.approx([x, y, 1.0], abs=0.25)
        inside = sample["keypoints"][sample["keypoints"][:, 2] > 0, :2].numpy()
        assert (inside > 0).all() and (inside < [72, 96]).all()
        assert sample["keypoints"][5].tolist() == [0, 0, 0]

    def test_torso_and_visibility(self, athletes):
        joints = people()
        joints[:, :2, 2] = 20
        joints[(0, 12, 2, 3), :2, 2] = (10, 10), (20, 12), (18, 30), (22, 30)
        joints[5, 2, 2] = 0
        joints[2, 2, 0] = 0
        savemat(athletes / "joints.mat", {"joints": joints})
        task = opened(LeedsSports, athletes.parent)
        batch = task.batch(task.split("test").gather([0]))
        ratio = 16 / 26  # the box is 1.3 times 20 pixels high
        assert batch["torso"].item() == pytest.approx(18 * ratio)
        assert batch["visible"].sum() == 13
        every = [task.split(name) for name in ("train", "val")]
        torsos = {t for s in every for t in task.batch(s.gather(range(len(s))))["torso"].tolist()}
        assert 0.0 in torsos  # im00001 lacks a hip

    def test_the_full_pipeline_has_the_same_people(self, athletes):
        """At full size, framed by float coordinates where decoded arrays round to pixels; heads beside torsos."""
        size = (96, 72)
        one, other = (
            LeedsSports(size=size, root=athletes.parent, cache=athletes.parent / "cache", pipeline=pipeline)
            for pipeline in ("resized", "full")
        )
        assert len(set(other.prepare().values())) == 3
        batch = one.batch(one.split("test").gather([0]))
        view = other.view(other.split("test")[0], training=False)
        assert view["image"].shape == (3, *size)
        assert view["keypoints"].numpy() == pytest.approx(batch["keypoints"][0].numpy(), abs=1.5)
        assert view["visible"].tolist() == batch["visible"][0].tolist()
        head = (view["keypoints"][12] - view["keypoints"][13]).norm()
        assert view["head"] == pytest.approx(head.item(), rel=1e-5)
        metric = other.metric()
        metric.update_points(batch["keypoints"], batch)
        assert metric.compute() == {"pck": 1.0, "pckh": 1.0}

    def test_the_box_at_full_size_by_hand(self, athletes):
        """From the centres of joints 10 and 30 across, 12 and 13.3 down; at least 16 / 1.3 pixels a side."""
        joints = people()
        joints[:, :2, 2] = 10.0, 12.0
        joints[0, :2, 2] = 30.0, 13.3
        joints[5, 2, 2] = 0
        savemat(athletes / "joints.mat", {"joints": joints})
        row = opened(LeedsSports, athletes.parent, pipeline="full").split("test")[0]
        side = 16 / 1.3
        assert row["box"].tolist() == pytest.approx([10.5, 12.65 + 0.5 - side / 2, 20, side], rel=1e-5)
        assert row["image"].shape == (40, 60, 3) and row["keypoints"][5].tolist() == [0, 0, 0]

    def test_mirror_exchanges_sides(self):
        order = list(range(14))
        for left, right in LeedsSports.info.flip_pairs:
            order[left], order[right] = right, left
        assert order == [5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13]
        names = LeedsSports.info.names
        swap = {"left": "right", "right": "left"}
        assert [" ".join(swap.get(w, w) for w in names[i].split()) for i in order] == list(names)

    def test_no_joints_key(self, athletes):
        savemat(athletes / "joints.mat", {"Joints": people(), "x": 1})
        refused(opened(LeedsSports, athletes.parent), r"joints\.mat: has no key 'joints', but Joints, x;")

    @pytest.mark.parametrize("joints", [np.zeros((3, 14, 4)), np.zeros((14, 4)), np.array([[["a"]]])])
    def test_joints_of_wrong_shape(self, athletes, joints):
        savemat(athletes / "joints.mat", {"joints": joints})
        refused(
            opened(LeedsSports, athletes.parent),
            r"joints\.mat: 'joints' has shape .*it must be numbers",
        )

    def test_too_few_columns(self, athletes):
        savemat(athletes / "joints.mat", {"joints": people(3)})
        refused(
            opened(LeedsSports, athletes.parent),
            r"im00004\.jpg: .*joints\.mat has 3 columns, none for this image",
        )

    @pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file" + bytes(200), b"junk" * 99])
    def test_joints_file_damaged(self, athletes, content):
        (athletes / "joints.mat").write_bytes(content)
        refused(opened(LeedsSports, athletes.parent), r"joints\.mat: not readable as a MATLAB file")

    def test_joints_file_missing(self, athletes):
        (athletes / "joints.mat").unlink()
        refused(opened(LeedsSports, athletes.parent), r"joints\.mat: missing")

    def test_nobody_labelled(self, athletes):
        joints = people()
        joints[:, 2, 1] = 0
        savemat(athletes / "joints.mat", {"joints": joints})
        refused(
            opened(LeedsSports, athletes.parent),
            r"im00002\.jpg: none of its joints is labelled in .*joints\.mat",
        )

    def test_joint_far_outside(self, athletes):
        joints = people()
        joints[6, :2, 1] = 20.0, 9e5
        savemat(athletes / "joints.mat", {"joints": joints})
        refused(
            opened(LeedsSports, athletes.parent),
            r"im00002\.jpg: its right wrist is at \[20\.0, 900000\.0\]",
        )

    def test_split_file_lists_something_else(self, athletes):
        (athletes / "val.txt").write_text("photo.jpg\n")
        refused(
            opened(LeedsSports, athletes.parent),
            r"val\.txt: lists 'photo\.jpg', which is no name like",
        )

    def test_listed_image_missing(self, athletes):
        os.remove(athletes / "images" / "im00003.jpg")
        refused(opened(LeedsSports, athletes.parent), r"im00003\.jpg: missing")

    def test_no_set(self, tmp_path):
        refused(opened(LeedsSports, tmp_path), "holds no folder lspet/")
