from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import grpc
import pytest

from connectors.contract import Account
from connectors.errors import Unauthorized, Unexpected

START, END = datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)


def client(number, *, manager=False, status="ENABLED", zone="Europe/Berlin", name="Shop", currency="EUR"):
    return {
        "customerClient": {
            "id": number,
            "manager": manager,
            "status": status,
            "timeZone": zone,
            "descriptiveName": name,
            "currencyCode": currency,
        }
    }


def trees(google, **below):
    """Answer customer_client by the account asked; a status where it refuses."""

    def answer(request, context):
        found = below[f"c{request.customer_id}"]
        if isinstance(found, str):
            google.refuse("authorization_error", found, status=grpc.StatusCode.PERMISSION_DENIED)
            refuse, google.answer = google.answer, answer
            refuse(request, context)
        return [found]

    google.answer = answer


def test_accounts_are_found_through_every_root_once_each(google):
    google.accessible = ["customers/100", "customers/300", "customers/200"]
    trees(
        google,
        c100=[
            client(100, manager=True),
            client(200, name="A"),
            client(201, zone="Asia/Tokyo", currency="JPY"),
        ],
        c300=[client(300, manager=True), client(201), client(202, name="")],
        c200=[client(200, name="A")],
    )
    connector = google.connector()
    assert list(connector.accounts()) == [
        Account("google_ads", "200", "A", "EUR", ZoneInfo("Europe/Berlin"), "100"),
        Account("google_ads", "201", "Shop", "JPY", ZoneInfo("Asia/Tokyo"), "100"),
        Account("google_ads", "202", "202", "EUR", ZoneInfo("Europe/Berlin"), "300"),
    ]
    assert connector.usage.operations == 4
    assert [m.get("login-customer-id") for _, m, _ in google.asked] == [None, "100", "300", "200"]


def test_an_account_reached_directly_needs_no_manager(google):
    google.accessible = ["customers/200"]
    trees(google, c200=[client(200)])
    assert [a.via for a in google.connector().accounts()] == [""]


def test_closed_accounts_are_left_out_and_suspended_ones_are_not(google):
    trees(
        google,
        c100=[client(1, status="CANCELED"), client(2, status="CLOSED"), client(3, status="SUSPENDED")],
    )
    assert [a.id for a in google.connector().accounts()] == ["3"]


def test_a_root_that_refuses_stops_no_other(google):
    trees(google, c100="CUSTOMER_NOT_ENABLED", c300=[client(200), client(201, zone="Mars/Olympus")])
    connector = google.connector(login_customer_ids=["100", "300"])
    assert [a.id for a in connector.accounts()] == ["200"]
    assert set(connector.unreachable) == {"100", "201"}
    assert "CUSTOMER_NOT_ENABLED" in connector.unreachable["100"].cause
    assert "Mars/Olympus" in connector.unreachable["201"].cause


def test_where_every_root_refuses_the_first_error_is_raised(google):
    trees(google, c100="USER_PERMISSION_DENIED", c300="CUSTOMER_NOT_ENABLED")
    with pytest.raises(Unauthorized, match="USER_PERMISSION_DENIED"):
        list(google.connector(login_customer_ids=["100", "300"]).accounts())


def test_only_the_accounts_in_the_settings_and_a_word_on_those_not_found(google):
    trees(google, c100=[client(1234567890), client(201)])
    connector = google.connector(accounts=["123-456-7890", "999"])
    assert [a.id for a in connector.accounts()] == ["1234567890"]
    assert list(connector.unreachable) == ["999"]


def test_ids_are_digits_before_anything_is_asked(google, account, fetch):
    with pytest.raises(Unexpected, match="account ids are digits"):
        fetch(google.connector(), "delivery", START, END, of=replace(account, id="1 OR 1=1"))
    assert google.asked == []
