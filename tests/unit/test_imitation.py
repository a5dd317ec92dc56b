"""What it costs to differ from a teacher, by task: every value by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from toy import ToySource

from tasks.base import Task
from tasks.feed import Feed
from tasks.figures.tasks import FiguresClassification, FiguresPose, FiguresSegmentation
from tickets.errors import UserError
from tickets.source import divergence

T = 2.0
SAID, TOLD = [0.0, 0.0], [2 * math.log(3), 0.0]
KL = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
"""Of (3/4, 1/4) from (1/2, 1/2), which these logits are at temperature 2: 0.130812."""
BATCH = {"label": torch.tensor([0])}
MSE = FiguresPose(objective="mse")


def logits(*places):
    """(B, C, 1, w) of logits a place."""
    return torch.tensor(places).T[None, :, None]


@pytest.mark.parametrize("source", [FiguresClassification(), ToySource(), Feed("cls", FiguresClassification(), 1, 0)])
def test_classes_are_compared_at_a_temperature(source):
    said, told = torch.tensor([SAID]), torch.tensor([TOLD])
    assert source.imitation(said, told, BATCH, T).item() == pytest.approx(4 * KL, rel=1e-6) == 0.523248
    assert source.imitation(said, told, BATCH, T, "mean").item() == pytest.approx(4 * KL / 2, rel=1e-6)
    both = source.imitation(said.repeat(2, 1), torch.tensor([TOLD, SAID]), BATCH, T).item()
    assert both == pytest.approx(4 * KL / 2, rel=1e-6)  # the mean over the batch, of which one agrees


def test_a_high_temperature_compares_logits_by_their_squared_distance():
    """T^2 KL -> half the variance of the differences of logits: of two classes, difference^2 / 8."""
    far = divergence(torch.tensor([SAID]).double(), torch.tensor([TOLD]).double(), 1000.0).item()
    assert far == pytest.approx(TOLD[0] ** 2 / 8, rel=1e-5) == pytest.approx(0.60347, abs=1e-5)


def test_logits_of_low_precision_are_compared_in_float32():
    said, told = torch.tensor([[1.0, 0.3]]), torch.tensor([[0.2, 1.5]])
    low = [one.bfloat16() for one in (said, told)]
    with torch.autocast("cpu", torch.bfloat16):
        found = FiguresClassification().imitation(*low, BATCH, T)
    assert found.dtype == torch.float32
    assert torch.equal(found, FiguresClassification().imitation(*(one.float() for one in low), BATCH, T))


SEEN = {"visible": torch.tensor([[True, True]]), "label": torch.zeros(1, 4, 4, dtype=torch.long)}


@pytest.mark.parametrize(
    ("task", "shape"),
    [(FiguresClassification(), (2, 5)), (FiguresSegmentation(), (1, 5, 2, 2)), (FiguresPose(), (1, 2, 4, 4)),
     (MSE, (1, 2, 4, 4))],
)  # fmt: skip
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_who_says_what_the_teacher_says_has_nothing_to_learn(task, shape, reduction):
    told = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for said, learns in ((told.clone().requires_grad_(), False), ((told + told**2).requires_grad_(), True)):
        cost = task.imitation(said, told, SEEN, 3.0, reduction)
        cost.backward()
        assert cost.shape == () and (cost > 1e-3) == learns and (said.grad.abs().max() > 1e-4) == learns
        assert learns or abs(cost) < 1e-6


class TestSegmentation:
    def cost(self, said, told, label, reduction="sum"):
        """Of logits (1, 2, 1, w) and labels of one row."""
        batch = {"label": torch.tensor([[label]])}
        return FiguresSegmentation().imitation(said, told, batch, T, reduction)

    def test_void_pixels_do_not_count(self):
        said, told = logits(SAID, SAID, SAID).requires_grad_(), logits(TOLD, SAID, [9.0, -9.0])
        cost = self.cost(said, told, [0, 1, 255])
        assert cost.item() == pytest.approx(4 * KL / 2, rel=1e-6)  # of two labelled pixels one agrees
        cost.backward()
        assert said.grad[..., 0].any() and not said.grad[..., 1:].any()
        assert self.cost(said, told, [255, 255, 255]) == 0
        assert self.cost(said, told, [0, 1, 255], "mean").item() == pytest.approx(4 * KL / 4, rel=1e-6)

    def test_logits_are_resized_to_the_label_as_for_the_loss(self):
        """Two places on four pixels: logits (0, 1/4, 3/4, 1) of the way; the last pixel is void."""
        said, told = logits(SAID, SAID), logits(SAID, TOLD)
        ways = [0.0, 0.25, 0.75]
        p = [1 / (1 + math.exp(-way * math.log(3))) for way in ways]
        by_hand = [4 * (q * math.log(2 * q) + (1 - q) * math.log(2 * (1 - q))) for q in p]
        assert self.cost(said, told, [0, 1, 1, 255]).item() == pytest.approx(sum(by_hand) / 3, rel=1e-5)


class TestPose:
    def test_places_are_compared_at_a_temperature_where_outputs_are_logits(self):
        """Two joints of two cells each, one of them visible; a mean is that over cells."""
        said, told = torch.tensor([[[SAID], [SAID]]]), torch.tensor([[[TOLD], [[7.0, -7.0]]]])
        batch = {"visible": torch.tensor([[True, False]])}
        assert FiguresPose().imitation(said, told, batch, T).item() == pytest.approx(4 * KL, rel=1e-6)
        assert FiguresPose().imitation(said, told, batch, T, "mean").item() == pytest.approx(4 * KL / 2, rel=1e-6)
        assert FiguresPose().imitation(said, told, {"visible": torch.tensor([[False, False]])}, T) == 0

    def test_heat_maps_are_compared_as_the_loss_compares_them(self):
        """Half the squared distance, its mean over cells and joints, where joints not seen count as right."""
        said, told = torch.zeros(1, 2, 1, 2), torch.tensor([[[[2.0, 0.0]], [[5.0, 5.0]]]])
        batch = {"visible": torch.tensor([[True, False]])}
        for how in ((), (9.0,), (9.0, "mean")):
            assert MSE.imitation(said, told, batch, *how).item() == 0.5 * (2.0**2 / 2) / 2
        points = torch.tensor([[[8.0, 8.0], [20.0, 30.0]]])
        person = {**batch, "keypoints": points, "image": torch.zeros(1, 3, 64, 64)}
        perfect = MSE.codec.perfect(points, (16, 16), (64, 64))
        outputs = torch.rand(1, 2, 16, 16)
        assert MSE.imitation(outputs, perfect, person) == MSE.loss(outputs, person) > 0


class Mute(FiguresClassification):
    """A task whose outputs nobody can imitate."""

    imitation = Task.imitation


def test_a_task_that_defines_none_says_so():
    with pytest.raises(UserError, match=r"^Mute defines no imitation of a teacher; train on it without one, or over"):
        Mute().imitation(torch.zeros(1, 2), torch.zeros(1, 2), BATCH, T)
    assert not Mute.is_imitable() and FiguresClassification.is_imitable()
    assert [one.has_temperature for one in (FiguresSegmentation(), FiguresPose(), MSE)] == [True, True, False]


def test_the_divergence_is_pytorch_s():
    random = torch.Generator().manual_seed(1)
    said, told = torch.randn(2, 4, 7, generator=random).double()
    by_torch = F.kl_div((said / 3).log_softmax(1), (told / 3).log_softmax(1), log_target=True, reduction="none")
    torch.testing.assert_close(divergence(said, told, 3.0), 9 * by_torch.sum(1))
    torch.testing.assert_close(divergence(said, told, 3.0, reduction="mean"), 9 * by_torch.mean(1))
