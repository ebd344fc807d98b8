"""Who may do what: the one place that says yes or no, for pages, the API, buttons and the command line alike.

An act that changes something takes an `Actor`, never a bare name, and begins with `allow`: there is no way to
it that goes around the question (docs/adr/0006-one-gate-for-every-act.md). A refusal is logged like an act.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

from connectors.part import Part
from warehouse.audit import Audit

if TYPE_CHECKING:
    from warehouse.book import Book

__all__ = ["LOCAL", "Access", "Actor", "Denied", "Permission", "Reach", "Role", "allow", "local"]

LOCAL: Final = "somebody at this machine"
"""Who acts where nobody has to log in and the name was not asked."""


class Role(StrEnum):
    """What somebody is to Paceline; each may do all that the one before may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for a viewer, 2 for an admin."""
        return list(Role).index(self)


class Permission(Enum):
    """What can be done, in words that follow "may not", and the least role that may."""

    LOOK = ("look at the numbers", Role.VIEWER)
    ALERTS = ("act on alerts", Role.EDITOR)
    NOTES = ("write notes", Role.EDITOR)
    VIEWS = ("change the team's saved views", Role.EDITOR)
    REVIEW = ("record a review", Role.EDITOR)
    PROPOSE = ("propose changes", Role.EDITOR)
    POLL = ("ask the sources anew", Role.EDITOR)
    DECIDE = ("decide on proposals", Role.ADMIN)
    OPERATE = ("operate the service", Role.ADMIN)

    @property
    def words(self) -> str:
        """As in "may not act on alerts"."""
        return self.value[0]

    @property
    def needs(self) -> Role:
        """The least role that may."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts.

    name: by which the log knows them: the email address that the login vouches for, or a token's name.
    role: None for somebody who is known and has no part in this. groups: values of the role claim.
    proven: whether a login, or a token of their own, vouches for the name that others merely say.
    """

    name: str
    role: Role | None
    groups: frozenset[str] = field(default=frozenset(), repr=False)
    proven: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether the role is enough; for what a page offers. What is done asks `allow`."""
        return self.role is not None and self.role.rank >= permission.needs.rank


def local(name: str = LOCAL) -> Actor:
    """Who sits at the machine itself, where nobody logs in: an admin, under the name that they say."""
    return Actor(name.strip(), Role.ADMIN)


class Denied(PermissionError):
    """The role is not enough; the text says for what, and which would be."""


def allow(book: Book, actor: Actor, permission: Permission, subject: str, *, now: datetime) -> None:
    """Let the act pass, or log the refusal and raise Denied. Called before the act's own transaction."""
    if actor.may(permission):
        return
    detail = {"permission": permission.name.lower(), "role": actor.role}
    Audit(book).record(actor.name, "was refused", subject, now=now, detail=detail)
    has = f"has the role {actor.role}" if actor.role else "has no role"
    raise Denied(
        f"{actor.name} may not {permission.words}: that needs the role {permission.needs}, "
        f"and {actor.name} {has}"
    )


class Reach(Part):
    """Who may open a dashboard: whoever has one of the roles, groups or addresses; empty: everybody.

    An admin always may.
    """

    roles: tuple[Role, ...] = ()
    groups: tuple[str, ...] = ()
    people: tuple[str, ...] = ()

    def admits(self, actor: Actor) -> bool:
        """Whether somebody may open it."""
        if actor.role is None:
            return False
        named = {one.casefold() for one in (*self.groups, *self.people)}
        held = {one.casefold() for one in (*actor.groups, actor.name)}
        everybody = not (self.roles or named)
        return everybody or actor.role is Role.ADMIN or actor.role in self.roles or bool(named & held)


class Access(Part):
    """The section `access` of paceline.yaml: who is what, by what the login says of them (docs/access.md).

    claim: the claim that holds groups; `a.b` reaches into a nested one.
    admin, editor, viewer: values of that claim, or email addresses; `*@example.com` is a whole domain.
    default: of whoever can log in and is in none of them. buttons: of whoever presses a button in a message.
    ask: whom the app names to people who may not do something.
    """

    claim: str = "groups"
    admin: tuple[str, ...] = ()
    editor: tuple[str, ...] = ()
    viewer: tuple[str, ...] = ()
    default: Literal["none", "viewer", "editor", "admin"] = "none"
    buttons: Role = Role.EDITOR
    ask: str = ""

    def actor(self, claims: Mapping[str, Any]) -> Actor:
        """Whom the claims of an ID token describe. An address that is not verified counts for nothing."""
        groups = _listed(_reached(claims, self.claim))
        address = str(claims.get("email") or "").casefold()
        if str(claims.get("email_verified", True)).casefold() == "false":
            address = ""
        held = {one.casefold() for one in groups}
        if address:
            held |= {address, "*@" + address.rpartition("@")[2]}
        for role in reversed(Role):
            given: tuple[str, ...] = getattr(self, role)
            if any(one.casefold() in held for one in given):
                break
        else:
            role = None if self.default == "none" else Role(self.default)  # type: ignore[assignment]
        name = address or f"{claims.get('sub', '')} of {claims.get('iss', '')}"
        return Actor(name, role, frozenset(groups), proven=True)

    def whom_to_ask(self) -> str:
        """For a sentence that begins with "Ask"."""
        return self.ask or "whoever runs Paceline for your team"


def _reached(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by the way to it within nested ones."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []
