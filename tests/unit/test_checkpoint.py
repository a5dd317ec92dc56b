"""What an unfinished job goes on from: resumed equals undisturbed, damage is said and not used, time adds up."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from toy import SPEC, ToySource, toy_network

from tickets.drawers.base import Request
from tickets.drawers.supertickets import SuperTickets
from tickets.search.searchable import search_blocks
from tickets.training.checkpoint import HEADER, Checkpoint, DamagedCheckpointWarning, load_checkpoint, save_checkpoint
from tickets.training.loop import Training
from tickets.training.settings import Settings

SETTINGS = Settings(steps=28, learning_rate=0.05, calibration_batches=2)
DRAWER = SuperTickets(threshold=0.95, rho=0.3)
"""Cuts much, so that the resumed network is another than the first."""


class Interrupted(Exception):
    """Stands for a kill."""


class StoppingSource(ToySource):
    """Ends the process's training before a step."""

    stop_at = 0

    def batches(self, start, stop):
        """The same batches, up to `stop_at`."""
        for step in range(start, stop):
            if step == self.stop_at:
                raise Interrupted
            yield self.batch("train", step)


@pytest.fixture(scope="module")
def whole():
    """The undisturbed ticket."""
    return DRAWER.draw(request())


@pytest.fixture
def always(monkeypatch):
    """A checkpoint after every step."""
    monkeypatch.setattr("tickets.training.checkpoint.EVERY_S", -1.0)


def request(**changes):
    """A draw that shrinks: the penalty is strong."""
    return replace(Request(SPEC, ToySource(), SETTINGS, sparsity=0.8, seed=0), **changes)


def interrupt(drawer, file, stop_at):
    """Draw up to a step, with a checkpoint there."""
    source = StoppingSource()
    source.stop_at = stop_at
    with pytest.raises(Interrupted):
        drawer.draw(request(source=source, checkpoint=Checkpoint(file)))
    assert load_checkpoint(file)["step"] == stop_at


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("stop_at", [3, 17, 27])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, whole, stop_at):
    """Also where units were cut in between: architecture, moments, averages and scores are those of one run."""
    assert whole.prunable < SPEC_WEIGHTS
    interrupt(DRAWER, tmp_path / "draw.pt", stop_at)
    resumed = DRAWER.draw(request(checkpoint=Checkpoint(tmp_path / "draw.pt")))
    assert resumed.hash == whole.hash
    assert resumed.provenance["spent"] == whole.provenance["spent"]


SPEC_WEIGHTS = sum(w.numel() for w in toy_network().prunable()["host"].values())


def first_of_each_branch(network, *args, **kwargs):
    """One live unit per kernel size of every block."""
    blocks = {name: block for name, block in search_blocks(network).items() if block.units}
    return {name: torch.cat([torch.arange(n) == 0 for n in block.units.values()]) for name, block in blocks.items()}


@pytest.mark.usefixtures("always")
def test_resumed_equals_uninterrupted_where_a_branch_has_one_unit(tmp_path, monkeypatch):
    """Slicing to one unit leaves strides that choose the convolution's kernel; a resumed draw has them too."""
    monkeypatch.setattr("tickets.drawers.supertickets.live_units_mask", first_of_each_branch)
    drawer = SuperTickets(rho=0.3)
    undisturbed = drawer.draw(request())
    assert {n for units in undisturbed.host.units.values() for n in units.values()} == {1}
    for stop_at in (3, 17, 25, 27):
        file = tmp_path / f"{stop_at}.pt"
        interrupt(drawer, file, stop_at)
        assert drawer.draw(request(checkpoint=Checkpoint(file))).hash == undisturbed.hash, stop_at


def test_saved_strides_come_back_and_parameters_stay_the_optimiser_s():
    """A depthwise weight of one unit, as slicing leaves it, is copied into another memory layout by `copy_`."""
    first, second = (Training(toy_network(), ToySource(), SETTINGS, 0) for _ in range(2))
    name = "host.stem.0.weight"
    strided = torch.randn(4, 3, 3, 3).as_strided((4, 3, 3, 3), (27, 9, 3, 1))
    first.network.get_parameter(name).data = strided
    assert second.network.get_parameter(name).stride() != strided.stride()
    second.load_state_dict(first.state_dict())
    taken = second.network.get_parameter(name)
    assert taken.stride() == strided.stride() and torch.equal(taken, strided)
    assert any(p is taken for group in second.optimizer.param_groups for p in group["params"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("host.stem.0.weight"), r"differ in \['host\.stem\.0\.weight'\]"),
        (lambda state: state.update({"host.stem.0.weight": torch.ones(2)}), r"host\.stem\.0\.weight is \[2\] there"),
    ],
)
def test_the_checkpoint_of_another_network_is_refused(change, message):
    state = Training(toy_network(), ToySource(), SETTINGS, 0).state_dict()
    state["network"] = dict(state["network"])
    change(state["network"])
    with pytest.raises(ValueError, match=f"^the checkpoint is another network's: .*{message}"):
        Training(toy_network(), ToySource(), SETTINGS, 0).load_state_dict(state)


