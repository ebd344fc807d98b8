"""What every kind of condition has: its parameters, its unit, and one pass over all series."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, TypeAlias

from pydantic import BeforeValidator, Field

from alerts.observation import Labels, Observation
from connectors.part import Part
from metrics.model import Metric, Unit

if TYPE_CHECKING:
    from alerts.scene import Scene

__all__ = ["USUAL", "Condition", "Hours", "Moments", "Scope", "Sum", "Sure", "Watched"]

Watched: TypeAlias = frozenset[Labels]
"""Series that have a state: of these FALSE is told too; of all others only what is not FALSE."""

Moments: TypeAlias = Mapping[tuple[str, str], datetime]
"""By account: the moment of the data by which it is judged."""

Sum: TypeAlias = tuple[str, int, int]
"""A metric over so many hours, which end so many hours before the watermark."""

USUAL: Final[Sum] = ("conversions", 168, 24)
"""What the rate of `Scene.usual` is made of."""

Sure: TypeAlias = Annotated[float, Field(gt=0, lt=1)]
"""A probability."""


def _hours(value: object) -> object:
    """`24h` or `7d` as whole hours."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    size = {"h": 1, "d": 24}.get(text[-1:])
    if size is None or not text[:-1].isdigit():
        raise ValueError("is not whole hours or days: write such as 6h, 24h or 7d")
    return int(text[:-1]) * size


Hours: TypeAlias = Annotated[int, BeforeValidator(_hours), Field(ge=1, le=168)]
"""A window that ends at the watermark: sources report whole hours."""


class Scope(Part):
    """Which series: `*` and `?` match; account and campaign match names or ids, label one of a campaign's."""

    source: str = "*"
    account: str = "*"
    campaign: str = "*"
    label: str = "*"

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Scope()

    def takes_account(self, source: str, account: str, name: str) -> bool:
        """Whether an account is meant."""
        return fnmatchcase(source, self.source) and (
            fnmatchcase(account, self.account) or fnmatchcase(name, self.account)
        )

    def takes_campaign(self, campaign: str, name: str, labels: str) -> bool:
        """Whether a campaign is meant, if its account is."""
        return (fnmatchcase(campaign, self.campaign) or fnmatchcase(name, self.campaign)) and (
            self.label == "*" or any(fnmatchcase(one, self.label) for one in labels.split(","))
        )


class Condition(Part):
    """One kind of condition with its parameters; a subclass is a file in this folder.

    measures: the unit of `seen` and `expected`. reads: what it is judged by, as the catalogue names it,
    where it takes no metric. mutes_account: while it fires, an account's numbers mean nothing. by_clock: it
    is about time passing, and judged though nothing was polled. by_account: it is judged by its account's
    data, and not heard while these are stale. draws: the metric whose course shows it, where it takes no
    metric; "" where no course does.
    """

    measures: ClassVar[Unit] = "count"
    reads: ClassVar[tuple[str, ...]] = ("view delivery",)
    mutes_account: ClassVar[bool] = False
    by_clock: ClassVar[bool] = False
    by_account: ClassVar[bool] = True
    draws: ClassVar[str] = ""

    kind: str

    @property
    def course(self) -> str:
        """The metric whose course over the last days shows what fires."""
        return str(getattr(self, "metric", None) or self.draws)

    def unit(self, metrics: Mapping[str, Metric]) -> Unit:  # noqa: ARG002  # for kinds that take any metric
        """The unit of `seen` and `expected`."""
        return self.measures

    @property
    def sums(self) -> Sequence[Sum]:
        """What it asks of `Scene.sums`: known beforehand, those of all rules are one question."""
        return ()

    def moments(self, scene: Scene) -> Moments:
        """Up to when the data that it looks at are vouched for: delivery's watermark, mostly."""
        return scene.at

    def currency(self, labels: Labels) -> str:  # noqa: ARG002  # for kinds about more than an account
        """The currency of a series that is no account's; "": its account's."""
        return ""

    def site(self, labels: Labels) -> str:  # noqa: ARG002  # for kinds about websites
        """The website that a series is about, whichever accounts pay for it; "": it is about its account."""
        return ""

    def like(self, other: Condition) -> Condition:  # noqa: ARG002  # for kinds that are given more
        """This, with what another of its kind was given beside its figures."""
        return self

    @abstractmethod
    def evaluate(self, scene: Scene, scope: Scope, watched: Watched) -> Sequence[Observation]:
        """What holds, series by series, at each account's watermark.

        Series for which it is FALSE are told only if they are watched; series that cannot be judged are told
        as NODATA only if they are watched, or if they ought to be known.
        """
