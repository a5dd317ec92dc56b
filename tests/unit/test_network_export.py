"""Whole networks exported: ONNX Runtime tells what bench.predict tells; free sides, names inside, 8 bits if asked."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from networks import made
from PIL import Image

from bench import export
from bench.command import console
from bench.export import Asked, _freely
from tasks.network import opened
from tasks.views.batches import denormalise
from tickets.deploy import padding
from tickets.deploy.export import Face, to_program
from tickets.deploy.int8 import quantise
from tickets.deploy.whole import Whole
from tickets.errors import UserError
from tickets.hosts.timm import TimmSpec
from tickets.ticket_set import load


@pytest.fixture(autouse=True)
def once(monkeypatch):
    """Networks are exported as they are, without others that are padded, which take their time each."""
    monkeypatch.setattr(padding, "MULTIPLES", (1,))


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A network of each kind on the disk, by kind."""
    place = tmp_path_factory.mktemp("networks")
    made("cls", TimmSpec("resnet10t"))[0].save(place / "cls")
    for kind in ("seg", "vae"):
        made(kind)[0].save(place / kind)
    return place


@pytest.fixture
def images(tmp_path):
    """A folder of pictures."""
    (tmp_path / "images").mkdir()
    for number in range(6):
        blocks = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
        Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


def run(capsys, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(export.app, "export", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


def session(file):
    """An ONNX file, ready to run."""
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def pixels(kept, file):
    """A picture as a user of the file gives it: levels of 0 to 255 at the network's size."""
    with Image.open(file) as image:
        return denormalise(kept.task.sight(np.asarray(image.convert("RGB")))["image"]).float().numpy()


def levels(kept, images):
    """All pictures of a folder in one batch."""
    return np.concatenate([pixels(kept, file) for file in sorted(images.iterdir())])


def test_onnx_runtime_tells_the_labels_that_predict_tells(networks, images, capsys, tmp_path):
    code, out, err = run(capsys, networks / "cls", "--out", tmp_path / "n.onnx")
    assert code == 0 and "height and width are free" in out, err
    kept, ready = opened(load(networks / "cls")), session(tmp_path / "n.onnx")
    metadata = ready.get_modelmeta().custom_metadata_map
    names = json.loads(metadata["names"])
    (logits,) = ready.run(None, {"image": levels(kept, images)})
    told = [kept.answer(np.asarray(Image.open(file))).told["label"] for file in sorted(images.iterdir())]
    assert [names[label] for label in logits.argmax(1)] == told
    assert metadata["task"] == "cls/figures" and metadata["size"] == "32x32" and "0 to 255" in metadata["input"]
    assert ready.get_inputs()[0].shape[1] == 3 and ready.get_outputs()[0].name == "logits"
    for some in (levels(kept, images), []):
        (tmp_path / "small.onnx").write_bytes((tmp_path / "n.onnx").read_bytes())
        quantise(tmp_path / "small.onnx", [image[None] for image in some])
        (got,) = session(tmp_path / "small.onnx").run(None, {"image": levels(kept, images)})
        assert np.abs(got - logits).max() < 0.25 * np.abs(logits).max()
        assert (tmp_path / "small.onnx").stat().st_size < 0.5 * (tmp_path / "n.onnx").stat().st_size
        assert json.loads(session(tmp_path / "small.onnx").get_modelmeta().custom_metadata_map["names"]) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "n.onnx", "small.onnx"]


def test_masks_are_the_same_at_another_size(networks, capsys, tmp_path):
    code, _, err = run(capsys, networks / "seg", "--out", tmp_path / "n.onnx")
    assert code == 0, err
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 64, 96)).astype(np.float32)
    (got,) = session(tmp_path / "n.onnx").run(None, {"image": image})
    with torch.no_grad():
        (wanted,) = Whole(opened(load(networks / "seg")).network)(torch.from_numpy(image))
    np.testing.assert_allclose(got, wanted.numpy(), atol=1e-4 * float(wanted.abs().max()))


def test_a_program_holds_names_and_computes_the_same(networks, capsys, tmp_path):
    code, _, err = run(capsys, networks / "seg", "--out", tmp_path / "n.pt2")
    assert code == 0, err
    files = {"metadata.json": ""}
    program = torch.export.load(tmp_path / "n.pt2", extra_files=files).module()
    assert json.loads(json.loads(files["metadata.json"])["names"])[0] == "background"
    image = torch.randint(0, 256, (3, 3, 64, 32)).float()
    with torch.no_grad():
        torch.testing.assert_close(
            program(image), Whole(opened(load(networks / "seg")).network)(image), atol=1e-4, rtol=1e-4
        )


def test_the_command_quantises_by_a_folder_of_images(networks, images, capsys, tmp_path):
    code, out, err = run(capsys, networks / "cls", "--out", tmp_path / "n.onnx", "--int8", images)
    assert code == 0 and "quantised to 8 bits, by the ranges on 6 images" in out, err
    assert (tmp_path / "n.onnx").stat().st_size < 2 * sum(
        w.numel() for w in opened(load(networks / "cls")).network.parameters()
    )


def test_what_cannot_be_quantised_is_one_sentence(tmp_path):
    (tmp_path / "n.onnx").write_bytes(b"")
    with pytest.raises(UserError, match="ONNX Runtime cannot quantise this network"):
        quantise(tmp_path / "n.onnx", [])


class Fixed(torch.nn.Module):
    """Takes images of one size."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, image):
        """Their sum over the sides, which must be 32."""
        assert image.shape[2:] == (32, 32), "32x32 alone"
        return self.weight * image.sum((2, 3))


def test_sides_that_a_host_fixes_stay_fixed_and_are_told(capsys, tmp_path):
    asked = Asked(tmp_path / "n.onnx", None, True, 1, None)
    told = _freely(Whole(Fixed()).eval(), (32, 32), asked, Face(("sums",)))
    assert told == ["height and width are 32x32: the architecture allows no others"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["vae", "--out", "n.onnx"], "networks of vae/figures are given noise from outside"),
        (["seg", "--out", "n.pt2", "--int8", "dynamic"], "--int8 quantises ONNX files of whole networks"),
        (["seg", "--out", "n.onnx", "--int8", "no/such"], "--int8 is no/such, which is no folder"),
        (["seg", "--out", "n.onnx", "--weights", "raw"], "a network with its head has the averaged weights alone"),
        (["cls", "--out", "n.onnx", "--no-head", "--weights", "raw"], "has no raw weights"),
        (["no", "--out", "n.onnx"], "no does not exist; name a file of a network or ticket"),
    ],
)
def test_mistakes_are_told_in_one_sentence(args, message, networks, capsys, monkeypatch):
    monkeypatch.chdir(networks)
    code, out, err = run(capsys, *args)
    assert code == 2 and not out and message in err and err.count("\n") == 1 and not list(networks.glob("n.*"))


def test_a_size_that_the_network_cannot_take_is_one_sentence(tmp_path):
    with pytest.raises(
        UserError, match=r"the network cannot be run at 40x40 \(32x32 alone\); give a size that it takes"
    ):
        to_program(Whole(Fixed()).eval(), (40, 40), tmp_path / "n.pt2")
    assert not list(tmp_path.iterdir())
