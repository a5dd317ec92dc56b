"""The engine over Ray, on two nodes in processes of this machine."""

import importlib
import os
import signal
import time

import pytest

from bench.engines.choice import Choice, Demand, made
from bench.engines.contract import KILLED_TRIES, LOST_TRIES, Death, Message
from tickets.errors import UserError

pytest.importorskip("ray")
NODE = {"num_cpus": 2, "object_store_memory": 100 * 2**20}


@pytest.fixture(scope="module")
def cluster():
    """Ray on a node of two cores."""
    importlib.import_module("bench.engines.ray")  # before Ray itself: it says that nothing of its use is sent
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    yield found
    found.shutdown()


def engine(cluster, tmp_path, at_once=8, **demand):
    """Over the cluster."""
    folders = (tmp_path / "home", tmp_path / "cache")
    return made(Choice("ray", {"address": cluster.address}), Demand(at_once, folders=folders, **demand))


def heard(found, count):
    """All messages until so many calls have ended."""
    told: list[Message] = []
    while sum(message.kind != "progress" for message in told) < count:
        told += found.messages()
    return {message.key: (message.kind, message.value) for message in told if message.kind != "progress"}


def test_calls_run_on_nodes_and_end_as_they_do_in_worker_processes(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("TICKETBENCH_TEST", "told to nodes")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    with engine(cluster, tmp_path) as found:
        assert found.free == 2 and not found.is_one_machine
        for function, *args in (("double", 4), ("die", 7), ("refuse", 8), ("killed",), ("around", "wave")):
            found.start(function, f"calls:{function}", *args)
        assert found.free == 0
        told = heard(found, 5)
        assert found.free == 2
    assert told["double"] == ("result", 8) and told["refuse"] == ("refused", "no 8 here")
    assert told["die"] == ("died", Death("its worker process ended by itself with code 7"))
    kind, death = told["killed"]
    assert kind == "died" and "SIGKILL" in death.why and death.tries == KILLED_TRIES
    assert told["around"][1][3] == "told to nodes"
    assert not [*(tmp_path / "home").iterdir(), *(tmp_path / "cache").iterdir()]


def test_a_call_notes_where_it_is_when_the_run_ends_and_one_that_waits_for_cores_never_begins(cluster, tmp_path):
    with engine(cluster, tmp_path, threads=2) as found:
        for name in ("begun", "waiting"):
            found.start(name, "calls:noting", tmp_path / name, False)
        assert next(found.messages()).key == "begun"
    assert (tmp_path / "begun").exists() and not (tmp_path / "waiting").exists()


def test_a_call_whose_process_of_ray_is_told_to_end_notes_where_it_is_and_is_tried_again(cluster, tmp_path):
    with engine(cluster, tmp_path) as found:
        found.start("a", "calls:noting", tmp_path / "note", False)
        (told,) = found.messages()
        os.kill(told.value, signal.SIGTERM)
        kind, death = heard(found, 1)["a"]
    assert (tmp_path / "note").exists()
    assert (kind, death.tries) == ("died", KILLED_TRIES)


@pytest.mark.slow
def test_calls_of_a_node_that_is_taken_away_note_where_they_are(cluster, tmp_path):
    second = cluster.add_node(**NODE)
    with engine(cluster, tmp_path, threads=2) as found:
        for name in ("a", "b"):
            found.start(name, "calls:noting", tmp_path / name, True)
        begun = set()
        while len(begun) < 2:
            begun |= {message.key for message in found.messages()}
        cluster.remove_node(second, allow_graceful=True)  # SIGTERM
        ((gone, (kind, death)),) = heard(found, 1).items()
        assert (kind, death.tries) == ("died", LOST_TRIES)
        deadline = time.monotonic() + 10
        while not (tmp_path / gone).exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.slow
def test_calls_of_a_node_that_is_killed_are_lost_and_no_others(cluster, tmp_path):
    second = cluster.add_node(**NODE)
    with engine(cluster, tmp_path) as found:
        assert found.free == 4
        for number in range(4):
            found.start(number, "calls:waiting", tmp_path / "go")
        begun = set()
        while len(begun) < 4:
            told = [*found.messages()]
            assert {message.kind for message in told} == {"progress"}
            begun |= {message.key for message in told}
        cluster.remove_node(second)
        lost = Death("the node that it ran on left the cluster", LOST_TRIES)
        told = heard(found, 2)
        assert [value for value in told.values()] == [("died", lost)] * 2 and found.free == 0
        (tmp_path / "go").touch()
        assert {*heard(found, 2).values()} == {("result", "went")} and found.free == 2


def test_calls_that_fit_on_no_node_are_refused_before_anything_begins(cluster, tmp_path):
    with pytest.raises(UserError, match=r"no node of the Ray cluster at .* has 4 cores for a job; give"):
        engine(cluster, tmp_path, threads=3, loaders=1).__enter__()
    with pytest.raises(UserError, match="has 1 cores and 1 GPUs for a job"):
        engine(cluster, tmp_path, gpus=1).__enter__()
