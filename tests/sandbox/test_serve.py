"""A sandbox as a process: one line of JSON, real clients let in, incidents from the shell, a clean end."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from typer.testing import CliRunner

from sandbox import tls
from sandbox.cli import app

ROOT = Path(__file__).parents[2]
KEYS = {
    "google_ads", "google_ads_rest", "oauth_token_url", "meta", "ga4", "ga4_rest", "properties", "oidc", "fx", "sites", "truth", "ca_file", "credentials", "accounts",
    "slack", "slack_socket", "slack_channels", "smtp", "twilio", "arrived",
}  # fmt: skip


def launch(environment, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", "up", "--json", *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process, seconds=60.0):
    """The process's first line; it is killed where that does not come in time."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        return process.stdout.readline()
    finally:
        timer.cancel()


def end(process, number=signal.SIGTERM):
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=15)
    return process.returncode, out, err, time.monotonic() - began


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sandbox")
    state = folder / "state" / "sandbox.json"
    return {**os.environ, "PACELINE_SANDBOX_STATE": str(state), "TMPDIR": str(folder)}


@pytest.fixture(scope="module")
def up(environment):
    process = launch(
        environment, "--now", "2026-11-24T10:40:00Z", "--days", "5", "--accounts", "2", "--incidents", "demo"
    )
    line = first_line(process)
    assert line, process.stderr.read()
    yield process, json.loads(line)
    if process.poll() is None:
        end(process)


def shell(environment, *words):
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_line_says_everything_that_a_program_needs(up):
    process, line = up
    assert set(line) == KEYS | {"pid", "seed"}
    assert line["pid"] == process.pid
    assert [(a["platform"], a["currency"]) for a in line["accounts"]] == [
        ("google_ads", "EUR"),
        ("meta", "USD"),
    ]
    google = line["credentials"]["google"]
    assert set(google) == {
        "client_id", "client_secret", "refresh_token", "login_customer_id", "service_account_file",
    }  # fmt: skip
    account = json.loads(Path(google["service_account_file"]).read_text())
    assert account["token_uri"] == line["oauth_token_url"]
    assert set(line["credentials"]["meta"]) == {"app_id", "app_secret", "access_token"}


def test_the_credentials_are_let_in_and_others_are_not(up):
    _, line = up
    google, meta = line["credentials"]["google"], line["credentials"]["meta"]
    form = {
        "grant_type": "refresh_token",
        "client_id": google["client_id"],
        "client_secret": google["client_secret"],
        "refresh_token": google["refresh_token"],
    }
    token = requests.post(line["oauth_token_url"], data=form, verify=line["ca_file"], timeout=60)
    assert token.json()["access_token"]
    refused = {**form, "refresh_token": "1//other"}
    wrong = requests.post(line["oauth_token_url"], data=refused, verify=line["ca_file"], timeout=60)
    assert wrong.json()["error"] == "invalid_grant"
    for key, status in ((meta["access_token"], 200), ("EAAother", 400)):
        reply = requests.get(
            line["meta"] + "/v26.0/me/adaccounts",
            params={"access_token": key},
            verify=line["ca_file"],
            timeout=10,
        )
        assert reply.status_code == status


ASKS = """
import json, sys, requests
names = requests.get("https://graph.facebook.com/v26.0/me/adaccounts?fields=name&access_token=" + sys.argv[1]).json()
print(json.dumps([one["name"] for one in names["data"]]))
try:
    requests.get("https://example.org", timeout=5)
except requests.ConnectionError:
    sys.exit(7)
"""


def test_a_program_that_knows_only_the_public_names_is_brought_here(up, environment):
    """And it reaches nobody else; its exit code is the command's."""
    _, line = up
    if subprocess.run(["unshare", "-rmn", "true"], check=False).returncode:
        pytest.skip("this machine does not let a process have namespaces")
    asked = shell(
        environment, "run", "--", sys.executable, "-c", ASKS, line["credentials"]["meta"]["access_token"]
    )
    assert asked.returncode == 7, asked.stderr
    assert json.loads(asked.stdout) == [a["name"] for a in line["accounts"] if a["platform"] == "meta"]


def test_a_service_account_is_let_in(up, monkeypatch):
    _, line = up
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", line["ca_file"])
    key = service_account.Credentials.from_service_account_file(
        line["credentials"]["google"]["service_account_file"],
        scopes=["https://www.googleapis.com/auth/adwords"],
    )
    with requests.Session() as session:
        key.refresh(Request(session=session))
        reply = session.get(
            line["google_ads_rest"] + "/v26/customers:listAccessibleCustomers",
            headers={"Authorization": f"Bearer {key.token}"},
            timeout=10,
        )
    names = reply.json()["resourceNames"]
    assert f"customers/{line['accounts'][0]['id']}" in names
    assert f"customers/{line['credentials']['google']['login_customer_id']}" in names