# ---- the file


def test_a_checkpoint_holds_only_tensors_and_plain_values(tmp_path):
    file = tmp_path / "x" / "state.pt"
    save_checkpoint(file, {"step": 3, "tensor": torch.ones(2)})
    assert load_checkpoint(file)["step"] == 3
    save_checkpoint(file, {"settings": Settings(1, 0.1)})
    with pytest.warns(DamagedCheckpointWarning, match="Weights only load failed"):
        assert load_checkpoint(file) is None
    assert [p.name for p in file.parent.iterdir()] == ["state.pt"]


@pytest.mark.usefixtures("always")
def test_one_flipped_bit_is_said_and_the_draw_starts_anew(tmp_path, whole):
    """In what says that there is a digest, in the digest, behind it, and anywhere in the state."""
    file = tmp_path / "draw.pt"
    interrupt(DRAWER, file, 17)
    good = file.read_bytes()
    start = len(HEADER) + 64
    for place in (0, len(HEADER), start - 1, start, start + 1, len(good) // 2, len(good) - 1):
        bent = bytearray(good)
        bent[place] ^= 1
        file.write_bytes(bent)
        with pytest.warns(
            DamagedCheckpointWarning, match=r"draw\.pt is damaged \(.+\) and is not used: the job starts"
        ):
            assert Checkpoint(file).state is None, place
    with pytest.warns(DamagedCheckpointWarning, match="its content has another digest than was written"):
        checkpoint = Checkpoint(file)
    assert DRAWER.draw(request(checkpoint=checkpoint)).hash == whole.hash
    assert load_checkpoint(file)["step"] == SETTINGS.steps


@pytest.mark.parametrize("length", [0, 5, 60, 200, -1])
def test_a_truncated_file_is_not_used(tmp_path, length):
    file = tmp_path / "state.pt"
    save_checkpoint(file, {"step": 3})
    file.write_bytes(file.read_bytes()[:length])
    with pytest.warns(DamagedCheckpointWarning, match="is damaged"):
        assert load_checkpoint(file) is None


@pytest.mark.usefixtures("always")
def test_a_file_from_before_there_was_a_digest_is_gone_on_from(tmp_path, whole):
    file = tmp_path / "draw.pt"
    interrupt(DRAWER, file, 17)
    state = load_checkpoint(file)
    state.pop("wall_s")
    torch.save(state, file)
    checkpoint = Checkpoint(file)
    assert checkpoint.state["step"] == 17 and checkpoint.elapsed_s < 5
    assert DRAWER.draw(request(checkpoint=checkpoint)).hash == whole.hash


def test_there_is_nothing_where_there_is_no_file_and_a_state_is_taken_once(tmp_path):
    assert Checkpoint(tmp_path / "none.pt").take() is None
    save_checkpoint(tmp_path / "one.pt", {"step": 3})
    checkpoint = Checkpoint(tmp_path / "one.pt")
    assert checkpoint.take() == {"step": 3} and checkpoint.take() is None


def test_time_adds_up_over_processes(tmp_path, monkeypatch):
    """Up to the last checkpoint of a process that was killed, and all of the one that goes on."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("tickets.training.checkpoint.time", SimpleNamespace(monotonic=lambda: clock.now))
    first = Checkpoint(tmp_path / "draw.pt")
    clock.now = 130.0
    assert first.elapsed_s == 30 and not first.is_due
    clock.now = 131.0
    assert first.is_due
    first.save({"step": 1})
    assert not first.is_due
    clock.now = 150.0  # killed here
    clock.now = 5000.0
    second = Checkpoint(tmp_path / "draw.pt")
    assert second.elapsed_s == 31
    clock.now = 5004.0
    second.save({"step": 2})
    assert Checkpoint(tmp_path / "draw.pt").elapsed_s == 35
