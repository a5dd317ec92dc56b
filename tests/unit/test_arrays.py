"""The cache: complete or absent, the same for any number of processes, honest about its source."""

import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks import TASKS
from tasks.base import Info
from tasks.data import arrays, decoding, files, samples
from tasks.data.arrays import Arrays
from tasks.data.decoding import Job
from tasks.data.samples import Sample
from tasks.figures import scenes
from tasks.kinds.classification import Classification
from tickets.errors import DataError, UserError

ROOT = Path(__file__).parents[2]


def read(sample, size):
    """A picture file of any size, and its number as label."""
    image = files.picture(sample.files[0]).resize(size[::-1])
    return {"image": np.asarray(image), "label": np.int64(sample.extra)}


def read_unevenly(sample, size):
    row = read(sample, size)
    return {**row, "image": row["image"][: 16 - sample.extra]}


def read_wrongly(sample, size):
    raise ZeroDivisionError("a bug in the reader")


@dataclass(frozen=True)
class Squares(Classification):
    """Twelve coloured squares, four of them to test on."""

    info = Info("cls", 1, "top1", 2, ("even", "odd"), "test", "", "", "")
    store = "squares"
    read = staticmethod(read)

    def samples(self, split):
        folder = self.folder("squares")
        files = sorted(folder.glob("*.png"))
        files = files[:8] if split == "train" else files[8:]
        return [Sample(f.name, (f,), int(f.stem) % 2) for f in files]


@pytest.fixture
def squares(tmp_path):
    folder = tmp_path / "data" / "squares"
    folder.mkdir(parents=True)
    for i in range(12):
        Image.new("RGB", (20 + i, 18), (20 * i, 255 - 20 * i, i)).save(folder / f"{i:02d}.png")
    return Squares(size=(16, 16), root=tmp_path / "data", cache=tmp_path / "cache")


def listing(task):
    return sorted(p.name for p in (task.cache / task.store).iterdir())


def test_gather_and_single_samples_agree_and_are_copies(squares):
    split = squares.split("test")
    both = split.gather([2, 0])
    assert both["image"].dtype == torch.uint8 and both["image"].shape == (2, 3, 16, 16)
    assert torch.equal(both["image"][1], split[0]["image"]) and torch.equal(split[-4]["label"], split[0]["label"])
    assert torch.equal(split.gather(torch.tensor([2, 0]))["image"], both["image"])
    assert both["image"][1, :, 0, 0].tolist() == [160, 95, 8]
    both["image"].zero_()
    assert split[2]["image"].sum() > 0
    with pytest.raises(IndexError, match="sample 4 of a split of 4"):
        split[4]


def test_splits_partition_the_official_train(squares):
    names = {name: len(squares.split(name)) for name in ("train", "val", "test")}
    assert names["test"] == 4 and names["train"] + names["val"] == 8 and names["val"] >= 1
    with pytest.raises(UserError, match=r"unknown split 'valid'\. Did you mean 'val'"):
        squares.split("valid")


def test_val_is_chosen_by_name_alone():
    names = [f"train/{i:05d}" for i in range(4096)]
    rows = samples.val_rows(names)
    assert 0.08 < len(rows) / len(names) < 0.12
    assert [names[r] for r in rows] == [n for n in names if samples.is_val(n)]
    backwards = names[::-1]
    assert {names[r] for r in rows} == {backwards[r] for r in samples.val_rows(backwards)}
    assert samples.val_rows(["a", "b"]) in ([0], [1])


def test_a_second_call_only_reads(squares, monkeypatch):
    prints = squares.prepare(1)
    before = listing(squares)
    monkeypatch.setattr(Job, "row", lambda *_: pytest.fail("decoded again"))
    assert squares.prepare(1) == prints and listing(squares) == before
    assert all(len(p) == 16 and int(p, 16) >= 0 for p in prints.values()) and len(set(prints.values())) == 3


