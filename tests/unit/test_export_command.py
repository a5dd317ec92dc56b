"""bench.export: what it writes computes what the ticket computes; mistakes and damaged tickets are told."""

import re

import pytest
import torch
from toy import SPEC, ToySource

from bench import export
from bench.command import console
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.hosts.timm import TimmSpec
from tickets.ticket import Ticket
from tickets.training.settings import Settings


@pytest.fixture(scope="module")
def ticket(tmp_path_factory):
    """A ticket on disk of which units are dead."""
    drawn = DRAWERS.make("gmp").draw(Request(SPEC, ToySource(), Settings(4, 0.02, calibration_batches=1), 0.9, 0))
    path = tmp_path_factory.mktemp("tickets") / "one"
    drawn.save(path)
    return path


def run(capsys, *args: object) -> tuple[int, str, str]:
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(export.app, "export", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_a_program_computes_what_the_ticket_computes(ticket, capsys, tmp_path):
    code, out, _ = run(capsys, ticket, "--out", tmp_path / "t.pt2")
    assert code == 0 and f"written: {tmp_path / 't.pt2'}" in out and "cut: 0 units" not in out
    images = torch.randn(3, 3, 16, 16)
    got = torch.export.load(tmp_path / "t.pt2").module()(images)
    for a, b in zip(got, Ticket.load(ticket).build()(images), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_an_onnx_file_tells_what_was_tried_and_what_is_kept(ticket, capsys, tmp_path):
    code, out, _ = run(capsys, ticket, "--out", tmp_path / "t.onnx", "--size", "32")
    assert code == 0 and (tmp_path / "t.onnx").exists()
    (timed,) = [line for line in out.splitlines() if line.startswith("ONNX Runtime at 32x32, one image, 1 thread: ")]
    assert "ms not padded" in timed and "ms padded to multiples of 16" in timed and timed.endswith("the first is kept")
    assert "hidden units: " in out


def test_of_any_host_whole_channels_are_cut(capsys, tmp_path):
    drawer = DRAWERS.make("gmp@pattern=channel@allocation=uniform")
    drawn = drawer.draw(Request(TimmSpec("resnet10t"), ToySource(), Settings(2, 0.01, calibration_batches=1), 0.5, 0))
    drawn.save(tmp_path / "half")
    code, out, _ = run(capsys, tmp_path / "half", "--out", tmp_path / "t.onnx", "--size", "64")
    assert code == 0 and (tmp_path / "t.onnx").exists() and "hidden units" not in out
    masked, left = (int(text.replace(",", "")) for text in re.findall(r"([\d,]+) (?:masked|without)", out))
    assert left < 0.6 * masked and int(re.search(r"cut: 0 units, ([\d,]+) channels", out)[1].replace(",", "")) > 900


def test_masked_keeps_every_unit(ticket, capsys, tmp_path):
    _, out, _ = run(capsys, ticket, "--out", tmp_path / "t.pt2", "--masked")
    assert "cut: 0 units, 0 channels, 0 blocks" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--out", "t.bin"], "'t.bin' is no name for what is written; let it end in .onnx or .pt2."),
        (["--out", "no/such/t.onnx"], "no/such/t.onnx cannot be written"),
        (["--out", "t.onnx", "--weights", "rewound"], "unknown weights 'rewound'"),
        (["--out", "t.onnx", "--size", "x"], "size 'x' is not a side"),
        (["--out", "t.onnx", "--threads", "0"], "'--threads': Input should be greater than or equal to 1"),
    ],
)
def test_mistakes_are_one_sentence(ticket, capsys, args, message):
    code, out, err = run(capsys, ticket, *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1


def test_a_damaged_ticket_is_not_exported(ticket, capsys, tmp_path):
    data = bytearray(ticket.with_name("one.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "one.safetensors").write_bytes(data)
    (tmp_path / "one.json").write_bytes(ticket.with_name("one.json").read_bytes())
    code, _, err = run(capsys, tmp_path / "one.json", "--out", tmp_path / "t.onnx")
    assert code == 2 and "one.safetensors does not have the SHA-256" in err and err.count("\n") == 1
    assert not (tmp_path / "t.onnx").exists()
