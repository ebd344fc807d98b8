"""Which ad accounts a token reaches, and what is said of those that Meta has stopped."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors.contract import Account
from connectors.errors import SourceError, Unauthorized, Unexpected

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from connectors._meta_graph import Graph, Node

__all__ = ["check", "reached"]

_log = logging.getLogger(__name__)

_FIELDS = {"fields": "account_id,name,currency,timezone_name,account_status"}
_CLOSED = frozenset({101, 202})
_STOPPED = {
    2: ("is disabled", "ask for a review in Business Support Home, at Account quality"),
    3: ("is unsettled", "pay what is due in Billing and payments"),
    7: ("is pending a risk review", "wait for Meta's review; Account quality shows its state"),
    8: ("is pending settlement", "pay what is due in Billing and payments"),
    100: ("is pending closure", "reopen the account in Business settings, or leave it out of accounts"),
    101: ("is closed", "leave it out of accounts"),
    202: ("is closed", "leave it out of accounts"),
}
"""By account_status: what is said of it, and what can be done. In all others ads are delivered."""


def reached(graph: Graph, wanted: Collection[str], unreachable: dict[str, SourceError]) -> Iterator[Account]:
    """Every account that the token lists, once; of `wanted` only, if there are any.

    Closed accounts are left out; stopped ones are not, since their state should be seen. A wanted account
    that is not listed is asked for by itself. What fails goes to `unreachable`, by id, and stops nothing
    else; where nothing at all can be reached, its first error is raised.
    """
    seen: set[str] = set()
    found = 0
    for page in graph.pages(("me", "adaccounts"), _FIELDS):
        for node in page:
            number = str(node["account_id"])
            if number not in seen and (not wanted or number in wanted):
                seen.add(number)
                for account in _account(node, unreachable):
                    found += 1
                    yield account
    for missing in sorted(set(wanted) - seen):
        try:
            node = graph.get((f"act_{missing}",), _FIELDS)
        except SourceError as error:
            _log.warning("Meta ad account %s is out of reach: %s", missing, error)
            unreachable[missing] = error
            continue
        for account in _account(node, unreachable):
            found += 1
            yield account
    if not found and unreachable:
        raise next(iter(unreachable.values()))


def _account(node: Node, unreachable: dict[str, SourceError]) -> Iterator[Account]:
    """The account, unless it is closed or its clock is unknown."""
    number = str(node["account_id"])
    if node.get("account_status") in _CLOSED:
        return
    try:
        zone = ZoneInfo(node["timezone_name"])
    except (ZoneInfoNotFoundError, ValueError) as error:
        unreachable[number] = Unexpected(f"account {number} has no known time zone: {error}")
        return
    yield Account("meta_ads", number, node.get("name") or number, node["currency"], zone)


def check(graph: Graph, account: Account) -> None:
    """Ask for the account's status. Raises Unauthorized, with what can be done, for one that was stopped."""
    node = graph.get((f"act_{account.id}",), _FIELDS)
    said, mend = _STOPPED.get(int(node.get("account_status") or 1), ("", ""))
    if said:
        raise Unauthorized(f"the ad account {account.name} ({account.id}) {said}", mend=mend)
