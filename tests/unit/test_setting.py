"""One setting: each field has one flag, one key of a suite, one place in a record, and no two values share a row."""

import shlex
import sys

import pytest
import yaml
from asked import config, facts
from samples import record

from bench import run
from bench.boards.leaderboard import placed
from bench.command import console, flags
from bench.jobs import identity
from bench.jobs.telling import redraw_command
from bench.records.record import read
from bench.records.setting import FLAGS, Setting
from bench.request import ranks
from bench.request.plan import jobs
from tasks import TASKS
from tickets.errors import UserError
from tickets.hosts.native import processor

OTHER = {
    "scale": "small", "host": "supernet/small", "budget": 1 / 3, "equal": "macs", "precision": "bfloat16",
    "compiled": True, "kernels": processor.usable()[0].name, "threads": 3, "device": "cuda",
    "accumulate": 4, "ranks": 2,
}  # fmt: skip
"""A value of every field that is not its default."""
TOGETHER = {**OTHER, "kernels": "torch"}
"""Such values as go together."""


@pytest.fixture
def asked(monkeypatch, capsys):
    """Runs the real command up to where data are looked for, and gives what it asks for."""
    seen = []
    monkeypatch.setattr(flags, "device", lambda name, *_: name)  # neither a GPU nor a compiler need be here
    monkeypatch.setattr(flags, "compiler", lambda wanted: wanted)
    monkeypatch.setattr(ranks, "chosen", lambda setting, *_: setting["ranks"])  # torchrun starts them
    monkeypatch.setattr(run, "_located", lambda config, *rest: seen.append(config) or {})
    monkeypatch.setattr(run, "_compute", lambda *rest: None)

    def command(*words):
        with pytest.raises(SystemExit) as left:
            console.main(run.app, "python -m bench.run", [str(word) for word in words])
        assert left.value.code == 0, capsys.readouterr().err
        return seen[-1]

    return command


def words(name, value):
    """The flag of a field as a person types it."""
    return [f"--{FLAGS[name]}"] if value is True else [f"--{FLAGS[name]}", repr(value).strip("'")]


def test_every_field_has_a_description_and_one_flag_of_its_own():
    assert set(FLAGS) == set(OTHER) == set(Setting.model_fields)
    assert len(set(FLAGS.values())) == len(FLAGS)
    assert all(info.description and not info.is_required() for info in Setting.model_fields.values())
    plain = Setting()
    assert all(getattr(plain, name) != value for name, value in OTHER.items())


@pytest.mark.parametrize("name", OTHER)
def test_a_flag_arrives_in_the_setting_and_changes_nothing_else(name, asked):
    plain = asked(*words("kernels", "torch")).setting
    changed = asked(*words("kernels", "torch"), *words(name, OTHER[name])).setting
    follows = {"host": "supernet/small"} if name == "scale" else {}
    assert changed == plain.model_copy(update={name: OTHER[name], **follows}) and changed != plain


