"""Every refusal over the real wire: what it is told as, with which wait and which mend."""

import logging
import time
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from connectors.errors import (
    RateLimited,
    Retry,
    SourceError,
    TooMuchData,
    Unauthorized,
    Unavailable,
    Unexpected,
)

Code = grpc.StatusCode
START, END = datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "name", "status", "wait", "expected"),
    [
        ("quota_error", "RESOURCE_EXHAUSTED", Code.RESOURCE_EXHAUSTED, 900, timedelta(seconds=900)),
        ("quota_error", "RESOURCE_EXHAUSTED", Code.RESOURCE_EXHAUSTED, None, timedelta(hours=1)),
        ("quota_error", "RESOURCE_TEMPORARILY_EXHAUSTED", Code.RESOURCE_EXHAUSTED, 5, timedelta(seconds=5)),
        (
            "quota_error",
            "RESOURCE_TEMPORARILY_EXHAUSTED",
            Code.RESOURCE_EXHAUSTED,
            None,
            timedelta(minutes=1),
        ),
    ],
)
def test_a_quota_tells_its_wait(google, account, kind, name, status, wait, expected):
    google.refuse(kind, name, status=status, wait=wait)
    connector = google.connector()
    with pytest.raises(RateLimited, match=name) as told:
        connector.check(account)
    assert told.value.retry_after == expected
    assert connector.usage.retry_after == expected
    assert connector.usage.operations == 1  # a refused request counts too
    assert told.value.request_id == "req-refused"
    assert connector.usage.request_ids == ["req-refused"]
    assert told.value.code == name


@pytest.mark.parametrize(
    ("kind", "name", "status", "expected", "mend"),
    [
        (
            "authorization_error",
            "USER_PERMISSION_DENIED",
            Code.PERMISSION_DENIED,
            Unauthorized,
            "login_customer_id 100",
        ),
        (
            "authorization_error",
            "CUSTOMER_NOT_ENABLED",
            Code.PERMISSION_DENIED,
            Unauthorized,
            "reactivate the account",
        ),
        (
            "authorization_error",
            "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION",
            Code.PERMISSION_DENIED,
            Unauthorized,
            "Cloud project",
        ),
        ("authorization_error", "MISSING_TOS", Code.PERMISSION_DENIED, Unauthorized, "read access"),
        ("authentication_error", "OAUTH_TOKEN_EXPIRED", Code.UNAUTHENTICATED, Unauthorized, "authorise"),
        ("authentication_error", "CUSTOMER_NOT_FOUND", Code.UNAUTHENTICATED, Unauthorized, "no such account"),
        ("request_error", "UNSUPPORTED_VERSION", Code.INVALID_ARGUMENT, Unexpected, "set api_version"),
        ("query_error", "UNRECOGNIZED_FIELD", Code.INVALID_ARGUMENT, Unexpected, ""),
        ("internal_error", "INTERNAL_ERROR", Code.INTERNAL, Unavailable, ""),
        ("internal_error", "TRANSIENT_ERROR", Code.INTERNAL, Unavailable, ""),
    ],
)
def test_a_refusal_is_told_by_what_to_do_next(google, account, kind, name, status, expected, mend):
    google.refuse(kind, name, status=status, message="Google's own words")
    with pytest.raises(expected, match=f"{name}: Google's own words") as told:
        google.connector().check(account)
    assert type(told.value) is expected
    assert mend in told.value.mend
    assert told.value.request_id == "req-refused"


def test_a_refusal_in_the_words_of_another_version_is_read_all_the_same(google, account):
    google.refuse("quota_error", "RESOURCE_EXHAUSTED", status=Code.RESOURCE_EXHAUSTED, wait=30, version="v24")
    with pytest.raises(RateLimited):
        google.connector().check(account)


@pytest.mark.parametrize(
    ("status", "details", "expected"),
    [
        (Code.UNAVAILABLE, "The service is currently unavailable.", Unavailable),
        (Code.INTERNAL, "Internal error encountered.", Unavailable),
        (Code.ABORTED, "", Unavailable),
        (Code.UNKNOWN, "Stream removed", Unavailable),
        (Code.UNAVAILABLE, "('invalid_grant: Token has been expired or revoked.')", Unauthorized),
        (Code.UNAUTHENTICATED, "", Unauthorized),
        (Code.PERMISSION_DENIED, "", Unauthorized),
        (Code.RESOURCE_EXHAUSTED, "", RateLimited),
        (Code.RESOURCE_EXHAUSTED, "Received message larger than max (5 vs. 4)", TooMuchData),
        (Code.INVALID_ARGUMENT, "", Unexpected),
    ],
)
def test_a_bare_status_is_told_too(google, account, status, details, expected):
    google.answer = lambda _request, context: context.abort(status, details)
    with pytest.raises(expected) as told:
        google.connector().check(account)
    assert type(told.value) is expected
    assert status.name in told.value.cause


