"""Compaction changes no output, cuts what can be counted by hand, and leaves what only looks constant."""

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn
from toy import SPEC

from tickets.cost import dense_macs, layer_costs
from tickets.deploy.carried import Restore
from tickets.deploy.compact import CompactBlock, CompactSupernet, Removed, branches_of, compact, removed
from tickets.errors import UserError
from tickets.hosts.blocks import KERNELS, SearchBlock
from tickets.hosts.supernet import Spec, Stage, Supernet, preset
from tickets.pruning.masks import keep_top, project, prunable
from tickets.search.searchable import live_units, search_blocks

SINGLE = Spec(stem=4, stages=(Stage((1,), (4,)),), expansion=1)
"""One branch: a path and a block of 4 units per kernel size."""

ROWS = Spec(stem=4, stages=(Stage((1, 1), (4, 6)), Stage((1, 1), (4, 6))), expansion=1)
"""Two branches twice, so that the second fusion has all kinds of paths: 10 blocks, 144 units, 28 channels."""

WIDTHS = Spec(stem=4, stages=(Stage((1,), (6,)), Stage((1, 1), (4, 6))), expansion=1)
"""Widths change from stage to stage, so that the path from a branch to itself has a convolution as its skip."""

SPECS = {"toy": SPEC, "rows": ROWS, "widths": WIDTHS, "tiny": preset("tiny")}


@torch.no_grad()
def scrambled(spec: Spec, seed: int = 0, zero_gammas: float = 0.1, **kwargs: object) -> Supernet:
    """A host in eval mode whose weights, BN statistics and affine parameters are all far from the initial ones."""
    torch.manual_seed(seed)
    host = Supernet(spec, **kwargs)
    for module in host.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.normal_().mul_(torch.rand_like(module.weight) >= zero_gammas)
            module.bias.normal_()
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
        elif isinstance(module, SearchBlock) and not module.units:
            module.shift.normal_()
    return host.eval()


def by_magnitude(host: Supernet, sparsity: float) -> None:
    """Unstructured: weights of equal scale compete globally, so that whole rows and columns vanish at 0.99."""
    project(host, keep_top({name: w.detach().abs() for name, w in prunable(host).items()}, sparsity))


def by_unit(host: Supernet, share: float) -> None:
    """Structured: that share of each block's units dies, a third each by gamma, by kernel and by projection."""
    for block in search_blocks(host).values():
        if block.units:
            dead = torch.randperm(len(block.gamma))[: round(share * len(block.gamma))].tolist()
            for unit, way in zip(dead, ["gamma", "kernel", "project"] * len(dead), strict=False):
                kill(block, unit, way)


@torch.no_grad()
def by_channel(host: Supernet, share: float) -> None:
    """Structured: rows of all convolutions vanish, so that channels die wherever they can."""
    for weight in prunable(host).values():
        weight[torch.rand(len(weight)) < share] = 0


@torch.no_grad()
def kill(block: SearchBlock, unit: int, way: str) -> None:
    """Make a unit useless by its gamma, its depthwise kernel or its column of the projection."""
    if way == "gamma":
        block.gamma[unit] = 0
    elif way == "kernel":
        kernel, place = depthwise_of(block, unit)
        kernel.weight[place] = 0
    else:
        block.project.weight[:, unit] = 0


def widths_of(block: CompactBlock) -> tuple[int, int]:
    """Channels that a compacted block reads and writes, the same in all its branches."""
    (widths,) = {(branch.expand.in_channels, branch.project.out_channels) for branch in branches_of(block)}
    return widths


def depthwise_of(block: SearchBlock, unit: int) -> tuple[nn.Conv2d, int]:
    """The depthwise convolution of a unit and the unit's place in it."""
    for k, n in block.units.items():
        if unit < n:
            return block.depthwise[str(k)], unit
        unit -= n
    raise IndexError(unit)


@torch.no_grad()
def maps_of(network: nn.Module, size: tuple[int, int]) -> list[Tensor]:
    """Outputs for two random images, always the same."""
    like = next(network.parameters())
    return network(torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1)).to(like))


