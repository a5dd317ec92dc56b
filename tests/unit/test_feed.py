"""The feed: batches are a function of seed and step, for any number of workers and from any step."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from tasks import TASKS
from tasks.feed import Feed, Stream
from tasks.figures import scenes
from tickets.seeding import generator


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


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_batches_go_to_cuda_through_pinned_memory_without_waiting_and_are_left_alone_on_the_cpu(
    feed, monkeypatch, device
):
    pinned, sent = [], []

    def pin_memory(tensor):
        pinned.append(tensor)
        return tensor

    def to(tensor, device, non_blocking=False):
        sent.append((tensor, device.type, non_blocking))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    monkeypatch.setattr(torch.Tensor, "to", to)
    (batch,) = replace(feed, device=torch.device(device)).batches(0, 1)
    last = sent[-len(batch) :]  # before them came those of views
    assert all(one is two for (one, *_), two in zip(last, batch.values(), strict=True))
    assert {(kind, waits) for _, kind, waits in last} == {(device, True)}
    assert len(pinned) == (len(batch) if device == "cuda" else 0)


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


class Counted:
    """As much of a split as its order depends on."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count


def plain_places(stream: Stream, step: int) -> list[tuple[int, int]]:
    """The same, from the whole permutation of every sample's epoch."""
    size, found = len(stream.data), []
    for place in range(step * stream.batch_size, (step + 1) * stream.batch_size):
        epoch = place // size
        order = torch.randperm(size, generator=generator(stream.seed, stream.name, "order", epoch))
        found.append((epoch, int(order[place % size])))
    return found


@pytest.mark.parametrize(("size", "batch"), [(40, 8), (41, 8), (40, 100), (7, 7)])
def test_places_are_those_of_the_epochs_permutations_in_any_order_of_asking(size, batch):
    streams = [Stream(None, Counted(size), batch, seed, name) for seed in (0, 1) for name in ("train", "calibration")]
    asked = [(stream, step) for step in (0, 5, 1, 12, 11, 0) for stream in streams]
    assert [stream.places(step) for stream, step in asked] == [plain_places(*one) for one in asked]


def test_an_epoch_is_permuted_once_for_all_of_its_batches(monkeypatch):
    drawn, permuted = [], torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *args, **how: (drawn.append(args), permuted(*args, **how))[1])
    stream = Stream(None, Counted(997), 10, 20261, "train")
    for step in range(150):  # one epoch and a half
        stream.places(step)
    assert drawn == [(997,), (997,)]


def test_threads_that_share_the_orders_get_the_same_batches():
    stream = Stream(None, Counted(503), 9, 4, "train")
    steps = [step * 31 % 211 for step in range(211)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(stream.places, steps))
    assert found == [plain_places(stream, step) for step in steps]


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
