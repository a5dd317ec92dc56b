"""The checks of drawers, recipes, transforms, hosts, scorers and patterns fail on members that break a promise, and say
which."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch import nn

from tickets import (
    DataScorer,
    Drawer,
    Event,
    Family,
    Finetune,
    HostSpec,
    Need,
    Recipe,
    Traits,
    Transform,
    UserError,
    Whole,
    contract,
)
from tickets.contract.brightness import SPEC
from tickets.drawers.ensemble import Independent
from tickets.drawers.imp import IterativeMagnitude
from tickets.hosts.supernet import Spec
from tickets.patterns.nm import NofM
from tickets.pruning.masks import ones
from tickets.transforms.elastic import Elastic
from tickets.transforms.elastic_permuted import ElasticPermuted
from tickets.transforms.random import Random

SMALLER = {"drawer": {"most": 3}, "recipe": {"steps": 6}, "transform": {"steps": 3}}


def found(noun, member, text, name="mine"):
    """The verdict of the check whose sentence starts so."""
    checks = contract.of(noun)
    (promise,) = [each for each in checks.CHECKS if each.startswith(text)]
    try:
        return checks.verdict(promise, checks.Subject(name, member, **SMALLER.get(noun, {})))
    finally:
        if isinstance(member, (Scribbler, Spoiling)):  # no ticket that they have changed is used again
            contract.of("drawer").drawn_by.cache_clear()


# ---- drawers


@dataclass(frozen=True)
class Greedy(Drawer):
    """Takes one weight more than was asked for."""

    def choose(self, training, sparsity):
        masks = super().choose(training, sparsity)
        first = next(mask for mask in masks.values() if mask.any())
        first.view(-1)[first.flatten().nonzero()[0]] = False
        return masks


@dataclass(frozen=True)
class Moody(Drawer):
    """Scores by chance, from a generator that no training seeds."""

    def scores(self, network, source):
        return {name: w.detach().abs() ** random.random() for name, w in network.weights().items()}


@dataclass(frozen=True)
class Deaf(Drawer):
    """Hears no seed."""

    def network(self, request, before):
        return super().network(replace(request, seed=7), before)

    def begin(self, request, this, before):
        return super().begin(replace(request, seed=7), this, before)


@dataclass(frozen=True)
class Forgetful(Drawer):
    """Keeps what decides the masks in an attribute of the training, which no checkpoint holds."""

    def events(self, steps, sparsity):
        return (Event(0, "note"), *super().events(steps, sparsity))

    def do_note(self, training):
        training.noted = True

    def scores(self, network, source):
        return {n: w.detach().abs() for n, w in network.weights().items()}

    def choose(self, training, sparsity):
        masks = super().choose(training, sparsity)
        return masks if hasattr(training, "noted") else {n: m.flip(0) for n, m in masks.items()}


@dataclass(frozen=True)
class Freeloader(Drawer):
    """Computes before the training that counts."""

    def begin(self, request, this, before):
        training = super().begin(request, this, before)
        for batch in request.source.calibration(2):
            training.network(batch["image"])
        return training


@dataclass(frozen=True)
class Peeker(Drawer):
    """Looks at the test split."""

    def do_evaluate(self, training, label):
        training.scores[label] = training.source.score(training.averaged(), "test")["top1"]


@dataclass(frozen=True)
class Loud(Drawer):
    """Seeds everybody's generator."""

    def scores(self, network, source):
        torch.manual_seed(3)
        return super().scores(network, source)

    def train(self, request):
        training = super().train(request)
        torch.manual_seed(3)
        return training


@dataclass(frozen=True)
class Planless(Drawer):
    """Plans what it cannot do."""

    def events(self, steps, sparsity):
        return (Event(steps, "prun"),)


@dataclass(frozen=True)
class Disordered(Drawer):
    """Plans the last first."""

    def events(self, steps, sparsity):
        return (*super().events(steps, sparsity), Event(0, "reset"))


@dataclass(frozen=True)
class Stingy(Drawer):
    """Prunes at sparsity 0 too."""

    def choose(self, training, sparsity):
        return super().choose(training, max(sparsity, 0.1))


@dataclass(frozen=True)
class Secretive(IterativeMagnitude):
    """Does not say that it rewinds."""

    traits = Traits()


@dataclass(frozen=True)
class Untyped(Drawer):
    """Has an option without a type."""

    factor: object = 1.0


@dataclass(frozen=True)
class Brittle(Drawer):
    """Divides by its option."""

    parts: int = 4

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "share", 1 // self.parts)


