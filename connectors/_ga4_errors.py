"""The Google Analytics Data API's refusals, told by what to do next.

Unlike Google Ads it sends nothing but a status and its words. Which quota is gone is in the words alone
(developers.google.com/analytics/devguides/reporting/data/v1/quotas).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import grpc

from connectors.errors import RateLimited, SourceError, TooMuchData, Unauthorized, Unavailable, Unexpected

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["REAUTHORISE", "SERVER_ERROR", "translate"]

REAUTHORISE: Final = (
    "authorise Google Analytics again with the scope analytics.readonly and store the new refresh_token; if "
    "this recurs every 7 days, publish the OAuth consent screen, whose test tokens expire"
)

SERVER_ERROR: Final = "server error"
"""How the cause of an error begins that counts against a property's ten an hour."""

_WAITS: Final[Sequence[tuple[str, timedelta]]] = (
    ("concurrent", timedelta(seconds=30)),
    ("server error", timedelta(hours=1)),
    ("per day", timedelta(hours=1)),
    ("per hour", timedelta(minutes=15)),
)
"""Words of a quota, and how long to leave the property alone: tokens of an hour come back bit by bit, those
of a day at midnight in California, which an hourly look is soon enough for."""

_OURS: Final = ("failed to connect", "resolution", "socket closed", "connection reset", "connection refused")
"""Words of an UNAVAILABLE that no server has said."""


def translate(error: grpc.RpcError, *, of: str) -> SourceError:
    """The error of a call about `of` ("properties/123"), by what to do next."""
    status: grpc.StatusCode = error.code()
    details: str = error.details() or ""
    cause = f"{status.name}: {details}"
    words = details.lower()
    code = grpc.StatusCode
    if "deserializing" in words or status in (
        code.INVALID_ARGUMENT,
        code.NOT_FOUND,
        code.FAILED_PRECONDITION,
        code.OUT_OF_RANGE,
        code.UNIMPLEMENTED,
    ):
        mend = "sources.ga4.properties takes the number of the property, not the G-… of its tag" if of else ""
        return Unexpected(cause, mend=mend if "property" in words else "")
    if "larger than max" in words:
        return TooMuchData(cause)
    if status is code.RESOURCE_EXHAUSTED:
        wait = next((wait for name, wait in _WAITS if name in words), timedelta(minutes=15))
        return RateLimited(cause, retry_after=wait, code=status.name)
    if status is code.UNAUTHENTICATED or "invalid_grant" in words or "scopes" in words:
        return Unauthorized(cause, mend=REAUTHORISE)
    if status is code.PERMISSION_DENIED:
        if "has not been used" in words or "disabled" in words:
            return Unauthorized(
                cause, mend="enable the Google Analytics Data API in the Google Cloud project"
            )
        number = of.removeprefix("properties/")
        return Unauthorized(
            cause,
            mend=f"give the authorised user the role Viewer on property {number}: Admin → Property access "
            "management; if the number is wrong, correct it under sources.ga4.properties",
        )
    if status is code.DEADLINE_EXCEEDED or any(word in words for word in _OURS):
        return Unavailable(cause)
    return Unavailable(f"{SERVER_ERROR} {cause}")
