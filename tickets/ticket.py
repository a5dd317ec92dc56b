"""The ticket: an architecture, a mask and weights; saved as two files that vouch for each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from tickets import atomic, bounded
from tickets.cost import dense_macs, estimated_macs, layer_costs, sparse_macs, synops
from tickets.errors import DamagedTicketError, UserError, short
from tickets.hosts import limits, spec_from_json
from tickets.hosts.base import HostSpec
from tickets.patterns import ELEMENT, PATTERNS
from tickets.plain import texts
from tickets.pruning.lasting import Form, lasting
from tickets.pruning.masks import Masks, ones, project, prunable
from tickets.search.searchable import Units, live_units
from tickets.seeding import seeded
from tickets.source import Source, initial_head
from tickets.training.network import Network

if TYPE_CHECKING:
    from tickets.ecosystem.torchvision import Backbone

FORMAT = 2
LARGEST, LARGEST_DOCUMENT = 2**14 * bounded.MIB, 64 * bounded.MIB
"""Bytes of a ticket's two files."""
Tensors = dict[str, Tensor]
Weights = Literal["raw", "ema", "rewind"]


@dataclass(frozen=True)
class Part:
    """Tensors of one part of a network, named as that part names them.

    Args:
        masks: boolean, per pruned weight; True is kept.
        raw: state at the end of drawing, masked weights included; a transfer starts from it.
        ema: averaged state with recalibrated BN statistics and masked weights at zero; scored with it.
        rewind: state at the rewind point, for drawers that keep one.
        units: live units per search block.
    """

    masks: Masks = field(default_factory=dict)
    raw: Tensors = field(default_factory=dict)
    ema: Tensors = field(default_factory=dict)
    rewind: Tensors = field(default_factory=dict)
    units: Mapping[str, Units] = field(default_factory=dict)

    def state(self, weights: Weights) -> Tensors:
        """The raw, the averaged or the rewind point's state.

        Raises:
            UserError: the part has none (a dense reference has only an architecture).
        """
        state: Tensors = getattr(self, weights)
        if not state:
            raise UserError(
                f"the ticket has no {weights} weights; use the recipe 'scratch', or draw it with a drawer that keeps "
                "them."
            )
        return state


class Drawn:
    """What a ticket tells of its drawing, and a set of tickets as one."""

    provenance: Mapping[str, Any]
    hash: Any  # a property of both

    @property
    def macs_spent(self) -> int:
        """Training MACs of its drawing, those of the tickets which that was given included."""
        return self.own_macs + sum(self.made_from.values())

    @property
    def own_macs(self) -> int:
        """Training MACs of its drawing alone."""
        spent: int = self.provenance["spent"]["macs"]
        return spent

    @property
    def made_from(self) -> dict[str, int]:
        """The tickets that its drawing was given: what each has cost, in training MACs, by its hash."""
        return {one["hash"]: one["macs"] for one in self._given if one["hash"]}

    @property
    def stated_macs(self) -> int | None:
        """Of `macs_spent` what owners state of networks that were drawn elsewhere; None where one of them does not."""
        return total(self.stated_from)

    @property
    def stated_from(self) -> dict[str, int | None]:
        """The tickets that its drawing was given, and of whose cost owners state something: what, by its hash."""
        return {one["hash"]: one["stated"] for one in self._given if "stated" in one}

    @property
    def as_given(self) -> dict[str, Any]:
        """What the provenance of another one tells of it that was made from it: hash and cost."""
        stated = self.stated_macs
        return {"hash": self.hash, "macs": self.macs_spent} | ({} if stated == 0 else {"stated": stated})

    @property
    def _given(self) -> list[dict[str, Any]]:
        return [self.provenance["base"], *self.provenance.get("given", {}).values()]


