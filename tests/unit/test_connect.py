"""bench.connect: the line between two trainings of one ticket, its barrier, and what cannot be joined."""

import pytest
import torch
from homes import few_images, short_run
from samples import record
from torch import nn
from toy import ToySource, toy_network

from bench import connect
from bench.audit import replica
from bench.command import console
from bench.jobs import line
from bench.records import record as records
from bench.views.line import Line, show, to_svg
from tickets.errors import UserError
from tickets.pruning.masks import project
from tickets.training.between import barrier, between, errors_along
from tickets.training.network import Network


class Flat(nn.Module):
    """A host of one weight a map, without batch norm."""

    def __init__(self, *weights):
        super().__init__()
        self.layer = nn.Linear(len(weights), 1, bias=False)
        self.layer.weight = nn.Parameter(torch.tensor([weights]))

    def forward(self, image):
        """One map."""
        return [self.layer(image)]


def flat(*weights):
    return Network(Flat(*weights), nn.Identity())


def test_a_point_on_the_line_is_the_weighted_mean_of_the_weights():
    one, other = flat(1.0, 0.0), flat(3.0, 0.0)
    found = between(one, other, 0.25, [])
    assert found.host.layer.weight.tolist() == [[1.5, 0.0]]  # 3/4 * 1 + 1/4 * 3; zero in both stays zero
    assert (one.host.layer.weight.tolist(), other.host.layer.weight.tolist()) == ([[1.0, 0.0]], [[3.0, 0.0]])


def test_a_barrier_by_hand():
    """Two valleys at w = -1 and w = 1 of the error (w^2 - 1)^2: on the line it is 1 at w = 0, and 0 at both ends."""
    errors = errors_along(flat(-1.0), flat(1.0), 5, list, lambda n: 1 - (n.host.layer.weight.item() ** 2 - 1) ** 2)
    assert errors == [0.0, 0.5625, 1.0, 0.5625, 0.0] and barrier(errors) == 1.0
    assert barrier([0.2, 0.1, 0.4]) == pytest.approx(0.1)  # the higher end above the mean of both


def test_batch_norms_are_those_of_the_point_itself():
    source = ToySource()
    images = [batch["image"] for batch in source.calibration(2)]
    one, other = toy_network(seed=0), toy_network(seed=1)
    found = between(one, other, 0.5, images)
    with torch.no_grad():
        mean = torch.stack([found.host.stem[0](image).mean((0, 2, 3)) for image in images]).mean(0)
    assert torch.allclose(found.host.stem[1].running_mean, mean, atol=1e-6)
    middle = (one.host.stem[1].running_mean + other.host.stem[1].running_mean) / 2
    assert not torch.allclose(found.host.stem[1].running_mean, middle)


def test_the_whole_line_is_as_sparse_as_its_ends():
    one, other = toy_network(seed=0), toy_network(seed=1)
    masks = {name: torch.rand(w.shape) < 0.3 for name, w in one.weights().items()}
    for network in (one, other):
        network.masks = masks
        project(network, masks)
    found = between(one, other, 0.3, [])
    assert all(not found.get_parameter(name)[~mask].any() for name, mask in masks.items())


def test_two_architectures_are_joined_by_no_line():
    with pytest.raises(UserError, match=r"^the two networks are of different architectures, so no line joins them;"):
        between(flat(1.0), flat(1.0, 2.0), 0.5, [])


# ---- a record's line


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home after a very short run, and its records' names by kind."""
    place = tmp_path_factory.mktemp("connect")
    with few_images(place / "cache"):
        yield place / "home", short_run(place / "home")


def work_of(home, name):
    found = records.read(home / "records" / f"{name}.json")
    return found, replica.work_of(found, home, replica.Data())


@pytest.mark.parametrize("kind", ["transfer", "random", "dense"])
def test_the_first_end_is_the_record_s_own_network(home, kind):
    found, work = work_of(home[0], home[1][kind])
    errors = line.errors(work, 3)
    assert errors[0] == 1 - found.scored.score and len(errors) == 3
    assert not list((home[0] / "checkpoints").glob("*order*"))