def test_the_certificate_stands_for_the_public_names_too(up):
    _, line = up
    context = ssl.create_default_context(cafile=line["ca_file"])
    port = int(line["meta"].rsplit(":", 1)[1])
    for name in tls.HOSTS:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            assert secure.version() in ("TLSv1.2", "TLSv1.3")


def test_a_demo_opens_with_incidents_under_way(up):
    _, line = up
    incidents = requests.get(line["truth"] + "/incidents", timeout=60).json()["incidents"]
    assert [i["name"] for i in incidents] == ["tracking_outage", "budget_runaway", "cpc_spike"]
    assert all(i["active"] and i["at"] < "2026-11-24T10:00" for i in incidents)


def test_incidents_are_started_listed_and_stopped_from_the_shell(up, environment):
    _, line = up
    account = line["accounts"][1]["id"]
    begun = shell(environment, "incident", "start", "throttling", "--account", account, "--for", "30m")
    assert begun.returncode == 0, begun.stderr
    incident = json.loads(begun.stdout)
    assert (str(incident["advertiser"]), incident["active"]) == (account, True)
    listed = shell(environment, "incident", "list").stdout
    assert f"throttling         advertiser {account}" in listed
    ended = shell(environment, "incident", "stop", str(incident["id"]))
    assert json.loads(ended.stdout)["active"] is False
    unknown = shell(environment, "incident", "start", "earthquake")
    assert unknown.returncode == 1
    assert "there is no incident 'earthquake'" in unknown.stderr


def test_it_ends_promptly_and_leaves_nothing(environment):
    process = launch(environment, "--days", "2", "--accounts", "2")
    line = json.loads(first_line(process))
    # A client that holds its connection open must not hold up the end.
    session = requests.Session()
    session.get(line["meta"] + "/v26.0/", verify=line["ca_file"], timeout=60)
    folder = Path(line["ca_file"]).parent
    assert folder.is_dir()
    code, out, err, took = end(process, signal.SIGINT)
    session.close()
    assert (code, out, err) == (0, "", "")
    assert took < 8
    assert not folder.exists()
    for url in (line["truth"], line["meta"], line["google_ads_rest"]):
        with pytest.raises(requests.ConnectionError):
            requests.get(url, verify=False, timeout=5)


def test_the_same_seed_is_the_same_world_and_the_same_keys(environment, up):
    _, line = up
    process = launch(environment, "--now", "2026-11-24T10:40:00Z", "--days", "5", "--accounts", "2")
    again = json.loads(first_line(process))
    assert again["accounts"] == line["accounts"]
    assert again["credentials"]["meta"] == line["credentials"]["meta"]
    account = line["accounts"][1]["id"]
    asked = {"account": account, "start": "2026-11-23T00:00:00Z", "end": "2026-11-23T06:00:00Z"}
    # Meta's account 1 has the demo's runaway, which began at 07:40 on the 24th and touches nothing before.
    first, second = (
        requests.get(a["truth"] + "/truth", params=asked, timeout=60).json() for a in (line, again)
    )
    assert first == second
    assert end(process)[0] == 0


def test_a_port_that_is_taken_is_named(environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = shell(environment, "up", "--accounts", "1", "--days", "1", "--port-base", str(port))
    assert refused.returncode == 2
    assert "cannot start" in refused.stderr
    assert "--port-base" in refused.stderr
    assert refused.stdout == ""


def test_options_that_cannot_be_are_refused():
    run = CliRunner()
    for words, said in (
        (["up", "--now", "yesterday"], "is not a moment"),
        (["up", "--source-lag", "soon"], "is not a span"),
        (["up", "--accounts", "0"], "--accounts"),
        (["incident", "start", "hang", "--for", "2 hours"], "is not a span"),
        (["incident", "start", "hang", "--platform", "bing"], "bing"),
    ):
        result = run.invoke(app, words)
        assert result.exit_code == 2, words
        assert said in result.output


def test_without_a_sandbox_the_commands_say_how_to_start_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PACELINE_SANDBOX_STATE", str(tmp_path / "none.json"))
    result = CliRunner().invoke(app, ["incident", "list"])
    assert result.exit_code == 2
    assert "python -m sandbox up" in result.output
    kinds = CliRunner().invoke(app, ["incident", "list", "--kinds"])
    assert "tracking_outage    The site's tag is gone" in kinds.output
