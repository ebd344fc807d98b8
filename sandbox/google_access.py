"""Who may ask for which account: tokens, managers, and what is wrong with an account."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sandbox.google_errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sandbox.model import Advertiser, World
    from sandbox.oauth import Tokens

__all__ = ["accessible", "admit", "authenticate"]

_DENIED = (
    "User doesn't have permission to access customer. Note: If you're accessing a client customer, the "
    "manager's customer id must be set in the 'login-customer-id' header. See "
    "https://developers.google.com/google-ads/api/docs/concepts/call-structure#cid"
)


def authenticate(metadata: Mapping[str, str], tokens: Tokens, *, now: datetime, revoked: bool) -> None:
    """Refuse a call without a token, or with one that is unknown, expired or withdrawn."""
    scheme, _, token = metadata.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(
            "authentication_error",
            "OAUTH_TOKEN_HEADER_INVALID",
            "OAuth token HTTP header is malformed.",
        )
    state = tokens.state(token.strip(), now)
    if state == "unknown":
        raise Refused(
            "authentication_error", "OAUTH_TOKEN_INVALID", "OAuth token in the header is not valid."
        )
    if state == "expired":
        raise Refused("authentication_error", "OAUTH_TOKEN_EXPIRED", "OAuth token in the header has expired.")
    if revoked:
        raise Refused(
            "authentication_error", "OAUTH_TOKEN_REVOKED", "OAuth token in the header has been revoked."
        )


def accessible(world: World, at: datetime) -> list[str]:
    """Resource names of the accounts that the user may enter without naming a manager."""
    found = world.advertisers("google_ads", at=at)
    return [f"customers/{a.id}" for a in found if a.directly_accessible]


def admit(world: World, customer: str, metadata: Mapping[str, str], *, at: datetime) -> Advertiser:
    """The account, if the user may read it by the way that `login-customer-id` names."""
    everyone = {a.id: a for a in world.advertisers("google_ads", at=at)}
    found = everyone.get(_number(customer, "customer"))
    if found is None:
        raise Refused(
            "authentication_error",
            "CUSTOMER_NOT_FOUND",
            "No customer found for the provided customer id.",
        )
    login = metadata.get("login-customer-id", "")
    entered = everyone.get(_number(login, "login customer")) if login else found
    if entered is None or not entered.directly_accessible or not _reaches(entered, found, everyone):
        raise Refused("authorization_error", "USER_PERMISSION_DENIED", _DENIED)
    for one in (entered, found):
        if one.status != "ENABLED":
            raise Refused(
                "authorization_error",
                "CUSTOMER_NOT_ENABLED",
                "The customer account can't be accessed because it is not yet enabled or has been "
                "deactivated.",
            )
    return found


def _number(customer: str, which: str) -> int:
    if not re.fullmatch(r"\d{1,19}", customer):
        raise Refused("request_error", "INVALID_CUSTOMER_ID", f"Invalid {which} ID '{customer}'.")
    return int(customer)


def _reaches(manager: Advertiser, client: Advertiser, everyone: Mapping[int, Advertiser]) -> bool:
    """Whether the client is the manager itself or stands anywhere below it."""
    seen: set[int] = set()
    above = {client.id}
    while above:
        if manager.id in above:
            return True
        seen |= above
        above = {parent for id_ in above for parent in everyone[id_].parents} - seen
    return False
