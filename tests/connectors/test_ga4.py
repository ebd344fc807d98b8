"""Google Analytics: every refusal told by what to do next, quotas seen before their walls, windows and settings."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.analytics.data_v1beta.types import PropertyQuota

from connectors._ga4_errors import translate
from connectors._ga4_wire import Wire
from connectors.contract import Usage
from connectors.errors import RateLimited, TooMuchData, Unauthorized, Unavailable, Unexpected
from connectors.ga4 import Ga4, Settings

KEYS = {"client_id": "c", "client_secret": "s", "refresh_token": "r"}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Refusal(grpc.RpcError):
    def __init__(self, status, details):
        self.code, self.details = (lambda: grpc.StatusCode[status]), (lambda: details)


@pytest.mark.parametrize(
    ("status", "words", "kind", "wait"),
    [
        ("RESOURCE_EXHAUSTED", "Exhausted property tokens per day.", RateLimited, HOUR),
        ("RESOURCE_EXHAUSTED", "Exhausted property tokens for a project per hour.", RateLimited, 15 * MINUTE),
        ("RESOURCE_EXHAUSTED", "Exhausted concurrent requests quota.", RateLimited, MINUTE / 2),
        ("RESOURCE_EXHAUSTED", "Exhausted server errors quota for a project per hour.", RateLimited, HOUR),
        ("RESOURCE_EXHAUSTED", "No words that we know.", RateLimited, 15 * MINUTE),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (9 vs. 4)", TooMuchData, None),
        ("INVALID_ARGUMENT", "Field luck is not a valid metric.", Unexpected, None),
        ("INTERNAL", "Exception deserializing response!", Unexpected, None),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", Unavailable, None),
    ],
)
def test_refusals(status, words, kind, wait):
    told = translate(Refusal(status, words), of="properties/7")
    assert type(told) is kind
    assert getattr(told, "retry_after", None) == wait


@pytest.mark.parametrize(
    ("status", "words", "counts"),
    [
        ("UNAVAILABLE", "The service is currently unavailable.", True),
        ("INTERNAL", "Internal error encountered.", True),
        ("UNKNOWN", "", True),
        ("UNAVAILABLE", "failed to connect to all addresses; last error: ...", False),
        ("UNAVAILABLE", "DNS resolution failed for analyticsdata.googleapis.com", False),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", False),
    ],
)
def test_only_what_google_itself_answers_counts_for_the_breaker(status, words, counts):
    told = translate(Refusal(status, words), of="properties/7")
    assert isinstance(told, Unavailable)
    assert told.cause.startswith("server error") is counts


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ("User does not have sufficient permissions for this property.", "Viewer on property 7"),
        ("Google Analytics Data API has not been used in project 12 before or it is disabled.", "enable the"),
        ("Request had insufficient authentication scopes.", "analytics.readonly"),
    ],
)
def test_a_missing_permission_says_who_must_give_what(words, mend):
    told = translate(Refusal("PERMISSION_DENIED", words), of="properties/7")
    assert isinstance(told, Unauthorized)
    assert mend in told.mend


@pytest.mark.parametrize(
    ("left", "used", "pauses"),
    [
        ({"tokens_per_project_per_hour": 7_000}, 0.5, False),
        ({"tokens_per_project_per_hour": 1_400}, 0.9, True),
        ({"tokens_per_project_per_hour": 70_000}, 0.5, False),  # more than a standard property has: a 360
        ({"server_errors_per_project_per_hour": 3}, 0.7, False),
        ({"server_errors_per_project_per_hour": 2}, 0.8, True),
        ({"server_errors_per_project_per_hour": 0}, 1.0, True),
        ({"tokens_per_day": 10_000}, 0.95, False),
        ({"tokens_per_hour": 20_000, "server_errors_per_project_per_hour": 10}, 0.5, False),
    ],
)
def test_a_wall_that_is_near_is_kept_away_from(left, used, pauses):
    usage = Usage()
    quota = PropertyQuota(**{name: {"consumed": 4, "remaining": n} for name, n in left.items()})
    Wire(Settings(**KEYS, properties="7"), usage)._count(PropertyQuota.pb(quota))
    assert usage.utilisation == pytest.approx(used)
    assert usage.retry_after == (15 * MINUTE if pauses else None)
    assert usage.operations == (4 if "tokens_per_day" in left else 1)


def test_properties_are_numbers_with_names():
    assert Settings(**KEYS, properties={"shop": "properties/123"}).properties == {"shop": "123"}
    assert Settings(**KEYS, properties=123).properties == {"123": "123"}
    with pytest.raises(ValueError, match=r"properties\.shop"):
        Settings(**KEYS, properties={"shop": "G-ABC123"})
    with pytest.raises(ValueError, match="refresh_token missing"):
        Settings(**{**KEYS, "refresh_token": ""}, properties="7")
    two = Settings(**KEYS, properties={"a": "1", "b": "2"})
    assert Ga4(two, now=datetime(2026, 11, 24, tzinfo=UTC)).operations_per_day() == 400_000
