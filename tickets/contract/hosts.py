"""What every host promises, tried on noise of two sizes."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from tickets.contract import registration
from tickets.contract.brightness import Pool
from tickets.contract.promise import Contract, Skipped, require
from tickets.contract.watch import left_alone, other_randomness
from tickets.cost import dense_macs, layer_costs
from tickets.errors import UserError
from tickets.hosts import HOSTS
from tickets.hosts.base import HostSpec, features_of, given_to, latent_of, timesteps_of
from tickets.pruning.masks import keep_top, prunable
from tickets.search.searchable import live_units, search_blocks
from tickets.search.surgery import live_units_mask, shrink
from tickets.seeding import generator, seeded
from tickets.ticket import Ticket, part_of
from tickets.training.ema import Ema
from tickets.training.network import Network

SIZES = ((64, 64), (64, 96))
CLOSE = 1e-4
"""How far maps may be from each other, of the largest value, that were computed in another order."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A host under test.

    Args:
        name: its registered name.
        spec: the host before any drawing.
    """

    name: str
    spec: HostSpec

    @cached_property
    def host(self) -> nn.Module:
        """The host with its first weights, in eval mode; not to be changed."""
        return self.spec.initial(0).eval()

    def network(self) -> Network:
        """A fresh host with a head."""
        host = self.spec.initial(0)
        with seeded(0, "contract"):
            return Network(host, Pool(features_of(host)))


_CONTRACT: Contract[Subject] = Contract()
CHECKS, promise, verdict, verdicts = _CONTRACT.checks, _CONTRACT.promise, _CONTRACT.verdict, _CONTRACT.verdicts


def _noise(host: nn.Module, size: tuple[int, int], count: int = 2) -> Tensor:
    """What the host is given for images of a size."""
    return torch.randn(count, *given_to(host, size), generator=generator(0, "contract"))


@promise("what planning knows of it is what it says of itself")
def _facts(subject: Subject) -> str:
    kind, units = subject.spec.kind, any(block.units for block in search_blocks(subject.host).values())
    first = subject.name.partition("/")[0].partition("@")[0]
    require(kind == first, f"its kind is '{kind}', and it is named {subject.name}; tickets are read by the first part")
    said = subject.spec.traits.has_units
    require(said == units, f"its traits say has_units={said}, and it has {'' if units else 'no '}units to search")
    taken = "image" if latent_of(subject.host) is None else "latent"
    takes = subject.spec.traits.takes
    require(takes == taken, f"its traits say takes={takes}, and it takes {taken}s")
    said, steps = subject.spec.traits.has_timesteps, timesteps_of(subject.host)
    require(said == (steps is not None), f"its traits say has_timesteps={said}, and its timesteps are {steps}")
    return registration.facts(HOSTS, subject.name, subject.spec)


@promise("odd options are refused in a sentence")
def _options(subject: Subject) -> str:
    return registration.options(HOSTS, subject.name, subject.spec)


@promise("it survives being written down")
def _json(subject: Subject) -> str:
    told = json.loads(json.dumps(subject.spec.to_json(), allow_nan=False))
    back = type(subject.spec).from_json({key: value for key, value in told.items() if key != "kind"})
    require(back == subject.spec, f"{subject.spec} is read back as {back}")
    require(told.get("kind") == subject.spec.kind, f"it is written down as a {told.get('kind')}")
    return ", ".join(told)


@promise("its maps are as its features say, at any input size")
def _features(subject: Subject) -> str:
    features = features_of(subject.host)
    for size in SIZES:
        with torch.no_grad():
            maps = subject.host(_noise(subject.host, size))
        shapes = [tuple(one.shape) for one in maps]
        expected = [(2, width, -(-size[0] // stride), -(-size[1] // stride)) for width, stride in features]
        require(shapes == expected, f"2 images of {size} give maps {shapes}; its features say {expected}")
        require(all(one.isfinite().all() for one in maps), f"maps of {size} are not finite")
    return ", ".join(f"{width} channels at 1/{stride}" for width, stride in features)


@promise("gradients reach every parameter")
def _gradients(subject: Subject) -> str:
    host = subject.spec.initial(0).train()
    with torch.no_grad():  # scales that begin at zero, as a residual path's last, let no gradient through
        for parameter in host.parameters():
            if not parameter.any():
                parameter.fill_(1)
    maps = host(_noise(host, SIZES[0]))
    g = generator(1, "contract")
    torch.stack([(one * torch.randn(one.shape, generator=g)).sum() for one in maps]).sum().backward()
    trained = {name: p for name, p in host.named_parameters() if p.requires_grad}
    for name, parameter in trained.items():
        require(parameter.grad is not None and parameter.grad.any(), f"no gradient reaches '{name}'; leave it out")
        require(parameter.grad.isfinite().all(), f"the gradient of '{name}' is not finite")  # type: ignore[union-attr]  # the line above
    return f"{sum(p.numel() for p in trained.values()):,} parameters"


@promise("its first weights are decided by the seed alone")
def _initial(subject: Subject) -> str:
    first = subject.host.state_dict()
    with other_randomness():
        again = subject.spec.initial(0).state_dict()
    differs = [name for name in first if name not in again or not torch.equal(first[name], again[name])]
    require(not differs, f"one seed gives two '{(differs or [''])[0]}'; draw from torch's global generator alone")
    with left_alone():
        other = subject.spec.initial(1).state_dict()
    if all(torch.equal(first[name], other[name]) for name in first):
        raise Skipped("its first weights are the same at all seeds, which is right only where they come from a file")
    return f"{len(first)} tensors"


@promise("what it computes is counted, every prunable weight of it")
def _costs(subject: Subject) -> str:
    costs = layer_costs(subject.spec.build(), SIZES[0])
    run = {f"{layer.name}.weight" for layer in costs}
    unseen = [name for name in prunable(subject.host) if name not in run]
    require(
        not unseen, f"{len(unseen)} prunable weights are in no layer that runs, as '{(unseen or [''])[0]}'; call layers"
    )
    require(costs and all(layer.macs > 0 for layer in costs), "a layer has no MACs")
    return f"{dense_macs(costs):,} MACs in {len(run)} layers at {SIZES[0][0]}x{SIZES[0][1]}"


@promise("it is rebuilt from its units")
def _units(subject: Subject) -> str:
    rebuilt = subject.spec.build(live_units(subject.host)).eval()
    _same_maps(subject.host, rebuilt, "rebuilt from all its units")
    return f"{sum(sum(block.units.values()) for block in search_blocks(subject.host).values())} units"


@promise("units that a search cuts are cut exactly, and what is left is rebuilt")
def _searched(subject: Subject) -> str:
    if not subject.spec.traits.has_units:
        raise Skipped("it has no units to search")
    network = subject.network()
    cut = _kill(network)
    before = _maps(network.host)
    ema, optimizer = Ema(network, 0.9), torch.optim.Adam(network.parameters())
    shrink(network, ema, optimizer, live_units_mask(network, ema, 0.0, by_average=False))
    left = sum(sum(block.units.values()) for block in search_blocks(network).values())
    _close(before, _maps(network.host), "with the dead units cut off")
    rebuilt = subject.spec.build(live_units(network.host)).eval()
    _same_maps(network.host, rebuilt, "rebuilt from the units that are left")
    costs = layer_costs(network.host, SIZES[0])
    require(dense_macs(costs) < dense_macs(layer_costs(subject.host, SIZES[0])), "its costs have not fallen")
    return f"{cut} units cut, {left} left"


@torch.no_grad()
def _kill(network: Network) -> int:
    """Set gammas to zero: all of the first block, every other one of the rest; how many."""
    count, g = 0, generator(2, "contract")
    for parameter in network.host.parameters():
        if parameter.dim() == 1:  # scales and shifts that are not all alike
            parameter.copy_(torch.rand(parameter.shape, generator=g) + 0.5)
    for number, block in enumerate(search_blocks(network).values()):
        dead = torch.arange(len(block.gamma)) % 2 == 1 if number else torch.ones(len(block.gamma), dtype=torch.bool)
        block.gamma[dead] = 0
        count += int(dead.sum())
    return count


@torch.no_grad()
def _maps(host: nn.Module) -> list[Tensor]:
    maps: list[Tensor] = host.eval()(_noise(host, SIZES[0]))
    return maps


def _same_maps(one: nn.Module, other: nn.Module, when: str) -> None:
    """Give another host one's tensors and refuse it where it does not fit or computes something else."""
    state, own = one.state_dict(), other.state_dict()
    shapes, expected = ({name: t.shape for name, t in tensors.items()} for tensors in (own, state))
    wrong = sorted(n for n in shapes.keys() | expected.keys() if shapes.get(n) != expected.get(n))
    require(not wrong, f"'{(wrong or [''])[0]}' is not as it was when {when}")
    other.load_state_dict(state)
    _close(_maps(one), _maps(other), when)


