"""bench.speed: the order and arithmetic of its timing, what it times, its mistakes, and one real run."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import compiler
import pytest
import torch

from bench.command import console
from bench.speed import command as speed
from bench.speed import engines, grids, latency
from bench.speed.latency import half_dead, networks
from bench.speed.report import Live, Part, show
from bench.speed.request import parse
from bench.speed.roof import Roof, roof_runs
from bench.speed.steps import VARIANTS, step_macs, training_step, variants
from bench.speed.synthetic import Synthetic, masks_of, network_of
from bench.speed.targets import TARGETS, facts, figures, gains, upkeep, verdicts
from bench.speed.timing import SLICE_S, Deadline, Spread, Taken, collected, interleaved, ratio, spread
from tickets.contract.brightness import Brightness
from tickets.cost import dense_macs, layer_costs
from tickets.deploy.compact import compact
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request as Draw
from tickets.errors import UserError
from tickets.hosts.native import force, processor
from tickets.hosts.supernet import Supernet, preset
from tickets.hosts.timm import TimmHost, TimmSpec
from tickets.pruning.masks import prunable, sparsity_of
from tickets.search.searchable import search_blocks
from tickets.training.settings import Settings

ROOT = Path(__file__).parents[2]
GIVEN = {
    "preset": "tiny", "task": "cls", "batch": 2, "latency_batch": 1, "size": "32", "threads": 1,
    "layout": "channels_last", "dtype": "float32", "compiled": False, "sparsity": 0.9, "rounds": 2,
    "limit": 60.0, "device": "cpu", "what": "train", "engines": "torch",
}  # fmt: skip
ONE = Roof(10**9, 10**9, [1.0], [1.0])
ROOF = Roof(10**9, 10**9, [1.0, 1.0], [1.0, 1.0])


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
    runs = {name: clock.run(name) for name in clock.costs}
    taken = list(interleaved(runs, rounds=3, warm_up=1, clock=clock))
    assert clock.called == ["a", "b", "c"] * 4
    assert [one.round for one in taken] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert collected(taken) == {"a": [1.0] * 3, "b": [2.0] * 3, "c": [3.0] * 3}


def test_short_calls_are_repeated_until_they_fill_a_slice():
    clock = Clock({"a": SLICE_S / 4, "b": SLICE_S, "c": 2 * SLICE_S})
    runs = {name: clock.run(name) for name in clock.costs}
    times = collected(interleaved(runs, rounds=2, warm_up=1, clock=clock))
    assert clock.called == ["a", "b", "c", *(["a"] * 4 + ["b", "c"]) * 2]
    assert times == {name: pytest.approx([cost] * 2) for name, cost in clock.costs.items()}


@pytest.mark.parametrize(
    ("limit", "rounds"),
    [
        pytest.param(0.0, [-2, 1], id="at once"),
        pytest.param(2.5, [-2, -1, 0, 1], id="within the warm-up"),
        pytest.param(5.0, [-2, -1, 0, 1, 2], id="after two rounds"),
        pytest.param(100.0, [-2, -1, 0, 1, 2, 3], id="never"),
    ],
)
def test_the_limit_ends_the_rounds_but_one_counts_always(limit, rounds):
    clock = Clock({"a": 0.5, "b": 0.5})
    runs = {name: clock.run(name) for name in clock.costs}
    taken = list(interleaved(runs, 3, warm_up=3, clock=clock, is_late=lambda: clock.now >= limit))
    assert [(one.round, one.name) for one in taken] == [(number, name) for number in rounds for name in "ab"]


def test_a_deadline_is_shared_by_the_parts_that_are_left(monkeypatch):
    now = iter([100.0, 104.0, 108.9, 109.0])
    monkeypatch.setattr("bench.speed.timing.time.monotonic", lambda: next(now))
    share = Deadline(10.0, 99.0).share(2)
    assert share == Deadline(4.5, 100.0)
    assert [share.is_over() for _ in range(2)] == [False, True] and Deadline(10.0, 99.0).is_over()


def test_rows_are_printed_as_they_are_measured(capsys):
    live = Live("training step, ms", ["reference", "torch"])
    told = [capsys.readouterr().out]
    for _ in live.rounds([Taken(*one) for one in ((0, "reference", 2.0), (0, "torch", 1.0), (1, "reference", 3.0))], 5):
        told.append(capsys.readouterr().out)
    assert told == [
        "\ntraining step, ms   reference     torch\n",
        "warm-up                 2,000",
        "     1,000\n",
        "round 1 of 5            3,000",
    ]


def test_a_slow_phase_that_hits_all_alike_leaves_the_ratio():
    times = {"fast": [1.0, 1.0, 9.0], "slow": [2.0, 2.0, 18.0]}
    assert ratio(times, over="slow", under="fast") == Spread(2.0, 2.0, 2.0)


def test_spread_is_median_and_percentiles():
    assert spread([float(n) for n in range(10, -1, -1)]) == Spread(5.0, 1.0, 9.0)
    assert spread([4.0]) == Spread(4.0, 4.0, 4.0)
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_upkeep_is_the_added_share_of_the_dense_step_on_the_same_path():
    part = Part("step", 8, ROOF, {"torch": [1.0, 2.0], "projection": [1.1, 2.2]})
    assert upkeep(part, "projection").median == pytest.approx(0.1)
    part.times["native"] = [0.5, 1.0]
    assert upkeep(part, "projection").median == pytest.approx(1.2)


def test_rows_and_json_tell_speed_speed_up_and_the_distance_to_the_roof():
    times = {"reference": [2.0, 2.0], "torch": [0.5, 0.5]}
    part = Part("training step", 8, ROOF, times, {"torch": 100_000_000}, {"reference": 1234.4}, {"torch": 1.25})
    assert part.rows() == [
        ["reference", "2,000", "4.00", "1.00x", "–", "–", "1,234", "–"],  # noqa: RUF001
        ["torch", "500", "16.0", "4.00x", "4.00 to 4.00", "40%", "–", "1.25"],  # noqa: RUF001
    ]
    raw = json.loads(json.dumps(part.to_json()))
    assert raw["summary"]["torch"]["speed_up"]["median"] == 4.0 and raw["seconds"] == times
    assert raw["summary"]["torch"]["of_roof"] == 0.4 and raw["summary"]["reference"]["of_roof"] is None


def test_the_distance_to_the_roof_is_taken_by_rounds():
    """A phase in which everything takes ten times as long does not change it."""
    roof = Roof(10**9, 10**9, [1.0, 10.0, 1.0], [1.0, 1.0, 1.0])
    assert roof.share(10**8, [0.5, 5.0, 0.5]) == pytest.approx(0.4)


def test_the_roofs_rows_are_taken_out_of_what_was_measured(capsys):
    times = {"a": [1.0], "product": [0.1], "copy": [0.2]}
    roof = Roof.of(parse(GIVEN), times)
    assert times == {"a": [1.0]} and str(roof).endswith("21 GFLOP/s (matrix product), 1.3 GB/s (copy)")
    assert all(run() is not None for run in roof_runs(parse(GIVEN)).values())


def test_a_pipe_gets_aligned_text_without_empty_columns(capsys):
    show(Part("training step", 8, ONE, {"reference": [2.0], "torch": [0.5]}, notes=["A note."]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "  A note." and "images/s" in lines[1] and "peak MiB" not in lines[1]
    assert len({len(line) for line in lines[1:4]}) == 1


def test_figures_take_the_worse_masked_variant():
    times = {"reference": [6.0], "torch": [1.0], "projection": [1.0], "reparam": [2.0]}
    peaks = {"reference": 100.0, "torch": 40.0, "projection": 50.0, "reparam": 60.0}
    calls = {"ticket host": [1.0], "ticket torch": [0.5], "dense onnx": [0.4], "ticket onnx": [0.1]}
    found = figures({"train": Part("", 8, ONE, times, {}, peaks), "inference": Part("", 1, ONE, calls)})
    assert found == {
        "step": 3.0, "memory": 0.6, "projection": 0.0, "reparam": 1.0, "compacted": 0.5, "exported": 4.0,
    }  # fmt: skip


def test_native_figures_appear_with_the_native_variant():
    times = {"reference": [6.0], "torch": [2.0], "native": [1.0], "projection": [1.0], "reparam": [1.0]}
    found = figures({"train": Part("", 8, ONE, times, {}, {"torch": 400.0, "native": 100.0})})
    assert found == {"step": 6.0, "native": 6.0, "native memory": 0.25, "projection": 0.0, "reparam": 0.0}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.text}, {target.where.get('preset')}")
def test_every_target_can_be_met_and_missed(target):
    """Each is promised under some facts that a request can have, and its verdict turns at its bound."""
    known = facts(parse(GIVEN))
    assert target.where.keys() <= known.keys()
    better, worse = (target.bound + sign * 0.01 * (1 if target.is_least else -1) for sign in (1, -1))
    for value, word in ((better, "met"), (target.bound, "met"), (worse, "missed")):
        told = verdicts({**known, **target.where}, {target.figure: value})
        assert any(line.startswith(word) and target.text in line for line in told)


def test_targets_of_other_requests_are_not_mentioned():
    known = {**facts(parse({**GIVEN, "preset": "small"})), "vectors": "AVX512"}
    assert verdicts(known, {"native": 1.0, "memory": 2.0}) == []


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


@compiler.needed
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("layout", "dtype"), [("channels_last", "float32"), ("contiguous", "bfloat16")])
def test_every_variant_trains(variant, layout, dtype):
    run = training_step(parse({**GIVEN, "layout": layout, "dtype": dtype}), variant)
    run()
    run()


@compiler.needed
def test_native_steps_are_made_under_the_requests_kernels_and_others_not():
    request = parse(GIVEN)
    assert request.kernels == processor.usable()[0].name and set(variants(request)) == set(VARIANTS)
    seen = []
    for name in VARIANTS:
        run = training_step(request, name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Synthetic, "loss", lambda *args, loss=Synthetic.loss: seen.append(force.now()) or loss(*args))
            run()
    kinds = [one and one.kind for one in seen]
    assert kinds == [None, None, request.kernels, request.kernels, request.kernels]


def test_where_the_kernels_cannot_serve_no_native_step_is_told():
    request = parse({**GIVEN, "dtype": "bfloat16"})
    assert request.kernels == "torch" and variants(request) == [name for name in VARIANTS if name != "native"]


def test_a_steps_macs_are_three_passes_of_every_image():
    request = parse(GIVEN)
    network = network_of(request, Synthetic.of(request))
    assert step_macs(request) == 3 * 2 * dense_macs(layer_costs(network, (32, 32)))


def test_networks_are_a_dense_one_and_a_ticket(tmp_path):
    request = parse(GIVEN)
    found = networks(request, torch.randn(2, 3, 32, 32))
    assert [sparsity_of(nonzero(host)) for host in found.values()] == pytest.approx([0.0, 0.9], abs=0.05)
    assert not any(host.training for host in found.values())


def nonzero(host):
    """Masks of the weights that are not zero."""
    return {name: weight != 0 for name, weight in prunable(host).items()}


def test_an_asked_ticket_is_run_and_one_of_another_preset_refused(tmp_path):
    source, settings = Brightness(), Settings(4, 0.01, calibration_batches=1)
    ticket = DRAWERS.make("gmp").draw(Draw(preset("tiny"), source, settings, 0.5, 0))
    ticket.save(tmp_path / "one")
    asked = {**GIVEN, "ticket": tmp_path / "one.json"}
    host = networks(parse(asked), torch.randn(2, 3, 32, 32))["ticket"]
    assert sparsity_of(nonzero(host)) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(UserError, match=r"the ticket one is none of the supernet small; give its --preset"):
        parse({**asked, "preset": "small"})


@pytest.fixture(scope="module")
def halved(tmp_path_factory):
    """A ticket of a small timm host that lost half of each layer's channels."""
    source, settings = Brightness(), Settings(2, 0.01, calibration_batches=1)
    drawer = DRAWERS.make("gmp@pattern=channel@allocation=uniform")
    path = tmp_path_factory.mktemp("tickets") / "half"
    drawer.draw(Draw(TimmSpec("resnet10t"), source, settings, 0.5, 0)).save(path)
    return path.with_suffix(".json")


