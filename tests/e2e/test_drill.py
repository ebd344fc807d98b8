"""From the Overview down to an ad and back, in a real browser; links, exports and saved views on the way."""

import csv
import io
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.walk import PATIENCE, Demo, go, grid, idle, open_row, shot, whole

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(400),
]


def title(page: Page) -> str:
    return page.locator("h3").first.inner_text()


def at(page: Page, pattern: str) -> None:
    """Wait until the page of an address is drawn."""
    page.wait_for_url(re.compile(pattern), timeout=PATIENCE)
    idle(page)
    expect(page.get_by_test_id("stMetric").first).to_be_visible(timeout=PATIENCE)


def first_campaign(page: Page, demo: Demo) -> str:
    """The address of the campaign that spent most; its kind has ads."""
    go(page, f"{demo.url}/campaign?q=prospecting")
    open_row(page, "campaigns")
    at(page, r"/campaign\?.*campaign=\d+")
    return page.url


def back(page: Page, name: str) -> None:
    page.go_back()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=PATIENCE)
    idle(page)


def test_overview_to_campaign_to_ad_and_back(demo: Demo, page: Page) -> None:
    go(page, demo.url)
    open_row(page, "campaigns")
    at(page, r"/campaign\?source=\w+&account=\d+&campaign=\d+")
    page.go_back()
    expect(page.get_by_text("Spend by campaign").first).to_be_visible(timeout=PATIENCE)

    found = first_campaign(page, demo)
    name = title(page)
    shot(page, "campaign_one")
    whole(page)
    open_row(page, "campaign_parts")
    at(page, "adset=")
    group = title(page)
    open_row(page, "ad_group_parts")
    at(page, "&ad=")
    shot(page, "ad")
    whole(page)
    for step in ("All campaigns", name, group):
        expect(page.get_by_role("button", name=step, exact=True)).to_be_visible()

    back(page, group)
    assert "&ad=" not in page.url
    back(page, name)
    assert page.url == found
    page.get_by_role("button", name="All campaigns").click()
    expect(page.get_by_role("heading", name="All campaigns")).to_be_visible(timeout=PATIENCE)
    idle(page)
    assert "campaign=" not in page.url
    back(page, name)


def test_a_bar_opens_its_campaign_and_back_stays_back(demo: Demo, page: Page) -> None:
    go(page, demo.url)
    bar = page.locator(".st-key-bars [aria-roledescription=bar]").first
    expect(bar).to_be_visible(timeout=PATIENCE)
    idle(page)
    bar.click()
    at(page, r"/campaign\?source=\w+&account=\d+&campaign=\d+")
    page.go_back()
    expect(page.get_by_text("Spend by campaign").first).to_be_visible(timeout=PATIENCE)
    page.wait_for_timeout(3000)
    assert "/campaign" not in page.url


def test_a_link_opens_exactly_this(demo: Demo, page: Page, browser: Browser) -> None:
    url = first_campaign(page, demo)
    page.get_by_test_id("stButtonGroup").first.get_by_text("7 days").click()
    at(page, "win=7d")
    name, spend = title(page), page.get_by_test_id("stMetricValue").first.inner_text()
    other = browser.new_context(viewport={"width": 1440, "height": 1600}, color_scheme="dark").new_page()
    go(other, page.url)
    at(other, "win=7d")
    expect(other.get_by_role("heading", name=name)).to_be_visible()
    expect(other.get_by_test_id("stMetricValue").first).to_have_text(spend)
    other.wait_for_timeout(2000)
    shot(other, "campaign_dark")
    other.context.close()
    link = page.get_by_role("link", name=re.compile("Open in (Google Ads|Ads Manager)"))
    assert re.search(r"https://(ads\.google|adsmanager\.facebook)\.com/", str(link.get_attribute("href")))
    assert url.partition("?")[2].split("&")[-1] in page.url


def test_a_wrong_id_offers_near_ones(demo: Demo, page: Page) -> None:
    go(page, f"{demo.url}/campaign?source=google_ads&account=1&campaign=brand")
    expect(page.get_by_role("heading", name="No such campaign")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name=re.compile("Brand")).first.click()
    at(page, r"/campaign\?source=google_ads&account=\d{4,}&campaign=\d+")


def downloaded(page: Page, kind: str) -> tuple[str, bytes]:
    page.get_by_role("button", name="download", exact=False).first.click()
    with page.expect_download() as begun:
        page.get_by_role("button", name=kind, exact=True).click()
    page.keyboard.press("Escape")
    return begun.value.suggested_filename, Path(begun.value.path()).read_bytes()


def test_exports_hold_what_the_table_shows(demo: Demo, page: Page) -> None:
    go(page, f"{demo.url}/campaign")
    grid(page, "campaigns")
    name, data = downloaded(page, "CSV")
    assert re.fullmatch(r"campaigns_today_as-of-\d{8}t\d{4}z\.csv", name)
    lines = data.decode("utf-8-sig").split("\r\n")
    assert lines[0] == "# subject: Campaigns"
    assert "spend v" in lines[3]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines[4:]))))
    other, data = downloaded(page, "Parquet")
    assert other == name.replace(".csv", ".parquet")
    table = pq.read_table(io.BytesIO(data))
    assert table.num_rows == len(rows) > 20
    assert [row["name"] for row in rows] == table["name"].to_pylist()
    spend = next(c for c in table.column_names if c.startswith("spend_"))
    assert [float(row[spend]) for row in rows] == table[spend].to_pylist()
    # The built-in download would bypass all of it.
    page.get_by_test_id("stDataFrame").first.hover()
    expect(page.get_by_role("button", name="Download as CSV")).to_have_count(0)


def test_a_view_is_saved_and_opened_from_another_page(demo: Demo, page: Page) -> None:
    first_campaign(page, demo)
    name, address = title(page), page.url.partition("?")[2]
    page.get_by_role("button", name="Views").click()
    page.get_by_role("textbox", name="Save this view as").fill("My campaign <b>")
    page.get_by_role("textbox", name="Your name").fill("Anna")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("button", name="My campaign <b>")).to_be_visible(timeout=PATIENCE)
    shot(page, "views")
    go(page, f"{demo.url}/data-health")
    expect(page.get_by_role("heading", name="Data health")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="My campaign <b>").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible(timeout=PATIENCE)
    assert sorted(page.url.partition("?")[2].split("&")) == sorted(address.split("&"))
