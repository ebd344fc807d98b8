import subprocess
import sys
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from connectors.google_ads import GoogleAds, Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_25_accounts_polled_every_5_minutes_fit_basic_access():
    # operations a day:  newest window   nearer past   whole past
    by_hand = {
        "delivery": 24 * 12 + 24 + 1,
        "ad_delivery": 24 + 1,
        "segment_delivery": 8 + 1,
        "day_totals": 2 * (24 + 1),
        "auction": 4 + 1,
        "campaigns": 2 * 24,
        "ads": 8,
        "budgets": 48,
        "conversion_actions": 2,
        "changes": 48 + 1,
        "experiments": 4,
        "experiment_effects": 2,
        "recommendations": 4,
    }
    assert {s.name: s.operations_per_day for s in GoogleAds.streams()} == by_hand
    lookback = 1  # asked once a day for all streams of an account
    assert 25 * (sum(by_hand.values()) + lookback) == 14_200
    assert 14_200 < 15_000


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ({"access_level": "explorer"}, 2_880),
        ({}, 15_000),
        ({"access_level": "standard"}, None),
        ({"access_level": "standard", "operations_per_day": 500}, 500),
    ],
)
def test_the_access_level_sets_the_operations_a_day(given, allowed):
    settings = Settings(client_id="a", client_secret="b", refresh_token="c", **given)
    assert GoogleAds(settings, now=NOW).operations_per_day() == allowed


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "client_id, client_secret, refresh_token missing"),
        ({"client_id": "a", "client_secret": "b"}, "refresh_token missing"),
        ({"service_account_file": "sa.json", "accounts": ["12-x"]}, "accounts"),
        ({"service_account_file": "sa.json", "api_version": "26"}, "api_version"),
        ({"service_account_file": "sa.json", "acces_level": "basic"}, "acces_level"),
    ],
)
def test_settings_say_what_is_wrong(given, told):
    with pytest.raises(ValidationError, match=told):
        Settings(**given)


def test_settings_hide_their_secrets():
    shown = repr(
        Settings(client_id="a", client_secret="hush-1", refresh_token="hush-2", developer_token="hush-3")
    )
    assert "hush" not in shown


def test_knowing_the_connector_does_not_import_its_platforms_client():
    code = (
        "import sys; from connectors import registry; registry.load('google_ads').streams();"
        "print([m for m in sys.modules if m.split('.')[0] in ('google', 'grpc', 'pandas')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]", shown.stdout
