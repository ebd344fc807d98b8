"""Campaigns that are meant to run and are kept from it: disapproved, limited, misconfigured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, Field

from alerts.conditions.contract import Condition, Moments, Scope, Watched
from alerts.observation import Observation
from metrics.model import Unit

if TYPE_CHECKING:
    from alerts.scene import Scene


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


class NotServing(Condition):
    """An enabled campaign of which its source says something that matches `words`."""

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ("table campaign",)

    kind: Literal["not_serving"] = "not_serving"
    words: Annotated[str, Field(min_length=1), AfterValidator(_pattern)] = (
        r"disapproved|not.eligible|misconfigured|with.issues|suspended|billing"
    )

    def moments(self, scene: Scene) -> Moments:
        return scene.polled("campaigns")

    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        pattern = re.compile(self.words, re.IGNORECASE)
        words = scene.campaigns.serving
        hit = np.array([bool(text and pattern.search(text)) for text in words], dtype=bool)
        usual = scene.spend.sum(1) / scene.spend.shape[1]
        return scene.observe(
            scope,
            watched,
            holds=hit & scene.campaigns.enabled,
            seen=hit.astype(float),
            expected=np.zeros(len(words)),
            at_risk=usual,
            said=lambda i: f"Not serving: {words[i][:30]}",
            at=self.moments(scene),
        )
