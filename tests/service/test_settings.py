"""Every message names the place, the path, the value and the nearest right name; all faults come at once."""

from __future__ import annotations

from datetime import timedelta
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest

from service import settings
from service.settings import SettingsError, load


@pytest.fixture
def team(tmp_path):
    """Writes a workspace's settings and secrets, and loads them."""

    def write(text, secrets='[example]\ntoken = "s3cret-value"\n', environ=None):
        (tmp_path / ".streamlit").mkdir(exist_ok=True)
        (tmp_path / "paceline.yaml").write_text(dedent(text))
        (tmp_path / ".streamlit/secrets.toml").write_text(secrets)
        return load(tmp_path, environ or {})

    return write


def problems(team, text, **how):
    with pytest.raises(SettingsError) as caught:
        team(text, **how)
    return [str(problem) for problem in caught.value.problems]


GOOD = """\
    name: Team
    currency: USD
    timezone: America/New_York
    polling:
      every: 10m
      reserve: 12.5%
      streams: {example.campaigns: 2h}
    sources:
      example: {platform: /tmp}
    targets:
      - {metric: cpa, value: 40, source: example}
"""


def test_what_is_written_is_what_holds(team):
    setup = team(GOOD)
    assert setup.settings.timezone == ZoneInfo("America/New_York")
    assert setup.settings.polling.reserve == 0.125
    # Delivery follows today and takes polling.every; campaigns are set by name.
    assert setup.sources["example"].every == {
        "delivery": timedelta(minutes=10),
        "campaigns": timedelta(hours=2),
    }
    assert setup.sources["example"].settings.token.get_secret_value() == "s3cret-value"


def test_the_environment_wins_over_the_file(team):
    setup = team(GOOD, environ={"PACELINE_EXAMPLE_TOKEN": "from-outside"})
    assert setup.sources["example"].settings.token.get_secret_value() == "from-outside"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sources: {example: {platform: /tmp}}\npoling: {}", "paceline.yaml:2:1: poling: is no known setting, did you mean 'polling'?"),
        (
            "sources: {example: {platform: /tmp}}\npolling:\n  evry: 5m",
            "paceline.yaml:3:3: polling.evry: is no known setting, did you mean 'every'?",
        ),
        (
            "sources: {example: {platform: /tmp}}\npolling:\n  every: 5 min",
            "paceline.yaml:3:10: polling.every: '5 min' is not a duration: write a whole number and a unit, such as 30s, 5m, 4h or 28d",
        ),
        (
            "sources: {example: {platform: /tmp}}\npolling:\n  every: 1h",
            "paceline.yaml:3:10: polling.every: '1h' is out of range: 5m to 15m",
        ),
        (
            "sources: {example: {platform: /tmp}}\ntimezone: Europe/Berln",
            "paceline.yaml:2:11: timezone: 'Europe/Berln' is not a time zone, did you mean 'Europe/Berlin'?",
        ),
        (
            "sources: {exmple: {platform: /tmp}}",
            "paceline.yaml:1:11: sources.exmple: is no known source, did you mean 'example'?",
        ),
        (
            "sources:\n  example:\n    platform: /tmp\n    plattform: x",
            "paceline.yaml:4:5: sources.example.plattform: is no known setting, did you mean 'platform'?",
        ),
        (
            "sources: {example: {platform: /tmp}}\ntargets:\n  - metric: roas\n    value: 3\n  - metric: rosa\n    value: 3",
            "paceline.yaml:5:13: targets.1.metric: 'rosa' is not allowed, did you mean 'roas'?",
        ),
        (
            "sources: {example: {platform: /tmp}}\ntargets:\n  - {metric: roas, value: 3, source: exampel}",
            "paceline.yaml:3:38: targets.0.source: 'exampel' is no configured source, did you mean 'example'?",
        ),
        (
            "sources: {example: {platform: /tmp}}\npolling:\n  streams: {example.campaign: 1h}",
            "paceline.yaml:3:13: polling.streams.example.campaign: is no stream of a configured source, did you mean 'example.campaigns'?",
        ),
        (
            "name: a\nname: b\nsources: {example: {platform: /tmp}}",
            "paceline.yaml:2:1: name: is written twice, first on line 1",
        ),
        (
            "sources: {example: {platform: /tmp}}\nserver:\n  port: 99999",
            "paceline.yaml:3:9: server.port: input should be less than or equal to 65535 (got 99999)",
        ),
        (
            "sources: {example: {platform: /tmp}}\nnaming: '(?P<country[A-Z]{2})'",
            "paceline.yaml:2:9: naming: '(?P<country[A-Z]{2})' is no regular expression: missing >, unterminated name at position 4",
        ),
        (
            "sources: {example: {platform: /tmp}}\nnaming: '[A-Z]{2}_.*'",
            "paceline.yaml:2:9: naming: '[A-Z]{2}_.*' has no named group; name a part: (?P<country>[A-Z]{2})",
        ),
        (
            "sources: {example: {platform: /tmp}}\nnaming: '(?P<channel>.*)'",
            "paceline.yaml:2:9: naming: '(?P<channel>.*)' cannot be used: `channel` is a dimension already; give the part of the name another name",
        ),
        (
            "sources: {example: {platform: /tmp}}\nnaming: '(?P<a>.)(?=b)'",
            "paceline.yaml:2:9: naming: '(?P<a>.)(?=b)' is no regular expression of the database's kind (RE2): invalid perl operator: (?=",
        ),
        *(
            (
                f"sandbox: {address}\nsources: {{example: {{platform: /tmp}}}}",
                f"paceline.yaml:1:10: sandbox: '{address}' is no control face of a sandbox on this machine: write the `truth` that it tells at its start, such as http://127.0.0.1:8090",
            )
            for address in (
                "http://10.0.0.5:8090", "http://localhost.example.com", "http://127.0.0.1@example.com",
                "https://127.0.0.1:8090", "http://127.0.0.1:8090/other", "http://127.0.0.1:port",
            )
        ),
        ("sources: [", "paceline.yaml:1:11: is not YAML: while parsing a flow node expected the node content, but found '<stream end>'"),
        ("", "paceline.yaml:1:1: is empty: run `paceline init`"),
    ],
)  # fmt: skip
def test_a_fault_is_told_where_it_stands(team, text, said):
    assert said in problems(team, text)


