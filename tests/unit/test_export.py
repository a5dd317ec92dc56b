"""Exported files compute what the module computes, at other batch sizes too; bad requests leave no file."""

import copy
import sys

import onnxruntime
import pytest
import torch
from toy import SPEC

from tickets.deploy.compact import compact
from tickets.deploy.export import to_onnx, to_program
from tickets.errors import UserError
from tickets.hosts.supernet import Supernet
from tickets.pruning.masks import keep_top, project, prunable

SIZE = (20, 28)
"""Maps of 5x7 and 3x4: the odd sizes take the bilinear way."""


@pytest.fixture(scope="module")
def host():
    """A sparse host whose batch norms do something."""
    torch.manual_seed(0)
    host = Supernet(SPEC)
    host(torch.randn(8, 3, *SIZE))  # running statistics
    project(host, keep_top({name: w.detach().abs() for name, w in prunable(host).items()}, 0.8))
    return host.eval()


@pytest.fixture
def images():
    """A batch of five, as no export was traced with."""
    return torch.randn(5, 3, *SIZE, generator=torch.Generator().manual_seed(2))


def assert_same(got, expected):
    assert len(got) == len(expected) == 2
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(torch.as_tensor(a), b, rtol=0, atol=1e-5 * float(b.abs().max()))


@pytest.mark.parametrize("compacted", [True, False], ids=["compact", "host"])
@torch.no_grad()
def test_a_program_computes_the_same(host, images, tmp_path, compacted):
    path = tmp_path / "new" / "ticket.pt2"
    to_program(compact(host) if compacted else host, SIZE, path)
    assert_same(torch.export.load(path).module()(images), host(images))
    assert list(path.parent.iterdir()) == [path]


@torch.no_grad()
def test_an_onnx_file_computes_the_same(host, images, tmp_path):
    path = tmp_path / "new" / "ticket.onnx"
    to_onnx(compact(host), SIZE, path)
    session = onnxruntime.InferenceSession(path)
    assert [(i.name, i.shape[1:]) for i in session.get_inputs()] == [("image", [3, *SIZE])]
    assert [o.name for o in session.get_outputs()] == ["features_0", "features_1"]
    assert_same(session.run(None, {"image": images.numpy()}), host(images))
    assert list(path.parent.iterdir()) == [path]


def test_an_onnx_file_that_computes_something_else_is_not_kept(host, tmp_path, monkeypatch):
    original = torch.onnx.export

    def wrong(module, *args, **kwargs):
        twin = copy.deepcopy(module)
        with torch.no_grad():
            twin.fuses[1].new.branches[0].project.bias[0] += 0.01
        return original(twin, *args, **kwargs)

    monkeypatch.setattr(torch.onnx, "export", wrong)
    with pytest.raises(RuntimeError, match=r"features_1 differ from the module's by 0\.0\d+ where 0\.0001 of"):
        to_onnx(compact(host), SIZE, tmp_path / "ticket.onnx")
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named_with_the_extra_that_brings_them(host, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"needs onnx, onnxscript, .* pip install 'ticketbench\[export\]'"):
        to_onnx(host, SIZE, tmp_path / "ticket.onnx")


@pytest.mark.parametrize("export", [to_program, to_onnx])
def test_bad_requests_are_refused(host, tmp_path, export):
    path = tmp_path / "ticket"
    with pytest.raises(UserError, match=r"the module is in training mode; call .eval\(\)"):
        export(Supernet(SPEC), SIZE, path)
    with pytest.raises(UserError, match=r"positive \(height, width\), got \(0, 28\)"):
        export(host, (0, 28), path)
    assert list(tmp_path.iterdir()) == []
