"""The GPUs of this machine, shared out among worker processes."""

from __future__ import annotations

import os


def gpus(device: str) -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls each of several GPUs that a run has; none where it has one, or names one.

    Args:
        device: as PyTorch calls it; "cuda" for all that this process sees.
    """
    if device != "cuda":
        return []
    import torch  # only here, since it takes a second

    count = torch.cuda.device_count()
    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return (named or [str(number) for number in range(count)])[:count] if count > 1 else []
