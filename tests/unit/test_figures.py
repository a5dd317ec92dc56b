"""The drawn people: the same for everyone, coherent in their three truths, varied."""

import numpy as np
import pytest

from tasks.figures import bodies, scenes
from tasks.kinds import joints


@pytest.fixture(scope="module")
def drawn():
    return [scenes.draw("train", index) for index in range(160)]


def test_the_same_bits_every_time_and_other_ones_for_another_index_or_split():
    one, again = scenes.draw("train", 3), scenes.draw("train", 3)
    assert all(np.array_equal(getattr(one, k), getattr(again, k)) for k in ("image", "parts", "keypoints"))
    assert not np.array_equal(one.image, scenes.draw("train", 11).image)
    assert not np.array_equal(one.image, scenes.draw("test", 3).image)


def test_shapes_types_and_ranges(drawn):
    for figure in drawn:
        assert figure.image.shape == (64, 64, 3) and figure.image.dtype == np.uint8
        assert figure.parts.shape == (64, 64) and figure.parts.dtype == np.uint8
        assert figure.keypoints.shape == (17, 3) and figure.keypoints.dtype == np.float32
        assert figure.parts.max() < len(scenes.PARTS)
        assert set(figure.keypoints[:, 2]) <= {0.0, 1.0, 2.0}
        labelled = figure.keypoints[figure.keypoints[:, 2] > 0, :2]
        assert (labelled >= -0.5).all() and (labelled < 63.5).all()
        assert figure.area >= 1
        assert (figure.keypoints[figure.keypoints[:, 2] == 0, :2] == 0).all()


def test_activities_take_turns(drawn):
    assert [figure.activity for figure in drawn] == [i % 8 for i in range(160)]


def test_visible_joints_lie_on_their_parts(drawn):
    allowed = {"wrist": {4}, "ankle": {6}, "knee": {5, 6}, "elbow": {3, 4}, "nose": {1}}
    hits = total = 0
    for figure in drawn:
        for name, (x, y, flag) in zip(joints.KEYPOINTS, figure.keypoints, strict=True):
            if flag == 2 and (parts := allowed.get(name.split()[-1])):
                hits += figure.parts[round(float(y)), round(float(x))] in parts
                total += 1
    assert total > 500 and hits / total > 0.93  # a pixel's middle may belong to another part than its edge


def test_covered_joints_exist_and_are_the_minority(drawn):
    flags = np.stack([figure.keypoints[:, 2] for figure in drawn])
    assert 0.1 < (flags == 1).mean() < 0.5
    assert (flags == 0).mean() < 0.05


def test_every_part_is_common_enough_to_learn(drawn):
    share = np.bincount(np.concatenate([f.parts.ravel() for f in drawn]), minlength=len(scenes.PARTS))
    assert (share / share.sum() > 0.01).all()


def test_the_torso_is_long_enough_for_its_share_to_span_pixels(drawn):
    points = np.stack([figure.keypoints[:, :2] for figure in drawn])
    known = np.stack([(f.keypoints[[5, 6, 11, 12], 2] > 0).all() for f in drawn])
    length = np.linalg.norm(points[:, 5:7].mean(1) - points[:, 11:13].mean(1), axis=1)[known]
    assert known.mean() > 0.95
    assert np.percentile(length, 5) > 12 and np.percentile(length, 95) < 21


def test_another_size_shows_the_same_scene():
    for index in range(8):
        small, large = scenes.draw("test", index), scenes.draw("test", index, (128, 128))
        both = (small.keypoints[:, 2] > 0) & (large.keypoints[:, 2] > 0)
        doubled = (small.keypoints[both, :2] + 0.5) * 2 - 0.5
        assert np.abs(doubled - large.keypoints[both, :2]).max() < 1e-3
        assert (large.parts[::2, ::2] == small.parts).mean() > 0.9


def test_an_oblong_size_holds_the_whole_body():
    figure = scenes.draw("train", 5, (96, 64))
    assert figure.image.shape == (96, 64, 3) and (figure.keypoints[:, 2] > 0).mean() > 0.8


def test_limbs_keep_their_lengths_in_every_activity():
    rng = np.random.default_rng(0)
    for make in bodies.ACTIVITIES.values():
        body = bodies.build(rng)
        points = {k: np.array(p) for k, p in bodies.skeleton(body, make(rng, body)).items()}
        for side in bodies.SIDES:
            for a, b, length in (
                ("shoulder", "elbow", body.upper_arm), ("elbow", "wrist", body.forearm),
                ("hip", "knee", body.thigh), ("knee", "ankle", body.shin),
            ):  # fmt: skip
                assert np.linalg.norm(points[f"{side} {a}"] - points[f"{side} {b}"]) == pytest.approx(length)


def test_who_faces_the_viewer_has_the_left_side_on_the_picture_s_right():
    body = bodies.build(np.random.default_rng(0))
    hanging = {side: (0.0, 5.0, 0.0, 5.0) for side in bodies.SIDES}
    for yaw, sign in ((0.0, 1), (180.0, -1)):
        stance = bodies.Stance(yaw, arms=hanging, legs=hanging)
        points = {k: np.array(p) @ bodies.view(stance, 0, 0) for k, p in bodies.skeleton(body, stance).items()}
        assert sign * (points["left wrist"][0] - points["right wrist"][0]) > 0
        assert points["left ankle"][1] > points["neck"][1]  # y grows downwards
        assert sign * (points["nose"][2] - points["head"][2]) > 0  # and z towards the viewer
