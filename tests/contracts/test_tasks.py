"""What every task promises, over the registry: a new figures adapter is tested the moment it is registered."""

import hashlib

import pytest
import torch

from tasks import TASKS, figures

NAMES = [name for name in TASKS.targets if name.endswith("/figures")]
FEATURES = [(6, 4), (8, 8)]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=NAMES)
def task(request, cache, monkeypatch):
    monkeypatch.setattr(figures, "TRAIN", 96)
    monkeypatch.setattr(figures, "TEST", 40)
    return TASKS.load(request.param)(size=(32, 32), cache=cache)


class Host(torch.nn.Module):
    """Two small maps, at strides 4 and 8."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, 4, 4)
        self.second = torch.nn.Conv2d(6, 8, 3, 2, 1)

    def forward(self, image):
        fine = torch.relu(self.first(image))
        return [fine, torch.relu(self.second(fine))]


def network(task, seed=0):
    torch.manual_seed(seed)
    return torch.nn.ModuleList([Host(), task.head(FEATURES)])


def outputs(net, batch):
    return net[1](net[0](batch["image"]))


def whole(task, name):
    split = task.split(name)
    return task.batch(split.gather(range(len(split))))


def perfect(task, batch):
    """Outputs that say the truth, at the resolution of the input."""
    if task.info.kind == "pose":
        from tasks.heatmaps import gaussians

        size = batch["image"].shape[-2:]
        return gaussians(batch["keypoints"], size, size, 2.0).clamp_min(1e-30).log()
    hot = torch.nn.functional.one_hot(batch["label"].clamp(max=task.info.outputs - 1), task.info.outputs)
    return (hot if hot.dim() == 2 else hot.permute(0, 3, 1, 2)).float() * 10


def test_info_is_complete(task):
    info = task.info
    assert info.kind in ("cls", "seg", "pose") and info.version >= 1 and info.test
    assert len(info.names) == info.outputs == len(set(info.names))
    assert info.citation and info.licence
    assert info.primary == next(iter(scored(task, [whole(task, "val")])))


def scored(task, batches, net=None):
    meter = task.metric()
    for batch in batches:
        meter.update(perfect(task, batch) if net is None else outputs(net, batch).detach(), batch)
    return meter.compute()


def test_splits_are_disjoint_by_content_and_fingerprinted(task):
    seen = {}
    for name in ("train", "val", "test"):
        images = task.split(name).gather(range(len(task.split(name))))["image"].numpy()
        seen[name] = {hashlib.sha256(image.tobytes()).hexdigest() for image in images}
        assert len(seen[name]) == len(images) > 0
    assert not seen["train"] & seen["val"] and not (seen["train"] | seen["val"]) & seen["test"]
    assert len(seen["train"] | seen["val"]) == figures.TRAIN and len(seen["test"]) == figures.TEST
    assert len(set(task.prepare().values())) == 3


def test_batches_have_the_documented_form(task):
    raw = task.split("train").gather(range(8))
    batch = task.batch(raw, torch.Generator().manual_seed(0))
    assert batch["image"].dtype == torch.float32 and batch["image"].shape == (8, 3, 32, 32)
    assert batch["image"].abs().max() < 10
    assert all(len(value) == 8 for value in batch.values())
    if task.info.kind == "pose":
        assert batch["keypoints"].dtype == torch.float32 and batch["keypoints"].shape == (8, 17, 2)
        assert batch["visible"].dtype == torch.bool and batch["visible"].shape == (8, 17)
        assert batch["torso"].shape == (8,) and (batch["torso"] > 0).any()
        inside = batch["keypoints"][batch["visible"]]
        assert (inside >= -0.5).all() and (inside < 31.5).all()
    else:
        assert batch["label"].dtype == torch.int64
        labels = batch["label"][batch["label"] != 255]
        assert labels.min() >= 0 and labels.max() < task.info.outputs


def test_augmentation_comes_from_the_generator_alone_and_leaves_the_samples(task):
    raw = task.split("train").gather(range(6))
    kept = {key: value.clone() for key, value in raw.items()}
    first, again, other = (task.batch(raw, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["image"], other["image"])
    assert all(torch.equal(raw[key], kept[key]) for key in raw)
    assert torch.equal(task.batch(raw)["image"], task.batch(raw)["image"])


def test_the_loss_is_finite_and_reaches_every_weight(task):
    net = network(task)
    loss = task.loss(outputs(net, batch := whole(task, "val")), batch)
    assert loss.shape == () and loss.isfinite() and loss > 0
    loss.backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all() and weight.grad.any(), name


def test_a_small_step_lowers_the_loss(task):
    net = network(task)
    batch = whole(task, "val")
    optimiser = torch.optim.SGD(net.parameters(), lr=1e-3)
    before = task.loss(outputs(net, batch), batch)
    before.backward()
    optimiser.step()
    assert task.loss(outputs(net, batch), batch) < before


def test_the_metric_ignores_batch_size_order_and_sharding(task):
    net = network(task).eval()
    split = task.split("test")
    batches = [task.batch(split.gather(rows)) for rows in torch.randperm(len(split)).split(7)]
    expected = scored(task, [whole(task, "test")], net)
    assert scored(task, batches, net) == pytest.approx(expected, abs=1e-9)
    one, two = task.metric(), task.metric()
    for i, batch in enumerate(batches):
        (one if i % 2 else two).update(outputs(net, batch).detach(), batch)
    one.merge(two)
    assert one.compute() == pytest.approx(expected, abs=1e-9) and one.count == len(split)


def test_scores_are_fractions_and_a_perfect_prediction_scores_one(task):
    batch = whole(task, "test")
    assert next(iter(scored(task, [batch]).values())) == pytest.approx(1.0)
    assert all(0 <= value <= 1 for value in scored(task, [batch], network(task).eval()).values())


def test_outputs_have_the_task_s_width_at_any_input_size(task):
    net = network(task).eval()
    for size in ((32, 32), (64, 48)):
        found = outputs(net, {"image": torch.zeros(2, 3, *size)})
        assert found.shape[:2] == (2, task.info.outputs)


def test_the_head_is_a_function_of_the_seed(task):
    one, two, other = (network(task, seed)[1].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_the_preview_shows_a_row_a_sample(task):
    net = network(task).eval()
    batch = task.batch(task.split("val").gather(range(3)))
    picture = task.preview(batch, outputs(net, batch))
    assert picture.mode == "RGB" and picture.width > 3 * 32 and picture.height > 3 * 32


def test_the_three_tasks_see_the_same_people(cache, monkeypatch):
    monkeypatch.setattr(figures, "TRAIN", 96)
    monkeypatch.setattr(figures, "TEST", 40)
    tasks = [TASKS.load(name)(size=(32, 32), cache=cache) for name in NAMES]
    first, *others = [task.split("val").gather([0, 1])["image"] for task in tasks]
    assert all(torch.equal(first, other) for other in others)
