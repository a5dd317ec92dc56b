"""Keypoint files as annotation tools export them are read; what was made of them is told; sides are words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import people
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from bench import check, preview
from tasks.feed import Feed
from tasks.kinds import sides
from tasks.sets.keypoint_folder import KeypointFolder
from tickets.errors import DataError

Change = Callable[[dict[str, Any]], object]
JOINTS = ["head", "neck", "left_hip", "right_hip"]
SIZE = (48, 64)  # height, width of the images


def person(number: int, photo: int, joints: int = 4) -> dict[str, Any]:
    """All joints of a figure that stands at (20 + photo, 10), labelled."""
    x, y = 20 + photo, 10
    points = [(x, y), (x, y + 6), (x - 5, y + 20), (x + 5, y + 20)][:joints]
    box = [x - 8, y - 4, 16, 30]
    return {
        "id": number, "image_id": photo, "category_id": 1, "bbox": box,
        "keypoints": [value for point in points for value in (*point, 2)],
    }  # fmt: skip


def content(count: int, names: list[str]) -> dict[str, Any]:
    """A file that says no more than it has to: no iscrowd, num_keypoints, area or skeleton."""
    images = [{"id": i, "file_name": f"{i}.png", "width": SIZE[1], "height": SIZE[0]} for i in range(count)]
    people_ = [person(700 + i, i) for i in range(count)]
    return {"images": images, "annotations": people_, "categories": [{"id": 1, "name": "cat", "keypoints": names}]}


def exported(root: Path, change: Change = lambda content: None, names: list[str] = JOINTS) -> KeypointFolder:
    """A folder with 12 images to train on and 6 to test on, both files changed alike."""
    for split, count in (("train", 12), ("test", 6)):
        told = content(count, names)
        change(told)
        people.write(root / "annotations" / f"{split}.json", told)
        (root / split).mkdir(exist_ok=True)
        for i in range(count):
            noise = np.random.default_rng([i, count]).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            Image.fromarray(noise).save(root / split / f"{i}.png")
    return KeypointFolder(size=(32, 32), root=root, cache=root / "cache")


def counts(task: KeypointFolder) -> tuple[int, int]:
    return len(task.samples("train")), len(task.samples("test"))


def category(**changes: Any) -> Change:
    return lambda content: content["categories"][0].update(changes)


def all_people(**changes: Any) -> Change:
    return lambda content: [entry.update(changes) for entry in content["annotations"]]


def all_files(written: str) -> Change:
    """File names as `written` says, of the number of the image."""
    return lambda content: [entry.update(file_name=written % entry["id"]) for entry in content["images"]]


def two_kinds(content: dict[str, Any]) -> None:
    content["categories"] += [{"id": 5, "name": "dog", "keypoints": JOINTS}, {"id": 6, "name": "box alone"}]
    for entry in content["annotations"][::2]:
        entry["category_id"] = 5


def texts(content: dict[str, Any]) -> None:
    for entry in content["annotations"]:
        entry.update(id=str(entry["id"]), image_id=str(entry["image_id"]), category_id="1")


READ = {
    "as little as can be": lambda content: None,
    "num_keypoints of 0 throughout": all_people(num_keypoints=0),
    "num_keypoints, area and iscrowd of null": all_people(num_keypoints=None, area=None, iscrowd=None),
    "area of 0": all_people(area=0),
    "ids as text": texts,
    "two categories with the same joints, one without": two_kinds,
    "a skeleton from 0": category(skeleton=[[0, 1], [1, 2], [1, 3]]),
    "a skeleton of other joints": category(skeleton=[[1, 9]]),
    "a skeleton of words": category(skeleton=["ab"]),
    "file names with backslashes": all_files("images\\cats\\%d.png"),
    "whole paths of Windows": all_files("D:\\my data\\cats\\%d.png"),
    "whole paths of another machine": all_files("/home/somebody/cats/%d.png"),
}


@pytest.mark.parametrize("change", READ.values(), ids=READ)
def test_is_read_as_the_plain_file_is(tmp_path: Path, change: Change) -> None:
    plain, task = exported(tmp_path / "plain"), exported(tmp_path / "own", change)
    assert task.prepare(workers=1) == plain.prepare(workers=1)
    assert [one.name for one in task.samples("train")] == [one.name for one in plain.samples("train")]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    task = exported(tmp_path)
    file = tmp_path / "annotations" / "train.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert counts(task) == (12, 6)


def test_ids_count_from_anywhere(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for entry in content["images"]:
            entry["id"] += 4000
        for entry in content["annotations"]:
            entry.update(image_id=entry["image_id"] + 4000, category_id=0)
        content["categories"][0]["id"] = 0

    assert counts(exported(tmp_path, change)) == (12, 6)


@pytest.mark.parametrize(
    "empty", [{"keypoints": []}, {"keypoints": None}, {"keypoints": [0] * 12}, {"keypoints": [], "bbox": [0, 0, 0, 0]}]
)
def test_one_without_joints_is_counted_and_told(tmp_path: Path, empty: dict[str, Any]) -> None:
    task = exported(tmp_path, lambda content: content["annotations"][3].update(empty))
    assert counts(task) == (11, 5)
    assert "train.json: people without a labelled joint: 1 of 12, the first in 3.png" in " ".join(task.remarks())


def test_somebody_with_a_box_alone_is_scored_against(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["annotations"].append({"id": 1, "image_id": 2, "category_id": 1, "bbox": [1, 2, 10, 20]})

    task = exported(tmp_path, change)
    (added,) = [each for each in task.content("test").truth([2]) if each["id"] == 1]
    assert counts(task) == (12, 6)
    assert (added["num_keypoints"], added["bbox"], added["area"]) == (0, [1, 2, 10, 20], 200)
    assert added["keypoints"] == [0] * 12 and added["iscrowd"] == 0


def test_whose_joints_are_counted_says_the_file_where_it_counts_any(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        for number, entry in enumerate(content["annotations"]):
            entry["num_keypoints"] = min(number, 4)

    assert counts(exported(tmp_path, change)) == (11, 5)


def test_a_skeleton_from_0_joins_the_same_joints(tmp_path: Path) -> None:
    for number, lines in enumerate(([[1, 2], [2, 4]], [[0, 1], [1, 3]])):
        root = tmp_path / str(number)
        assert exported(root, category(skeleton=lines)).info.skeleton == ((0, 1), (1, 3))
    odd = exported(tmp_path / "odd", category(skeleton=[[1, 9]]))
    assert odd.info.skeleton == ()
    assert "train.json: its skeleton is no list of pairs of its 4 joints, and is not drawn" in odd.remarks()


class TestFileNames:
    def test_as_many_folders_count_as_lead_to_a_file(self, tmp_path: Path) -> None:
        def change(content: dict[str, Any]) -> None:
            content["images"][0]["file_name"] = "C:\\all\\night\\1.png"

        task = exported(tmp_path, change)
        for split in ("train", "test"):
            (tmp_path / split / "night").mkdir()
            Image.new("RGB", SIZE[::-1]).save(tmp_path / split / "night" / "1.png")
        assert task.samples("test")[0].files[0] == tmp_path / "test" / "night" / "1.png"
        assert task.samples("test")[0].name == "night/1.png#700"

    def test_two_names_of_one_file_are_refused(self, tmp_path: Path) -> None:
        task = exported(tmp_path, lambda content: content["images"][0].update(file_name="C:\\all\\1.png"))
        with pytest.raises(DataError, match=r"train\.json: its images '1\.png' and 'C:.*1\.png' both are the file"):
            task.locate()

    def test_one_that_leads_nowhere_is_told_with_its_separator(self, tmp_path: Path) -> None:
        task = exported(tmp_path, lambda content: content["images"][0].update(file_name="C:\\all\\none.png"))
        with pytest.raises(DataError, match=r"written with backslashes, Windows' separator, and .*train holds no"):
            task.locate()


def test_joints_that_cannot_be_there_are_told_with_a_count(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["annotations"][1]["keypoints"][0] = 9999
        content["annotations"][4]["keypoints"][1] = -300.5
        content["annotations"][2]["keypoints"][0] = 60  # in the image, far from the box

    told = "\n".join(exported(tmp_path, change).remarks())
    assert "train.json: labelled joints outside of their image: 2, the first the head at (9999, 10) in 1.png" in told
    assert "test.json: labelled joints far outside of their box: 1, the first the head at (60, 10) in 2.png" in told
    assert "outside" not in "\n".join(exported(tmp_path / "plain").remarks())


class TestSides:
    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ("left hip", "right hip"), ("hip L", "hip R"), ("l hip", "r hip"), ("hip-left", "hip-right"),
            ("LHip", "RHip"), ("leftHip", "rightHip"), ("Hip.L", "Hip.R"), ("HIP LEFT", "HIP RIGHT"),
            ("hip L", "right hip"), ("left", "right"), ("L1", "R1"),
        ],
    )  # fmt: skip
    def test_are_words_of_names(self, left: str, right: str) -> None:
        assert sides.pairs("x.json", ("brightness", right, "neck", left)) == ((3, 1),)

    @pytest.mark.parametrize("name", ["brightness", "cleft", "upright", "ball", "rung", "hip", "left right"])
    def test_are_no_parts_of_words(self, name: str) -> None:
        assert sides.sided(name)[0] == ""

    def test_letters_alone_may_mean_something_else(self) -> None:
        assert sides.pairs("x.json", ("vertebra L", "vertebra C", "vertebra T")) == ()

    def test_several_of_one_side_are_refused(self) -> None:
        with pytest.raises(DataError, match="'left hip' but not one alone named 'right hip'"):
            sides.pairs("x.json", ("left hip", "hip R", "right hip"))

    def test_the_torso_is_found_by_them_too(self) -> None:
        assert sides.ends(("neck", "hip L", "RHip"))[0] == ((0,), (1, 2))

    def test_the_file_may_name_them(self, tmp_path: Path) -> None:
        names = ["head", "neck", "gauche_h", "droite_h"]
        task = exported(tmp_path, category(flip_pairs=[["gauche_h", "droite_h"]]), names)
        assert task.info.flip_pairs == ((2, 3),) and task.info.mirrors
        assert task.remarks() == [
            "left and right by the file's flip_pairs: gauche h and droite h; 2 joints have no side"
        ]

    @pytest.mark.parametrize("told", [[["head"]], [["head", "tail"]], "head", [["head", "neck"], ["neck", "left_hip"]]])
    def test_mistakes_in_the_file(self, tmp_path: Path, told: Any) -> None:
        with pytest.raises(DataError, match=r"train\.json: its flip_pairs are .*; they must be a list of pairs"):
            exported(tmp_path, category(flip_pairs=told)).locate()

    def test_what_the_file_names_is_told_by_the_fingerprint(self, tmp_path: Path) -> None:
        names = ["head", "neck", "a", "b"]
        own = [exported(tmp_path / "none", names=names)]
        own += [exported(tmp_path / str(len(p)), category(flip_pairs=p), names) for p in ([], [["a", "b"]])]
        prints = [task.prepare(workers=1) for task in own]
        assert len({each["train"] for each in prints}) == 3
        own[2].verify("pose/folder", prints[2])
        with pytest.raises(DataError, match="have changed since"):
            own[2].verify("pose/folder", prints[0])

    @pytest.mark.parametrize("pipeline", ["resized", "full"])
    def test_where_no_side_is_known_nothing_is_mirrored(self, tmp_path: Path, pipeline: str) -> None:
        """Of left to right ordered joints a mirror, and it alone, would turn the order."""
        names = ["head", "neck", "a", "b"]
        task = exported(tmp_path, names=names)
        task = KeypointFolder(**{**vars(task), "pipeline": pipeline, "flip_test": True})
        assert not task.info.mirrors and "images are not mirrored" in task.remarks()[0]
        assert {order > 0 for order in self.orders(task)} == {True}
        batch = {"image": torch.randn(2, 3, 32, 32)}
        assert task.predict(lambda image: image, batch) is batch["image"]
        told = exported(tmp_path / "told", category(flip_pairs=[]), names)
        told = KeypointFolder(**{**vars(told), "pipeline": pipeline})
        assert {order > 0 for order in self.orders(told)} == {True, False}

    @staticmethod
    def orders(task: KeypointFolder) -> list[float]:
        """x of the last joint less that of the one before, in training views that were not turned far."""
        feed = Feed("pose/folder", task, 4, 0)
        found = []
        for batch in feed.batches(0, 8):
            upright = batch["keypoints"][:, 1, 1] - batch["keypoints"][:, 0, 1]
            across = batch["keypoints"][:, 3] - batch["keypoints"][:, 2]
            usable = (upright > 0) & (across[:, 0].abs() > 2 * across[:, 1].abs()) & batch["visible"].all(1)
            found += across[usable, 0].tolist()
        return found


class TestTold:
    def test_by_check_and_preview(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
        exported(tmp_path, names=["head", "neck", "hip_L", "hip_R"])
        line = "pose/folder: left and right by their names: hip L and hip R; 2 joints have no side"
        shown = CliRunner().invoke(
            preview.app, ["--task", "pose/folder", "--data-root", str(tmp_path), "--out", str(tmp_path / "a.png")]
        )
        assert line in shown.output and shown.exit_code == 0
        checked = CliRunner().invoke(check.app, ["task", "pose/folder", "--data-root", str(tmp_path)])
        assert line in checked.output and ", 0 failed" in checked.output


def test_the_file_itself_is_left_as_it_was(tmp_path: Path) -> None:
    task = exported(tmp_path, all_files("images\\%d.png"))
    before = (tmp_path / "annotations" / "train.json").read_text()
    task.prepare(workers=1)
    assert (tmp_path / "annotations" / "train.json").read_text() == before and json.loads(before)
