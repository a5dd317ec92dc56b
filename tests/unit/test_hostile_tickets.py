"""Tickets of strangers: their two files vouch for each other, and still nothing is built, fetched or read for them that
this package's own hosts do not need."""

import hashlib
import json

import pytest
import safetensors.torch
import timm
import torch
from toy import SPEC

from bench import show
from bench.command import console
from tickets.errors import DamagedTicketError, UserError
from tickets.hosts import HOSTS, spec_from_json
from tickets.hosts.timm import TimmHost
from tickets.pruning.masks import ones, prunable
from tickets.search.searchable import live_units
from tickets.ticket import Part, Ticket, canonical, copied, digest
from tickets.ticket_set import load


@pytest.fixture(scope="module")
def files():
    """Description and tensors of a small ticket with raw weights."""
    host = SPEC.build()
    part = Part(ones(prunable(host)), raw=copied(host), units=live_units(host))
    tensors, document = Ticket(SPEC, part, provenance={"drawer": "dense"})._files()
    return json.loads(document)["description"], safetensors.torch.load(tensors)


def forged(path, description, tensors):
    """A ticket whose two files vouch for each other, whatever they say."""
    data = safetensors.torch.save(tensors, metadata={"description_sha256": digest(description)})
    document = {"description": description, "tensors_sha256": hashlib.sha256(data).hexdigest()}
    path.with_name(f"{path.name}.safetensors").write_bytes(data)
    path.with_name(f"{path.name}.json").write_bytes(canonical(document))
    return path


def changed(data, way, value):
    """A copy of JSON data with one value changed."""
    copy = json.loads(json.dumps(data))
    part = copy
    for key in way[:-1]:
        part = part[key]
    part[way[-1]] = value
    return copy


def test_the_forger_of_this_file_makes_tickets_that_load(files, tmp_path):
    assert Ticket.load(forged(tmp_path / "one", *files)).host.raw


FIRST = "fuses.0.paths.0to0"


