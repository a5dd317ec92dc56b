"""--data gives tasks folders of their own, and a folder of one's own a name; each mistake is one sentence."""

import os

import pytest
import trees
from typer.testing import CliRunner

from bench import check, connect, export, predict, preview, publish, run, submit
from bench.audit import replica
from bench.command import console, flags
from bench.records import record
from tasks import TASKS
from tasks.data.places import Places, told
from tasks.sets.mask_folder import MaskFolder
from tickets.errors import UserError
from tickets.registry import BY_HAND

FEW = ["--set", "draw.steps=2", "--set", "transfer.steps=2", "--set", "batch_size=4", "--set", "size=32x32"]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Names do not outlast a test."""
    monkeypatch.setenv(BY_HAND, "")
    monkeypatch.delenv("TICKETBENCH_DATA", raising=False)
    vars(TASKS).pop("_plugins", None)
    yield
    vars(TASKS).pop("_plugins", None)


@pytest.fixture
def folders(tmp_path):
    for name, count in (("leaves", 12), ("flowers", 14)):
        trees.masks(tmp_path / name, count)
    (tmp_path / "flowers" / "classes.txt").write_text("rose\naster\nlily\n")
    return tmp_path


def test_a_task_with_a_folder_of_its_own_looks_there_and_others_in_that_of_all(folders):
    places = flags.places(folders, [f"seg/folder={folders / 'leaves'}", f"cls/folder={folders / 'flowers'}"])
    assert places.of("seg/folder") == places.of("seg/folder@average=all") == folders / "leaves"
    assert (places.of("cls/folder"), places.of("seg/camvid")) == (folders / "flowers", folders)
    assert Places().of("seg/folder") is None
    assert not os.environ.get(BY_HAND)


def test_a_name_that_no_set_has_is_that_of_a_folder_of_ones_own(folders):
    with pytest.raises(UserError, match=r"unknown task 'seg/leaves'\. .*given by --data KIND/NAME=PATH"):
        TASKS.resolve("seg/leaves")
    for _ in range(2):  # as a second run of a process says it again
        places = flags.places(None, [f"seg/leaves={folders / 'leaves'}"])
    assert TASKS.load("seg/leaves") is MaskFolder and TASKS.resolve("seg/leaves") == "seg/leaves"
    assert TASKS.is_ours("seg/leaves") and TASKS.distribution("seg/leaves") is None
    assert (TASKS.other("seg/leaves"), TASKS.other("seg/folder")) == ("seg/folder", None)
    assert places.of("seg/leaves") == folders / "leaves"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seg/folder"], r"--data seg/folder is not KIND/NAME=PATH; write e\.g\. seg/folder=leaves\."),
        (["=x"], r"--data =x is not KIND/NAME=PATH"),
        (["seg/folder=no/where"], r"--data seg/folder=no/where: there is no such folder; give the one that"),
        (
            ["sge/mine=HERE"],
            r"unknown kind of a folder of your own 'sge'\. Did you mean 'seg'\? Known: cls, seg, pose\.",
        ),
        (["gan/mine=HERE"], r"unknown kind of a folder of your own 'gan'\. Known: cls, seg, pose\."),
        (["mine=HERE"], r"--data mine=\.\.\. names no task; give KIND/NAME of letters, digits, "),
        (["seg/two words=HERE"], r"--data seg/two words=\.\.\. names no task; give KIND/NAME"),
        (["seg/x@average=all=HERE"], r"--data seg/x@average=\.\.\. names no task; give KIND/NAME"),
        (["seg=HERE"], r"--data seg=\.\.\.: seg/figures brings its data along; .* give seg/folder=PATH\."),
        (["seg/a=HERE", "seg/a=HERE"], r"--data gives seg/a two folders, .* and .*; give it one\."),
    ],
)
def test_mistakes(tmp_path, words, message):
    with pytest.raises(UserError, match=message) as found:
        told(None, [word.replace("HERE", str(tmp_path)) for word in words]).checked()
    assert "\n" not in str(found.value)


def test_every_command_that_reads_data_takes_both_flags():
    for module in (check, connect, export, predict, preview, publish, run, submit):
        command = console.command(module.app)
        commands = getattr(command, "commands", {"": command})
        taking = [{opt for one in each.params for opt in one.opts} for each in commands.values()]
        assert any("--data" in opts for opts in taking)
        assert all(("--data" in opts) == ("--data-root" in opts) for opts in taking), module.__name__


def test_two_folders_of_one_kind_meet_in_a_run_that_can_be_recomputed(folders, monkeypatch):
    monkeypatch.setenv("TICKETBENCH_CACHE", str(folders / "cache"))
    data = [word for name in ("leaves", "flowers") for word in ("--data", f"seg/{name}={folders / name}")]
    home = folders / "home"
    words = ["--source", "seg/leaves", "--target", "seg/flowers", "--drawer", "omp", "--control", "none", *FEW]
    more = ["--kernels", "torch", "--home", str(home), "--jobs", "1", "--threads", "1"]
    done = CliRunner().invoke(run.app, [*data, *words, *more])
    assert done.exit_code == 0, done.output
    records = {one.kind: one for one in record.read_all(home / "records")}
    assert (records["transfer"].job.source, records["transfer"].job.target) == ("seg/leaves", "seg/flowers")
    assert " --data seg/leaves=FOLDER " in records["draw"].redraw and not records["transfer"].code
    assert set(records["transfer"].fingerprints) == {"seg/leaves", "seg/flowers"}
    file = next((home / "networks").glob("transfer_*.json"))
    vars(TASKS).pop("_plugins", None)
    os.environ[BY_HAND] = ""  # as in another process
    picture = folders / "leaves" / "test" / "images" / "bild 0 é.png"
    asked = CliRunner().invoke(predict.app, [str(file), str(picture), "--out", str(folders / "told")])
    assert asked.exit_code == 0 and any(name in asked.output for name in ("rose", "aster", "lily"))
    places = flags.places(None, data[1::2])
    work = replica.work_of(records["transfer"], home, replica.Data(places))
    assert not replica.unlike(records["transfer"], work)
