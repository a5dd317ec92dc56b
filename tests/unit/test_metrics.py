"""Metrics against hand-computed numbers, independent NumPy versions and the libraries that others use."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tasks.metrics.heatmaps import decode
from tasks.metrics.miou import MeanIoU
from tasks.metrics.oks import average_precision
from tasks.metrics.pck import PCK
from tasks.metrics.topk import TopK


def one_hot_maps(classes):
    """Class map (B, h, w) -> logits that predict it, 0..10."""
    return F.one_hot(classes, 11).permute(0, 3, 1, 2).float()


class TestTopK:
    def test_hand_computed(self):
        logits = torch.tensor([[0.1, 0.9, 0.0], [0.5, 0.2, 0.3], [0.0, 0.1, 0.9], [0.4, 0.5, 0.1]])
        metric = TopK(3)
        metric.update(logits, {"label": torch.tensor([1, 0, 0, 1])})
        assert metric.compute() == {"top1": 0.75}
        assert metric.count == 4

    def test_top5_appears_above_five_classes(self):
        metric = TopK(8)
        logits = torch.arange(8.0).repeat(3, 1)  # ranks classes 7, 6, 5, 4, 3
        metric.update(logits, {"label": torch.tensor([7, 3, 2])})
        assert metric.compute() == {"top1": 1 / 3, "top5": 2 / 3}

    def test_constant_outputs_score_as_class_zero(self):
        metric = TopK(4)
        metric.update(torch.zeros(8, 4), {"label": torch.tensor([0, 1, 2, 3] * 2)})
        assert metric.compute() == {"top1": 0.25}

    def test_outputs_that_are_not_finite_are_wrong(self):
        metric = TopK(2)
        metric.update(
            torch.tensor([[float("nan"), 0.0], [1.0, float("nan")], [1.0, 0.0]]),
            {"label": torch.tensor([0, 0, 0])},
        )
        assert metric.compute() == {"top1": 1 / 3}

    def test_nothing_seen(self):
        with pytest.raises(ValueError, match="top-1 of no image"):
            TopK(3).compute()


def reference_iou(prediction, truth, classes):
    """mIoU, mean recall and pixel accuracy of class maps, counted class by class."""
    seen = truth != 255
    prediction, truth = prediction[seen], truth[seen]
    ious, recalls = [], []
    for c in range(classes):
        p, t = prediction == c, truth == c
        if (p | t).any():
            ious.append((p & t).sum() / (p | t).sum())
        if t.any():
            recalls.append((p & t).sum() / t.sum())
    return {"miou": np.mean(ious), "macc": np.mean(recalls), "aacc": (prediction == truth).mean()}


class TestMeanIoU:
    @pytest.fixture
    def data(self):
        generator = torch.Generator().manual_seed(3)
        truth = torch.randint(0, 9, (6, 16, 20), generator=generator)  # classes 9 and 10 never occur
        truth[torch.rand(truth.shape, generator=generator) < 0.2] = 255
        return torch.randn(6, 11, 4, 5, generator=generator), truth

    def test_against_numpy(self, data):
        logits, truth = data
        metric = MeanIoU(11)
        metric.update(logits, {"label": truth})
        guess = F.interpolate(logits, (16, 20), mode="bilinear", align_corners=False).argmax(1)
        assert metric.compute() == pytest.approx(reference_iou(guess.numpy(), truth.numpy(), 11), abs=1e-9)

    def test_against_mmsegmentation(self, data):
        try:
            from mmseg.evaluation.metrics import IoUMetric
        except ImportError as error:
            if "libGL" not in str(error):
                raise
            pytest.skip(f"mmseg needs OpenCV, and OpenCV a system library: {error}")
        logits, truth = data
        metric = MeanIoU(11)
        metric.update(logits, {"label": truth})
        guess = F.interpolate(logits, (16, 20), mode="bilinear", align_corners=False).argmax(1)
        both, union, _, label = IoUMetric.intersect_and_union(guess, truth, 11, 255)
        table = metric.confusion.double()
        assert torch.equal(table.diag(), both.double())
        assert torch.equal(table.sum(0) + table.sum(1) - table.diag(), union.double())
        assert torch.equal(table.sum(1), label.double())

    def test_pools_over_images_instead_of_averaging_them(self):
        truth = torch.tensor([[[0, 0, 0, 1]], [[0, 1, 1, 1]]])
        guess = torch.tensor([[[0, 0, 0, 0]], [[1, 1, 1, 1]]])
        metric = MeanIoU(11)
        metric.update(one_hot_maps(guess), {"label": truth})
        each = [reference_iou(g, t, 2)["miou"] for g, t in zip(guess.numpy(), truth.numpy(), strict=True)]
        assert np.mean(each) == 0.375
        assert metric.compute()["miou"] == pytest.approx(0.6)  # 3 / 5 for either class

    def test_batches_and_order_do_not_matter(self, data):
        logits, truth = data
        whole, parts = MeanIoU(11), MeanIoU(11)
        whole.update(logits, {"label": truth})
        for rows in ([5, 2], [0], [4, 3, 1]):
            part = MeanIoU(11)
            part.update(logits[rows], {"label": truth[rows]})
            parts.merge(part)
        assert torch.equal(whole.confusion, parts.confusion)
        assert whole.count == parts.count == 6

    @pytest.mark.parametrize("value", [11, 254, 256, 9999])
    def test_wrong_label_is_told(self, value):
        label = torch.tensor([[[0, value], [255, 10]]])
        with pytest.raises(ValueError, match=rf"label {value} .* 0 to 10, nor 255"):
            MeanIoU(11).update(torch.zeros(1, 11, 2, 2), {"label": label})

    def test_only_void(self):
        metric = MeanIoU(11)
        metric.update(torch.zeros(1, 11, 2, 2), {"label": torch.full((1, 2, 2), 255)})
        with pytest.raises(ValueError, match="mIoU of no labelled pixel"):
            metric.compute()


def gaussians(points, shape, size, sigma):
    """Logits (B, K, h, w) of exact Gaussians around points (B, K, 2) in input pixels."""
    stride_y, stride_x = size[0] / shape[0], size[1] / shape[1]
    x = torch.arange(shape[1]) * stride_x + (stride_x - 1) / 2
    y = torch.arange(shape[0]) * stride_y + (stride_y - 1) / 2
    distance = (x - points[..., :1]).pow(2)[..., None, :] + (y - points[..., 1:]).pow(2)[..., :, None]
    return -distance / (2 * sigma**2)


class TestDecode:
    @pytest.mark.parametrize("stride", [1, 2, 4, 8])
    def test_cell_centres(self, stride):
        maps = torch.zeros(1, 1, 8, 12)
        maps[0, 0, 2, 7] = 1.0
        expected = [7 * stride + (stride - 1) / 2, 2 * stride + (stride - 1) / 2]
        assert decode(maps, (8 * stride, 12 * stride))[0, 0].tolist() == expected

    def test_gaussians_are_found_exactly(self):
        points = torch.rand(5, 17, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([48.0, 32.0]) + 8
        maps = gaussians(points, (12, 16), (48, 64), sigma=6.0)
        assert torch.allclose(decode(maps, (48, 64)), points, atol=1e-3)

    def test_a_gaussian_itself_is_found_closely(self):
        points = torch.rand(5, 17, 2, generator=torch.Generator().manual_seed(0)) * 40 + 12
        maps = gaussians(points, (16, 16), (64, 64), sigma=6.0).exp()
        assert (decode(maps, (64, 64)) - points).abs().max() < 0.25  # a sixteenth of a cell

    def test_flat_maps_edges_and_negative_maps_do_not_move(self):
        maps = torch.zeros(1, 3, 4, 4)
        maps[0, 1, 0, 3] = 1.0  # a corner
        maps[0, 2] = -1.0
        maps[0, 2, 1, 1] = -0.5
        assert decode(maps, (4, 4))[0].tolist() == [[0.0, 0.0], [3.0, 0.0], [1.0, 1.0]]


def person(points, **more):
    """A batch of people (B, K, 2) in 64 x 64 inputs, all joints visible, torsos 10 px."""
    points = torch.as_tensor(points, dtype=torch.float32)
    return {
        "image": torch.zeros(len(points), 3, 64, 64),
        "keypoints": points,
        "visible": torch.ones(points.shape[:2], dtype=torch.bool),
        "torso": torch.full((len(points),), 10.0),
        "area": torch.full((len(points),), 900.0),
        **more,
    }


class TestPCK:
    def test_hand_computed(self):
        batch = person(torch.full((3, 4, 2), 20.0), torso=torch.tensor([10.0, 20.0, 0.0]))
        batch["visible"][0, 3] = False
        guess = batch["keypoints"] + torch.tensor([[2.0, 0.0], [0.0, -2.1], [1.5, 1.5], [0.0, 0.0]])
        metric = PCK(4)
        # radius 2: hit, miss, miss (2.12), hidden; radius 4: all hit; no torso: none counts
        metric.update_points(guess, batch)
        assert metric.hits.tolist() == [2, 1, 1, 1]
        assert metric.totals.tolist() == [2, 2, 2, 1]
        assert metric.compute() == {"pck": 5 / 7}
        assert metric.count == 3

    def test_pckh_by_hand(self):
        """Half a head of 6 is 3: the first and the second are hits, the third is not; the other's head is unknown."""
        batch = person(torch.full((2, 3, 2), 20.0), head=torch.tensor([6.0, 0.0]))
        guess = batch["keypoints"] + torch.tensor([[3.0, 0.0], [0.0, -2.9], [2.2, 2.2]])
        metric, other = PCK(3), PCK(3)
        metric.update_points(guess, batch)
        assert metric.compute() == {"pck": 0.0, "pckh": 2 / 3}  # radius 2 of the torsos
        other.update_points(batch["keypoints"], batch)
        metric.merge(other)
        assert metric.compute() == {"pck": 0.5, "pckh": 5 / 6}

    def test_from_heat_maps(self):
        points = torch.rand(4, 17, 2, generator=torch.Generator().manual_seed(1)) * 50 + 7
        metric = PCK(17)
        metric.update(gaussians(points, (16, 16), (64, 64), 6.0), person(points))
        assert metric.compute() == {"pck": 1.0}

    def test_predictions_that_are_not_finite_miss(self):
        metric = PCK(17, oks=True)
        metric.update(torch.full((2, 17, 8, 8), float("nan")), person(torch.full((2, 17, 2), 3.5)))
        scores = metric.compute()
        assert scores["ap"] == 0.0
        assert scores["pck"] == 0.0

    def test_merged_equals_whole_in_any_order(self):
        generator = torch.Generator().manual_seed(2)
        points = torch.rand(12, 17, 2, generator=generator) * 50 + 7
        maps = gaussians(points + torch.randn(points.shape, generator=generator) * 2, (16, 16), (64, 64), 6.0)
        maps[6:] = 0.0  # equal scores
        whole, left, right = PCK(17, oks=True), PCK(17, oks=True), PCK(17, oks=True)
        whole.update(maps, person(points))
        left.update(maps[7:], person(points[7:]))
        right.update(maps[:7].flip(0), person(points[:7].flip(0)))
        left.merge(right)
        assert left.compute() == whole.compute()
        assert 0 < whole.compute()["ap"] < 1

    def test_nothing_labelled(self):
        with pytest.raises(ValueError, match="PCK of no labelled joint"):
            PCK(4).compute()

    def test_oks_needs_coco_keypoints(self):
        with pytest.raises(ValueError, match="COCO's 17 keypoints, got 14"):
            PCK(14, oks=True)


