"""bench.predict: answers as JSON and pictures, for every kind of task and of picture; what is none is told apart."""

import json

import numpy as np
import pytest
from networks import made
from PIL import Image, ImageDraw
from samples import record
from toy import SPEC

from bench import predict, preview, show
from bench.command import console
from tasks.kinds.classification import Classification
from tasks.lettering import lettered
from tasks.network import opened
from tasks.picture import card
from tickets.ticket import Part, Ticket
from tickets.ticket_set import load

KINDS = {"cls": "label", "seg": "shares", "pose": "joints", "vae": "bits_per_dimension"}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A home with a network of each kind, by kind; that of seg has its record."""
    home = tmp_path_factory.mktemp("home")
    found = {}
    for kind in KINDS:
        found[kind] = home / "networks" / f"of-{kind}"
        made(kind)[0].save(found[kind])
    told = record(target="seg/figures")
    told.write(home / "records")
    for suffix in (".json", ".safetensors"):
        (home / "networks" / f"{told.id}{suffix}").write_bytes((home / "networks" / f"of-seg{suffix}").read_bytes())
    return {**found, "home": home, "id": told.id}


@pytest.fixture(autouse=True)
def no_data(monkeypatch):
    """Real data that the user has do not belong to these tasks."""
    monkeypatch.delenv("TICKETBENCH_DATA", raising=False)


@pytest.fixture
def images(tmp_path):
    """A folder of pictures of several kinds and sizes, and what is none."""
    place = tmp_path / "images"
    place.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (60, 90, 3), np.uint8)).save(place / "wide.jpg")
    Image.fromarray(rng.integers(0, 256, (90, 17), np.uint8)).save(place / "grey.png")
    Image.fromarray(rng.integers(0, 256, (33, 33, 4), np.uint8)).save(place / "кот.png")
    (place / "notes.txt").write_text("no image")
    return place


def run(capsys, *args):
    """Exit code, output and errors of a command line."""
    with pytest.raises(SystemExit) as left:
        console.main(predict.app, "predict", [str(arg) for arg in args])
    out, err = capsys.readouterr()
    return left.value.code, out, err


@pytest.mark.parametrize(("kind", "key"), KINDS.items())
def test_every_image_gets_an_answer_and_a_picture(kind, key, networks, images, capsys, tmp_path):
    code, out, err = run(capsys, networks[kind], images, "--out", tmp_path / "told")
    told = json.loads((tmp_path / "told" / "predictions.json").read_text(encoding="utf-8"))
    assert (code, err) == (0, "") and out.endswith(f"3 images: {tmp_path / 'told' / 'predictions.json'}\n")
    assert [one["image"].rpartition("/")[2] for one in told["images"]] == ["grey.png", "wide.jpg", "кот.png"]
    assert [(one["height"], one["width"]) for one in told["images"]] == [(90, 17), (60, 90), (33, 33)]
    kept = opened(load(networks[kind]))
    for one in told["images"]:
        with Image.open(one["image"]) as image:
            answer = kept.answer(np.asarray(image.convert("RGB")))
        assert one[key] == json.loads(json.dumps(answer.told))[key]
        with Image.open(tmp_path / "told" / one["picture"]) as shown:
            assert shown.mode == "RGB"
        if kind == "seg":
            with Image.open(tmp_path / "told" / one["mask"]) as mask:
                assert mask.mode == "P" and np.array_equal(np.asarray(mask), answer.mask)


def test_a_record_by_its_id_or_file_means_its_network(networks, images, capsys, tmp_path):
    ways = [
        ("of-seg", networks["seg"]),
        ("id", networks["id"]),
        ("file", networks["home"] / "records" / f"{networks['id']}.json"),
    ]
    found = []
    for name, given in ways:
        code, _, err = run(capsys, given, images / "wide.jpg", "--home", networks["home"], "--out", tmp_path / name)
        assert (code, err) == (0, "")
        found.append((tmp_path / name / "predictions.json").read_bytes())
    assert found[0] == found[1] == found[2]


def test_a_drawn_ticket_predicts_what_it_was_drawn_on(networks, images, capsys, tmp_path):
    found = load(networks["cls"])
    bare = {key: value for key, value in found.provenance.items() if key != "network"}
    Ticket(SPEC, found.host, found.head, bare).save(tmp_path / "drawn")
    answers = []
    for name, given in (("a", networks["cls"]), ("b", tmp_path / "drawn")):
        assert run(capsys, given, images / "wide.jpg", "--out", tmp_path / name)[0] == 0
        answers.append(json.loads((tmp_path / name / "predictions.json").read_text())["images"])
    assert answers[0] == answers[1]
    Ticket(SPEC, found.host, Part(), {**bare, "source": "cls/folder"}).save(tmp_path / "own")
    code, _, err = run(capsys, tmp_path / "own", images, "--out", tmp_path / "c")
    assert code == 2 and "drawn on cls/folder, whose classes or joints its data tell" in err and err.count("\n") == 1


def test_a_drawn_ticket_takes_heads_and_options_from_its_record(images, capsys, tmp_path):
    found, _ = made("seg", heads="paper", head_width=12)
    bare = {key: value for key, value in found.provenance.items() if key != "network"}
    told = record(source="seg/figures", target=None)
    told = told.model_copy(update={"config": {**told.config, "heads": "paper", "options": {"head_width": 12}}})
    told.write(tmp_path / "records")
    Ticket(SPEC, found.host, found.head, bare).save(tmp_path / "tickets" / told.id)
    code, _, err = run(capsys, told.id, images / "wide.jpg", "--home", tmp_path, "--out", tmp_path / "told")
    assert (code, err) == (0, "") and (tmp_path / "told" / "masks" / "wide.png").is_file()


def test_preview_and_show_take_a_network(networks, capsys, tmp_path):
    with pytest.raises(SystemExit) as left:
        asked = ["--task", "seg", "--network", str(networks["seg"]), "--count", "2", "--out", str(tmp_path / "p.png")]
        console.main(preview.app, "preview", asked)
    out, err = capsys.readouterr()
    assert (left.value.code, err) == (0, "") and (tmp_path / "p.png").is_file()
    with pytest.raises(SystemExit) as left:
        console.main(preview.app, "preview", ["--task", "cls", *asked[2:]])
    assert left.value.code == 2 and "was trained on seg/figures and predicts only there" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        console.main(show.app, "show", [str(networks["seg"]), "--no-layers"])
    out, _ = capsys.readouterr()
    assert left.value.code == 0 and "network of: seg/figures" in out and "record-of-seg" in out
    with pytest.raises(SystemExit) as left:
        console.main(show.app, "show", [networks["id"], "--home", str(networks["home"])])
    assert left.value.code == 0 and "seg/figures" in capsys.readouterr().out


def test_files_of_one_name_have_pictures_of_their_own(networks, images, capsys, tmp_path):
    (tmp_path / "more").mkdir()
    Image.new("RGB", (40, 40), "red").save(tmp_path / "more" / "wide.png")
    run(capsys, networks["cls"], images / "wide.jpg", tmp_path / "more", "--out", tmp_path / "told")
    assert sorted(path.name for path in (tmp_path / "told" / "pictures").iterdir()) == ["wide-1.png", "wide.png"]


def test_an_image_that_cannot_be_read_is_told_and_the_others_are_answered(networks, images, capsys, tmp_path):
    (images / "broken.png").write_bytes((images / "grey.png").read_bytes()[:60])
    code, out, err = run(capsys, networks["cls"], images, "--out", tmp_path / "told")
    told = json.loads((tmp_path / "told" / "predictions.json").read_text(encoding="utf-8"))["images"]
    assert (code, err) == (1, "") and "4 images, 1 of them not readable" in out
    assert [("error" in one, "label" in one) for one in told] == [(True, False), *[(False, True)] * 3]


@pytest.mark.parametrize(
    ("network", "image", "message"),
    [
        ("HOME", "IMAGE", "is a folder; name a network or ticket, as "),
        ("IMAGE", "IMAGE", "wide.jpg is no network or ticket, which are two files"),
        ("ID?", "IMAGE", "unknown file, or record of "),
        ("no/such.json", "IMAGE", "no/such.json does not exist; name a file of a network or ticket, or a record's id"),
        ("LOST", "IMAGE", "left no network in "),
        ("DRAW", "IMAGE", "left no ticket in "),
        ("FAILED", "IMAGE", "failed and left no network; run it again."),
        ("cls", "no.jpg", "the image no.jpg does not exist; give image files"),
        ("cls", "EMPTY", "holds no file that ends in .jpg"),
    ],
)
def test_mistakes_are_told_in_one_sentence(network, image, message, networks, images, capsys, tmp_path):
    lost, draw = record(target="seg/figures", seed=5), record(target=None, seed=6)
    failed = record(target="seg/figures", seed=7, score=None)
    for one in (lost, draw, failed):
        one.write(tmp_path / "records")
    (tmp_path / "empty").mkdir()
    named = {"HOME": networks["home"], "IMAGE": images / "wide.jpg", "ID?": f"{lost.id}x", "EMPTY": tmp_path / "empty"}
    named |= {"LOST": lost.id, "DRAW": tmp_path / "records" / f"{draw.id}.json", "FAILED": failed.id, **networks}
    args = [named.get(given, given) for given in (network, image)]
    code, out, err = run(capsys, *args, "--home", tmp_path, "--out", tmp_path / "told")
    assert code == 2 and not out and message in err and err.count("\n") == 1 and not (tmp_path / "told").exists()


def test_a_task_that_tells_nothing_of_a_picture_is_refused(networks, images, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(Classification, "answers", classmethod(lambda cls: False))
    code, _, err = run(capsys, networks["cls"], images, "--out", tmp_path / "told")
    assert code == 2 and "networks of cls/figures are asked nothing of a picture" in err


def test_letters_that_no_font_has_are_codes_and_never_boxes():
    text, font = lettered("cat 猫")
    assert text == "cat \\u732b" and lettered("cat")[0] == "cat"
    boxes = Image.new("RGB", (150, 40), "white")
    ImageDraw.Draw(boxes).text((4, 0), "cat 猫", fill=(0, 0, 0), font=font)
    assert card([("cat 猫", (0, 0, 0), None)], 18).tobytes() != boxes.crop((0, 0, 150, 18)).tobytes()


def test_letters_of_a_larger_font_are_drawn_where_there_is_one(monkeypatch):
    from tasks import lettering

    pytest.importorskip("matplotlib")
    assert lettered("кошка")[0] == "кошка"
    lettering._fonts.cache_clear()
    monkeypatch.setattr(lettering, "_larger", lambda: iter(()))
    assert lettered("ко")[0] == "\\u043a\\u043e"
    lettering._fonts.cache_clear()
