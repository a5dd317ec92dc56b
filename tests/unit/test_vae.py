"""A variational autoencoder whose encoder is the host: what it costs, tickets across kinds, stops, what is refused."""

from dataclasses import replace

import pytest
import torch
from asked import config
from PIL import Image
from toy import SPEC, drawn

from bench import preview
from bench.command import console
from tasks import TASKS
from tasks.feed import Feed
from tasks.figures import scenes
from tasks.views.batches import denormalise, normalise
from tickets.contract.watch import Interrupted, Stopping
from tickets.cost import layer_costs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.recipes import RECIPES
from tickets.recipes.base import transfer
from tickets.source import initial_head
from tickets.ticket import Ticket
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.training.settings import Settings

SETTINGS = Settings(steps=4, learning_rate=0.002, calibration_batches=1)


@pytest.fixture
def feeds(tmp_path, monkeypatch) -> dict[str, Feed]:
    """A few figures to reconstruct and, from the same cache, for the three other kinds."""
    monkeypatch.setattr(scenes, "TRAIN", 96)
    monkeypatch.setattr(scenes, "TEST", 24)
    options = {"vae": {"latent": 5, "decoder_width": 2}}
    made = {
        kind: TASKS.load(kind)(size=(16, 16), cache=tmp_path, **options.get(kind, {}))
        for kind in ("vae", "cls", "seg", "pose")
    }
    return {kind: Feed(f"{kind}/figures", task, 4, 0) for kind, task in made.items()}


# ---- costs


