"""Landing pages: what a probe may ask, and what it finds over real connections to the sandbox's sites."""

import asyncio
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from connectors import _page_guard as guard
from connectors import _page_probe as probe
from connectors.contract import Account, Window
from connectors.errors import Unavailable, Unexpected
from connectors.landing_pages import LandingPages, LandingPagesSettings, page_of
from sandbox import http, sites, tls
from sandbox.clock import SandboxClock
from sandbox.world import World

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
PAGES = Account("landing_pages", "pages", "Landing pages", "", ZoneInfo("UTC"))

FORBIDDEN = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://127.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fd00::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[ff0e::1]/",
    "http://[2001:db8::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://93.184.216.34:22/",
    "http://93.184.216.34:8080/",
    "http://user:secret@93.184.216.34/",
    "http://user@93.184.216.34/",
    "file:///etc/passwd",
    "gopher://93.184.216.34/",
    "ftp://93.184.216.34/",
    "javascript:alert(1)",
    "//93.184.216.34/",
    "http:///nowhere",
    "http://93.184.216.34:99999/",
]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_what_is_not_the_public_internet_is_not_asked(url):
    with pytest.raises(guard.Blocked):
        guard.locate(url)


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("https://93.184.216.34/", "93.184.216.34", 443),
        ("http://93.184.216.34/a?b=c", "93.184.216.34", 80),
        ("https://[2606:2800:220:1::1]/", "2606:2800:220:1::1", 443),
    ],
)
def test_what_is_public_is_asked(url, address, port):
    assert guard.locate(url) == guard.Place(url.split(":")[0], httpx.URL(url).host, address, port)


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(guard.Blocked, match=r"evil\.example lies at 127\.0\.0\.1"):
        guard.locate("http://evil.example/", resolve=lambda *_: ["93.184.216.34", "127.0.0.1"])


def test_the_address_that_was_checked_is_the_one_that_is_asked():
    """A name that answers with a public address first and a private one afterwards gains nothing."""
    asked: list[str] = []

    def turning(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    place = guard.locate("http://turning.example/", resolve=turning)
    method, url = probe._request("http://turning.example/x", place)
    assert (method, url.host, len(asked)) == ("GET", "93.184.216.34", 1)


def test_a_name_without_an_address_is_said():
    found = asyncio.run(probe.look("http://nowhere.invalid/", probe.Probe(timeout=5), at=AT))
    assert found.failure == "dns"


@pytest.fixture(scope="module")
def local():
    """A web server on this machine, and how to be allowed to it."""

    async def hop(request):
        return RedirectResponse(request.query_params["to"], 302)

    async def endless(request):
        return RedirectResponse(f"/endless?n={int(request.query_params.get('n', 0)) + 1}", 302)

    async def slow(_):
        await asyncio.sleep(2)
        return PlainTextResponse("late")

    async def big(_):
        return PlainTextResponse("x" * (3 * 2**20))

    routes = [Route("/hop", hop), Route("/endless", endless), Route("/slow", slow), Route("/big", big)]
    with http.start(Starlette(routes=routes)) as server:
        yield httpx.URL(server.url).port


def through(local, path, **more):
    how = probe.Probe(**{"timeout": 5, "connect_to": {"front.example": f"127.0.0.1:{local}"}, **more})
    return asyncio.run(probe.look(f"http://front.example{path}", how, at=AT))


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1/",
        "http://localhost:6379/",
        "http://169.254.169.254/latest/",
        "file:///etc/passwd",
        "http://[::1]/",
    ],
)
def test_a_redirect_is_checked_like_the_page_itself(local, to):
    found = through(local, f"/hop?to={to}")
    assert found.failure == "blocked"
    assert found.redirects == 1


def test_redirects_end(local):
    found = through(local, "/endless")
    assert found.failure == "blocked"
    assert "more than 5 times" in found.words


def test_a_page_that_takes_too_long_is_left(local):
    started = time.monotonic()
    found = through(local, "/slow", timeout=0.5)
    assert found.failure == "timeout"
    assert time.monotonic() - started < 1.9


def test_a_page_without_end_is_not_read_to_its_end(local):
    found = through(local, "/big", tag="nothing")
    assert (found.status, found.tagged) == (200, False)


def test_one_request_a_host_at_a_time():
    running, most, by_host = 0, 0, {}

    async def ask(request):
        nonlocal running, most
        host = request.url.hostname
        by_host[host] = by_host.get(host, 0) + 1
        assert by_host[host] == 1
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        by_host[host] -= 1
        return PlainTextResponse("fine")

    with http.start(Starlette(routes=[Route("/{n}", ask)])) as server:
        to = f"127.0.0.1:{httpx.URL(server.url).port}"
        how = probe.Probe(timeout=5, connect_to={"*.example": to})
        urls = [f"http://{host}.example/{n}" for n in range(4) for host in "abc"]
        found = asyncio.run(probe.pages(urls, how, at=AT, at_once=2))
    assert [check.url for check in found] == urls
    assert {check.failure for check in found} == {""}
    assert most == 2


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """The sandbox's sites over TLS, and a connector's settings that reach them."""
    clock = SandboxClock(AT, frozen=True)
    world = World(1, accounts=2, campaigns=4, days=3, clock=clock)
    certificate = tls.issue(tmp_path_factory.mktemp("tls"), world.hosts())
    with http.start(sites.app(world, clock), tls=certificate) as server:
        yield (
            world,
            {
                "tag": sites.TAG,
                "connect_to": {"*.example": f"127.0.0.1:{httpx.URL(server.url).port}"},
                "ca_file": certificate.ca_file,
                "timeout": 3,
            },
        )


