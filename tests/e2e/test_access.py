"""Who may see and do what, in a real browser against a real login; and how a definition changes in the app."""

import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from sandbox import http, oidc
from sandbox.credentials import OidcCredentials
from service.commands import serve
from service.settings import load
from service.workspace import Workspace
from tests.e2e.conftest import free_port
from tests.e2e.walk import shot
from warehouse.audit import Audit
from warehouse.book import Book

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        os.environ.get("PACELINE_FULL") != "1", reason="PACELINE_FULL=1 walks through the roles in a browser"
    ),
]

TOKENS = {role: role[0] * 40 for role in ("viewer", "editor", "admin")}
SETTINGS = """
sources: {{fx: {{url: "{bank}"}}}}
access:
  admin: [paceline-admins]
  editor: [marketing]
  viewer: [everybody]
  ask: ada@northwind.example
"""
DASHBOARDS = "dashboards: [{id: revenue, open_to: {groups: [marketing]}}]\n"
SECRETS = """
[auth]
redirect_uri = "{app}/oauth2callback"
cookie_secret = "{secret}"
client_id = "paceline"
client_secret = "hush"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The app on a workspace of its own, with a provider to log in by; no data, which roles do not need."""
    folder = tmp_path_factory.mktemp("team")
    (folder / ".streamlit").mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with http.start(oidc.app(OidcCredentials("paceline", "hush")), name="oidc") as provider:
        (folder / "paceline.yaml").write_text(SETTINGS.format(bank=provider.url))
        (folder / "dashboards.yaml").write_text(DASHBOARDS)
        api = "".join(f'\n[api.{r}]\nrole = "{r}"\ntoken = "{t}"\n' for r, t in TOKENS.items())
        secrets = SECRETS.format(app=url, issuer=provider.url, secret="c" * 48) + api
        (folder / ".streamlit/secrets.toml").write_text(secrets)
        workspace = Workspace(folder)
        log = (folder / "app.log").open("w")
        process = subprocess.Popen(
            serve.command(load(folder), port=port),
            cwd=folder,
            env=serve.environment(workspace),
            stdout=log,
            stderr=log,
        )
        try:
            until = time.monotonic() + 90
            while workspace.running() is None:
                assert process.poll() is None, (folder / "app.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.2)
            yield SimpleNamespace(url=url, folder=folder, workspace=workspace, people={})
        finally:
            process.terminate()
            process.wait(20)
            log.close()
    book = Book.open(workspace.book)
    assert Audit(book).verify()[1] is None
    said = [(e.actor, e.action, e.subject) for e in Audit(book).entries()]
    book.close()
    assert ("vera@northwind.example", "was refused", "dashboard revenue") in said
    assert ("ada@northwind.example", "approved", "proposal 1") in said
    assert "Traceback" not in (folder / "app.log").read_text()


def entered(app: SimpleNamespace, browser: Browser, name: str, path: str = "") -> Page:
    """Somebody who has logged in, once for all tests, on a page."""
    page = app.people.get(name)
    if page is None:
        page = app.people[name] = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.goto(f"{app.url}/alerts")
        page.get_by_role("button", name="Log in").click(timeout=60_000)
        page.get_by_role("link", name=name).click()
        page.wait_for_url(f"{app.url}/**", timeout=30_000)
        expect(page.get_by_role("button", name="Log in")).to_have_count(0, timeout=30_000)
    page.goto(f"{app.url}/{path}")
    return page


def listed(page: Page, section: str) -> set[str]:
    """The pages that a section of the menu offers."""
    page.get_by_text(section, exact=True).first.click(timeout=30_000)
    links = page.locator("[data-testid=stTopNavPopover] a, [data-testid=stTopNavDropdownLink]")
    expect(links.first).to_be_visible(timeout=15_000)
    found = {link.inner_text().split("\n")[-1].strip() for link in links.all()}  # after the icon's name
    page.keyboard.press("Escape")
    return found


def test_without_a_login_no_address_shows_anything(app, browser):
    page = browser.new_context().new_page()
    for path in ("", "alerts", "revenue", "proposals"):
        page.goto(f"{app.url}/{path}")
        expect(page.get_by_role("button", name="Log in")).to_be_visible(timeout=60_000)
        expect(page.locator("[data-testid=stMain]")).to_have_text(
            re.compile(r"^\s*Our team.*Log in to see the numbers")
        )
    assert requests.get(f"{app.url}/api/proposals", timeout=10).status_code == 401


def test_a_viewer_looks_and_is_told_whom_to_ask(app, browser):
    silence = {"match": {"rule": "spend-pace"}, "reason": "a planned sale", "lasts": "1h"}
    headers = {"Authorization": f"Bearer {TOKENS['viewer']}"}
    refused = requests.post(f"{app.url}/api/alerts/silence", json=silence, headers=headers, timeout=10)
    assert (refused.status_code, "needs the role editor" in refused.json()["error"]) == (403, True)
    headers = {"Authorization": f"Bearer {TOKENS['editor']}"}
    assert requests.post(f"{app.url}/api/alerts/silence", json=silence, headers=headers, timeout=10).ok

    page = entered(app, browser, "Vera Viewer", "alerts?part=silences")
    expect(page.get_by_text("a planned sale")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="End now")).to_have_count(0)
    assert listed(page, "Monitor") == {"Overview", "Acquisition", "Engagement", "Pacing", "Website"}
    page = entered(app, browser, "Vera Viewer", "revenue")
    expect(page.get_by_text("Revenue is not open to you")).to_be_visible(timeout=30_000)
    expect(page.get_by_text(re.compile(r"Ask ada.?@.?northwind"))).to_be_visible()
    page = entered(app, browser, "Vera Viewer", "changes")
    expect(page.get_by_text("Changes", exact=True).first).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Add a note")).to_have_count(0)
    page = entered(app, browser, "Vera Viewer", "proposals?part=propose")
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Propose a change")).to_have_count(0)


