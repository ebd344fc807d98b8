"""Meta's JSON to Arrow, worked out by hand."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import _meta_rows as rows
from connectors.rows import Delivery
from connectors.schema import schema

BOTH = ("7d_click", "1d_view")


def entry(action_type, value, **windows):
    return {"action_type": action_type, "value": value, **{name[1:]: v for name, v in windows.items()}}


@pytest.mark.parametrize(
    ("amount", "micros"),
    [
        ("12.34", 12_340_000),
        ("0.1", 100_000),
        ("1.1", 1_100_000),  # a float would make 1100000.0000000001 of it
        ("9007199254.740993", 9_007_199_254_740_993),  # more digits than a float has
        ("5000", 5_000_000_000),  # yen
        ("0", 0),
        ("89.70000000000002", 89_700_000),
        ("0.0000005", 0),  # half to even
        ("0.0000015", 2),
        ("1e3", 1_000_000_000),
    ],
)
def test_money_is_exact(amount, micros):
    assert rows.micros(amount) == micros


@given(st.integers(0, 10**12))
def test_cents_survive(cents):
    assert rows.micros(f"{cents // 100}.{cents % 100:02d}") == cents * 10_000


def test_a_purchase_told_in_six_ways_is_one_purchase():
    told = ("purchase", "onsite_web_purchase", "omni_purchase", "web_in_store_purchase")
    actions = [entry(name, "3", _7d_click="2", _1d_view="1") for name in told]
    actions += [entry("offsite_conversion.fb_pixel_purchase", "3", _7d_click="2", _1d_view="1")]
    actions += [entry("link_click", "50"), entry("page_engagement", "60")]
    worth = [entry("offsite_conversion.fb_pixel_purchase", "80", _7d_click="80")]
    worth += [entry("omni_purchase", "89.7", _7d_click="59.8", _1d_view="29.9")]
    assert sum(int(action["value"]) for action in actions if "purchase" in action["action_type"]) == 15
    row = {"actions": actions, "action_values": worth}
    assert rows.events(row, BOTH) == {"purchase": (Decimal(3), 89_700_000)}


@pytest.mark.parametrize(
    ("there", "event", "count"),
    [
        ({"omni_purchase": "5", "purchase": "4", "offsite_conversion.fb_pixel_purchase": "3"}, "purchase", 5),
        ({"purchase": "4", "offsite_conversion.fb_pixel_purchase": "3"}, "purchase", 4),
        ({"offsite_conversion.fb_pixel_purchase": "3"}, "purchase", 3),
        # `lead` holds the site's and Meta's own leads; the parts are used only where it is missing.
        ({"onsite_conversion.lead_grouped": "2", "offsite_conversion.fb_pixel_lead": "3", "lead": "5"}, "lead", 5),
        ({"offsite_conversion.fb_pixel_lead": "3"}, "lead", 3),
        ({"onsite_conversion.lead_grouped": "2"}, "lead", 2),
        ({"add_to_cart": "9", "omni_add_to_cart": "10"}, "add_to_cart", 10),
        ({"complete_registration": "1"}, "complete_registration", 1),
        ({"contact_website": "2", "contact_total": "6"}, "contact", 6),
    ],
)  # fmt: skip
def test_each_event_is_counted_by_the_widest_type_that_is_there(there, event, count):
    row = {"actions": [entry(name, value, _7d_click=value) for name, value in there.items()]}
    assert rows.events(row, BOTH) == {event: (Decimal(count), 0)}


def test_windows_are_the_ones_that_were_asked_for():
    row = {"actions": [entry("omni_purchase", "10", _1d_click="4", _7d_click="7", _1d_view="3")]}
    assert rows.events(row, ("7d_click", "1d_view"))["purchase"][0] == 10
    assert rows.events(row, ("7d_click",))["purchase"][0] == 7
    assert rows.events(row, ("1d_click",))["purchase"][0] == 4
    assert rows.events(row, ())["purchase"][0] == 10  # each ad set's own setting
    late = {"actions": [entry("omni_purchase", "2", _7d_click="2")]}
    assert rows.events(late, ("1d_click",))["purchase"][0] == 0  # its value is not that of one day


def test_what_is_absent_is_nothing():
    assert rows.events({"campaign_id": "1"}, BOTH) == {}
    assert rows.events({"actions": [entry("link_click", "3")]}, BOTH) == {}


def test_contacts_stand_in_conversions_and_are_not_counted_twice():
    contact = entry("contact_total", "4", _7d_click="4")
    row = {"actions": [contact], "conversions": [contact], "conversion_values": [contact]}
    assert rows.events(row, BOTH) == {"contact": (Decimal(4), 4_000_000)}
    assert rows.events({"conversions": [contact]}, BOTH) == {"contact": (Decimal(4), 0)}


def test_fractions_keep_six_digits():
    row = {"actions": [entry("lead", "0.3333333333", _7d_click="0.3333333333", _1d_view="1")]}
    columns = rows.totals([row], BOTH, {"lead"})
    assert columns["conversions"].to_pylist() == [Decimal("1.333333")]
    assert columns["conversions"].type == pa.decimal128(18, 6)


def test_totals_are_of_primary_events():
    counted = {"omni_purchase": "2", "lead": "3", "omni_add_to_cart": "50"}
    listed = [entry(name, value, _7d_click=value) for name, value in counted.items()]
    columns = rows.totals([{"actions": listed, "action_values": listed}, {}], BOTH, {"purchase", "lead"})
    assert columns["conversions"].to_pylist() == [5, 0]
    assert columns["conversion_value"].to_pylist() == [5_000_000, 0]


def test_columns_of_a_page():
    page = [
        {rows.HOURLY: "00:00:00 - 00:59:59", "date_start": "2026-11-01", "impressions": "12", "spend": "0.5"},
        {rows.HOURLY: "23:00:00 - 23:59:59", "date_start": "2026-11-02", "clicks": "3"},
    ]
    assert rows.hours(page).to_pylist() == [0, 23]
    assert rows.days(page).to_pylist() == [date(2026, 11, 1), date(2026, 11, 2)]
    got = {name: column.to_pylist() for name, column in rows.delivered(page).items()}
    assert got == {"impressions": [12, 0], "clicks": [0, 3], "cost": [500_000, 0]}


def test_columns_that_are_not_there_are_null():
    batch = rows.batch(Delivery, {"campaign": pa.array(["1", "2"])}, 2)
    assert batch.schema.names == schema(Delivery).names
    assert batch.column("conversions").to_pylist() == [None, None]