def test_a_ticket_of_another_host_is_compared_with_that_host_dense(halved):
    request = parse({**GIVEN, "ticket": halved, "what": "inference", "engines": "torch,onnx"})
    assert str(request).startswith("timm resnet10t, cls, 32x32") and request.kernels == "torch"
    known = facts(request)
    assert known["host"] == {"kind": "timm", "model": "resnet10t"} and known["drawn"] == ("channel", "uniform", 0.5)
    made, notes = latency.inference_calls(request, lambda: False, lambda name: None)
    assert list(made) == [f"{name} {engine}" for name in ("dense", "ticket") for engine in ("host", "torch", "onnx")]
    assert not notes  # there are no units to pad
    dense, ticket = (made[name].macs for name in ("dense torch", "ticket torch"))
    assert dense == made["dense host"].macs == made["ticket host"].macs and ticket < 0.6 * dense
    for got, wanted in zip(made["ticket onnx"].run(), made["ticket host"].run(), strict=True):
        torch.testing.assert_close(torch.as_tensor(got), wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("what", ["train", "train,inference"])
def test_training_steps_are_those_of_supernets(halved, what):
    with pytest.raises(UserError, match=r"the ticket's host is timm resnet10t, and only .* give --what inference"):
        parse({**GIVEN, "ticket": halved, "what": what})


def test_a_size_that_a_host_cannot_take_is_told(halved, monkeypatch):
    def refuse(self, image):
        raise RuntimeError("too small")

    monkeypatch.setattr(TimmHost, "forward", refuse)
    with pytest.raises(UserError, match=r"the host timm resnet10t cannot take 32x32 images \(too small\)"):
        parse({**GIVEN, "ticket": halved, "what": "inference"})


def test_gains_are_told_by_engine():
    times = {
        "dense host": [8.0],
        "dense torch": [6.0],
        "dense onnx": [3.0],
        "ticket host": [8.0],
        "ticket torch": [2.0],
    }
    assert gains({"inference": Part("", 1, ONE, times)}) == ["dense / ticket, torch: 3.00x (3.00 to 3.00)"]
    assert gains({}) == []


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_engines_compute_what_the_host_computes(engine):
    request = parse(GIVEN)
    images = torch.randn(2, 3, 32, 32)
    host = networks(request, images)["ticket"]
    with torch.no_grad():
        expected = host(images)
    call = engines.Compacted("ticket", compact(host), images, request).call(engine)
    for got, wanted in zip(call.run(), expected, strict=True):
        torch.testing.assert_close(torch.as_tensor(got), wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))
    assert call.macs > 0 and (call.file_mb is not None) == (engine == "onnx")


