"""The login's settings and the API's tokens, as the secrets file has them."""

import tomllib

import pytest

from service import entrance
from warehouse.access import Actor, Role

WHOLE = """
[auth]
redirect_uri = "https://paceline.example.com/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
"""
ONE = """client_id = "paceline"
client_secret = "hush"
server_metadata_url = "https://id.example/.well-known/openid-configuration"
"""
TOKEN = "r" * 32


def read(text):
    found, problems = entrance.read(tomllib.loads(text))
    return found, [f"{p.path} {p.message}" for p in problems]


def test_nothing_written_is_nobody_logs_in():
    assert read("") == (entrance.Entrance(), [])


def test_one_provider_or_several():
    assert read(WHOLE + ONE) == (entrance.Entrance(("",)), [])
    assert read(WHOLE + "[auth.google]\n" + ONE + "[auth.okta]\n" + ONE)[0].providers == ("google", "okta")
    scoped = WHOLE + ONE + 'client_kwargs = { scope = "openid groups" }\n'
    assert read(scoped) == (entrance.Entrance(("",)), [])


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("[auth]\n" + ONE, ["auth.redirect_uri is missing", "auth.cookie_secret is missing"]),
        (WHOLE, [f"auth.{k} is missing" for k in ("client_id", "client_secret", "server_metadata_url")]),
        (WHOLE.replace("0123456789abcdef", "x", 1) + ONE, ["auth.cookie_secret is shorter than 32 characters: guessable"]),
        ('[api.ci]\nrole = "admin"\n', ["api.ci.token is missing"]),
        ('[api.ci]\nrole = "admin"\ntoken = "short-secret"\n', ["api.ci.token is shorter than 32 characters: guessable"]),
        ("api = 3\n", ["api must be a section: write [api.NAME] with role and token"]),
        (
            f'[api.a]\nrole = "viewer"\ntoken = "{TOKEN}"\n[api.b]\nrole = "admin"\ntoken = "{TOKEN}"\n',
            ["api two callers have the same token: give each its own"],
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_without_a_value(text, problems):
    assert read(text)[1] == problems


def test_an_unknown_role_is_told():
    _, (problem,) = read(f'[api.ci]\nrole = "owner"\ntoken = "{TOKEN}"\n')
    assert problem.startswith("api.ci.role")
    assert TOKEN not in problem


def test_a_token_says_who_calls():
    found, _ = read(f'[api.ci]\nrole = "editor"\ntoken = "{TOKEN}"\n')
    assert found.bearer(f"Bearer {TOKEN}") == Actor("token ci", Role.EDITOR, proven=True)
    for wrong in ("", TOKEN, f"Bearer {TOKEN}x", "Bearer ", f"bearer {TOKEN}", "Bearer ü"):
        assert found.bearer(wrong) is None