def test_the_help_page_tells_of_every_flag(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        console.main(run.app, "python -m bench.run", ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, flag in FLAGS.items():
        assert f"--{flag} " in text and Setting.model_fields[name].description in text, name


def test_the_flags_of_a_setting_give_it_again_through_the_real_command(asked):
    everything = asked(*(word for name, value in TOGETHER.items() for word in words(name, value))).setting
    assert everything == Setting(**TOGETHER)
    for setting in (asked().setting, everything, Setting(host="timm/resnet18", budget=0.1 + 0.2)):
        assert asked("--drawer", "gmp", *shlex.split(setting.flags)).setting == setting


def test_a_redraw_command_asks_for_the_draw_and_nothing_else(asked):
    """Numbers that are not short survive, too."""
    wanted = asked("--drawer", "gmp", "--sparsity", 2 / 3 + 2**-40, "--seed", 7, "--budget", 1 / 3, "--threads", 2)
    draw, *_, transfer = jobs(wanted)
    for job in (draw, transfer):
        again = asked(*shlex.split(redraw_command(job, facts(wanted)))[3:])
        assert jobs(again) == [draw] and again.setting == wanted.setting


@pytest.mark.parametrize("name", OTHER)
def test_a_suite_may_give_each_field_and_a_flag_beats_it(name, asked, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({name: OTHER[name], "sweeps": [{"drawer": "gmp"}]}))
    assert getattr(asked("--suite", path).setting, name) == OTHER[name]
    if name != "compiled":  # a flag can only switch it on
        usual = getattr(asked().setting, name)
        assert getattr(asked("--suite", path, *words(name, usual)).setting, name) == usual


def test_a_whole_number_in_a_suite_is_a_budget_and_a_text_no_number(asked, tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("budget: 2\nsweeps: [{source: cls}]\n")
    assert asked("--suite", path).setting.budget == 2.0
    for text in ("budget: true", "threads: 1.5", "compiled: 1", "equal: 3"):
        path.write_text(f"{text}\nsweeps: [{{source: cls}}]\n")
        with pytest.raises(SystemExit) as left:
            console.main(run.app, "python -m bench.run", ["--suite", str(path)])
        told = capsys.readouterr().err
        assert left.value.code == 2 and f"{text.partition(':')[0]} is " in told and "give one value" in told


def test_all_mistakes_of_a_setting_are_told_at_once_and_once():
    wrong = {
        "scale": ("hug", "unknown scale 'hug'"), "host": ("nowhere", "unknown host 'nowhere'"),
        "budget": (float("inf"), "--budget is inf; give a factor above 0"), "equal": ("time", "unknown equal 'time'"),
        "precision": ("half", "unknown precision 'half'"), "threads": (0, "--threads is 0; give a whole number"),
        "device": ("gpu", "device 'gpu' is not known"), "ranks": (0, "--ranks is 0; give a whole number"),
        "accumulate": (0, "--accumulate is 0; give a whole number"),
    }  # fmt: skip
    # kernels that are not known are told once the host is
    assert set(wrong) == set(OTHER) - {"compiled", "kernels"}
    with pytest.raises(UserError) as caught:
        config(**{name: value for name, (value, _) in wrong.items()}, source="sge", jobs=0)
    for told in (*(sentence for _, sentence in wrong.values()), "unknown task 'sge'", "--jobs is 0"):
        assert str(caught.value).count(told) == 1


def told(seed=0, **changes):
    """A record of another setting."""
    return record(seed=seed, setting=Setting(**{"host": "supernet/tiny", **changes}).model_dump())


@pytest.mark.parametrize("name", Setting.model_fields)
def test_every_field_stands_in_a_record(name, tmp_path):
    value = OTHER.get(name, Setting.model_fields[name].default)
    path = told(**{name: value}).write(tmp_path)
    assert getattr(read(path).setting, name) == value and f'"{name}": ' in path.read_text()


@pytest.mark.parametrize("name", OTHER)
def test_two_values_of_a_field_never_share_a_row(name):
    """The kind of device too: seeds that were computed on a CPU and on a GPU have no mean."""
    assert len(placed([told(), told(seed=1)])) == 1
    assert len(placed([told(), told(seed=1, **{name: OTHER[name]})])) == 2


@pytest.mark.parametrize("name", OTHER)
def test_every_field_changes_the_name_of_a_job(name, monkeypatch):
    """But the scale, whose numbers do, and hosts that are the same."""
    monkeypatch.setattr(flags, "device", lambda device, *_: device)
    monkeypatch.setattr(ranks, "chosen", lambda setting, *_: setting["ranks"])
    monkeypatch.setattr(flags, "compiler", lambda wanted: wanted)
    tasks = {"cls/figures": TASKS.load("cls/figures")()}
    prints = {"cls/figures": {"train": "a1b2c3d4e5f60718"}}

    def named(**changes):
        wanted = config(target="none", **{"kernels": "torch", **changes})
        return identity.identify(jobs(wanted)[0], {}, facts(wanted, tasks=tasks, fingerprints=prints))

    assert named(**{name: OTHER[name]}) != named() == named(**{name: Setting.model_fields[name].default})


def test_options_of_a_setting_stand_in_no_other_place():
    """The command's own parameters and those of `How` are none of them."""
    command = run.run.__wrapped__.__annotations__
    assert not set(command) & set(Setting.model_fields) and "setting" in command
    assert "torch" not in vars(sys.modules["bench.records.setting"])
