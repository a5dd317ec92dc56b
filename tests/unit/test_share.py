"""bench.share: what is pushed comes back byte for byte, by a folder and by a Hub; what is refused, and how."""

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from homes import done, few_images, short_facts
from hub import TOKEN, served
from toy import SPEC, ToySource

from bench import publish, share, show
from bench.command import console
from bench.request.plan import Job
from bench.sharing import layout
from bench.sharing.terms import terms
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.ticket_set import load
from tickets.training.settings import Settings

DRAW = Job("draw", "cls/figures", None, "gmp", 0.9, 0)
TRANSFER = Job("transfer", "cls/figures", "seg/figures", "gmp", 0.9, 0, None, "finetune", "fresh")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A home with a ticket and a network, and their records; the data stay patched."""
    place = tmp_path_factory.mktemp("shared")
    with few_images(place / "cache"):
        yield place / "home", done((DRAW, TRANSFER), replace(short_facts(place / "home"), keep=True))


@pytest.fixture(scope="module")
def pushed(ran, tmp_path_factory):
    """A folder that was pushed to; not to be changed."""
    to = tmp_path_factory.mktemp("pushed") / "omp-of-mine"
    with pytest.raises(SystemExit) as left:
        console.main(share.app, "share", ["push", *(one.id for one in ran[1]), "--home", str(ran[0]), "--to", str(to)])
    assert left.value.code == 0
    return to


@pytest.fixture(autouse=True)
def no_drawing(pushed, monkeypatch):
    """Only the card that is looked at has its real pictures."""
    monkeypatch.setattr("bench.views.picture.draw", lambda *args: args[-1].write_bytes(b"\x89PNG"))


@pytest.fixture
def folder(pushed, tmp_path):
    """A copy of it that a test may spoil."""
    return shutil.copytree(pushed, tmp_path / "theirs")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A stand-in of a Hub that the command speaks to, with a token."""
    with served() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield hub


@pytest.fixture
def told(capsys):
    """A command line -> its exit code, output and errors."""

    def run(*args, app=share.app):
        with pytest.raises(SystemExit) as left:
            console.main(app, "share", [str(arg) for arg in args])
        return left.value.code, *capsys.readouterr()

    return run


def contents(folder, rooms=(*layout.PAIRS, layout.RECORDS)):
    """The files of a home's or a shared folder's rooms."""
    return {path.relative_to(folder): path.read_bytes() for room in rooms for path in (folder / room).glob("*")}


def front(folder):
    """The front matter of a card, and its text."""
    _, matter, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(matter), text


def test_a_ticket_and_a_network_come_back_byte_for_byte_with_their_records(ran, pushed, told, tmp_path):
    mine = tmp_path / "mine"
    code, out, err = told("pull", pushed, "--home", mine)
    assert (code, err) == (0, "") and out.endswith(f"pulled from {pushed}: 6 files written, 0 there already\n")
    assert contents(mine) == contents(pushed) == contents(ran[0])
    assert {path.name for path in mine.iterdir()} == {"tickets", "networks", "records"}
    draw, transfer = ran[1]
    assert f"ticket {mine}/tickets/{draw.id}.json: verified, top1 {draw.scored.score:.4f} in its record" in out
    assert f"network {mine}/networks/{transfer.id}.json: verified, miou {transfer.scored.score:.4f}" in out
    assert told("pull", pushed, "--home", mine)[1].endswith("0 files written, 6 there already\n")


def test_the_card_tells_scores_in_the_hubs_form_and_whose_terms_apply(ran, pushed):
    from huggingface_hub import ModelCard

    draw, transfer = ran[1]
    found = {
        (one.task_type, one.dataset_name, one.metric_type): (one.metric_value, one.dataset_revision)
        for one in ModelCard.load(pushed / "README.md").data.eval_results
    }
    prints = [draw.fingerprints["cls/figures"]["test"], transfer.fingerprints["seg/figures"]["test"]]
    assert found["image-classification", "cls/figures", "accuracy"] == (draw.scored.score, prints[0])
    assert found["image-segmentation", "seg/figures", "mean_iou"] == (transfer.scored.score, prints[1])
    matter, text = front(pushed)
    assert matter["library_name"] == "ticketbench" and matter["license"] == "other" and "pipeline_tag" not in matter
    assert f"bench.check recompute {draw.id} --records runs/records" in text and draw.commit in text
    assert "| `cls/figures` | that of ticketbench |" in text
    assert "tiny@size=32x32@batch_size=8, host supernet/tiny" in text
    assert f'Ticket.load("runs/tickets/{draw.id}")' in text and "pull omp-of-mine" in text
    assert str(pushed.parent) not in text
    for one in ran[1]:
        assert f"](pictures/{one.id}.png)" in text
        assert (pushed / "pictures" / f"{one.id}.png").read_bytes().startswith(b"\x89PNG")


