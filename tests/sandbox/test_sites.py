"""The advertisers' sites show an incident as a visitor would meet it."""

import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sandbox import http, sites, tls
from sandbox.clock import SandboxClock
from sandbox.world import World

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def site(tmp_path):
    clock = SandboxClock(AT, frozen=True)
    world = World(1, accounts=2, campaigns=4, days=3, clock=clock)
    certificate = tls.issue(tmp_path, world.hosts())
    with http.start(sites.app(world, clock), tls=certificate) as server:
        port = httpx.URL(server.url).port

        def get(url):
            where = httpx.URL(url)
            context = ssl.create_default_context(cafile=certificate.ca_file)
            with httpx.Client(verify=context, trust_env=False, timeout=10) as client:
                return client.get(
                    where.copy_with(host="127.0.0.1", port=port),
                    headers={"Host": where.host},
                    extensions={"sni_hostname": where.host},
                )

        yield world, get


def start(world, name, **options):
    advertiser = world.advertisers("meta", at=AT)[0]
    world.incidents.start(name, at=AT - timedelta(hours=1), advertiser=advertiser.id, options=options)
    return world.ads(advertiser.id, at=AT)[0].final_url


def test_a_sound_page_holds_its_tag(site):
    world, get = site
    advertiser = world.advertisers("meta", at=AT)[0]
    page = get(world.ads(advertiser.id, at=AT)[0].final_url)
    assert page.status_code == 200
    assert sites.TAG in page.text


@pytest.mark.parametrize(
    ("incident", "options", "status", "tagged"),
    [
        ("landing_page_down", {}, 500, False),
        ("landing_page_down", {"how": "redirect"}, 302, False),
        ("tracking_outage", {}, 200, False),
    ],
)
def test_an_incident_is_seen(site, incident, options, status, tagged):
    world, get = site
    page = get(start(world, incident, **options))
    assert page.status_code == status
    assert (sites.TAG in page.text) is tagged


def test_a_slow_page_comes_late(site, monkeypatch):
    monkeypatch.setattr(sites, "SLOW_SECONDS", 0.4)
    world, get = site
    page = get(start(world, "landing_page_down", how="slow"))
    assert page.status_code == 200
    assert page.elapsed.total_seconds() > 0.4


def test_other_names_are_nobodys(site):
    _, get = site
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        get("https://www.elsewhere.example/")
