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


def swapped(plugin, weights, mask, share):
    """The mask of a layer after an exchange."""
    weight = torch.nn.Parameter(torch.tensor(weights, dtype=torch.float32))
    network = SimpleNamespace(masks={"w": torch.tensor(mask, dtype=torch.bool)}, weights=lambda: {"w": weight})
    found = {}
    training = SimpleNamespace(network=network, seed=0, step=7, set_masks=found.update)
    plugin("swap").Swap().do_swap(training, share)
    return found["w"].int().tolist()


def test_swap_drops_the_smallest_and_lets_one_of_the_others_come(plugin):
    """By hand: of three weights one goes, -.1; of three positions one comes; where none is free nothing changes."""
    found = swapped(plugin, (0.5, -0.1, 0.3, 0, 0, 0), (1, 1, 1, 0, 0, 0), 1 / 3)
    assert found[:3] == [1, 0, 1] and sum(found[3:]) == 1
    assert swapped(plugin, (0.5, -0.1, 0.3), (1, 1, 1), 1 / 3) == [1, 1, 1]


def test_swap_on_a_network(plugin, monkeypatch):
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
    ticket = plugin("swap").Swap().draw(Request(SPEC, ToySource(), settings, 0.8, 0))
    counts = [{name: int(mask.sum()) for name, mask in masks.items()} for masks in seen]
    assert len(seen) == 10 and all(count == counts[0] for count in counts)
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
    ticket = plugin("swap").Swap().draw(Request(SPEC, ToySource(), Settings(4, 0.05, calibration_batches=1), 0.8, 0))
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


def test_swap_refuses_what_has_no_single_weights(plugin):
    with pytest.raises(UserError, match=r"^swap exchanges single weights, and the pattern is 2:4; leave pattern as"):
        plugin("swap").Swap(pattern="2:4")


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
