"""Segmentation: its loss by hand, its full pipeline against mmseg's own, and what is scored."""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import trees
from refusals import SIZE, opened

from tasks import TASKS
from tasks.feed import Feed
from tasks.figures.tasks import FiguresSegmentation
from tasks.heads.light import DenseHead
from tasks.heads.paper import PaperDense
from tasks.kinds.segmentation import hard
from tasks.metrics.miou import MeanIoU
from tasks.sets.ade20k import ADE20K
from tasks.sets.camvid import CamVid
from tasks.sets.cityscapes import Cityscapes
from tasks.sets.mask_folder import MaskFolder
from tasks.views import mmseg
from tasks.views.batches import MEAN, STD, normalise
from tickets.errors import UserError
from tickets.hosts.supernet import preset
from tickets.seeding import libraries_seeded


def has_opencv():
    """Whether OpenCV can be imported, which needs libraries of the system."""
    try:
        mmseg.require_opencv()
    except UserError:
        return False
    return True


needs_opencv = pytest.mark.skipif(not has_opencv(), reason="OpenCV cannot be imported, mostly for want of libGL")
L0, L1 = -math.log(1 / (1 + math.exp(-2))), -math.log(1 / (1 + math.exp(2)))  # of logits (2, 0), classes 0 and 1


def weights(**more):
    """Eleven class weights, 1 but for those given as c0=..."""
    return tuple(more.get(f"c{c}", 1.0) for c in range(11))


def loss(label, logits=None, **fields):
    """The loss of CamVid's eleven classes; by default of logits (2, 0) for the first two and none of the others."""
    label = torch.tensor(label)
    if logits is None:
        logits = torch.full((*label.shape[:1], 11, *label.shape[1:]), -100.0)
        logits[:, 0], logits[:, 1] = 2.0, 0.0
    return CamVid(**fields).loss(logits, {"label": label}).item()


