"""The feed: batches are a function of seed and step, for any number of workers and from any step."""

from dataclasses import replace

import pytest
import torch

from tasks import TASKS
from tasks.feed import Feed, Stream
from tasks.figures import scenes


@pytest.fixture
def feed(tmp_path_factory, monkeypatch):
    """Forty small figures for training."""
    monkeypatch.setattr(scenes, "TRAIN", 40)
    monkeypatch.setattr(scenes, "TEST", 8)
    cache = tmp_path_factory.getbasetemp() / "feed-cache"
    return Feed("seg/figures", TASKS.load("seg")(size=(32, 32), cache=cache), batch_size=8, seed=0)


def same(a: list[dict], b: list[dict]) -> bool:
    """Whether two lists of batches agree to the bit."""
    return len(a) == len(b) and all(torch.equal(x[k], y[k]) for x, y in zip(a, b, strict=True) for k in x)


def test_any_start_and_any_workers_give_the_same_batches(feed):
    whole = list(feed.batches(0, 7))
    assert same(list(feed.batches(3, 7)), whole[3:])
    assert same(list(replace(feed, workers=2).batches(0, 7)), whole)
    assert not same(list(replace(feed, seed=1).batches(0, 7)), whole)


def test_an_epoch_shows_every_sample_once_and_epochs_differ(feed):
    stream = Stream(feed.task, feed.task.split("train"), 8, 0, "train")
    size = len(stream.data)
    places = [place for step in range(2 * size // 8 + 1) for place in stream.places(step)]
    first, second = ([index for epoch, index in places if epoch == number] for number in (0, 1))
    assert sorted(first) == list(range(size)) == sorted(second)
    assert first != second


def test_a_batch_larger_than_the_data_set_repeats_it(feed):
    stream = Stream(feed.task, feed.task.split("train"), 100, 0, "train")
    counts = torch.tensor([index for _, index in stream.places(0)]).bincount(minlength=len(stream.data))
    assert counts.sum() == 100 and counts.max() - counts.min() <= 1


def test_calibration_is_always_the_same_and_not_the_training_order(feed):
    calibration = list(feed.calibration(2))
    assert same(calibration, list(feed.calibration(2)))
    assert not same(calibration, list(feed.batches(0, 2)))


def test_loading_leaves_the_global_generator_alone(feed):
    before = torch.get_rng_state()
    list(replace(feed, workers=1).batches(0, 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_scores_have_the_primary_metric_first_and_cover_the_split(feed):
    class Background(torch.nn.Module):
        """Says background everywhere."""

        def forward(self, image):
            """Logits (B, C, H, W)."""
            logits = image.new_zeros(len(image), feed.task.info.outputs, *image.shape[-2:])
            logits[:, 0] = 1
            return logits

    scores = feed.score(Background(), "test")
    label = feed.task.split("test").gather(range(8))["label"]
    assert next(iter(scores)) == "miou"
    assert scores["aacc"] == pytest.approx((label == 0).sum().item() / (label != 255).sum().item())
