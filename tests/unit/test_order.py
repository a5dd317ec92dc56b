"""The order of jobs: held against a plain formulation that looks at all of them each time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from asked import config

from bench.jobs.order import Queue, by_length
from bench.jobs.price import makespan
from bench.request.plan import jobs


@dataclass(frozen=True)
class Node:
    """As much of a job as its order depends on."""

    name: int
    needs: dict[str, Node] = field(default_factory=dict, compare=False)


def graph(seed: int) -> tuple[list[Node], dict[Node, float]]:
    """Up to 24 jobs that need some of those before them, one twice at times; whole seconds, so that many tie."""
    draw = random.Random(seed)
    nodes: list[Node] = []
    for name in range(draw.randrange(25)):
        needed = draw.choices(nodes, k=draw.randrange(min(4, len(nodes) + 1))) if nodes else []
        nodes.append(Node(name, {f"role{number}": need for number, need in enumerate(needed)}))
    return nodes, {node: float(draw.randrange(4)) for node in nodes}


def plain(nodes: list[Node], seconds: dict[Node, float], at_once: int) -> float:
    """The same time, looked for among all that wait whenever one ends."""
    waiting, running, ended, now = by_length(nodes, seconds.__getitem__), [], set(), 0.0
    while waiting or running:
        ready = [n for n in waiting if all(need in ended or need not in seconds for need in n.needs.values())]
        for node in ready[: at_once - len(running)]:
            waiting.remove(node)
            running.append((now + seconds[node], node))
        first = min(running, key=lambda one: one[0])
        running.remove(first)
        now = first[0]
        ended.add(first[1])
    return now


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
def test_the_time_of_a_grid_is_that_of_the_plain_formulation(at_once):
    for seed in range(200):
        nodes, seconds = graph(seed)
        assert makespan(nodes, seconds, at_once) == plain(nodes, seconds, at_once), f"graph {seed}"


def test_what_is_not_among_the_jobs_is_taken_as_done():
    for seed in range(100):
        nodes, seconds = graph(seed)
        left = {node: seconds[node] for node in nodes[len(nodes) // 3 :]}
        assert makespan(list(left), left, 2) == plain(list(left), left, 2), f"graph {seed}"


def test_every_job_is_taken_once_and_after_its_needs():
    nodes, seconds = graph(3)
    queue, done = Queue(nodes, seconds.__getitem__), []
    while taken := queue.take(2):
        for node in taken:
            assert all(need in done for need in node.needs.values())
            done.append(node)
            queue.end(node)
    assert sorted(done, key=lambda node: node.name) == nodes


def test_a_job_that_is_put_back_comes_after_all_others_that_can_start():
    first, second, third = nodes = [Node(0), Node(1), Node(2)]
    behind = Node(3, {"ticket": first})
    queue = Queue([*nodes, behind], lambda node: 1.0)
    assert queue.take(1) == [first]
    queue.put_back(first)
    assert queue.take(9) == [second, third, first]
    assert queue.take(9) == []
    queue.end(first)
    assert queue.take(9) == [behind]


def test_the_longest_way_goes_first():
    """A short draw with a long transfer behind it before a reference of middling length."""
    found = jobs(config())
    draw, dense, transfer = found
    costs = {draw: 1.0, dense: 5.0, transfer: 7.0}
    assert by_length(found, costs.__getitem__) == [draw, transfer, dense]
    assert by_length(found, {**costs, dense: 9.0}.__getitem__) == [dense, draw, transfer]
