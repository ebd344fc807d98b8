"""Which resources, segments and metrics may stand beside each other in a query.

As GoogleAdsFieldService tells it of v24 (google_reference.json, written by tools/google_reference.py). What a
later version adds is not in it: such a segment or metric goes with every resource that has metrics at all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ATTRIBUTED", "METRICS", "SEGMENTED", "reports", "splits"]

_READ = json.loads(Path(__file__).with_suffix(".json").read_text())


def _by_resource(group: str) -> dict[str, frozenset[str]]:
    return {
        resource: frozenset(f"{group}.{name}" for name in entry["names"])
        for entry in _READ[group]
        for resource in entry["of"]
    }


ATTRIBUTED: Mapping[str, frozenset[str]] = {of: frozenset(beside) for of, beside in _READ["beside"].items()}
"""Every resource, and those whose fields may be selected beside its own."""

METRICS: Mapping[str, frozenset[str]] = _by_resource("metrics")
"""Resources with metrics, and which."""

SEGMENTED: Mapping[str, frozenset[str]] = _by_resource("segments")
"""Resources that may be split, and by what."""

_KNOWN = frozenset().union(*METRICS.values(), *SEGMENTED.values())


def reports(resource: str, metric: str) -> bool:
    """Whether a resource has a metric, at least without any segment."""
    return metric in METRICS.get(resource, ()) or (metric not in _KNOWN and resource in METRICS)


def splits(resource: str, segment: str) -> bool:
    """Whether a resource may be split by a segment, at least without any metric."""
    return segment in SEGMENTED.get(resource, ()) or (segment not in _KNOWN and resource in METRICS)