def test_an_outsider_has_no_part_in_it(app, browser):
    page = entered(app, browser, "Otto Outsider", "alerts")
    expect(page.get_by_text("You have no part in this yet")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Silences")).to_have_count(0)


def propose(page: Page, old: str, new: str, why: str) -> None:
    """Fill in the form on a metric's page, and send it."""
    area = page.get_by_role("textbox", name="The file as it should be")
    expect(area).to_have_value(re.compile(re.escape(old)), timeout=30_000)
    area.fill(area.input_value().replace(old, new))
    page.get_by_role("textbox", name="Why?").fill(why)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Propose", exact=True).click()


def test_an_editor_acts_and_proposes_and_does_not_approve(app, browser):
    page = entered(app, browser, "Emil Editor", "alerts?part=silences")
    page.get_by_role("button", name="End now").click(timeout=30_000)
    expect(page.get_by_text("Nothing is silenced")).to_be_visible(timeout=30_000)
    assert "Revenue" in listed(page, "Monitor")

    page = entered(app, browser, "Emil Editor", "proposals?part=propose&file=metrics%2Fcpc.sql")
    propose(page, "sum(clicks)", "sum(klicks)", "A slip of the pen")
    expect(page.get_by_text("metrics/cpc.sql", exact=False).filter(has_text="klicks")).to_be_visible(
        timeout=30_000
    )
    page = entered(app, browser, "Emil Editor", "proposals?part=propose&file=metrics%2Fcpc.sql")
    propose(page, "sum(clicks)", "sum(conversions)", "We pay for conversions")
    expect(page.get_by_text("Proposed: it is under Open")).to_be_visible(timeout=30_000)

    page = entered(app, browser, "Emil Editor", "proposals")
    expect(page.get_by_text("somebody else must approve it")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    for role in ("viewer", "editor"):
        headers = {"Authorization": f"Bearer {TOKENS[role]}"}
        reply = requests.post(f"{app.url}/api/proposals/1/approve", headers=headers, timeout=10)
        assert reply.status_code == 403
    assert not (app.folder / "metrics").exists()


def test_an_admin_approves_what_others_propose_and_not_the_own(app, browser):
    page = entered(app, browser, "Ada Admin", "proposals")
    expect(page.get_by_text("We pay for conversions", exact=True)).to_be_visible(timeout=30_000)
    shot(page, "proposal")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible(timeout=30_000)
    text = (app.folder / "metrics/cpc.sql").read_text()
    assert "sum(conversions)" in text
    assert re.search(r"-- approved: ada@northwind.example\n", text)
    with urllib.request.urlopen(f"{app.url}/healthz", timeout=10) as reply:
        assert reply.status == 200

    page = entered(app, browser, "Ada Admin", "proposals?part=decided")
    page.get_by_role("button", name="Propose to revert").click(timeout=30_000)
    page = entered(app, browser, "Ada Admin", "proposals")
    expect(page.get_by_text("You proposed this: somebody else must approve it.")).to_be_visible(
        timeout=30_000
    )
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert "sum(conversions)" in (app.folder / "metrics/cpc.sql").read_text()
    assert "Revenue" in listed(page, "Monitor")
