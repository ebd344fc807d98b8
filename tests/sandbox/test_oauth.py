"""The token endpoint: who gets a token, and how long it lives on the sandbox's clock."""

import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from sandbox.oauth import PATHS
from tests.sandbox.google_kit import BERLIN, NOW

JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def test_a_refresh_token_is_exchanged(google):
    reply = google.token()
    assert reply.status_code == 200
    body = reply.json()
    assert body["expires_in"] == 3599
    assert body["token_type"] == "Bearer"
    assert body["scope"] == "https://www.googleapis.com/auth/adwords"
    assert body["access_token"] != google.token().json()["access_token"]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_that_google_has_had(google, path):
    known = google.credentials.google
    form = {
        "grant_type": "refresh_token",
        "refresh_token": known.refresh_token,
        "client_id": known.client_id,
        "client_secret": known.client_secret,
    }
    reply = google.session.post(google.server.rest_url + path, data=form, timeout=20)
    assert reply.json()["access_token"].startswith("ya29.")


def test_an_authorization_code_brings_a_refresh_token(google):
    body = google.token(grant_type="authorization_code", code="4/anything").json()
    assert body["refresh_token"] == google.credentials.google.refresh_token


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_id": "someone"}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"refresh_token": "1//wrong"}, 400, "invalid_grant"),
        ({"refresh_token": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": JWT, "assertion": "a.b.c"}, 400, "invalid_grant"),
    ],
)
def test_who_gets_none(google, changes, status, error):
    reply = google.token(**changes)
    assert (reply.status_code, reply.json()["error"]) == (status, error)
    assert reply.json()["error_description"]


def assertion(google, key, **changes):
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    now = int(time.time())
    claims = {
        "iss": google.credentials.google.service_account_email,
        "aud": google.server.oauth_token_url,
        "scope": "https://www.googleapis.com/auth/adwords",
        "iat": now,
        "exp": now + 3600,
    } | changes
    return jwt.encode(crypt.RSASigner.from_string(pem), claims).decode()


def test_a_service_accounts_assertion(google):
    key = google.credentials.google.service_account_key
    given = google.token(grant_type=JWT, assertion=assertion(google, key))
    assert given.json()["access_token"].startswith("ya29.")
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for claim in (
        assertion(google, stranger),
        assertion(google, key, iss="someone@else.example"),
        assertion(google, key, aud="https://else.example/"),
        assertion(google, key, exp=int(time.time()) - 3600),
    ):
        reply = google.token(grant_type=JWT, assertion=claim)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


HOST = "https://googleads.googleapis.com/"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"aud": HOST, "scope": None}, 200),
        ({"aud": None}, 200),
        ({"aud": "https://else.example/", "scope": None}, 401),
        ({"aud": HOST, "exp": int(time.time()) - 3600}, 401),
        ({"aud": HOST, "sub": "someone@else.example"}, 401),
        ({"aud": HOST, "iss": "someone@else.example"}, 401),
    ],
)
def test_a_service_account_may_sign_its_access_token_itself(google, changes, status):
    """As the clients of Node and of Python do for services that take it (AIP-4111)."""
    own = google.credentials.google
    token = assertion(google, own.service_account_key, **{"sub": own.service_account_email} | changes)
    reply = google.session.get(
        google.server.rest_url + "/v26/customers:listAccessibleCustomers",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    assert reply.status_code == status


def test_a_token_lives_an_hour_on_the_sandboxs_clock(fresh):
    headers = fresh.headers()
    body = {"query": "SELECT customer.id FROM customer"}

    def asked():
        return fresh.post(f"/v26/customers/{BERLIN}/googleAds:search", body, headers)

    fresh.clock.set(NOW + timedelta(seconds=3598), frozen=True)
    assert asked().status_code == 200
    fresh.clock.set(NOW + timedelta(seconds=3599), frozen=True)
    reply = asked()
    assert reply.status_code == 401
    failure = reply.json()["error"]["details"][0]
    assert failure["errors"][0]["errorCode"] == {"authenticationError": "OAUTH_TOKEN_EXPIRED"}


def test_a_revoked_grant_is_refused_and_so_are_held_tokens(fresh):
    headers = fresh.headers()
    incident = fresh.incidents.start("token_revoked", at=NOW, platform="google_ads")
    reply = fresh.token()
    assert (reply.status_code, reply.json()) == (
        400,
        {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
    )
    body = {"query": "SELECT customer.id FROM customer"}
    reply = fresh.post(f"/v26/customers/{BERLIN}/googleAds:search", body, headers)
    assert reply.status_code == 401
    failure = reply.json()["error"]["details"][0]
    assert failure["errors"][0]["errorCode"] == {"authenticationError": "OAUTH_TOKEN_REVOKED"}
    fresh.clock.set(NOW + timedelta(minutes=1), frozen=True)
    fresh.incidents.stop(incident.id, at=NOW + timedelta(minutes=1))
    assert fresh.post(f"/v26/customers/{BERLIN}/googleAds:search", body, headers).status_code == 200