def assert_same(host: Supernet, *sizes: tuple[int, int]) -> CompactSupernet:
    """The compacted host, after its outputs were compared: 1e-5 of their scale in float32, 1e-10 in float64."""
    compacted = compact(host)
    double = copy.deepcopy(host).double()
    for before, after, tolerance in ((host, compacted, 1e-5), (double, compact(double), 1e-10)):
        for size in sizes or ((16, 16), (20, 28)):
            for a, b in zip(maps_of(before, size), maps_of(after, size), strict=True):
                torch.testing.assert_close(b, a, rtol=0, atol=tolerance * float(a.abs().max()))
    return compacted


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize(
    ("zeros", "share"),
    [
        *((by_magnitude, sparsity) for sparsity in (0, 0.5, 0.9, 0.99, 0.999)),
        *((by_unit, share) for share in (0.5, 0.9, 1)),
        *((by_channel, share) for share in (0.5, 0.9, 1)),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_outputs_are_those_of_the_host(spec, zeros, share):
    host = scrambled(spec)
    zeros(host, share)
    assert_same(host, (32, 32), (36, 52), (17, 23))


@pytest.mark.parametrize("seed", range(20))
def test_outputs_are_those_of_the_host_under_all_ways_at_once(seed):
    """Searched architectures with emptied blocks, then rows, units and single weights at random."""
    draw = torch.Generator().manual_seed(seed)
    units = {
        name: {k: int(torch.randint(0, 3, (), generator=draw)) for k in KERNELS}
        for name in search_blocks(Supernet(ROWS))
    }
    units["branches.1.0.0"] = units["fuses.1.paths.0to1"] = {}
    host = scrambled(ROWS, seed, units=units)
    by_channel(host, 0.3)
    by_unit(host, 0.3)
    by_magnitude(host, 0.7)
    assert_same(host)


def test_nothing_is_cut_from_a_dense_host():
    host = scrambled(ROWS, zero_gammas=0)
    compacted = assert_same(host)
    assert removed(host, compacted) == Removed(0, 0, 0)
    assert dense_macs(layer_costs(compacted, (16, 16))) == dense_macs(layer_costs(host, (16, 16)))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in compacted.modules())


@pytest.mark.parametrize("way", ["gamma", "kernel", "project"])
def test_units_are_cut_by_hand(way):
    """Units 1 (kernel 3) and 4 to 7 (kernel 5) of a block die: 7 stay, in two depthwise convolutions."""
    host = scrambled(SINGLE, zero_gammas=0)
    for unit in (1, 4, 5, 6, 7):
        kill(host.branches[0][0][0], unit, way)
    compacted = assert_same(host)
    assert removed(host, compacted) == Removed(units=5, channels=0, blocks=0)
    block = compacted.branches[0][0][0]
    shapes = {name: tuple(p.shape) for name, p in block.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "branches.0.expand.weight": (3, 4, 1, 1),
        "branches.0.depthwise.weight": (3, 1, 3, 3),
        "branches.0.project.weight": (4, 3, 1, 1),
        "branches.1.expand.weight": (4, 4, 1, 1),
        "branches.1.depthwise.weight": (4, 1, 7, 7),
        "branches.1.project.weight": (4, 4, 1, 1),
    }
    saved = 4 * 4 * (5 * 4 + 9 + 4 * 25 + 5 * 4)  # positions x (expand + depthwise 3 + depthwise 5 + project)
    macs = [dense_macs(layer_costs(network, (16, 16))) for network in (host, compacted)]
    assert macs[0] - macs[1] == saved


@torch.no_grad()
def constant_unit(level: float, taps: str) -> Supernet:
    """Unit 0 of the path reads no input: before its 3x3 depthwise kernel it is relu(level) everywhere."""
    host = scrambled(SINGLE, zero_gammas=0)
    block = host.fuses[0].paths["0to0"]
    block.expand.weight[0] = 0
    norm = block.expand_bn
    norm.bias[0] = level + norm.running_mean[0] * norm.weight[0] * torch.rsqrt(norm.running_var[0] + norm.eps)
    kernel = block.depthwise["3"].weight[0, 0]
    kernel.fill_(0.5)
    if taps == "centre":
        centre = kernel[1, 1].clone()
        kernel.zero_()[1, 1] = centre
    block.depthwise_bn.weight[0] = block.depthwise_bn.bias[0] = 1
    return host


@pytest.mark.parametrize(
    ("level", "taps", "cut"),
    [
        pytest.param(1.0, "all", 0, id="padding-shows"),
        pytest.param(1.0, "centre", 1, id="kernel-sees-no-padding"),
        pytest.param(-1.0, "all", 1, id="zero-as-the-padding"),
    ],
)
def test_a_constant_unit_is_cut_only_where_padding_makes_no_border(level, taps, cut):
    host = constant_unit(level, taps)
    assert removed(host, assert_same(host)) == Removed(units=cut, channels=0, blocks=0)

    block, emitted = host.fuses[0].paths["0to0"], []
    block.project.register_forward_pre_hook(lambda _, inputs: emitted.append(inputs[0][0, 0]))
    maps_of(host, (32, 32))
    is_flat = torch.allclose(emitted[0], emitted[0][4, 4].expand(8, 8))
    assert is_flat == bool(cut)  # what naive cutting would put in its place is wrong at the border


@torch.no_grad()
def constant_stem_channel(bias: float, taps: str) -> Supernet:
    """The inner stem channel 2 sees no image: it is relu(bias) everywhere."""
    host = scrambled(SINGLE, zero_gammas=0)
    host.stem[0].weight[2] = 0
    host.stem[1].running_mean[2], host.stem[1].bias[2] = 0, bias
    if taps == "centre":
        centre = host.stem[3].weight[:, 2, 1, 1].clone()
        host.stem[3].weight[:, 2] = 0
        host.stem[3].weight[:, 2, 1, 1] = centre
    elif taps == "none":
        host.stem[3].weight[:, 2] = 0
    return host


@pytest.mark.parametrize(
    ("bias", "taps", "cut"), [(1.0, "all", 0), (-1.0, "all", 1), (1.0, "centre", 1), (1.0, "none", 1)]
)
def test_an_inner_stem_channel_is_cut_only_where_padding_makes_no_border(bias, taps, cut):
    host = constant_stem_channel(bias, taps)
    compacted = assert_same(host, (16, 16), (21, 35))
    assert removed(host, compacted) == Removed(units=0, channels=cut, blocks=0)
    assert compacted.stem[0].out_channels == 4 - cut
    # the border is real: a shifted picture of the whole constant plane differs from the plane
    plane = torch.zeros(1, 4, 8, 8).index_fill_(1, torch.tensor([2]), max(bias, 0))
    response = host.stem[3](plane)[0]
    assert torch.allclose(response, response[:, 2:3, 2:3].expand_as(response)) == bool(cut)


def test_an_inner_stem_channel_that_nothing_reads_is_cut():
    host = scrambled(SINGLE, zero_gammas=0)
    with torch.no_grad():
        host.stem[3].weight[:, 2] = 0
    assert removed(host, assert_same(host)) == Removed(units=0, channels=1, blocks=0)


def test_of_a_blind_stem_one_inner_channel_is_left_and_counted_once():
    """All inner channels are constants that the second convolution reads without padding."""
    host = scrambled(SINGLE, zero_gammas=0)
    with torch.no_grad():
        host.stem[0].weight.zero_()
        host.stem[1].running_mean.zero_()
        host.stem[1].bias.fill_(1)
        centre = host.stem[3].weight[:, :, 1, 1].clone()
        host.stem[3].weight.zero_()[:, :, 1, 1] = centre
    assert assert_same(host).stem[0].out_channels == 1


@pytest.mark.parametrize("bias", [-1.0, 1.0])
def test_a_dead_channel_is_carried_nowhere_and_its_constant_arrives(bias):
    """Stem channel 1 loses its row, every block its column and its row: only the outputs have it."""
    host = scrambled(SINGLE, zero_gammas=0)
    with torch.no_grad():
        host.stem[3].weight[1] = 0
        host.stem[4].bias[1] = bias
        for block in search_blocks(host).values():
            block.project.weight[1] = 0
    compacted = assert_same(host)
    assert removed(host, compacted) == Removed(units=0, channels=2, blocks=0)
    for name in ("fuses.0.paths.0to0", "branches.0.0.0"):
        block = compacted.get_submodule(name)
        assert widths_of(block) == (3, 3)
    assert isinstance(compacted.outputs[0], Restore)
    channel = maps_of(compacted, (16, 16))[0][:, 1]
    assert torch.equal(channel, channel[:1, :1, :1].expand_as(channel))


def test_a_channel_that_comes_back_to_life_passes_an_identity_skip():
    """The fused map lacks channel 1, the block after it writes it again."""
    host = scrambled(SINGLE, zero_gammas=0)
    with torch.no_grad():
        host.stem[3].weight[1] = 0
        host.fuses[0].paths["0to0"].project.weight[1] = 0
    compacted = assert_same(host)
    block = compacted.branches[0][0][0]
    assert widths_of(block) == (3, 4)
    assert isinstance(block.skip, Restore)
    assert isinstance(compacted.outputs[0], nn.Identity)


def test_paths_of_a_row_agree_on_the_union_of_their_channels():
    """Of row 0 (channels 0 to 3), one path writes 0 and 1, the other 1 and 2: three are carried."""
    host = scrambled(ROWS, zero_gammas=0)
    with torch.no_grad():
        host.stem[3].weight[2:] = 0
        for name, silent in (
            ("fuses.0.paths.0to0", [2, 3]),
            ("branches.0.0.0", [2, 3]),
            ("fuses.1.paths.0to0", [2, 3]),
            ("fuses.1.paths.1to0", [0, 3]),
        ):
            host.get_submodule(name).project.weight[silent] = 0
        host.fuses[1].paths["1to0"].skip.weight[[0, 3]] = 0
    compacted = assert_same(host)
    assert compacted.fuses[0].widths == (2, 6)
    assert compacted.fuses[1].widths == (3, 6)
    assert removed(host, compacted) == Removed(units=0, channels=2 + 2 + 1, blocks=0)


def emptied(*names: str) -> Supernet:
    """A host in which the search emptied these blocks, with shifts that are not zero."""
    units = live_units(Supernet(ROWS)) | {name: {} for name in names}
    return scrambled(ROWS, zero_gammas=0, units=units)


def test_an_emptied_block_with_an_identity_skip_disappears():
    """Its shift is added by the output here, by the next stage's biases there."""
    host = emptied("branches.0.0.0", "branches.1.0.0")
    compacted = assert_same(host)
    assert len(compacted.branches[0][0]) == len(compacted.branches[1][0]) == 0
    assert isinstance(compacted.outputs[0], Restore) and isinstance(compacted.outputs[1], nn.Identity)
    assert removed(host, compacted) == Removed(0, 0, 0)  # the search had cut them already


def test_a_block_that_loses_all_units_is_its_skip_and_a_constant():
    host = scrambled(ROWS, zero_gammas=0)
    name = "fuses.1.paths.0to1"
    for unit in range(12):
        kill(host.get_submodule(name), unit, "kernel")
    compacted = assert_same(host)
    path = compacted.get_submodule(name)
    assert isinstance(path, nn.Conv2d)
    assert (path.groups, path.stride) == (host.get_submodule(name).skip.groups, (2, 2))
    assert removed(host, compacted) == Removed(units=12, channels=0, blocks=1)


def test_a_skip_of_zeros_is_left_out():
    host = scrambled(ROWS, zero_gammas=0)
    with torch.no_grad():
        host.fuses[1].paths["0to1"].skip.weight.zero_()
    assert assert_same(host).fuses[1].paths["0to1"].skip is None


def test_the_constants_of_a_row_are_added_by_a_convolution():
    """The emptied path has a shift, its neighbour a bias anyway."""
    host = emptied("fuses.1.paths.0to0")
    compacted = assert_same(host)
    assert isinstance(compacted.fuses[1].paths["0to0"], nn.Identity)


@pytest.mark.parametrize("row", [["1to1", "0to1"], ["0to0", "1to0"]], ids=["stride-2", "upsampled"])
def test_a_path_that_is_constant_is_left_out_of_its_row(row):
    own, neighbour = row
    host = emptied(f"fuses.1.paths.{neighbour}")
    with torch.no_grad():
        host.fuses[1].paths[neighbour].skip.weight.zero_()
    compacted = assert_same(host)
    assert neighbour not in compacted.fuses[1].paths and own in compacted.fuses[1].paths


def test_a_row_of_nothing_but_its_own_map_leaves_that_map_unchanged_for_its_neighbours():
    """ReLU must not work in place here: row 1 reads the same map with its negative values."""
    host = emptied("fuses.1.paths.0to0", "fuses.1.paths.1to0")
    with torch.no_grad():
        host.fuses[1].paths["0to0"].shift.zero_()
        host.fuses[1].paths["1to0"].shift.zero_()
        host.fuses[1].paths["1to0"].skip.weight.zero_()
    compacted = assert_same(host)
    assert isinstance(compacted.fuses[1].paths["0to0"], nn.Identity)


@pytest.mark.parametrize(
    ("spec", "carried", "cut"),
    [
        (ROWS, [(1, 1), (1, 1)], Removed(units=144, channels=28 - 6, blocks=10)),
        (WIDTHS, [(1,), (1, 1)], Removed(units=12 + 18 + 18 + 12 + 12 + 18, channels=24 - 5, blocks=6)),
    ],
    ids=["rows", "widths"],
)
def test_a_host_without_weights_is_its_constants(spec, carried, cut):
    """One channel of every map is carried, since a map without channels has no size."""
    host = scrambled(spec)
    by_channel(host, 1)
    compacted = assert_same(host)
    assert [fuse.widths for fuse in compacted.fuses] == carried
    assert removed(host, compacted) == cut
    assert not any(isinstance(module, CompactBlock) for module in compacted.modules())


def test_skips_keep_their_groups_and_find_finer_ones():
    """Width 4 to 6 has two groups, (2 inputs, 3 outputs) each; without its second, half of the skip is left."""
    host = scrambled(ROWS, zero_gammas=0)
    assert compact(host).fuses[0].new.skip.groups == host.fuses[0].new.skip.groups == 2
    with torch.no_grad():
        host.fuses[0].new.skip.weight[3:] = 0
        host.fuses[0].new.project.weight[3:] = 0
        for block in (host.branches[0][0][0], host.fuses[0].paths["0to0"]):
            block.project.weight[2:] = 0
        host.stem[3].weight[2:] = 0
    skip = assert_same(host).fuses[0].new.skip
    assert (skip.in_channels, skip.out_channels, skip.groups) == (2, 3, 1)


def test_the_result_stands_alone():
    """Eval mode, the host's dtype and features, own tensors, copies; the host and the generator are as before."""
    host = scrambled(ROWS).bfloat16()
    by_unit(host, 0.5)
    before, state = copy.deepcopy(host.state_dict()), torch.get_rng_state()
    compacted = compact(host)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(host.state_dict().values(), before.values(), strict=True))
    assert not any(module.training for module in compacted.modules())
    assert {p.dtype for p in compacted.parameters()} == {torch.bfloat16}
    assert compacted.features == host.features
    assert {p.data_ptr() for p in host.parameters()}.isdisjoint(p.data_ptr() for p in compacted.parameters())
    expected = maps_of(compacted, (16, 16))
    for twin in (copy.deepcopy(compacted), pickle.loads(pickle.dumps(compacted))):
        assert all(torch.equal(a, b) for a, b in zip(maps_of(twin, (16, 16)), expected, strict=True))


def test_weights_are_folded_in_double_precision():
    """Each is rounded once: those of a double network, rounded, are bit for bit the same."""
    host = scrambled(ROWS)
    rounded = compact(copy.deepcopy(host).double()).float().state_dict()
    assert all(torch.equal(t, rounded[name]) for name, t in compact(host).state_dict().items())


def test_a_host_in_training_mode_is_refused():
    with pytest.raises(UserError, match=r"the host is in training mode; call .eval\(\)"):
        compact(Supernet(ROWS))
    host = Supernet(ROWS).eval()
    host.stem[1].train()
    with pytest.raises(UserError, match=r"stem\.1 is in training mode"):
        compact(host)
