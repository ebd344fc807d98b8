"""Google's OAuth token endpoint for the sandbox: who may call, and for how long.

A user's refresh token, a service account's signed assertion, or an authorization code is exchanged for an
access token that lives 3,599 seconds on the sandbox's clock.
"""

from __future__ import annotations

import re
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.auth import jwt
from google.auth.exceptions import GoogleAuthError
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from sandbox.credentials import GoogleCredentials

__all__ = ["PATHS", "SCOPE", "Tokens", "routes"]

PATHS = ("/token", "/oauth2/v3/token", "/oauth2/v4/token", "/o/oauth2/token")
SCOPE = "https://www.googleapis.com/auth/adwords"

_LIFE = timedelta(seconds=3599)
_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(eq=False)
class _Denied(Exception):
    error: str
    description: str
    status: int = 400


class Tokens:
    """Access tokens: issued against credentials, known until they expire. Thread-safe."""

    def __init__(self, credentials: GoogleCredentials) -> None:
        self._credentials = credentials
        key = credentials.service_account_key.public_key()
        self._public = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self._lock = threading.Lock()
        self._expiry: dict[str, datetime] = {}

    def state(self, token: str, now: datetime) -> str:
        """`valid`, `expired` or `unknown`."""
        with self._lock:
            expiry = self._expiry.get(token)
        if expiry is None:
            return self._self_signed(token)
        return "valid" if now < expiry else "expired"

    def _self_signed(self, token: str) -> str:
        """The state of a token that a service account signed itself, for a host or a scope (AIP-4111)."""
        try:
            claims = jwt.decode(token, certs=self._public, clock_skew_in_seconds=60)
        except (GoogleAuthError, ValueError) as error:
            return "expired" if "Token expired" in str(error) else "unknown"
        own = {claims.get("iss"), claims.get("sub")} == {self._credentials.service_account_email}
        meant = re.fullmatch(r"https://[\w.]+\.googleapis\.com/", str(claims.get("aud", "")))
        return "valid" if own and (meant or claims.get("scope")) else "unknown"

    def grant(self, form: Mapping[str, str], *, now: datetime, revoked: bool) -> dict[str, Any]:
        """The token endpoint's answer to a form. Raises _Denied.

        revoked: whether the user, or the account's owner, has withdrawn what was once granted.
        """
        kind = form.get("grant_type", "")
        if kind == _JWT:
            self._check_assertion(form.get("assertion", ""))
        else:
            self._check_client(form)
            given = {"refresh_token": "refresh_token", "authorization_code": "code"}.get(kind)
            if given is None:
                raise _Denied("unsupported_grant_type", f"Invalid grant_type: {kind}")
            if not form.get(given):
                raise _Denied("invalid_request", f"Missing required parameter: {given}")
            if given == "refresh_token" and form[given] != self._credentials.refresh_token:
                raise _Denied("invalid_grant", "Bad Request")
        if revoked:
            raise _Denied("invalid_grant", "Token has been expired or revoked.")
        token = "ya29." + secrets.token_urlsafe(48)
        with self._lock:
            self._expiry = {t: at for t, at in self._expiry.items() if at > now - _LIFE}
            self._expiry[token] = now + _LIFE
        answer: dict[str, Any] = {
            "access_token": token,
            "expires_in": int(_LIFE.total_seconds()),
            "scope": SCOPE,
            "token_type": "Bearer",
        }
        if kind == "authorization_code":
            answer["refresh_token"] = self._credentials.refresh_token
        return answer

    def _check_client(self, form: Mapping[str, str]) -> None:
        if form.get("client_id") != self._credentials.client_id:
            raise _Denied("invalid_client", "The OAuth client was not found.", 401)
        if form.get("client_secret") != self._credentials.client_secret:
            raise _Denied("invalid_client", "Unauthorized", 401)

    def _check_assertion(self, assertion: str) -> None:
        """Signed with the service account's key and in its name; its times are the caller's clock's."""
        try:
            claims = jwt.decode(assertion, certs=self._public, clock_skew_in_seconds=60)
        except (GoogleAuthError, ValueError):
            raise _Denied("invalid_grant", "Invalid JWT Signature.") from None
        if claims.get("iss") != self._credentials.service_account_email:
            raise _Denied("invalid_grant", "Invalid grant: account not found")
        if not str(claims.get("aud", "")).endswith(PATHS):
            raise _Denied("invalid_grant", "Invalid JWT: Failed audience check.")


def routes(tokens: Tokens, clock: Callable[[], datetime], revoked: Callable[[], bool]) -> list[Route]:
    """The endpoint under each path that Google has had for it."""

    async def token(request: Request) -> Response:
        async with request.form() as fields:
            form = {name: value for name, value in fields.items() if isinstance(value, str)}
        form = dict(request.query_params) | form
        headers = {"cache-control": "no-store", "pragma": "no-cache"}
        try:
            answer = tokens.grant(form, now=clock(), revoked=revoked())
        except _Denied as error:
            body = {"error": error.error, "error_description": error.description}
            return JSONResponse(body, error.status, headers)
        return JSONResponse(answer, headers=headers)

    return [Route(path, token, methods=["POST"]) for path in PATHS]
