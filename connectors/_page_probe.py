"""One polite look at a page: follow its redirects, time it, read its certificate's end, find its tag."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from time import monotonic
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx

from connectors._page_guard import Blocked, NoSuchHost, Place, Resolver, locate
from connectors.web_rows import PageCheck

__all__ = ["Probe", "look", "pages", "same_site"]

_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_LARGEST: Final = 2**20
_HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (compatible; Paceline landing-page check)",
    "Accept": "text/html,application/xhtml+xml,*/*;q=0.5",
}
_SECOND_LEVEL: Final = frozenset({"ac", "co", "com", "edu", "gov", "net", "org"})


@dataclass(frozen=True)
class Probe:
    """How to look. timeout: seconds for a whole page, redirects included.

    tag: a text that every page must hold. allowed: hosts that may be private (see `locate`). connect_to:
    host pattern -> "address:port" to connect to instead, for a staging server.
    """

    timeout: float = 15
    redirects: int = 5
    tag: str = ""
    allowed: Sequence[str] = ()
    connect_to: Mapping[str, str] = field(default_factory=dict)
    verify: ssl.SSLContext | bool = True
    resolve: Resolver | None = None


@dataclass(slots=True)
class _Seen:
    final_url: str
    redirects: int = 0
    status: int | None = None
    first_byte_ms: int | None = None
    total_ms: int | None = None
    certificate_ends: date | None = None
    tagged: bool | None = None


async def pages(urls: Iterable[str], probe: Probe, *, at: datetime, at_once: int) -> list[PageCheck]:
    """A look at each URL, in their order; one request a host at a time, so many hosts at once."""
    hosts: dict[str, asyncio.Lock] = {}
    room = asyncio.Semaphore(at_once)

    async def turn(url: str) -> PageCheck:
        async with hosts.setdefault(urlsplit(url).hostname or "", asyncio.Lock()), room:
            return await look(url, probe, at=at)

    return list(await asyncio.gather(*(turn(url) for url in urls)))


async def look(url: str, probe: Probe, *, at: datetime) -> PageCheck:
    """What a visitor of the URL would have met; never raises for what the page does."""
    seen = _Seen(url)
    failure, words = "", ""
    try:
        async with asyncio.timeout(probe.timeout):
            await _follow(url, probe, seen)
        if seen.status is not None and not 200 <= seen.status < 300:
            failure, words = "status", f"answers with {seen.status}"
        elif not same_site(url, seen.final_url):
            failure, words = "redirect", f"leads to {urlsplit(seen.final_url).hostname}"
        elif seen.tagged is False:
            failure, words = "tag", f"the tag {probe.tag} is not in the page"
    except Blocked as error:
        failure, words = "blocked", f"was not asked: {error}"
    except NoSuchHost as error:
        failure, words = "dns", str(error)
    except (TimeoutError, httpx.TimeoutException):
        failure, words = "timeout", f"no complete page within {probe.timeout:.0f} s"
    except httpx.TransportError as error:
        failure, words = _transport(error)
    except httpx.HTTPError as error:
        failure, words = "connect", f"the answer cannot be read: {error}"
    return PageCheck(
        url,
        at,
        failure,
        words,
        seen.final_url,
        seen.redirects,
        seen.status,
        seen.first_byte_ms,
        seen.total_ms,
        seen.certificate_ends,
        seen.tagged,
    )


def same_site(one: str, other: str) -> bool:
    """Whether two URLs are of one registered domain, by the usual shape of names: shop.example.co.uk."""
    return _site(one) == _site(other)


def _site(url: str) -> str:
    labels = (urlsplit(url).hostname or "").rstrip(".").lower().split(".")
    wide = len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2
    return ".".join(labels[-3:] if wide else labels[-2:])


def _transport(error: httpx.TransportError) -> tuple[str, str]:
    text = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower():
        return "certificate", f"its certificate does not hold: {text.partition(': ')[2] or text}"
    return "connect", f"no connection: {text}"


async def _follow(url: str, probe: Probe, seen: _Seen) -> None:
    started = monotonic()
    while True:
        place = await _place(url, probe)
        async with _client(probe) as client, client.stream(*_request(url, place), **_options(place)) as reply:
            seen.final_url, seen.status = url, reply.status_code
            seen.certificate_ends = _ends(reply) or seen.certificate_ends
            where = reply.headers.get("location")
            if reply.status_code in _MOVED and where:
                if seen.redirects >= probe.redirects:
                    raise Blocked(f"it redirects more than {probe.redirects} times")
                seen.redirects += 1
                url = urljoin(url, where)
                continue
            seen.first_byte_ms = round((monotonic() - started) * 1000)
            body = b""
            async for part in reply.aiter_bytes():
                body += part
                if len(body) >= _LARGEST:
                    break
            seen.total_ms = round((monotonic() - started) * 1000)
            if probe.tag and 200 <= reply.status_code < 300:
                seen.tagged = probe.tag.encode() in body
            return


async def _place(url: str, probe: Probe) -> Place:
    host = (urlsplit(url).hostname or "").lower()
    for pattern, instead in probe.connect_to.items():
        if fnmatchcase(host, pattern):
            address, _, port = instead.rpartition(":")
            place = locate(url, allowed=(pattern,), resolve=lambda *_, to=address: (to,))
            return replace(place, port=int(port))
    return await asyncio.to_thread(locate, url, allowed=probe.allowed, resolve=probe.resolve)


def _client(probe: Probe) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=probe.verify,
        follow_redirects=False,
        timeout=probe.timeout,
        headers=_HEADERS,
        trust_env=False,  # through a proxy, the address that was checked is not the one that is asked
    )


def _request(url: str, place: Place) -> tuple[str, httpx.URL]:
    """The URL with the address in its host's place: what was checked is what is connected to."""
    return "GET", httpx.URL(url).copy_with(host=place.address, port=place.port)


def _options(place: Place) -> dict[str, Any]:
    usual = {"http": 80, "https": 443}[place.scheme]
    host = f"[{place.host}]" if ":" in place.host else place.host
    named = host if place.port in (usual, 80, 443) else f"{host}:{place.port}"
    return {"headers": {"Host": named}, "extensions": {"sni_hostname": place.host}}


def _ends(reply: httpx.Response) -> date | None:
    stream = reply.extensions.get("network_stream")
    secured = stream.get_extra_info("ssl_object") if stream is not None else None
    certificate = secured.getpeercert() if secured is not None else None
    ends = (certificate or {}).get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC).date() if ends else None
