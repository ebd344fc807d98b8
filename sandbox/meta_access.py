"""Who may ask: access tokens, their proofs, and the endpoints that hand them out and explain them."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.meta_errors import GraphError, bad_parameter, bad_proof, bad_token, no_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.credentials import MetaCredentials
    from sandbox.meta_params import Params
    from sandbox.model import World

__all__ = ["SCOPES", "USER", "Access", "token_of"]

USER = "122100000000000001"
"""Id of the system user to whom the token belongs."""
SCOPES = ["ads_read", "business_management", "read_insights"]
_LIFE = timedelta(days=60)


def token_of(params: Params, headers: Mapping[str, str]) -> str:
    """The access token of a request: a parameter, or the Authorization header (Bearer or OAuth)."""
    if params.get("access_token"):
        return params["access_token"]
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() in {"bearer", "oauth"} else ""


class Access:
    """The one app and its system user's token; tokens exchanged for it live 60 days of the world's time."""

    def __init__(self, credentials: MetaCredentials, world: World) -> None:
        self._app = credentials
        self._world = world

    def check(self, params: Params, now: datetime) -> None:
        """Raise GraphError unless `params` hold a living token and, if one was sent, its right proof."""
        token = params.get("access_token", "")
        if not token:
            raise no_token()
        failure = self._failure(token, now)
        if failure is not None:
            raise failure
        proof = params.get("appsecret_proof")
        if proof is not None and not hmac.compare_digest(proof.encode(), self._proof(token).encode()):
            raise bad_proof()

    def _proof(self, token: str) -> str:
        return hmac.new(self._app.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()

    def _failure(self, token: str, now: datetime) -> GraphError | None:
        if token not in {self._app.access_token, self._app_token()}:
            issued = self._issued(token)
            if issued is None:
                return bad_token(467 if token.startswith("EAA") else None)
            if now >= issued + _LIFE:
                return bad_token(463)
        if self._world.faults("meta", None, at=now).token_revoked:
            return bad_token(460)
        return None

    def _app_token(self) -> str:
        return f"{self._app.app_id}|{self._app.app_secret}"

    def _exchanged(self, now: datetime) -> str:
        stamp = f"{int(now.timestamp()):x}"
        return f"EAAX{stamp}Z{self._proof(stamp)[:40]}"

    def _issued(self, token: str) -> datetime | None:
        """When a token of our own exchange was issued; None for any other."""
        stamp, _, seal = token.removeprefix("EAAX").partition("Z")
        if not token.startswith("EAAX") or not hmac.compare_digest(
            seal.encode(), self._proof(stamp)[:40].encode()
        ):
            return None
        return datetime.fromtimestamp(int(stamp, 16), UTC)

    def grant(self, params: Params, now: datetime) -> dict[str, Any]:
        """`/oauth/access_token`: an app's token (client_credentials) or a long-lived user's (exchange)."""
        for key in ("client_id", "client_secret"):
            if not params.get(key):
                raise bad_parameter(f"Missing {key} parameter.")
        if params["client_id"] != self._app.app_id:
            raise GraphError(
                101, "Error validating application. Cannot get application info due to a system error."
            )
        if not hmac.compare_digest(params["client_secret"].encode(), self._app.app_secret.encode()):
            raise GraphError(1, "Error validating client secret.")
        match params.get("grant_type"):
            case "client_credentials":
                return {"access_token": self._app_token(), "token_type": "bearer"}
            case "fb_exchange_token":
                failure = self._failure(params.get("fb_exchange_token", ""), now)
                if failure is not None:
                    raise failure
                seconds = int(_LIFE.total_seconds())
                return {
                    "access_token": self._exchanged(now),
                    "token_type": "bearer",
                    "expires_in": seconds,
                }
            case other:
                raise bad_parameter(f"Invalid grant_type: {other}")

    def explain(self, params: Params, now: datetime) -> dict[str, Any]:
        """`/debug_token`: what `input_token` is, whether it lives and until when (0: no end)."""
        token = params.get("input_token")
        if not token:
            raise bad_parameter("Missing required parameter: input_token")
        failure = self._failure(token, now)
        issued = self._issued(token)
        known: dict[str, Any] = {
            "app_id": self._app.app_id,
            "application": "Marketing sandbox",
            "type": "APP" if token == self._app_token() else "SYSTEM_USER",
            "is_valid": failure is None,
            "scopes": SCOPES,
        }
        if known["type"] == "SYSTEM_USER":
            known |= {
                "user_id": USER,
                "expires_at": int((issued + _LIFE).timestamp()) if issued else 0,
                "data_access_expires_at": 0,
                "issued_at": int(issued.timestamp()) if issued else 0,
            }
        if failure is not None:
            known["error"] = {
                "code": failure.code,
                "message": failure.message,
                **({"subcode": failure.subcode} if failure.subcode else {}),
            }
        return {"data": known}
