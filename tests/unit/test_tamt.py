"""Mask training on a dense network's frozen weights: gradients, counts and costs by hand, what stays to the bit."""

from collections import Counter
from dataclasses import replace

import compiler
import pytest
import torch
from asked import config, kinds
from line import NAME, LineSpec, line
from line import request as of_line
from toy import SPEC, ToySource, drawn

from bench.request import suite as suites
from bench.request.plan import jobs
from tickets.contract.watch import Interrupted, Stopping
from tickets.drawers import DRAWERS
from tickets.drawers.base import AFTER, BEFORE, Request
from tickets.drawers.tamt import TaskAgnosticMasks, distance
from tickets.errors import UserError
from tickets.hosts.native import force, processor
from tickets.training.checkpoint import Checkpoint
from tickets.training.loop import Training
from tickets.training.method import Pass
from tickets.training.settings import Settings

STEPS, SPARSITY = 12, 0.7
NAMES = ["tamt", "tamt/kd", "tamt/both", "tamt/as_released"]
WEIGHT = [[0.5, -2.0, 1.0], [3.0, -0.1, 0.2]]


@pytest.fixture(scope="module")
def base():
    """A dense network of the toy supernet."""
    return drawn(DRAWERS.make("dense"), Request(SPEC, ToySource(), Settings(STEPS, 0.02), 0.0, 0))


def request(base, **changed) -> Request:
    """What to draw from it."""
    settings = Settings(STEPS, 0.02, calibration_batches=1)
    return replace(Request(SPEC, ToySource(), settings, SPARSITY, 0, {"base": base}), **changed)


def begun(drawer, asked) -> Training:
    """A training before its first step."""
    (only,) = drawer.trainings(asked.settings.steps, asked.sparsity)
    return drawer.begin(asked, only, None)


def scores(training) -> dict[str, torch.Tensor]:
    """By name."""
    made = training.network.masking
    return dict(zip(made.names, made.scores, strict=True))


@pytest.fixture
def steps(monkeypatch):
    """(scores, masks, loss) after every step that is trained, in order."""
    seen, step = [], Training._step

    def watched(self, batch):
        loss = step(self, batch)
        if hasattr(self.network.masking, "scores"):
            now = {name: score.detach().clone() for name, score in scores(self).items()}
            seen.append((now, dict(self.network.masks), float(loss)))
        return loss

    monkeypatch.setattr(Training, "_step", watched)
    return seen


# ---- scores


class Sum(TaskAgnosticMasks):
    """Its loss is the sum of the map, by which gradients can be read off; it keeps the first ones."""

    def loss(self, training, seen):
        """y_0 + y_1, of each image."""
        return seen.maps[0].sum() / len(seen.batch["image"])

    def on_gradient(self, training):
        """Keep them."""
        training.aside.setdefault("gradient", scores(training)[NAME].grad.flatten().tolist())


def test_the_gradient_of_a_score_is_weight_times_input_of_kept_and_removed_weights():
    """y = (theta m) x at x = (1, 2, 3), L = y_0 + y_1: dL/ds = theta x, whatever the mask."""
    training = begun(Sum(), of_line(0.5, given={"base": line(WEIGHT)}))
    assert training.network.masks[NAME].flatten().tolist() == [False, True, True, True, False, False]
    training.run()
    assert training.aside["gradient"] == pytest.approx([0.5, -4.0, 3.0, 3.0, -0.2, 0.6])


def test_scores_begin_at_two_tau_and_at_zero():
    training = begun(TaskAgnosticMasks(tau=0.25), of_line(0.5, given={"base": line(WEIGHT)}))
    assert scores(training)[NAME].flatten().tolist() == [0, 0.5, 0.5, 0.5, 0, 0]


def test_the_score_of_a_weight_that_is_zero_never_moves():
    weight = [[0.0, -2.0, 1.0], [3.0, 0.0, 0.2]]
    training = begun(Sum(travel=400.0), of_line(0.5, 9, given={"base": line(weight)}))
    training.run()
    moved = scores(training)[NAME].detach().flatten() != torch.tensor([0, 0.02, 0.02, 0.02, 0, 0])
    assert moved.tolist() == [False, True, True, True, False, True]


