"""What a platform itself says of its A/B tests, beside what is worked out here on the same figures.

The two differ by design: a platform's p-value is right for one look at a time fixed beforehand, ours at any
time (`metrics.sequential`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metrics.verdict import Data, Judgement, Ratio, Rules, judge

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.store import Warehouse

__all__ = ["Beside", "beside", "told"]


@dataclass(frozen=True, slots=True)
class Beside:
    """A metric's effect, relative to the control (0.1: 10 % more), as the platform tells it and as ours.

    margin: half the platform's interval, None where it tells none. p: the platform's p-value.
    """

    metric: str
    effect: float
    margin: float | None
    p: float
    ours: Judgement


def told(warehouse: Warehouse) -> dict[str, list[dict[str, object]]]:
    """What the platforms tell, by the test's id: source/account/experiment."""
    found: dict[str, list[dict[str, object]]] = {}
    for row in warehouse.query("SELECT * FROM experiment_effect ORDER BY metric").to_pylist():
        found.setdefault(f"{row['source']}/{row['account']}/{row['experiment']}", []).append(row)
    return found


def beside(
    rows: Sequence[Mapping[str, object]], rules: Rules, data: Sequence[Data], metrics: Mapping[str, Ratio]
) -> tuple[Beside, ...]:
    """The platform's figures of a test beside ours: of one with a single treatment, as platforms tell."""
    if len(data) != 1:
        return ()
    return tuple(
        Beside(
            metric=str(row["metric"]),
            effect=float(str(row["effect"])),
            margin=None if row["margin"] is None else float(str(row["margin"])),
            p=float(str(row["p_value"])),
            ours=judge(replace(rules, metric=metrics[str(row["metric"])], guardrails=()), data[0]),
        )
        for row in rows
        if row["metric"] in metrics
    )
