"""One job in several processes comes to what one process comes to, and a process that is gone is told of."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import samples
import torch
from ranked import draw
from torch import nn

from bench.jobs import together
from bench.jobs.work import Undone
from tickets.errors import UserError
from tickets.training import ranks

SCRIPT = Path(__file__).parents[1] / "ranked.py"


def started(tmp_path, *names, count=2):
    """The processes that draw tickets together."""
    path = os.pathsep.join(str(folder) for folder in (SCRIPT.parents[1], SCRIPT.parent))
    return [
        subprocess.Popen(
            [sys.executable, SCRIPT, str(rank), str(count), str(tmp_path), *names],
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def test_two_processes_draw_what_one_draws(tmp_path):
    """Of rows 4 and 5 of each batch of 9: the same units, masks, scores and costs; weights to 1e-9, in float64."""
    names = "supertickets@threshold=0.9@rho=0.3", "rigl", "imp@rounds=2"
    for process in started(tmp_path, *names):
        _, said = process.communicate()
        assert process.returncode == 0, said
    alone = {name: draw(name) for name in names}
    together = torch.load(tmp_path / "found.pt", weights_only=True)
    for name, found in alone.items():
        for told in ("units", "scores", "spent"):
            assert together[name][told] == found[told], name
        assert all(torch.equal(together[name]["masks"][one], mask) for one, mask in found["masks"].items()), name
        assert all(torch.allclose(together[name]["raw"][one], raw, atol=1e-9) for one, raw in found["raw"].items())
    assert alone[names[0]]["units"] != alone["rigl"]["units"]  # units were shrunk


def test_a_process_whose_like_is_killed_ends_with_a_sentence(tmp_path):
    first, second = started(tmp_path, "imp@rounds=40")
    assert second.stdout.readline() == "begun\n"
    second.kill()
    second.communicate()
    _, said = first.communicate(timeout=90)
    assert first.returncode != 0
    assert "LostRankError: process 0 of the 2 that compute one job has lost another one (" in said


def test_alone_nothing_is_done():
    batch = torch.randn(2, 3)
    assert ranks.shared(lambda x: x, batch) is batch
    assert ranks.count() == 1 and ranks.rank() == 0 and ranks.rows(5) == slice(0, 5)
    weight = nn.Parameter(torch.ones(1))
    ranks.mean_gradients([weight])
    ranks.agree("these", [batch])
    assert weight.grad is None


def test_rows_are_parted_evenly(monkeypatch):
    monkeypatch.setattr(ranks, "count", lambda: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(ranks, "rank", lambda rank=rank: rank)
        parts += range(8)[ranks.rows(8)]
    assert parts == list(range(8))
    with pytest.raises(UserError, match="a batch of 2 samples has no rows for 3 processes; start at most 2"):
        ranks.rows(2)


def test_reasons_that_name_a_rank_s_own_folder_are_no_disagreement():
    own = [together._how(Undone(f"/home/{rank}/ticket.json is damaged", "draw-1")) for rank in range(2)]
    assert own[0] == own[1] == "to be done again"
    failed = [
        together._how(samples.record(status="failed", scores=None, error=f"no /home/{rank}")) for rank in range(2)
    ]
    assert failed == ["failed"] * 2
    assert together._how(samples.record()).startswith("ticket 0123456789abcdef, scores {")
