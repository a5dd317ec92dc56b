"""Hand values of tests/plugins, and members asked for what they cannot do: one sentence, exit code 2."""

import importlib
import sys
from types import SimpleNamespace

import pytest
import torch
from sites import ROOT
from toy import SPEC, ToySource

from bench import run
from bench.command import console
from tickets import Request, Settings, Ticket, Training, UserError
from tickets.pruning.allocation import allocate

FOLDER = ROOT / "tests" / "plugins"


@pytest.fixture
def plugin(monkeypatch):
    """Imports one of the plug-ins by its module's name."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(FOLDER) in sys.modules[name].__file__:
            del sys.modules[name]


def rewired(plugin, gradient, weights=(0.5, -0.1, 0.3, 0, 0, 0), mask=(1, 1, 1, 0, 0, 0), share=1 / 3):
    """The mask and an optimiser's moment (ones before) of a layer after RigL's exchange."""
    weight = torch.nn.Parameter(torch.tensor(weights, dtype=torch.float32))
    weight.grad = None if gradient is None else torch.tensor(gradient, dtype=torch.float32)
    network = SimpleNamespace(masks={"w": torch.tensor(mask, dtype=torch.bool)}, weights=lambda: {"w": weight})
    moment, found = torch.ones_like(weight), {}
    optimizer = SimpleNamespace(state={weight: {"step": torch.tensor(3.0), "exp_avg": moment}})
    training = SimpleNamespace(network=network, seed=0, step=7, optimizer=optimizer, set_masks=found.update)
    plugin("rigl").RigL().do_rewire(training, share)
    return found["w"].int().tolist(), moment.int().tolist()


def test_rigl_drops_the_smallest_and_grows_where_the_gradient_is_largest(plugin):
    """By hand: of three weights one goes, -.1; the largest gradient elsewhere is -.7."""
    assert rewired(plugin, [9, 0.05, 9, 0.1, -0.7, 0.2]) == ([1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 0, 0])
    assert rewired(plugin, [9, 0.9, 9, 0.1, -0.7, 0.2]) == ([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0])  # and back again


def test_rigl_keeps_the_count_where_gradients_are_zero_or_equal(plugin):
    g = torch.Generator().manual_seed(0)
    for _ in range(100):
        count = int(torch.randint(2, 40, (), generator=g))
        mask = (torch.rand(count, generator=g) < 0.5).int()
        weights = (torch.randn(count, generator=g).round() * mask).tolist()
        gradient = torch.randn(count, generator=g).round().tolist() if count % 3 else None
        found, _ = rewired(plugin, gradient, weights, mask.tolist(), 0.8)
        assert sum(found) == int(mask.sum())


def test_rigl_exchanges_along_a_cosine_and_stops(plugin):
    """By hand: .3 at the start, half of it at half the way to the stop, nothing from there on."""
    first, *rest = plugin("rigl").RigL(interval=0.125).events(80, 0.9)
    assert (first.step, first.do) == (0, "prune") and [event.step for event in rest] == [10, 20, 30, 40, 50]
    assert {event.step: event.to["share"] for event in rest}[30] == pytest.approx(0.15)
    shares = [event.to["share"] for event in rest]
    assert shares == sorted(shares, reverse=True) and shares[0] == pytest.approx(0.15 * (1 + 3**0.5 / 2))


def test_the_law_of_rigls_densities(plugin):
    """By hand: at density .2, layers of 108, 32 and 16 weights keep 10.96, 11.81 and 8.43 of 31."""
    shapes = {"a": (4, 3, 3, 3), "b": (8, 4, 1, 1), "c": (2, 8)}
    masks = allocate({name: torch.rand(shape) for name, shape in shapes.items()}, 0.8, plugin("rigl").RigL().allocation)
    assert [int(mask.sum()) for mask in masks.values()] == [11, 12, 8]


def test_rigl_on_a_network(plugin, monkeypatch):
    """Every layer's count stays from step 0 on; what has just come is zero; other weights are kept at the end."""
    seen, set_masks = [], Training.set_masks

    def watched(training, masks):
        before = training.network.masks
        set_masks(training, masks)
        weights = training.network.weights()
        assert all(not (weights[n] * (masks[n] & ~before[n])).any() for n in before)
        seen.append({name: mask.clone() for name, mask in masks.items()})

    monkeypatch.setattr(Training, "set_masks", watched)
    settings = Settings(40, 0.05, calibration_batches=1)
    ticket = plugin("rigl").RigL(interval=0.1).draw(Request(SPEC, ToySource(), settings, 0.8, 0))
    counts = [{name: int(mask.sum()) for name, mask in masks.items()} for masks in seen]
    assert len(seen) == 8 and all(count == counts[0] for count in counts)
    assert sum(bool((seen[0][name] != seen[-1][name]).any()) for name in seen[0]) > len(seen[0]) / 2
    assert ticket.prunable - ticket.kept == round(0.8 * ticket.prunable)


def test_fisher_by_hand(plugin):
    """One linear weight w = 2 on the images' mean; loss is w times it, so each batch adds (mean * w)^2."""
    linear = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(linear.weight, 2.0)
    batches = [{"image": torch.full((3, 1), value)} for value in (1.0, 3.0)]
    network = SimpleNamespace(effective=lambda: Twin(linear))
    source = SimpleNamespace(calibration=lambda count: batches[:count], loss=lambda outputs, batch: outputs.mean())
    assert plugin("fisher").Fisher(batches=2).scores(network, source, 0, 0.5)["w"].item() == pytest.approx(4 + 36)