@pytest.mark.parametrize("change", ["touched", "added", "renamed", "replaced"])
def test_a_changed_source_is_decoded_again(squares, change):
    before = squares.prepare(1)
    folder = squares.root / "squares"
    first = folder / "00.png"
    if change == "touched":
        os.utime(first, (1, 1))
    elif change == "added":
        Image.new("RGB", (9, 9)).save(folder / "000.png")
    elif change == "renamed":
        first.rename(folder / "0.png")
    else:
        Image.new("RGB", (9, 9), "white").save(first)
    after = squares.prepare(1)
    assert len(listing(squares)) >= 3
    if change != "renamed":  # the names' hashes choose val: another name may change the slices, or not
        assert (after == before) == (change == "touched")


def test_the_size_is_part_of_the_cache_s_key(squares):
    other = Squares(size=(32, 16), root=squares.root, cache=squares.cache)
    assert squares.prepare(1) != other.prepare(1)
    assert other.split("train")[0]["image"].shape == (3, 32, 16)


def test_wrong_files_are_named(squares):
    bad = squares.root / "squares" / "03.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"03\.png: not readable as an image"):
        squares.prepare(1)
    bad.write_bytes(b"no image at all")
    with pytest.raises(DataError, match=r"03\.png: not readable as an image"):
        squares.prepare(1)
    assert listing(squares) == []  # neither half an answer nor a temporary folder


def test_labels_that_are_no_class_are_named(squares, monkeypatch):
    monkeypatch.setattr(Squares, "read", staticmethod(lambda s, size: read(s, size) | {"label": np.int64(7)}))
    with pytest.raises(DataError, match=r"00\.png: its label 7 is no class, 0 to 1"):
        squares.prepare(1)


def test_shapes_that_differ_are_named(squares, monkeypatch):
    monkeypatch.setattr(Squares, "read", staticmethod(read_unevenly))
    with pytest.raises(DataError, match=r"01\.png: decodes to .*unlike the set's first sample"):
        squares.prepare(1)


def test_a_folder_that_is_not_there_is_a_mistake_told_at_once(squares, tmp_path):
    with pytest.raises(DataError, match="no data folder was given for 'squares'"):
        Squares(cache=tmp_path).locate()
    with pytest.raises(DataError, match="holds no folder squares/"):
        Squares(root=tmp_path, cache=tmp_path).locate()
    with pytest.raises(DataError, match="has no samples"):
        decoding.build(tmp_path / "x", Job((), read, (16, 16)))


def test_a_size_that_is_none_is_a_mistake():
    with pytest.raises(UserError, match=r"size \(64, 7\) is not \(height, width\)"):
        Squares(size=(64, 7))


