"""One job in several processes, its ranks: each computes its rows of every batch, and all know and decide the same.

The loss is that of the whole batch on every rank, of outputs that are gathered; gradients flow back through a rank's
own rows, and their sum over the ranks is the gradient of one process, whatever a loss averages over. So all that
follows, moments, averages, masks and shrinking, is equal on all ranks, and `agree` has them prove it. In one process
nothing of this happens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from tickets.errors import UserError

Found = TypeVar("Found")
CHECKED = 8  # digits of a digest that a person is told


class LostRankError(UserError):
    """Another process of the job is gone, or has come to something else."""


def count() -> int:
    """How many processes compute this job."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among them; that of the one which writes is 0."""
    return dist.get_rank() if count() > 1 else 0


def rows(total: int) -> slice:
    """This rank's rows of so many; consecutive, and as many as others have, or one more.

    Raises:
        UserError: there are fewer rows than ranks.
    """
    ranks, own = count(), rank()
    if total < ranks:
        raise UserError(f"a batch of {total} samples has no rows for {ranks} processes; start at most {total}.")
    return slice(own * total // ranks, (own + 1) * total // ranks)


def shared(forward: Callable[[Tensor], Found], image: Tensor) -> Found:
    """What a network in training makes of a batch: each rank computes its rows, with the batch norms of all.

    Args:
        forward: images (B, 3, H, W) -> tensors of B rows, in lists, tuples or dicts.
        image: the whole batch, the same on every rank.

    Returns:
        The whole batch's tensors; their gradient goes to the own rows, times the number of ranks, as `mean_gradients`
        takes it.

    Raises:
        LostRankError: another rank is gone.
        UserError: something that is computed has other rows than the batch.
    """
    if count() == 1:
        return forward(image)
    own = rows(len(image))
    with norms(), _own_noise(image.device):
        found = forward(image[own])
    return _whole(found, len(image))


def norms() -> AbstractContextManager[Any]:
    """Batch norms in training take their statistics of the rows of all ranks within the block."""
    return nullcontext() if count() == 1 else _Norms()


def predicted(predict: Callable[[dict[str, Tensor]], Found], batch: dict[str, Tensor]) -> Found:
    """The same of a network in eval mode, of a batch with all that belongs to it.

    Args:
        predict: a batch -> tensors of its rows.
        batch: whole; shorter than the number of ranks each computes it all.
    """
    total = len(batch["image"])
    if count() == 1 or total < count():
        return predict(batch)
    own = rows(total)
    return _whole(predict({name: values[own] for name, values in batch.items()}), total)


def mean_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their mean over the ranks."""
    if count() == 1:
        return
    grads = [one.grad for one in parameters if one.grad is not None]
    for dtype in dict.fromkeys(grad.dtype for grad in grads):  # a set has another order in another process
        alike = [grad for grad in grads if grad.dtype == dtype]
        flat = torch.cat([grad.flatten() for grad in alike])
        _reduce(flat)
        flat /= count()
        for grad, part in zip(alike, flat.split([grad.numel() for grad in alike]), strict=True):
            grad.copy_(part.view_as(grad))


def agree(what: str, tensors: Iterable[Tensor]) -> None:
    """See that some tensors are equal on all ranks, to the last bit.

    Args:
        what: they are, as part of a sentence.
        tensors: in one order on all ranks.

    Raises:
        LostRankError: they differ, or another rank is gone.
    """
    if count() == 1:
        return
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    found = gathered(digest.hexdigest())
    if len(set(found)) > 1:
        raise LostRankError(
            f"{what} differ between the processes of one job ({', '.join(one[:CHECKED] for one in found)}), which "
            "would go on with other networks; see whether all run the same versions on machines of one kind."
        )


def gathered(value: Any) -> list[Any]:
    """A plain value of every rank, in their order."""
    found: list[Any] = [None] * count()
    if count() == 1:
        return [value]
    with _told():
        dist.all_gather_object(found, value)
    return found


def _whole(found: Any, total: int) -> Any:
    """Every tensor of the own rows, gathered to those of the whole batch."""
    own = rows(total)
    leaves, spec = pytree.tree_flatten(found)
    if any(not isinstance(leaf, Tensor) or leaf.dim() == 0 or len(leaf) != own.stop - own.start for leaf in leaves):
        raise UserError("what this network computes has other rows than the batch has; train it in one process.")
    return pytree.tree_unflatten([_Gather.apply(leaf, total) for leaf in leaves], spec)


class _Gather(torch.autograd.Function):
    """The rows of all ranks; every rank has the same loss of them, so that a gradient needs no exchange."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, total: int) -> Tensor:
        ctx.rows = rows(total)
        whole = own.new_zeros(total, *own.shape[1:])  # rows may be unequal, and gloo gathers none of other sizes
        whole[ctx.rows] = own
        _reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0][ctx.rows] * count(), None


