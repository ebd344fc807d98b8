"""Which accounts a Google user reaches: a walk down from each root of a graph of managers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connectors._google_cells import rows
from connectors._google_queries import CLIENTS
from connectors.contract import Account
from connectors.errors import SourceError, Unauthorized, Unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors._google_rows import Columns
    from connectors._google_wire import Wire

__all__ = ["walk"]

_log = logging.getLogger(__name__)


def walk(
    wire: Wire, roots: Sequence[str], wanted: frozenset[str], unreachable: dict[str, SourceError]
) -> Iterator[Account]:
    """Every account below `roots` that delivers ads, once; of `wanted` only, if there are any.

    An account's `via` is the first root through which it is found, "" where it is that root itself.
    Managers and closed accounts are left out; suspended ones are not, since their error should be seen.
    What cannot be walked goes to `unreachable`, by id, and stops nothing else; where nothing at all can
    be, its first error is raised.
    """
    seen: set[str] = set()
    for root in roots:
        try:
            for columns in wire.search(CLIENTS, root, via=root):
                for account in _accounts(columns, root, unreachable):
                    if account.id not in seen and (not wanted or account.id in wanted):
                        seen.add(account.id)
                        yield account
        except SourceError as error:
            _log.warning("Google Ads account %s is out of reach: %s", root, error)
            unreachable[root] = error
    if not seen and unreachable:
        raise next(iter(unreachable.values()))
    for missing in sorted(wanted - seen):
        unreachable[missing] = Unauthorized(
            f"account {missing} is not among those that the authorised user reaches",
            mend="correct the id in accounts, or add the account's manager to login_customer_ids",
        )


def _accounts(columns: Columns, root: str, unreachable: dict[str, SourceError]) -> Iterator[Account]:
    for row in rows(columns):
        customer = str(row["customer_client.id"])
        if row["customer_client.manager"] or row["customer_client.status"] in ("CANCELED", "CLOSED"):
            continue
        try:
            zone = ZoneInfo(row["customer_client.time_zone"])
        except (ZoneInfoNotFoundError, ValueError) as error:
            unreachable[customer] = Unexpected(f"account {customer} has no known time zone: {error}")
            continue
        yield Account(
            source="google_ads",
            id=customer,
            name=row["customer_client.descriptive_name"] or customer,
            currency=row["customer_client.currency_code"],
            timezone=zone,
            via="" if customer == root else root,
        )
