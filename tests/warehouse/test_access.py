"""Who is what, and what that lets them do: by hand-made claims, and at the gate itself."""

from datetime import UTC, datetime

import pytest

from warehouse.access import Access, Actor, Denied, Permission, Reach, Role, allow, local
from warehouse.audit import Audit
from warehouse.book import Book

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ACCESS = Access(
    admin=("Paceline-Admins", "dana@example.com"), editor=("marketing",), viewer=("*@example.com",)
)


@pytest.fixture
def book(tmp_path):
    opened = Book.open(tmp_path / "book.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"email": "x@elsewhere.example", "groups": ["marketing"]}, "editor"),
        ({"email": "x@elsewhere.example", "groups": ["marketing", "paceline-admins"]}, "admin"),
        ({"email": "x@elsewhere.example", "groups": "marketing"}, "editor"),
        ({"email": "Dana@Example.com"}, "admin"),
        ({"email": "ben@example.com"}, "viewer"),
        ({"email": "ben@example.com", "email_verified": False}, None),
        ({"email": "dana@example.com", "email_verified": "false"}, None),
        ({"email": "ben@example.com.elsewhere.example"}, None),
        ({"email": "ben@sub.example.com"}, None),
        ({"email": "x@elsewhere.example", "groups": ["Marketing team"]}, None),
        ({"email": "x@elsewhere.example", "groups": {"marketing": True}}, None),
        ({"email": "x@elsewhere.example", "name": "dana@example.com", "roles": ["marketing"]}, None),
        ({}, None),
    ],
)
def test_a_role_follows_from_the_claims(claims, role):
    actor = ACCESS.actor({"sub": "1", "iss": "https://id.example", **claims})
    assert actor.role == role
    assert actor.proven


def test_the_name_is_what_the_provider_vouches_for():
    known = ACCESS.actor(
        {"sub": "7", "iss": "https://id.example", "email": "Ben@Example.com", "name": "Dana"}
    )
    assert known.name == "ben@example.com"
    unverified = {
        "sub": "7",
        "iss": "https://id.example",
        "email": "dana@example.com",
        "email_verified": False,
    }
    assert ACCESS.actor(unverified).name == "7 of https://id.example"


def test_other_claims_and_defaults():
    nested = Access(claim="realm_access.roles", editor=("e",), default="viewer")
    assert nested.actor({"realm_access": {"roles": ["e"]}}).role is Role.EDITOR
    assert nested.actor({"realm_access": None}).role is Role.VIEWER
    assert (
        Access(claim="https://x.example/roles", admin=("a",)).actor({"https://x.example/roles": ["a"]}).role
    )


MAY = {
    Permission.LOOK: (True, True, True),
    Permission.ALERTS: (False, True, True),
    Permission.NOTES: (False, True, True),
    Permission.VIEWS: (False, True, True),
    Permission.REVIEW: (False, True, True),
    Permission.PROPOSE: (False, True, True),
    Permission.POLL: (False, True, True),
    Permission.DECIDE: (False, False, True),
    Permission.OPERATE: (False, False, True),
}
"""As docs/access.md says: viewer, editor, admin."""


@pytest.mark.parametrize("permission", Permission)
def test_each_role_passes_the_gate_or_is_refused_and_logged(book, permission):
    refused = 0
    for role, may in zip(Role, MAY[permission], strict=True):
        actor = Actor(f"{role}@example.com", role, proven=True)
        if may:
            allow(book, actor, permission, "thing", now=NOW)
        else:
            refused += 1
            with pytest.raises(
                Denied, match=f"{role}@example.com may not .* needs the role {permission.needs}"
            ):
                allow(book, actor, permission, "thing", now=NOW)
    with pytest.raises(Denied, match="has no role"):
        allow(book, Actor("stranger", None), permission, "thing", now=NOW)
    told = Audit(book).entries()
    assert [(e.actor, e.action, e.subject) for e in told[:1]] == [("stranger", "was refused", "thing")]
    assert len(told) == refused + 1
    assert told[0].detail == {"permission": permission.name.lower(), "role": None}


@pytest.mark.parametrize(
    ("reach", "who"),
    [
        (Reach(), {"viewer", "editor", "admin", "ben", "finance"}),
        (Reach(roles=(Role.EDITOR,)), {"editor", "admin"}),
        (Reach(groups=("Finance",)), {"finance", "admin"}),
        (Reach(people=("Ben@example.com",)), {"ben", "admin"}),
        (Reach(roles=(Role.EDITOR,), people=("ben@example.com",)), {"editor", "ben", "admin"}),
    ],
)
def test_who_may_open_a_dashboard(reach, who):
    people = {
        **{str(role): Actor(f"{role}@example.com", role) for role in Role},
        "ben": Actor("ben@example.com", Role.VIEWER),
        "finance": Actor("fay@example.com", Role.VIEWER, frozenset({"finance"})),
        "stranger": Actor("stranger@example.com", None, frozenset({"finance"})),
    }
    assert {name for name, actor in people.items() if reach.admits(actor)} == who


def test_who_sits_at_the_machine_is_an_admin_whom_nobody_vouches_for():
    assert local(" Ana ") == Actor("Ana", Role.ADMIN, proven=False)
