"""The pages that running ads lead to: can a visitor who has just been paid for do anything there?

Each page is asked for like a visitor's browser would, once a poll, one request a host at a time. Which pages
is known from the ads themselves; pages that no ad of the installation leads to may be listed beside them.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import certifi
from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Account, Connector, Window, stream
from connectors.errors import Unavailable, Unexpected
from connectors.schema import Batch
from connectors.web_rows import PageCheck

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LandingPages", "LandingPagesSettings", "page_of"]

_RUNNING: Final = """
    SELECT DISTINCT ad.final_url FROM ad
    JOIN campaign USING (source, account, campaign)
    WHERE ad.status = 'enabled' AND campaign.status = 'enabled' AND ad.final_url <> ''
    ORDER BY 1
"""
_CLICK_IDS: Final = frozenset({"gclid", "gbraid", "wbraid", "dclid", "fbclid", "msclkid", "ttclid"})


class LandingPagesSettings(BaseModel):
    """How to look, and at which pages beside those of the ads.

    tag: a text that every page must hold, such as the id of the tag manager's container ("GTM-…").
    pages: more URLs. allow: host names that may lie at private addresses (`*` matches).
    connect_to: "host pattern": "address:port" to connect to instead, for a staging server.
    again: seconds after which a page that failed is looked at once more, in the same poll; 0: not at all.
    most: pages a poll looks at; those beyond are left out, and said to be.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: str = ""
    pages: list[str] = Field(default_factory=list)
    timeout: float = Field(default=15, gt=0, le=60)
    at_once: int = Field(default=8, ge=1, le=64)
    again: float = Field(default=10, ge=0, le=30)
    most: int = Field(default=500, ge=1)
    allow: list[str] = Field(default_factory=list)
    connect_to: dict[str, str] = Field(default_factory=dict)
    ca_file: Path | None = None
    ads: list[str] = Field(
        default_factory=list, description="URLs of running ads: filled in before each poll."
    )


class LandingPages(Connector):
    """The team's pages as a source: one account, which spends nothing."""

    name: ClassVar[str] = "landing_pages"
    title: ClassVar[str] = "Landing pages"
    Settings: ClassVar[type[BaseModel]] = LandingPagesSettings
    settings: LandingPagesSettings

    @classmethod
    def inputs(cls, query: Callable[[str], pa.Table]) -> dict[str, Any]:
        """The URLs of the ads that run."""
        return {"ads": query(_RUNNING)["final_url"].to_pylist()}

    def accounts(self) -> Iterator[Account]:
        """All pages together."""
        yield Account("landing_pages", "pages", "Landing pages", "", ZoneInfo("UTC"))

    def check(self, account: Account) -> None:
        """Look at the first page. Raises Unexpected where it fails."""
        del account
        for found in self._look(self.urls()[:1], self.now):
            if found.failure:
                raise Unexpected(f"{found.url} {found.words}", mend="see whether the page works in a browser")

    def urls(self) -> list[str]:
        """The pages to look at, each once, however many ads lead there."""
        found = dict.fromkeys(page_of(url) for url in (*self.settings.pages, *self.settings.ads))
        return list(found)[: self.settings.most]

    @stream(PageCheck, every=timedelta(minutes=5), past=False)
    def checks(self, account: Account, window: Window) -> Iterator[Batch]:
        """A look at every page, now. A page's past cannot be asked: windows before the present are empty."""
        del account
        if window.end >= self.now - timedelta(hours=1):
            # A window does not hold its end: the look is put down a second before it.
            at = min(self.now, window.end - timedelta(seconds=1))
            urls = self.urls()
            if not urls:
                raise Unavailable(
                    "no page is known yet: the ads name them, and come with their own poll",
                    mend="without sources of ads, list the pages under sources.landing_pages.pages",
                )
            found = self._look(urls, at)
            failed = [one.url for one in found if one.failure and one.failure != "blocked"]
            if failed and self.settings.again:
                # What failed twice within a poll is no hiccup: nobody need wait for the next poll to know.
                time.sleep(self.settings.again)
                found = [replace(one, checked=at - timedelta(seconds=self.settings.again)) for one in found]
                found += self._look(failed, at)
            yield found

    def _look(self, urls: list[str], at: datetime) -> list[PageCheck]:
        from connectors import _page_probe as probe  # noqa: PLC0415  # a settings check needs no HTTP client

        context = ssl.create_default_context(cafile=str(self.settings.ca_file or certifi.where()))
        how = probe.Probe(
            timeout=self.settings.timeout,
            tag=self.settings.tag,
            allowed=tuple(self.settings.allow),
            connect_to=self.settings.connect_to,
            verify=context,
        )
        self.usage.operations += len(urls)
        return asyncio.run(probe.pages(urls, how, at=at, at_once=self.settings.at_once))


def page_of(url: str) -> str:
    """The page that an ad's URL leads to: without campaign parameters, click ids, macros and fragment."""
    parts = urlsplit(url.strip())
    kept = [
        (key, value)
        for key, value in parse_qsl(parts.query, keep_blank_values=True)
        if not key.lower().startswith("utm_") and key.lower() not in _CLICK_IDS and "{" not in value
    ]
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", urlencode(kept), ""))
