"""Named sizes of a training job, and the worker pools that Vertex AI makes of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, model_validator

from pipeline.vertex.resource_names import Accelerator, MachineType


class Scale(BaseModel, frozen=True, extra="forbid"):
    """A size of a training job.

    Attributes:
        machine_type: Of every machine.
        machines: How many; where there are several, each takes its share of every batch.
        accelerator_type: What is attached to every machine, if anything.
        accelerator_count: How many to a machine.
    """

    machine_type: MachineType
    machines: int = Field(default=1, ge=1, le=100)
    accelerator_type: Accelerator | None = None
    accelerator_count: int = Field(default=0, ge=0, le=16)

    @model_validator(mode="after")
    def _check_accelerators(self) -> Scale:
        if bool(self.accelerator_type) != bool(self.accelerator_count):
            raise ValueError("accelerator_type and accelerator_count belong together")
        return self


SCALES = {
    "basic": Scale(machine_type="n2-standard-8"),
    "multi_worker": Scale(machine_type="n2-standard-8", machines=4),
    "gpu": Scale(machine_type="g2-standard-8", accelerator_type="NVIDIA_L4", accelerator_count=1),
}
"""The sizes there are without a word of the user."""


def worker_pools(scale: Scale, image: str, environment: dict[str, str]) -> list[dict[str, Any]]:
    """The machines of a training job, as the CustomJob of Vertex AI names them.

    Returns:
        The pool of the chief, one machine, and that of the other workers, if there are any.
    """
    machine: dict[str, Any] = {"machine_type": scale.machine_type}
    if scale.accelerator_type:
        machine["accelerator_type"] = scale.accelerator_type
        machine["accelerator_count"] = scale.accelerator_count
    replicas = [1, scale.machines - 1] if scale.machines > 1 else [1]
    return [
        {
            "machine_spec": dict(machine),
            "replica_count": count,
            "container_spec": {
                "image_uri": image,
                "env": [{"name": name, "value": value} for name, value in environment.items()],
            },
        }
        for count in replicas
    ]
