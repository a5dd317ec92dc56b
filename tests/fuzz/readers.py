"""Every reader of a stranger's files, with the valid files that are damaged for it."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import samples
import yaml
from hypothesis import strategies as st
from inputs import as_json, damaged, regrown
from PIL import Image
from scipy.io import savemat
from toy import SPEC

from bench.records import record
from bench.request import scale, suite
from tasks.data import annotations, files, matlab
from tickets.errors import UserError
from tickets.pruning.masks import ones, prunable
from tickets.search.searchable import live_units
from tickets.ticket import Part, Ticket, canonical, copied, digest
from tickets.ticket_set import load


@dataclass(frozen=True)
class Reader:
    """What is given to a reader, and how it is called.

    Args:
        inputs: of the files' contents, by their names in an empty folder; or, for a scale, its text.
        call: reads what lies in the folder; a `UserError` is its documented way to refuse.
    """

    inputs: st.SearchStrategy[dict[str, bytes]]
    call: Callable[[Path], Any]

    def meets(self, contents: dict[str, bytes]) -> bool:
        """Write the files and read them; whether they were taken.

        Raises:
            Exception: any but a `UserError`, which is a fault of the reader.
        """
        with tempfile.TemporaryDirectory(prefix="ticketbench-fuzz-") as place:
            for name, content in contents.items():
                (Path(place) / name).write_bytes(content)
            try:
                self.call(Path(place))
            except UserError as error:
                assert len(str(error)) < 3000, "a sentence, not a page"
                return False
            return True


def _either(whole: bytes, tree: Any, text: Callable[[Any], bytes] = as_json) -> st.SearchStrategy[bytes]:
    return st.one_of(damaged(whole), regrown(tree).map(text))


def _ticket() -> st.SearchStrategy[dict[str, bytes]]:
    host = SPEC.build()
    part = Part(ones(prunable(host)), raw=copied(host), units=live_units(host))
    tensors, document = Ticket(SPEC, part, provenance={"drawer": "dense"})._files()
    description = json.loads(document)["description"]
    held = safetensors.torch.load(tensors)

    def forged(tree: Any) -> dict[str, bytes]:
        """Two files that vouch for each other, whatever they say."""
        try:
            data = safetensors.torch.save(held, metadata={"description_sha256": digest(tree)})
            return {
                "x.safetensors": data,
                "x.json": canonical({"description": tree, "tensors_sha256": hashlib.sha256(data).hexdigest()}),
            }
        except (ValueError, TypeError):  # what canonical JSON cannot state
            return {"x.safetensors": tensors, "x.json": as_json({"description": tree})}

    return st.one_of(
        regrown(description).map(forged),
        damaged(tensors).map(lambda data: {"x.safetensors": data, "x.json": document}),
        damaged(document).map(lambda data: {"x.safetensors": tensors, "x.json": data}),
    )


def _record() -> st.SearchStrategy[dict[str, bytes]]:
    text = samples.record().to_json()
    return _either(text.encode(), json.loads(text)).map(lambda data: {"x.json": data})


def _yaml(tree: Any) -> bytes:
    try:
        return yaml.safe_dump(tree).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError, yaml.YAMLError):
        return as_json(tree)


def _suite() -> st.SearchStrategy[dict[str, bytes]]:
    whole = (suite.FOLDER / "smoke.yaml").read_bytes() + b"seed: 0-4\nset: {draw.steps: 3, size: [32, 32]}\n"
    return _either(whole, yaml.safe_load(whole), _yaml).map(lambda data: {"x.yaml": data})


def _scale() -> st.SearchStrategy[dict[str, bytes]]:
    whole = b"tiny@batch_size=16@seg.draw.steps=100@size=32x32@draw.learning_rate=0.1@heads=light"
    words = st.sampled_from(["@", ".", "=", "seg", "draw", "steps", "size", "1e308", "nan", "-1", "[", "9" * 99])
    built = st.lists(words, max_size=12).map(lambda parts: ("tiny@" + "".join(parts)).encode())
    return st.one_of(damaged(whole), built).map(lambda data: {"x.txt": data})


def _read_scale(place: Path) -> Any:
    try:
        text = (place / "x.txt").read_bytes().decode()
    except UnicodeDecodeError:
        return None
    return scale.load(text).plan("seg/figures")


COCO = {
    "images": [{"id": 1, "file_name": "0.png", "width": 8, "height": 8}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "keypoints": [1, 1, 2, 2, 2, 2], "bbox": [0, 0, 4, 4],
         "num_keypoints": 2, "area": 16, "iscrowd": 0}
    ],
}  # fmt: skip


def _coco() -> st.SearchStrategy[dict[str, bytes]]:
    return _either(as_json(COCO), COCO).map(lambda data: {"x.json": data})


def _joints() -> st.SearchStrategy[dict[str, bytes]]:
    wholes = []
    for version, packed in (("4", False), ("5", False), ("5", True)):
        into = io.BytesIO()
        savemat(into, {"joints": np.arange(84.0).reshape(14, 3, 2) if version == "5" else np.ones((14, 3))},
                format=version, do_compression=packed)  # fmt: skip
        wholes.append(into.getvalue())
    return st.sampled_from(wholes).flatmap(damaged).map(lambda data: {"x.mat": data})


def _images() -> st.SearchStrategy[dict[str, bytes]]:
    wholes = []
    noise = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    for kind in files.FORMATS:
        into = io.BytesIO()
        Image.fromarray(noise).save(into, kind)
        wholes.append(into.getvalue())
    return st.sampled_from(wholes).flatmap(damaged).map(lambda data: {"x": data})


READERS: dict[str, Callable[[], Reader]] = {
    "ticket": lambda: Reader(_ticket(), lambda place: load(place / "x")),
    "record": lambda: Reader(_record(), lambda place: record.read(place / "x.json")),
    "suite": lambda: Reader(_suite(), lambda place: suite.load(str(place / "x.yaml"))),
    "scale": lambda: Reader(_scale(), _read_scale),
    "coco": lambda: Reader(_coco(), lambda place: annotations.keypoints(place / "x.json")),
    "joints": lambda: Reader(_joints(), lambda place: matlab.array(place / "x.mat", "joints")),
    "images": lambda: Reader(_images(), lambda place: files.rgb(place / "x", upright=True)),
}
"""Made when they are needed, by the name of what is read."""
