"""KD tickets: what is trained on, by hand, where it is trained on; what a teacher costs; what is refused."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
import torch
from asked import config, kinds
from foreign import register
from torch import nn
from toy import SPEC, ToyHead, ToySource

from bench import run
from bench.command import console
from bench.jobs.computing import drawing_macs
from bench.request.plan import jobs
from tasks import TASKS
from tasks.base import Task
from tickets.contract import recipes as contract
from tickets.drawers.base import Request
from tickets.drawers.dense import Dense
from tickets.drawers.imp import IterativeMagnitude
from tickets.drawers.prune_once import PruneOnce
from tickets.drawers.supertickets import SuperTickets
from tickets.errors import UserError
from tickets.hosts.base import HostSpec
from tickets.recipes import RECIPES
from tickets.recipes.base import transfer
from tickets.recipes.distilled import Distilled
from tickets.recipes.finetune import Finetune
from tickets.recipes.rewind import Rewind
from tickets.recipes.scratch import Scratch
from tickets.training.method import Pass
from tickets.training.settings import Settings

STEPS, BATCH = 12, 8
SETTINGS = Settings(STEPS, 0.02, calibration_batches=2)
SHORT = replace(SETTINGS, steps=3)
EQUAL = replace(SETTINGS, equal="macs")


# ---- networks whose outputs and costs are known by hand


class OneConv(nn.Module):
    """A 3x3 convolution of stride 2, and nothing else."""

    def __init__(self, width):
        super().__init__()
        self.features = [(width, 2)]
        self.conv = nn.Conv2d(3, width, 3, 2, 1, bias=False)

    def forward(self, image):
        """One map."""
        return [self.conv(image).relu()]


@dataclass(frozen=True)
class OneConvSpec(HostSpec):
    """The host of these tests."""

    kind = "one_conv"
    width: int = 4

    def build(self, units: Mapping | None = None):
        """Fresh weights."""
        return OneConv(self.width)


def forward_macs(width):
    """Of one 16x16 image: the convolution at 8x8 positions, and two outputs."""
    return 8 * 8 * width * 27 + width * 2


class Mute(ToyHead):
    """Says (0, 0) of every image, until it is trained."""

    def __init__(self, *args):
        super().__init__(*args)
        nn.init.zeros_(self.predict.weight)
        nn.init.zeros_(self.predict.bias)


@dataclass
class Known(ToySource):
    """All images are of class 0; heads begin with (0, 0). Notes what is asked of it."""

    losses: list = field(default_factory=list)
    told: list = field(default_factory=list)

    def head(self, features, units=None, width=None):
        """Mute."""
        return Mute(features, self.outputs)

    def batch(self, stream, step):
        """With labels 0."""
        found = super().batch(stream, step)
        return {**found, "label": torch.zeros_like(found["label"])}

    def loss(self, outputs, batch):
        """Noted."""
        loss = super().loss(outputs, batch)
        self.losses.append(loss.item())
        return loss

    def imitation(self, outputs, teacher, batch, *how):
        """Noted."""
        cost = super().imitation(outputs, teacher, batch, *how)
        self.told.append((teacher, cost.detach()))
        return cost


def request(spec, source=None, settings=SETTINGS, sparsity=0.0):
    """A draw of these tests."""
    return Request(spec, source or ToySource(), settings, sparsity, 0)


@pytest.fixture(scope="module")
def student():
    """A dense ticket of width 4."""
    return Dense().draw(request(OneConvSpec()))


@pytest.fixture(scope="module")
def teacher():
    """A dense ticket of width 10."""
    return Dense().draw(request(OneConvSpec(10)))


@pytest.fixture(scope="module")
def drawn():
    """A sparse ticket of the toy supernet, with a rewind point."""
    return IterativeMagnitude().draw(request(SPEC, settings=SHORT, sparsity=0.7))


@pytest.fixture(scope="module")
def sure(student):
    """A ticket that says (2 ln 3, 0) of every image."""
    bias = {"predict.weight": torch.zeros(2, 4), "predict.bias": torch.tensor([3.0, 1.0]).log() * 2}
    return replace(student, head=replace(student.head, ema=bias))


def trained(ticket, recipe, teacher=None, source=None, settings=SETTINGS):
    """A transfer at its end."""
    given = {} if teacher is None else {"teacher": teacher}
    training = transfer(ticket, recipe, source or ToySource(), settings, 0, given=given)
    training.run()
    return training


def same(one, other):
    """Whether two trainings ended bit by bit alike."""
    states = [{**t.network.state_dict(), **t.ema.values} for t in (one, other)]
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][n], states[1][n]) for n in states[0])


# ---- what is trained on


@pytest.mark.parametrize(
    ("name", "loss"),
    [("kd", 0.608198), ("kd_finetune", 0.608198), ("kd/as_released", 0.477386), ("kd@reduction=mean", 0.477386)],
)
def test_a_step_s_loss_by_hand(name, loss, student, sure):
    """o = (0, 0), t = (2 ln 3, 0), T = 2: T^2 KL = 0.523248, half of it as a mean over classes (KD-1); CE = ln 2."""
    training = transfer(
        student, RECIPES.make(f"{name}@alpha=0.5@temperature=2"), Known(), replace(SETTINGS, steps=1), 0,
        given={"teacher": sure},
    )  # fmt: skip
    told = []
    training.run(report=told.append)
    assert [one.loss for one in told] == [pytest.approx(loss, abs=1e-6)]


def test_the_names_are_the_paper_s_starts_and_settings():
    assert RECIPES.make("kd") == Distilled("initial", 5.0, 0.9, 1.0, "sum")
    starts = [RECIPES.make(name).start for name in ("kd_rewind", "kd_finetune", "kd/as_released")]
    assert starts == ["rewind", "inherit", "initial"] and RECIPES.make("kd/as_released").reduction == "mean"


def test_it_starts_as_the_recipe_of_its_start(drawn):
    for start, plain in (("initial", Scratch()), ("rewind", Rewind()), ("inherit", Finetune())):
        one, other = (recipe.host(drawn, 0).state_dict() for recipe in (Distilled(start), plain))
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("start", "plain"), [("initial", Scratch()), ("rewind", Rewind()), ("inherit", Finetune())])
@pytest.mark.parametrize("off", [{"alpha": 0.0}, {"until": 0.0}], ids=str)
def test_without_imitation_it_is_the_plain_recipe_bit_by_bit_and_asks_for_no_teacher(start, plain, off, drawn):
    one, other = (trained(drawn, recipe, settings=SHORT) for recipe in (Distilled(start, **off), plain))
    assert same(one, other) and vars(one.spent) == vars(other.spent)
    assert not same(one, trained(drawn, Distilled(start), drawn, settings=SHORT))


@pytest.mark.parametrize("settings", [SETTINGS, EQUAL])
def test_after_until_the_loss_alone_counts_and_the_teacher_is_not_run(settings, student, teacher):
    """Under equal MACs a step with a teacher of 2.5 times the ticket's size takes 1 + 2.5 / 3 of the clock: four of
    them lead beyond 6, to 7 1/3, and five plain ones from there beyond 12."""
    source, told = Known(), []
    training = transfer(student, Distilled(until=0.5), source, settings, 0, given={"teacher": teacher})
    training.run(report=told.append)
    taught = STEPS // 2 if settings.equal == "steps" else 4
    assert len(source.told) == taught and training.step == (STEPS if settings.equal == "steps" else taught + 5)
    assert training.spent.teacher_macs == taught * BATCH * forward_macs(10)
    assert told[-1].loss == source.losses[-1]


def test_all_and_nothing_of_the_labels(student, sure):
    """alpha 1 trains on the imitation alone."""
    source = Known()
    told = []
    training = transfer(student, Distilled(alpha=1.0), source, replace(SETTINGS, steps=1), 0, given={"teacher": sure})
    training.run(report=told.append)
    assert told[0].loss == source.told[0][1].item() != source.losses[0]


def test_the_penalty_of_a_searched_ticket_stays_whole(drawn):
    """It is no part of what is weighed."""
    searched = SuperTickets(rho=0.1, penalty_stays=True).draw(request(SPEC, settings=SHORT, sparsity=0.5))
    found = []
    for recipe in (Finetune(), Distilled("inherit", alpha=1.0)):
        training = transfer(searched, recipe, ToySource(), SHORT, 0, given={"teacher": drawn})
        batch = training.source.batch("train", 0)
        seen = Pass(*training.network.both(batch["image"]), batch)
        found.append((recipe.loss(training, seen) - recipe.objective(training, seen)).item())
    assert found[0] == pytest.approx(found[1], rel=1e-4) and found[0] > 1e-3


# ---- the teacher


def test_the_teacher_stays_as_it_is_and_in_eval_mode(student, drawn):
    """Batch-norm statistics included (KD-3); its outputs want no gradient."""
    source, before = Known(), drawn.hash
    training = transfer(student, Distilled(), source, SHORT, 0, given={"teacher": drawn})
    network = training.network_of("teacher")

    def digest():
        state = network.state_dict().items()
        return hashlib.sha256(b"".join(name.encode() + t.numpy().tobytes() for name, t in state)).hexdigest()

    states = digest()
    assert any(name.endswith("running_mean") for name in network.state_dict())
    training.run()
    del drawn.__dict__["hash"]
    assert digest() == states and drawn.hash == before
    assert not network.training and not any(p.requires_grad or p.grad is not None for p in network.parameters())
    assert len(source.told) == SHORT.steps and not any(told.requires_grad for told, _ in source.told)
    image = ToySource().batch("train", SHORT.steps - 1)["image"]
    assert torch.equal(drawn.network(source)(image), source.told[-1][0])  # the very images that the ticket saw


def test_under_bfloat16_the_teacher_runs_in_it_too_and_is_compared_in_float32(student, teacher):
    source = Known()
    training = trained(student, Distilled(), teacher, source, replace(SETTINGS, steps=2, precision="bfloat16"))
    assert {told.dtype for told, _ in source.told} == {torch.bfloat16}
    assert {cost.dtype for _, cost in source.told} == {torch.float32} and training.step == 2


def test_the_seam_of_a_checkpoint_is_not_seen():
    """Stopped twice, within the taught part and after it, and the other promises of every recipe."""
    name = "kd@alpha=0.5@reduction=mean@temperature=2@until=0.5"
    verdicts = list(contract.verdicts(contract.Subject(name, RECIPES.make(name), steps=9)))
    assert [one for one in verdicts if one.outcome == "FAILED"] == []
    assert any("stopped twice" in one.detail for one in verdicts)


# ---- what it costs


def test_a_taught_step_is_three_passes_of_the_ticket_and_one_of_the_teacher(student, teacher):
    spent = trained(student, Distilled(), teacher).spent
    assert spent.macs == STEPS * BATCH * (3 * forward_macs(4) + forward_macs(10))
    assert spent.teacher_macs == STEPS * BATCH * forward_macs(10) and spent.images == 2 * STEPS * BATCH


def test_under_equal_macs_the_teacher_is_paid_for_by_fewer_steps(student, teacher):
    """A step and a teacher of the ticket's own size are 4/3 of a step: 9 in place of 12."""
    alone, taught, dearly = (trained(student, *how, settings=EQUAL) for how in (
        (Scratch(),), (Distilled(), student), (Distilled(), teacher),
    ))  # fmt: skip
    assert (alone.step, taught.step, dearly.step) == (STEPS, 9, 7)  # 12 / (1 + 2.5 / 3) = 6.5
    assert alone.spent.macs == taught.spent.macs == STEPS * BATCH * 3 * forward_macs(4)
    assert taught.clock == alone.clock == STEPS
    assert trained(student, Distilled(), student).step == STEPS  # equal steps are steps


