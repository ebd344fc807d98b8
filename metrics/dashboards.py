"""A dashboard as its entry in dashboards.yaml: a page, who answers for it, for whom it is, what it shows.

The app's navigation, the catalogue and the reviews are made from these entries; a new page is its file and
its entry. Paceline ships its own; a workspace's dashboards.yaml (service.dashboards) changes and adds.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import AfterValidator, Field

from connectors.part import Part
from connectors.rows import ROWS
from connectors.units import Duration
from metrics.header import nearest
from metrics.model import views
from warehouse.access import Reach

__all__ = ["FILE", "SHIPPED", "Dashboard", "shipped"]

FILE: Final = "dashboards.yaml"

SHIPPED: Final = Path(__file__).resolve().parents[1] / "workspace" / FILE

_Text = Annotated[str, Field(min_length=1, max_length=200)]


def _within_a_year(every: timedelta) -> timedelta:
    """The next review must be a day that a review may choose (metrics.reviews)."""
    if not timedelta(days=1) <= every <= timedelta(days=366):
        raise ValueError("is no span between two reviews: write 1d to 366d")
    return every


def _stored(name: str) -> str:
    """A table or a view, by its name in the catalogue: `table change`."""
    known = [*(f"table {row.table}" for row in ROWS), *(f"view {view}" for view in views())]
    if name not in known:
        raise ValueError(f"{name!r} is no table and no view{nearest(name, known)}")
    return name


class Dashboard(Part):
    """One entry.

    id: its path in the address. section: where the navigation has it. icon: a name of Material Symbols.
    page: the page's file without `.py`, where it is not the id's. owner: whom to ask and to tell; audience:
    for whom it is. panels: what is on it, each with the metrics that it shows; reads: what else it shows, as
    tables and views. review: when its use is next
    questioned; every: how long a review holds. open_to: who may see it; empty: everybody.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    title: Annotated[str, Field(min_length=1, max_length=40)]
    section: Annotated[str, Field(min_length=1, max_length=40)] = "Monitor"
    icon: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = "dashboard"
    page: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]*)?$")] = ""
    owner: _Text
    audience: _Text
    purpose: _Text
    panels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    reads: tuple[Annotated[str, AfterValidator(_stored)], ...] = ()
    review: date
    every: Annotated[Duration, AfterValidator(_within_a_year)] = timedelta(days=91)
    open_to: Reach = Reach()

    @property
    def stem(self) -> str:
        """The name of its page's file without `.py`."""
        return self.page or self.id.replace("-", "_")

    @property
    def file(self) -> str:
        """The name of its page's file."""
        return f"{self.stem}.py"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that it shows, in the order of its panels."""
        return tuple(dict.fromkeys(name for names in self.panels.values() for name in names))


@lru_cache(maxsize=1)
def shipped() -> tuple[Dashboard, ...]:
    """Those that Paceline comes with."""
    written = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    return tuple(Dashboard.model_validate(one) for one in written["dashboards"])
