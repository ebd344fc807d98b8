"""Settings of the Meta connector: what cannot work is refused with its name, and secrets stay secret."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from connectors.contract import Account
from connectors.meta_ads import MetaAds, Settings

NOW = datetime(2026, 11, 23, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"access_token": ""}, "access_token"),
        ({"access_token": "t", "api_version": "26"}, "api_version"),
        ({"access_token": "t", "accounts": ["123-456"]}, "accounts"),
        ({"access_token": "t", "attribution_windows": ["7d_view"]}, "attribution_windows"),  # gone since 2026
        ({"access_token": "t", "attribution_windows": ["1d_click", "7d_click"]}, "twice"),
        ({"access_token": "t", "graph_url": "http://graph.example.com"}, "https://"),
        ({"access_token": "t", "unheard_of": 1}, "unheard_of"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong, words):
    with pytest.raises(ValidationError, match=words):
        Settings(**wrong)


def test_settings_do_not_tell_their_secrets():
    settings = Settings(access_token="hush-token", app_secret="hush-secret", accounts=[7, "act_8"])
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.accounts == ("7", "8")
    assert "hush" not in repr(MetaAds(settings, now=NOW))


def test_how_far_back_the_past_is_asked():
    account = Account("meta_ads", "1", "Shop", "USD", ZoneInfo("UTC"))
    asked = [MetaAds(Settings(access_token="t", **own), now=NOW) for own in ({}, {"restate_days": 7})]
    assert [source.restate_window(account).days for source in asked] == [28, 7]
