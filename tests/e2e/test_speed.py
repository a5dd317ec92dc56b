"""bench.speed for real: every variant runs, is told of and written down."""

import json

import pytest
import torch

from bench.command import console
from bench.speed import command as speed
from bench.speed import grids, loading
from bench.speed.steps import VARIANTS
from tasks.figures import scenes

CALLS = ("dense host", "dense torch", "dense onnx", "ticket host", "ticket torch", "ticket onnx")


def test_a_real_run(tmp_path, capsys):
    """Every variant in the table, verdicts last, all figures in the file."""
    file, threads = tmp_path / "speed.json", torch.get_num_threads()
    args = ("--batch", 2, "--size", 32, "--rounds", 2, "--threads", threads, "--json", file)
    args += ("--engines", "torch,onnx,openvino")
    with pytest.raises(SystemExit) as left:
        console.main(speed.app, "python -m bench.speed", [str(arg) for arg in args])
    told = capsys.readouterr()
    assert left.value.code == 0 and not told.err
    for line in (
        *(f"  {name}" for name in (*VARIANTS, *CALLS)),
        "  the roof beside it: ",
        "round 2 of 2",
        "mask upkeep, reparam",
    ):
        assert f"\n{line}" in told.out
    assert told.out.splitlines()[-1].split()[0] in ("met", "missed")
    raw = json.loads(file.read_text())
    train = raw["parts"]["train"]
    assert set(train["seconds"]) == set(train["peaks_mib"]) == set(VARIANTS)
    assert all(len(taken) == 2 and min(taken) > 0 for taken in train["seconds"].values())
    assert all(mib > 100 for mib in train["peaks_mib"].values())
    assert set(raw["parts"]["inference"]["seconds"]) == set(CALLS)
    assert set(raw["parts"]["inference"]["file_mb"]) == {"dense onnx", "ticket onnx"}
    assert all(len(part["roof"]["product"]) == 2 for part in raw["parts"].values())
    assert raw["request"]["size"] == [32, 32] and raw["threads"] == threads and raw["packages"]["torch"]


def test_a_loader_against_the_step_that_it_feeds(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(scenes, "TRAIN", 48)
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    file, threads = tmp_path / "loader.json", torch.get_num_threads()
    args = ("--loader", "--task", "seg", "--batch", 2, "--rounds", 1, "--threads", threads, "--json", file)
    with pytest.raises(SystemExit) as left:
        console.main(speed.app, "python -m bench.speed", [str(arg) for arg in args])
    told = capsys.readouterr()
    assert left.value.code == 0 and "a loader of two processes gives" in told.out
    raw = json.loads(file.read_text())
    taken = raw["parts"]["loader"]["seconds"]
    assert set(taken) == {loading.STEP, loading.ALONE, loading.AHEAD} and raw["request"]["task"] == "seg/figures"
    assert raw["figures"]["loader"] == taken[loading.STEP][0] / taken[loading.AHEAD][0]


def test_batches_that_waited_in_the_queue_are_not_counted():
    times = loading.a_batch({loading.STEP: [1.0], loading.ALONE: [32.0], loading.AHEAD: [14.0]})
    assert times == {loading.STEP: [1.0], loading.ALONE: [1.0], loading.AHEAD: [0.5]}


@pytest.mark.slow
def test_grids_without_work_and_a_suite_that_is_done(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(grids, "JOBS", 3)
    monkeypatch.setattr(grids, "FINISHED", 4)
    file = tmp_path / "grid.json"
    args = ("--grid", "--rounds", 1, "--threads", torch.get_num_threads(), "--json", file)
    with pytest.raises(SystemExit) as left:
        console.main(speed.app, "bench.speed", [*map(str, args)])
    assert left.value.code == 0 and "a local grid takes at most 50 ms a job" in capsys.readouterr().out
    taken = json.loads(file.read_text())["parts"]["grid"]["seconds"]
    assert set(taken) == {"local", "ray", "finished"} and all(values[0] > 0 for values in taken.values())
