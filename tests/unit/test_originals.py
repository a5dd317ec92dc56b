"""Full pipelines: samples from files, views that are functions of (seed, epoch, index), errors that name files."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.data.originals import Originals, fingerprint
from tasks.data.samples import Sample, is_val, parted
from tasks.feed import Feed
from tasks.sets.cifar10 import Cifar10
from tasks.sets.folder import Folder
from tickets.errors import DataError, UserError


@pytest.fixture
def tree(tmp_path):
    """Two classes of thirteen images of different sizes, dark and bright."""
    for split in ("train", "val"):
        for label, level in (("dark", 60), ("light", 200)):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(13):
                noise = np.random.default_rng(i).integers(-40, 40, (40 + i, 50, 3))
                Image.fromarray((noise + level).astype(np.uint8)).save(tmp_path / split / label / f"{i}.png")
    return tmp_path


@pytest.fixture
def task(tree):
    """Those images by timm's pipeline."""
    return Folder(size=(32, 32), root=tree, pipeline="full")


@pytest.fixture
def feed(task):
    """Batches of five."""
    return Feed("cls/folder", task, batch_size=5, seed=0)


def same(a: list[dict], b: list[dict]) -> bool:
    """Whether two lists of batches agree to the bit."""
    return len(a) == len(b) and all(torch.equal(x[k], y[k]) for x, y in zip(a, b, strict=True) for k in x)


def test_any_start_any_workers_and_no_global_state(feed):
    torch.manual_seed(3)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    whole = list(feed.batches(0, 12))
    assert same(list(feed.batches(7, 12)), whole[7:])
    assert same(list(replace(feed, workers=2).batches(0, 12)), whole)
    assert not same(list(replace(feed, seed=1).batches(0, 12)), whole)
    assert random.getstate() == states[0] and (np.random.get_state()[1] == states[1]).all()
    assert torch.equal(torch.get_rng_state(), states[2])


def test_a_view_depends_on_epoch_and_index_not_on_the_batch_around_it(feed):
    """With other batch sizes the same image of the same epoch looks the same, and other in the next epoch."""
    size = len(feed.task.split("train"))
    one = torch.cat([b["image"] for b in replace(feed, batch_size=1).batches(0, 2 * size)])
    five = torch.cat([b["image"] for b in feed.batches(0, size // 5)])
    assert torch.equal(one[: len(five)], five)
    sums = {round(float(image.sum()), 3) for image in one}
    assert len(sums) == 2 * size


def test_unaugmented_images_are_the_middle_seven_eighths(task):
    """timm's evaluation: the short side to 32 / 0.875, then the middle 32 x 32."""
    row = task.split("test")[12]
    image = Image.fromarray(row["image"])
    assert image.size == (50, 49)
    scaled = image.resize((36 * 50 // 49, 36), Image.Resampling.BICUBIC)
    left, top = round((scaled.width - 32) / 2), 2
    wanted = np.asarray(scaled.crop((left, top, left + 32, top + 32)), float) / 255
    got = task.view(row, training=False)["image"] * torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    got = (got + torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)).permute(1, 2, 0).numpy()
    assert np.abs(got - wanted).max() < 0.02


def test_label_smoothing_by_hand(task):
    """Logits (2, 0), truth 0, smoothing 0.2: 0.9 log-loss of class 0 and 0.1 of class 1."""
    losses = -torch.log_softmax(torch.tensor([2.0, 0.0]), 0)
    loss = replace(task, smoothing=0.2).loss(torch.tensor([[2.0, 0.0]]), {"label": torch.tensor([0])})
    assert loss.item() == pytest.approx(float(0.9 * losses[0] + 0.1 * losses[1]))


def test_every_sample_is_scored_once(feed):
    class Bright(torch.nn.Module):
        """Tells the classes apart by brightness."""

        seen = 0

        def forward(self, image):
            """Logits (B, 2)."""
            self.seen += len(image)
            level = image.mean((1, 2, 3))
            return torch.stack([-level, level], 1)

    net = Bright()
    assert feed.score(net, "test") == {"top1": 1.0} == replace(feed, workers=2).score(Bright(), "test")
    assert net.seen == 26


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_breaks_later_is_named_when_it_is_met(feed, workers):
    feed.task.prepare()
    broken = feed.task.split("train").samples[3].files[0]
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(DataError, match=rf"^{broken}: not readable as an image") as caught:
        list(replace(feed, workers=workers).batches(0, 6))
    assert "Traceback" not in str(caught.value)


def test_preparing_finds_missing_files_and_reads_no_image(task, monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *args: pytest.fail("an image was read"))
    prints = task.prepare()
    assert len(set(prints.values())) == 3 and task.prepare() == prints
    sample = task.split("val").samples[0]
    with pytest.raises(DataError, match=r"gone\.png: missing \(No such file or directory\)"):
        fingerprint([replace(sample, files=(Path("gone.png"),))])


def test_a_fingerprint_tells_names_annotations_and_sizes_apart(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    sample = Sample("a", (tmp_path / "a.png",), 1)
    first = fingerprint([sample])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.png").write_bytes(b"2")
    assert fingerprint([replace(sample, files=(tmp_path / "b" / "a.png",))]) == first
    assert first not in (fingerprint([replace(sample, name="b")]), fingerprint([replace(sample, extra=2)]))
    (tmp_path / "a.png").write_bytes(b"12")
    assert fingerprint([sample]) != first


def test_a_group_is_never_parted():
    samples = [Sample(f"{group}-{i}", group=f"photo{group}") for group in range(40) for i in range(3)]
    found = parted(samples)
    assert {s.group for s in found["val"]}.isdisjoint(s.group for s in found["train"])
    assert {s.group for s in found["val"]} == {f"photo{g}" for g in range(40) if is_val(f"photo{g}")} != set()
    with pytest.raises(DataError, match="the data set has no samples"):
        parted([])


def test_an_original_is_decoded_each_time(tmp_path):
    (tmp_path / "n").write_text("1")
    data = Originals([Sample("n", (tmp_path / "n",))], lambda sample: {"n": np.int64(sample.files[0].read_text())})
    assert data[0]["n"] == 1
    (tmp_path / "n").write_text("2")
    assert data[0]["n"] == 2 and len(data) == 1


class Fetched:
    """Stands for torchvision's CIFAR10: three images of three classes."""

    def __init__(self, root, train, download=False):
        self.items = [(Image.new("RGB", (32, 32), (i * 80, 0, 0)), label) for i, label in enumerate((0, 3, 9))]

    def __iter__(self):
        return iter(self.items)


def test_a_download_leaves_the_tree_that_the_adapter_reads(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.CIFAR10", Fetched)
    assert Cifar10(root=tmp_path).download()
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png"))
    parts = ["airplane/00000.png", "cat/00001.png", "truck/00002.png"]
    assert found == [f"cifar10/{split}/{part}" for split in ("test", "train") for part in parts]
    with pytest.raises(UserError, match="--download needs a folder to put cifar10/ in"):
        Cifar10().download()
    monkeypatch.setattr("torchvision.datasets.CIFAR10", lambda *a, **k: pytest.fail("fetched twice"))
    assert Cifar10(root=tmp_path).download()


def test_a_failed_download_leaves_nothing_and_says_where_to_look(tmp_path, monkeypatch):
    def refused(*args, **kwargs):
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", refused)
    with pytest.raises(DataError, match=r"could not be fetched \(File not found or corrupted\.\); get it from https"):
        Cifar10(root=tmp_path).download()
    assert list(tmp_path.iterdir()) == []
