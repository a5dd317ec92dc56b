"""A generator against a discriminator in one backward pass: gradients, costs, scores that repeat, tickets."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from asked import config

from tasks.feed import Feed
from tasks.figures import scenes
from tasks.figures.tasks import FiguresGeneration, FiguresReconstruction
from tasks.heads.adversarial import Contest, Played
from tasks.kinds import adversarial
from tickets.contract.watch import Interrupted, Stopping
from tickets.cost import layer_costs
from tickets.drawers import DRAWERS
from tickets.drawers.base import Request
from tickets.errors import UserError
from tickets.hosts.decoder import DecoderSpec
from tickets.recipes import RECIPES
from tickets.recipes.base import transfer
from tickets.source import initial_head
from tickets.ticket import Ticket
from tickets.training.loop import Training
from tickets.training.network import Network
from tickets.training.settings import Settings

SPEC = DecoderSpec(latent=3, widths=(6, 5, 4))
"""Of 16x16 images and multiples."""
SETTINGS = Settings(steps=4, learning_rate=0.002, calibration_batches=1)


@pytest.fixture
def feed(tmp_path, monkeypatch) -> Feed:
    """A few figures, compared by their pixels."""
    monkeypatch.setattr(scenes, "TRAIN", 96)
    monkeypatch.setattr(scenes, "TEST", 24)
    monkeypatch.setattr(FiguresGeneration, "features", lambda self, images: images[:, :, ::8, ::8].flatten(1).float())
    return Feed("gan/figures", FiguresGeneration(size=(16, 16), cache=tmp_path), 4, 0)


def network(feed: Feed) -> Network:
    host = SPEC.initial(0)
    return Network(host, initial_head(feed, host, 0))


def gradients(module, loss) -> dict[str, torch.Tensor]:
    """Those that are not zero."""
    module.zero_grad()
    loss.backward()
    found = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    return {name: gradient.clone() for name, gradient in found.items() if gradient.any()}


# ---- one backward pass for two players


@pytest.mark.parametrize("is_training", [True, False])
def test_one_backward_pass_gives_each_player_the_gradient_of_its_own_loss(is_training):
    torch.manual_seed(0)
    exit, image = Contest([(4, 1)]).train(is_training), torch.randn(5, 3, 16, 16)
    maps = [torch.randn(5, 4, 16, 16, requires_grad=True)]
    task = FiguresGeneration(size=(16, 16))
    both = gradients(exit, task.loss(exit(maps, image), {"image": image}))

    def made():
        return torch.tanh(exit.picture(maps[0]))

    judge, real = exit.discriminator, (image * exit.deviation + exit.mean) * 2 - 1
    its_own = gradients(exit, F.softplus(judge(made().detach())).mean() + F.softplus(-judge(real)).mean())
    against = gradients(exit, F.softplus(-judge(made())).mean())
    for name, gradient in both.items():
        part = its_own if name.startswith("discriminator.") else against
        torch.testing.assert_close(gradient, part[name], rtol=1e-5, atol=1e-7)
    assert set(its_own) == {name for name in both if name.startswith("discriminator.")}  # none reaches the picture


def test_neither_loss_has_a_gradient_for_the_other_player():
    torch.manual_seed(0)
    exit, image = Contest([(4, 1)]).eval(), torch.randn(2, 3, 16, 16)
    maps = [torch.randn(2, 4, 16, 16, requires_grad=True)]
    played = Played.of(exit(maps, image), (16, 16))
    found = gradients(exit, F.softplus(-played.judged).mean())
    assert found and all(n.startswith("picture.") for n in found)
    played = Played.of(exit(maps, image), (16, 16))
    found = gradients(exit, F.softplus(played.fake).mean() + F.softplus(-played.real).mean())
    assert found and all(n.startswith("discriminator.") for n in found)
    torch.testing.assert_close(played.judged, played.fake)


def test_what_both_pay_by_hand():
    played = Played(torch.zeros(1, 3, 16, 16), torch.tensor([2.0]), torch.tensor([-1.0]), torch.tensor([-1.0]))
    expected = 0.126928 + 0.313262 + 1.313262  # ln(1 + e^-2), ln(1 + e^-1) and ln(1 + e^1)
    assert float(FiguresGeneration(size=(16, 16)).loss(played.packed(), {})) == pytest.approx(expected, abs=1e-5)


# ---- costs


def test_a_step_costs_the_generator_three_times_and_the_discriminator_eight(feed):
    """Forward g + 3 d; backward 2 g, 4 d for the discriminator's own gradients and d through it held fixed."""
    host = 3 * 96 + 6 * 5 * 9 * 8**2 + 5 * 4 * 9 * 16**2
    generator = host + 3 * 4 * 9 * 16**2
    discriminator = 3 * 48 * 16 * 8**2 + 48 * 96 * 16 * 4**2 + 96 * 192 * 16 * 2**2 + 192 * 4**2
    training = Training(network(feed), feed, SETTINGS, 0)
    assert training.forward_cost.dense == generator + 3 * discriminator == sum(one.macs for one in training.layers)
    assert training.step_cost.dense == 3 * generator + 8 * discriminator
    assert training.full_macs == generator + 3 * discriminator
    training.run()
    assert (training.spent.macs, training.spent.images) == (4 * 4 * training.step_cost.dense, 16)
    assert sum(one.macs for one in layer_costs(SPEC.build(), (16, 16))) == host


