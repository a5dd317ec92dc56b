"""COCO's keypoints and folders in its format: read, viewed, predicted and scored; mistakes are told by file."""

import json
from dataclasses import replace

import numpy as np
import people
import pytest
import torch
from people import reference
from PIL import Image

from tasks import TASKS
from tasks.feed import Feed
from tasks.kinds import joints
from tasks.kinds.sides import ends, pairs
from tasks.sets.coco import Coco
from tasks.sets.keypoint_folder import KeypointFolder
from tickets.errors import DataError, UserError

SIZE = (96, 72)


@pytest.fixture
def place(tmp_path):
    return people.coco(tmp_path / "meine Däten")


def opened(place, kind=Coco, **more):
    return kind(**{"size": SIZE, "root": place.parent, "cache": place.parent.parent / "cache", **more})


@pytest.fixture(params=["resized", "full"])
def task(request, place):
    return opened(place, pipeline=request.param)


def whole(task, name):
    split = task.split(name)
    if task.pipeline == "resized":
        return task.batch(split.gather(range(len(split))))
    return torch.utils.data.default_collate([task.view(split[i], training=False) for i in range(len(split))])


def perfect(task, batch, stride=4):
    """Outputs that say the truth, for joints that are not labelled in the middle."""
    height, width = batch["image"].shape[-2:]
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    known = batch["keypoints"].where(batch["visible"][..., None], middle)
    shape = (height // stride, width // stride)
    if task.objective == "mse":
        return task.codec.targets(known, shape, (height, width))
    from tasks.metrics.heatmaps import gaussians

    return gaussians(known, shape, (height, width), 0.03 * min(height, width)).clamp_min(1e-20).log()


def rewritten(place, split="train", change=lambda content: None):
    """Change a file of annotations."""
    path = place / "annotations" / f"person_keypoints_{split}2017.json"
    content = json.loads(path.read_text())
    change(content)
    people.write(path, content)
    return path


class TestReading:
    def test_who_is_a_sample(self, task):
        """Three people in each of 8 and 4 images but one without joints each; crowds are none."""
        task.locate()
        prints = task.prepare(workers=1)
        assert len(set(prints.values())) == 3
        sizes = {name: len(task.split(name)) for name in ("train", "val", "test")}
        assert sizes["train"] + sizes["val"] == 23 and sizes["test"] == 11 and sizes["val"] > 0

    def test_people_of_one_image_stay_together(self, task):
        photos = {name: set(whole(task, name)["image_id"].tolist()) for name in ("train", "val")}
        assert photos["train"].isdisjoint(photos["val"])
        assert photos["train"] | photos["val"] == set(range(500, 508))

    def test_the_batch_has_the_documented_form(self, task):
        batch = whole(task, "test")
        assert batch["image"].shape == (11, 3, *SIZE) and batch["image"].dtype == torch.float32
        assert batch["keypoints"].shape == (11, 17, 2) and batch["keypoints"].dtype == torch.float32
        assert batch["visible"].shape == (11, 17) and batch["visible"].dtype == torch.bool
        assert batch["image_id"].dtype == torch.int64 and len(set(batch["annotation"].tolist())) == 11
        assert batch["box_score"].tolist() == [1.0] * 11
        assert (batch["torso"] > 0).all()
        inside = batch["keypoints"][batch["visible"]]
        assert (inside > -0.5).all() and (inside < torch.tensor([71.5, 95.5])).all()

    def test_both_pipelines_see_the_same_people(self, place):
        one, other = (whole(opened(place, pipeline=name), "test") for name in ("resized", "full"))
        for key in ("keypoints", "visible", "torso", "box", "image_id", "annotation"):
            assert torch.allclose(one[key].float(), other[key].float(), atol=1e-4), key

    @pytest.mark.parametrize("pipeline", ["resized", "full"])
    def test_joints_stay_on_their_pixels(self, place, pipeline):
        """A white square at one joint of a black image is where the batch says."""

        def mark(content):
            person = content["annotations"][0]
            person["keypoints"][:3] = [100, 60, 2]
            person["bbox"] = [80.5, 30.25, 50, 90]
            content["annotations"] = [person]
            image = np.zeros((*people.SIZE, 3), np.uint8)
            image[57:64, 97:104] = 255
            Image.fromarray(image).save(place / "val2017" / "val 0.jpg", format="PNG")

        rewritten(place, "val", mark)
        batch = whole(opened(place, pipeline=pipeline), "test")
        weight = batch["image"][0].mean(0).numpy()
        weight = weight - weight.min()
        y, x = (np.average(grid, weights=weight) for grid in np.indices(weight.shape))
        assert batch["keypoints"][0, 0].tolist() == pytest.approx([x, y], abs=0.15)

    def test_a_box_beyond_the_image_is_cut_to_it(self, place):
        def reach(content):
            content["annotations"][0]["bbox"] = [-10, -20, 70, 100]

        rewritten(place, "val", reach)
        batch = whole(opened(place), "test")
        row = batch["annotation"].tolist().index(9000)
        assert batch["box"][row].tolist() == [0, 0, 60, 80]

    def test_registered(self):
        assert TASKS.load("pose/coco") is Coco and TASKS.load("pose/folder") is KeypointFolder


class TestViews:
    def test_any_workers_give_the_same_views(self, place):
        feed = Feed("pose/coco", opened(place, pipeline="full"), batch_size=5, seed=0)
        one, two = list(feed.batches(0, 4)), list(replace(feed, workers=2).batches(0, 4))
        assert all(torch.equal(a[key], b[key]) for a, b in zip(one, two, strict=True) for key in a)
        again, other = next(feed.batches(2, 3)), next(replace(feed, seed=1).batches(2, 3))
        assert torch.equal(again["image"], one[2]["image"])
        assert not torch.equal(other["image"], one[2]["image"])

    def test_joints_stay_on_their_pixels_and_sides(self, place):
        """A red left and a blue right wrist in a black image: turned or mirrored, the colours are where they should
        be, since a mirror makes the left wrist the right one."""

        def mark(content):
            person = content["annotations"][0]
            person["keypoints"] = [0] * 51
            person["keypoints"][27:33] = [110, 90, 2, 80, 60, 2]  # left wrist, right wrist
            person.update(bbox=[70, 50, 50, 50], num_keypoints=2)
            content["annotations"] = [person]
            image = np.zeros((*people.SIZE, 3), np.uint8)
            image[86:95, 106:115, 0] = image[56:65, 76:85, 2] = 255
            Image.fromarray(image).save(place / "val2017" / "val 0.jpg", format="PNG")

        rewritten(place, "val", mark)
        task = opened(place, pipeline="full")
        row, seen = task.split("test")[0], {True: 0, False: 0}
        for seed in range(30):
            np.random.seed(seed)
            view = task.view(row, training=True)
            picture = view["image"]
            where = {}
            for name, channel in (("left", 0), ("right", 2)):
                weight = (picture[channel] - picture[channel].min()).clamp(min=0)
                weight = (weight * (weight > 2)).numpy()
                where[name] = [np.average(grid, weights=weight) for grid in np.indices(weight.shape)[::-1]]
            left, right = view["keypoints"][9].tolist(), view["keypoints"][10].tolist()
            if not view["visible"][9:11].all() or min(*left, *right) < 8 or max(left[0], right[0]) > 64:
                continue
            np.random.seed(seed)
            mirror = task._forward(row, row["keypoints"][:, :2], row["keypoints"][:, 2] > 0, True)[1]
            seen[mirror] += 1
            wanted = (where["right"], where["left"]) if mirror else (where["left"], where["right"])
            assert left == pytest.approx(wanted[0], abs=0.3) and right == pytest.approx(wanted[1], abs=0.3)
        assert min(seen.values()) >= 3

    def test_the_flip_test_of_a_true_network_moves_nothing(self, place):
        """A network that finds the joints in an image and in its mirror image alike."""
        task = opened(place, pipeline="full", objective="mse", flip_test=True)
        batch = whole(task, "test")
        order = list(range(17))
        for left, right in task.info.flip_pairs:
            order[left], order[right] = right, left

        def network(image):
            if torch.equal(image, batch["image"]):
                return perfect(task, batch)
            mirrored = batch["keypoints"][:, order].clone()
            mirrored[..., 0] = SIZE[1] - 1 - mirrored[..., 0]
            return perfect(task, {**batch, "keypoints": mirrored, "visible": batch["visible"][:, order]})

        plain, averaged = network(batch["image"]), task.predict(network, batch)
        assert torch.allclose(plain[..., 1:], averaged[..., 1:], atol=1e-5)
        assert torch.equal(opened(place).predict(network, batch), plain)


class TestScores:
    @pytest.mark.parametrize("objective", ["mse", "cross_entropy"])
    def test_a_perfect_prediction(self, place, objective):
        """There and back again at 384 x 288: joints within 0.8 pixels of the input on average, AP 1."""
        task = opened(place, size=(384, 288), pipeline="full", objective=objective)
        batch = whole(task, "test")
        outputs = perfect(task, batch)
        found = task.codec.points(task.codec.maps(outputs), (384, 288))
        assert (found - batch["keypoints"])[batch["visible"]].norm(dim=1).mean() < 0.8
        metric = task.metric("test")
        metric.update(outputs, batch)
        scores = metric.compute()
        assert next(iter(scores)) == task.info.primary == "ap"
        assert scores["ap"] == pytest.approx(1.0, abs=0.01)
        assert scores["pck"] == 1.0 and scores["ar"] == pytest.approx(1.0, abs=0.01)
        known = {person.number: np.reshape(person.joints, (17, 3)) for person in task.content("test").people}
        for row in np.concatenate(metric.people):
            truth, found = known[int(row[1])], row[4:].reshape(17, 3)
            assert np.abs(found - truth)[truth[:, 2] > 0, :2].max() < 1.0  # in pixels of the photograph

    def noisy(self, task, seed=0):
        batch = whole(task, "test")
        moved = batch["keypoints"] + 4 * torch.randn(batch["keypoints"].shape, generator=torch.manual_seed(seed))
        outputs = perfect(task, {**batch, "keypoints": moved})
        return outputs * torch.rand(11, 17, 1, 1, generator=torch.manual_seed(seed)), batch

    def test_noisy_predictions_agree_with_pycocotools(self, place):
        task = opened(place, objective="mse")
        outputs, batch = self.noisy(task)
        metric = task.metric("test")
        metric.update(outputs, batch)
        scores, truth = metric.compute(), task.content("test").truth(task.content("test").photos)
        assert len(truth) == 13  # the crowd and the person without joints too
        pck = scores.pop("pck")
        assert scores == pytest.approx(reference(truth, metric.results()), abs=1e-6)
        assert 0.1 < scores["ap"] < 0.9 and 0 < pck <= 1

    def test_batches_order_and_sharding_do_not_matter(self, place):
        task = opened(place, objective="mse")
        outputs, batch = self.noisy(task)
        expected, one, two = task.metric(), task.metric(), task.metric()
        expected.update(outputs, batch)
        for i, rows in enumerate(torch.randperm(11, generator=torch.manual_seed(3)).split(3)):
            (one if i % 2 else two).update(outputs[rows], {key: value[rows] for key, value in batch.items()})
        one.merge(two)
        assert one.compute() == expected.compute() and one.count == 11

    def test_val_is_scored_against_its_own_images(self, place):
        """AP of val is 1 although the other images of train have people whom nobody looks for."""
        task = opened(place, objective="mse")
        batch = whole(task, "val")
        metric = task.metric("val")
        assert {person["image_id"] for person in metric.truth} == set(batch["image_id"].tolist())
        metric.update(perfect(task, batch), batch)
        assert metric.compute()["ap"] == pytest.approx(1.0, abs=0.01)

    def test_a_missed_person_costs_recall(self, place):
        task = opened(place, objective="mse")
        batch = {key: value[1:] for key, value in whole(task, "test").items()}
        metric = task.metric()
        metric.update(perfect(task, batch), batch)
        assert metric.compute()["ar"] == pytest.approx(10 / 11, abs=0.01)

    def test_predictions_that_are_not_finite_score_zero(self, place):
        task = opened(place)
        batch = whole(task, "test")
        metric = task.metric()
        metric.update(torch.full((11, 17, 24, 18), float("nan")), batch)
        assert metric.compute()["ap"] == metric.compute()["pck"] == 0.0

    def test_nobody_seen(self, place):
        with pytest.raises(ValueError, match="AP of nobody"):
            opened(place).metric().compute()


class TestDetections:
    def boxes(self, place, change=lambda found: None):
        """The annotated boxes as detections, each twice, and one of another category."""
        content = json.loads((place / "annotations" / "person_keypoints_val2017.json").read_text())
        found = [
            {"image_id": p["image_id"], "category_id": 1, "bbox": p["bbox"], "score": score}
            for p in content["annotations"]
            if p["num_keypoints"]
            for score in (0.9, 0.4)
        ]
        found.append({**found[0], "category_id": 7})
        change(found)
        people.write(place / "boxes.json", found)
        return opened(place, detections="boxes.json", objective="mse")

    def test_the_record_says_which_boxes(self, place):
        assert opened(place).info.test == "val2017, ground-truth boxes"
        assert self.boxes(place).info.test == "val2017, detections boxes.json"

    def test_doubles_are_suppressed(self, place):
        task = self.boxes(place)
        assert len(task.split("test")) == 22
        assert len(task.split("train")) == len(opened(place).split("train"))
        batch, known = whole(task, "test"), whole(opened(place), "test")
        assert not batch["visible"].any() and (batch["annotation"] == 0).all()
        order = [int((known["box"] - box).abs().sum(1).argmin()) for box in batch["box"]]
        metric = task.metric()
        metric.update(perfect(task, {key: value[order] for key, value in known.items()}), batch)
        assert len(metric.results()) == 11
        assert min(person["score"] for person in metric.results()) > 0.5
        scores = metric.compute()
        assert scores["ap"] == pytest.approx(1.0, abs=0.01) and "pck" not in scores

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda found: found[3].update(image_id=77), r"detection 3 is of the image 77, which the annotations do"),
            (lambda found: found[3].update(bbox=[1, 1, 0, 5]), r"detection 3 has the box \[1, 1, 0, 5\], whose width"),
            (lambda found: found[3].update(bbox=[1, 2, 3]), r"detection 3, .* needs category_id, an integer image_id"),
            (lambda found: found[3].pop("score"), r"detection 3, .* and a score"),
            (lambda found: [f.update(category_id=2) for f in found], r"holds no box of category 1"),
        ],
    )
    def test_mistakes(self, place, change, told):
        with pytest.raises(DataError, match=rf"boxes\.json: {told}"):
            self.boxes(place, change).locate()

    def test_missing_or_of_another_form(self, place):
        with pytest.raises(DataError, match=r"none\.json: missing"):
            opened(place, detections="none.json").locate()
        people.write(place / "boxes.json", {"a": 1})
        with pytest.raises(DataError, match=r"boxes\.json: is no list of boxes"):
            opened(place, detections="boxes.json").locate()


