"""How the Google Ads API says no: one exception, and its forms on the wire.

Texts and codes are the real service's, as its enums' comments and its users' reports give them.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["VERSIONS", "Broken", "Refused", "failure", "failure_key", "query_error", "types"]

VERSIONS = ("v23", "v24", "v25", "v26")

_STATUS = {
    "authentication_error": grpc.StatusCode.UNAUTHENTICATED,
    "authorization_error": grpc.StatusCode.PERMISSION_DENIED,
    "quota_error": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "internal_error": grpc.StatusCode.INTERNAL,
}

_STATUS_TEXT = {
    grpc.StatusCode.INVALID_ARGUMENT: "Request contains an invalid argument.",
    grpc.StatusCode.UNAUTHENTICATED: (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
        "other valid authentication credential. "
        "See https://developers.google.com/identity/sign-in/web/devconsole-project."
    ),
    grpc.StatusCode.PERMISSION_DENIED: "The caller does not have permission",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Resource has been exhausted (e.g. check quota).",
    grpc.StatusCode.INTERNAL: "Internal error encountered.",
}

_HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INTERNAL: 500,
}


@dataclass(eq=False)
class Refused(Exception):
    """An answer that carries a GoogleAdsFailure.

    kind: the field of ErrorCode, such as `query_error`. code: the constant of that field's enum.
    retry_after: seconds, with quota errors. scope: ACCOUNT or DEVELOPER. rate: the limit's name.
    """

    kind: str
    code: str
    message: str
    retry_after: int | None = None
    scope: str = "DEVELOPER"
    rate: str = ""

    @property
    def status(self) -> grpc.StatusCode:
        """The status under which the failure travels."""
        return _STATUS.get(self.kind, grpc.StatusCode.INVALID_ARGUMENT)

    @property
    def summary(self) -> str:
        """The text beside the status; the failure inside says more."""
        return _STATUS_TEXT[self.status]

    @property
    def http_status(self) -> int:
        """The status of the REST face."""
        return _HTTP[self.status]


class Broken(Exception):
    """The service is down: UNAVAILABLE, or 503, without any failure inside."""

    summary = "The service is currently unavailable."


def query_error(code: str, message: str) -> Refused:
    """A refusal of the query itself."""
    return Refused("query_error", code, message)


@functools.cache
def types(version: str, name: str) -> ModuleType:
    """A module of message classes of the google-ads package, such as `errors.types.errors`."""
    return importlib.import_module(f"google.ads.googleads.{version}.{name}")


def failure_key(version: str) -> str:
    """The trailing metadata key under which a failure travels."""
    return f"google.ads.googleads.{version}.errors.googleadsfailure-bin"


def failure(version: str, refused: Refused, request_id: str) -> Any:
    """The GoogleAdsFailure message (raw protobuf) of a refusal."""
    message: Any = types(version, "errors.types.errors").GoogleAdsFailure.pb()(request_id=request_id)
    error = message.errors.add(message=refused.message)
    field = error.error_code.DESCRIPTOR.fields_by_name[refused.kind]
    setattr(error.error_code, refused.kind, field.enum_type.values_by_name[refused.code].number)
    if refused.retry_after is not None:
        quota = error.details.quota_error_details
        scopes = quota.DESCRIPTOR.fields_by_name["rate_scope"].enum_type.values_by_name
        quota.rate_scope = scopes[refused.scope].number
        quota.rate_name = refused.rate
        quota.retry_delay.seconds = refused.retry_after
    return message