def _close(one: list[Tensor], other: list[Tensor], when: str) -> None:
    far = max(float((a - b).abs().max() / a.abs().max().clamp_min(1e-12)) for a, b in zip(one, other, strict=True))
    require(far < CLOSE, f"its maps are off by {far:.2g} of the largest value {when}")


@promise("a ticket of it survives the disk")
def _saved(subject: Subject) -> str:
    if not registration.is_registered(HOSTS, subject.name):
        raise Skipped(f"{subject.name} is not registered, so no ticket of it can be read")
    host = subject.host
    masks = keep_top({name: weight.detach().abs() for name, weight in prunable(host).items()}, 0.8)
    ticket = Ticket(subject.spec, part_of(host, host, masks))
    with tempfile.TemporaryDirectory(prefix="ticketbench-") as folder:
        ticket.save(Path(folder) / "ticket")
        back = Ticket.load(Path(folder) / "ticket")
    require(back.spec == subject.spec and back.hash == ticket.hash, "it is not read back as it was")
    return f"{ticket.kept:,} of {ticket.prunable:,} weights"


@promise("its blocks that repeat are blocks of its own, of the same tensors a stage")
def _family(subject: Subject) -> str:
    try:
        stages = subject.spec.family().stages
    except UserError as reason:
        raise Skipped(str(reason)) from reason
    state = subject.host.state_dict()
    for stage, blocks in stages.items():
        tensors = [{n[len(b) :]: t.shape for n, t in state.items() if n.startswith(f"{b}.")} for b in blocks]
        require(blocks and all(tensors), f"stage {stage} is of the blocks {', '.join(blocks)}, and one has no tensors")
        require(all(one == tensors[0] for one in tensors), f"the blocks of stage {stage} have different tensors")
    return f"{sum(map(len, stages.values()))} in {len(stages)} stages"
