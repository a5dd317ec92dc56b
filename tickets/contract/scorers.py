"""What every scorer promises, tried on a small supernet with a head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from tickets.contract import registration
from tickets.contract.brightness import SPEC, Brightness
from tickets.contract.promise import Contract, Skipped, require
from tickets.contract.watch import has_hooks, left_alone, other_randomness
from tickets.pruning.masks import keep_top, project
from tickets.scorers import SCORERS
from tickets.scorers.base import Scorer
from tickets.source import Batch, initial_head
from tickets.training.network import Network
from tickets.training.spent import Meter

SPARSITY = 0.8


@dataclass
class Lent(Brightness):
    """The source, which counts the images that it lends to a scorer."""

    images: int = field(default=0, kw_only=True)

    def calibration(self, count: int) -> Iterator[Batch]:
        """Batches, counted."""
        for batch in super().calibration(count):
            self.images += len(batch["image"])
            yield batch


@dataclass(frozen=True, eq=False)
class Subject:
    """A scorer under test.

    Args:
        name: its registered name.
        scorer: the scorer.
    """

    name: str
    scorer: Scorer

    def network(self) -> Network:
        """A fresh network."""
        host = SPEC.initial(0)
        return Network(host, initial_head(Brightness(), host, 0))

    def scores(self, seed: int = 0, sparsity: float = SPARSITY) -> dict[str, Tensor]:
        """The scores of a fresh network."""
        return self.scorer.scores(self.network(), Brightness(), seed, sparsity)


_CONTRACT: Contract[Subject] = Contract()
CHECKS, promise, verdict, verdicts = _CONTRACT.checks, _CONTRACT.promise, _CONTRACT.verdict, _CONTRACT.verdicts


@promise("what planning knows of it is what it says of itself")
def _facts(subject: Subject) -> str:
    return registration.facts(SCORERS, subject.name, subject.scorer)


@promise("odd options are refused in a sentence")
def _options(subject: Subject) -> str:
    return registration.options(SCORERS, subject.name, subject.scorer)


@promise("every prunable weight has finite scores of its shape")
def _form(subject: Subject) -> str:
    network, found = subject.network(), subject.scores()
    weights = network.weights()
    wrong = sorted(weights.keys() ^ found.keys())
    require(not wrong, f"'{(wrong or [''])[0]}' is scored or prunable, and not both")
    for name, weight in weights.items():
        score = found[name]
        require(score.shape == weight.shape, f"the scores of '{name}' are {tuple(score.shape)}, {tuple(weight.shape)}")
        require(score.is_floating_point(), f"the scores of '{name}' are {score.dtype}, no floating-point numbers")
        require(score.device == weight.device, f"the scores of '{name}' lie on {score.device}, not {weight.device}")
        require(score.isfinite().all(), f"{int((~score.isfinite()).sum())} scores of '{name}' are not finite")
        require(not score.requires_grad, f"the scores of '{name}' want gradients; detach them")
    keep_top(found, SPARSITY)
    values = torch.cat([score.flatten().double() for score in found.values()])
    require(values.min() < values.max(), f"all scores are {values[0].item():.4g}")
    return f"{len(values)} weights, {values.min().item():.3g} to {values.max().item():.3g}"


@promise("one seed gives one set of scores, whatever the global random state")
def _repeatable(subject: Subject) -> str:
    first = subject.scores()
    with other_randomness():
        again = subject.scores()
    for name, score in first.items():
        require(torch.equal(score, again[name]), f"'{name}' is scored otherwise the second time; use tickets.seeding")
    return f"{len(first)} weights"


@promise("the network and the random states are left as they were")
def _left_alone(subject: Subject) -> str:
    for training in (True, False):
        network = subject.network().train(training)
        with left_alone(state=network.state_dict(keep_vars=True)):
            subject.scorer.scores(network, Brightness(), 0, SPARSITY)
        mode = "training" if training else "eval"
        kept = all(module.training == training for module in network.modules())
        require(kept, f"a network in {mode} mode is left in the other one; score a copy, network.effective()")
        require(not has_hooks(network), "the network still has a hook")
    return "values, gradients, mode, hooks"


@promise("what it computes is counted")
def _counted(subject: Subject) -> str:
    counted = 0

    def count(images: int) -> None:
        nonlocal counted
        counted += images

    network, source = subject.network(), Lent()
    with Meter(network.host, count).on():
        subject.scorer.scores(network, source, 0, SPARSITY)
    require(
        counted >= source.images,
        f"it was lent {source.images} images, and the network's host has seen {counted}; run a copy of the network, "
        "network.effective(), which is counted",
    )
    return f"{counted} images, {source.images} of them batches; a backward pass counts two"


@promise("weights that are gone score below those that are there")
def _masked(subject: Subject) -> str:
    network = subject.network()
    network.masks = every_other(network)
    project(network, network.masks)
    found = subject.scorer.scores(network, Brightness(), 0, SPARSITY)
    gone = torch.cat([found[name][~mask].flatten() for name, mask in network.masks.items()])
    there = torch.cat([found[name][mask].flatten() for name, mask in network.masks.items()])
    if not len(gone):
        raise Skipped("no weight is gone")
    require(
        bool(there.isfinite().all()) and gone.max() <= there.min(),
        f"a weight that is gone scores {gone.max().item():.4g}, and one that is there {there.min().item():.4g}; end "
        "with tickets.scorers.base.below(scores, network.masking.present(network))",
    )
    return f"{len(gone)} of {len(gone) + len(there)} weights"


def every_other(network: Network) -> dict[str, Tensor]:
    """Masks that half of the weights are gone under, every other one."""
    return {
        name: (torch.arange(weight.numel()) % 2 == 0).view(weight.shape) for name, weight in network.weights().items()
    }