def test_openvino_is_asked_as_its_documentation_says(monkeypatch, tmp_path):
    """It reads the exported file, with the input's size fixed, in float32, on the asked threads."""
    core, image = MagicMock(), torch.zeros(1, 3, 32, 32)
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=lambda: core))
    network = engines.Compacted("ticket", torch.nn.Identity(), image, parse(GIVEN))
    network.__dict__["exported"] = engines.Exported(b"onnx", 5, MagicMock())
    call = network.call("openvino")
    core.read_model.return_value.reshape.assert_called_once_with([1, 3, 32, 32])
    model, device, config = core.compile_model.call_args.args
    assert model is core.read_model.return_value and device == "CPU"
    assert config["INFERENCE_NUM_THREADS"] == 1 and config["INFERENCE_PRECISION_HINT"] == "f32"
    call.run()
    ((fed,),) = core.compile_model.return_value.call_args.args
    assert fed.shape == (1, 3, 32, 32) and (call.macs, call.file_mb) == (5, 4e-6)


@pytest.mark.parametrize(
    ("engine", "given", "why"),
    [
        ("openvino", {}, "openvino not installed"),
        ("onnx", {"dtype": "bfloat16"}, "float32 only"),
        ("torch", {}, None),
    ],
)
def test_engines_that_are_not_here_are_left_out_with_the_reason(engine, given, why, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    told = engines.missing(engine, parse({**GIVEN, **given}))
    assert told is None if why is None else why in told


def test_without_a_compiler_nothing_is_compiled(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert engines.missing("compiled", parse(GIVEN)) == "no C++ compiler here"


def test_after_the_limit_nothing_is_compiled():
    told = []
    request = parse({**GIVEN, "engines": "torch,compiled"})
    made, notes = latency.inference_calls(request, lambda: True, told.append)
    assert list(made) == ["dense host", "dense torch", "ticket host", "ticket torch"]
    assert told == ["dense torch", "ticket torch"] and notes == ["compiled is left out: the limit was reached."]


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
    "limit": (["--limit", "0"], "--limit is 0"),
    "engines": (["--engines", "torch,tensorrt"], "tensorrt"),
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


def test_inference_alone_is_a_flag(monkeypatch):
    asked = []
    monkeypatch.setattr(speed, "_begin", lambda request: asked.append(request))
    monkeypatch.setattr(speed, "measure", lambda request, deadline: {})
    for args in (["--inference"], ["--what", "inference"], []):
        with pytest.raises(SystemExit):
            console.main(speed.app, "python -m bench.speed", args)
    assert [request.what for request in asked] == [("inference",), ("inference",), ("train", "inference")]


@pytest.mark.parametrize(
    ("preset", "what", "compiles"),
    [("tiny", "inference", True), ("paper", "inference", False), ("tiny", "train,inference", False)],
)
def test_what_is_slow_to_prepare_is_asked_for(preset, what, compiles):
    asked = {**GIVEN, "preset": preset, "what": what, "engines": None}
    assert ("compiled" in parse(asked).engines) == compiles
    assert parse({**asked, "engines": "compiled"}).engines == ("compiled",)


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


def test_what_a_grid_costs_is_told_in_ms_a_job_and_held_against_its_promises():
    taken = {"local": [1.0, 2.0, 3.0], "ray": [11.0, 11.0, 11.0], grids.DONE: [9.0, 9.5, 30.0]}
    part = Part("a job without work", 1, ROOF, grids.a_job(taken), unit="jobs")
    found = figures({"grid": part})
    assert found == pytest.approx({"grid local": 40, "grid ray": 220, "grid finished": 9500})
    told = verdicts(facts(parse({**GIVEN, "grid": True})), found)
    assert [line.split()[0] for line in told] == ["met", "missed", "met"] and told[1].endswith(": 220.0 ms")
