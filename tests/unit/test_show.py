"""bench.show: what it says of a ticket adds up, the picture is one, mistakes are told."""

import pytest
from samples import code, record
from toy import SPEC, ToySource

from bench import show
from bench.command import console
from bench.numbers.amounts import MISSING
from tickets.deploy import anatomy
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.hosts.timm import TimmSpec
from tickets.ticket import Ticket
from tickets.training.settings import Settings

SETTINGS = Settings(14, 0.05, calibration_batches=1)


@pytest.fixture(scope="module")
def ticket(tmp_path_factory):
    """A searched and pruned ticket on disk, in which one layer is dead."""
    drawn = DRAWERS.make("supertickets@threshold=0@macs_target=0.5@rho=0.5").draw(
        Request(SPEC, ToySource(), SETTINGS, 0.8, 0)
    )
    masks = {name: mask.clone() for name, mask in drawn.host.masks.items()}
    moved = int(masks["stem.0.weight"].sum())
    masks["stem.0.weight"][:] = False
    spare = next(m for m in masks.values() if int((~m).sum()) >= moved and m is not masks["stem.0.weight"])
    spare.view(-1)[(~spare).view(-1).nonzero().flatten()[:moved]] = True
    path = tmp_path_factory.mktemp("tickets") / "one"
    drawn.with_masks(masks).save(path)
    return path


def shown(capsys, *args: object) -> tuple[int, str, str]:
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(show.app, "show", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def test_anatomy_adds_up_to_the_ticket(ticket):
    """Layers sum up to the ticket's costs; units, weights and kept weights of blocks to those of the host."""
    found = Ticket.load(ticket)
    layers, blocks, costs = anatomy.layers(found, (16, 16)), anatomy.blocks(found), found.costs((16, 16))
    assert sum(layer.kept for layer in layers) == found.kept == costs["parameters"]
    assert sum(layer.macs for layer in layers) == costs["macs"]
    assert sum(layer.sparse_macs for layer in layers) == costs["sparse_macs"]
    inside = [layer for layer in layers if not layer.name.startswith("stem")]
    assert sum(block.kept for block in blocks) == sum(layer.kept for layer in inside)
    assert {block.name: {k: n for k, n in block.live.items() if n} for block in blocks} == found.host.units
    assert any(block.live != block.full for block in blocks)
    assert [layer.name for layer in layers if layer.sparsity == 1] == ["stem.0"]


def test_it_tells_units_layers_and_what_is_dead(ticket, capsys):
    code, out, _ = shown(capsys, ticket.with_name("one.json"))
    found = Ticket.load(ticket)
    assert code == 0 and found.hash in out and "1 of them dead" in out and "at 16x16" in out
    name, units = next((name, units) for name, units in found.host.units.items() if units)
    line = next(line for line in out.splitlines() if line.strip().startswith(name))
    assert f"{units.get(3, 0)}/4" in line
    assert "stem.0 (dead)" in out and "100.0%" in out
    assert "stem.0" not in shown(capsys, ticket, "--no-layers")[1]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_written_and_named(ticket, capsys, tmp_path, suffix):
    out = tmp_path / f"p.{suffix}"
    code, text, _ = shown(capsys, ticket, "--out", out, "--no-layers")
    assert code == 0 and f"picture: {out}" in text
    assert out.read_bytes().startswith(b"\x89PNG" if suffix == "png" else b"<?xml")
    if suffix == "svg":
        assert "<!-- 1/8 -->" in out.read_text()  # the second branch is named


def test_a_host_without_search_blocks_has_layers_only(tmp_path, capsys):
    source = ToySource(size=(32, 32), batch_size=2)
    drawn = DRAWERS.make("gmp").draw(
        Request(TimmSpec("resnet10t"), source, Settings(2, 0.01, calibration_batches=1), 0.5, 0)
    )
    drawn.save(tmp_path / "t")
    code, out, _ = shown(capsys, tmp_path / "t", "--out", tmp_path / "p.png")
    assert code == 0 and "Blocks" not in out and "Layers" in out and (tmp_path / "p.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--size", "big"], "size 'big' is not a side or HEIGHTxWIDTH of at least 16 pixels"),
        (["--size", "8"], "size '8' is not a side"),
        (["--out", "p.bmp"], "'p.bmp' is no name for what is written; let it end in .png or .svg or .pdf."),
        (["--out", "no/such/p.png"], "no/such/p.png cannot be written; name a file in a folder that exists"),
    ],
)
def test_mistakes_are_told_in_one_sentence(ticket, capsys, args, message):
    code, out, err = shown(capsys, ticket, *args)
    assert code == 2 and out == "" and message in err and err.count("\n") == 1


def test_a_damaged_or_absent_ticket_is_named(ticket, capsys, tmp_path):
    code, _, err = shown(capsys, tmp_path / "none")
    assert code == 2 and "none does not exist; name a file of a network or ticket" in err
    data = bytearray(ticket.with_name("one.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "one.safetensors").write_bytes(data)
    (tmp_path / "one.json").write_bytes(ticket.with_name("one.json").read_bytes())
    code, _, err = shown(capsys, tmp_path / "one")
    assert code == 2 and "does not have the SHA-256" in err


def test_a_record_with_its_scores_by_class(tmp_path, capsys):
    scores = {"iou": {"sky": 0.75, "pole": None}, "acc": {"sky": 1.0, "pole": None}}
    path = record(score=0.5, classes=scores, redraw="python -m bench.run --force").write(tmp_path)
    code, out, _ = shown(capsys, path)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0 and "job: transfer: omp at 0.9, cls/figures -> seg/figures by finetune, seed 0" in lines
    assert any(line.startswith("redraw: python -m bench.run --source cls/figures --target none") for line in lines)
    assert "miou 0.5000 0.5000" in lines
    assert "class acc iou" in lines and "sky 100.0% 75.0%" in lines and f"pole {MISSING} {MISSING}" in lines


def test_a_failed_record_says_why_and_a_damaged_one_is_refused(tmp_path, capsys):
    path = record(score=None).write(tmp_path)
    code, out, _ = shown(capsys, path)
    assert code == 0 and "failed: the loss is not finite" in out and "Scores" not in out
    path.write_text(path.read_text().replace('"kind"', '"knd"'))
    code, _, err = shown(capsys, path)
    assert (code == 2 and "the key 'knd' is not known" in err.replace("\n", " ")) or "is missing" in err


def test_a_records_setting_and_foreign_code_are_told(tmp_path, capsys):
    drawer = code(commit="4b825dc642cb6eb9", dirty=True, is_public=False)
    path = record(precision="bfloat16", threads=2, host_drawn="supernet/tiny2", code=[drawer]).write(tmp_path)
    lines = [" ".join(line.split()) for line in shown(capsys, path)[1].splitlines()]
    host = "host supernet/tiny, drawn from supernet/tiny2"
    assert f"setting: tiny, {host}, budget 1, equal steps, bfloat16, 2 threads" in lines
    assert "code: drawer 'rigl' of acme-tickets 1.0, commit 4b825dc642 (dirty)" in lines