def first(**changes):
    return lambda content: content["annotations"][0].update(changes)


class TestMistakes:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda c: c.pop("annotations"), "has no list 'annotations'; COCO's annotations have"),
            (lambda c: c.update(categories=[{"id": 1}]), "0 of its 1 categories name keypoints"),
            (lambda c: c["categories"][0].update(id="x"), "category 'person' needs an integer id and keypoints of"),
            (lambda c: c["categories"].append({"id": 2, "name": "cat", "keypoints": ["ear"]}),
             "categories 'person' and 'cat' name different keypoints"),
            (lambda c: c["categories"][0]["keypoints"].reverse(), "differ in their order"),
            (lambda c: c["images"][0].pop("width"), "needs an integer id, a file_name, and a width"),
            (lambda c: c["images"][1].update(id=500), "lists the image id 500 twice"),
            (first(id=1), "lists the annotation id 1 twice"),
            (first(id="a"), "has no integer id"),
            (first(image_id=4), "annotation 9000 is of the image 4, which the file does not list"),
            (first(keypoints=[1, 2, 2] * 16), r"annotation 9000 has 48 keypoint values, not 51"),
            (first(keypoints=[1, 2, 3] * 17), "annotation 9000 has keypoints that are not finite numbers"),
            (first(keypoints=[1, "2", 2] * 17), "annotation 9000 has keypoints that are not finite numbers"),
            (first(keypoints=[float("nan"), 2, 2] * 17), "annotation 9000 has keypoints that are not finite"),
            (first(bbox=[1, 2, 3]), r"annotation 9000 has the box \[1, 2, 3\]; it must be 4 numbers"),
            (first(bbox=[1, 2, -3, 9]), r"box \[1, 2, -3, 9\], whose width and height must be above 0"),
            (first(bbox=[1, 2, 3, 0]), r"box \[1, 2, 3, 0\], whose width and height must be above 0"),
            (first(bbox=[200, 2, 30, 9]), r"box \[200, 2, 30, 9\], outside of its image train 0\.jpg of 200 x 160"),
            (first(area="big"), "num_keypoints .* and area 'big'; they must be numbers"),
            (first(bbox=[]), r"annotation 9000 has the box \[\]; it must be 4 numbers"),
            (lambda c: [p.update(keypoints=[]) for p in c["annotations"]], "has nobody with a labelled joint"),
            (lambda c: c.update(annotations=[]), "has nobody with a labelled joint"),
        ],
    )  # fmt: skip
    def test_in_annotations(self, task, place, change, told):
        rewritten(place, "train", change)
        with pytest.raises(DataError, match=rf"person_keypoints_train2017\.json: .*{told}") as error:
            task.locate()
        assert "\n" not in str(error.value)

    def test_a_person_without_visible_joints_is_passed_over(self, place):
        rewritten(place, "train", first(keypoints=[0] * 51))
        assert len(opened(place).samples("train")) == 22

    @pytest.mark.parametrize("text", ["", "no json", '{"images": [', "[1, 2]"])
    def test_not_json(self, place, text):
        path = rewritten(place, "val")
        path.write_text(text)
        with pytest.raises(DataError, match=r"val2017\.json: (not readable as JSON|has no list 'images')"):
            opened(place).locate()

    def test_no_file(self, place):
        rewritten(place, "val").unlink()
        with pytest.raises(DataError, match=r"person_keypoints_val2017\.json: missing"):
            opened(place).locate()

    def test_no_set(self, place):
        with pytest.raises(DataError, match=r"no data folder was given .*holds coco/"):
            Coco(size=SIZE).locate()

    def test_image_missing(self, task, place):
        (place / "train2017" / "train 2.jpg").unlink()
        with pytest.raises(DataError, match=r"train2017/train 2\.jpg: missing"):
            task.prepare(workers=1)

    def test_image_truncated(self, task, place):
        file = place / "val2017" / "val 1.jpg"
        file.write_bytes(file.read_bytes()[:2000])
        with pytest.raises(DataError, match=r"val 1\.jpg: not readable as an image"):
            whole(task, "test")

    def test_image_of_another_size(self, task, place):
        Image.new("RGB", (64, 64)).save(place / "val2017" / "val 1.jpg")
        with pytest.raises(DataError, match=r"val 1\.jpg: is 64 x 64 pixels, in .*val2017\.json 200 x 160"):
            whole(task, "test")

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"objective": "mea"}, "unknown objective 'mea'. Did you mean 'mse'"),
            ({"flip_test": "yes"}, "flip_test is 'yes'; give true or false"),
            ({"detections": 3}, "detections is 3; give the name of a JSON file"),
        ],
    )
    def test_in_options(self, place, options, told):
        with pytest.raises(UserError, match=told):
            opened(place, **options)


