"""What was trained on is what the record says: damaged arrays and data that change under a run are found."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import trees
from homes import few_images
from PIL import Image
from refusals import truncate

from bench.jobs import computing as jobs
from bench.jobs.execute import execute
from bench.jobs.identity import identify
from bench.jobs.work import Facts, Work
from bench.records.setting import Setting
from bench.request import scale as scales
from bench.request.plan import Job
from tasks.data import arrays
from tasks.sets.folder import Folder
from tickets.errors import DataError


@pytest.fixture
def tree(tmp_path):
    """Two classes of twelve and four images."""
    for split, count in (("train", 12), ("test", 4)):
        for label, level in (("dark", 60), ("light", 200)):
            for i in range(count):
                noise = np.random.default_rng(i).integers(-40, 40, (20, 20, 3))
                trees.save(tmp_path / "own" / split / label / f"{i}.png", (noise + level).astype(np.uint8))
    return tmp_path / "own"


@pytest.fixture
def task(tree):
    """Those images, prepared, and nothing looked at by this process."""
    task = Folder(size=(16, 16), root=tree, cache=tree.parent / "cache")
    task.prepare(workers=1)
    arrays._verified.clear()
    return task


def built(task, split="train"):
    return next((task.cache / task.store).glob(f"{split}-*"))


def flip(folder, name="image.npy"):
    """Change one bit of the last value, and leave size and time as they were."""
    file = folder / name
    state, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def zero(folder):
    file = folder / "image.npy"
    content = file.read_bytes()
    file.write_bytes(content[:2000] + bytes(1000) + content[3000:])


def edit(folder, **changes):
    beside = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**beside, **changes}))


def emptied(folder):
    for file in folder.iterdir():
        file.unlink()


def swapped(path, is_file=False):
    """Something else of that name."""
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.write_text("mine") if is_file else path.mkdir()


DAMAGES = {
    "a flipped bit": (flip, "its arrays have the fingerprint [0-9a-f]{16}, and"),
    "a flipped label": (lambda folder: flip(folder, "label.npy"), "its arrays have the fingerprint"),
    "zeroed bytes": (zero, "its arrays have the fingerprint"),
    "a file cut short": (lambda folder: os.truncate(folder / "image.npy", 500), "its arrays cannot be read"),
    "no header": (lambda folder: (folder / "image.npy").write_bytes(b""), "its arrays cannot be read"),
    "a missing file": (lambda folder: (folder / "label.npy").unlink(), "its arrays have the fingerprint"),
    "no arrays": (lambda folder: [file.unlink() for file in folder.glob("*.npy")], "its arrays have {} rows, not 24"),
    "a folder in an array's place": (lambda folder: swapped(folder / "image.npy"), "its arrays cannot be read"),
    "no meta": (lambda folder: (folder / "meta.json").unlink(), "its meta.json is missing"),
    "half a meta": (lambda folder: truncate(folder / "meta.json"), "its meta.json cannot be read"),
    "an empty meta": (lambda folder: (folder / "meta.json").write_text(""), "its meta.json cannot be read"),
    "a folder in meta's place": (lambda folder: swapped(folder / "meta.json"), "its meta.json cannot be read"),
    "no count": (lambda folder: (folder / "meta.json").write_text('{"val_rows": []}'), "its meta.json cannot be read"),
    "an empty folder": (emptied, "its meta.json is missing"),
    "a file in its place": (lambda folder: swapped(folder, is_file=True), "it is no folder"),
    "a link to nowhere": (
        lambda folder: (swapped(folder), folder.rmdir(), folder.symlink_to("none")),
        "it is no folder",
    ),
    "no JSON": (lambda folder: (folder / "meta.json").write_text("{"), "its meta.json cannot be read"),
    "other JSON": (lambda folder: (folder / "meta.json").write_text("[]"), "its meta.json cannot be read"),
    "another val": (lambda folder: edit(folder, val_rows=[0, 5]), "its arrays have the fingerprint"),
    "other rows": (lambda folder: edit(folder, count=23), "its arrays have .* rows, not 23"),
}


@pytest.mark.parametrize(("damage", "wrong"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_arrays_are_refused_and_prepared_anew(task, damage, wrong, capsys):
    before, folder = task.split("train").gather([3])["image"], built(task)
    prints = task.prepare()
    arrays._verified.clear()
    damage(folder)
    with pytest.raises(DataError, match=rf"^{folder}: {wrong}.*; remove this folder, so that it is decoded anew\.$"):
        task.split("train")
    assert task.split("test")
    assert task.prepare(workers=1) == prints
    said = capsys.readouterr().err
    assert (
        said.startswith(f"{folder}: it")
        and said.endswith("; it is put aside and decoded anew.\n")
        and said.count("\n") == 1
    )
    assert (task.split("train").gather([3])["image"] == before).all()
    assert not list(folder.parent.glob(".*"))


def test_arrays_are_read_once_a_process_and_again_where_a_file_changed(task, monkeypatch):
    prints, read, looks = task.prepare(), arrays.fingerprint, []
    monkeypatch.setattr(arrays, "fingerprint", lambda *of: looks.append(of) or read(*of))
    task.verify("cls/folder", prints)
    task.split("val")
    assert looks == []
    os.utime(built(task) / "image.npy", (1, 1))
    task.split("val")
    task.split("train")
    assert len(looks) == 2  # of train and val


@pytest.mark.parametrize("pipeline", ["resized", "full"])
def test_data_that_changed_are_named_with_task_and_split(task, tree, pipeline):
    task = replace(task, pipeline=pipeline)
    prints = task.prepare(workers=1)
    task.verify("cls/folder", prints)
    (tree / "test" / "dark" / "1.png").write_bytes((tree / "test" / "dark" / "2.png").read_bytes() + b"\0")
    changed = r"the data of cls/folder have changed since .*: the fingerprint of test is .* and was "
    with pytest.raises(DataError, match=f"^{changed}{prints['test']}; run the command again"):
        task.verify("cls/folder", prints)
    (tree / "test" / "dark" / "1.png").unlink()
    with pytest.raises(DataError, match=f"^{changed}"):
        task.verify("cls/folder", prints)


def test_a_touched_file_is_no_change(task, tree):
    prints = task.prepare()
    os.utime(tree / "train" / "dark" / "1.png", (1, 1))
    task.verify("cls/folder", prints)


# ---- in a job


@pytest.fixture
def work(tree, tmp_path):
    """A short draw on those images."""
    with few_images(tmp_path / "cache"):
        setting = Setting(scale="tiny@batch_size=8@size=32x32", host="supernet/tiny", budget=0.01)
        scale = scales.load(setting.scale, setting.budget)
        tasks = {"cls/folder": scale.plan("cls/folder").task("cls/folder", tree)}
        prints = {name: task.prepare(1) for name, task in tasks.items()}
        facts = Facts(setting, scale, tasks, prints, tmp_path / "home")
        job = Job("draw", "cls/folder", None, "gmp", 0.9, 0)
        yield Work(job, identify(job, {}, facts), facts)


def repaint(tree):
    Image.new("RGB", (20, 20), "white").save(tree / "train" / "dark" / "3.png")


def test_a_job_whose_data_changed_before_it_fails_untrained(work, tree, monkeypatch):
    repaint(tree)
    monkeypatch.setattr(jobs, "_draw", lambda *_: pytest.fail("trained"))
    record = execute(work)
    assert record.status == "failed" and record.scores is None
    assert record.error.startswith("DataError: the data of cls/folder have changed since this run prepared them: ")


def test_a_job_whose_data_change_meanwhile_fails(work, tree, monkeypatch):
    draw = jobs._draw

    def drawn(*args):
        outcome = draw(*args)
        repaint(tree)
        return outcome

    monkeypatch.setattr(jobs, "_draw", drawn)
    record = execute(work)
    assert record.status == "failed" and "cls/folder have changed since this run prepared them" in record.error


def test_a_job_on_damaged_arrays_fails_and_names_the_folder(work):
    folder = built(work.facts.tasks["cls/folder"])
    arrays._verified.clear()
    flip(folder)
    record = execute(work)
    assert record.status == "failed" and f"{folder}: its arrays have the fingerprint" in record.error


def test_a_job_on_sound_data_succeeds(work):
    record = execute(work)
    assert record.status == "ok" and record.fingerprints == work.facts.fingerprints