def test_the_second_training_sees_other_batches_from_the_same_start(home, monkeypatch):
    _, work = work_of(home[0], home[1]["transfer"])
    starts, batches = [], []
    begun = line.begun

    def seen(work, given, feed):
        ticket, (training,) = begun(work, given, feed)
        starts.append({name: p.detach().clone() for name, p in training.network.named_parameters()})
        batches.append(next(iter(feed.batches(0, 1)))["image"])
        return ticket, iter([training])

    monkeypatch.setattr(line, "begun", seen)
    line.errors(work, 3)
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    assert not torch.equal(*batches)


def test_a_line_that_was_interrupted_goes_on_and_ends_the_same(home, monkeypatch):
    _, work = work_of(home[0], home[1]["transfer"])
    whole = line.errors(work, 3)
    with monkeypatch.context() as patch:
        patch.setattr(line, "errors_along", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            line.errors(work, 3)
    kept = sorted(path.name for path in (home[0] / "checkpoints").glob("*order*"))
    assert kept == [f"{work.id}-order{order}.pt" for order in (0, 1)]
    steps = []
    begun = line.begun

    def counted(*args):
        ticket, (training,) = begun(*args)
        monkeypatch.setattr(training, "_step", lambda batch: steps.append(batch))
        return ticket, iter([training])

    monkeypatch.setattr(line, "begun", counted)
    assert line.errors(work, 3) == whole and not steps


def test_the_table_has_a_barrier_a_seed_and_their_interval(capsys):
    show(
        [Line("imp", seed, "top1", errors, errors[0]) for seed, errors in enumerate(([0.2, 0.5, 0.2], [0.2, 0.3, 0.2]))]
    )
    out = capsys.readouterr().out
    assert "seed 0       20.0    50.0        20.0     50.0     30.0" in out
    assert "barrier: +20.0 ±127.1 points, 2 seeds" in out  # by hand: 12.706 * 14.14 / sqrt 2


def test_a_first_end_that_is_not_the_record_s_is_told(capsys):
    show([Line("imp", 3, "top1", [0.2, 0.3, 0.2], 0.25)])
    assert "note: the first end of seed 3 has another error than its record, 25.0;" in capsys.readouterr().out


def test_the_picture_has_a_line_a_seed_and_names_the_barrier():
    told = to_svg([Line("omp of $x$", seed, "miou", [0.2, 0.4, 0.2], 0.2) for seed in (0, 1)])
    assert "barrier +20.0" in told and "1 - mIoU" in told and "n = 2 seeds" in told and told.startswith("<?xml")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["{transfer}", "--points", "2"], "--points is 2; give at least 3, the two ends and one between them."),
        (["{transfer}", "--out", "line.png"], "'line.png' is no name for what is written; let it end in .svg."),
        (["{draw}"], "is the record of a draw that is ok; give that of a transfer or control"),
        (["{set}"], "is the record of 3 networks, and a line joins two of one ticket."),
        (["nowhere.json"], "cannot read the record nowhere.json"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(home, args, told, tmp_path, capsys):
    one = record(kind="transfer", id="several")
    several = one.model_copy(update={"ticket": one.ticket.model_copy(update={"members": 3})})
    files = {name: home[0] / "records" / f"{id}.json" for name, id in home[1].items()}
    files["set"] = several.write(tmp_path)
    with pytest.raises(SystemExit) as left:
        console.main(connect.app, "python -m bench.connect", [arg.format(**files) for arg in args])
    out, err = capsys.readouterr()
    assert left.value.code == 2 and not out and err.count("\n") == 1 and told in err


def test_the_command_prints_the_barrier_and_draws_it(home, tmp_path, capsys, monkeypatch):
    def here(works, points, jobs, display):
        return {file: line.errors(work, points) for file, work in works.items()}

    monkeypatch.setattr(connect, "_computed", here)  # worker processes have all images
    file = home[0] / "records" / f"{home[1]['transfer']}.json"
    with pytest.raises(SystemExit) as left:
        console.main(connect.app, "connect", [str(file), "--points", "3", "--out", str(tmp_path / "line.svg")])
    out, _ = capsys.readouterr()
    assert left.value.code == 0 and "barrier: " in out and "note:" not in out
    assert (tmp_path / "line.svg").read_text().startswith("<?xml")