def test_a_step_costs_encoder_and_decoder_three_times(feeds):
    """The host as counted alone; the head by hand: posterior, means, a decoder of 8, 6, 4 and 2 channels, its end."""
    host = SPEC.initial(0)
    encoder = sum(one.macs for one in layer_costs(host, (16, 16)))
    pooled = sum(width * (min(8, 16 // stride)) ** 2 for width, stride in host.features)
    posterior, straight = pooled * 2 * 5, 5 * 3 * 16**2
    decoder = 5 * 8 * 2**2 + 9 * (8 * 6 * 4**2 + 6 * 4 * 8**2 + 4 * 2 * 16**2)
    training = Training(Network(host, initial_head(feeds["vae"], host, 0)), feeds["vae"], SETTINGS, 0)
    assert training.step_cost.dense == 3 * (encoder + posterior + straight + decoder + 9 * 2 * 9 * 16**2)
    training.run()
    assert (training.spent.macs, training.spent.images) == (4 * 4 * training.step_cost.dense, 16)


# ---- tickets


def ticket_of(feed: Feed) -> Ticket:
    """Half of the host, drawn at once."""
    return drawn(DRAWERS.make("omp"), Request(SPEC, feed, SETTINGS, 0.5, 0))


@pytest.mark.parametrize(
    ("source", "target"),
    [("vae", "cls"), ("vae", "seg"), ("vae", "pose"), ("cls", "vae"), ("seg", "vae"), ("pose", "vae")],
)
def test_tickets_are_the_host_alone_and_go_between_kinds_with_their_masks(feeds, source, target, tmp_path):
    ticket = ticket_of(feeds[source])
    ticket.save(tmp_path / "ticket")
    training = transfer(Ticket.load(tmp_path / "ticket"), RECIPES.make("finetune"), feeds[target], SETTINGS, 0)
    training.run()
    found = {name.removeprefix("host."): mask for name, mask in training.network.masks.items()}
    assert found.keys() == ticket.host.masks.keys()
    assert all(torch.equal(mask, ticket.host.masks[name]) for name, mask in found.items())
    assert 0 <= feeds[target].score(training.averaged(), "val")[feeds[target].primary] <= 1


def test_a_decoder_is_kept_where_that_is_asked_for_and_fresh_else(feeds):
    ticket = ticket_of(feeds["vae"])
    own, kept, fresh = (
        network.head.encode.project.weight.detach()
        for network in (
            ticket.network(feeds["vae"]),
            transfer(ticket, RECIPES.make("continue"), feeds["vae"], SETTINGS, 1, "keep").network,
            transfer(ticket, RECIPES.make("finetune"), feeds["vae"], SETTINGS, 1, "fresh").network,
        )
    )
    assert float((own - kept).abs().max()) < 0.01 < float((own - fresh).abs().max())  # averaged, and as trained


@pytest.mark.parametrize("after", [1, 3])
def test_a_training_that_is_stopped_goes_on_bit_for_bit(feeds, after, tmp_path):
    """The noise of latents is the training's, whose state is in the checkpoint."""
    request = Request(SPEC, feeds["vae"], SETTINGS, 0.5, 0)
    whole = DRAWERS.make("gmp").draw(request)
    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        DRAWERS.make("gmp").draw(replace(request, checkpoint=Stopping(path, after)))
    torch.manual_seed(after)
    assert DRAWERS.make("gmp").draw(replace(request, checkpoint=Stopping(path))).hash == whole.hash


# ---- data


def test_a_batch_gives_all_256_levels_back_and_mirrors_at_most(feeds):
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(denormalise(normalise(ramp)), ramp)
    task = feeds["vae"].task
    raw = task.split("train").gather(range(16))
    batch = task.batch(raw, torch.Generator().manual_seed(0))
    assert batch.keys() == {"image"}
    for made, image in zip(denormalise(batch["image"]), raw["image"], strict=True):
        assert torch.equal(made, image) or torch.equal(made, image.flip(2))


def test_samples_cache_and_fingerprints_are_those_of_the_classification(tmp_path):
    for split, count in (("train", 12), ("test", 4)):
        for name in TASKS.load("cls/cifar10").names:
            folder = tmp_path / "cifar10" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (32, 32), (number, len(name), count)).save(folder / f"{number}.png")
    told = {
        kind: TASKS.load(f"{kind}/cifar10")(size=(32, 32), root=tmp_path, cache=tmp_path / "cache")
        for kind in ("cls", "vae")
    }
    assert told["cls"].prepare(0) == told["vae"].prepare(0)
    assert len(list((tmp_path / "cache").iterdir())) == 1
    first, second = (task.split("test").gather([0])["image"] for task in told.values())
    assert torch.equal(first, second) and told["vae"].download()


# ---- pictures


def test_a_ticket_is_shown_by_input_reconstruction_and_sample(feeds, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TICKETBENCH_CACHE", str(tmp_path))
    feed = Feed("vae/figures", TASKS.load("vae")(size=(16, 16), cache=tmp_path), 4, 0)
    ticket_of(feed).save(tmp_path / "ticket")
    widths = []
    for more in ([], ["--ticket", tmp_path / "ticket"]):
        out = tmp_path / f"{len(more)}.png"
        asked = ["--task", "vae", "--out", out, "--count", 2, *more]
        with pytest.raises(SystemExit) as left:
            console.main(preview.app, "preview", [str(one) for one in asked])
        assert left.value.code == 0, capsys.readouterr().err
        with Image.open(out) as picture:
            widths.append(picture.width)
    batch = feed.task.batch(feed.task.split("test").gather(range(2)))
    network = Ticket.load(tmp_path / "ticket").network(feed)
    with torch.no_grad():
        rows = feed.task.panels(batch, feed.task.predict(network, batch))
        made = [feed.task.imagined(network, batch) for _ in range(2)]
    assert [panel.title for panel in rows[0]] == ["input", "reconstruction"] and widths[1] > widths[0]
    assert [panel.title for panel in made[0]] == ["sample", "sample"]
    assert [panel.image for panel in made[0]] == [panel.image for panel in made[1]]
    assert made[0][0].image != made[0][1].image


# ---- what is refused before anything is drawn


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"source": "vae", "target": "vae", "recipe": "kd"},
            "the recipe kd imitates a teacher, and vae/figures defines",
        ),
        (
            {"source": "vae", "target": "cls", "head": "keep"},
            "--head keep cannot carry a head from vae/figures to cls/fi",
        ),
        (
            {"source": "cls", "target": "vae", "drawer": "dst"},
            "dst draws a set, and vae/figures does not say how outputs",
        ),
        ({"source": "vae@latent=0", "target": "vae"}, "latent is 0; give a whole number of at least 1"),
    ],
)
def test_what_does_not_go_is_refused_in_a_sentence(asked, said):
    with pytest.raises(UserError) as error:
        config(**{"drawer": "omp", **asked})
    assert said in str(error.value) and str(error.value).count("\n") == 0


def test_sides_that_do_not_double_three_times_are_refused():
    with pytest.raises(UserError, match=r"size \(36, 36\) cannot be made by doubling three times; give multiples of 8"):
        TASKS.load("vae")(size=(36, 36))
