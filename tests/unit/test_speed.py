"""bench.speed: the order and arithmetic of its timing, what it times, its mistakes, and one real run."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from bench.command import console
from bench.speed import command as speed
from bench.speed.latency import half_dead
from bench.speed.report import Part, show, upkeep
from bench.speed.request import parse
from bench.speed.steps import VARIANTS, training_step
from bench.speed.synthetic import Synthetic, masks_of, network_of
from bench.speed.timing import SLICE_S, Spread, interleaved, ratio, spread
from tickets.errors import UserError
from tickets.hosts.supernet import Supernet, preset
from tickets.pruning.masks import sparsity_of
from tickets.searchable import search_blocks

ROOT = Path(__file__).parents[2]
GIVEN = {
    "preset": "tiny", "task": "cls", "batch": 2, "latency_batch": 1, "size": "32", "threads": 1,
    "layout": "channels_last", "dtype": "float32", "compiled": False, "sparsity": 0.9, "rounds": 2,
    "device": "cpu", "what": "train",
}  # fmt: skip


class Clock:
    """Takes calls for having lasted what `costs` says, and notes them.

    Args:
        costs: seconds of a call by name.
    """

    def __init__(self, costs):
        self.costs, self.called, self.now = costs, [], 0.0

    def run(self, name):
        """A call that lasts its time."""

        def call():
            self.called.append(name)
            self.now += self.costs[name]

        return call

    def __call__(self, run):
        start = self.now
        run()
        return self.now - start


def test_variants_take_turns_and_the_warm_up_is_not_counted():
    clock = Clock({"a": 1.0, "b": 2.0, "c": 3.0})
    rounds = []
    runs = {name: clock.run(name) for name in clock.costs}
    times = interleaved(runs, rounds=3, warm_up=1, clock=clock, report=rounds.append)
    assert clock.called == ["a", "b", "c"] * 4 and rounds == [1, 2, 3, 4]
    assert times == {"a": [1.0] * 3, "b": [2.0] * 3, "c": [3.0] * 3}


def test_short_calls_are_repeated_equally_often():
    clock = Clock({"a": SLICE_S / 4, "b": SLICE_S})
    times = interleaved({name: clock.run(name) for name in clock.costs}, rounds=2, warm_up=1, clock=clock)
    assert clock.called == ["a", "b", *(["a"] * 4 + ["b"] * 4) * 2]
    assert times["a"] == pytest.approx([SLICE_S / 4] * 2) and times["b"] == pytest.approx([SLICE_S] * 2)


def test_a_slow_phase_that_hits_all_alike_leaves_the_ratio():
    times = {"fast": [1.0, 1.0, 9.0], "slow": [2.0, 2.0, 18.0]}
    assert ratio(times, over="slow", under="fast") == Spread(2.0, 2.0, 2.0)


def test_spread_is_median_and_percentiles():
    assert spread([float(n) for n in range(10, -1, -1)]) == Spread(5.0, 1.0, 9.0)
    assert spread([4.0]) == Spread(4.0, 4.0, 4.0)
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_upkeep_is_the_added_share():
    part = Part("step", 8, {"dense": [1.0, 2.0], "projection": [1.1, 2.2]})
    assert upkeep(part, "projection", "dense").median == pytest.approx(0.1)


def test_rows_and_json_tell_speed_and_speed_up():
    part = Part("training step", 8, {"reference": [2.0, 2.0], "dense": [0.5, 0.5]}, {"reference": 1234.4})
    assert part.rows() == [
        ("reference", "2,000", "4.00", "1,234", "1.00x", "–"),  # noqa: RUF001
        ("dense", "500", "16.0", "–", "4.00x", "4.00 to 4.00"),  # noqa: RUF001
    ]
    assert json.loads(json.dumps(part.to_json()))["summary"]["dense"]["speed_up"]["median"] == 4.0


def test_a_pipe_gets_aligned_text(capsys):
    show([Part("training step", 8, {"reference": [2.0], "dense": [0.5]}, notes=["A note."])], "heading", ["last"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "heading" and lines[-1] == "last" and "A note." in lines
    table = lines[2:5]
    assert len({len(line) for line in table}) == 1 and "images/s" in table[0]


def test_figures_take_the_worse_masked_variant():
    times = {"reference": [6.0], "dense": [1.0], "projection": [1.0], "reparam": [2.0]}
    peaks = {"reference": 100.0, "dense": 40.0, "projection": 50.0, "reparam": 60.0}
    latency = {"dense": [1.0], "masked": [1.0], "compacted": [0.5]}
    found = speed.figures({"train": Part("", 8, times, peaks), "inference": Part("", 1, latency)})
    assert found == {"step": 3.0, "memory": 0.6, "projection": 0.0, "reparam": 1.0, "compacted": 0.5}


@pytest.mark.parametrize("target", speed.TARGETS, ids=lambda target: target.text)
def test_every_target_can_be_met_and_missed(target):
    """Each is promised for some request, and its verdict turns at its bound."""
    request = replace(parse(GIVEN), **target.where)
    assert target.applies_to(request)
    better, worse = (target.bound + sign * 0.01 * (1 if target.is_least else -1) for sign in (1, -1))
    for value, word in ((better, "met"), (target.bound, "met"), (worse, "missed")):
        verdicts = speed.verdicts(request, {target.figure: value})
        assert any(line.startswith(word) and target.text in line for line in verdicts)


def test_targets_of_other_requests_are_not_mentioned():
    assert speed.verdicts(parse({**GIVEN, "preset": "small"}), {"step": 1.0, "memory": 2.0}) == []


@pytest.mark.parametrize("task", ["cls", "seg", "pose"])
def test_random_batches_pass_a_tasks_head_and_loss(task):
    request = parse({**GIVEN, "task": task, "size": "64x48"})
    source = Synthetic.of(request)
    for batch in source.batches(0, 3):
        assert batch["image"].shape == (2, 3, 64, 48)
        network = network_of(request, source)
        loss = source.loss(network(batch["image"]), batch)
        assert loss.isfinite() and loss > 0


def test_masks_have_the_sparsity_and_thin_all_layers_alike():
    request = parse(GIVEN)
    masks = masks_of(network_of(request, Synthetic.of(request)), 0.9)
    assert sparsity_of(masks) == pytest.approx(0.9, abs=1e-4)
    assert all(0.05 < mask.float().mean() < 0.15 for mask in masks.values() if mask.numel() > 500)


@pytest.mark.parametrize("sparsity", [0.5, 0.9])
def test_half_of_each_blocks_units_are_dead_and_no_more(sparsity):
    torch.manual_seed(0)
    host = Supernet(preset("tiny"))
    masks = half_dead(host, sparsity)
    assert sparsity_of(masks) == pytest.approx(sparsity, abs=0.08)
    for name, block in search_blocks(host).items():
        living = torch.cat([masks[f"{name}.depthwise.{k}.weight"].flatten(1).any(1) for k in block.units])
        assert int(living.sum()) * 2 == len(living)
        assert torch.equal(masks[f"{name}.project.weight"].flatten(1).any(0), living)
        assert masks[f"{name}.expand.weight"].flatten(1).any(1)[living].all()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("layout", "dtype"), [("channels_last", "float32"), ("contiguous", "bfloat16")])
def test_every_variant_trains(variant, layout, dtype):
    run = training_step(parse({**GIVEN, "layout": layout, "dtype": dtype}), variant)
    run()
    run()


BAD = {
    "preset": (["--preset", "tny"], "Did you mean 'tiny'?"),
    "task": (["--task", "cls/cifar10"], "cls, seg, pose"),
    "batch": (["--batch", "1"], "--batch is 1"),
    "batch text": (["--batch", "many"], "'--batch'"),
    "latency batch": (["--latency-batch", "0"], "--latency-batch is 0"),
    "size": (["--size", "224x"], "'224x'"),
    "small size": (["--size", "15"], "at least 16"),
    "sparsity": (["--sparsity", "1"], "from 0 to below 1"),
    "sparsity nan": (["--sparsity", "nan"], "nan"),
    "what": (["--what", "train,memory"], "memory"),
    "threads": (["--threads", "0"], "--threads is 0"),
    "layout": (["--layout", "nhwc"], "channels_last, contiguous"),
    "dtype": (["--dtype", "float16"], "float32, bfloat16"),
    "rounds": (["--rounds", "0"], "--rounds is 0"),
    "device": (["--device", "gpu"], "cpu, cuda"),
    "json": (["--json", "no/such/folder/x.json"], "no/such/folder/x.json"),
}


@pytest.mark.parametrize(("args", "said"), BAD.values(), ids=BAD)
def test_mistakes_exit_with_2_and_one_sentence(args, said, capsys):
    with pytest.raises(SystemExit) as left:
        console.main(speed.app, "python -m bench.speed", args)
    told = capsys.readouterr()
    assert left.value.code == 2 and not told.out
    assert told.err.startswith("error: ") and told.err.count("\n") == 1 and said in told.err


def test_a_missing_gpu_is_refused():
    with pytest.raises(UserError, match="not there"):
        parse({**GIVEN, "device": "cuda:77"})


def test_compile_without_a_compiler_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UserError, match=r"C\+\+ compiler"):
        parse({**GIVEN, "compiled": True})


def test_defaults_come_from_the_scale():
    absent = {**GIVEN, "batch": None, "size": None}
    assert (parse(absent).batch, parse(absent).size) == (32, (64, 64))
    paper = parse({**absent, "preset": "paper"})
    assert (paper.batch, paper.size) == (8, (224, 224))


def test_help_imports_no_torch():
    code = (
        "import sys, runpy; sys.argv = ['bench.speed', '--help']\n"
        "try: runpy.run_module('bench.speed', run_name='__main__')\n"
        "except SystemExit as e: assert e.code == 0\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "--latency-batch" in done.stdout, done.stderr