class _Norms(TorchFunctionMode):
    """Batch norms in training take their statistics of the rows of all ranks."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """`batch_norm` replaced, anything else as it is."""
        return (_norm if func is nn.functional.batch_norm else func)(*args, **(kwargs or {}))


def _norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` with its own names, of (n, C, *); statistics are those of all ranks."""
    if not training:
        return nn.functional.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    out, mean, var, n = _Normalise.apply(input, weight, bias, eps)
    with torch.no_grad():
        for running, new in ((running_mean, mean), (running_var, var * (n / (n - 1).clamp(min=1)))):
            if running is not None:
                running.lerp_(new.to(running.dtype), momentum)
    return out


class _Normalise(torch.autograd.Function):
    """Normalised by the statistics of all ranks (S. Ioffe, C. Szegedy, arXiv 1502.03167, sums over all rows)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, ...]:
        dims = [0, *range(2, x.dim())]
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        sums = torch.stack([wide.sum(dims), wide.new_full((x.shape[1],), x.numel() / x.shape[1])])
        _reduce(sums)
        n = sums[1, 0]
        mean = sums[0] / n
        centred = wide - _along(mean, x)
        squares = centred.square().sum(dims)
        _reduce(squares)
        var = squares / n
        scale = (var + eps).rsqrt()
        normal = centred * _along(scale, x)
        ctx.save_for_backward(normal, weight, scale, n)
        out = normal if weight is None else normal * _along(weight, x)
        out = out if bias is None else out + _along(bias, x)
        ctx.mark_non_differentiable(mean, var, n)
        return out.to(x.dtype), mean, var, n

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        normal, weight, scale, n = ctx.saved_tensors
        grad = grads[0].to(normal.dtype)
        dims = [0, *range(2, grad.dim())]
        own = torch.stack([grad.sum(dims), (grad * normal).sum(dims)])
        whole = own.clone()
        _reduce(whole)
        mean, along = whole / n
        slope = scale if weight is None else scale * weight
        back = (grad - _along(mean, grad) - normal * _along(along, grad)) * _along(slope, grad)
        learns = weight is not None
        return back.to(grads[0].dtype), own[1] if learns else None, own[0] if learns else None, None


def _along(values: Tensor, x: Tensor) -> Tensor:
    """Values of channels, shaped to meet (n, C, *)."""
    return values.view(1, -1, *[1] * (x.dim() - 2))


@contextmanager
def _own_noise(device: torch.device) -> Iterator[None]:
    """Random numbers of the block are this rank's own; those after it are alike on all ranks."""
    cuda = [device] if device.type == "cuda" else []
    start = int(torch.randint(2**40, ()))
    with torch.random.fork_rng(cuda):
        torch.manual_seed(start + rank())
        yield


def _reduce(tensor: Tensor) -> None:
    """The sum over all ranks, in place."""
    with _told():
        dist.all_reduce(tensor)


@contextmanager
def _told() -> Iterator[None]:
    """Say in a sentence that another rank is gone."""
    try:
        yield
    except (RuntimeError, dist.DistError) as error:
        raise LostRankError(
            f"process {dist.get_rank()} of the {dist.get_world_size()} that compute one job has lost another one "
            f"({str(error).partition(chr(10))[0][:120]}); the same command goes on from the last checkpoint."
        ) from error
