"""Checks of head and loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.contract.promise import Skipped, promise, require
from tasks.contract.subject import Batch, Subject
from tickets.seeding import seeded


@promise("its head is decided by the seed and gives outputs at any input size")
def _head(subject: Subject) -> str:
    one, two, other = (subject.network(seed).head.state_dict() for seed in (3, 3, 4))
    require(all(torch.equal(one[key], two[key]) for key in one), "one seed gives two heads")
    require(any(not torch.equal(one[key], other[key]) for key in one), "two seeds give one head")
    net, (height, width) = subject.network().eval(), subject.task.size
    found = []
    for size in ((height, width), (height + 32, width + 64)):
        with torch.no_grad():
            shape = tuple(net(torch.zeros(2, 3, *size)).shape)
        require(shape[0] == 2, f"2 images of {size} give outputs {shape}")
        found.append(shape)
    return f"{found[0]}, {found[1]} for 2 images"


@promise("its loss is finite and reaches every weight of the head")
def _gradients(subject: Subject) -> str:
    net, batch = subject.network(), subject.training_batch()
    loss = _loss(subject, net, batch)
    require(loss.shape == (), f"the loss has shape {tuple(loss.shape)}; it must be a scalar")
    require(bool(loss.isfinite()) and loss > 0, f"the loss of a fresh network is {loss.item()}")
    loss.backward()
    for name, weight in net.head.named_parameters():
        grad = torch.zeros(()) if weight.grad is None else weight.grad
        require(grad.any(), f"no gradient reaches the head's {name}")
        require(grad.isfinite().all(), f"the gradient of the head's {name} is not finite")
    return f"loss {loss.item():.4g}, {sum(p.numel() for p in net.head.parameters()):,} weights"


@promise("where a teacher can be imitated, its own outputs cost nothing and others something")
def _imitates(subject: Subject) -> str:
    if not subject.task.is_imitable():
        raise Skipped("it defines no imitation of a teacher")
    batch, (net, teacher) = subject.training_batch(), (subject.network(seed) for seed in (0, 1))
    with torch.no_grad():
        told = teacher(batch["image"])
    outputs = net(batch["image"])
    same, other = (subject.task.imitation(one, told, batch, 2.0) for one in (told, outputs))
    require(other.shape == (), f"the cost has shape {tuple(other.shape)}; it must be a scalar")
    require(bool(other.isfinite()) and other > 0, f"another network's outputs cost {other.item()}")
    require(abs(same) <= 1e-3 * other, f"the teacher's own outputs cost {same.item():.3g}, others {other.item():.3g}")
    other.backward()
    require(any(p.grad is not None and p.grad.any() for p in net.head.parameters()), "no gradient reaches the head")
    return f"{other.item():.4g}"


def _loss(subject: Subject, net: nn.Module, batch: Batch) -> Tensor:
    with seeded(0, "contract", "dropout"):
        return subject.task.loss(net(batch["image"]), batch)


@promise("a small step lowers its loss")
def _descends(subject: Subject) -> str:
    if subject.task.is_game:
        raise Skipped("its loss is the sum of several players', which a step of all of them may raise")
    net, batch = subject.network(), subject.training_batch()
    before = _loss(subject, net, batch)
    before.backward()
    weights = [(p, p.grad) for p in net.parameters() if p.grad is not None]
    square = sum(float(grad.square().sum()) for _, grad in weights)
    rate = min(0.01 * before.item() / max(square, 1e-30), 1.0)  # to first order 1 % less
    with torch.no_grad():
        for weight, grad in weights:
            weight.sub_(rate * grad)
        after = _loss(subject, net, batch)
    require(after < before, f"from {before.item():.6g} to {after.item():.6g} by a step along the gradient")
    return f"from {before.item():.6g} to {after.item():.6g}"
