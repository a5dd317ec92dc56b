"""Pictures of samples, of the data that are drawn here and of no others: theirs are not ours to show."""

from __future__ import annotations

import base64
import io
from functools import lru_cache

from tasks import EMBEDDED

COUNT, SIZE, QUALITY = 8, (64, 64), 85


def picture(task: str) -> str | None:
    """Some test samples of a task in a row, what is asked of them below, as JPEG in base64; None of any other data.

    Args:
        task: its name.
    """
    kind, _, data = task.partition("/")
    return _drawn("parts" if kind == "seg" else "") if data == EMBEDDED else None


@lru_cache
def _drawn(truth: str) -> str:
    import numpy as np
    from PIL import Image

    from tasks import picture
    from tasks.figures import scenes

    rows = [scenes.read(sample, SIZE) for sample in scenes.samples("test")[:COUNT]]
    lines = [np.concatenate([row["image"] for row in rows], 1)]
    if truth:
        palette = picture.colours(scenes.PARTS)
        lines.append(np.concatenate([palette[row[truth]] for row in rows], 1))
    out = io.BytesIO()
    Image.fromarray(np.concatenate(lines, 0).astype(np.uint8)).save(out, format="JPEG", quality=QUALITY)
    return base64.b64encode(out.getvalue()).decode()