def test_a_hub_gets_a_repository_of_models_and_gives_it_back_at_a_commit(ran, hub, told, tmp_path):
    files = [ran[0] / "tickets" / f"{ran[1][0].id}.json", ran[0] / "networks" / f"{ran[1][1].id}.safetensors"]
    code, out, err = told("push", *files, "me/mine", "--licence", "apache-2.0", "--private")
    (_, empty), (sha, first) = hub.commits["models/me/mine"]
    assert (code, err) == (0, "") and out.endswith(f"pushed: {hub.url}/me/mine/commit/{sha}\n")
    assert empty == {} and hub.private == {"models/me/mine"} and b"license: apache-2.0" in first["README.md"]
    assert told("push", *files, "me/mine")[0] == 0  # the same again
    code, out, err = told("pull", f"me/mine@{sha}", "--home", tmp_path)
    assert (code, err) == (0, "") and f"pulled from me/mine at {sha}: 6 files written" in out
    assert contents(tmp_path) == contents(ran[0])
    assert not [name for name in hub.asked if name.endswith(".png")]  # pictures are for those who read cards
    code, _, err = told("push", files[0], "me/mine")
    assert code == 2 and f"me/mine holds networks/{ran[1][1].id}.json, which is not pushed now; push all" in err


def test_records_are_a_data_set_with_a_table_for_its_viewer(ran, hub, told, tmp_path):
    assert told("push", ran[0] / "records", "me/rows")[0] == 0
    (_, files) = hub.commits["datasets/me/rows"][-1]
    assert sorted(files) == ["README.md", "records.csv", *sorted(f"records/{one.id}.json" for one in ran[1])]
    rows = {row["id"]: row for row in csv.DictReader(files["records.csv"].decode().splitlines())}
    for one in ran[1]:
        row = rows[one.id]
        assert float(row["scores.score"]) == one.scored.score and row["job.target"] == (one.job.target or "")
    assert b"- config_name: default\n  data_files: records.csv" in files["README.md"]
    for name in ("me/rows", "datasets/me/rows"):  # the Hub tells which kind it is
        assert told("pull", name, "--home", tmp_path / name)[0] == 0
        assert contents(tmp_path / name) == contents(ran[0], ["records"])


def test_a_set_of_tickets_without_a_record_is_shared_whole(told, tmp_path):
    request = Request(SPEC, ToySource(), Settings(4, 0.02, calibration_batches=1), 0.8, 0)
    drawn = DRAWERS.make("dst").draw(request)
    drawn.save(tmp_path / "tickets" / "set-0.8")
    code, out, _ = told("push", tmp_path / "tickets" / "set-0.8.json", "--to", tmp_path / "to")
    assert code == 0 and "ticket set-0.8: verified, without a record\nrecords: 0, checked\n" in out
    assert "model-index" not in front(tmp_path / "to")[0]
    assert told("pull", tmp_path / "to", "--home", tmp_path / "home")[0] == 0
    assert load(tmp_path / "home" / "tickets" / "set-0.8").hash == drawn.hash
    (tmp_path / "to" / "tickets" / "set-0.8.m1.json").unlink()
    code, _, err = told("pull", tmp_path / "to", "--home", tmp_path / "other")
    assert code == 2 and "set-0.8.m1.json does not exist" in err and not (tmp_path / "other").exists()