def test_a_draw_that_serves_twice_is_paid_for_once(student, teacher):
    """On its own source omp starts from the dense network that teaches it, and a dense ticket teaches itself."""
    found = jobs(config(drawer="omp,dense", source="cls", target="cls", recipe="kd", control="none"))
    dense, omp, pruned, itself = found
    assert pruned.needs == {"ticket": omp, "teacher": dense} and itself.needs == {"ticket": dense, "teacher": dense}
    one, other = (STEPS * BATCH * 3 * forward_macs(width) for width in (4, 10))
    scored = PruneOnce(scorer="snip", batches=1).draw(replace(request(OneConvSpec()), given={"base": student}))
    own = BATCH * 3 * forward_macs(4)
    assert drawing_macs([student, student]) == one
    assert drawing_macs([scored, student]) == drawing_macs([student, scored]) == one + own
    assert drawing_macs([scored, teacher]) == one + own + other


# ---- what is planned, and what is refused


def test_a_teacher_is_drawn_on_the_target_unless_nothing_is_imitated():
    asked = {"drawer": "imp", "control": "none"}
    assert [str(job) for job in jobs(config(recipe="kd_rewind", **asked))] == [
        "draw imp at 0.9 on cls/figures, seed 0",
        "draw dense on seg/figures, seed 0",
        "imp at 0.9 cls/figures -> seg/figures by kd_rewind, seed 0",
    ]
    assert kinds(jobs(config(recipe="kd@alpha=0", **asked))) == {"draw": 1, "transfer": 1}


