"""Everything beside the job that decides a result, as one object: the record holds it, the flags are made from it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Setting(BaseModel):
    """How all jobs of a run are computed. A new option is a field here, with its help, and a use; the flag, the key
    of a suite, the record's key and the redraw command's part follow from the field.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    scale: Annotated[str, Field(description="Supernet, input sizes and steps.")] = "tiny"
    host: Annotated[str, Field(description="supernet (the scale's), or another host's name.")] = "supernet"
    budget: Annotated[float, Field(description="Factor on the scale's steps.", gt=0)] = 1.0
    equal: Annotated[
        Literal["steps", "macs"], Field(description="What all methods get alike: steps, or training macs.")
    ] = "steps"
    precision: Annotated[Literal["float32", "bfloat16"], Field(description="float32, or bfloat16 autocast.")] = (
        "float32"
    )
    compiled: Annotated[bool, Field(description="Run networks through torch.compile.")] = False
    kernels: Annotated[Literal["torch"], Field(description="Whose kernels compute the search blocks.")] = "torch"
    threads: Annotated[int, Field(description="PyTorch threads of a job; they change last bits.", ge=1)] = 1
    device: Annotated[Literal["cpu", "cuda"], Field(description="Kind of device: cpu or cuda.")] = "cpu"

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
        }
        changed = (name for name in told if getattr(self, name) != type(self).model_fields[name].default)
        return ", ".join(told[name] for name in changed)
