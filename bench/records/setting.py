"""Everything beside the job that decides a result, as one object: the record holds it, the flags are made from it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from tickets.errors import UserError, unknown


@dataclass(frozen=True)
class Flag:
    """How a field is asked for on the command line, where that is not --NAME with the field's default.

    Args:
        name: of the flag without dashes.
        default: what is asked for where nothing is typed; None for the field's own, which is what records mean that
            tell nothing.
    """

    name: str
    default: str | None = None


MOST = 10**6
"""Of threads, and of a budget's factor."""
AUTO = "auto"
"""The value of a flag that leaves the choice to the machine."""


class Setting(BaseModel):
    """How all jobs of a run are computed. A new option is a field here, with its help, and a use; the flag, the key
    of a suite, the record's key and the redraw command's part follow from the field.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    scale: Annotated[str, Field(description="Supernet, input sizes and steps.")] = "tiny"
    host: Annotated[str, Field(description="supernet (the scale's), or another host, as timm/resnet18 (--list).")] = (
        "supernet"
    )
    budget: Annotated[float, Field(description="Factor on the scale's steps.", gt=0, le=MOST)] = 1.0
    equal: Annotated[
        Literal["steps", "macs", "sparse"],
        Field(description="What all methods get alike: steps, training macs, or sparse, those of kept weights alone."),
    ] = "steps"
    precision: Annotated[Literal["float32", "bfloat16"], Field(description="float32, or bfloat16 autocast.")] = (
        "float32"
    )
    compiled: Annotated[bool, Field(description="Run networks through torch.compile."), Flag("compile")] = False
    kernels: Annotated[
        Literal["torch", "avx512", "avx2", "neon", "portable", "triton"],
        Field(
            description="What computes search blocks: torch, auto, our kernels for a CPU's instruction set, or on cuda "
            "triton (depthwise convolutions)."
        ),
        Flag("kernels", AUTO),
    ] = "torch"
    threads: Annotated[
        int, Field(description="Of a job; with kernels of PyTorch they change last bits.", ge=1, le=MOST)
    ] = 1
    device: Annotated[
        Literal["cpu", "cuda", "mps"], Field(description="cpu, cuda or mps; asked for as cpu, cuda, cuda:N or mps.")
    ] = "cpu"
    accumulate: Annotated[
        int, Field(description="Parts that a batch is computed in, one after the other.", ge=1, le=MOST)
    ] = 1
    ranks: Annotated[int, Field(description="Processes of a job; torchrun starts them.", ge=1, le=MOST)] = 1

    @model_serializer(mode="wrap")
    def _told(self, told: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without later fields where they are usual, as records of before them are."""
        return {name: value for name, value in told(self).items() if name not in LATER or value != USUAL[name]}

    @property
    def compute(self) -> str:
        """What else makes two rows incomparable though all was asked alike: "" for float32 on one CPU thread.

        Example:
            >>> Setting(precision="bfloat16", device="cuda").compute
            'bfloat16, cuda'
        """
        told = {
            "precision": self.precision,
            "compiled": "compiled",
            "kernels": f"{self.kernels} kernels",
            "threads": f"{self.threads} threads",
            "device": self.device,
            "accumulate": f"batches in {self.accumulate}",
            "ranks": f"{self.ranks} ranks",
        }
        return ", ".join([text for name, text in told.items() if getattr(self, name) != USUAL[name]])

    @property
    def flags(self) -> str:
        """The part of a command that asks for this setting.

        Example:
            >>> Setting(budget=0.5, compiled=True).flags[:40]
            '--scale tiny --host supernet --budget 0.'
        """
        words = []
        for name, flag in FLAGS.items():
            value = getattr(self, name)
            if name in LATER and value == USUAL[name]:
                continue
            if isinstance(value, bool):
                words += [f"--{flag}"] * value
            else:
                words += [f"--{flag}", exact(value) if isinstance(value, float) else shlex.quote(str(value))]
        return " ".join(words)


LATER = ("accumulate", "ranks")
"""Fields that commands of before them do not name, and none names where they are usual."""
USUAL: dict[str, Any] = {name: info.default for name, info in Setting.model_fields.items()}
"""What holds where nothing is said."""


def exact(value: float) -> str:
    """A number as short as a flag can have it without being another one.

    Example:
        >>> exact(1.0), exact(0.5), exact(1 / 3)
        ('1', '0.5', '0.3333333333333333')
    """
    return text if float(text := f"{value:g}") == value else repr(value)


def _flag(name: str, metadata: list[Any]) -> Flag:
    return next((one for one in metadata if isinstance(one, Flag)), Flag(name))


_FLAGS = {name: _flag(name, info.metadata) for name, info in Setting.model_fields.items()}
FLAGS: dict[str, str] = {name: flag.name for name, flag in _FLAGS.items()}
"""Field -> flag without dashes."""
ASKED: dict[str, Any] = {name: flag.default or Setting.model_fields[name].default for name, flag in _FLAGS.items()}
"""Field -> what is asked for where nothing is typed."""


def type_of(name: str) -> type:
    """What a field's value is as a person types it: str, int, float or bool."""
    annotation = Setting.model_fields[name].annotation
    found: type = str if get_origin(annotation) is Literal else annotation  # type: ignore[assignment]  # plain ones
    return found


def checked(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of some values a setting takes, and a sentence for each that it does not.

    Example:
        >>> checked({"equal": "step", "threads": 0})[1]
        ["unknown equal 'step'. Did you mean 'steps'? Known: steps, macs, sparse.", '--threads is 0; give a whole number of at least 1.']
    """  # noqa: E501
    taken: dict[str, Any] = {}
    mistakes = []
    for name, value in values.items():
        try:
            taken[name] = _taken(name, value)
        except UserError as error:
            mistakes.append(str(error))
    return taken, mistakes


def _taken(name: str, value: Any) -> Any:
    annotation, wanted = Setting.model_fields[name].annotation, type_of(name)
    if get_origin(annotation) is Literal and value not in get_args(annotation):
        raise unknown(name, str(value), [str(one) for one in get_args(annotation)])
    if wanted is int and not 1 <= value <= MOST:
        raise UserError(f"--{name} is {value}; give a whole number of at least 1{_at_most(value)}.")
    if wanted is float and not 0 < value <= MOST:
        raise UserError(f"--{name} is {value}; give a factor above 0{_at_most(value)}, e.g. 0.5 for half of all steps.")
    return wanted(value)


def _at_most(value: float) -> str:
    """The upper end, where it is the one that was not kept."""
    return f" and at most {MOST:,}" if value > MOST else ""
