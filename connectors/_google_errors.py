"""Google Ads' refusals, told by what to do next.

A refusal is a gRPC status whose trailing metadata carry a `GoogleAdsFailure` and the request's id. The
official client turns most, but not RESOURCE_EXHAUSTED and INTERNAL, into its own exception; reading the
metadata ourselves treats all of them alike. Names are those of the API's error enums
(developers.google.com/google-ads/api/reference/rpc).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import grpc

from connectors.errors import RateLimited, SourceError, TooMuchData, Unauthorized, Unavailable, Unexpected

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["REAUTHORISE", "UPGRADE", "Refusal", "translate"]

REAUTHORISE = (
    "authorise Google Ads again and store the new refresh_token; if this recurs every 7 days, "
    "publish the OAuth consent screen, whose test tokens expire"
)
UPGRADE = "set api_version to one that Google still serves and the installed google-ads package knows"

_ACCESS = "ask an administrator of the account to grant read access to the authorised user"
_PROJECT = "apply for access of the Google Cloud project in its API Center, or use a test account"

_MENDS = {
    "OAUTH_TOKEN_EXPIRED": REAUTHORISE,
    "OAUTH_TOKEN_REVOKED": REAUTHORISE,
    "OAUTH_TOKEN_INVALID": REAUTHORISE,
    "OAUTH_TOKEN_DISABLED": REAUTHORISE,
    "GOOGLE_ACCOUNT_DELETED": REAUTHORISE,
    "NOT_ADS_USER": "authorise a Google user who has access to at least one Google Ads account",
    "TWO_STEP_VERIFICATION_NOT_ENROLLED": "turn on two-step verification for the authorised Google user",
    "CUSTOMER_NOT_FOUND": "check the ids in accounts and login_customer_ids: no such account exists",
    "CUSTOMER_NOT_ENABLED": "reactivate the account in Google Ads, or leave it out of accounts: "
    "it is suspended, cancelled or not yet set up",
    "ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT": "appeal the suspension in Google Ads: it delivers nothing",
    "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION": _PROJECT,
    "DEVELOPER_TOKEN_NOT_APPROVED": _PROJECT,
    "PROJECT_DISABLED": "enable the Google Ads API in the Google Cloud project of the client_id",
    "UNSUPPORTED_VERSION": UPGRADE,
}

_RATES = {
    "RESOURCE_TEMPORARILY_EXHAUSTED": timedelta(minutes=1),
    "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION": timedelta(minutes=15),
    "RESOURCE_EXHAUSTED": timedelta(hours=1),
    "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION": timedelta(hours=1),
}
"""Limits that pass with time, and our own wait where the reply names none."""

_PASSING = {"INTERNAL_ERROR", "TRANSIENT_ERROR", "DEADLINE_EXCEEDED", "RPC_DEADLINE_TOO_SHORT"}

_UNREADABLE = "deserializing"  # gRPC's words for a reply that is not the message it should be
_OVERSIZED = "larger than max"
_DEAD_TOKEN = "invalid_grant"  # noqa: S105  # OAuth's name of an error


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error of a GoogleAdsFailure: its kind (quota_error), its name (RESOURCE_EXHAUSTED), its words."""

    kind: str
    name: str
    message: str
    wait: timedelta | None


def translate(error: grpc.RpcError, *, customer: str, via: str) -> SourceError:
    """The error of a call for `customer` through the login-customer-id `via`, by what to do next."""
    metadata = dict(error.trailing_metadata() or ())
    refusals = _refusals(metadata)
    request_id = str(metadata.get("request-id", ""))
    status: grpc.StatusCode = error.code()
    details: str = error.details() or ""
    if not refusals:
        return _by_status(status, details, request_id)
    first = refusals[0]
    cause = "; ".join(f"{r.name}: {r.message}" for r in refusals)
    mend = _MENDS.get(first.name, "")
    if first.name in _RATES:
        wait = max((r.wait for r in refusals if r.wait), default=_RATES[first.name])
        return RateLimited(cause, retry_after=wait, request_id=request_id, code=first.name)
    if first.name in _PASSING:
        return Unavailable(cause, request_id=request_id, code=first.name)
    if first.name in ("USER_PERMISSION_DENIED", "INVALID_LOGIN_CUSTOMER_ID_SERVING_CUSTOMER_ID_COMBINATION"):
        through = f"login_customer_id {via}" if via else "no login_customer_id"
        mend = (
            f"add the manager of account {customer} to login_customer_ids, or grant the authorised "
            f"user access to the account itself (it was asked through {through})"
        )
    if first.kind in ("authentication_error", "authorization_error", "header_error"):
        return Unauthorized(cause, mend=mend or _ACCESS, request_id=request_id, code=first.name)
    return Unexpected(cause, mend=mend, request_id=request_id, code=first.name)


def _by_status(status: grpc.StatusCode, details: str, request_id: str) -> SourceError:
    """The meaning of a status that came without Google's own words."""
    cause = f"{status.name}: {details}"
    if _DEAD_TOKEN in details or status is grpc.StatusCode.UNAUTHENTICATED:
        return Unauthorized(cause, mend=REAUTHORISE, request_id=request_id)
    if status is grpc.StatusCode.PERMISSION_DENIED:
        return Unauthorized(cause, mend=_ACCESS, request_id=request_id)
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return Unexpected(cause, mend=UPGRADE, request_id=request_id)
    if _OVERSIZED in details:
        return TooMuchData(cause, request_id=request_id)
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return RateLimited(cause, retry_after=_RATES["RESOURCE_TEMPORARILY_EXHAUSTED"], request_id=request_id)
    if _UNREADABLE in details or status in (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    ):
        return Unexpected(cause, request_id=request_id)
    return Unavailable(cause, request_id=request_id)


def _refusals(metadata: dict[str, Any]) -> Sequence[Refusal]:
    """What the failure in the trailing metadata says, in the words of the version that sent it."""
    for key, value in metadata.items():
        prefix, _, rest = key.partition("google.ads.googleads.")
        version, _, kind = rest.partition(".")
        if not prefix and kind == "errors.googleadsfailure-bin":
            types = importlib.import_module(f"google.ads.googleads.{version}.errors.types.errors")
            return [_read(error) for error in types.GoogleAdsFailure.pb().FromString(value).errors]
    return []


def _read(error: Any) -> Refusal:
    code = error.error_code
    kind = code.WhichOneof("error_code") or ""
    name = "UNKNOWN"
    if kind:
        known = code.DESCRIPTOR.fields_by_name[kind].enum_type.values_by_number
        number = getattr(code, kind)
        name = known[number].name if number in known else str(number)
    delay = error.details.quota_error_details.retry_delay
    wait = timedelta(seconds=delay.seconds, microseconds=delay.nanos // 1000)
    return Refusal(kind, name, error.message, wait or None)
