"""Worker processes: results, progress, and a death that is told and not waited for."""

import pytest

from bench.jobs.workers import Workers
from tickets.errors import UserError


def test_calls_run_side_by_side_and_a_death_leaves_the_others_alone():
    heard = {}
    with Workers(2, threads=1) as workers:
        workers.start("a", "calls:double", 4)
        workers.start("b", "calls:die", 7)
        assert workers.free == 0
        while workers.free < 2:
            for message in workers.messages():
                heard.setdefault(message.key, []).append((message.kind, message.value))
        assert heard == {"a": [("progress", "got 4"), ("result", 8)], "b": [("died", 7)]}
        assert workers.call("calls:threads") == "1"


def test_a_call_whose_process_dies_raises():
    with Workers(1, threads=1) as workers, pytest.raises(RuntimeError, match="ended with code 3 in calls:die"):
        workers.call("calls:die", 3)


def test_a_users_mistake_is_told_and_the_process_goes_on():
    with Workers(1, threads=1) as workers:
        with pytest.raises(UserError, match="no 8 here"):
            workers.call("calls:refuse", 8)
        (process,) = (worker.process for worker in workers._idle)
        assert workers.call("calls:double", 1) == 2 and process.is_alive()
