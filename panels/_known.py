"""What every page asks first: the accounts, and how fresh each is; read once for each version of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.contract import Account
from metrics import windows
from metrics.windows import AccountKey
from panels._once import once
from panels._slot import Process, process
from warehouse.store import Watermark

__all__ = ["Known", "now"]


@dataclass(frozen=True, slots=True)
class Known:
    """Shared by all visitors: nobody changes it.

    accounts: every account that spends money. marks: the freshness of every stream ever asked for.
    until: up to which full hour of its own clock each account's source vouches for its delivery.
    """

    accounts: Mapping[AccountKey, Account]
    marks: tuple[Watermark, ...]
    until: Mapping[AccountKey, datetime]

    @property
    def names(self) -> dict[AccountKey, str]:
        """The accounts' names."""
        return {key: account.name for key, account in self.accounts.items()}


def now(of: Process) -> Known:
    """What is known of the accounts in the present version of the data."""
    return _read(of.data_version())


@once
def _read(version: int) -> Known:
    del version
    of = process()
    assert of is not None
    accounts = windows.accounts(of.warehouse)
    marks = tuple(of.warehouse.watermarks())
    return Known(accounts, marks, windows.vouched(marks, accounts))