def checked(settings, *urls, now=AT):
    connector = LandingPages(LandingPagesSettings(**{"again": 0, **settings}, ads=list(urls)), now=now)
    (stream,) = connector.streams()
    batches = list(connector.fetch(stream, PAGES, Window(now - timedelta(minutes=5), now)))
    return pa.Table.from_batches(batches).to_pylist()


def test_a_sound_page_is_sound(shops):
    world, settings = shops
    advertiser = world.advertisers("google_ads", at=AT)[-1]
    (found,) = checked(settings, world.ads(advertiser.id, at=AT)[0].final_url + "?utm_source=x&gclid=1")
    assert (found["failure"], found["status"], found["tagged"], found["redirects"]) == ("", 200, True, 0)
    assert 0 < found["first_byte_ms"] <= found["total_ms"]
    assert found["certificate_ends"] > date(2026, 12, 1)
    assert "utm_source" not in found["url"]


@pytest.mark.parametrize(
    ("incident", "how", "failure", "words"),
    [
        ("landing_page_down", "error", "status", "answers with 500"),
        ("landing_page_down", "redirect", "dns", "parked.example has no address"),
        ("landing_page_down", "slow", "timeout", "no complete page within 3 s"),
        ("tracking_outage", None, "tag", f"the tag {sites.TAG} is not in the page"),
    ],
)
def test_each_fault_has_its_word(shops, incident, how, failure, words):
    world, settings = shops
    advertiser = world.advertisers("meta", at=AT)[0]
    begun = world.incidents.start(
        incident, at=AT - timedelta(hours=1), advertiser=advertiser.id, options={"how": how} if how else {}
    )
    settings = {**settings, "connect_to": {"www.*": settings["connect_to"]["*.example"]}}
    try:
        (found,) = checked(settings, world.ads(advertiser.id, at=AT)[0].final_url)
    finally:
        world.incidents.stop(begun.id, at=AT - timedelta(minutes=59))
    assert (found["failure"], words in found["words"]) == (failure, True), found


def test_a_certificate_of_another_name_does_not_hold(shops):
    _, settings = shops
    (found,) = checked(settings, "https://other.example/")
    assert found["failure"] == "certificate"
    assert "not valid for 'other.example'" in found["words"]


def test_a_page_that_leads_off_the_site_is_said(local):
    port = {"front.example": f"127.0.0.1:{local}", "elsewhere.test": f"127.0.0.1:{local}"}
    found = through(local, "/hop?to=http://elsewhere.test/big", connect_to=port)
    assert (found.failure, found.words) == ("redirect", "leads to elsewhere.test")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://shop.example.com/a", "https://www.example.com/b", True),
        ("https://shop.example.co.uk/", "https://example.co.uk/", True),
        ("https://one.co.uk/", "https://two.co.uk/", False),
        ("https://example.com/", "https://example.org/", False),
    ],
)
def test_a_site_is_its_registered_domain(one, other, same):
    assert probe.same_site(one, other) is same


def test_a_past_window_is_not_made_up(shops):
    _, settings = shops
    connector = LandingPages(LandingPagesSettings(**settings), now=AT)
    past = Window(AT - timedelta(days=3), AT - timedelta(days=2))
    assert list(connector.fetch(connector.streams()[0], PAGES, past)) == []


def test_what_failed_is_looked_at_once_more(shops):
    """The look that counts is the last; those that came are left in peace."""
    world, settings = shops
    advertiser = world.advertisers("google_ads", at=AT)[-1]
    url = world.ads(advertiser.id, at=AT)[0].final_url
    settings = {**settings, "again": 1}
    found = checked(settings, url, "https://other.example/")
    assert [(row["url"], AT - row["checked"] - timedelta(seconds=1)) for row in found] == [
        (url, timedelta(seconds=1)),
        ("https://other.example/", timedelta(seconds=1)),
        ("https://other.example/", timedelta(0)),
    ]


def test_without_any_page_it_is_asked_again_soon(shops):
    """The ads, which name the pages, come with the same poll: nobody waits five minutes for the next."""
    _, settings = shops
    with pytest.raises(Unavailable, match="no page is known yet"):
        checked(settings)


def test_check_names_the_page_that_fails(shops):
    _, settings = shops
    with pytest.raises(Unexpected, match=r"https://other\.example/"):
        LandingPages(LandingPagesSettings(**settings, pages=["https://other.example/"]), now=AT).check(PAGES)


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://a.example/x?utm_source=g&id=7#top", "https://a.example/x?id=7"),
        ("https://a.example?gclid=1&FBCLID=2", "https://a.example/"),
        ("https://a.example/x?kw={keyword}&b=", "https://a.example/x?b="),
    ],
)
def test_many_ads_lead_to_one_page(url, page):
    assert page_of(url) == page


def test_only_running_ads_are_asked_for():
    said = []
    answer = LandingPages.inputs(
        lambda sql: said.append(sql) or pa.table({"final_url": ["https://a.example/"]})
    )
    assert answer == {"ads": ["https://a.example/"]}
    assert "campaign.status = 'enabled'" in said[0]