@pytest.mark.parametrize(("steps", "peak"), [(200, 0.0042), (400, 0.0021)])
def test_the_peak_of_their_rate_lets_scores_travel_as_far_in_any_number_of_steps(base, steps, peak):
    settings = Settings(steps, 0.3)
    training = begun(TaskAgnosticMasks(), request(base, settings=settings))
    assert training.schedule.peaks == pytest.approx([0.3, peak, 0.3])
    assert training.optimizer.param_groups[1]["weight_decay"] == 0
    rates = []
    for step in range(steps):
        training.schedule.advance(step)
        rates.append(training.optimizer.param_groups[1]["lr"])
    assert sum(rates) == pytest.approx(42 * 0.01, rel=0.03)


def test_the_first_masks_are_those_of_pruning_once_layer_by_layer(base):
    theirs = DRAWERS.make("omp@allocation=uniform").draw(request(base)).host.masks
    ours = begun(TaskAgnosticMasks(), request(base)).network.masks
    assert all(torch.equal(ours[f"host.{name}"], mask) for name, mask in theirs.items())


def test_random_first_masks_keep_as_many_in_every_layer_and_are_the_seeds(base):
    def first(start, seed):
        return begun(TaskAgnosticMasks(start=start), request(base, seed=seed)).network.masks

    largest, one, again, other = first("magnitude", 0), first("random", 0), first("random", 0), first("random", 1)
    assert all(int(one[name].sum()) == int(mask.sum()) for name, mask in largest.items())
    assert all(torch.equal(one[name], again[name]) for name in one)
    for unlike in (largest, other):
        assert any(not torch.equal(one[name], unlike[name]) for name in one)


@pytest.mark.parametrize("name", ["tamt", "tamt/kd"])
def test_every_step_keeps_the_highest_scores_of_each_layer_to_the_weight(base, steps, name):
    """The counts are those of the first masks; among equal scores the earlier is kept."""
    first = begun(DRAWERS.make(name), request(base)).network.masks
    total = sum(mask.numel() for mask in first.values())
    assert sum(int((~mask).sum()) for mask in first.values()) == round(SPARSITY * total)
    DRAWERS.make(name).draw(request(base))
    assert len(steps) == STEPS
    for found, masks, _ in steps:
        for layer, mask in masks.items():
            count, ranked = int(first[layer].sum()), found[layer].flatten()
            assert abs(count - (1 - SPARSITY) * mask.numel()) <= 1
            order = sorted(range(len(ranked)), key=lambda i, ranked=ranked: (-float(ranked[i]), i))
            kept = torch.zeros(len(ranked), dtype=torch.bool).index_fill_(0, torch.tensor(order[:count]), True)
            assert torch.equal(mask.flatten(), kept)
    assert any(not torch.equal(steps[-1][1][layer], first[layer]) for layer in first)


def test_masks_may_have_a_pattern(base):
    source = ToySource()
    spec = replace(SPEC, stem=8, stages=tuple(replace(stage, widths=(8,) * len(stage.widths)) for stage in SPEC.stages))
    asked = Request(spec, source, Settings(6, 0.02, calibration_batches=1), 0.5, 0)
    ticket = drawn(DRAWERS.make("tamt@pattern=2:4"), asked)
    assert ticket.prunable == 2 * ticket.kept and ticket.provenance["pattern"] == "2:4"


# ---- what stays


@pytest.mark.parametrize("name", NAMES)
def test_weights_biases_and_norms_of_the_host_are_those_of_the_base_to_the_bit(base, name):
    """Masked weights included; what is built of them has zeros there. Only statistics of batch norms are new."""
    ticket = DRAWERS.make(name).draw(request(base))
    parameters = {n for n, _ in SPEC.build().named_parameters()}
    assert all(torch.equal(ticket.host.raw[n], base.host.raw[n]) for n in parameters)
    changed = {n.rpartition(".")[2] for n, t in base.host.raw.items() if not torch.equal(t, ticket.host.raw[n])}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}
    for weights in ("raw", "ema"):
        built = ticket.build(weights)
        for n, mask in ticket.host.masks.items():
            assert torch.equal(built.get_parameter(n), base.host.raw[n] * mask)
    assert not any("score" in n or "thresholds" in n for n in ticket.host.raw)


