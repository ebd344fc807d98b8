"""Who is let in: the login's providers and the API's tokens, both from the secrets file (docs/access.md).

    [auth]                              [api.reporting]
    redirect_uri = "…/oauth2callback"   role = "viewer"
    cookie_secret = "…"                 token = "…"
    client_id = "…"
    client_secret = "…"
    server_metadata_url = "…"

Without `[auth]` nobody logs in: whoever reaches the app is its admin.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import Field, SecretStr, ValidationError

from connectors.part import Part
from service.marks import Problem
from service.secrets import FILE
from warehouse.access import Actor, Role

__all__ = ["Entrance", "Token", "read"]

_OF_ALL: Final = ("redirect_uri", "cookie_secret")
_OF_ONE: Final = ("client_id", "client_secret", "server_metadata_url")
_LEAST: Final = 32
"""Characters of a secret that nobody guesses."""


class Token(Part):
    """One caller of the API, and what it may do."""

    role: Role
    token: Annotated[SecretStr, Field(min_length=_LEAST)]


@dataclass(frozen=True, slots=True)
class Entrance:
    """providers: the names to log in by, ("",) for one without a name; () where nobody logs in."""

    providers: tuple[str, ...] = ()
    tokens: Mapping[str, Token] = field(default_factory=dict, repr=False)

    def bearer(self, given: str) -> Actor | None:
        """Whose token it is that stands in an Authorization header."""
        found = None
        for name, own in self.tokens.items():  # all of them, so that the time tells nothing
            if random.compare_digest(given.encode(), f"Bearer {own.token.get_secret_value()}".encode()):
                found = Actor(f"token {name}", own.role, proven=True)
        return found


def read(held: Mapping[str, Any]) -> tuple[Entrance, list[Problem]]:
    """What the secrets say about it, and what is wrong with that; no value is ever repeated."""
    providers, problems = _providers(held.get("auth"))
    tokens: dict[str, Token] = {}
    api = held.get("api", {})
    if not isinstance(api, dict):
        problems.append(_problem("api", "must be a section: write [api.NAME] with role and token"))
        api = {}
    for name, written in api.items():
        try:
            tokens[name] = Token.model_validate(written)
        except ValidationError as error:
            for one in error.errors(include_input=False, include_url=False):
                where = ".".join(map(str, ("api", name, *one["loc"])))
                problems.append(_problem(where, _words(one["type"], one["msg"])))
    values = [own.token.get_secret_value() for own in tokens.values()]
    if len(set(values)) < len(values):
        problems.append(_problem("api", "two callers have the same token: give each its own"))
    return Entrance(tuple(providers), tokens), problems


def _providers(auth: Any) -> tuple[list[str], list[Problem]]:
    if auth is None:
        return [], []
    if not isinstance(auth, dict):
        return [], [_problem("auth", "must be a section: write [auth]")]
    problems = [_problem(f"auth.{name}", "is missing") for name in _OF_ALL if not auth.get(name)]
    named = {name: own for name, own in auth.items() if isinstance(own, dict) and name != "client_kwargs"}
    alone = {"": auth} if not named or any(name in auth for name in _OF_ONE) else {}
    for name, own in (alone | named).items():
        place = ".".join(filter(None, ("auth", name)))
        problems += [_problem(f"{place}.{key}", "is missing") for key in _OF_ONE if not own.get(key)]
    secret = auth.get("cookie_secret")
    if isinstance(secret, str) and secret and len(secret) < _LEAST:
        problems.append(_problem("auth.cookie_secret", f"is shorter than {_LEAST} characters: guessable"))
    return [*alone, *named], problems


def _words(kind: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "too_short":
        return f"is shorter than {_LEAST} characters: guessable"
    return message[:1].lower() + message[1:]


def _problem(place: str, message: str) -> Problem:
    return Problem(FILE, 0, 0, place, message)
