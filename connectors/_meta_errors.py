"""Graph's refusals, told by what to do next.

Codes and subcodes are those of Meta's published references (Graph API error handling, Marketing API rate
limiting, Ads Insights API error codes). A code decides only together with its subcode where Meta reuses it:
2 is "try again later", but 2/1504041 and 2/1504042 refuse a combination that never works.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.errors import RateLimited, SourceError, TooMuchData, Unauthorized, Unavailable, Unexpected

__all__ = ["MISSING", "Refusal", "translate"]

MISSING = "100/33"
"""No such object, or not for this token; also a report run in the first moments of its life."""

_THROTTLED = frozenset({4, 17, 32, 341, 613, *range(80000, 80015)})
_PERMISSION = frozenset({3, 10, 294, *range(200, 300)})
_TOO_MUCH = frozenset({(100, 1487534), (100, 1504018), (2, 1504038)})
"""The reply would be too large, or took too long for its size."""
_PERMANENT = frozenset({(2, 1504041), (2, 1504042)})
_PASSING = frozenset({(2601, 1815107)})
"""A report that has completed and yet cannot be loaded: it can a moment later."""

_REDUCE = "reduce the amount of data"
_GUESS = timedelta(minutes=15)
"""Our wait where a throttled reply names none: limits are counted over a rolling hour."""

_RENEW = "create a new access token of a system user in Business settings and store it as access_token"
_SESSIONS = {
    458: f"the app was removed by its user: add it again, then {_RENEW}",
    459: "the user must log in at facebook.com and pass the checkpoint shown there",
    460: f"the user's password was changed or the session was revoked: {_RENEW}",
    463: f"the token has expired: {_RENEW} (a system user's token does not expire)",
    464: "the user must log in at facebook.com and confirm the account",
    467: f"the token was invalidated by a log-out: {_RENEW}",
    492: f"the token's user no longer has a role that the app needs: {_RENEW}",
}
_GRANT = "give the token's user access to the ad account in Business settings, with the permission ads_read"
_PROOF = "check app_secret: it is not the secret of the app that the access token was made for"
_UPGRADE = "set api_version to one that Meta still serves; the newest is in the Graph API changelog"
_OLD = "ask for days of the last 37 months: Meta keeps no older ones"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a reply's error envelope, or a failed report run, says.

    wait: what the usage headers name as the time until access is regained, if they do.
    """

    code: int
    subcode: int
    message: str
    status: int = 400
    transient: bool = False
    wait: timedelta | None = None
    trace: str = ""

    @classmethod
    def read(cls, error: dict[str, Any], *, status: int, wait: timedelta | None) -> Refusal:
        """From the envelope's `error`; people's words are added to the developer's where both are given."""
        words = [str(error.get("message", ""))]
        if error.get("error_user_msg"):
            words.append(str(error["error_user_msg"]))
        return cls(
            code=int(error.get("code") or 0),
            subcode=int(error.get("error_subcode") or 0),
            message=": ".join(dict.fromkeys(filter(None, words))),
            status=status,
            transient=bool(error.get("is_transient")),
            wait=wait,
            trace=str(error.get("fbtrace_id", "")),
        )


def translate(refusal: Refusal) -> SourceError:
    """The error to raise. Its `code` is "code/subcode", its request id Meta's fbtrace_id."""
    code, pair = refusal.code, (refusal.code, refusal.subcode)
    named = f"{code}/{refusal.subcode}" if refusal.subcode else str(code)
    cause = f"Meta answered {named}: {refusal.message}"
    told = {"request_id": refusal.trace, "code": named}
    if code in _THROTTLED or refusal.status == 429:
        return RateLimited(cause, retry_after=refusal.wait or _GUESS, **told)
    if pair in _TOO_MUCH or _REDUCE in refusal.message:
        return TooMuchData(cause, **told)
    if code == 190 or refusal.status == 401:
        return Unauthorized(cause, mend=_SESSIONS.get(refusal.subcode, _RENEW), **told)
    if code == 102 or (code == 2500 and "access token" in refusal.message):
        return Unauthorized(cause, mend=_RENEW, **told)
    if "appsecret_proof" in refusal.message:
        return Unauthorized(cause, mend=_PROOF, **told)
    if code in _PERMISSION or named == MISSING:
        return Unauthorized(cause, mend=_GRANT, **told)
    if code in (2635, 12):
        return Unexpected(cause, mend=_UPGRADE, **told)
    if code == 3018:
        return Unexpected(cause, mend=_OLD, **told)
    passing = code in (-2, 1, 2) or pair in _PASSING or refusal.transient or refusal.status >= 500
    if passing and pair not in _PERMANENT:
        return Unavailable(cause, **told)
    return Unexpected(cause, **told)
