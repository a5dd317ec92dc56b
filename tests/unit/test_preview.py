"""bench.preview and what it shows: sheets of panels, the same samples for a seed, predictions of a ticket."""

import numpy as np
import pytest
import torch
from PIL import Image
from samples import record
from toy import SPEC

from bench import preview
from bench.command import console
from bench.request import scale as scales
from tasks import TASKS
from tasks.feed import Feed
from tasks.figures import scenes
from tasks.glimpse import glimpse
from tasks.picture import LARGEST, Key, Panel, colours, sheet, zoom
from tasks.sets.folder import Folder
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import DataError, UserError
from tickets.training.settings import Settings

RED, BLUE = (255, 0, 0), (0, 0, 255)


def run(capsys, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(preview.app, "preview", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def width(path):
    """Of a picture, in pixels."""
    with Image.open(path) as picture:
        return picture.width


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(scenes, "TRAIN", 64)
    monkeypatch.setattr(scenes, "TEST", 24)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A ticket drawn on seg/figures at 32x32, in the place where a home keeps it, and its record."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "TRAIN", 64)
        task = TASKS.load("seg")(size=(32, 32), cache=home / "cache")
        request = Request(SPEC, Feed("seg/figures", task, 8, 0), Settings(2, 0.01, calibration_batches=1), 0.5, 0)
        ticket = DRAWERS.make("gmp").draw(request)
    told = record(source="seg/figures", target=None, scale="tiny")
    told.write(home / "records")
    ticket.save(home / "tickets" / told.id)
    return home, told.id


class TestSheet:
    def panels(self, *sizes):
        both = (("input", RED), ("truth", BLUE))
        return [tuple(Panel(title, Image.new("RGB", size, colour)) for title, colour in both) for size in sizes]

    @pytest.mark.parametrize("count", [1, 2, 5, 8, 23])
    def test_every_panel_of_every_size_is_whole(self, count):
        sizes = [(40 + 7 * i, 90 - 3 * i) for i in range(count)]
        pixels = np.asarray(sheet(self.panels(*sizes), caption="all"))
        area = sum(width * height for width, height in sizes)
        assert (pixels == RED).all(2).sum() == (pixels == BLUE).all(2).sum() == area

    def test_eight_equal_samples_fill_a_sheet_of_a_usual_shape(self):
        picture = sheet(self.panels(*[(192, 192)] * 8))
        assert 1 < picture.width / picture.height < 2.2

    def test_a_legend_holds_each_key_once_in_order_and_wraps(self):
        keys = tuple(Key(n, f"a class with a long name, number {n}", (n, 200, 0)) for n in range(12))
        one = sheet([(Panel("input", Image.new("RGB", (64, 64))),)])
        more = sheet([(Panel("input", Image.new("RGB", (64, 64)), keys[::-1]),)] * 1)
        assert more.width == one.width and more.height > one.height + 90
        rows = [np.argwhere((np.asarray(more) == key.colour).all(2))[0].tolist() for key in keys]
        assert rows == sorted(rows) and len({tuple(place) for place in rows}) == len(keys)

    def test_names_of_any_length_and_script_fit(self):
        assert sheet(self.panels((40, 40)), ["鳥 " * 60], "é" * 500).width < 500


@pytest.mark.parametrize("size", [(16, 16), (32, 32), (64, 48), (96, 128), (224, 224), (360, 480), (1024, 2048)])
def test_panels_are_neither_tiny_nor_huge(size):
    factor = zoom(*size)
    assert 128 <= factor * max(size) <= LARGEST and (factor < 1 or factor == int(factor))


def test_colours_differ_and_background_is_dark():
    palette = colours(["background", *map(str, range(29))])
    assert palette[0].tolist() == [60, 60, 60] and palette[255].tolist() == [255, 255, 255]
    assert len({tuple(c) for c in palette[:30].tolist()}) == 30


@pytest.mark.parametrize("name", ["cls", "seg", "pose"])
def test_a_glimpse_shows_what_training_and_scoring_see(name, few, tmp_path):
    task = TASKS.load(name)(size=(32, 32), cache=tmp_path / "cache")
    shown = glimpse(task, "val", 3, seed=1)
    assert not (tmp_path / "cache").exists()
    members = [sample.name for sample in task.members("val")]
    for one in shown:
        row = members.index(one.sample.name)
        whole = task.batch(task.split("val").gather([row]))
        assert all(torch.equal(one.batch[key], whole[key]) for key in whole)
    again, other = glimpse(task, "val", 3, seed=1, augmented=True), glimpse(task, "val", 3, seed=1, augmented=True)
    assert [one.sample for one in again] == [one.sample for one in shown]
    assert all(torch.equal(a.batch["image"], b.batch["image"]) for a, b in zip(again, other, strict=True))
    assert not torch.equal(again[0].batch["image"], shown[0].batch["image"])


def test_only_what_is_shown_is_read_and_a_broken_file_is_named(tmp_path):
    for number in range(20):
        file = tmp_path / "train" / ("ant", "bee")[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30 + number)).save(file)
    (tmp_path / "train").rename(tmp_path / "test")
    (tmp_path / "test" / "ant" / "4.png").write_text("broken")
    (tmp_path / "train" / "ant").mkdir(parents=True)
    (tmp_path / "train" / "bee").mkdir()
    for pipeline in ("resized", "full"):
        task = Folder(size=(32, 32), root=tmp_path, cache=tmp_path / "cache", pipeline=pipeline)
        names = [glimpse(task, "test", 1, seed)[0].sample.name for seed in (0, 1, 2)]
        assert len(set(names)) > 1
        with pytest.raises(DataError, match=r"4\.png: not readable as an image"):
            glimpse(task, "test", 99)


def test_without_a_ticket_there_is_no_prediction(capsys, tmp_path):
    code, out, _ = run(capsys, "--task", "seg", "--count", 3, "--out", tmp_path / "p.png")
    assert code == 0 and "3 of 3,708 samples" in out and "train/" in out
    task = TASKS.load("seg")()
    panels = [task.panels(one.batch)[0] for one in glimpse(task, "train", 3)]
    assert [panel.title for panel in panels[0]] == ["input", "truth"]
    assert width(tmp_path / "p.png") == sheet(panels).width


def test_a_ticket_predicts_by_its_file_or_its_record(drawn, capsys, tmp_path):
    home, name = drawn
    args = ("--task", "seg", "--split", "test", "--count", 2)
    ways = {"a.png": ("--ticket", home / "tickets" / name), "b.png": ("--record", home / "records" / f"{name}.json")}
    for out, how in ways.items():
        code, told, err = run(capsys, *args, *how, "--out", tmp_path / out)
        assert code == 0, err
        assert "seg/figures, test, 32x32, as scored: 2 of 1,024 samples" in told
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    run(capsys, *args, "--out", tmp_path / "c.png")
    assert width(tmp_path / "a.png") > width(tmp_path / "c.png")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--task", "sge"], "unknown task 'sge'. Did you mean 'seg'?"),
        (["--task", "cls", "--ticket", "TICKET"], "was drawn on seg/figures and predicts only there"),
        (["--task", "seg", "--ticket", "TICKET", "--scale", "rehearsal"], "pipeline"),
        (["--task", "seg", "--ticket", "no/ticket"], "no/ticket does not exist"),
        (["--task", "seg", "--ticket", "a", "--record", "b"], "both name a ticket"),
        (["--task", "seg", "--record", "no.json"], "no.json"),
        (["--task", "seg", "--split", "tset"], "unknown split 'tset'. Did you mean 'test'?"),
        (["--task", "seg", "--count", "0"], "invalid value for '--count'"),
        (["--task", "seg", "--scale", "tny"], "unknown scale 'tny'"),
        (["--task", "seg/camvid"], "no data folder was given for 'camvid'"),
        (["--task", "seg/camvid", "--data-root", "no/such"], "the data folder no/such does not exist"),
        (["--task", "seg", "--out", "p.jpg"], "'p.jpg' is no name for what is written"),
        (["--task", "seg", "--out", "no/such/p.png"], "no/such/p.png cannot be written"),
        (["--task", "seg", "--out", "/proc/p.png"], "/proc/p.png cannot be written"),
        ([], "missing option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_sentence(args, message, drawn, capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("TICKETBENCH_DATA", raising=False)
    home, name = drawn
    given = [str(home / "tickets" / name) if arg == "TICKET" else arg for arg in args]
    code, out, err = run(capsys, *([] if "--out" in args else ["--out", tmp_path / "p.png"]), *given)
    assert code == 2 and not out and message in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_head_of_another_scale_does_not_fit(drawn):
    home, name = drawn
    task, scale = TASKS.load("seg")(size=(32, 32)), scales.load("rehearsal")
    with pytest.raises(UserError, match="does not fit seg/figures at scale rehearsal; give the --scale"):
        preview._predictor(home / "tickets" / name, "seg/figures", task, scale)


def test_a_record_without_a_network_is_refused(capsys, tmp_path):
    record().write(tmp_path)
    (path,) = tmp_path.glob("*.json")
    code, _, err = run(capsys, "--task", "seg", "--record", path, "--out", tmp_path / "p.png")
    assert code == 2 and "left no network in" in err and "--keep networks" in err
