"""Engines: what is asked for and refused, calls on nodes, losses that arrive as deaths, several GPUs of one machine."""

import os
import socket
import time
from dataclasses import replace

import pytest
import torch
from asked import config, facts
from grids import Obedient, run_grid

from bench.engines import choice, node
from bench.engines.choice import Choice, Demand, chosen, made
from bench.engines.contract import LOST_TRIES, Death, Retriable
from bench.engines.gpus import gpus
from bench.engines.local import Workers
from bench.engines.node import Seen, check, look, marked
from bench.jobs.work import Work
from bench.request.plan import Job
from tickets.errors import UserError

GRID = {"source": "cls,seg", "target": "pose", "control": "none"}


# ---- asked for


def test_an_engine_is_named_with_its_options():
    assert chosen("local") == Choice() and Choice().is_here
    found = chosen("slurm@partition=gpu@time=240")
    assert found == Choice("slurm", {"partition": "gpu", "time": "240"}) and not found.is_here


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slrm", "unknown engine 'slrm'. Did you mean 'slurm'? Known: local, ray, slurm."),
        ("ray@address", "--engine ray@address: 'address' is no option=value; write e.g. slurm@partition=gpu@time=240."),
        ("local@x=1", "--engine local@x=1: local has no options; give --jobs, --threads and --device."),
    ],
)
def test_what_is_no_engine_is_one_sentence_among_the_other_mistakes(text, said):
    with pytest.raises(UserError) as error:
        config(engine=text)
    assert str(error.value) == said
    with pytest.raises(UserError, match=r"--workers is -1.*"):
        config(engine=text, workers=-1)


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(name, package, monkeypatch):
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda asked: None if asked == package else 1)
    with pytest.raises(UserError) as error:
        chosen(name)
    assert str(error.value) == f'--engine {name} needs the package {package}; pip install "ticketbench[{name}]".'


def test_a_device_that_this_machine_lacks_is_no_mistake_where_jobs_run_elsewhere():
    assert config(engine="ray", device="cuda").how.device == "cuda"
    with pytest.raises(UserError, match=r"^device 'cuda:1' is one of this machine, and jobs run elsewhere; give"):
        config(engine="ray", device="cuda:1")
    with pytest.raises(UserError, match="device 'cuda' is not there"):
        config(engine="local", device="cuda")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ray@adress=a:1", "unknown option of --engine 'adress'. Did you mean 'address'? Known: address, gpus."),
        ("ray@gpus=much", "--engine: gpus is 'much'; give a number above 0."),
        ("slurm@cluster=far", "--engine slurm@cluster=far: give slurm, or local for processes of this machine."),
    ],
)
def test_options_that_there_are_not_are_one_sentence(text, said):
    with pytest.raises(UserError) as error:
        made(chosen(text), Demand(1))
    assert str(error.value) == said


@pytest.mark.parametrize(("options", "said"), [({"partitoin": "x"}, "partitoin"), ({"time": "-1"}, "time is '-1'")])
def test_options_that_slurm_does_not_know_are_one_sentence(options, said, tmp_path):
    engine = made(Choice("slurm", {"cluster": "local", **options}), Demand(1, home=tmp_path))
    with pytest.raises(UserError, match=said) as error, engine:
        pass
    assert "\n" not in str(error.value)


def test_a_machine_without_slurm_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(UserError, match=r"^--engine slurm: there is no srun here"),
        made(Choice("slurm"), Demand(1, home=tmp_path)),
    ):
        pass


@pytest.mark.parametrize("address", ["far", "ray://far:10001", "far:port"])
def test_an_address_that_is_none_is_one_sentence(address):
    with (
        pytest.raises(UserError, match="the address of a Ray cluster is HOST:PORT"),
        made(Choice("ray", {"address": address}), Demand(1)),
    ):
        pass


def test_a_cluster_that_does_not_answer_is_told_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = time.monotonic()
    with (
        pytest.raises(UserError, match=f"^the Ray cluster at {address} cannot be reached"),
        made(Choice("ray", {"address": address}), Demand(1)),
    ):
        pass
    assert time.monotonic() - started < 30


