"""Curves: what is reported is what TensorBoard reads; without the package a sentence, before anything runs."""

import importlib.util

import pytest
from asked import config

from bench.command import curves
from tickets.errors import UserError
from tickets.training.progress import Progress


def test_what_is_reported_is_read_back_and_told_on(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told = []
    with curves.written(tmp_path / "job", told.append) as report:
        report(Progress(1, 3, 2.5, None, 0.0))
        report(Progress(3, 3, 0.5, 0.75, 0.9))
    found = EventAccumulator(str(tmp_path / "job")).Reload()
    values = {tag: [(e.step, round(e.value, 6)) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
    assert values == {"loss": [(1, 2.5), (3, 0.5)], "sparsity": [(1, 0.0), (3, 0.9)], "val": [(3, 0.75)]}
    assert [at.step for at in told] == [1, 3]


def test_nothing_is_written_unless_asked_for(tmp_path):
    report = print
    with curves.written(None, report) as same:
        assert same is report
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_it_is_refused(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "ticketbench\[tensorboard\]"'):
        config(tensorboard=True)
