"""A rule: what is watched, for whom, how urgently, and what to do about it.

Rules stand in the workspace's rules.yaml (docs/write-a-rule.md). Two rules may share an id where their
severities differ: then they are one matter in two degrees, and the higher one mutes the lower.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Self

from pydantic import Field, SerializeAsAny, model_validator

from alerts import conditions
from alerts.conditions.contract import Condition, Scope
from alerts.notify.contract import Severity
from alerts.routes import Written
from alerts.state import NoData, Timing
from connectors.part import Part
from connectors.units import Duration

__all__ = ["Rule"]


class Rule(Part):
    """One rule of rules.yaml.

    owner: a person of `alerts.people`, who is told and asked. condition: what must hold, and its figures.
    for: how long it must hold before it fires; keep_firing_for: how long it must have ceased before it is
    resolved; no_data: what missing, stale or failing data count as. routes: instead of the severity's own.
    runbook: what to do about it: a sentence, or an address. review: when its use is questioned.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,59}$")]
    title: Annotated[str, Field(min_length=1, max_length=80)]
    owner: Annotated[str, Field(min_length=1)]
    severity: Severity
    condition: SerializeAsAny[Condition]
    scope: Scope = Scope()
    hold: Annotated[Duration, Field(alias="for")] = timedelta(0)
    keep_firing_for: Duration = timedelta(0)
    no_data: NoData = "keep"
    routes: tuple[Written, ...] | None = None
    runbook: str = ""
    review: date

    @model_validator(mode="before")
    @classmethod
    def _known_kind(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("condition"), dict):
            return {**data, "condition": conditions.read(data["condition"])}
        return data

    @model_validator(mode="after")
    def _two_times(self) -> Self:
        if self.hold > timedelta(days=7) or self.keep_firing_for > timedelta(days=7):
            raise ValueError("for and keep_firing_for are at most 7d: let the condition look back longer")
        return self

    @property
    def timing(self) -> Timing:
        """Its times, as the state machine wants them."""
        return Timing(self.hold, self.keep_firing_for, self.no_data)

    @property
    def name(self) -> str:
        """Id and severity: unique among the rules."""
        return f"{self.id}/{self.severity}"