class TestLoss:
    LABEL = ([[[0, 0, 1, 255]]],)

    @pytest.mark.parametrize(
        ("fields", "wanted"),
        [
            ({}, (2 * L0 + L1) / 3),
            ({"average": "all"}, (2 * L0 + L1) / 4),
            ({"class_weights": weights(c0=0.5, c1=3.0)}, (2 * 0.5 * L0 + 3 * L1) / (0.5 + 0.5 + 3)),
            ({"class_weights": weights(c0=0.5, c1=3.0), "average": "all"}, (L0 + 3 * L1) / (0.5 + 0.5 + 3 + 1)),
            ({"ohem": 0.5}, L1),  # probabilities 0.88, 0.88, 0.12
            ({"ohem": 0.9}, (2 * L0 + L1) / 3),
            ({"ohem": 0.5, "average": "all"}, L1 / 4),
            ({"ohem": 0.5, "class_weights": weights(c0=0.5, c1=3.0)}, 3 * L1 / 3),
            ({"class_weights": weights(c1=0.0)}, 2 * L0 / 2),
        ],
    )
    def test_by_hand(self, fields, wanted):
        assert loss(*self.LABEL, **fields) == pytest.approx(wanted, rel=1e-6)

    def test_weights_as_pytorch_has_them(self):
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(3, 11, 5, 6, generator=generator)
        label = torch.randint(0, 11, (3, 5, 6), generator=generator)
        label[torch.rand(label.shape, generator=generator) < 0.3] = 255
        given = tuple(torch.rand(11, generator=generator).tolist())
        reference = F.cross_entropy(logits, label, torch.tensor(given), ignore_index=255)
        assert loss(label.tolist(), logits, class_weights=given) == pytest.approx(reference.item(), rel=1e-5)

    def test_logits_are_upsampled_to_the_label(self):
        logits = torch.randn(2, 11, 3, 4, generator=torch.Generator().manual_seed(0))
        label = torch.full((2, 12, 16), 4)
        large = F.interpolate(logits, (12, 16), mode="bilinear", align_corners=False)
        assert loss(label.tolist(), logits) == pytest.approx(F.cross_entropy(large, label).item(), rel=1e-6)

    @pytest.mark.parametrize("fields", [{}, {"average": "all"}, {"ohem": 0.5}, {"class_weights": weights(c0=2.0)}])
    def test_nothing_labelled_is_zero(self, fields):
        assert loss([[[255, 255]]], **fields) == 0.0

    def test_only_classes_of_weight_zero_is_zero(self):
        assert loss([[[0, 255]]], class_weights=weights(c0=0.0)) == 0.0

    def test_hard_pixels_are_a_sixteenth_at_least(self):
        """Of 33 labelled pixels, all easy, the three hardest stay; the last pixel is not labelled."""
        margin = torch.arange(34.0).view(1, 1, 34) + 3  # the first pixels are the hardest
        logits = torch.stack([margin, torch.zeros_like(margin)], 1)
        label = torch.zeros(1, 1, 34, dtype=torch.int64)
        label[..., 33] = 255
        assert hard(logits, label, 0.5).flatten().tolist() == [0, 0, 0] + [255] * 31
        assert label[0, 0, 3] == 0
        some = hard(logits, label, torch.sigmoid(torch.tensor(7.5)).item())  # margins 3 to 7 lie below it
        assert some.flatten().tolist() == [0] * 5 + [255] * 29

    def test_equally_hard_pixels_all_stay(self):
        logits, label = torch.tensor([5.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 4, 8), torch.zeros(1, 4, 8).long()
        assert torch.equal(hard(logits, label, 0.5), label)

    def test_a_diverged_network_is_not_hidden(self):
        logits = torch.zeros(1, 11, 4, 4)
        logits[0, :, 0, 0] = math.nan
        assert math.isnan(loss([[[0] * 4] * 4], logits, ohem=0.7))

    def test_easy_pixels_have_no_gradient(self):
        logits = torch.zeros(1, 11, 1, 4)
        logits[0, 0] = torch.tensor([9.0, 0.0, 9.0, 0.0])
        logits.requires_grad_()
        CamVid(ohem=0.5).loss(logits, {"label": torch.zeros(1, 1, 4, dtype=torch.int64)}).backward()
        assert logits.grad.abs().sum(1).flatten().bool().tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"average": "al"}, r"unknown average 'al'\. Did you mean 'all'\? Known: labelled, all"),
        ({"class_weights": (1.0, 2.0)}, r"class_weights has 2 numbers and 'camvid' 11 classes; give one number"),
        ({"class_weights": weights(c3=-1.0)}, r"class_weights are \(1\.0, .*; give numbers of at least 0, not all"),
        ({"class_weights": (0.0,) * 11}, r"class_weights are .*; give numbers of at least 0, not all of them 0"),
        ({"class_weights": weights(c3=math.nan)}, r"class_weights are .*nan"),
        ({"class_weights": weights(c3="1")}, r"class_weights are .*'1'"),
        ({"ohem": 1.0}, r"ohem is 1\.0; give a probability, at least 0 and below 1"),
        ({"ohem": -0.1}, r"ohem is -0\.1; give"),
        ({"ohem": "0.7"}, r"ohem is '0\.7'; give"),
        ({"ohem": math.nan}, r"ohem is nan; give"),
    ],
)
def test_mistaken_fields_are_told(fields, match):
    with pytest.raises(UserError, match=match) as told:
        CamVid(**fields)
    assert "\n" not in str(told.value)