@pytest.mark.parametrize(
    ("name", "moves"), [("tamt", True), ("tamt@head=frozen", False), ("tamt/kd", False), ("tamt/both", True)]
)
def test_the_head_is_trained_where_a_loss_reaches_it_unless_it_is_frozen(base, name, moves):
    ticket = DRAWERS.make(name).draw(request(base))
    assert any(not torch.equal(ticket.head.raw[n], t) for n, t in base.head.raw.items()) == moves


def test_scores_and_thresholds_are_not_averaged(base):
    for name in ("tamt", "tamt/as_released"):
        training = begun(DRAWERS.make(name), request(base))
        training.run()
        assert {n.partition(".")[0] for n in training.ema.values} == {"host", "head"}
        assert any(n.startswith("masking.") for n in training.network.state_dict())


# ---- imitation


def test_maps_that_point_elsewhere_by_hand():
    """(1, 0) against (1, 1): 1 - 1/sqrt(2); against itself 0, against its opposite 2, scale has no effect."""
    one, both = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1), torch.tensor([1.0, 1.0]).view(1, 2, 1, 1)
    assert distance([one], [both]).item() == pytest.approx(0.29289, abs=1e-5)
    assert distance([one, one], [both, -3 * one]).item() == pytest.approx((0.29289 + 2) / 2, abs=1e-5)
    positions = torch.cat([one, both], 3), torch.cat([both, both], 3)
    assert distance([positions[0]], [positions[1]]).item() == pytest.approx(0.29289 / 2, abs=1e-5)


@pytest.mark.parametrize("name", ["tamt/kd", "tamt/both"])
def test_the_first_loss_of_imitation_by_hand(name, steps):
    """The base emits (1, 1) and the first mask leaves (1, 0); `both` adds the cross entropy of its head."""
    given = {"base": line([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])}
    asked = of_line(5 / 6, 1, given=given)
    DRAWERS.make("tamt@head=frozen").draw(asked)
    DRAWERS.make(name).draw(asked)
    (_, _, alone), (_, _, loss) = steps
    assert loss == pytest.approx(0.29289 + (alone if name == "tamt/both" else 0), abs=1e-5)


def test_imitation_asks_for_no_label(base):
    class Unlabelled(ToySource):
        def loss(self, outputs, batch):
            """There is none."""
            raise AssertionError("a label was looked at")

    assert DRAWERS.make("tamt/kd").draw(request(base, source=Unlabelled())).sparsity == pytest.approx(
        SPARSITY, abs=0.01
    )


def test_a_student_that_keeps_everything_is_its_teacher(base):
    """The loss is 0 and so is its gradient, where both take one set of statistics: in evaluation."""
    same = replace(base, host=replace(base.host, raw=base.host.ema))
    drawer = TaskAgnosticMasks(objective="kd")
    training = begun(drawer, request(same, sparsity=0.0))
    assert all(mask.all() for mask in training.network.masks.values())
    batch = ToySource().batch("train", 0)
    loss = drawer.loss(training, Pass(*training.network.eval().both(batch["image"]), batch))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert all(score.grad.abs().max() < 1e-6 for score in scores(training).values())


def test_a_teacher_computes_in_the_precision_of_the_training(base):
    """Under bfloat16 on both sides a student that keeps everything is its teacher up to that precision."""
    same = replace(base, host=replace(base.host, raw=base.host.ema))
    settings = Settings(STEPS, 0.02, precision="bfloat16")
    training = begun(DRAWERS.make("tamt/kd"), request(same, sparsity=0.0, settings=settings))
    batch = ToySource().batch("train", 0)
    with training.autocast():
        maps, outputs = training.network.eval().both(batch["image"])
    assert {m.dtype for m in maps} == {torch.bfloat16}
    assert training.method.loss(training, Pass(maps, outputs, batch)).item() == pytest.approx(0, abs=1e-5)


