import pickle
from datetime import timedelta

import pytest

from connectors import errors
from connectors.errors import RateLimited, Retry, SourceError, Stop, redact

LEAVES = [
    errors.RateLimited,
    errors.Unavailable,
    errors.Unauthorized,
    errors.TooMuchData,
    errors.Unexpected,
]


def made(kind, cause="the source's words", **others):
    if kind is RateLimited:
        others.setdefault("retry_after", timedelta(minutes=5))
    return kind(cause, mend="turn it off and on", request_id="req-1", code="190/463", **others)


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_is_either_to_be_tried_again_or_not(kind):
    assert issubclass(kind, SourceError)
    assert issubclass(kind, Retry) != issubclass(kind, Stop)


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_crosses_processes_whole(kind):
    error = made(kind)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == "the source's words"
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    "secret",
    [
        "access_token=EAABsbCS1iHgBO7ZC",
        "'access_token': 'EAABsbCS1iHgBO7ZC'",
        '{"access_token":"EAABsbCS1iHgBO7ZC"}',
        "appsecret_proof=7f3c0e5a99",
        "client_secret=GOCSPX-abc_DEF-1",
        "refresh_token: 1//0sAbCdEfGh",
        "developer-token: AbC-123",
        "developer_token=AbC-123",
        "('developer-token', 'AbC-123')",
        "('appsecret_proof', '7f3c0e5a99')",
        "(b'client_secret', b'GOCSPX-abc_DEF-1')",
        "url=%2Fme%3Faccess_token%3DAbC-123",
        "%22client_secret%22%3A%22GOCSPX-abc_DEF-1%22",
        "Authorization: Bearer ya29.a0AfH6SMB-x",
        "token EAABsbCS1iHgBO7ZC was refused",
        "ya29.a0AfH6SMB-x",
        "fb_exchange_token=EAAx/y+z%3D&grant_type=x",
        "assertion=eyJhbGciOi.J9.sig",
    ],
)
def test_no_secret_gets_into_a_message(secret):
    value = {
        "7f3c0e5a99",
        "GOCSPX-abc_DEF-1",
        "1//0sAbCdEfGh",
        "AbC-123",
        "ya29.a0AfH6SMB-x",
        "eyJhbGciOi.J9.sig",
    }
    value |= {"EAABsbCS1iHgBO7ZC", "EAAx/y+z%3D"}
    told = str(errors.Unavailable(f"HTTPSConnectionPool(...): GET /me?{secret} refused"))
    assert not any(part in told for part in value)
    assert "..." in told
    assert "refused" in told


@pytest.mark.parametrize(
    "text",
    [
        "campaign EAA sale",
        "the tokens expired",
        "error 1//2",
        "access_token is missing",
        "access_token, expired yesterday",
        "OAuth access token has expired",
    ],
)
def test_words_that_are_no_secret_stay(text):
    assert redact(text) == text


def test_everything_that_is_promised_is_there():
    assert [name for name in errors.__all__ if not hasattr(errors, name)] == []