def test_masks_take_off_what_the_generator_costs_and_nothing_of_the_discriminator(feed):
    training = Training(network(feed), feed, SETTINGS, 0)
    before = training.step_cost
    assert before.sparse == before.dense
    training.set_masks({"host.convs.1.weight": torch.zeros(4, 5, 3, 3, dtype=torch.bool)})
    assert before.dense - training.step_cost.sparse == 3 * 5 * 4 * 9 * 16**2


# ---- noise


def test_noise_is_new_at_every_step_and_the_same_for_a_picture_whenever_it_is_scored(feed):
    entrance, image = network(feed).head.entrance, next(feed.batches(0, 1))["image"]
    torch.manual_seed(0)
    first, aside = entrance.train()(image)
    assert not torch.equal(first, entrance(image)[0]) and aside is image and first.shape == (4, 3, 1, 1)
    one, _ = entrance.eval()(image)
    two, _ = entrance(image[[2, 0]])
    assert torch.equal(one[[2, 0]], two) and not torch.equal(one[0], one[1])


def test_two_scorings_are_equal_bit_for_bit(feed):
    net = network(feed).eval()
    torch.manual_seed(1)
    first = feed.score(net, "test")
    torch.manual_seed(2)
    assert feed.score(net, "test") == first and next(iter(first)) == "coverage" and first["kid_lite0"] >= 0


# ---- tickets


def drawn(feed: Feed, name: str = "omp", **changes) -> Ticket:
    request = Request(SPEC, feed, SETTINGS, 0.5, 0)
    base = DRAWERS.make("dense").draw(replace(request, sparsity=0.0))
    return DRAWERS.make(name).draw(replace(request, given={"base": base}, **changes))


def test_a_generators_ticket_is_scored_from_its_file_and_trained_again(feed, tmp_path):
    ticket = drawn(feed)
    ticket.save(tmp_path / "ticket")
    back = Ticket.load(tmp_path / "ticket")
    assert back.hash == ticket.hash and back.spec == SPEC and back.sparsity == pytest.approx(0.5, abs=0.01)
    assert feed.score(back.network(feed), "val") == feed.score(ticket.network(feed), "val")
    training = transfer(back, RECIPES.make("finetune"), feed, SETTINGS, 0)
    training.run()
    masks = {name.removeprefix("host."): mask for name, mask in training.network.masks.items()}
    assert all(torch.equal(mask, back.host.masks[name]) for name, mask in masks.items())
    assert all((training.network.host.get_parameter(name)[~mask] == 0).all() for name, mask in masks.items())


@pytest.mark.parametrize("semantics", ["projection", "reparam"])
def test_both_players_are_pruned_where_that_is_asked_for(feed, tmp_path, semantics):
    feed = replace(feed, task=replace(feed.task, both=True))
    ticket = drawn(feed, f"gmp@semantics={semantics}")
    parts = {"host": ticket.host, "head": ticket.head}
    removed = {part: sum(int((~m).sum()) for m in of.masks.values()) for part, of in parts.items()}
    total = {"host": ticket.prunable, "head": 3 * 48 * 16 + 48 * 96 * 16 + 96 * 192 * 16 + 192 * 4**2}
    assert removed == {part: round(0.5 * count) for part, count in total.items()}
    assert all(name.startswith("exit.discriminator.") for name in ticket.head.masks)
    again = transfer(ticket, RECIPES.make("finetune"), feed, SETTINGS, 0)
    assert all(name.startswith("host.") for name in again.network.masks)  # a fresh head is dense


@pytest.mark.parametrize("after", [1, 3])
def test_a_training_that_is_stopped_goes_on_bit_for_bit(feed, after, tmp_path):
    request = Request(SPEC, feed, SETTINGS, 0.5, 0)
    whole = DRAWERS.make("gmp").draw(request)
    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        DRAWERS.make("gmp").draw(replace(request, checkpoint=Stopping(path, after)))
    torch.manual_seed(after)
    assert DRAWERS.make("gmp").draw(replace(request, checkpoint=Stopping(path))).hash == whole.hash


