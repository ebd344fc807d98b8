"""Which accounts a page can be about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.contract import Account
from metrics.windows import AccountKey

__all__ = ["Scope", "scopes"]


@dataclass(frozen=True, slots=True)
class Scope:
    """Which accounts a page is about: all of them, all of one currency, or a single one.

    currency: of the page's money. converted: whether accounts of other currencies are among them.
    """

    key: str
    label: str
    currency: str
    accounts: tuple[AccountKey, ...]
    converted: bool = False


def scopes(known: Mapping[AccountKey, Account], currency: str = "") -> list[Scope]:
    """What can be chosen: each currency's accounts together, most accounts first, then single accounts.

    currency: that of reports, where rates are polled: all accounts together in it come first.
    """
    by_currency: dict[str, list[AccountKey]] = {}
    for key, account in known.items():
        by_currency.setdefault(account.currency, []).append(key)
    groups = sorted(by_currency.items(), key=lambda item: (-len(item[1]), item[0]))
    together = [
        Scope(currency, f"All in {currency} · {len(keys)} accounts", currency, tuple(keys))
        for currency, keys in groups
        if len(keys) > 1
    ]
    single = [
        Scope("/".join(key), f"{account.name} ({account.id})", account.currency, (key,))
        for key, account in known.items()
    ]
    everything = [Scope("all", f"All accounts, in {currency}", currency, tuple(known), converted=True)]
    return (everything if currency and len(by_currency) > 1 else []) + together + single