# ---- thresholds, as released


def with_scores(values, sparsity) -> Training:
    """The line in training by thresholds, with these scores."""
    training = begun(DRAWERS.make("tamt/as_released"), of_line(sparsity, given={"base": line(WEIGHT)}))
    with torch.no_grad():
        scores(training)[NAME].copy_(torch.tensor(values).view(2, 3, 1, 1))
    return training


def kept(training) -> list[bool]:
    """The mask after what an optimiser step would do to it."""
    training.network.masking.settle(training.network)
    return training.network.masks[NAME].flatten().tolist()


def test_between_resets_what_is_above_the_threshold_stays_however_many_that_are():
    training = with_scores([0.011, 0.02, 0.03, 0.009, 0.5, 0.01], 0.5)
    assert kept(training) == [True, True, True, False, True, False]  # strictly above tau = 0.01: four, not three
    training.method.do_thresholds(training)
    assert training.network.masking.thresholds.tolist() == pytest.approx([0.011])
    assert kept(training) == [False, True, True, False, True, False]


def test_ties_with_the_threshold_all_go_so_that_too_few_stay_until_the_last_choice():
    """TA-7: k = 3 of 6, and the third smallest score is that of four weights."""
    training = with_scores([0.0, 0.0, 0.02, 0.02, 0.02, 0.02], 0.5)
    training.method.do_thresholds(training)
    assert kept(training) == [False] * 6
    training.method.do_prune(training, 0.5)
    assert kept(training) == [False, False, True, True, True, False]


def test_nothing_goes_at_sparsity_0():
    training = with_scores([0.0, -1.0, 0.02, 0.02, 0.02, 0.02], 0.0)
    training.method.do_thresholds(training)
    assert all(kept(training))


def test_a_released_draw_floats_and_ends_with_the_exact_count(base, steps):
    drawer = DRAWERS.make("tamt/as_released@reset=0.3@travel=400")
    events = drawer.events(STEPS, SPARSITY)
    assert [e.step for e in events if e.do == "thresholds"] == [4, 8]
    ticket = drawer.draw(request(base))
    counts = [sum(int(mask.sum()) for mask in masks.values()) for _, masks, _ in steps]
    exact = ticket.prunable - round(SPARSITY * ticket.prunable)
    assert ticket.kept == exact and {BEFORE, AFTER} <= ticket.provenance["scores"].keys()
    assert any(abs(count - exact) > 10 for count in counts[:3]) and counts[-1] == exact


def test_released_thresholds_are_set_every_six_hundredths_of_the_training():
    events = DRAWERS.make("tamt/as_released").events(400, 0.9)
    assert [e.step for e in events if e.do == "thresholds"] == list(range(24, 400, 24))
    assert DRAWERS.make("tamt").events(400, 0.9) == ()


# ---- what it costs


@pytest.mark.parametrize(("name", "step", "sparse", "teacher"), [
    ("tamt", 3 * 10, 3 * 4 + 2 + 2 + 6, 0),  # forward, then gradients of inputs and of weights
    ("tamt@head=frozen", 10 + 2 * 6, 4 + 2 + 2 + 6, 0),
    ("tamt/kd", 10 + 2 * 6, 4 + 2 + 2 + 6, 10),  # imitation leaves the head alone, and its teacher is dense
    ("tamt/both", 3 * 10, 3 * 4 + 2 + 2 + 6, 10),
])  # fmt: skip
def test_spent_work_by_hand(name, step, sparse, teacher):
    """Host 6 MACs, of which 2 are kept, and head 4; three steps of four images, nothing to recalibrate."""
    given = {"base": line(WEIGHT)}
    ticket = DRAWERS.make(name).draw(of_line(2 / 3, 3, given=given))
    spent, images = ticket.provenance["spent"], 3 * 4
    assert spent["macs"] == images * (step + teacher)
    assert spent["sparse_macs"] == images * (sparse + teacher)
    assert spent.get("teacher_macs", 0) == images * teacher
    assert spent["images"] == images * (2 if teacher else 1)
    assert ticket.macs_spent == spent["macs"] + given["base"].macs_spent


