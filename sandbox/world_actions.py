"""What an account counts as a conversion, and how such conversions behave: how late, how much, how sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.model import ConversionAction

if TYPE_CHECKING:
    from sandbox.world_names import Brand

__all__ = ["ActionSetup", "build"]

_WHOLE = (1_000_000,)
_DRIVEN = (1_000_000, 1_000_000, 1_000_000, 500_000, 500_000, 333_333, 666_667, 250_000)
"""Credits of a conversion in millionths, each as often: last click, and as data-driven attribution has it."""

_QUICK = ((0.75, 0.6), (0.20, 8.0), (0.05, 40.0))
_CONSIDERED = ((0.50, 1.2), (0.30, 18.0), (0.20, 60.0))
_LONG = ((0.30, 2.0), (0.30, 30.0), (0.40, 80.0))


@dataclass(frozen=True, slots=True)
class ActionSetup:
    """rate: conversions against the campaign's own rate. value: typical, in minor units, 0 for none.

    lags: (share, mean hours) of a mixture of exponentials, from click to conversion.
    """

    action: ConversionAction
    rate: float
    value: int
    spread: float
    lags: tuple[tuple[float, float], ...]
    delay_hours: float
    """Mean of the platform's reporting delay beyond its lag."""
    credits: tuple[int, ...]
    view_share: float
    retracted: float
    """Share that is taken back later: cancelled orders, rejected leads."""


def build(position: int, brand: Brand, unit: int) -> tuple[ActionSetup, ...]:
    """Purchase, lead, cart and, on Meta, a form within Meta itself that needs no tag on the site."""
    google, shop = position % 2 == 0, brand.goal == "purchase"
    base = (4_800_000_000 if google else 190_000_000_000_000) + position * 100
    days = (30, 90, 7)[position // 2 % 3] if google else 7
    # Google attributes the account's own goal by data, all else to the last click.
    purchase, lead = (_DRIVEN if google and goal else _WHOLE for goal in (shop, not shop))
    lags = _CONSIDERED if shop else _LONG
    view, delay = (0.0, 0.6) if google else (0.14, 0.25)

    def money(euros: float) -> int:
        return round(euros * brand.rate * 1e6 / unit)

    def action(
        n: int, name: str, category: str, *, primary: bool = True, tag: bool = True, lookback: int = days
    ) -> ConversionAction:
        return ConversionAction(base + n, name, category, primary, lookback, 1, tag)

    made = [
        ActionSetup(
            action(1, "Purchase", "PURCHASE"),
            rate=1.0 if shop else 0.12,
            value=money(brand.order_value),
            spread=0.55,
            lags=lags,
            delay_hours=delay,
            credits=purchase,
            view_share=view,
            retracted=0.03,
        ),
        ActionSetup(
            action(2, "Lead form", "LEAD"),
            rate=0.18 if shop else 0.88,
            value=money(22),
            spread=0.0,
            lags=lags,
            delay_hours=delay,
            credits=lead,
            view_share=view,
            retracted=0.015,
        ),
        ActionSetup(
            action(3, "Add to cart", "ADD_TO_CART", primary=False, lookback=min(days, 30)),
            rate=2.6 if shop else 0.3,
            value=0,
            spread=0.0,
            lags=_QUICK,
            delay_hours=delay,
            credits=_WHOLE,
            view_share=view,
            retracted=0.0,
        ),
    ]
    if not google:
        made.append(
            ActionSetup(
                action(4, "Instant form", "LEAD", tag=False),
                rate=0.10,
                value=money(18),
                spread=0.0,
                lags=_QUICK,
                delay_hours=0.05,
                credits=_WHOLE,
                view_share=0.0,
                retracted=0.0,
            )
        )
    return tuple(made)
