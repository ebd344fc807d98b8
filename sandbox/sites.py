"""The advertisers' web sites: what a visitor who clicked one of their ads would meet.

Served for every host name of the world; an incident of the world is seen here as a visitor would see it: an
error, a page that takes its time, one that leads somewhere else, one whose tag is gone.
"""

from __future__ import annotations

import asyncio
import html
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from sandbox.clock import SandboxClock
    from sandbox.world import World

__all__ = ["SLOW_SECONDS", "TAG", "app"]

TAG: Final = "GTM-SANDBOX1"
"""The container that every sound page loads."""

SLOW_SECONDS: Final = 6.0

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{tag}
<style>body{{font:18px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
_SCRIPT: Final = f'<script async src="https://www.googletagmanager.com/gtm.js?id={TAG}"></script>'


def app(world: World, clock: SandboxClock) -> Starlette:
    """All of them, told apart by the request's host."""
    hosts = frozenset(world.hosts())

    async def page(request: Request) -> Response:
        host = request.url.hostname or ""
        if host not in hosts:
            return _page("No such site", "Nobody lives at this name.", tagged=False, status=421)
        how = world.page(f"https://{host}{request.url.path}", at=clock.now())
        if how == "error":
            return _page("Something went wrong", "Please come back later.", tagged=False, status=500)
        if how == "redirect":
            return RedirectResponse("https://parked.example/", 302)
        if how == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        name = host.removeprefix("www.").partition(".")[0].replace("-", " ").title()
        return _page(name, "Free delivery on everything you see.", tagged=how != "untagged")

    return Starlette(routes=[Route("/{path:path}", page)])


def _page(title: str, text: str, *, tagged: bool, status: int = 200) -> HTMLResponse:
    body = _PAGE.format(title=html.escape(title), text=html.escape(text), tag=_SCRIPT if tagged else "")
    return HTMLResponse(body, status)