def test_a_ticket_that_was_adopted_is_shared_as_one(ran, told, tmp_path):
    found = load(ran[0] / "tickets" / ran[1][0].id)
    provenance = {**found.provenance, "drawer": "elsewhere", "source": None}
    replace(found, provenance=provenance).save(tmp_path / "runs" / "adopted" / "mine")
    code, out, _ = told("push", tmp_path / "runs" / "adopted" / "mine.json", "--to", tmp_path / "to")
    assert code == 0 and "adopted mine: verified, without a record" in out
    assert "pruned elsewhere, on an unknown task; its 2 files in `adopted/` vouch" in front(tmp_path / "to")[1]
    assert told("pull", tmp_path / "to", "--home", tmp_path / "home")[0] == 0
    assert sorted(path.name for path in (tmp_path / "home" / "adopted").iterdir()) == ["mine.json", "mine.safetensors"]


def flipped(file):
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def edited(file, change):
    document = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def scored(document, value):
    document["scores"] |= {"score": value, "test": {**document["scores"]["test"], "miou": value}}


SPOILT = {
    "a changed bit": (
        lambda to, draw, net: flipped(to / f"tickets/{draw}.safetensors"),
        "tickets/{draw}.safetensors does not have the SHA-256 that tickets/{draw}.json states",
    ),
    "a changed description": (
        lambda to, draw, net: edited(to / f"networks/{net}.json", lambda it: it["description"].update(kept=1)),
        "networks/{net}.json is damaged or no ticket: it is not as it was written",
    ),
    "half a ticket": (
        lambda to, draw, net: (to / f"tickets/{draw}.json").unlink(),
        "the ticket's file tickets/{draw}.json does not exist",
    ),
    "a better score": (
        lambda to, draw, net: edited(to / f"records/{net}.json", lambda it: scored(it, 0.9)),
        "networks/{net} and records/{net}.json tell of different results",
    ),
    "no fraction": (
        lambda to, draw, net: edited(to / f"records/{draw}.json", lambda it: it["scores"]["val"].update(top1=1.5)),
        "records/{draw}.json: 'scores.val.top1' is 1.5",
    ),
    "no record": (
        lambda to, draw, net: (to / f"records/{draw}.json").write_text("{"),
        "records/{draw}.json: the record records/{draw}.json is refused: it is no JSON",
    ),
    "a network among tickets": (
        lambda to, draw, net: [
            shutil.copy(to / f"networks/{net}.{end}", to / f"tickets/other.{end}") for end in ("json", "safetensors")
        ],
        "tickets/other is a network, and lies in the wrong folder",
    ),
    "another's ticket": (
        lambda to, draw, net: [
            shutil.copy(to / f"tickets/{draw}.{end}", to / f"tickets/{net}.{end}") for end in ("json", "safetensors")
        ],
        "tickets/{net} and records/{net}.json tell of different results",
    ),
    "a pickle": (
        lambda to, draw, net: (to / "tickets" / f"{draw}.pt").write_bytes(b"\x80\x04."),
        "holds 'tickets/{draw}.pt', which is no file of a ticket, network or record",
    ),
    "code": (
        lambda to, draw, net: (to / "modeling.py").write_text("raise SystemExit"),
        "holds 'modeling.py', which is no file of a ticket",
    ),
    "a link to a folder": (
        lambda to, draw, net: (to / "more").symlink_to(to / "tickets"),
        "holds 'more', which is no file of a ticket",
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_what_is_damaged_or_foreign_is_refused_by_name_and_nothing_is_taken(kind, ran, folder, told, tmp_path):
    spoil, why = SPOILT[kind]
    names = {"draw": ran[1][0].id, "net": ran[1][1].id}
    spoil(folder, **names)
    code, out, err = told("pull", folder, "--home", tmp_path / "home")
    assert code == 2 and not out and err.count("\n") == 1 and why.format(**names) in err
    assert not (tmp_path / "home").exists()


def test_of_a_repository_with_foreign_files_none_is_downloaded(hub, told, pushed, tmp_path):
    files = {str(path): data for path, data in contents(pushed).items()}
    hub.commit("models/you/yours", {**files, "pytorch_model.bin": b"\x80\x04.", "run.py": b""})
    code, _, err = told("pull", "you/yours", "--home", tmp_path / "home")
    assert code == 2 and "you/yours holds 'pytorch_model.bin' and 1 more, which is no file of a ticket" in err
    assert hub.asked == [] and not (tmp_path / "home").exists()


def test_a_file_that_a_home_has_with_other_content_stays(ran, folder, told, tmp_path):
    home, name = tmp_path / "home", f"{ran[1][1].id}.json"
    (home / "records").mkdir(parents=True)
    (home / "records" / name).write_text("mine")
    code, _, err = told("pull", folder, "--home", home)
    assert code == 2 and f"records/{name} has other content, and nothing there is overwritten" in err
    assert [path.name for path in home.rglob("*.*")] == [name] and (home / "records" / name).read_text() == "mine"


def test_a_record_of_changed_code_is_a_note_beside_its_ticket_and_refused_in_a_data_set(ran, told, tmp_path):
    home = shutil.copytree(ran[0], tmp_path / "home")
    edited(home / "records" / f"{ran[1][0].id}.json", lambda it: it.update(dirty=True))
    code, out, _ = told("push", ran[1][0].id, "--home", home, "--to", tmp_path / "to")
    assert code == 0 and f"note: {ran[1][0].id}.json: 'dirty' is True: its code differed from commit" in out
    assert "Others cannot compute its score again for certain: 'dirty' is True" in front(tmp_path / "to")[1]
    code, _, err = told("push", home / "records", "--to", tmp_path / "rows")
    assert code == 2 and f"records/{ran[1][0].id}.json: 'dirty' is True" in err and not (tmp_path / "rows").exists()


def test_without_matplotlib_the_card_has_no_picture_and_that_is_told(ran, told, tmp_path, monkeypatch):
    monkeypatch.delattr("bench.views.picture.draw")
    code, out, _ = told("push", ran[1][0].id, "--home", ran[0], "--to", tmp_path / "to")
    assert code == 0 and f"the card has no picture of {ran[1][0].id}; pip install matplotlib" in out
    assert "](pictures/" not in front(tmp_path / "to")[1]


def test_published_draws_take_their_tickets_along_to_be_pushed(ran, told, tmp_path):
    to, along = tmp_path / "out" / "records", tmp_path / "out" / "tickets"
    asked = ("--home", ran[0], "--to", to, "--tickets", along, "--no-rescore")
    assert told(*asked, app=publish.app)[0] == 0
    assert contents(tmp_path / "out") == contents(ran[0], ["records", "tickets"])
    shutil.rmtree(along)
    code, out, _ = told(*asked, app=publish.app)  # those that are published already, too
    assert code == 0 and "2 there already" in out and len(list(along.iterdir())) == 2
    code, out, _ = told("push", tmp_path / "out", "--to", tmp_path / "to")
    assert code == 0 and f"ticket {ran[1][0].id}: verified, top1" in out
    flipped(along / f"{ran[1][0].id}.safetensors")
    code, out, _ = told(*asked, app=publish.app)
    assert code == 1 and f"{ran[1][0].id}.safetensors has other content, and nothing there is overwritten" in out


def test_a_place_that_is_not_of_a_push_is_left_alone(ran, hub, told, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("words")
    code, _, err = told("push", ran[1][0].id, "--home", ran[0], "--to", tmp_path / "thesis")
    assert code == 2 and "holds 'chapter.tex', which is no file of a ticket" in err and "place of its own" in err
    (tmp_path / "thesis" / "chapter.tex").rename(tmp_path / "thesis" / "README.md")
    code, _, err = told("push", ran[1][0].id, "--home", ran[0], "--to", tmp_path / "thesis")
    assert code == 2 and "thesis has a README.md that is not of a push; push to a place of its own" in err
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["README.md"]
    hub.commit("models/me/site", {"README.md": b"# Mine\n"})
    code, _, err = told("push", ran[1][0].id, "me/site", "--home", ran[0])
    assert code == 2 and "me/site has a README.md that is not of a push" in err
    assert len(hub.commits["models/me/site"]) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["push", "me/x"], "nothing is named that shall go to me/x"),
        (["push", "a.json"], "'a.json' is no repository to push to; end with owner/name, or give --to FOLDER"),
        (["push", "ID", "me/x@main"], "'me/x@main' is no repository to push to"),
        (["push", "nothing.json", "me/x"], "nothing.json does not exist"),
        (["push", "unknown", "--to", "TMP/to"], "unknown file, or record of HOME"),
        (["push", "TMP", "--to", "TMP/to"], "holds no tickets, networks or records"),
        (["push", "HOME/records", "ID", "--to", "TMP/to"], "is a folder of records, which is pushed alone"),
        (["push", "ID", "--to", "FILE"], "is a file; let --to name a folder"),
        (["push", "ID", "me/x", "--endpoint", "hub"], "--endpoint is 'hub'; give a Hub's address that starts with"),
        (["pull", "nowhere"], "'nowhere' is neither a folder nor a repository"),
        (["pull", "../x/y"], "'../x/y' is neither a folder nor a repository"),
        (["pull", "TMP"], "holds no ticket, network or record; name another"),
        (["pull", "me/x", "--home", "FILE"], "is a file; let --home name a folder"),
        (["pull", "me/x"], "has no repository me/x that you may see; look at the name, or set HF_TOKEN"),
        (["pull", "datasets/me/x@v1"], "has no repository datasets/me/x@v1 that you may see"),
        (["pull", "you/yours@v7"], "you/yours has no revision 'v7'; name a branch, a tag or a commit of it"),
        (["pull", "me/x", "--endpoint", "http://127.0.0.1:9"], "http://127.0.0.1:9 does not answer for me/x"),
        (["push", "ID", "me/x", "--endpoint", "http://127.0.0.1:9"], "does not answer for me/x"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_in_one_sentence(args, message, ran, hub, told, tmp_path):
    hub.commit("models/you/yours", {})
    words = {"ID": ran[1][0].id, "HOME": str(ran[0]), "TMP": str(tmp_path), "FILE": __file__}
    for word, value in words.items():
        args = [arg.replace(word, value) for arg in args]
        message = message.replace(word, value)
    home = [] if "--home" in args else ["--home", ran[0] if args[0] == "push" else tmp_path / "home"]
    code, out, err = told(*args, *home)
    assert code == 2 and not out and message in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir()) and list(hub.commits) == ["models/you/yours"]


def test_no_token_a_wrong_one_and_other_refusals_are_told(ran, hub, told, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_of_another")
    code, out, err = told("push", ran[1][0].id, "me/x", "--home", ran[0])
    assert code == 2 and not out and f"your token for {hub.url} is not valid there (me/x: status 401)" in err
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.refusing = {"api/repos/create": 403, "api/models/me/x": 503}
    code, out, err = told("pull", "me/x", "--home", ran[0])
    assert code == 2 and not out and f"{hub.url} refuses me/x with status 503: " in err and err.count("\n") == 1
    code, out, err = told("push", ran[1][0].id, "me/y", "--home", ran[0])
    assert code == 2 and not out and f"your token for {hub.url} may not do that (me/y: status 403)" in err
    monkeypatch.delenv("HF_TOKEN")
    code, out, err = told("push", ran[1][0].id, "me/x", "--home", ran[0])
    assert code == 2 and not out and f"there is no token for {hub.url}; make one there that may write" in err


def test_terms_are_those_of_the_data_as_far_as_they_tell():
    found = terms(["cls/imagenet", "seg/folder", "seg/camvid", "acme/theirs"])
    assert found["cls/imagenet"]["licence"].startswith("non-commercial research")
    assert found["seg/camvid"]["licence"].startswith("academic use")
    assert found["seg/folder"]["licence"] == found["acme/theirs"]["licence"] == "as its owner holds it"
    own = {"licence": "CC0", "url": "here", "citation": "me", "names": ["a", "b"]}
    assert terms(["seg/folder"], [{"task": "seg/folder", "info": own}])["seg/folder"]["licence"] == "CC0"


def test_the_lines_of_the_docs_do_what_they_say(ran, hub, told, tmp_path, monkeypatch):
    """All but the recomputation, which the test of the real commands does."""
    shutil.copytree(ran[0], tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[2] / "docs" / "sharing.md").read_text(encoding="utf-8")
    lines = [line.split()[2:] for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()]
    apps = {"bench.share": share.app, "bench.show": show.app}
    for command, *args in (line for line in lines if line[0] in apps):
        given = [arg.replace("TICKET", ran[1][0].id).replace("NETWORK", ran[1][1].id) for arg in args]
        code, _, err = told(*given, app=apps[command])
        assert (code, err) == (0, ""), given
    assert contents(tmp_path / "theirs") == contents(ran[0])
    assert contents(tmp_path / "theirs-too") == contents(ran[0], ["records"])
    assert len(contents(tmp_path / "copied")) == 3