class Twin(torch.nn.Module):
    """A network of one layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, image):
        """The layer's output."""
        return self.layer(image)

    def weights(self):
        """Its weight."""
        return {"w": self.layer.weight}


def test_distillation_by_hand(plugin):
    """Teacher (2 ln 3, 0), ticket (0, 0), T = 2, alpha = .5: T^2 KL = .523248, and the loss ln 2 halved beside it."""
    told = torch.tensor([[2 * torch.log(torch.tensor(3.0)), 0.0]])
    source = SimpleNamespace(loss=lambda outputs, batch: torch.log(torch.tensor(2.0)))
    training = SimpleNamespace(network_of=lambda role: lambda image: told, source=source, aside={})
    seen = SimpleNamespace(outputs=torch.zeros(1, 2), batch={"image": None})
    found = plugin("distil").Distil(temperature=2.0, alpha=0.5).loss(training, seen)
    assert float(found) == pytest.approx(0.608198, abs=1e-5)


def test_weights_are_dealt_among_the_kept_places(plugin):
    rigl = plugin("rigl").RigL()
    ticket = rigl.draw(Request(SPEC, ToySource(), Settings(4, 0.05, calibration_batches=1), 0.8, 0))
    dealt, moved = plugin("dealt").Dealt().apply(ticket, 0), 0
    for name, mask in ticket.host.masks.items():
        kept, before = dealt.host.raw[name][mask], ticket.host.raw[name][mask]
        assert torch.equal(dealt.host.masks[name], mask) and torch.equal(kept.sort()[0], before.sort()[0])
        moved += int((kept != before).sum())
    assert moved > ticket.kept / 2 and isinstance(dealt, Ticket) and not dealt.host.ema and not dealt.head.raw


def test_two_of_four_lie_along_inputs_or_outputs(plugin):
    pattern = plugin("along_inputs").AlongInputs()
    assert pattern.grouping("w", (2, 4, 1, 2))[:2].tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]
    assert pattern.grouping("w", (4, 3)).tolist() == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
    with pytest.raises(UserError, match=r"does not divide 'w': neither 3 inputs nor 5 outputs are a multiple of 4"):
        pattern.grouping("w", (5, 3))


@pytest.mark.parametrize("options", [{"pattern": "2:4"}, {"semantics": "reparam"}], ids=str)
def test_rigl_refuses_what_has_no_single_weights_or_no_gradients(plugin, options):
    with pytest.raises(UserError, match="single weights by dense gradients; leave semantics and pattern"):
        plugin("rigl").RigL(**options)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            ("--drawer", "omp@pattern=2:4", "--sparsity", "0.9"),
            "the pattern 2:4 keeps 2 of 4 weights, which is sparsity 0.5, and 0.9 was asked for; give --sparsity 0.5.",
        ),
        (
            ("--drawer", "omp", "--set", "drawers.omp.pattern=2:4", "--sparsity", "0.9"),
            "the pattern 2:4 keeps 2 of 4 weights, which is sparsity 0.5, and 0.9 was asked for; give --sparsity 0.5.",
        ),
        (
            ("--drawer", "stp/magnitude", "--set", "drawers.stp.pattern=2:4", "--sparsity", "0.5"),
            "--set changes what stp/magnitude needs, which its name alone may say; give the option behind the name, as "
            "in --drawer stp/magnitude@option=value.",
        ),
        (
            ("--drawer", "omp@pattern=2:4", "--sparsity", "0.5", "--host", "supernet/tiny@stem=5"),
            "the pattern 2:4 does not divide 'stem.0.weight', whose 135 weights (shape [5, 3, 3, 3]) are no multiple "
            "of 4; choose another pattern, or another host.",
        ),
        (("--drawer", "gmp@start=soon"), "drawer gmp, option start: Input should be a valid number, unable to parse"),
        (("--drawer", "gmp@strat=0.1"), "unknown option of the drawer gmp 'strat'. Did you mean 'start'? Known: "),
        (("--recipe", "finetune@rate=1"), "unknown option of the recipe finetune 'rate'. Known: none."),
        (("--source", "cls@pipeline=fool"), "task cls/figures: unknown pipeline 'fool'. Did you mean 'full'?"),
        (("--drawer", "omp@pattern=3:4"), "unknown pattern '3:4'. Did you mean"),
        (("--drawer", "omp@scorer=snipp"), "unknown scorer 'snipp'. Did you mean 'snip'?"),
        (("--drawer", "gmp@"), "'gmp@' is no drawer with options; write imp@rounds=5."),
    ],
    ids=lambda value: "-".join(value).lstrip("-") if isinstance(value, tuple) else "",
)
def test_what_cannot_be_asked_for_is_refused_in_one_sentence(asked, told, capsys, tmp_path):
    with pytest.raises(SystemExit) as left:
        console.main(run.app, "bench.run", [*asked, "--home", str(tmp_path / "home")])
    (line,) = capsys.readouterr().err.splitlines()
    assert left.value.code == 2 and told in line and not (tmp_path / "home").exists()