class Silent(TASKS.load("cls/figures")):
    """A task whose outputs nobody can imitate."""

    imitation = Task.imitation


MSE = {"target": "pose", "scale": "tiny@pose.options.objective=mse"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": "kd@alpha=1.5"}, "recipe kd: alpha is 1.5; it weighs imitation against labels, give a number in"),
        ({"recipe": "kd@temperature=0"}, "recipe kd: temperature is 0.0; it divides logits, give a number above 0"),
        ({"recipe": "kd@until=-1"}, "recipe kd: until is -1.0; it is the share of the training with a teacher, in"),
        ({"recipe": "kd@start=late"}, "recipe kd, option start: Input should be 'initial', 'rewind' or 'inherit'"),
        ({"recipe": "kd_rewind", "drawer": "omp"},
         "the recipe kd_rewind needs a rewind point and the drawer omp keeps none; draw with imp, imp/many_rounds"),
        ({"recipe": "kd@start=rewind", "drawer": "omp"}, "the recipe kd@start=rewind needs a rewind point and the"),
        ({"recipe": "finetune,kd", "target": "seg,cls/silent"},
         "the recipe kd imitates a teacher, and cls/silent defines no imitation of a teacher; leave one of them out."),
        ({"recipe": "kd_finetune@temperature=4", **MSE},
         "pose/figures compares heat maps by their squared distance, on which the temperature of "
         "kd_finetune@temperature=4 does nothing; leave it out."),
    ],
)  # fmt: skip
def test_what_cannot_be_taught_is_refused_in_one_sentence(changes, message, monkeypatch, tmp_path, capsys):
    register(monkeypatch, TASKS, cls__silent=f"{__name__}:Silent")
    monkeypatch.setattr(run, "_located", lambda *args: pytest.fail("looked for data"))
    scale = changes.get("scale", "tiny").split("@")
    asked = {**changes, "scale": scale[0], "home": str(tmp_path / "home")}
    flags = [text for name, value in asked.items() for text in (f"--{name}", value)]
    with pytest.raises(SystemExit) as left:
        console.main(run.app, "python -m bench.run", [*flags, *(f"--set={change}" for change in scale[1:])])
    out, err = capsys.readouterr()
    assert left.value.code == 2 and not out and err.count("\n") == 1 and message in err
    assert not (tmp_path / "home").exists()


def test_all_recipes_are_those_that_the_targets_take(monkeypatch):
    register(monkeypatch, TASKS, cls__silent=f"{__name__}:Silent")
    taken, silent = (config(recipe="all", source="seg", target=one).sweeps[0].recipes for one in ("cls", "cls/silent"))
    assert set(taken) - set(silent) == {"kd", "kd_finetune", "kd/as_released"}


def test_heat_maps_are_imitated_where_no_temperature_is_asked_for():
    assert kinds(jobs(config(recipe="kd,kd@alpha=0.5", drawer="dense", control="none", **MSE))) == {
        "draw": 2, "transfer": 2,
    }  # fmt: skip
    assert RECIPES.traits("kd").imitates and not RECIPES.traits("kd@alpha=0@temperature=4").imitates


def test_a_missing_teacher_is_named(student):
    with pytest.raises(UserError, match=r"^Distilled needs a ticket of 'dense' as its teacher; give one\.$"):
        transfer(student, Distilled(), ToySource(), SETTINGS, 0)
