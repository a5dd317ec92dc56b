"""Curves of a running job for TensorBoard, by mmengine's back end."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tickets.errors import UserError
from tickets.training.progress import Progress

Report = Callable[[Progress], None]


def require() -> None:
    """Look whether TensorBoard is installed.

    Raises:
        UserError: it is not.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError('--tensorboard needs the package tensorboard; pip install "ticketbench[tensorboard]".')


@contextmanager
def written(folder: Path | None, report: Report | None) -> Iterator[Report | None]:
    """A report that writes curves to a folder, too: loss, sparsity, and the last score on val.

    Args:
        folder: where to, one for each job; None for nowhere.
        report: what progress is told to besides.
    """
    if folder is None:
        yield report
        return
    from mmengine.visualization import TensorboardVisBackend  # only here: it imports OpenCV

    board = TensorboardVisBackend(save_dir=str(folder))

    def told(at: Progress) -> None:
        scalars = {"loss": at.loss, "sparsity": at.sparsity}
        board.add_scalars(scalars if at.metric is None else {**scalars, "val": at.metric}, step=at.step)
        if report is not None:
            report(at)

    try:
        yield told
    finally:
        board.close()