# ---- on a node


def test_a_node_that_does_not_see_a_folder_or_has_other_code_is_named(tmp_path, monkeypatch):
    with marked([tmp_path / "home", tmp_path / "cache"]) as marks:
        assert check(look(marks), node.code()) is None
        marks[tmp_path / "home"].unlink()
        with pytest.raises(UserError, match=f"^the node .* does not see {tmp_path / 'home'}; have them on a file sys"):
            check(look(marks), node.code())
    assert not [*(tmp_path / "home").iterdir(), *(tmp_path / "cache").iterdir()]
    with pytest.raises(UserError, match="the node far has other code of ticketbench"):
        check(Seen("far", (), "older"), node.code())


def test_a_lost_node_is_another_try_beside_the_others_as_often_as_it_happens():
    class Losing(Obedient):
        is_one_machine = False

        def __init__(self, losses):
            super().__init__()
            self.losses, self.works = losses, []

        def messages(self):
            for message in super().messages():
                if self.losses and "draw" in str(message.key) and message.key.source == "cls/figures":
                    self.losses -= 1
                    yield type(message)(message.key, "died", Death("the node that it ran on left", LOST_TRIES))
                else:
                    yield message

        def start(self, key, function, work, *rest):
            super().start(key, function, work, *rest)
            self.works.append(work)

    engine = Losing(2)
    grid = run_grid(engine, **GRID)
    assert {one.status for one in grid.records.values()} == {"ok"}
    told = [work.retried for work in engine.works if work.retried]
    first = "at its first try the node that it ran on left."
    assert told == [first, f"{first} at its second try the node that it ran on left."]
    assert sum(line.startswith("say once more: draw") for line in grid.display.lines) == 2
    assert not any("while no other job" in line for line in grid.display.lines)
    engine = Losing(LOST_TRIES + 1)
    run_grid(engine, **GRID)
    (failed,) = [call for call in engine.calls if call[0] == "fail" and "draw" in call[1]]
    assert failed[2].count("the node that it ran on left") == LOST_TRIES + 1


def test_a_work_that_is_tried_again_tells_each_reason_once():
    work = Work(Job("draw", "cls/figures", None, "gmp", 0.9, 0), "a", facts(config()))
    assert isinstance(work, Retriable) and work.retried == ""
    again = work.again("It was queued again.")
    assert again == replace(work, retried="It was queued again.") == again.again("It was queued again.")


# ---- GPUs of one machine


@pytest.mark.parametrize(
    ("device", "count", "visible", "found"),
    [
        ("cpu", 4, None, []),
        ("cuda:1", 4, None, []),
        ("cuda", 1, None, []),
        ("cuda", 3, None, ["0", "1", "2"]),
        ("cuda", 2, "4,GPU-5c3a", ["4", "GPU-5c3a"]),
    ],
)
def test_each_of_several_gpus_has_its_name(device, count, visible, found, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible) if visible else monkeypatch.delenv(
        "CUDA_VISIBLE_DEVICES", raising=False
    )
    assert gpus(device) == found


def test_workers_share_the_gpus_out_and_who_takes_the_place_of_a_dead_one_gets_its_gpu():
    with Workers(3, 1, gpus=["4", "5"]) as workers:
        seen = _visible(workers)
        assert sorted(seen) == ["4", "4", "5"]
        gone = next(worker for worker in workers._idle if worker.gpu == "5")
        gone.process.kill()
        gone.process.join()
        workers._idle.remove(gone)
        assert sorted(_visible(workers)) == ["4", "4", "5"]
    with Workers(1, 1) as workers:
        assert _visible(workers) == [os.environ.get("CUDA_VISIBLE_DEVICES", "")]


def _visible(workers):
    """What each of all workers sees."""
    for number in range(workers.count):
        workers.start(number, "calls:gpu")
    found = {}
    while workers.is_busy:
        found |= {message.key: message.value for message in workers.messages()}
    return list(found.values())
