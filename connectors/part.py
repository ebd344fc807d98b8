"""What every section of paceline.yaml and rules.yaml is made from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Part"]


class Part(BaseModel):
    """A section of the file: unknown keys are faults, and nothing changes after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