def test_class_weights_of_an_own_folder_are_counted_from_its_list(tmp_path):
    root = trees.masks(tmp_path / "own", 2)
    assert opened(MaskFolder, root, class_weights=[1, 2, 3]).class_weights == (1, 2, 3)
    with pytest.raises(UserError, match="class_weights has 2 numbers and 'mask_folder' 3 classes"):
        opened(MaskFolder, root, class_weights=[1, 2])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Cityscapes of 32 x 64 and ADE20K of 36 x 48, upright and not."""
    place = tmp_path_factory.mktemp("seg")
    trees.cityscapes(place, 10)
    trees.ade20k(place, 10)
    return place


@pytest.fixture(params=[(Cityscapes, (16, 32)), (ADE20K, (32, 32))], ids=["cityscapes", "ade20k"])
def task(request, root):
    kind, size = request.param
    return kind(size=size, root=root, pipeline="full")


def same(a, b):
    """Whether two lists of batches agree to the bit."""
    return len(a) == len(b) and all(torch.equal(x[k], y[k]) for x, y in zip(a, b, strict=True) for k in x)


@needs_opencv
class TestViews:
    def test_any_start_any_workers_and_no_global_state(self, task):
        feed = Feed("seg", task, batch_size=4, seed=0)
        before = np.random.get_state()[1].copy()
        whole = list(feed.batches(0, 6))
        assert same(list(feed.batches(4, 6)), whole[4:])
        assert same(list(replace(feed, workers=2).batches(0, 6)), whole)
        assert not same(list(replace(feed, seed=1).batches(0, 6)), whole)
        assert (np.random.get_state()[1] == before).all()

    def test_a_view_depends_on_epoch_and_index_alone(self, task):
        feed = Feed("seg", task, batch_size=4, seed=0)
        count = len(task.split("train"))
        one = torch.cat([b["image"] for b in replace(feed, batch_size=1).batches(0, 2 * count)])
        assert torch.equal(one[:8], torch.cat([b["image"] for b in feed.batches(0, 2)]))
        assert len({image.numpy().tobytes() for image in one}) == 2 * count

    def test_shapes_and_dtypes(self, task):
        for batch in Feed("seg", task, batch_size=5, seed=0).batches(0, 4):
            assert (batch["image"].dtype, batch["label"].dtype) == (torch.float32, torch.int64)
            assert (batch["image"].shape, batch["label"].shape) == ((5, 3, *task.size), (5, *task.size))
            assert batch["image"].is_contiguous()
            assert set(batch["label"].unique().tolist()) <= {*range(task.info.outputs), 255}

    def test_small_images_are_padded_with_the_mean_and_255(self):
        task = Cityscapes(size=(64, 128), pipeline="full")
        row = {"image": np.full((9, 7, 3), 255, np.uint8), "label": np.full((9, 7), 3, np.uint8)}
        with libraries_seeded(0):
            wide = task.view(row, training=True)
        height, width = (int((wide["label"] != 255).any(axis).sum()) for axis in (1, 0))
        assert 0 < width < 128 and height == 64
        assert (wide["label"][:, :width] == 3).all() and (wide["label"][:, width:] == 255).all()
        assert (wide["image"][:, :, width:] == 0).all() and (wide["image"][:, :, :width] > 0.5).all()

    @pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # of their models
    def test_equals_the_pipeline_and_preprocessor_of_mmsegmentation(self):
        """Built from mmseg's own registry, on BGR as it is given there, with its padding and normalisation."""
        from mmengine.structures import PixelData
        from mmseg.models import SegDataPreProcessor
        from mmseg.registry import TRANSFORMS
        from mmseg.structures import SegDataSample

        task = ADE20K(size=(40, 56), pipeline="full")
        assert task.fit == (2048 * 40 // 512, 40)
        steps = [
            {"type": "mmcv.RandomResize", "scale": task.fit, "ratio_range": (0.5, 2.0), "keep_ratio": True,
             "resize_type": "mmseg.Resize"},
            {"type": "mmseg.RandomCrop", "crop_size": task.size, "cat_max_ratio": 0.75},
            {"type": "mmseg.RandomFlip", "prob": 0.5},
            {"type": "mmseg.PhotoMetricDistortion"},
        ]  # fmt: skip
        theirs = [TRANSFORMS.build(step) for step in steps]
        processor = SegDataPreProcessor(
            [255 * v for v in MEAN], [255 * v for v in STD], size=task.size, bgr_to_rgb=True, seg_pad_val=255
        )
        processor.training = True
        padded = 0
        for i in range(12):
            image, label = trees.scene(i, (50, 60), [0, 5, 149, 255])
            with libraries_seeded(1, i):
                ours = task.view({"image": image, "label": label}, training=True)
            with libraries_seeded(1, i):
                found = {"img": image[..., ::-1].copy(), "gt_seg_map": label, "seg_fields": ["gt_seg_map"]}
                for step in theirs:
                    found = step(found)
            sample = SegDataSample(gt_sem_seg=PixelData(data=torch.tensor(found["gt_seg_map"].astype(np.int64))[None]))
            data = {"inputs": [torch.tensor(found["img"].transpose(2, 0, 1).copy())], "data_samples": [sample]}
            out = processor(data, training=True)
            assert torch.allclose(ours["image"], out["inputs"][0], atol=1e-5)
            assert torch.equal(ours["label"], out["data_samples"][0].gt_sem_seg.data[0])
            padded += bool((ours["label"][-1] == 255).all())
        assert 0 < padded < 12

    def test_no_class_covers_three_quarters_where_it_can_be_avoided(self):
        """Five sixths of the image are one class: free crops are mostly of it, those of the pipeline are not."""
        label = np.zeros((64, 192), np.uint8)
        label[:, 160:] = 1
        image = np.zeros((64, 192, 3), np.uint8)
        shares = []
        for i in range(60):
            with libraries_seeded(0, i):
                _, crop = mmseg.augmented(image, label, (192, 64), (48, 48))
            shares.append(max((crop == 0).mean(), (crop == 1).mean()))
        assert np.mean(np.array(shares) < 0.75) > 0.5  # about one free crop in ten

    def test_red_stays_red(self):
        """Hues move by at most 18 of 180: channels that were exchanged on the way would show."""
        image = np.tile(np.array([220, 30, 30], np.uint8), (40, 40, 1))
        for i in range(20):
            with libraries_seeded(0, i):
                seen, _ = mmseg.augmented(image, np.zeros((40, 40), np.uint8), (40, 40), (20, 20))
            assert seen[..., 0].mean() > seen[..., 1:].mean((0, 1)).max() + 50

    def test_the_row_is_not_modified(self):
        image, label = trees.scene(0, (40, 40), [0, 1])
        kept = image.copy(), label.copy()
        with libraries_seeded(0):
            CamVid(size=(32, 32), pipeline="full").view({"image": image, "label": label}, training=True)
        assert np.array_equal(image, kept[0]) and np.array_equal(label, kept[1])


@needs_opencv
class TestWholeImages:
    @pytest.mark.parametrize(
        ("kind", "size", "original", "seen"),
        [
            (Cityscapes, (512, 1024), (1024, 2048), (1024, 2048)),
            (Cityscapes, (64, 128), (1024, 2048), (128, 256)),
            (ADE20K, (512, 512), (400, 600), (512, 768)),
            (ADE20K, (512, 512), (800, 600), (683, 512)),
            (ADE20K, (512, 512), (300, 3000), (205, 2048)),
            (ADE20K, (64, 64), (512, 683), (64, 85)),
            (CamVid, (360, 480), (360, 480), (360, 480)),
            (CamVid, (64, 80), (360, 480), (60, 80)),
            (CamVid, (96, 80), (360, 480), (60, 80)),
        ],
    )
    def test_sizes(self, kind, size, original, seen):
        """The published conventions at the published inputs, and their proportions below."""
        row = {"image": np.zeros((*original, 3), np.uint8), "label": np.zeros(original, np.uint8)}
        view = kind(size=size, pipeline="full").view(row, training=False)
        assert (view["image"].shape, view["label"].shape) == ((3, *seen), original)

    def test_an_image_of_the_base_s_size_is_only_normalised(self):
        image, label = trees.scene(3, (60, 80), [0, 1, 8, 255])
        view = CamVid(size=(60, 80), pipeline="full").view({"image": image, "label": label}, training=False)
        assert torch.equal(view["image"], normalise(torch.tensor(image.transpose(2, 0, 1))[None])[0])
        assert np.array_equal(view["label"].numpy(), label)

    def test_scoring_is_one_at_a_time_and_the_resized_pipeline_as_before(self, task):
        assert (task.scoring_batch, replace(task, pipeline="resized").scoring_batch) == (1, 128)

    def test_every_pixel_is_scored_at_the_label_s_size(self, root):
        """Nearest colours, on upright images and others, score as the same guesses counted in NumPy."""

        class Colours(torch.nn.Module):
            """Says the class whose colour in the trees is nearest."""

            def forward(self, image):
                """Logits (B, 150, H, W)."""
                colours = torch.tensor(trees.COLOURS[1:151], dtype=torch.float32)
                wanted = normalise(colours[:, :, None, None])[:, :, 0, 0]
                return -torch.cdist(image.permute(0, 2, 3, 1).contiguous(), wanted[None]).permute(0, 3, 1, 2)

        task = ADE20K(size=(36, 36), root=root, pipeline="full")
        scores = Feed("seg", task, 4, 0).score(Colours(), "test")
        table = np.zeros((150, 150), np.int64)
        for row in (task.split("test")[i] for i in range(10)):
            view = task.view(row, training=False)
            assert view["image"].shape[1:] == view["label"].shape in ((36, 48), (48, 36))
            guess = Colours()(view["image"][None])[0].argmax(0).numpy()
            seen = row["label"] != 255
            np.add.at(table, (row["label"][seen], guess[seen]), 1)
        assert scores["aacc"] == pytest.approx(table.trace() / table.sum(), abs=1e-9)
        assert scores["aacc"] > 0.5

    @pytest.mark.parametrize("size", [(37, 51), (33, 95), (64, 85)])
    @pytest.mark.parametrize("name", ["tiny", "small"])
    def test_the_supernet_takes_sides_that_are_no_multiple_of_its_strides(self, name, size):
        host = preset(name).build().eval()
        maps = host(torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0)))
        fine = tuple(-(-side // 4) for side in size)
        for head in (PaperDense(host.features, 5), DenseHead(host.features, 5)):
            logits = head.eval()(maps)
            assert logits.shape == (1, 5, *fine) and logits.isfinite().all()


def test_without_opencv_the_full_pipeline_is_refused_before_any_training(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    Cityscapes(size=SIZE, root=root).locate()
    with pytest.raises(UserError, match=r"needs OpenCV, .* packages libgl1 and libglib2\.0-0") as told:
        Cityscapes(size=SIZE, root=root, pipeline="full").locate()
    assert "\n" not in str(told.value)


def test_figures_have_no_full_pipeline():
    with pytest.raises(UserError, match="'figures' has no full pipeline"):
        FiguresSegmentation(pipeline="full")


@pytest.mark.parametrize("name", [name for name in TASKS.names() if name.startswith("seg/") and name != "seg/folder"])
def test_info_is_complete(name):
    info = TASKS.load(name).info
    assert info.kind == "seg" and info.primary == "miou" and info.citation and info.licence
    assert len(info.names) == info.outputs == len(set(info.names))


class TestPerClass:
    def test_by_hand(self):
        """Truth 0 0 0 1 and 255, guesses 0 0 1 1 and 1, of four classes."""
        metric = MeanIoU(4)
        guess = torch.tensor([[[0, 0, 1, 1, 1]]])
        metric.update(F.one_hot(guess, 4).permute(0, 3, 1, 2).float(), {"label": torch.tensor([[[0, 0, 0, 1, 255]]])})
        found = metric.per_class()
        assert found["iou"][:2].tolist() == [2 / 3, 1 / 2] and found["iou"][2:].isnan().all()
        assert found["acc"][:2].tolist() == [2 / 3, 1.0] and found["acc"][2:].isnan().all()

    def test_against_a_confusion_matrix_in_numpy(self):
        rng = np.random.default_rng(0)
        truth = rng.choice([0, 1, 2, 3, 255], (5, 9, 11))
        guess = rng.choice([0, 1, 2, 5], truth.shape)  # 3 is never guessed, 5 never true, 4 neither
        table = np.zeros((6, 6), np.int64)
        for t, g in zip(truth[truth != 255], guess[truth != 255], strict=True):
            table[t, g] += 1
        hit, rows, columns = table.diagonal(), table.sum(1), table.sum(0)
        with np.errstate(invalid="ignore"):
            iou, acc = hit / (rows + columns - hit), hit / rows
        metric = MeanIoU(6)
        logits = F.one_hot(torch.tensor(guess), 6).permute(0, 3, 1, 2).float()
        metric.update(logits, {"label": torch.tensor(truth)})
        found = metric.per_class()
        assert np.allclose(found["iou"].numpy(), iou, atol=1e-9, rtol=0, equal_nan=True)
        assert np.allclose(found["acc"].numpy(), acc, atol=1e-9, rtol=0, equal_nan=True)
        wanted = {"miou": np.nanmean(iou), "macc": np.nanmean(acc), "aacc": hit.sum() / table.sum()}
        assert metric.compute() == pytest.approx(wanted, abs=1e-9)
