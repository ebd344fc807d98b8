"""Attributes keep their history; events are written once."""

from datetime import timedelta

import pytest

from connectors.rows import AccountRow, Auction, Budget, Campaign, Change, Recommendation
from tests.warehouse.store_kit import DAY, at, put, rows
from warehouse.errors import ReplyRefused
from warehouse.ledger import as_of

HISTORY = "SELECT campaign, name, valid_from, valid_to FROM campaign_history ORDER BY campaign, valid_from"


def campaign(ident, name, status="enabled"):
    return Campaign(ident, name, status, serving="", channel="search")


def save(warehouse, *found, seen, row=Campaign):
    return put(warehouse, list(found), seen=seen, row=row).changed


def test_a_renamed_campaign_ends_the_old_name_and_starts_the_new(warehouse):
    assert save(warehouse, campaign("a", "Spring"), campaign("b", "Brand"), seen=1) == 2
    assert save(warehouse, campaign("a", "Spring"), campaign("b", "Brand"), seen=2) == 0
    assert save(warehouse, campaign("a", "Summer"), campaign("b", "Brand"), seen=3) == 1

    assert rows(warehouse, "SELECT campaign, name FROM campaign ORDER BY 1") == [
        ("a", "Summer"),
        ("b", "Brand"),
    ]
    assert rows(warehouse, HISTORY) == [
        ("a", "Spring", at(1), at(3)),
        ("a", "Summer", at(3), None),
        ("b", "Brand", at(1), None),
    ]


def test_what_is_no_longer_listed_ends_but_stays_known(warehouse):
    def budget(ident, amount):
        return Budget(ident, "a", "", "Daily", amount, "daily", "campaign", shared=False)

    save(warehouse, budget("old", 5), seen=1, row=Budget)
    assert save(warehouse, budget("new", 9), seen=2, row=Budget) == 2
    assert save(warehouse, budget("new", 9), seen=3, row=Budget) == 0
    assert rows(warehouse, "SELECT budget FROM budget ORDER BY 1") == [("new",), ("old",)]
    in_force = (
        "SELECT budget FROM budget_history WHERE valid_from <= $1 AND (valid_to > $1 OR valid_to IS NULL)"
    )
    assert rows(warehouse, in_force, at(1.5)) == [("old",)]
    assert rows(warehouse, in_force, at(2)) == [("new",)]

    # It comes back as it was: in force again from then on.
    assert save(warehouse, budget("new", 9), budget("old", 5), seen=4, row=Budget) == 1
    assert rows(
        warehouse, "SELECT valid_from, valid_to FROM budget_history WHERE budget = 'old' ORDER BY 1"
    ) == [
        (at(1), at(2)),
        (at(4), None),
    ]


def test_an_empty_reply_ends_what_may_be_none_and_nothing_else(warehouse):
    in_force = "SELECT count(*) FROM {}_history WHERE valid_to IS NULL"
    save(warehouse, campaign("a", "Spring"), seen=1)
    assert save(warehouse, seen=2) == 0
    assert rows(warehouse, in_force.format("campaign")) == [(1,)]

    advice = [Recommendation(of, "a", "keyword") for of in ("x", "y")]
    save(warehouse, *advice, seen=1, row=Recommendation)
    assert save(warehouse, seen=3, row=Recommendation) == 2
    assert rows(warehouse, in_force.format("recommendation")) == [(0,)]
    # An older look that comes late brings nothing back.
    assert save(warehouse, *advice, seen=2, row=Recommendation) == 0
    assert rows(warehouse, in_force.format("recommendation")) == [(0,)]
    assert save(warehouse, advice[0], seen=4, row=Recommendation) == 1
    assert rows(warehouse, in_force.format("recommendation")) == [(1,)]


def test_a_value_that_becomes_unknown_is_a_change(warehouse):
    def seen(share):
        return Auction("a", DAY, 100, impression_share=share)

    assert save(warehouse, seen(0.5), seen=1, row=Auction) == 1
    assert save(warehouse, seen(None), seen=2, row=Auction) == 1
    assert save(warehouse, seen(None), seen=3, row=Auction) == 0
    assert rows(warehouse, "SELECT impression_share FROM auction") == [(None,)]


def test_attributes_of_a_day_end_only_within_the_asked_days(warehouse):
    other = Auction("a", DAY - timedelta(days=1), 7)
    put(warehouse, [other], seen=0, hours=(-23, -1), row=Auction)
    put(warehouse, [Auction("b", DAY, 7)], seen=1, hours=(0, 20), row=Auction)
    assert rows(warehouse, "SELECT count(*) FROM auction_history WHERE valid_to IS NULL") == [(2,)]


def test_an_account_is_one_row(warehouse):
    def account(name):
        return AccountRow(name, "EUR", "Europe/Berlin")

    save(warehouse, account("Shop"), seen=1, row=AccountRow)
    put(warehouse, [account("Other")], seen=1, row=AccountRow, account="2")
    assert save(warehouse, account("Shop GmbH"), seen=2, row=AccountRow) == 1
    assert rows(warehouse, "SELECT account, name FROM account ORDER BY 1") == [
        ("1", "Shop GmbH"),
        ("2", "Other"),
    ]
    with pytest.raises(ReplyRefused, match="the account's own row"):
        save(warehouse, account("A"), account("B"), seen=3, row=AccountRow)


def test_attributes_are_replayed_as_last_known(warehouse):
    save(warehouse, campaign("a", "Spring"), campaign("b", "Brand"), seen=1)
    save(warehouse, campaign("a", "Summer"), seen=3)

    def then(hour):
        found = warehouse.query(f"SELECT campaign, name FROM ({as_of(Campaign, at(hour))}) ORDER BY 1")
        return [tuple(r.values()) for r in found.to_pylist()]

    assert then(0.9) == []
    assert then(1) == [("a", "Spring"), ("b", "Brand")]
    assert then(3) == [("a", "Summer"), ("b", "Brand")]
    assert warehouse.query(as_of(Campaign, at(9))).schema == warehouse.query("FROM campaign").schema


def test_an_older_look_at_attributes_is_left_out(warehouse):
    save(warehouse, campaign("a", "Summer"), seen=3)
    assert save(warehouse, campaign("a", "Spring"), seen=2) == 0
    assert rows(warehouse, HISTORY) == [("a", "Summer", at(3), None)]


def change(ident, hour, summary=""):
    return Change(ident, at(hour), "a", "web", "update", "campaign", "a", "a", summary, "{}", "{}")


def test_an_event_is_written_once_and_never_rewritten(warehouse):
    assert save(warehouse, change("1", 2, "first"), seen=3, row=Change) == 1
    assert save(warehouse, change("1", 2, "again"), change("2", 3), seen=4, row=Change) == 1
    assert save(warehouse, change("2", 3), seen=5, row=Change) == 0
    assert rows(warehouse, "SELECT change, summary, seen_at FROM change ORDER BY 1") == [
        ("1", "first", at(3)),
        ("2", "", at(4)),
    ]
    assert warehouse.query(as_of(Change, at(3)))["change"].to_pylist() == ["1"]
