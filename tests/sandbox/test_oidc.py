"""The login's provider, by a real client of the protocol: what it gives out, to whom, and how often."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwk, jwt

from sandbox import http, oidc
from sandbox.credentials import OidcCredentials

CALLBACK = "http://127.0.0.1:9/oauth2callback"
KEYS = OidcCredentials("paceline", "s" * 40)


@pytest.fixture(scope="module")
def issuer():
    with http.start(oidc.app(KEYS), name="oidc") as server:
        yield server.url


@pytest.fixture
def client():
    with OAuth2Session(
        KEYS.client_id,
        KEYS.client_secret,
        scope="openid email",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    ) as session:
        yield session


def sent_back(issuer, client, verifier, who="emil@northwind.example"):
    url, state = client.create_authorization_url(
        f"{issuer}/authorize", nonce="n1", code_verifier=verifier, login_hint=who
    )
    reply = requests.get(url, allow_redirects=False, timeout=10)
    assert reply.status_code == 302
    assert parse_qs(urlsplit(reply.headers["location"]).query)["state"] == [state]
    return reply.headers["location"]


def test_a_login_by_the_book(issuer, client):
    known = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=10).json()
    assert known["issuer"] == issuer
    back = sent_back(issuer, client, "v" * 50)
    token = client.fetch_token(known["token_endpoint"], authorization_response=back, code_verifier="v" * 50)
    keys = jwk.KeySet.import_key_set(requests.get(known["jwks_uri"], timeout=10).json())
    claims = jwt.decode(token["id_token"], keys).claims
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (issuer, "paceline", "n1")
    assert (claims["email"], claims["groups"]) == ("emil@northwind.example", ["everybody", "marketing"])
    said = client.get(known["userinfo_endpoint"]).json()
    assert said["name"] == "Emil Editor"


@pytest.mark.parametrize("wrong", ["verifier", "secret", "twice"])
def test_a_code_is_good_once_and_for_its_own_client(issuer, client, wrong):
    back = sent_back(issuer, client, "v" * 50)
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": CALLBACK,
        "client_id": KEYS.client_id,
        "client_secret": "x" if wrong == "secret" else KEYS.client_secret,
        "code_verifier": "w" * 50 if wrong == "verifier" else "v" * 50,
    }
    if wrong == "twice":
        assert requests.post(f"{issuer}/token", form, timeout=10).status_code == 200
    reply = requests.post(f"{issuer}/token", form, timeout=10)
    assert reply.json() == {"error": "invalid_client" if wrong == "secret" else "invalid_grant"}


def test_strangers_are_not_sent_anywhere(issuer):
    asked = {"client_id": "paceline", "response_type": "code", "scope": "openid", "state": "s"}
    for uri in ("https://evil.example/oauth2callback", "http://127.0.0.1:9/elsewhere", ""):
        reply = requests.get(
            f"{issuer}/authorize", {**asked, "redirect_uri": uri}, allow_redirects=False, timeout=10
        )
        assert reply.status_code == 400
    page = requests.get(f"{issuer}/authorize", {**asked, "redirect_uri": CALLBACK}, timeout=10).text
    assert [one.email in page for one in oidc.PEOPLE.values()] == [True] * 4
    assert requests.get(f"{issuer}/userinfo", timeout=10).status_code == 401