class TestAveragePrecision:
    def rows(self, offset, score=(0.9, 0.8)):
        truth = np.tile([[20.0, 30.0, 1.0]], (17, 1))
        guess = truth[:, :2] + offset
        return np.stack([np.concatenate([truth.ravel(), [900.0], guess.ravel(), [s]]) for s in score])

    def test_perfect_is_one(self):
        assert average_precision(self.rows(0.0)) == pytest.approx({"ap": 1.0, "ap50": 1.0, "ap75": 1.0}, abs=1e-9)

    def test_far_is_zero(self):
        assert average_precision(self.rows(500.0)) == {"ap": 0.0, "ap50": 0.0, "ap75": 0.0}

    def test_oks_threshold_by_hand(self):
        from tasks.metrics.oks import SIGMAS

        rows = self.rows(0.0)
        # exp(-d^2 / (2 area (2 sigma)^2)) = 0.62 at every joint: right at 3 of the ten thresholds
        distance = np.sqrt(-np.log(0.62) * 2 * 900.0 * (2 * SIGMAS) ** 2)
        rows[:, 52:-1:2] += distance
        assert average_precision(rows) == pytest.approx({"ap": 0.3, "ap50": 1.0, "ap75": 0.0}, abs=1e-9)

    def test_people_without_labelled_joints_are_left_out(self):
        rows = self.rows(0.0)
        rows[0, 2:51:3] = 0.0
        assert average_precision(rows)["ap"] == pytest.approx(1.0)