@dataclass(frozen=True)
class Ticket(Drawn):
    """A sparse subnetwork of a host, with the head that it was drawn with.

    Args:
        spec: the host that it was drawn from.
        host: architecture, masks and weights of the host.
        head: the same of the source head, which only serves to score the ticket on its source.
        provenance: plain values: drawer, source, sparsity asked for (on another host, the one that came of it, beside
            `asked`), seed, settings, costs, val scores.
    """

    suffix: ClassVar[str] = ".safetensors"
    """Of the file whose hash is the ticket's."""

    spec: HostSpec
    host: Part
    head: Part = field(default_factory=Part)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def dense(cls, spec: HostSpec) -> Ticket:
        """The whole host without weights: what the recipe `scratch` trains as the dense reference."""
        host = spec.build()
        return cls(spec, Part(masks=ones(prunable(host)), units=live_units(host)), provenance={"drawer": "dense"})

    @property
    def kept(self) -> int:
        """Host weights that the masks keep."""
        return sum(int(mask.sum()) for mask in self.host.masks.values())

    @property
    def prunable(self) -> int:
        """Prunable host weights of the architecture that survived the search."""
        return sum(mask.numel() for mask in self.host.masks.values())

    @property
    def sparsity(self) -> float:
        """Removed / prunable weights of the host, in [0, 1)."""
        return (self.prunable - self.kept) / self.prunable

    @cached_property
    def remaining(self) -> float:
        """Kept host weights / host weights of the full host, in (0, 1]."""
        with torch.device("meta"):
            full = self.spec.build()
        return self.kept / sum(w.numel() for w in prunable(full).values())

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the tensor file, which itself holds the hash of the description."""
        return hashlib.sha256(self._files()[0]).hexdigest()

    def build(self, weights: Weights = "ema", masks: Form | None = None) -> nn.Module:
        """The plain module: images (B, 3, H, W) -> list of feature maps; pruned weights are zero.

        Args:
            weights: "ema", the averaged weights that the ticket was scored with; "raw", or "rewind".
            masks: None for zeros alone, which the first step of an optimiser fills; "parametrize" or "prune" for masks
                that last, as `tickets.pruning.lasting` puts them in and takes them out.

        Returns:
            A new host in eval mode, with its own tensors.

        Raises:
            UserError: there are no such weights, or no such form of masks.
        """
        with seeded(0, "overwritten"):
            host = self.spec.build(self.host.units)
        self.apply(host, weights)
        return host if masks is None else lasting(host, self.host.masks, masks)

    def backbone(
        self,
        names: Mapping[int, str] | None = None,
        fpn: int | None = None,
        weights: Weights = "ema",
        masks: Form | None = "parametrize",
    ) -> Backbone:
        """The host as torchvision's models want a backbone, with masks that last in their training.

        Args:
            names: by number of a map, negative ones from the last, what it is called, as {-1: "out"}; None for all.
            fpn: width of a feature pyramid on these maps; None for none.
            weights: as `build` takes them.
            masks: likewise.

        Raises:
            UserError: as `build`, or there is no such map.
        """
        from tickets.ecosystem.torchvision import Backbone

        return Backbone(self.build(weights, masks), names, fpn)

    def network(self, source: Source) -> Network:
        """The averaged ticket with its source head, as loaded: what its source score belongs to.

        Args:
            source: the task that it was drawn on, or one with the same head.

        Returns:
            A new network on the source's device, in eval mode.

        Raises:
            UserError: the head does not fit the source.
        """
        host = self.build("ema")
        head = initial_head(source, host, 0, self.head.units or None)
        state = self.head.state("ema")
        if wrong := _disagreement(state, head.state_dict()):
            raise UserError(
                f"the ticket's head does not fit {source.name}: '{wrong}' differs; it was drawn on "
                f"{self.provenance.get('source')}."
            )
        head.load_state_dict(state, strict=True)
        network = Network(host, head, self.network_masks()).to(source.device)
        return network.to(memory_format=torch.channels_last).eval()

    def apply(self, host: nn.Module, weights: Weights = "ema") -> nn.Module:
        """Put the ticket's weights, masked ones at zero, into a host of its shape.

        Args:
            host: changed in place.
            weights: as in `build`.

        Returns:
            The same host, in eval mode.

        Raises:
            UserError: the host has other layers, or layers of other shapes; names the first.
        """
        state, own = self.host.state(weights), host.state_dict()
        if wrong := _disagreement(state, own):
            shapes = [list(s[wrong].shape) if wrong in s else "absent" for s in (state, own)]
            raise UserError(
                f"the ticket does not fit this host: '{wrong}' is {shapes[0]} in the ticket and {shapes[1]} in the "
                "host; let ticket.build() make its host."
            )
        host.load_state_dict(state, strict=True)
        project(host, self.host.masks)
        return host.eval()

    def costs(self, size: tuple[int, int]) -> dict[str, float | int]:
        """Parameters and MACs of the host for one (3, H, W) input.

        Returns:
            `parameters` (kept weights), `macs` (dense), `sparse_macs` (exact by layer), `estimated_macs`
            (dense x global density, the paper's way).
        """
        with torch.device("meta"):
            layers, masks = layer_costs(self.spec.build(self.host.units), size), self.host.masks
        return {
            "parameters": self.kept,
            "macs": dense_macs(layers),
            "sparse_macs": sparse_macs(layers, masks),
            "estimated_macs": estimated_macs(layers, masks),
        }

    def synops(self, size: tuple[int, int], rates: Mapping[str, float]) -> int:
        """Accumulates of the host for one (3, H, W) input, where layers are fed spikes at these rates."""
        with torch.device("meta"):
            return synops(layer_costs(self.spec.build(self.host.units), size), self.host.masks, rates)

    def layers(self) -> list[dict[str, Any]]:
        """The table of layers: weight name, shape, weights, kept."""
        return [
            {"name": name, "shape": list(mask.shape), "weights": mask.numel(), "kept": int(mask.sum())}
            for name, mask in self.host.masks.items()
        ]

    def save(self, path: Path) -> str:
        """Write `path`.safetensors and `path`.json, each whole or not at all; returns the hash.

        Raises:
            CannotWriteError: the disk does not take one of them.
        """
        tensors, document = self._files()
        for suffix, data in ((".safetensors", tensors), (".json", document)):
            atomic.write(path.with_name(path.name + suffix), data)
        return self.hash

    @classmethod
    def load(cls, path: Path | str) -> Ticket:
        """Read and verify a ticket; `path` may name either of its files, or neither's suffix.

        Raises:
            DamagedTicketError: a file is missing, damaged, foreign or of another ticket; says which check.
        """
        stem = stem_of(path)
        tensor_file, document_file = (stem.with_name(stem.name + s) for s in (".safetensors", ".json"))
        for file in (tensor_file, document_file):
            if not file.is_file():
                raise DamagedTicketError(f"the ticket's file {file} does not exist; a ticket is two files.")
        document = _read_document(document_file)
        try:
            data = bounded.read(tensor_file, LARGEST)
        except OSError as error:
            raise DamagedTicketError(f"cannot read {tensor_file}: {error.strerror or error}.") from error
        try:
            tensors = safetensors.torch.load(data)
            metadata = _metadata(data)
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
            raise DamagedTicketError(f"{tensor_file} is damaged: it is no safetensors file ({error}).") from error
        if hashlib.sha256(data).hexdigest() != document["tensors_sha256"]:
            raise DamagedTicketError(
                f"{tensor_file} does not have the SHA-256 that {document_file} states: "
                "it is damaged, or the two files belong to different tickets."
            )
        description = document["description"]
        if metadata.get("description_sha256") != digest(description):
            raise DamagedTicketError(
                f"{document_file} is not the description that {tensor_file} was written with: "
                "it was changed, or the two files belong to different tickets."
            )
        try:
            ticket = cls(
                spec=spec_from_json(description["spec"]),
                host=_part(tensors, "host", description),
                head=_part(tensors, "head", description),
                provenance=description["provenance"],
            )
            ticket._verify(description, tensor_file)
        except DamagedTicketError:
            raise
        except UserError as error:
            raise DamagedTicketError(f"{document_file} cannot be used: {str(error).rstrip('.')}.") from error
        except (LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, ValueError) as error:
            reason = " ".join(repr(error).split())[:200]
            raise DamagedTicketError(f"{document_file} is no ticket's description: {reason} is wrong.") from error
        return ticket

    def _verify(self, description: Mapping[str, Any], file: Path) -> None:
        """Shapes and types against the architecture, and the count of kept weights against the description."""
        for part in (self.host, self.head):
            for name, mask in part.masks.items():
                if mask.dtype != torch.bool:
                    raise DamagedTicketError(f"{file}: the mask of '{name}' is of {mask.dtype}; masks are boolean.")
        with torch.device("meta"):
            host = self.spec.build(self.host.units)
        for kind in ("raw", "ema", "rewind"):
            state = getattr(self.host, kind)
            wrong = _misfit(state, host.state_dict()) if state else None
            if wrong:
                raise DamagedTicketError(f"{file}: the {kind} tensor '{wrong}' does not fit the architecture.")
        if wrong := _disagreement(self.host.masks, prunable(host)):
            raise DamagedTicketError(f"{file}: the mask of '{wrong}' does not fit the architecture.")
        if self.kept != description["kept"]:
            raise DamagedTicketError(
                f"{file} keeps {self.kept} weights, its description {short(str(description['kept']))}."
            )
        asked = self.provenance.get("sparsity", self.sparsity)
        if type(asked) not in (int, float):
            raise DamagedTicketError(f"{file}: its description tells the sparsity {asked!r}, which is no number.")
        masks = self.network_masks() if self.provenance.get("joint") else self.host.masks
        if wrong := PATTERNS.make(self.provenance.get("pattern", ELEMENT)).wrong(masks, asked):
            raise DamagedTicketError(f"{file}: {wrong}.")

    @property
    def description(self) -> dict[str, Any]:
        """What the JSON file states beside the tensors' hash."""
        return {
            "format": FORMAT,
            "spec": self.spec.to_json(),
            "units": {"host": _units_json(self.host.units), "head": _units_json(self.head.units)},
            "prunable": self.prunable,
            "kept": self.kept,
            "sparsity": self.sparsity,
            "remaining": self.remaining,
            "layers": self.layers(),
            "provenance": dict(self.provenance),
        }

    def _files(self) -> tuple[bytes, bytes]:
        """The bytes of the tensor file and of the description."""
        description = json.loads(canonical(self.description))
        tensors = {
            f"{part}.{kind}.{name}": tensor.detach().cpu().contiguous()
            for part, of in (("host", self.host), ("head", self.head))
            for kind, group in (("mask", of.masks), ("raw", of.raw), ("ema", of.ema), ("rewind", of.rewind))
            for name, tensor in group.items()
        }
        data = safetensors.torch.save(tensors, metadata={"description_sha256": digest(description)})
        document = {"description": description, "tensors_sha256": hashlib.sha256(data).hexdigest()}
        return data, canonical(document)

    def network_masks(self) -> Masks:
        """The masks of host and head as a `Network` names them."""
        parts = (("host", self.host), ("head", self.head))
        return {f"{part}.{name}": mask for part, of in parts for name, mask in of.masks.items()}

    def with_masks(self, masks: Masks, **provenance: Any) -> Ticket:
        """The same architecture and raw weights under other host masks, with more provenance."""
        return replace(
            self,
            host=replace(self.host, masks=masks, ema={}),
            head=Part(),
            provenance={**self.provenance, **provenance},
        )

    def with_weights(self, raw: Tensors, **provenance: Any) -> Ticket:
        """The same architecture and host masks on other raw weights, with more provenance; the rest is left out.

        Args:
            raw: the whole state of the host, buffers included; masked weights may hold values.
            provenance: what is told of it beside what the ticket tells.
        """
        return replace(
            self,
            host=replace(self.host, raw=raw, ema={}, rewind={}),
            head=Part(),
            provenance={**self.provenance, **provenance},
        )

    def with_provenance(self, **provenance: Any) -> Ticket:
        """The same ticket with more provenance."""
        return replace(self, provenance={**self.provenance, **provenance})

    def moved(self, spec: HostSpec, host: Part, **provenance: Any) -> Ticket:
        """The ticket on another host, without its head; its sparsity there is what came of the move.

        That is what `sparsity` of its provenance says from then on; `asked` keeps what it was drawn at.

        Args:
            spec: the host.
            host: masks and weights as that host names them.
            provenance: what is told of it beside what the ticket tells.
        """
        pattern = PATTERNS.make(self.provenance.get("pattern", ELEMENT))
        told = {"asked": self.provenance.get("sparsity"), "sparsity": pattern.sparsity(host.masks)}
        return replace(self, spec=spec, host=host, head=Part(), provenance={**self.provenance, **told, **provenance})


def total(stated: Mapping[str, int | None]) -> int | None:
    """The sum of what owners state; None where one states nothing."""
    told = [macs for macs in stated.values() if macs is not None]
    return sum(told) if len(told) == len(stated) else None


def stem_of(path: Path | str) -> Path:
    """A ticket's path without the suffix of either of its files."""
    path = Path(path)
    return path.with_suffix("") if path.suffix in (".json", ".safetensors") else path


def part_of(module: nn.Module, averaged: nn.Module, masks: Masks, rewind: Tensors | None = None) -> Part:
    """A part as it is at the end of drawing, tensors copied.

    Args:
        module: host or head as trained.
        averaged: its averaged, recalibrated copy.
        masks: by weight name as the module names them.
        rewind: state at the rewind point; None for none.
    """
    kept = {name: mask.cpu().clone() for name, mask in masks.items()}
    return Part(kept, copied(module), copied(averaged), rewind or {}, live_units(module))


def copied(module: nn.Module) -> Tensors:
    """A module's state on the CPU, in tensors of its own."""
    return {name: t.detach().cpu().clone().contiguous() for name, t in module.state_dict().items()}


def _units_json(units: Mapping[str, Units]) -> dict[str, dict[str, int]]:
    return {name: {str(k): n for k, n in kernels.items()} for name, kernels in units.items()}


def _part(tensors: Tensors, part: str, description: Mapping[str, Any]) -> Part:
    def group(kind: str) -> Tensors:
        prefix = f"{part}.{kind}."
        return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}

    units = {n: {int(k): c for k, c in u.items()} for n, u in description["units"][part].items()}
    for name, by_kernel in units.items():
        limits.whole(f"the units of {name[:80]}", by_kernel.values(), least=0)
    masks = group("mask")
    if part == "host":
        masks = {layer["name"]: masks[layer["name"]] for layer in description["layers"] if layer["name"] in masks}
    return Part(masks, group("raw"), group("ema"), group("rewind"), units)


