"""Graph's error envelope, and the refusals that the Marketing API is known for.

Codes, subcodes and wording follow Meta's published error references and what its clients report. `type` is
OAuthException for nearly everything, as in reality.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "GraphError",
    "bad_parameter",
    "bad_proof",
    "bad_token",
    "invalid_breakdowns",
    "no_permission",
    "no_such_field",
    "no_such_object",
    "no_token",
    "not_an_insights_field",
    "outage",
    "reduce_rows",
    "report_not_ready",
    "sunset_version",
    "throttled",
    "too_much_data",
    "unknown_path",
]

_LATEST_DOCS = "https://developers.facebook.com/docs/marketing-api/reference/ads-insights/"


@dataclass
class GraphError(Exception):
    """A refusal as Graph words it; `status` is the HTTP status that carries it."""

    code: int
    message: str
    status: int = 400
    subcode: int | None = None
    type: str = "OAuthException"
    transient: bool | None = None
    user_title: str | None = None
    user_msg: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, trace: str) -> dict[str, Any]:
        """The JSON document `{"error": {...}}`; trace: what the reply's fbtrace_id is derived from."""
        error: dict[str, Any] = {"message": self.message, "type": self.type, "code": self.code}
        optional = {
            "error_subcode": self.subcode,
            "is_transient": self.transient,
            "error_user_title": self.user_title,
            "error_user_msg": self.user_msg,
        }
        error |= {key: value for key, value in optional.items() if value is not None}
        return {"error": error | {"fbtrace_id": f"A{hashlib.sha256(trace.encode()).hexdigest()[:22]}"}}


def no_token() -> GraphError:
    """No access token came along."""
    return GraphError(
        2500, "An active access token must be used to query information about the current user."
    )


def bad_token(subcode: int | None) -> GraphError:
    """Subcodes: None (not a token at all), 460 (revoked), 463 (expired), 467 (invalidated)."""
    reasons = {
        460: "Error validating access token: The session has been invalidated because the user changed "
        "their password or Facebook has changed the session for security reasons.",
        463: "Error validating access token: Session has expired.",
        467: "Error validating access token: This may be because the user logged out or may be due to a "
        "system error.",
    }
    if subcode is None:
        return GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=401)
    return GraphError(190, reasons[subcode], subcode=subcode)


def bad_proof() -> GraphError:
    """The request's appsecret_proof is not the HMAC of its token."""
    return GraphError(
        100, "Invalid appsecret_proof provided in the API argument", type="GraphMethodException"
    )


def no_permission(what: str) -> GraphError:
    """The token lacks a permission or the account was not shared with it."""
    return GraphError(200, f"(#200) {what}", status=403)


def sunset_version(latest: str) -> GraphError:
    """A version of the Marketing API that is no longer served."""
    return GraphError(
        2635,
        "(#2635) You are calling a deprecated version of the Ads API. "
        f"Please update to the latest version: {latest}.",
    )


def unknown_path(path: str) -> GraphError:
    """A path that Graph cannot even parse."""
    return GraphError(2500, f"Unknown path components: /{path}")


def no_such_object(method: str, object_id: str) -> GraphError:
    """Nothing of that id is known, or it is not for this token to see."""
    return GraphError(
        100,
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, cannot be "
        "loaded due to missing permissions, or does not support this operation. Please read the Graph API "
        "documentation at https://developers.facebook.com/docs/graph-api",
        subcode=33,
        type="GraphMethodException",
    )


def no_such_field(name: str, node: str) -> GraphError:
    """A field or edge that this kind of node does not have; node: Graph's name of the kind."""
    return GraphError(100, f"(#100) Tried accessing nonexisting field ({name}) on node type ({node})")


def not_an_insights_field(name: str) -> GraphError:
    """A name in an insights request's `fields` that is no metric or attribute."""
    return GraphError(
        100, f"(#100) {name} is not valid for fields param. please check {_LATEST_DOCS} for all valid values"
    )


def bad_parameter(what: str) -> GraphError:
    """Any other parameter that cannot be read."""
    return GraphError(100, f"(#100) {what}")


def invalid_breakdowns() -> GraphError:
    """Breakdowns that have no data; asking again never helps."""
    return GraphError(
        2,
        "(#2) Service temporarily unavailable",
        status=400,
        subcode=1504041,
        transient=False,
        user_title="Invalid Breakdowns",
        user_msg="No data is available for the requested metrics and breakdowns. "
        "Try different metrics or breakdowns.",
    )


_REDUCE = "Please reduce the amount of data you're asking for, then retry your request"


def too_much_data() -> GraphError:
    """An insights request that is too large to be answered while the caller waits."""
    return GraphError(100, _REDUCE, subcode=1487534, transient=False)


def reduce_rows() -> GraphError:
    """A page of an object edge that is too large; halving `limit` helps."""
    return GraphError(1, _REDUCE, status=500)


def report_not_ready() -> GraphError:
    """The rows of a report run were asked for before the run had completed."""
    return GraphError(
        2601,
        "(#2601) Error accessing adreport job.",
        subcode=1815107,
        transient=True,
        user_title="Loading Async Session Failed",
        user_msg="Sorry, the loading of the async session is failed. Please retry.",
    )


def outage() -> GraphError:
    """Meta itself is down."""
    return GraphError(
        2, "An unexpected error has occurred. Please retry your request later.", status=500, transient=True
    )


_THROTTLES = (
    (
        80000,
        2446079,
        "(#80000) There have been too many calls from this ad-account. Wait a bit and try again.",
    ),
    (17, 2446079, "(#17) User request limit reached"),
    (613, 1487742, "(#613) Calls to this api have exceeded the rate limit."),
    (80004, 2446079, "(#80004) There have been too many calls to this ad-account. Wait a bit and try again."),
    (4, 1504022, "(#4) Application request limit reached"),
)


def throttled(turn: int, *, insights: bool) -> GraphError:
    """The `turn`-th refusal for too many calls: the codes that Meta uses for it come in turn.

    80000 is for insights only, 80004 for everything else.
    """
    other = 80004 if insights else 80000
    kinds = [kind for kind in _THROTTLES if kind[0] != other]
    code, subcode, message = kinds[turn % len(kinds)]
    return GraphError(
        code,
        message,
        status=403 if code == 4 else 400,
        subcode=subcode,
        transient=code == 4,
        user_title="Ad Account Has Too Many API Calls",
        user_msg="There have been too many calls from this ad account. Please wait a bit and try again.",
    )
