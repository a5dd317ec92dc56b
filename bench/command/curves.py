"""Curves of a running job for TensorBoard, by mmengine's back end."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tickets.errors import UserError
from tickets.training.progress import Progress

WRITER = "tensorboard.summary.writer.event_file_writer"
"""What PyTorch takes of TensorBoard to write curves."""
Report = Callable[[Progress], None]


def require() -> None:
    """See that TensorBoard is installed and can be imported, before anything is trained.

    Raises:
        UserError: it is not, or cannot be.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError('--tensorboard needs the package tensorboard; pip install "ticketbench[tensorboard]".')
    try:
        importlib.import_module(WRITER)
    except Exception as error:  # whatever another package's modules raise
        raise UserError(
            f"--tensorboard needs the package tensorboard, which cannot be imported ({type(error).__name__}: {error}); "
            "mend its installation, or leave --tensorboard out."
        ) from error


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
