"""Paces: measured in company, told, and remembered by what decides them until it changes or --force is given."""

import pytest
from asked import config
from asked import facts as facts_of

from bench.engines.contract import Message
from bench.engines.local import death
from bench.jobs import paces as module
from bench.jobs.paces import Pace, paces
from tickets.errors import UserError

PACE = Pace(start_s=3.0, step_s=0.5, sample_s=0.01, macs=1_000_000, peak_mib=1024.0)


class Probes:
    """Two workers that end in the order in which they were started, and tell once on their way."""

    count = 2

    def __init__(self, end: str = "result", value: object = PACE) -> None:
        self.running, self.asked, self.end, self.value = [], [], end, value

    @property
    def free(self) -> int:
        return self.count - len(self.running)

    @property
    def is_busy(self) -> bool:
        return bool(self.running)

    def start(self, key, function, task, facts) -> None:
        assert function == "bench.jobs.probe:pace"
        self.running.append(key)
        self.asked.append((task, len(self.running)))

    def messages(self):
        key = self.running.pop(0)
        yield Message(key, "progress", 0.5)
        yield Message(key, self.end, self.value)


class Told:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.lines, self.done = [], []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def timing(self, task: str, done: float, all_of_it: int) -> None:
        self.done.append((done, all_of_it))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, and no plug-ins."""
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "are_all_ours", lambda: True)


def asked(tasks=("cls/figures", "seg/figures", "pose/figures"), workers=None, anew=False, **changes):
    """(paces, probes that were started, lines) for the demo with changes."""
    probes, told = workers or Probes(), Told()
    found = paces(list(tasks), facts_of(config(**changes)), probes, told, anew)
    return found, [task for task, _ in probes.asked], told


def test_each_task_is_measured_in_company_and_progress_is_told():
    found, started, told = asked()
    assert found == dict.fromkeys(("cls/figures", "seg/figures", "pose/figures"), PACE)
    assert started == ["cls/figures", "seg/figures", "pose/figures", "cls/figures"]  # the last one has company
    assert told.lines == ["timing a few steps of cls/figures, seg/figures, pose/figures"]
    assert told.done == [(0.5 * n, 4) for n in range(1, 9)]


def test_asked_again_nothing_is_measured_and_that_is_said():
    first = asked()[0]
    found, started, told = asked(workers=Probes(value=None))
    assert found == first and not started and told.lines[0].endswith("--force measures them anew.")
    assert asked(anew=True)[1] and not asked()[1]


@pytest.mark.parametrize("changes", [{"threads": 2}, {"scale": "tiny@batch_size=8"}, {"precision": "bfloat16"}])
def test_another_setting_is_measured_anew(changes):
    asked()
    assert asked(**changes)[1]


def test_another_machine_other_company_and_foreign_members_are_measured_anew(monkeypatch):
    asked()
    alone = Probes()
    alone.count = 1
    assert asked(workers=alone)[1] == ["cls/figures", "seg/figures", "pose/figures"]
    with monkeypatch.context() as patched:
        patched.setattr("bench.records.provenance.machine", lambda: "another")
        assert asked()[1]
    monkeypatch.setattr(module, "are_all_ours", lambda: False)
    assert asked()[1] and asked()[1]


def test_a_damaged_memory_is_measured_anew(tmp_path):
    asked()
    (path,) = (tmp_path / "cache" / "remembered").glob("paces-*.json")
    path.write_text('{"cls/figures": {"start_s": 1.0}, "seg/figures": 1, "pose/figures": {}}')
    assert asked()[1]


def test_a_probe_that_dies_or_refuses_is_told():
    with pytest.raises(
        UserError, match=r"a few steps on cls/figures were not done: its worker process was ended by SIGKILL.*--jobs 1"
    ):
        asked(workers=Probes("died", death(-9)))
    with pytest.raises(UserError, match="no such data"):
        asked(workers=Probes("refused", "no such data"))
