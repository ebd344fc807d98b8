"""Channels are set up like sources: what is shared in the YAML, secrets elsewhere, faults that point."""

from __future__ import annotations

from textwrap import dedent, indent

import pytest

from service.settings import SettingsError, load

SECRETS = """\
[example]
token = "s3cret-value"
[slack]
token = "xoxb-1"
[email]
password = "pass-in-the-file"
[sms]
auth_token = "token-in-the-file"
[apprise.urls]
on_call = "json://user:hidden-word@host"
"""

GOOD = """\
slack: {channel: C0123456789}
email: {host: smtp.example.com, user: alerts, sender: alerts@example.com}
sms: {account_sid: AC00000000000000000000000000000000, sender: "+4930123456"}
apprise:
"""


@pytest.fixture
def team(tmp_path):
    def write(channels, secrets=SECRETS, environ=None):
        (tmp_path / ".streamlit").mkdir(exist_ok=True)
        text = "sources: {example: {platform: /tmp}}\nalerts:\n  channels:\n"
        (tmp_path / "paceline.yaml").write_text(text + indent(dedent(channels), "    "))
        (tmp_path / ".streamlit/secrets.toml").write_text(secrets)
        return load(tmp_path, environ or {}).channels

    return write


def test_a_channel_takes_its_secrets_from_the_file_or_the_environment(team):
    found = team(GOOD, environ={"PACELINE_SLACK_APP_TOKEN": "xapp-2", "PACELINE_EMAIL_PASSWORD": "outside"})
    assert list(found) == ["slack", "email", "sms", "apprise"]
    assert found["slack"].token.get_secret_value() == "xoxb-1"
    assert found["slack"].app_token.get_secret_value() == "xapp-2"
    assert found["slack"].url == "https://slack.com/api/"
    assert (found["email"].password.get_secret_value(), found["email"].port) == ("outside", 587)
    assert found["sms"].auth_token.get_secret_value() == "token-in-the-file"
    assert found["apprise"].urls["on_call"].get_secret_value() == "json://user:hidden-word@host"


def test_a_table_of_secrets_may_be_a_variable_of_json(team):
    found = team(
        "apprise:\n", SECRETS.split("[apprise", maxsplit=1)[0], {"PACELINE_APPRISE_URLS": '{"a": "json://h"}'}
    )
    assert found["apprise"].urls["a"].get_secret_value() == "json://h"


def test_no_channel_is_needed(team):
    assert team("{}") == {}


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ("slak: {channel: C0123456789}", "paceline.yaml:4:5: alerts.channels.slak: is no channel, did you mean 'slack'?"),
        ("slack: {channel: '#ads'}", "paceline.yaml:4:22: alerts.channels.slack.channel: string should match pattern '^[CGD][A-Z0-9]{5,}$' (got '#ads')"),
        ("slack: {channel: C0123456789, chanel: x}", "paceline.yaml:4:35: alerts.channels.slack.chanel: is no known setting, did you mean 'channel'?"),
        (
            "slack: {channel: C0123456789, token: xoxb-9}",
            "paceline.yaml:4:35: alerts.channels.slack.token: is a secret, and this file is shared and kept in version control: remove it here, put it into .streamlit/secrets.toml under [slack], or set PACELINE_SLACK_TOKEN; renew it if the file has been shared already",
        ),
        ("email: {host: h, sender: nobody}", "paceline.yaml:4:30: alerts.channels.email.sender: string should match pattern '^[^\\s@<>]+@[^\\s@<>]+$' (got 'nobody')"),
        ("email: {host: h, security: start_tls, sender: a@b}", "paceline.yaml:4:32: alerts.channels.email.security: 'start_tls' is not allowed, did you mean 'starttls'?"),
        ("email: {host: h, security: none, user: a, sender: a@b}", "paceline.yaml:4:12: alerts.channels.email: a password is not sent over a connection that is not encrypted: use starttls"),
    ],
)  # fmt: skip
def test_a_fault_is_told_where_it_stands(team, channels, said):
    with pytest.raises(SettingsError) as caught:
        team(channels)
    assert said in [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("channels", "secrets", "environ", "said"),
    [
        ("slack: {channel: C0123456789}", "[example]\ntoken='s'\n[slack]\ntoken='hidden-word'", {}, "the value begins with xoxb-"),
        ("apprise:", "[example]\ntoken='s'\n[apprise]\nurls='hidden-word'", {}, "the value is a table"),
        ("apprise:", "[example]\ntoken='s'\n[apprise.urls]\non_call=['hidden-word']", {}, "apprise.urls.on_call"),
        ("apprise:", "[example]\ntoken='s'", {"PACELINE_APPRISE_URLS": "{hidden-word"}, "the value is a table"),
        ("slack: {channel: C0123456789}", "[example]\ntoken='s'", {}, "slack.token: is missing: put it into .streamlit/secrets.toml under [slack], or set PACELINE_SLACK_TOKEN"),
    ],
)  # fmt: skip
def test_a_secret_that_is_wrong_is_never_repeated(team, channels, secrets, environ, said):
    with pytest.raises(SettingsError) as caught:
        team(channels, secrets, environ)
    text = str(caught.value)
    assert said in text
    assert "hidden-word" not in text