def test_a_cache_that_cannot_be_written_is_a_mistake(squares, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written .*set TICKETBENCH_CACHE"):
        Squares(size=(16, 16), root=squares.root, cache=tmp_path / "file" / "cache").prepare(1)


def test_whoever_builds_second_keeps_the_first_one_s_arrays(squares, tmp_path):
    job = Job(squares.samples("train"), read, (16, 16))
    decoding.build(tmp_path / "built", job)
    first = (tmp_path / "built" / "image.npy").stat().st_ino
    decoding.build(tmp_path / "built", job)
    assert (tmp_path / "built" / "image.npy").stat().st_ino == first
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_fingerprints_see_content_order_and_names():
    a = {"x": np.arange(12).reshape(4, 3)}
    assert arrays.fingerprint(a) == arrays.fingerprint(a, range(4)) == arrays.fingerprint({"x": a["x"].copy()})
    others = [
        {"y": a["x"]},
        {"x": a["x"][::-1]},
        {"x": a["x"].astype(np.int32)},
        {"x": a["x"].reshape(4, 3, 1)},
    ]
    assert len({arrays.fingerprint(o) for o in [a, *others]}) == 5


@pytest.mark.skipif(sys.platform != "linux", reason="asks the system what of a file is in memory")
def test_a_pass_over_arrays_leaves_nothing_of_them_in_memory(tmp_path):
    def held():
        """KiB of the file that this process has mapped into its memory."""
        after = Path("/proc/self/smaps").read_text().split(str(tmp_path / "image.npy"))[1:]
        return sum(int(part.split("Rss:")[1].split()[0]) for part in after)

    values = np.arange(600 * 48 * 48, dtype=np.uint32).reshape(600, 3, 48, 16)
    written = np.lib.format.open_memmap(tmp_path / "image.npy", "w+", values.dtype, values.shape)
    written[:] = values
    assert held() > 5000
    arrays.let_go([written, values])
    assert held() == 0 and np.array_equal(written, values)
    arrays.let_go([written])
    split = Arrays(tmp_path, {"image": "image"}, np.arange(600), "")
    seen = [image for _, image in split.images(600)]
    assert held() == 0 and np.array_equal(np.stack(seen).transpose(0, 3, 1, 2), values)
    for rows in (None, np.arange(1, 600, 2)):
        assert arrays.fingerprint({"image": written}, rows) == arrays.fingerprint({"image": values}, rows)
        assert held() == 0


def test_pickled_arrays_are_small_and_open_themselves(squares):
    split = squares.split("train")
    expected = split.gather(range(len(split)))
    assert len(pickle.dumps(split)) < 2000
    again = pickle.loads(pickle.dumps(split))
    assert isinstance(again, Arrays) and torch.equal(again.gather(range(len(again)))["image"], expected["image"])


def test_progress_counts_every_sample(squares):
    seen = []
    squares.prepare(1, lambda *step: seen.append(step))
    assert seen[-1] == ("test", 4, 4) and ("train", 8, 8) in seen


# ---- several processes


def test_any_number_of_processes_gives_the_same_arrays(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "TRAIN", 140)
    job = Job(scenes.samples("train"), scenes.read, (32, 32))
    counts = []
    decoding.build(tmp_path / "one", job, workers=1)
    decoding.build(tmp_path / "two", job, workers=2, progress=lambda done, total: counts.append((done, total)))
    assert counts[-1] == (140, 140) and counts == sorted(counts)
    assert arrays.meta(tmp_path / "one") == arrays.meta(tmp_path / "two")


@pytest.mark.parametrize(
    ("name", "extra", "error", "message"),
    [
        ("tests.unit.test_arrays:read", 0, DataError, r"07\.png: missing"),
        (
            "tests.unit.test_arrays:read_wrongly",
            0,
            RuntimeError,
            "(?s)ZeroDivisionError: a bug in the reader",
        ),
    ],
)
def test_errors_in_other_processes_arrive(tmp_path, name, extra, error, message):
    module = __import__(name.partition(":")[0], fromlist=["_"])
    Image.new("RGB", (9, 9)).save(tmp_path / "good.png")
    files = [tmp_path / ("07.png" if i == 70 else "good.png") for i in range(130)]
    reader = getattr(module, name.partition(":")[2])
    job = Job([Sample(str(i), (f,), 0) for i, f in enumerate(files)], read, (16, 16))
    first = read(job.samples[0], (16, 16))
    place = tmp_path / "place"
    place.mkdir()
    opened = {
        key: np.lib.format.open_memmap(place / f"{key}.npy", "w+", np.asarray(v).dtype, (130, *np.asarray(s).shape))
        for (key, v), s in zip(first.items(), (first["image"].transpose(2, 0, 1), first["label"]), strict=True)
    }
    with pytest.raises(error, match=message):
        decoding._decode(Job(job.samples, reader, (16, 16)), place, opened, 2, lambda done, total: None)


def test_nothing_that_decoding_processes_load_imports_torch():
    names = {member.target.partition(":")[0] for member in TASKS.builtin.values()}
    code = f"import tasks.data.decoding, {', '.join(sorted(names))}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