def test_a_version_that_is_gone_says_what_to_set(google, account):
    with pytest.raises(Unexpected, match="UNIMPLEMENTED") as told:
        google.connector(api_version="v25").check(account)  # the scripted server speaks v26 alone
    assert "set api_version" in told.value.mend
    with pytest.raises(Unexpected, match="has no v19") as told:
        google.connector(api_version="v19").check(account)
    assert "set api_version" in told.value.mend


def test_a_hang_ends_at_its_timeout(google, account):
    google.answer = lambda _request, _context: time.sleep(2)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="DEADLINE_EXCEEDED"):
        google.connector(timeout_seconds=0.3).check(account)
    assert time.monotonic() - began < 1.5


def test_a_stream_that_breaks_off_is_an_error_after_what_had_come(google, account, fetch):
    row = {"campaign": {"id": 7}, "segments": {"date": "2026-11-23", "hour": 9}}

    def break_off(_request, context):
        yield [row]
        context.abort(Code.UNAVAILABLE, "Socket closed")

    google.answer = break_off
    with pytest.raises(Unavailable, match="Socket closed"):
        fetch(google.connector(), "delivery", START, END)


def test_a_reply_that_is_no_message_is_unexpected(google, account):
    google.answer = lambda _request, _context: [b"<html>502 Bad Gateway</html>"]
    with pytest.raises(Unexpected, match="deserializ"):
        google.connector().check(account)


def test_nothing_listens(google, account):
    google.stop()
    with pytest.raises(Unavailable):
        google.connector(timeout_seconds=1).check(account)


# The token


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (
            (
                400,
                {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
            ),
            Unauthorized,
        ),
        ((401, {"error": "invalid_client"}), Unauthorized),
    ],
)
def test_a_dead_refresh_token_is_not_tried_for_ever(google, account, reply, expected):
    google.token_reply = reply
    with pytest.raises(expected, match=reply[1]["error"]) as told:
        google.connector().check(account)
    assert "authorise Google Ads again" in told.value.mend
    assert not isinstance(told.value, Retry)
    assert google.asked == []


def test_a_token_is_fetched_once_for_many_requests(google, account):
    connector = google.connector()
    for _ in range(3):
        connector.check(account)
    assert len(google.token_calls) == 1


# Secrets


def test_no_secret_is_in_any_message_log_or_representation(google, account, caplog):
    """Whatever goes wrong, and however much the source repeats of what it was sent."""
    secrets = [
        "1//0sRefreshRefresh",
        "GOCSPX-clientsecretclientsecret",
        "ya29.first-access-token",
        "dev-token-1",
    ]
    echo = "authorization: Bearer ya29.first-access-token; refresh_token=1//0sRefreshRefresh; client_secret=GOCSPX-clientsecretclientsecret; developer-token: dev-token-1"
    caplog.set_level(logging.DEBUG, logger="connectors")
    told = []

    def attempt(**settings):
        connector = google.connector(developer_token="dev-token-1", **settings)
        try:
            list(connector.accounts())
            connector.check(account)
        except SourceError as error:
            told.extend([str(error), repr(error), error.mend, error.cause, repr(error.__dict__)])
            told.append("".join(map(str, connector.unreachable.values())))
        told.extend([repr(connector.settings), repr(connector.usage)])

    google.refuse("query_error", "UNEXPECTED_INPUT", status=Code.INVALID_ARGUMENT, message=echo)
    attempt()
    google.answer = lambda _request, context: context.abort(Code.UNAVAILABLE, echo)
    attempt()
    google.token_reply = (400, {"error": "invalid_grant", "error_description": echo})
    attempt()
    attempt(token_uri="https://localhost:1/token")
    assert len(told) > 20
    for text in [*told, caplog.text]:
        for secret in secrets:
            assert secret not in text
