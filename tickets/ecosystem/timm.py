"""A ticket by `timm.create_model("ticket", path=...)`, once this module is imported.

timm's registry makes a model before it looks at `checkpoint_path`, of which a ticket's architecture would have to come,
so that the file is told by `path`; `checkpoint_path` then is a state dict that is loaded on top, as of any other model.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from timm.models import register_model
from torch import Tensor, nn

from tickets.errors import UserError
from tickets.hosts.base import features_of
from tickets.pruning.lasting import Form
from tickets.source import MEAN, STD
from tickets.ticket import Ticket, Weights
from tickets.ticket_set import single


class Features(nn.Module):
    """The maps of a ticket's host, as timm's models give them with `features_only=True`.

    Args:
        host: of a ticket.
        out_indices: numbers of the maps that are given, negative ones from the last; None for all.
    """

    def __init__(self, host: nn.Module, out_indices: Sequence[int] | None = None) -> None:
        super().__init__()
        from timm.models import FeatureInfo

        self.host, stages = host, features_of(host)
        self.indices = tuple(i % len(stages) for i in (range(len(stages)) if out_indices is None else out_indices))
        told = [{"num_chs": w, "reduction": s, "module": f"host.{i}"} for i, (w, s) in enumerate(stages)]
        self.feature_info = FeatureInfo(told, self.indices)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the chosen maps."""
        maps = self.host(image)
        return [maps[i] for i in self.indices]


class Classifier(nn.Module):
    """A ticket's host, the mean over its last map, and a linear layer.

    Args:
        host: of a ticket.
        num_classes: outputs; 0 for the mean itself.
    """

    def __init__(self, host: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.host, self.num_features = host, features_of(host)[-1][0]
        self.reset_classifier(num_classes)

    def reset_classifier(self, num_classes: int) -> None:
        """Put another, untrained classifier in."""
        self.num_classes = num_classes
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()

    def get_classifier(self) -> nn.Module:
        """The last layer."""
        return self.fc

    def forward_features(self, image: Tensor) -> Tensor:
        """The last map, (B, width, h, w)."""
        last: Tensor = self.host(image)[-1]
        return last

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """(B, width, h, w) -> (B, classes), or (B, width) before the classifier."""
        pooled = features.mean((2, 3))
        return pooled if pre_logits else self.fc(pooled)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes)."""
        return self.forward_head(self.forward_features(image))


@register_model
def ticket(
    pretrained: bool = False,
    path: str | Path = "",
    weights: Weights = "ema",
    masks: Form | Literal["none"] = "parametrize",
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    num_classes: int = 1000,
    **timm: Any,
) -> nn.Module:
    """A ticket as a timm model.

    Args:
        pretrained: is not used; a ticket has its weights.
        path: either of its two files.
        weights: as `Ticket.build` takes them.
        masks: that last in training, as `Ticket.build` takes them; "none" for zeros alone, since timm hands no None on.
        features_only: give maps instead of classes.
        out_indices: which maps.
        num_classes: outputs of a fresh classifier.
        timm: what timm gives every model; `pretrained_cfg` and the like are not used.

    Raises:
        UserError: no path was given, or it is no ticket.
    """
    if not path:
        raise UserError("a ticket needs its file; call timm.create_model('ticket', path='TICKET.json').")
    found: Ticket = single(path, "a timm model is")
    host = found.build(weights, None if masks == "none" else masks)
    model = Features(host, out_indices) if features_only else Classifier(host, num_classes)
    size = (3, *found.provenance["size"])
    model.pretrained_cfg = model.default_cfg = {  # type: ignore[assignment]  # what timm.data asks
        "architecture": "ticket", "input_size": size, "mean": MEAN, "std": STD, "num_classes": num_classes,
        "interpolation": "bilinear", "crop_pct": 1.0, "first_conv": None, "classifier": "fc",
    }  # fmt: skip
    return model