@pytest.fixture
def folder(tmp_path):
    """Hands with four joints, eight images to train on and four in val."""
    root = tmp_path / "hände"
    for split, photos in (("train", 8), ("val", 4)):
        content = people.annotations(split, photos, 5)
        content["categories"][0].update(keypoints=["left_tip", "right_tip", "wrist", "palm"], skeleton=[[1, 3], [2, 3]])
        for entry in content["annotations"]:
            entry["keypoints"] = entry["keypoints"][15:21] + entry["keypoints"][33:39]
            entry["num_keypoints"] = min(entry["num_keypoints"], 4)
        people.write(root / "annotations" / f"{split}.json", content)
        people.photographs(root / split, content)
    return root


class TestFolder:
    def hands(self, folder, **more):
        return KeypointFolder(size=(64, 64), root=folder, cache=folder.parent / "cache", **more)

    def test_other_joints_are_scored_by_pck(self, folder):
        task = self.hands(folder, objective="mse")
        info = task.info
        assert (info.primary, info.outputs, info.test) == ("pck", 4, "val")
        assert info.names == ("left tip", "right tip", "wrist", "palm")
        assert info.flip_pairs == ((0, 1),) and info.skeleton == ((0, 2), (1, 2)) and info.torso == ((), ())
        batch = whole(task, "test")
        inside = batch["keypoints"].where(batch["visible"][..., None], torch.nan)
        span = np.nanmax(inside.numpy(), 1) - np.nanmin(inside.numpy(), 1)
        assert batch["torso"].numpy() == pytest.approx(span.max(1), abs=1e-4)
        metric = task.metric()
        metric.update(perfect(task, batch, stride=1), batch)
        assert metric.compute() == {"pck": 1.0}

    def test_coco_s_joints_are_scored_by_ap(self, place):
        root = place.parent / "own"
        for split, name in (("train", "train"), ("val", "test")):
            content = json.loads((place / "annotations" / f"person_keypoints_{split}2017.json").read_text())
            people.write(root / "annotations" / f"{name}.json", content)
            people.photographs(root / name, content)
        task = KeypointFolder(size=SIZE, root=root, cache=place.parent.parent / "cache", objective="mse")
        assert (task.info.primary, task.info.test, task.info.names) == ("ap", "test", joints.KEYPOINTS)
        assert task.info.torso == ((5, 6), (11, 12)) and task.info.flip_pairs == joints.FLIP_PAIRS
        batch = whole(task, "test")
        metric = task.metric()
        metric.update(perfect(task, batch), batch)
        assert metric.compute()["ap"] == pytest.approx(1.0, abs=0.01)

    def test_val_beside_test_is_what_is_validated_on(self, place):
        root = place.parent / "own"
        for split, names in (("train", ("train",)), ("val", ("val", "test"))):
            content = json.loads((place / "annotations" / f"person_keypoints_{split}2017.json").read_text())
            for name in names:
                people.write(root / "annotations" / f"{name}.json", content)
                people.photographs(root / name, content)
        task = KeypointFolder(size=SIZE, root=root, cache=place.parent.parent / "cache")
        prints, photos = task.prepare(workers=1), task.content("val").photos
        assert prints["val"] == prints["test"] and len(task.split("train")) == len(task.samples("train"))
        assert [each["id"] for each in task.metric("val").truth] == [each["id"] for each in task.metric("test").truth]
        assert {each["image_id"] for each in task.metric("val").truth} <= set(photos)

    def test_no_root_and_no_annotations(self, folder):
        with pytest.raises(DataError, match=r"for pose/folder; give the folder that holds annotations/train\.json"):
            KeypointFolder(size=(64, 64)).locate()
        (folder / "annotations" / "val.json").unlink()
        with pytest.raises(DataError, match=r"holds no annotations/test\.json or annotations/val\.json"):
            self.hands(folder).locate()

    def test_other_joints_in_val(self, folder):
        path = folder / "annotations" / "val.json"
        content = json.loads(path.read_text())
        content["categories"][0]["keypoints"][3] = "heel"
        people.write(path, content)
        with pytest.raises(DataError, match=r"val\.json: has 4 joints, the task 4: they differ in heel, palm;"):
            self.hands(folder).locate()

    def test_what_names_say(self):
        names = ("head top", "neck", "right_hip", "left_hip", "Left ankle", "Right ankle")
        names = tuple(name.replace("_", " ") for name in names)
        assert pairs("x.json", names) == ((3, 2), (4, 5))
        assert ends(names) == (((1,), (3, 2)), (1, 0))
        with pytest.raises(DataError, match=r"x\.json: has the keypoint 'left ear' but none named 'right ear'"):
            pairs("x.json", ("left ear", "nose"))
