"""Landing pages that fail: since when, in whose words, and which account pays for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts import conditions
from alerts.conditions.contract import Scope
from alerts.judge import judge
from alerts.observation import Labels, Result
from connectors.contract import Window
from connectors.rows import AccountRow, Ad
from connectors.web_rows import PageCheck
from tests.alerts.conftest import NOW, hour, named
from tests.alerts.test_explain import rule, told  # noqa: F401  # a fixture

URL = "https://www.shop.test/boots"
WORKS = PageCheck(URL, NOW, "", "", URL, 0, 200)
UNTAGGED = replace(WORKS, failure="tag", words="the tag GTM-1 is not in the page", tagged=False)


@pytest.fixture
def looked(world):
    """The looks at the page, the last at NOW and one each five minutes before; two accounts pay for it."""
    world.zones["meta_ads", "b"] = ZoneInfo("Europe/Berlin")
    world.zones["landing_pages", "pages"] = UTC
    for source, account in (("google_ads", "a"), ("meta_ads", "b")):
        world.reply(source, account, [AccountRow("Shop", "EUR", "Europe/Berlin")])
    world.campaign_of("boots", cost=12.0)
    world.reply("google_ads", "a", [Ad("boots", "g", "1", "Group", "Boots", "enabled", "", URL)])

    def tell(*found):
        rows = [replace(one, checked=NOW - n * timedelta(minutes=5)) for n, one in enumerate(reversed(found))]
        world.reply(
            "landing_pages",
            "pages",
            rows,
            seen_at=NOW,
            window=Window(NOW - timedelta(days=1), NOW + timedelta(1)),
        )

    return tell


def judged(world, **written):
    condition = conditions.read({"kind": "landing_page", **written})
    return condition.evaluate(world.scene(), Scope(), frozenset())


def test_a_page_fails_since_the_first_look_after_the_last_that_found_it_well(world, looked):
    looked(UNTAGGED, WORKS, UNTAGGED, UNTAGGED, UNTAGGED)
    (page,) = judged(world)
    assert (page.labels, page.result) == (Labels("google_ads", "a", "", URL), Result.TRUE)
    assert (page.said, page.at_risk) == ("Tag missing on page", pytest.approx(12.0))
    assert page.began == NOW - timedelta(minutes=10)


def test_one_that_never_was_well_fails_since_the_first_look(world, looked):
    looked(*[replace(WORKS, failure="status", status=503)] * 4)
    (page,) = judged(world)
    assert (page.said, page.began) == ("Page down: answers 503", NOW - timedelta(minutes=15))


def test_what_is_wrong_with_a_site_is_told_once_though_two_accounts_pay_for_it(world, looked, told):  # noqa: F811
    world.reply("meta_ads", "b", [named("boots", "Boots")])
    world.reply("meta_ads", "b", [Ad("boots", "s", "2", "Set", "Boots", "enabled", "", URL)])
    world.reply("meta_ads", "b", [hour("boots", "2026-11-10T14:00", cost=48)], seen_at=NOW)
    looked(WORKS, UNTAGGED, UNTAGGED)
    (message,) = told([rule(kind="landing_page")])
    # 12 an hour by Google; by Meta 48 in the one hour of the last day.
    assert message.headline == "Tag missing on page · €14.00/h · shop.test/boots, Shop (Google Ads) + 1 more"
    assert [m.text for m in message.members] == [
        "shop.test/boots, Shop (Google Ads) · Tag missing on page · €12.00/h",
        "shop.test/boots, Shop (Ads Manager) · Tag missing on page · €2.00/h",
    ]
    assert dict(message.facts)["Paid for by"] == "Boots, 1 ad, €12.00/h; Boots, 1 ad, €2.00/h"


def test_a_page_is_told_of_though_the_data_of_the_account_that_pays_are_stale(world, looked):
    looked(WORKS, UNTAGGED, UNTAGGED)
    world.scene()
    scene = world.look(NOW + timedelta(minutes=16))
    assert ("google_ads", "a") in scene.stale
    made = rule(kind="landing_page")
    (page,) = judge(scene, [made], {})[made.name].told.values()
    assert (page.labels.account, page.result) == ("a", Result.TRUE)


def test_two_sites_are_two_matters(world, looked, told):  # noqa: F811
    other = "https://www.other.test/boots"
    world.reply(
        "google_ads",
        "a",
        [
            Ad("boots", "g", "1", "Group", "Boots", "enabled", "", URL),
            Ad("boots", "g", "2", "Group", "Boots", "enabled", "", other),
        ],
    )
    looked(*(replace(UNTAGGED, url=url) for url in (URL, other, URL, other)))
    messages = told([rule(kind="landing_page")])
    assert sorted(m.headline.split(" · ")[2].split("/")[0] for m in messages) == ["other.test", "shop.test"]


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.test/boots",
        "https://www.shop.test/a",
        "https://shop.test:443/boots",
        "https://Shop.test/",
        "https://me:secret@shop.test/boots",
    ],
)
def test_a_site_is_its_host_however_its_address_is_written(url):
    assert conditions.read({"kind": "landing_page"}).site(Labels("google_ads", "a", "", url)) == "shop.test"


def test_a_login_in_an_address_is_not_told(world, looked, told):  # noqa: F811
    url = URL.replace("https://", "https://me:secret@")
    world.reply("google_ads", "a", [Ad("boots", "g", "1", "Group", "Boots", "enabled", "", url)])
    looked(*[replace(UNTAGGED, url=url)] * 2)
    (message,) = told([rule(kind="landing_page")])
    assert message.headline == "Tag missing on page · €12.00/h · shop.test/boots, Shop (Google Ads)"


def test_the_message_names_the_page_and_which_of_the_accounts_of_one_name_pays(world, looked, told):  # noqa: F811
    looked(WORKS, UNTAGGED, UNTAGGED)
    (message,) = told([rule(kind="landing_page")])
    assert message.headline == "Tag missing on page · €12.00/h · shop.test/boots, Shop (Google Ads)"
    facts = dict(message.facts)
    # How many looks failed is no figure that anybody asks for: what was found is.
    assert list(facts) == ["Since", "Found", "Paid for by", "What to do"]
    assert facts["Since"] == "Tue 14:55 (6 min), noticed 15:00"  # it goes out half a minute after
    assert facts["Found"] == "the tag GTM-1 is not in the page"
    assert facts["Paid for by"] == "Boots, 1 ad, €12.00/h"