@dataclass(frozen=True)
class Scribbler(Drawer):
    """Changes the ticket that it starts from."""

    traits = Traits((Need("base", "dense"),))

    def train(self, request):
        tensor = next(iter(request.given["base"].host.raw.values()))
        tensor.add_(1)
        try:
            return super().train(request)
        finally:
            self.undone(tensor)

    def undone(self, tensor):
        """Nothing."""


@dataclass(frozen=True)
class Selfish(Drawer):
    """Needs itself."""

    traits = Traits((Need("base", "mine"),))


@dataclass(frozen=True)
class Twins(Independent):
    """Takes one member twice."""

    def draw(self, request):
        found = super().draw(request)
        return replace(found, members=(found.members[0], *found.members[:-1]))


@dataclass(frozen=True)
class Thrifty(Independent):
    """Tells what its first member cost alone."""

    def whole(self, request, tickets, spent):
        return super().whole(request, tickets, replace(spent, macs=tickets[0].macs_spent // 2))


@dataclass(frozen=True)
class Unannounced(Independent):
    """Draws sets, and does not say so."""

    @property
    def traits(self):
        return Traits()


@dataclass(frozen=True)
class Announced(Drawer):
    """Says that it draws sets, and draws tickets."""

    traits = Traits(draws_sets=True)


@dataclass(frozen=True)
class Crowded(Drawer):
    """Asks for one ticket where a set is drawn."""

    traits = Traits((Need("base", "dense/ensemble"),))


@pytest.mark.parametrize(
    ("member", "text", "said"),
    [
        (Drawer(), "its masks fit", None),
        (Greedy(), "its masks fit", "is not the 0.8 that was drawn"),
        (Stingy(), "at sparsity 0", "weights are gone"),
        (Moody(), "one request", "when drawn again; draw by tickets.seeding"),
        (Deaf(), "another seed", "seeds 0 and 1 have the same weights"),
        (Forgetful(), "interrupted", "differs after an interruption; keep it in training.memory"),
        (Freeloader(), "what it lets hosts", "images, and"),
        (Peeker(), "nothing is chosen", "it scores test; a drawer may look at val alone"),
        (Loud(), "it leaves alone", "the random state of torch has changed"),
        (Scribbler(), "it leaves alone", "of a given ticket has other values than before"),
        (Planless(), "its rounds", "it plans 'prun'; its do_ methods are for evaluate, prune, reset, save"),
        (Disordered(), "its rounds", "come in the order"),
        (Secretive(), "its ticket is what", "give it Traits(rewinds=True)"),
        (Untyped(), "odd options", "factor=nonsense is taken as a text, where 1.0 is meant"),
        (Brittle(), "odd options", "ZeroDivisionError"),
        (Selfish(), "what planning", "it needs a ticket of itself, as its base"),
        (Independent(members=2), "its members differ", None),
        (Twins(members=2), "its members differ", "members 0 and 1 have the same weights"),
        (Thrifty(members=2), "its members differ", "MACs, its members ["),
        (Unannounced(members=2), "its ticket is what", "give it Traits(draws_sets=True)"),
        (Announced(), "its ticket is what", "and this is one ticket; let draw give a TicketSet"),
        (Crowded(), "its masks fit", "it needs one ticket, and dense/ensemble draws a set"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Drawer) else "",
)
def test_drawers(member, text, said):
    verdict = found("drawer", member, text)
    assert verdict.outcome == ("FAILED" if said else "passed"), verdict
    assert not said or said in verdict.detail


def test_the_table_of_drawers_and_the_class_must_agree():
    verdict = found("drawer", Secretive(), "what planning", name="imp")
    assert verdict.outcome == "FAILED" and verdict.detail.startswith("rewinds: the table of drawers says Traits(")


# ---- recipes


class Reviving(Finetune):
    """Lets pruned weights live."""

    def events(self, steps, sparsity):
        return (Event(1, "free"),)

    def do_free(self, training):
        training.set_masks(ones(training.network.weights()))


class Diverging(Finetune):
    """Has a loss that is no number."""

    def loss(self, training, seen):
        return super().loss(training, seen) * float("nan")


class Climbing(Finetune):
    """Goes uphill."""

    def on_gradient(self, training):
        for parameter in training.network.parameters():
            parameter.grad.neg_()


class Detached(Finetune):
    """Trains the head alone and does not say so."""

    def loss(self, training, seen):
        return training.source.loss(training.network.head([m.detach() for m in seen.maps]), seen.batch)


class Sharing(Finetune):
    """Gives the ticket's own tensors away."""

    def host(self, ticket, seed):
        host = super().host(ticket, seed)
        for name, parameter in host.named_parameters():
            parameter.data = ticket.host.raw[name]
        return host


class Chancy(Finetune):
    """Starts anywhere."""

    def host(self, ticket, seed):
        return ticket.spec.build(ticket.host.units)


class Resized(Finetune):
    """Starts from another architecture."""

    def host(self, ticket, seed):
        return replace(ticket.spec, stem=16).initial(seed)


@dataclass(frozen=True)
class Borrowing(Finetune):
    """Asks a teacher without counting it."""

    traits = Traits((Need("teacher", "dense", "target"),))
    counted: bool = False
    asks: bool = True

    def loss(self, training, seen):
        loss = super().loss(training, seen)
        if not self.asks:
            return loss
        given = training.network_of("teacher") if self.counted else training.given["teacher"].network(training.source)
        with torch.no_grad():
            given(seen.batch["image"])
        return loss


class Uninvited(Finetune):
    """Takes a ticket that it does not need."""

    def loss(self, training, seen):
        training.network_of("teacher")
        return super().loss(training, seen)


class Volatile(Finetune):
    """Counts its steps where no checkpoint holds them."""

    def loss(self, training, seen):
        training.aside["seen"] = training.aside.get("seen", 0) + 1
        return super().loss(training, seen) * (1 + training.aside["seen"])


@pytest.mark.parametrize(
    ("member", "text", "said"),
    [
        (Finetune(), "pruned weights", None),
        (Reviving(), "pruned weights", "is not the ticket's any more"),
        (Diverging(), "its loss is finite", "the loss of a fresh head is nan"),
        (Detached(), "its loss is finite", "no gradient reaches the host"),
        (Climbing(), "it learns", "its loss on the target's training images goes from"),
        (Sharing(), "it starts", "holds the ticket's own tensors"),
        (Chancy(), "it starts", "the random state of torch has changed"),
        (Resized(), "it starts", "is not as in the ticket"),
        (Borrowing(), "what it lets networks", "take them by training.network_of(role)"),
        (Borrowing(counted=True), "what it lets networks", None),
        (Borrowing(asks=False), "it uses the tickets", "was drawn for it and computes nothing"),
        (Uninvited(), "it learns", "unknown role of a given ticket 'teacher'"),
        (Volatile(), "interrupted", "keep what changes in training.memory"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Recipe) else "",
)
def test_recipes(member, text, said):
    verdict = found("recipe", member, text)
    assert verdict.outcome == ("FAILED" if said else "passed"), verdict
    assert not said or said in verdict.detail


# ---- transforms


class Spoiling(Transform):
    """Changes its input."""

    def apply(self, ticket, seed):
        next(iter(ticket.host.raw.values())).mul_(2)
        return ticket.with_masks(ticket.host.masks, transform="spoiling")


class Same(Transform):
    """Does nothing."""

    def apply(self, ticket, seed):
        return ticket


class Unsound(Transform):
    """Forgets to say that it keeps fewer."""

    def apply(self, ticket, seed):
        masks = {
            name: mask & (torch.arange(mask.numel()).view(mask.shape) % 2 == 0)
            for name, mask in ticket.host.masks.items()
        }
        return ticket.with_masks(masks, transform="unsound")


class Tossing(Random):
    """Draws from everybody's generator."""

    def apply(self, ticket, seed):
        return super().apply(ticket, int(torch.randint(1000, ())))


class Idle(Transform):
    """A control that controls nothing."""

    traits = Traits(is_control=True)

    def apply(self, ticket, seed):
        return replace(ticket, provenance={**ticket.provenance, "transform": "idle"})


class Staying(Transform):
    """Draws from another host, and forgets to carry its tickets over."""

    traits = Traits(draws_from="supernet/tiny")

    def apply(self, ticket, seed):
        return ticket.with_masks(ticket.host.masks, transform="staying")


@dataclass(frozen=True)
class Silent(Elastic):
    """Tells a sparsity that nobody counted."""

    def onto(self, ticket, seed, spec):
        made = super().onto(ticket, seed, spec)
        return replace(made, provenance={**made.provenance, "sparsity": 0.5})


@dataclass(frozen=True)
class Uneven(ElasticPermuted):
    """A control that keeps as many weights as its seed says."""

    def onto(self, ticket, seed, spec):
        made = super().onto(ticket, seed, spec)
        name, mask = next(iter(made.host.masks.items()))
        fewer = mask & (torch.arange(mask.numel()).view(mask.shape) >= seed * mask.numel())
        return made.with_masks({**made.host.masks, name: fewer})


@pytest.mark.parametrize(
    ("member", "text", "said"),
    [
        (Staying(), "what it makes is of the host", "it makes a ticket of Spec(stem=8"),
        (Silent(), "what it makes is of the host", "the ticket tells a sparsity of 0.5 and has 0."),
        (Silent(), "it makes another", "is not the 0.5 that was drawn"),
        (Uneven(), "it is a control", "weights, and of another seed"),
        (ElasticPermuted(), "it is a control", None),
        (Random(), "it is a control", None),
        (Spoiling(), "it leaves", "of a given ticket has other values than before"),
        (Same(), "it makes another", "it makes the very ticket that it was given"),
        (Unsound(), "it makes another", "is not the 0.8 that was drawn"),
        (Tossing(), "one seed", "it makes another ticket the second time"),
        (Unsound(), "it is a control", None),
        (Idle(), "it is a control", "controls nothing"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Transform) else "",
)
def test_transforms(member, text, said):
    verdict = found("transform", member, text)
    assert verdict.outcome == ("FAILED" if said else "passed"), verdict
    assert not said or said in verdict.detail


def test_a_transform_between_hosts_that_are_not_here_is_not_tried():
    class Elsewhere(Elastic):
        def onto(self, ticket, seed, spec):
            raise UserError("these are no spiking hosts.")

    verdict = found("transform", Elsewhere(), "it makes another")
    assert verdict.outcome == "skipped" and verdict.detail.endswith("to a deeper one: these are no spiking hosts.")


# ---- hosts


class Plain(nn.Module):
    """Two convolutions; what each test breaks is an attribute of its spec."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec
        self.conv, self.other = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(4, 8, 2, 2)
        self.features = [(4, 4), (spec.said, 8)]
        if spec.loose:
            self.loose = nn.Linear(2, 2)

    def forward(self, image):
        """Two maps."""
        fine = torch.relu(self.conv(image))
        weight = self.other.weight
        coarse = nn.functional.conv2d(fine, weight, self.other.bias, 2) if self.spec.loose else self.other(fine)
        return [fine, coarse]


@dataclass(frozen=True)
class PlainSpec(HostSpec):
    """Its spec."""

    kind = "mine"
    said: int = 8
    loose: bool = False
    chance: bool = False
    names: tuple[str, ...] = ()

    def build(self, units=None):
        """A new one."""
        return Plain(self)

    def initial(self, seed, units=None):
        """First weights."""
        return self.build() if self.chance else super().initial(seed, units)


@dataclass(frozen=True)
class Regrown(Spec):
    """A supernet that is always built whole."""

    def build(self, units=None):
        """All units."""
        return super().build(None)


@dataclass(frozen=True)
class Related(Spec):
    """A supernet that takes blocks of different widths for copies of each other."""

    def family(self):
        """All blocks of a stage."""
        return Family({}, {"0": ("branches.0.0.0", "fuses.0")})


@pytest.mark.parametrize(
    ("member", "text", "said"),
    [
        *(
            (PlainSpec(), text, None)
            for text in ("its maps", "gradients", "its first", "what it computes", "it is rebuilt")
        ),
        (PlainSpec(said=9), "its maps", "its features say"),
        (PlainSpec(loose=True), "gradients", "no gradient reaches 'loose.weight'"),
        (PlainSpec(loose=True), "what it computes", "2 prunable weights are in no layer that runs, as 'other.weight'"),
        (PlainSpec(chance=True), "its first", "one seed gives two 'conv.weight'"),
        (PlainSpec(names=("a",)), "it survives", "is read back as"),
        (SPEC, "units that", None),
        (Regrown(SPEC.stem, SPEC.stages, SPEC.expansion), "units that", "is not as it was when rebuilt"),
        (SPEC, "its blocks that repeat", None),
        (Related(SPEC.stem, SPEC.stages, SPEC.expansion), "its blocks that repeat", "stage 0 have different tensors"),
        (SPEC, "what planning", "its kind is 'supernet', and it is named mine"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, HostSpec) else "",
)
def test_hosts(member, text, said):
    verdict = found("host", member, text)
    assert verdict.outcome == ("FAILED" if said else "passed"), verdict
    assert not said or said in verdict.detail


# ---- scorers


@dataclass(frozen=True)
class Slope(DataScorer):
    """The size of the gradient; what each test breaks is an option."""

    batches: int = 1
    wrong: str = ""
    kept: dict = field(default_factory=dict)

    def scores(self, network, source, seed, sparsity):
        """|dL/dw|."""
        twin = network.effective()
        if self.wrong == "uncounted":
            twin.host._forward_hooks.clear()
        if self.wrong == "gradients":
            twin = network
        if self.wrong == "mode":
            network.eval()
        weights = twin.weights()
        (batch,) = source.calibration(1)
        loss = source.loss(twin(batch["image"]), batch)
        if self.wrong == "gradients":
            loss.backward()
        slopes = [w.grad for w in weights.values()]
        if self.wrong != "gradients":
            slopes = torch.autograd.grad(loss, [*weights.values()])
        scores = {name: slope.abs() for name, slope in zip(weights, slopes, strict=True)}
        if self.wrong == "nan":
            next(iter(scores.values())).view(-1)[0] = torch.nan
        if self.wrong == "missing":
            scores.popitem()
        if self.wrong == "chance":
            scores = {name: torch.rand_like(score) for name, score in scores.items()}
        if self.wrong == "flat":
            scores = {name: torch.ones_like(score) for name, score in scores.items()}
        return scores


@pytest.mark.parametrize(
    ("wrong", "text", "said"),
    [
        ("", "every prunable", None),
        ("nan", "every prunable", "1 scores of 'host.stem.0.weight' are not finite"),
        ("missing", "every prunable", "is scored or prunable, and not both"),
        ("flat", "every prunable", "all scores are 1"),
        ("chance", "one seed", "is scored otherwise the second time"),
        ("gradients", "the network", "is left with a gradient"),
        ("mode", "the network", "is left in the other one"),
        ("uncounted", "what it computes", "it was lent 8 images, and the network's host has seen 0"),
        ("", "what it computes", None),
        ("", "weights that are gone", "end with tickets.scorers.base.below"),
    ],
)
def test_scorers(wrong, text, said):
    verdict = found("scorer", Slope(wrong=wrong), text)
    assert verdict.outcome == ("FAILED" if said else "passed"), verdict
    assert not said or said in verdict.detail


# ---- patterns


@dataclass(frozen=True)
class Rows(Whole):
    """Rows of a kernel; what each test breaks is an option."""

    wrong_is: str = ""

    def grouping(self, name, shape):
        """(rows, width)."""
        if self.wrong_is == "refuses":
            raise UserError("no")
        groups = torch.arange(torch.Size(shape).numel()).view(-1, shape[-1])
        return groups[1:] if self.wrong_is == "hole" else groups

    def masks(self, scores, sparsity, allocation):
        """One group more, or the lowest."""
        if self.wrong_is == "lowest":
            scores = {name: -score for name, score in scores.items()}
        masks = super().masks(scores, sparsity, allocation)
        if self.wrong_is == "count" and sparsity:
            next(iter(masks.values())).view(-1, 3)[:2] = True
        return masks

    def wrong(self, masks, sparsity):
        """Nothing, perhaps."""
        return None if self.wrong_is in ("blind", "count") else super().wrong(masks, sparsity)

    def shuffled(self, name, mask, generator):
        """Weights, not groups, perhaps."""
        if self.wrong_is == "torn":
            return mask.flatten()[torch.randperm(mask.numel(), generator=generator)].view(mask.shape)
        return super().shuffled(name, mask, generator)


@pytest.mark.parametrize(
    ("member", "text", "said"),
    [
        *((Rows(), text, None) for text in contract.of("pattern").CHECKS),
        (Rows("hole"), "its groups", "3 of 216 positions of a weight of (8, 3, 3, 3) are in no group"),
        (Rows("refuses"), "its groups", "it refuses weights of all shapes"),
        (Rows("count"), "its masks", "groups are gone at sparsity 0.5"),
        (Rows("lowest"), "the highest", "a group of mean score"),
        (Rows("blind"), "it notices", "entry 0 of a mask of (8, 3, 3, 3) was turned over, and `wrong` finds nothing"),
        (Rows("torn"), "shuffled", "cuts through a group"),
        (NofM(1, 7), "its groups", "it refuses weights of all shapes"),
    ],
    ids=lambda value: getattr(value, "wrong_is", ""),
)
def test_patterns(member, text, said):
    verdict = found("pattern", member, text)
    assert verdict.outcome == ("FAILED" if said else "passed"), verdict
    assert not said or said in verdict.detail
