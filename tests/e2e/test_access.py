"""Who may see and do what, by the pages, by their addresses and by the API, against a real login.

One browser with one person after the other: what changes between them is the cookie alone.
"""

import re
import subprocess
import time
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
from tests.e2e.walk import PATIENCE
from warehouse.audit import Audit
from warehouse.book import Book

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

TOKENS = {role: role[0] * 40 for role in ("viewer", "editor", "admin")}
SETTINGS = """
sources: {events: {}}
access:
  admin: [paceline-admins]
  editor: [marketing]
  viewer: [everybody]
  ask: ada@northwind.example
"""
DASHBOARDS = "dashboards: [{id: revenue, open_to: {groups: [marketing]}}]\n"
SECRETS = """
[events]
token = "a sender of events"
[auth]
redirect_uri = "{app}/oauth2callback"
cookie_secret = "{secret}"
client_id = "paceline"
client_secret = "hush"
server_metadata_url = "{issuer}/.well-known/openid-configuration"
"""
FORM = "proposals?part=propose&file=metrics%2Fcpc.sql"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The app on a workspace of its own, with a provider to log in by; no data, which roles do not need."""
    folder = tmp_path_factory.mktemp("team")
    (folder / ".streamlit").mkdir()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with http.start(oidc.app(OidcCredentials("paceline", "hush")), name="oidc") as provider:
        (folder / "paceline.yaml").write_text(SETTINGS)
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
            yield SimpleNamespace(url=url, folder=folder, workspace=workspace)
        finally:
            process.terminate()
            process.wait(20)
            log.close()
    assert "Traceback" not in (folder / "app.log").read_text()


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """The one page that everybody uses in turn; what it has loaded once it need not load again."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    yield opened
    expect.set_options(timeout=5_000)
    context.close()


def enter(app: SimpleNamespace, page: Page, name: str, path: str) -> None:
    """Log in as somebody else, where the page asks for it, and go to an address."""
    if page.context.cookies():
        page.context.clear_cookies()
        page.reload()
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name=name).click()
    page.wait_for_url(f"{app.url}/**")
    page.goto(f"{app.url}/{path}")


def listed(page: Page) -> set[str]:
    """The pages under Monitor that the menu offers."""
    page.get_by_text("Monitor", exact=True).first.click()
    links = page.locator("[data-testid=stTopNavPopover] a, [data-testid=stTopNavDropdownLink]")
    expect(links.first).to_be_visible()
    found = {link.inner_text().split("\n")[-1].strip() for link in links.all()}  # after the icon's name
    page.keyboard.press("Escape")
    return found


def ask(app: SimpleNamespace, role: str, at: str, **body: object) -> requests.Response:
    headers = {"Authorization": f"Bearer {TOKENS[role]}"} if role in TOKENS else {}
    method = "POST" if body else "GET"
    return requests.request(method, f"{app.url}{at}", headers=headers, json=body or None, timeout=60)


def test_without_a_login_or_a_token_there_is_nothing(app, page):
    """What each role may by the API is in tests/service/test_api.py; here, that the app asks at all."""
    for at, body in (
        ("/api/proposals", {}),
        ("/api/status", {}),
        ("/api/poll", {"now": True}),
        ("/metrics", {}),
    ):
        assert ask(app, "nobody", at, **body).status_code == 401
    assert ask(app, "viewer", "/api/proposals").json() == {"proposals": []}
    page.goto(f"{app.url}/revenue")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    expect(page.locator("[data-testid=stMain]")).to_have_text(
        re.compile(r"^\s*Our team.*Log in to see the numbers")
    )


def test_a_viewer_looks_and_is_told_whom_to_ask(app, page):
    enter(app, page, "Vera Viewer", "revenue")
    expect(page.get_by_text("Revenue is not open to you")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Ask ada.?@.?northwind"))).to_be_visible()
    assert listed(page) == {"Overview", "Acquisition", "Engagement", "Pacing", "Website"}
    page.goto(f"{app.url}/{FORM}")
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    expect(page.get_by_text("Propose a change")).to_have_count(0)
    expect(page.get_by_role("textbox", name="Why?")).to_have_count(0)


def test_an_editor_proposes_and_does_not_approve(app, page):
    enter(app, page, "Emil Editor", FORM)
    assert "Revenue" in listed(page)
    area = page.get_by_role("textbox", name="The file as it should be")
    expect(area).to_have_value(re.compile(r"sum\(clicks\)"))
    right = area.input_value()
    for text, why, said in (
        ("sum(klicks)", "A slip of the pen", "klicks"),
        ("sum(conversions)", "We pay for conversions", "Proposed: it is under Open"),
    ):
        area.fill(right.replace("sum(clicks)", text))
        page.get_by_role("textbox", name="Why?").fill(why)
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Propose", exact=True).click()
        expect(page.get_by_test_id("stAlert").filter(has_text=said)).to_be_visible()
    page.get_by_role("radio", name="Open", exact=True).click()
    expect(page.get_by_text("We pay for conversions", exact=True)).to_be_visible()
    expect(page.get_by_text("You proposed this: somebody else must approve it.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    for role in ("viewer", "editor"):
        assert ask(app, role, "/api/proposals/1/approve", comment="").status_code == 403
    assert not (app.folder / "metrics").exists()


def test_an_admin_approves_what_others_propose_and_not_the_own(app, page):
    enter(app, page, "Ada Admin", "proposals")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    assert "sum(conversions)" in (app.folder / "metrics/cpc.sql").read_text()
    assert ask(app, "viewer", "/api/proposals/1").json()["decided_by"] == "ada@northwind.example"
    assert requests.get(f"{app.url}/healthz", timeout=60).json() == {"status": "ok", "problems": 0}

    page.goto(f"{app.url}/proposals?part=decided")
    page.get_by_role("button", name="Propose to revert").click()
    page.goto(f"{app.url}/proposals")
    expect(page.get_by_text("You proposed this: somebody else must approve it.")).to_be_visible()
    expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    assert "Revenue" in listed(page)
    assert "sum(conversions)" in (app.folder / "metrics/cpc.sql").read_text()

    book = Book.open(app.workspace.book)
    assert Audit(book).verify()[1] is None
    said = [(e.actor, e.action, e.subject) for e in Audit(book).entries()]
    book.close()
    assert ("vera@northwind.example", "was refused", "dashboard revenue") in said
    assert ("token editor", "was refused", "proposal 1") in said
    assert ("ada@northwind.example", "approved", "proposal 1") in said
