"""Brings a whole sandbox up: its world, every server, and the one line by which programs find them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import channels, fx, ga4, google_ads, http, meta, oidc, sites, tls, truth
from sandbox.clock import SandboxClock
from sandbox.credentials import Credentials
from sandbox.ga4_sites import properties
from sandbox.oauth import Tokens
from sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.incidents import IncidentBook

__all__ = ["Options", "Sandbox", "begin_demo", "running"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a sandbox is like. port_base: the first of fourteen ports in a row, or 0 for any free ones."""

    seed: int = 1
    accounts: int = 6
    campaigns: int = 8
    days: int = 60
    now: datetime | None = None
    frozen: bool = False
    source_lag: timedelta = timedelta(minutes=20)
    rate_limits: bool = False
    demo: bool = False
    port_base: int = 0


@dataclass(slots=True)
class Sandbox:
    """A sandbox that is up. announcement: what `python -m sandbox up` prints."""

    world: World
    clock: SandboxClock
    credentials: Credentials
    announcement: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def running(options: Options) -> Iterator[Sandbox]:
    """A sandbox for as long as the block lasts. Raises OSError when a port is taken."""
    with contextlib.ExitStack() as undo:
        folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-")))
        clock = SandboxClock(options.now, frozen=options.frozen)
        world = World(
            options.seed,
            accounts=options.accounts,
            campaigns=options.campaigns,
            days=options.days,
            clock=clock,
        )
        world.source_lag = options.source_lag
        if options.demo:
            begin_demo(world)
        certificate = tls.issue(folder, world.hosts())
        credentials = Credentials.derive(options.seed, folder)
        port = _ports(options.port_base)
        control_port = next(port)
        tokens = Tokens(credentials.google)
        google = google_ads.serve(
            world,
            tls=certificate,
            tokens=tokens,
            rate_limits=options.rate_limits,
            port=next(port),
            rest_port=next(port),
        )
        undo.callback(google.stop)
        credentials.google.write_service_account_file(google.oauth_token_url)
        graph = meta.serve(
            world,
            tls=certificate,
            credentials=credentials,
            rate_limits=options.rate_limits,
            port=next(port),
        )
        undo.callback(graph.stop)
        bank = http.start(fx.app(clock, seed=options.seed), port=next(port), name="fx")
        undo.callback(bank.stop)
        shops = http.start(sites.app(world, clock), tls=certificate, port=next(port), name="sites")
        undo.callback(shops.stop)
        heard = undo.enter_context(
            channels.running(
                tls=certificate,
                credentials=credentials,
                clock=clock.now,
                rate_limits=options.rate_limits,
                ports=port,
            )
        )
        # Plain: the app's client of it trusts the machine's authorities alone.
        login = http.start(oidc.app(credentials.oidc), port=next(port), name="oidc")
        undo.callback(login.stop)
        analytics = ga4.serve(
            world,
            tls=certificate,
            tokens=tokens,
            rate_limits=options.rate_limits,
            port=next(port),
            rest_port=next(port),
        )
        undo.callback(analytics.stop)
        control = http.start(truth.app(world, clock, heard.routes()), port=control_port, name="truth")
        undo.callback(control.stop)
        sandbox = Sandbox(world, clock, credentials)
        sandbox.announcement = {
            "pid": os.getpid(),
            "seed": options.seed,
            "google_ads": google.endpoint,
            "google_ads_rest": google.rest_url,
            "oauth_token_url": google.oauth_token_url,
            "meta": graph.url,
            "ga4": analytics.endpoint,
            "ga4_rest": analytics.rest,
            "fx": bank.url,
            "sites": shops.url,
            **heard.announcement(),
            "oidc": login.url,
            "truth": control.url,
            "ca_file": str(certificate.ca_file),
            "credentials": {**_keys(world, credentials), **heard.keys()},
            "accounts": [
                {
                    "platform": a.platform,
                    "id": str(a.id),
                    "name": a.name,
                    "currency": a.currency,
                    "timezone": a.timezone.key,
                }
                for platform in ("google_ads", "meta")
                for a in world.advertisers(platform, at=clock.now())
                if not a.manager
            ],
            "properties": [
                {"platform": "ga4", "id": str(p.id), "name": p.name, "timezone": p.timezone.key}
                for p in properties(world)
            ],
        }
        yield sandbox


def _ports(base: int) -> Iterator[int]:
    n = 0
    while True:
        yield base + n if base else 0
        n += 1


def _keys(world: World, credentials: Credentials) -> dict[str, dict[str, str]]:
    google, meta_app = credentials.google, credentials.meta
    root = next(a for a in world.advertisers("google_ads", at=world.clock.now()) if a.manager)
    return {
        "google": {
            "client_id": google.client_id,
            "client_secret": google.client_secret,
            "refresh_token": google.refresh_token,
            "login_customer_id": str(root.id),
            "service_account_file": str(google.service_account_file),
        },
        "oidc": {"client_id": credentials.oidc.client_id, "client_secret": credentials.oidc.client_secret},
        "meta": {
            "app_id": meta_app.app_id,
            "app_secret": meta_app.app_secret,
            "access_token": meta_app.access_token,
        },
    }


def begin_demo(world: World) -> None:
    """Three incidents that have been under way for some hours, one an account where there are enough."""
    book: IncidentBook = world.incidents
    now = world.clock.now()
    accounts = [a for p in ("google_ads", "meta") for a in world.advertisers(p, at=now) if not a.manager]
    stories = (("tracking_outage", 4.0), ("budget_runaway", 3.0), ("cpc_spike", 6.0))
    order = (accounts[0], accounts[-1], accounts[len(accounts) // 2])
    for (name, hours), account in zip(stories, order, strict=True):
        whole = name == "tracking_outage"
        book.start(
            name,
            at=now - timedelta(hours=hours),
            lasts=timedelta(hours=24),
            advertiser=account.id,
            campaign=None if whole else world.campaigns(account.id, at=now)[0].id,
        )