def _disagreement(got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """The first name that is in one only, or whose shapes differ."""
    names = sorted(got.keys() ^ wanted.keys())
    names += [n for n in got if n in wanted and got[n].shape != wanted[n].shape]
    return names[0] if names else None


def _misfit(got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """The same, and of tensors of one shape the first name whose types differ."""
    return _disagreement(got, wanted) or next((n for n in got if got[n].dtype != wanted[n].dtype), None)


def canonical(value: Any) -> bytes:
    """The bytes of a description's file: JSON with sorted keys, the same for equal values."""
    return json.dumps(value, sort_keys=True, indent=1, allow_nan=False).encode() + b"\n"


def digest(description: Any) -> str:
    """SHA-256 of what a file describes."""
    return hashlib.sha256(canonical(description)).hexdigest()


def _metadata(data: bytes) -> dict[str, str]:
    length = int.from_bytes(data[:8], "little")
    metadata: dict[str, str] = bounded.parsed(data[8 : 8 + length])["__metadata__"]
    return metadata


def read_document(file: Path, keys: set[str], what: str) -> dict[str, Any]:
    """A JSON file of these keys, every byte of which counts.

    Args:
        file: that is read.
        keys: that it has, and no others.
        what: it should be, for messages.

    Raises:
        DamagedTicketError: it is not as it was written.
    """
    try:
        data = bounded.read(file, LARGEST_DOCUMENT)
    except OSError as error:
        raise DamagedTicketError(f"cannot read {file}: {error.strerror or error}.") from error
    try:
        document = bounded.parsed(data)
        odd = next((text for _, text in texts(document) if not text.isprintable()), None)
        whole = odd is None and canonical(document) == data
    except ValueError as error:
        raise DamagedTicketError(f"{file} is damaged: it is no JSON file ({error}).") from error
    if not whole or not isinstance(document, dict) or set(document) != keys:
        raise DamagedTicketError(f"{file} is damaged or no {what}: it is not as it was written.")
    return document


def _read_document(file: Path) -> dict[str, Any]:
    """The JSON file of a ticket, of this format."""
    document = read_document(file, {"description", "tensors_sha256"}, "ticket")
    description = document["description"]
    got = description.get("format") if isinstance(description, dict) else None
    if got != FORMAT:
        raise DamagedTicketError(f"{file} has ticket format {short(str(got))}; this version reads format {FORMAT}.")
    return document
