"""`paceline init` in a folder that is not empty: what stands there stays, what is typed is kept."""

from __future__ import annotations

import stat
import tomllib
from dataclasses import replace

import pytest
import typer

from metrics.dashboards import shipped
from metrics.model import load
from service import rules, settings
from service.commands import init
from service.commands.init import Answers

OWNER = "Mail address of who that is (or nothing)"
ANSWERS = Answers(("example",), "Our team", "EUR", "Europe/Berlin")


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Answers every question by its name; the list of what was asked."""
    asked = []
    said = {"platform": str(tmp_path), "token": 'new "token"', OWNER: "erin@example.com"}

    def answer(question, **_):
        asked.append(question.strip())
        return said[question.strip()]

    monkeypatch.setattr(typer, "prompt", answer)
    return asked


def test_a_gitignore_keeps_its_lines_and_gets_ours(tmp_path, typed):
    (tmp_path / ".gitignore").write_text("*.tmp\n.paceline/")
    init.run(tmp_path, ANSWERS, interactive=True)
    assert (tmp_path / ".gitignore").read_text() == "*.tmp\n.paceline/\n.streamlit/secrets.toml\n"


def test_what_is_typed_is_added_to_the_secrets_that_are_there(tmp_path, typed):
    file = tmp_path / ".streamlit/secrets.toml"
    file.parent.mkdir()
    file.write_text('[auth]\ncookie_secret = "old"')
    init.run(tmp_path, ANSWERS, interactive=True)
    assert tomllib.loads(file.read_text()) == {
        "auth": {"cookie_secret": "old"},
        "example": {"token": 'new "token"'},
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_secrets_that_stand_already_are_not_asked_for(tmp_path, typed):
    file = tmp_path / ".streamlit/secrets.toml"
    file.parent.mkdir()
    file.write_text('[example]\ntoken = "old"\n')
    init.run(tmp_path, ANSWERS, interactive=True)
    assert typed == [OWNER, "platform"]
    assert file.read_text() == '[example]\ntoken = "old"\n'


def test_secrets_that_cannot_be_read_are_told_before_anything_is_asked(tmp_path, typed, capsys):
    file = tmp_path / ".streamlit/secrets.toml"
    file.parent.mkdir()
    file.write_text("[example\n")
    with pytest.raises(typer.Exit):
        init.run(tmp_path, ANSWERS, interactive=True)
    assert typed == []
    assert "secrets.toml" in capsys.readouterr().err
    assert not (tmp_path / "paceline.yaml").exists()


def test_who_is_named_as_owner_hears_of_everything_that_is_shipped(tmp_path, typed):
    init.run(tmp_path, ANSWERS, interactive=True)
    setup = settings.load(tmp_path)
    people = {one.name: one.email for one in setup.settings.alerts.people}
    metrics = load()
    owners = {one.owner for one in (*shipped(), *metrics.values())}
    owners |= {one.owner for one in rules.load(tmp_path, setup.settings.alerts, metrics)}
    assert {people.get(name) for name in owners} == {"erin@example.com"}


def test_an_address_that_is_none_is_asked_for_again(tmp_path, monkeypatch, capsys):
    said = iter(["erin", ""])
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(said))
    assert init._ask_owner() == ""
    assert "erin is no mail address" in capsys.readouterr().out


def test_nobody_is_named_where_nothing_is_asked(tmp_path):
    init.run(tmp_path, ANSWERS, interactive=False)
    assert "people" not in (tmp_path / "paceline.yaml").read_text()
    other = tmp_path / "other"
    init.run(other, replace(ANSWERS, owner="erin@example.com"), interactive=False)
    assert (other / "paceline.yaml").read_text().count("erin@example.com") == 2
