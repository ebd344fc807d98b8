"""Random polls against a naive model: the table, the ledger and every replay agree with it."""

import os
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.rows import Campaign, Delivery
from tests.warehouse.store_kit import at, delivery, put
from warehouse.duck import DuckWarehouse
from warehouse.ledger import as_of

accounts = count()
HOURS = range(6)
EXAMPLES = int(os.environ.get("EXAMPLES", "20"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One file for all examples, each of which takes an account of its own."""
    path = tmp_path_factory.mktemp("model") / "paceline.duckdb"
    with DuckWarehouse.open(path, rows=(Delivery, Campaign), min_free=0) as warehouse:
        yield warehouse


class Facts:
    """What should be stored: for each key every value it ever took, with when it was seen."""

    def __init__(self):
        self.values = {}
        self.looks = []  # (seen, first hour, end hour)

    def write(self, seen, start, end, reply):
        if not reply:
            return
        stale = {h for s, a, b in self.looks if s > seen for h in range(a, b)}
        keys = {k for k in self.values if start <= k[1] < end} | set(reply)
        for key in keys:
            if key[1] in stale:
                continue
            before = self.values.get(key, [(None, None)])[-1][1]
            gone = (0, None if before is None or before[1] is None else 0)
            self.values.setdefault(key, []).append((seen, reply.get(key, gone)))
        self.looks.append((seen, start, end))

    def as_of(self, seen):
        known = {k: [v for s, v in past if s <= seen] for k, past in self.values.items()}
        return {k: past[-1] for k, past in known.items() if past}


measures = st.tuples(st.integers(0, 30), st.none() | st.integers(0, 4).map(lambda n: n / 4))
replies = st.fixed_dictionaries(
    {
        "seen": st.integers(6, 20),
        "window": st.tuples(st.sampled_from(HOURS), st.sampled_from(HOURS)).map(
            lambda ends: (min(ends), max(ends) + 1)
        ),
        "cells": st.dictionaries(
            st.tuples(st.sampled_from("ab"), st.sampled_from(HOURS)), measures, max_size=8
        ),
        "again": st.booleans(),
    }
)


def stored(warehouse, sql):
    found = warehouse.query(sql).to_pylist()
    return {
        (r["campaign"], int((r["hour"].astimezone(UTC) - at(0)).total_seconds() // 3600)): (
            r["impressions"],
            None if r["conversions"] is None else float(r["conversions"]),
        )
        for r in found
    }


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(replies, min_size=1, max_size=7))
def test_facts(shared, polls):
    model, account = Facts(), f"facts-{next(accounts)}"
    for poll in polls:
        start, end = poll["window"]
        reply = {k: v for k, v in poll["cells"].items() if start <= k[1] < end}
        sent = [delivery(c, h, *v) for (c, h), v in reply.items()]
        model.write(poll["seen"], start, end, reply)
        put(shared, sent, seen=poll["seen"], hours=(start, end), account=account)
        if poll["again"]:
            repeated = put(shared, sent, seen=poll["seen"], hours=(start, end), account=account)
            assert repeated.changed == 0

    mine = f"WHERE account = '{account}'"
    table = stored(shared, f"SELECT * FROM delivery {mine}")
    assert table == model.as_of(99)
    for seen in {5, *(poll["seen"] for poll in polls)}:
        assert stored(shared, f"SELECT * FROM ({as_of(Delivery, at(seen))}) {mine}") == model.as_of(seen)
    sums = shared.query(
        f"""SELECT campaign, hour, sum(impressions)::BIGINT AS impressions, sum(conversions) AS conversions,
            sum(cost)::BIGINT AS cost FROM delivery_ledger {mine} GROUP BY ALL"""
    )
    assert {(r["campaign"], r["hour"]): (r["impressions"], r["conversions"]) for r in sums.to_pylist()} == {
        (c, at(h)): (i, conversions or 0) for (c, h), (i, conversions) in table.items()
    }
    assert all(r["cost"] == r["impressions"] * 1000 for r in sums.to_pylist())
    intervals = shared.query(f"SELECT seen_from, seen_to FROM delivery_ledger {mine}").to_pylist()
    assert all(r["seen_from"] is None or r["seen_from"] < r["seen_to"] for r in intervals)


listings = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x", "y"]), max_size=3)


@settings(
    max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(listings, min_size=1, max_size=7))
def test_attributes(shared, polls):
    account = f"attributes-{next(accounts)}"
    known, current, spans = {}, {}, {}
    past = []
    for seen, listing in enumerate(polls, start=1):
        put(
            shared,
            [Campaign(c, name, "enabled", "", "search") for c, name in listing.items()],
            seen=seen,
            row=Campaign,
            account=account,
        )
        if listing:
            known = known | listing
            for campaign in current.keys() | listing.keys():
                if current.get(campaign) != listing.get(campaign):
                    if campaign in current:
                        spans[campaign][-1][2] = at(seen)
                    if campaign in listing:
                        spans.setdefault(campaign, []).append([listing[campaign], at(seen), None])
            current = listing
        past.append(known)

    mine = f"WHERE account = '{account}'"

    def names(sql):
        return {r["campaign"]: r["name"] for r in shared.query(sql).to_pylist()}

    assert names(f"SELECT campaign, name FROM campaign {mine}") == known
    for seen, then in enumerate(past, start=1):
        assert names(f"SELECT campaign, name FROM ({as_of(Campaign, at(seen))}) {mine}") == then
    history = shared.query(f"FROM campaign_history {mine} ORDER BY campaign, valid_from").to_pylist()
    assert [(r["campaign"], r["name"], r["valid_from"], r["valid_to"]) for r in history] == [
        (c, *span) for c in sorted(spans) for span in spans[c]
    ]
    assert all(isinstance(r["valid_from"], datetime) for r in history)