# ---- interruptions, kernels


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("after", [5, STEPS])
def test_a_draw_that_was_interrupted_ends_as_the_undisturbed_one(base, tmp_path, name, after):
    """In the middle, and after the last choice, which scores alone do not tell from thresholds."""
    drawer = DRAWERS.make(f"{name}@reset=0.2" if name == "tamt/as_released" else name)
    whole, file = drawer.draw(request(base)), tmp_path / "draw.pt"
    with pytest.raises(Interrupted):
        drawer.draw(request(base, checkpoint=Stopping(file, after)))
    left = Checkpoint(file)
    assert left.state["step"] == after
    assert drawer.draw(request(base, checkpoint=left)).hash == whole.hash


@compiler.needed
def test_native_kernels_give_the_gradients_of_scores_that_pytorch_gives(base):
    found = []
    for kernels in ("torch", processor.usable()[0].name):
        with force.using(kernels, 1):
            training = begun(TaskAgnosticMasks(objective="both"), request(base))
            batch = ToySource().batch("train", 0)
            seen = Pass(*training.network.train().both(batch["image"]), batch)
            training.method.loss(training, seen).backward()
            found.append({name: score.grad for name, score in scores(training).items()})
    torch_s, native = found
    for name, gradient in torch_s.items():
        torch.testing.assert_close(native[name], gradient, rtol=1e-3, atol=1e-6)
        assert gradient.abs().max() > 0


# ---- bad input


@pytest.mark.parametrize(("options", "said"), [
    ({"travel": 0}, "travel is 0; the scores would never move, give a number above 0"),
    ({"tau": 0}, "tau is 0; it is half the first gap between scores, give a number above 0"),
    ({"reset": 1}, "reset is 1; give a fraction of the training below 1, or 0 for every step"),
    ({"reset": 0.1, "allocation": "erk"}, "reset is 0.1 with allocation erk and pattern element; thresholds are by"),
    ({"semantics": "reparam"}, "semantics is reparam; masks are trained by scores, so leave it at scored"),
])  # fmt: skip
def test_options_that_cannot_be(options, said):
    with pytest.raises(UserError, match=said):
        TaskAgnosticMasks(**options)


def test_a_base_that_is_missing_or_of_another_host_is_refused_before_anything_is_trained(base):
    with pytest.raises(UserError, match="needs a ticket of 'dense' as its base; give one"):
        TaskAgnosticMasks().draw(request(base, given={}))
    with pytest.raises(UserError, match=r"drawn from another host \(supernet\) than the one asked for \(line\)"):
        TaskAgnosticMasks().draw(request(base, spec=LineSpec()))


# ---- the suite


def test_the_suite_is_six_pairs_of_six_arms_with_what_they_are_held_against():
    found = suites.load("tamt-v1")
    planned = jobs(config(sweeps=suites.narrowed(found, {"seed": "0"}), **found.whole))
    ours = [job for job in planned if job.kind == "transfer"]
    assert all(job.source != job.target and job.recipe == "finetune" for job in ours)
    arms = Counter(job.drawer.partition("@pretrain")[0] for job in ours)
    assert arms == {"dense": 6} | dict.fromkeys(
        ["tamt", "tamt/kd", "omp", "omp@allocation=uniform", "imp_pretrained@allocation=uniform"], 12
    )
    assert kinds([job for job in planned if job.control]) == {"dense": 3, "random": 12}
    assert {job.drawer for job in planned if job.control == "random"} == {"tamt"}


def test_iterative_pruning_draws_as_long_there_as_mask_training_and_its_base():
    (name,) = {n for sweep in suites.load("tamt-v1").sweeps for n in sweep["drawer"].split(",") if "pretrained" in n}
    assert DRAWERS.make(name).steps(200, 0.9) == 200 + DRAWERS.make("tamt").steps(200, 0.9)