def test_half_the_precision_trains_too(feed):
    training = Training(network(feed), feed, replace(SETTINGS, precision="bfloat16"), 0)
    training.run()
    assert all(p.isfinite().all() for p in training.network.parameters())


@pytest.mark.parametrize("scorer", ["snip", "grasp", "synflow", "wanda", "random"])
def test_scorers_rank_a_generators_weights(feed, scorer):
    ticket = drawn(feed, f"omp@scorer={scorer}")
    assert ticket.sparsity == pytest.approx(0.5, abs=0.01) and all(m.any() for m in ticket.host.masks.values())


# ---- planning


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"source": "gan"}, "gan/figures is made by a generator, and supernet/tiny takes images; use --host decoder/"),
        ({"source": "none", "target": "gan/cifar10"}, "gan/cifar10 is made by a generator, and supernet/tiny takes im"),
        (
            {"host": "decoder/tiny"},
            "cls/figures is told from images, and decoder/tiny takes latents; use --host supern",
        ),
        ({"host": "decoder/tiny", "source": "gan"}, "seg/figures is told from images, and decoder/tiny takes latents"),
    ],
)
def test_a_task_on_a_host_that_takes_something_else_is_refused_in_a_sentence(asked, said):
    with pytest.raises(UserError) as error:
        config(**asked)
    assert said in str(error.value)


def test_a_generator_of_images_of_another_size_is_refused():
    with pytest.raises(UserError, match=r"decoder/tiny cannot make 40x40 images .*multiples of 32"):
        config(source="gan", target="gan", host="decoder/tiny", drawer="omp", scale="tiny@gan.size=40x40")


def test_without_the_package_the_task_is_refused(monkeypatch):
    monkeypatch.setattr(adversarial, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match="pip install 'ticketbench\\[generative\\]'"):
        FiguresGeneration()


def test_a_fixed_copy_computes_what_the_discriminator_of_now_does():
    exit = Contest([(4, 1)]).eval()
    with torch.no_grad():
        exit.discriminator.score.weight *= 2
        exit.picture.weight.normal_()
    played = Played.of(exit([torch.randn(2, 4, 16, 16)], torch.randn(2, 3, 16, 16)), (16, 16))
    torch.testing.assert_close(played.judged, played.fake)
    shown = (played.image * exit.deviation + exit.mean) * 2 - 1
    torch.testing.assert_close(exit.discriminator(shown), played.fake, rtol=1e-4, atol=1e-4)


# ---- the other task that a decoder is drawn on


@pytest.fixture
def coded(feed) -> Feed:
    """The same figures, reconstructed through as many numbers as the decoder takes."""
    return Feed("vae/figures", FiguresReconstruction(size=(16, 16), cache=feed.task.cache, latent=3), 4, 0)


def test_a_decoders_ticket_of_a_vae_loads_in_a_gan_and_back_with_the_same_masks(feed, coded, tmp_path):
    for source, target in ((coded, feed), (feed, coded)):
        ticket = drawn(source)
        ticket.save(tmp_path / source.name.partition("/")[0])
        back = Ticket.load(tmp_path / source.name.partition("/")[0])
        training = transfer(back, RECIPES.make("finetune"), target, SETTINGS, 0)
        training.run()
        assert back.hash == ticket.hash
        found = {name.removeprefix("host."): mask for name, mask in training.network.masks.items()}
        assert found.keys() == ticket.host.masks.keys()
        assert all(torch.equal(mask, ticket.host.masks[name]) for name, mask in found.items())
        assert 0 <= target.score(training.averaged(), "val")[target.primary] <= 1
    with pytest.raises(UserError, match="does not fit"):
        transfer(back, RECIPES.make("finetune"), coded, SETTINGS, 0, "keep")


def test_a_vae_costs_its_dense_encoder_and_its_decoder_three_times(coded):
    host = 3 * 96 + 6 * 5 * 9 * 8**2 + 5 * 4 * 9 * 16**2
    picture = 9 * (4 * 9 * 16**2 + 5 * 8**2 + 6 * 4**2)
    encoder = 3 * 16 * 16 * 8**2 + 16 * 32 * 16 * 4**2 + 32 * 64 * 16 * 2**2 + 64 * 2**2 * 2 * 3
    training = Training(network(coded), coded, SETTINGS, 0)
    assert training.step_cost.dense == 3 * (host + picture + encoder)


def test_a_latent_of_another_length_than_the_hosts_is_refused_before_anything_is_drawn():
    with pytest.raises(UserError, match="makes 32x32 images of 64 numbers; give latent=64"):
        config(source="vae@latent=16", target="gan", host="decoder/tiny", drawer="omp")


def test_a_vae_stands_on_both_kinds_of_hosts():
    for host in ("decoder/tiny", "supernet/tiny"):
        assert config(source="vae", target="vae", host=host, drawer="omp").setting.host == host