@pytest.mark.parametrize(
    ("way", "value", "why"),
    [
        (("spec", "stem"), 10**9, "stem is 1000000000; give a whole number from 1 to 65,536"),
        (("spec", "stem"), -8, "stem is -8"),
        (("spec", "stem"), 8.0, "stem is 8.0"),
        (("spec", "stem"), True, "stem is True"),
        (("spec", "stem"), "8", "stem is '8'"),
        (("spec", "expansion"), 10**6, "expansion is 1000000"),
        (("spec", "norm", "eps"), -1e-5, "eps is -1e-05; give a number above 0"),
        (("spec", "norm", "eps"), 0, "eps is 0"),
        (("spec", "norm", "momentum"), "much", "momentum is 'much'"),
        (("spec", "initial_std"), 1e308, "initial_std is 1e+308"),
        (("spec", "stages"), [], "no stage"),
        (("spec", "stages"), {"a": 1}, "is wrong"),
        (("spec", "stages", 0, "blocks"), [10**9], "blocks of a branch is 1000000000"),
        (("spec", "stages", 0, "blocks"), [1, 1, 1], "blocks of 3 branches"),
        (("spec", "stages", 0, "widths"), [0], "the width of a branch is 0"),
        (("spec", "norm"), "x" * 5000, "is none of the kind supernet"),
        (("spec", "kind"), "pickle", "unknown kind of host 'pickle'"),
        (("units", "host", FIRST, "3"), -1, "the units of"),
        (("units", "host", FIRST, "3"), 2.5, "the units of"),
        (("units", "host", FIRST, "3"), 10**9, "the units of"),
        (("units", "host", FIRST), {"4": 8}, "has units of the kernel 4; kernels are 3, 5, 7"),
        (("units", "host", FIRST), {"three": 8}, "is wrong"),
        (("units", "host"), {}, "is wrong"),
        (("units", "host"), [], "is wrong"),
        (("layers",), None, "is wrong"),
        (("kept",), 10**400, "its description"),
        (("provenance",), [], "is wrong"),
        (("provenance", "pattern"), "\x1b[2J", "it is not as it was written"),
        (("provenance", "sparsity"), {}, "tells the sparsity {}, which is no number"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_description_of_what_cannot_be_is_refused_before_anything_is_built(files, tmp_path, way, value, why):
    description, tensors = files
    with pytest.raises(DamagedTicketError) as refused:
        Ticket.load(forged(tmp_path / "one", changed(description, way, value), tensors))
    assert why in str(refused.value) and len(str(refused.value)) < 1000


MASK = "host.mask.stem.0.weight"


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        (MASK, lambda mask: mask.to(torch.uint8), "is of torch.uint8; masks are boolean"),
        (MASK, lambda mask: torch.full(mask.shape, float("nan")), "is of torch.float32; masks are boolean"),
        (MASK, lambda mask: mask[:1].clone(), "the mask of 'stem.0.weight' does not fit"),
        ("host.raw.stem.0.weight", torch.Tensor.double, "the raw tensor 'stem.0.weight' does not fit"),
        ("host.raw.stem.0.weight", lambda weight: weight.to(torch.complex64), "the raw tensor 'stem.0.weight'"),
        ("host.raw.stem.0.weight", torch.Tensor.int, "the raw tensor 'stem.0.weight' does not fit"),
    ],
)
def test_tensors_of_other_types_are_refused(files, tmp_path, name, change, why):
    description, tensors = files
    with pytest.raises(DamagedTicketError, match=why.replace("(", r"\(")):
        Ticket.load(forged(tmp_path / "one", description, {**tensors, name: change(tensors[name])}))


@pytest.mark.parametrize("model", ["hf_hub:x/y", "hf-hub:x/y", "local-dir:/etc", "/etc/passwd", "../x", "resnet18.a b"])
def test_only_names_of_timms_own_registry_are_built(files, tmp_path, monkeypatch, model):
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("timm was asked"))
    description, tensors = files
    spec = {"kind": "timm", "model": model}
    with pytest.raises(DamagedTicketError, match="which is none of timm's own names"):
        Ticket.load(forged(tmp_path / "one", {**description, "spec": spec}, tensors))
    with pytest.raises(UserError):
        HOSTS.make(f"timm/{model}")
    with pytest.raises(UserError):
        TimmHost(model)


@pytest.mark.parametrize(
    "more",
    [
        {"weights": "hub:a1_in1k"},
        {"weights": "/etc/passwd", "sha256": "short"},
        {"sha256": "a" * 64},
        {"mean": [0.5], "std": [0.5]},
        {"mean": [0.5] * 3, "std": [0.5, 0.5, -1]},
        {"mean": ["a"] * 3},
    ],
)
def test_weights_of_a_timm_host_are_vouched_for_or_refused(more):
    with pytest.raises(UserError):
        spec_from_json({"kind": "timm", "model": "resnet18", **more})


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_nesting_is_refused_whatever_reads_it(files, tmp_path, capsys, depth):
    text = '{"description": ' + "[" * depth + "]" * depth + "}"
    (tmp_path / "one.json").write_text(text)
    (tmp_path / "one.safetensors").write_bytes(safetensors.torch.save(files[1]))
    with pytest.raises(DamagedTicketError, match="it is no JSON file"):
        load(tmp_path / "one")
    with pytest.raises(SystemExit) as left:
        console.main(show.app, "bench.show", [str(tmp_path / "one.json")])
    assert left.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_files_too_large_are_refused_unread(files, tmp_path):
    forged(tmp_path / "one", *files)
    for suffix in (".json", ".safetensors"):
        with open(tmp_path / f"one{suffix}", "r+b") as file:
            file.truncate(100 * 10**9)
        with pytest.raises(DamagedTicketError, match="it has 95,367 MiB"):
            Ticket.load(tmp_path / "one")
        forged(tmp_path / "one", *files)
