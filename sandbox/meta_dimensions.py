"""Breakdowns: what rows can be split by, and how a cell is split where the world knows no finer.

Devices and networks are the world's own. Age, gender, country and what lies below a device or a network are
fixed shares, split exactly: the parts of a cell (an ad's local day) add up to the cell, in every measure, and
one cell's parts are the same in whatever report they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from sandbox import noise
from sandbox.meta_errors import bad_parameter, invalid_breakdowns
from sandbox.meta_params import choices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from sandbox.model import Ints

__all__ = ["HOURLY", "Dimension", "ask", "label_events", "split"]

Axis = Literal["device", "network", "hour", ""]
HOURLY = frozenset(
    {"hourly_stats_aggregated_by_advertiser_time_zone", "hourly_stats_aggregated_by_audience_time_zone"}
)
_DMA_ENDED = (2026, 6, 22)


@dataclass(frozen=True, slots=True)
class Dimension:
    """A breakdown. axis: what of the world it refines. parts: for each code of the axis, label and share."""

    name: str
    axis: Axis
    parts: tuple[tuple[tuple[str, float], ...], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label, each once, in order."""
        return tuple(dict.fromkeys(label for part in self.parts for label, _ in part))

    @property
    def divides(self) -> bool:
        """Whether cells must be split by shares."""
        return any(len(part) > 1 for part in self.parts)


def _plain(name: str, axis: Axis, *labels: str) -> Dimension:
    return Dimension(name, axis, tuple(((label, 1.0),) for label in labels))


def _shares(name: str, **parts: float) -> Dimension:
    return Dimension(name, "", (tuple(parts.items()),))


def _hours(name: str) -> Dimension:
    return _plain(name, "hour", *(f"{hour:02d}:00:00 - {hour:02d}:59:59" for hour in range(24)))


_AGES = (
    (("18-24", 0.17), ("25-34", 0.31), ("35-44", 0.23), ("45-54", 0.15), ("55-64", 0.09), ("65+", 0.05)),
)
_DIMENSIONS: dict[str, Dimension] = {
    dimension.name: dimension
    for dimension in (
        *(_hours(name) for name in sorted(HOURLY)),
        _plain("publisher_platform", "network", "facebook", "instagram", "audience_network"),
        Dimension(
            "platform_position",
            "network",
            (
                (("feed", 0.55), ("facebook_reels", 0.27), ("facebook_stories", 0.18)),
                (("feed", 0.37), ("instagram_reels", 0.36), ("instagram_stories", 0.27)),
                (("an_classic", 1.0),),
            ),
        ),
        _plain("device_platform", "device", "mobile_app", "desktop", "mobile_app"),
        Dimension(
            "impression_device",
            "device",
            (
                (("iphone", 0.54), ("android_smartphone", 0.46)),
                (("desktop", 1.0),),
                (("ipad", 0.7), ("android_tablet", 0.3)),
            ),
        ),
        Dimension("age", "", _AGES),
        _shares("gender", female=0.53, male=0.44, unknown=0.03),
        _shares("country", DE=0.46, US=0.3, GB=0.24),
        _shares("region", North=0.4, South=0.35, West=0.25),
        _shares("comscore_market", Metropolitan=0.7, Rural=0.3),
    )
}

_TOGETHER = (
    frozenset({"age", "gender"}),
    frozenset({"publisher_platform", "platform_position", "impression_device", "device_platform"}),
    *(frozenset({name}) for name in ("country", "region", "comscore_market", *sorted(HOURLY))),
)
"""Breakdowns may be combined within one of these."""
_NOT_ALONE = (["impression_device"], ["platform_position"])


def ask(params: Mapping[str, str], names: frozenset[str], today: date) -> tuple[Dimension, ...] | None:
    """The dimensions of a request, in its order; None where it asks for one that has no data here.

    names: the breakdowns that Graph knows. Raises GraphError for an unknown one, for those that do not go
    together, and for `dma`, which ended on 22 June 2026.
    """
    asked = list(dict.fromkeys(choices(params, "breakdowns", names | {"dma"})))
    if "dma" in asked and (today.year, today.month, today.day) >= _DMA_ENDED:
        raise invalid_breakdowns()
    if any(name not in _DIMENSIONS for name in asked):
        return None
    together = any(set(asked) <= group for group in _TOGETHER)
    if asked and (not together or asked in _NOT_ALONE):
        listed = ", ".join(asked)
        raise bad_parameter(f"Current combination of data breakdown columns ({listed}) is invalid")
    return tuple(_DIMENSIONS[name] for name in asked)


def split(dimension: Dimension, code: Ints, counts: Ints, offset: noise.Floats) -> tuple[Ints, Ints, Ints]:
    """Split cells by a dimension: (cell each part is of, its label's number, its counts).

    code: each cell's code on the dimension's axis. counts: (cells, measures). offset: a cell's own noise.
    """
    cells, labels, parts = [], [], []
    numbers = {label: number for number, label in enumerate(dimension.labels)}
    for value, part in enumerate(dimension.parts):
        mine = (code == value).nonzero()[0]
        edges = np.cumsum([share for _, share in part])
        edges[-1] = 1.0
        spread = np.stack(
            [
                noise.apportion(
                    counts[mine, m], np.broadcast_to(edges, (mine.size, edges.size)), offset[mine]
                )
                for m in range(counts.shape[1])
            ],
            axis=2,
        )
        for number, (label, _) in enumerate(part):
            cells.append(mine)
            labels.append(np.full(mine.size, numbers[label], np.int64))
            parts.append(spread[:, number])
    return np.concatenate(cells), np.concatenate(labels), np.concatenate(parts)


def label_events(dimension: Dimension, code: Ints, offset: noise.Floats) -> Ints:
    """The label's number of each event: by its code, and within that by its own noise."""
    numbers = {label: number for number, label in enumerate(dimension.labels)}
    found = np.zeros(code.shape, np.int64)
    for value, part in enumerate(dimension.parts):
        edges = np.cumsum([share for _, share in part])[:-1]
        chosen = np.searchsorted(edges, offset, side="right")
        mine = np.array([numbers[label] for label, _ in part], np.int64)[chosen]
        found = np.where(code == value, mine, found)
    return found