@pytest.mark.parametrize(
    "address",
    ["", "http://127.0.0.1:8090", "http://127.0.0.1:8090/", "http://localhost", "http://[::1]:8090"],
)
def test_a_sandbox_is_on_this_machine(team, address):
    setup = team(f"sandbox: '{address}'\nsources: {{example: {{platform: /tmp}}}}")
    assert setup.settings.sandbox == address


def test_all_faults_come_at_once_in_the_order_of_the_file(team):
    text = "currency: euro\nsources: {example: {platform: /tmp}}\nserver: {prt: 1}\npolling: {workers: 0}\n"
    places = [line.split(": ")[1] for line in problems(team, text)]
    assert places == ["currency", "server.prt", "polling.workers"]


def test_a_secret_in_the_yaml_is_refused_and_never_repeated(team):
    text = "sources:\n  example:\n    platform: /tmp\n    token: my-token-value\n"
    [said] = problems(team, text)
    assert said.startswith("paceline.yaml:4:5: sources.example.token: is a secret")
    assert "put it into .streamlit/secrets.toml under [example], or set PACELINE_EXAMPLE_TOKEN" in said
    assert "my-token-value" not in said


def test_a_missing_secret_says_where_it_belongs(team):
    [said] = problems(team, "sources:\n  example: {platform: /tmp}\n", secrets="")
    assert said == (
        "paceline.yaml:2:3: sources.example.token: is missing: put it into .streamlit/secrets.toml under "
        "[example], or set PACELINE_EXAMPLE_TOKEN"
    )


def test_a_broken_secrets_file_does_not_show_its_content(team):
    said = problems(team, GOOD, secrets='[example]\ntoken = "abc\n')
    assert any(line.startswith(".streamlit/secrets.toml: is not TOML") for line in said)
    assert not any("abc" in line for line in said)


def test_the_example_workspace_needs_nothing_but_secrets():
    from service.commands.serve import HOME  # noqa: PLC0415

    with pytest.raises(SettingsError) as caught:
        load(HOME / "workspace", {})
    said = [str(problem) for problem in caught.value.problems]
    assert [line.split(": ")[1] for line in said] == ["sources.google_ads", "sources.meta_ads.access_token"]
    assert settings.FILE == "paceline.yaml"
