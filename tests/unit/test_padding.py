"""Padding adds units of zeros branch by branch and changes no output; what is written is the fastest that was tried."""

import onnxruntime
import pytest
import torch
from toy import SPEC

from tickets.deploy import padding
from tickets.deploy.compact import branches_of, compact
from tickets.deploy.padding import hidden_units, padded, to_fastest_onnx
from tickets.errors import UserError
from tickets.hosts.supernet import Supernet
from tickets.pruning.masks import keep_top, project, prunable

SIZE = (20, 28)


@pytest.fixture(scope="module")
def small():
    """A compacted sparse host whose branches have 1 to 6 units."""
    torch.manual_seed(0)
    host = Supernet(SPEC)
    host(torch.randn(8, 3, *SIZE))  # running statistics
    project(host, keep_top({name: w.detach().abs() for name, w in prunable(host).items()}, 0.8))
    return compact(host.eval())


@pytest.mark.parametrize("multiple", [1, 4, 16])
@torch.no_grad()
def test_each_branch_is_filled_and_no_output_changes(small, multiple):
    before = [branch.units for branch in branches_of(small)]
    wide = padded(small, multiple)
    assert [branch.units for branch in branches_of(wide)] == [-(-units // multiple) * multiple for units in before]
    assert [branch.units for branch in branches_of(small)] == before  # the module itself is left alone
    images = torch.randn(3, 3, *SIZE)
    for a, b in zip(wide(images), small(images), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6 * float(b.abs().max()))


def test_added_units_are_zeros_after_the_others(small):
    narrow, wide = branches_of(small)[0], branches_of(padded(small, 16))[0]
    for name, dim in (("expand", 0), ("depthwise", 0), ("project", 1)):
        old, new = narrow.get_submodule(name).weight, wide.get_submodule(name).weight
        assert torch.equal(new.narrow(dim, 0, old.shape[dim]), old)
        assert not new.narrow(dim, old.shape[dim], new.shape[dim] - old.shape[dim]).any()


def timed(monkeypatch, seconds):
    """Let calls of the network padded to a multiple have lasted this many seconds."""
    monkeypatch.setattr(padding, "_least_seconds", lambda runs: {multiple: seconds[multiple] for multiple in runs})


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [({1: 3.0, 8: 2.0, 16: 1.0}, 16), (dict.fromkeys((1, 8, 16), 1.0), 1)],
    ids=["padded", "equally fast"],
)
def test_the_fastest_is_written_and_all_are_told(small, tmp_path, monkeypatch, seconds, kept):
    timed(monkeypatch, seconds)
    path = tmp_path / "new" / "ticket.onnx"
    tried = to_fastest_onnx(small, SIZE, path)
    assert [one.seconds for one in tried] == sorted(seconds.values()) and tried[0].multiple == kept
    assert {one.multiple: one.units for one in tried} == {m: hidden_units(padded(small, m)) for m in (1, 8, 16)}
    assert list(path.parent.iterdir()) == [path]
    images = torch.randn(5, 3, *SIZE)
    got = onnxruntime.InferenceSession(path).run(None, {"image": images.numpy()})
    with torch.no_grad():
        for a, b in zip(got, small(images), strict=True):
            torch.testing.assert_close(torch.as_tensor(a), b, rtol=0, atol=1e-5 * float(b.abs().max()))


def test_what_changes_nothing_is_not_tried(small, tmp_path):
    assert [one.multiple for one in to_fastest_onnx(padded(small, 16), SIZE, tmp_path / "t.onnx")] == [1]


def test_a_refused_request_leaves_nothing(small, tmp_path):
    with pytest.raises(UserError, match="positive"):
        to_fastest_onnx(small, (0, 28), tmp_path / "t.onnx")
    assert list(tmp_path.iterdir()) == []


def test_each_takes_its_turn_and_the_least_counts(monkeypatch):
    called, clock = [], iter([0.0, 5.0, 5.0, 7.0, 7.0, 8.0, 8.0, 12.0])
    monkeypatch.setattr(padding, "ROUNDS", 2)
    monkeypatch.setattr(padding.time, "perf_counter", lambda: next(clock))
    least = padding._least_seconds({1: lambda: called.append(1), 16: lambda: called.append(16)})
    assert called == [1, 16, 1, 16] and least == {1: 1.0, 16: 2.0}
