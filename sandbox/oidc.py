"""An OpenID Connect provider with four people, for the app's login: discovery, keys, codes, tokens, logout.

    GET  /.well-known/openid-configuration
    GET  /authorize      a page to choose who logs in; `&login_hint=vera@…` chooses without asking
    POST /token          a code for an ID token, once; PKCE (S256) is checked where the client began it
    GET  /jwks, /userinfo, /logout

There are no passwords: it is a stand-in for a company's provider, on this machine only.
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.credentials import OidcCredentials

__all__ = ["PEOPLE", "Person", "app"]

_CODE_SECONDS: Final = 60
_TOKEN_SECONDS: Final = 3600
_CALLBACK: Final = "/oauth2callback"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in, and the groups that the ID token says they are in."""

    sub: str
    name: str
    email: str
    groups: tuple[str, ...]

    def claims(self) -> dict[str, Any]:
        """What an ID token and the userinfo say."""
        return {
            "sub": self.sub,
            "name": self.name,
            "email": self.email,
            "email_verified": True,
            "groups": list(self.groups),
        }


PEOPLE: Final = {
    person.email: person
    for person in (
        Person("u-1001", "Vera Viewer", "vera@northwind.example", ("everybody",)),
        Person("u-1002", "Emil Editor", "emil@northwind.example", ("everybody", "marketing")),
        Person("u-1003", "Ada Admin", "ada@northwind.example", ("everybody", "paceline-admins")),
        Person("u-1004", "Otto Outsider", "otto@elsewhere.example", ()),
    )
}
"""By address."""

_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Who are you?</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body{{font:16px/1.5 system-ui;max-width:26rem;margin:12vh auto;padding:0 1rem}}
a{{display:block;padding:.7rem 1rem;margin:.5rem 0;border:1px solid #8888;border-radius:8px;
text-decoration:none;color:inherit}} a:hover,a:focus{{border-color:#2563eb}} small{{opacity:.75}}</style>
</head><body><h1>Who are you?</h1>
<p>The sandbox's login: choose somebody, no password is asked for.</p>{links}</body></html>
"""


@dataclass(frozen=True, slots=True)
class _Code:
    person: Person
    redirect_uri: str
    nonce: str
    challenge: str
    until: float


class _Provider:
    """Codes and tokens that were given out. Thread-safe."""

    def __init__(self, credentials: OidcCredentials) -> None:
        self.credentials = credentials
        self.key = jwk.RSAKey.generate_key(2048, {"kid": secrets.token_hex(8), "use": "sig", "alg": "RS256"})
        self._lock = threading.Lock()
        self._codes: dict[str, _Code] = {}
        self._tokens: dict[str, Person] = {}

    def code(self, person: Person, asked: Mapping[str, str]) -> str:
        code = secrets.token_urlsafe(24)
        held = _Code(
            person,
            asked["redirect_uri"],
            asked.get("nonce", ""),
            asked.get("code_challenge", ""),
            time.time() + _CODE_SECONDS,
        )
        with self._lock:
            self._codes[code] = held
        return code

    def redeem(self, form: Mapping[str, str], issuer: str) -> dict[str, Any] | str:
        """The tokens for a code; or the error's name."""
        with self._lock:
            held = self._codes.pop(form.get("code", ""), None)
        if held is None or held.until < time.time() or held.redirect_uri != form.get("redirect_uri"):
            return "invalid_grant"
        if held.challenge:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != held.challenge:
                return "invalid_grant"
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": self.credentials.client_id,
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
            **held.person.claims(),
            **({"nonce": held.nonce} if held.nonce else {}),
        }
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = held.person
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": _TOKEN_SECONDS,
            "id_token": jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key),
        }

    def person(self, token: str) -> Person | None:
        with self._lock:
            return self._tokens.get(token)


def app(credentials: OidcCredentials) -> Starlette:
    """The provider. Its issuer is the address that it is asked at."""
    provider = _Provider(credentials)

    def issuer(request: Request) -> str:
        return str(request.base_url).rstrip("/")

    async def discovery(request: Request) -> Response:
        base = issuer(request)
        return JSONResponse(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/authorize",
                "token_endpoint": f"{base}/token",
                "jwks_uri": f"{base}/jwks",
                "userinfo_endpoint": f"{base}/userinfo",
                "end_session_endpoint": f"{base}/logout",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "profile", "email", "groups"],
            }
        )

    async def authorize(request: Request) -> Response:
        asked = dict(request.query_params)
        if asked.get("client_id") != credentials.client_id or not _ours(asked.get("redirect_uri", "")):
            return HTMLResponse("<h1>Unknown client or redirect URI</h1>", 400)
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return _back(asked, error="invalid_request")
        person = PEOPLE.get(asked.get("login_hint", ""))
        if person is None:
            return HTMLResponse(_PAGE.format(links="".join(_link(asked, one) for one in PEOPLE.values())))
        return _back(asked, code=provider.code(person, asked))

    async def token(request: Request) -> Response:
        async with request.form() as fields:
            form = {name: value for name, value in fields.items() if isinstance(value, str)}
        client, secret = _client(request, form)
        known = (credentials.client_id, credentials.client_secret)
        if (client, secret) != known:
            return JSONResponse({"error": "invalid_client"}, 401)
        if form.get("grant_type") != "authorization_code":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        found = provider.redeem(form, issuer(request))
        if isinstance(found, str):
            return JSONResponse({"error": found}, 400)
        return JSONResponse(found, headers={"cache-control": "no-store"})

    async def jwks(request: Request) -> Response:  # noqa: ARG001 (a route's signature)
        return JSONResponse({"keys": [provider.key.as_dict(private=False)]})

    async def userinfo(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        person = provider.person(given) if scheme.lower() == "bearer" else None
        if person is None:
            return JSONResponse({"error": "invalid_token"}, 401, headers={"www-authenticate": "Bearer"})
        return JSONResponse(person.claims())

    async def logout(request: Request) -> Response:
        back = request.query_params.get("post_logout_redirect_uri", "")
        if back and urlsplit(back).hostname in ("127.0.0.1", "localhost"):
            return RedirectResponse(back, 302)
        return HTMLResponse("<h1>You are logged out</h1>")

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", discovery),
            Route("/authorize", authorize),
            Route("/token", token, methods=["POST"]),
            Route("/jwks", jwks),
            Route("/userinfo", userinfo),
            Route("/logout", logout),
        ]
    )


def _ours(uri: str) -> bool:
    """Whether it leads back to an app on this machine."""
    parts = urlsplit(uri)
    return parts.hostname in ("127.0.0.1", "localhost") and parts.path.endswith(_CALLBACK)


def _back(asked: Mapping[str, str], **said: str) -> Response:
    state = {"state": asked["state"]} if "state" in asked else {}
    return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({**said, **state})}", 302)


def _link(asked: Mapping[str, str], person: Person) -> str:
    href = html.escape("/authorize?" + urlencode({**asked, "login_hint": person.email}), quote=True)
    groups = ", ".join(person.groups) or "no group"
    return f'<a href="{href}"><b>{person.name}</b><br><small>{person.email} · {groups}</small></a>'


def _client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """The client's id and secret, by HTTP Basic or in the form."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return name, secret
    return form.get("client_id", ""), form.get("client_secret", "")
