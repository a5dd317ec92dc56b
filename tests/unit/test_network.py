"""Kept networks: they come back as they were, without their data; what is damaged, foreign or no network is named."""

import json

import numpy as np
import pytest
import torch
from networks import made
from PIL import Image

from tasks import TASKS
from tasks.kinds.segmentation import likeliest
from tasks.network import Kept, is_network, kept, opened
from tasks.views import topdown
from tickets.errors import DamagedTicketError, UserError
from tickets.ticket import Ticket
from tickets.ticket_set import TicketSet, load
from tickets.training.ensemble import Ensemble

KINDS = ("cls", "seg", "pose", "vae")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network of seg on the disk."""
    path = tmp_path_factory.mktemp("networks") / "one"
    made("seg")[0].save(path)
    return path


def picture(height, width, seed=0):
    """An image of blocks, uint8 (H, W, 3)."""
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)[:height, :width]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_predicts_what_was_kept(kind, tmp_path):
    found, before = made(kind)
    found.save(tmp_path / "one")
    after = opened(load(tmp_path / "one"))
    image = torch.randn(3, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    assert torch.equal(before(image), after.network(image))
    assert after.task.info == TASKS.load(kind).info and after.task.size == (32, 32)
    one, other = (Kept(found, after.name, after.task, "light"), after)
    assert one.answer(picture(50, 70)).told == other.answer(picture(50, 70)).told


def test_options_and_a_released_head_come_back(tmp_path):
    found, before = made("seg", heads="paper", average="all", ohem=0.5, head_width=12)
    found.save(tmp_path / "one")
    after = opened(load(tmp_path / "one"))
    image = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    assert torch.equal(before(image), after.network(image))
    assert (after.heads, after.task.average, after.task.ohem, after.task.head_width) == ("paper", "all", 0.5, 12)


def test_a_network_of_ones_own_data_needs_them_no_longer(tmp_path):
    for split in ("train", "test"):
        for name in ("кот", "猫"):
            (tmp_path / "data" / split / name).mkdir(parents=True)
            Image.fromarray(picture(40, 40)).save(tmp_path / "data" / split / name / "a.png")
    found, _ = made("cls/folder", root=tmp_path / "data")
    found.save(tmp_path / "one")
    (tmp_path / "data").rename(tmp_path / "gone")
    after = opened(load(tmp_path / "one"))
    assert set(after.task.info.names) == {"кот", "猫"} and after.task.root is None
    assert after.answer(picture(20, 90)).told["label"] in after.task.info.names


def test_a_picture_is_seen_as_samples_are_that_are_scored(tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.fromarray(picture(70, 45)).save(tmp_path / split / name / "x.png")
    task = TASKS.load("cls/folder")(size=(32, 32), root=tmp_path, cache=tmp_path / "cache")
    scored = task.fresh("test").batch(task, [0])
    assert torch.equal(task.sight(picture(70, 45))["image"], scored["image"])
    seg = TASKS.load("seg")(size=(32, 32))
    image = Image.fromarray(picture(70, 45)).resize((32, 32), Image.Resampling.BILINEAR)
    raw = {"image": torch.from_numpy(np.array(image).transpose(2, 0, 1))[None], "label": torch.zeros(1, 32, 32)}
    assert torch.equal(seg.sight(picture(70, 45))["image"], seg.batch(raw)["image"])


def test_a_mask_has_the_size_of_the_picture_and_the_likeliest_classes(network):
    answer = opened(load(network)).answer(picture(75, 50))
    assert answer.mask.shape == (75, 50) and answer.mask.dtype == np.uint8
    assert sum(answer.told["shares"].values()) == pytest.approx(1)
    logits = torch.randn(1, 5, 8, 8)
    whole = torch.nn.functional.interpolate(logits, (75, 50), mode="bilinear").argmax(1)[0]
    assert np.array_equal(likeliest(logits, (75, 50)), whole.numpy())


@pytest.mark.parametrize("shape", [(90, 60), (40, 120), (64, 64)])
def test_joints_are_told_in_the_pixels_of_the_picture(shape):
    task = TASKS.load("pose")(size=(64, 64))
    image = np.zeros((*shape, 3), np.uint8)
    truth = np.random.default_rng(1).uniform(0.1, 0.9, (task.info.outputs, 2)) * shape[::-1]
    forward = topdown.matrix(*topdown.enclosing(np.array([0, 0, shape[1], shape[0]]), (64, 64), 1.0), (64, 64))
    points = torch.from_numpy(topdown.moved(truth, forward)).float()[None]
    outputs = task.perfect({"image": task.sight(image)["image"], "keypoints": points})
    told = task.answer(image, outputs).told["joints"]
    assert list(told) == list(task.info.names)
    assert np.abs(np.array([place[:2] for place in told.values()]) - truth).max() < max(shape) / 64


def test_several_networks_are_kept_as_one(tmp_path):
    (one, first), (other, second) = made("cls"), made("cls", seed=1)
    feed_of = opened(one)
    ensemble = Ensemble([first, second], feed_of.task.merge)
    masks = Ensemble.named([one.network_masks(), other.network_masks()])
    from tasks.feed import Feed

    found = kept(TicketSet((one, other)), ensemble, masks, Feed("cls/figures", feed_of.task, 8, 0), {"record": "r"})
    found.save(tmp_path / "both")
    after = load(tmp_path / "both")
    assert isinstance(after, TicketSet) and is_network(after)
    image = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    assert torch.equal(ensemble(image), opened(after).network(image))


def tampered(path, how):
    """Damage one of the two files."""
    tensors, document = (path.with_name(path.name + suffix) for suffix in (".safetensors", ".json"))
    if how == "a byte":
        data = bytearray(tensors.read_bytes())
        data[-5] ^= 1
        tensors.write_bytes(data)
    elif how == "a name":
        document.write_text(document.read_text().replace('"torso"', '"trunk"'))
    elif how == "cut":
        tensors.write_bytes(tensors.read_bytes()[:-100])
    elif how == "half":
        tensors.unlink()
    elif how == "foreign":
        made("cls")[0].save(path.with_name("other"))
        document.write_bytes(path.with_name("other.json").read_bytes())


@pytest.mark.parametrize("how", ["a byte", "a name", "cut", "half", "foreign"])
def test_damaged_files_are_refused_by_name(how, tmp_path):
    made("seg")[0].save(tmp_path / "one")
    tampered(tmp_path / "one", how)
    with pytest.raises(DamagedTicketError, match=r"one\.(safetensors|json)"):
        load(tmp_path / "one")


def test_a_network_that_states_no_task_is_refused(network):
    found = load(network)
    told = {key: value for key, value in found.provenance["network"].items() if key != "info"}
    with pytest.raises(DamagedTicketError, match="record-of-seg does not state its task"):
        opened(Ticket(found.spec, found.host, found.head, {**found.provenance, "network": told}))
    absent = {**found.provenance["network"], "task": "seg/plankton"}
    with pytest.raises(UserError, match="unknown task 'seg/plankton'"):
        opened(Ticket(found.spec, found.host, found.head, {**found.provenance, "network": absent}))
    cls = made("cls")[0].provenance["network"]
    other = opened(Ticket(found.spec, found.host, found.head, {**found.provenance, "network": cls}))
    with pytest.raises(UserError, match="head does not fit"):
        other.answer(picture(40, 40))


def test_a_ticket_is_no_network(network):
    found = load(network)
    bare = {key: value for key, value in found.provenance.items() if key != "network"}
    with pytest.raises(UserError, match="a ticket drawn on seg/figures was given where a trained network"):
        opened(Ticket(found.spec, found.host, found.head, bare))


def test_the_file_tells_all_that_a_stranger_needs(network):
    told = json.loads(network.with_name("one.json").read_bytes())["description"]["provenance"]["network"]
    assert told["task"] == "seg/figures" and told["record"] == "record-of-seg"
    assert told["info"]["names"][:2] == ["background", "head"] and told["normalisation"]["mean"][0] == 0.485
