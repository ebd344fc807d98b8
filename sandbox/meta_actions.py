"""How Meta counts one event many times: action types that overlap, and the windows that select events.

A purchase on the site is reported as `omni_purchase`, `purchase`, `offsite_conversion.fb_pixel_purchase` and
more, each of them the same event: whoever adds up the list counts it several times. A lead in a form on Meta
itself and one by the site's pixel meet in `lead`.

An entry's `value` follows the ad set's attribution setting, which is 7 days after a click and 1 day after a
view for all of this world. `7d_view` and `28d_view` are taken and answer nothing, as since 12 January 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sandbox.model import ConversionAction, Conversions, Ints

__all__ = ["CLICKED", "CONVERSIONS", "DEFAULT", "Event", "Tally", "events_of", "tally", "tiers", "windows"]

DEFAULT = "value"
"""The key of the count under the ad set's own attribution setting."""

_TIERS: dict[tuple[str, bool], tuple[str, ...]] = {
    ("PURCHASE", True): (
        "omni_purchase",
        "purchase",
        "offsite_conversion.fb_pixel_purchase",
        "web_in_store_purchase",
        "onsite_web_purchase",
        "onsite_web_app_purchase",
    ),
    ("PURCHASE", False): ("omni_purchase", "purchase", "onsite_conversion.purchase"),
    ("LEAD", True): ("lead", "offsite_conversion.fb_pixel_lead"),
    ("LEAD", False): ("lead", "onsite_conversion.lead_grouped"),
    ("SIGNUP", True): (
        "omni_complete_registration",
        "complete_registration",
        "offsite_conversion.fb_pixel_complete_registration",
    ),
    ("SIGNUP", False): ("omni_complete_registration", "complete_registration"),
    ("ADD_TO_CART", True): (
        "omni_add_to_cart",
        "add_to_cart",
        "offsite_conversion.fb_pixel_add_to_cart",
        "onsite_web_add_to_cart",
        "onsite_web_app_add_to_cart",
    ),
    ("ADD_TO_CART", False): ("omni_add_to_cart", "add_to_cart"),
    ("CONTACT", True): ("contact_total", "contact_website"),
    ("CONTACT", False): ("contact_total", "onsite_conversion.messaging_conversation_started_7d"),
}

CONVERSIONS = frozenset({"contact_total", "contact_website"})
"""Action types that `conversions` holds as well as `actions`."""

CLICKED = {"1d_click": 24, "7d_click": 168, "28d_click": 672}
_VIEWED = {"1d_view": 24}


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of event: its category, and whether the site's tag must tell of it."""

    category: str
    off_platform: bool


def tiers(event: Event) -> tuple[str, ...]:
    """The action types under which one event of the kind is reported, each time whole."""
    return _TIERS[event.category, event.off_platform]


def events_of(actions: Iterable[ConversionAction]) -> dict[int, Event]:
    """The kind of each of the account's conversion actions, by id."""
    return {action.id: Event(action.category, action.off_platform) for action in actions}


def windows(asked: Sequence[str]) -> tuple[str, ...]:
    """The windows of `asked` that have data; `value` comes first and always."""
    return (DEFAULT, *(name for name in dict.fromkeys(asked) if name in CLICKED or name in _VIEWED))


def _within(window: str, conversions: Conversions) -> npt.NDArray[np.bool_]:
    if window == DEFAULT:
        return _within("7d_click", conversions) | _within("1d_view", conversions)
    if window in CLICKED:
        return ~conversions.view & (conversions.delay_hours < CLICKED[window])
    return conversions.view & (conversions.delay_hours < _VIEWED[window])


Tally = dict[tuple[Event, str], tuple["Ints", "Ints"]]
"""By kind of event and window: the count and the value (micros) in each group of rows."""


def tally(
    conversions: Conversions,
    group: Ints,
    groups: int,
    events: dict[int, Event],
    asked: Iterable[str],
) -> Tally:
    """Count the events of each group. group: the group's number of each event, below `groups`."""
    found: Tally = {}
    for event in sorted(set(events.values()), key=lambda kind: (kind.category, kind.off_platform)):
        ids = [action for action, kind in events.items() if kind == event]
        mine = np.isin(conversions.action, ids)
        for window in asked:
            keep = mine & _within(window, conversions)
            counts, values = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
            np.add.at(counts, group[keep], 1)
            np.add.at(values, group[keep], conversions.value_micros[keep])
            found[event, window] = counts, values
    return found
