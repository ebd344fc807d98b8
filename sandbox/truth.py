"""The sandbox's control face: what really happened, what time it is, and what goes wrong.

    GET    /truth?account=&start=[&end=][&by=campaign|ad][&as_of=]    rows by entity and hour
    GET    /accounts                       every account, managers included
    GET    /entities?account=[&at=]        campaigns, ad groups, ads, budgets, actions as set up, advice
    GET    /changes?account=&start=[&end=] who changed what
    GET    /clock      POST /clock         {"now": ISO, "frozen": bool}
    GET    /incidents  POST /incidents     {"name": …, "campaign": …, "at": ISO, "seconds": …, …}
    DELETE /incidents/{id}                 ends one; DELETE /incidents ends all

Plain HTTP on the loopback interface. A refusal is 400 or 404 with {"error": a sentence}.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from sandbox.ga4_sites import properties
from sandbox.incidents import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from sandbox.clock import SandboxClock
    from sandbox.model import Incident
    from sandbox.noise import Ints
    from sandbox.world import World

__all__ = ["app", "truth"]

_HOUR = 3600


def truth(
    world: World, account: int, *, start: datetime, end: datetime, as_of: datetime | None, by_ad: bool
) -> list[dict[str, Any]]:
    """Rows by entity and clock hour that begins in [start, end), in order of entity and hour.

    conversions, conversion_value_micros: of the account's primary actions, by the hour of the click.
    by_action: every action's conversions, by its id. start: when the clock hour begins.
    """
    traffic = world.traffic(account, start=start, end=end, as_of=as_of, by_ad=by_ad)
    found = world.conversions(account, start=start, end=end, as_of=as_of)
    nothing = np.zeros_like(found.campaign)
    ad_group, ad = (found.ad_group, found.ad) if by_ad else (nothing, nothing)
    rows: dict[tuple[int, ...], dict[str, Any]] = {}
    zone = next(a.timezone for a in _everyone(world) if a.id == account)

    def row(key: tuple[int, ...]) -> dict[str, Any]:
        if key not in rows:
            names = dict(zip(("campaign", "ad_group", "ad"), key, strict=False))
            if not by_ad:
                del names["ad_group"], names["ad"]
            rows[key] = {
                **names,
                "start": _begins(key[3], zone).isoformat(),
                "impressions": 0,
                "clicks": 0,
                "cost_micros": 0,
                "conversions": 0.0,
                "conversion_value_micros": 0,
                "by_action": {},
            }
        return rows[key]

    for *key, impressions, clicks, cost in _records(
        traffic.campaign, traffic.ad_group, traffic.ad, traffic.hour, traffic.impressions, traffic.clicks,
        traffic.cost_micros,
    ):  # fmt: skip
        row(tuple(key)).update(impressions=impressions, clicks=clicks, cost_micros=cost)
    primary = {a.id for a in world.conversion_actions(account) if a.primary}
    credit = np.rint(found.quantity * 1e6).astype(np.int64)
    for *key, action, millionths, value in _records(
        found.campaign, ad_group, ad, found.click_hour, found.action, credit, found.value_micros
    ):
        at = row(tuple(key))
        by_action = at["by_action"]
        by_action[str(action)] = round(by_action.get(str(action), 0) + millionths / 1e6, 6)
        if action in primary:
            at["conversions"] = round(at["conversions"] + millionths / 1e6, 6)
            at["conversion_value_micros"] += value
    return [rows[key] for key in sorted(rows)]


def _records(*columns: Ints) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _begins(hour: int, zone: ZoneInfo) -> datetime:
    """When the clock hour `hour` of Traffic begins."""
    at = datetime.fromtimestamp(hour * _HOUR, UTC)
    return at - timedelta(minutes=at.astimezone(zone).minute)


def _everyone(world: World) -> list[Any]:
    at = world.clock.now()
    return [*world.advertisers("google_ads", at=at), *world.advertisers("meta", at=at)]


def app(world: World, clock: SandboxClock, more: Sequence[Route] = ()) -> Starlette:
    """The control face of a world whose time is `clock`. more: what other servers add to it."""
    face = _Face(world, clock)
    return Starlette(
        routes=[
            Route("/truth", face.truth),
            Route("/accounts", face.accounts),
            Route("/entities", face.entities),
            Route("/changes", face.changes),
            Route("/clock", face.clock, methods=["GET", "POST"]),
            Route("/incidents", face.incidents, methods=["GET", "POST", "DELETE"]),
            Route("/incidents/{id:int}", face.incident, methods=["DELETE"]),
            *more,
        ],
        exception_handlers={HTTPException: _refused},
    )


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001 (Starlette's signature)
    assert isinstance(error, HTTPException)
    return _json({"error": error.detail}, error.status_code)


class _Face:
    def __init__(self, world: World, clock: SandboxClock) -> None:
        self._world = world
        self._clock = clock

    async def truth(self, request: Request) -> Response:
        asked = request.query_params
        by = asked.get("by", "campaign")
        if by not in ("campaign", "ad"):
            raise HTTPException(400, f"by is campaign or ad, got {by!r}")
        account, start, end = self._span(asked)
        as_of = _moment(asked, "as_of") if "as_of" in asked else None

        def answer() -> Response:
            rows = truth(self._world, account, start=start, end=end, as_of=as_of, by_ad=by == "ad")
            return _json({"account": account, "rows": rows})

        return await run_in_threadpool(answer)

    async def accounts(self, request: Request) -> Response:  # noqa: ARG002 (a route's signature)
        return _json({"accounts": _everyone(self._world)})

    async def entities(self, request: Request) -> Response:
        account = self._account(request.query_params)
        at = _moment(request.query_params, "at") if "at" in request.query_params else self._clock.now()
        world = self._world
        return _json(
            {
                "campaigns": world.campaigns(account, at=at),
                "ad_groups": world.ad_groups(account, at=at),
                "ads": world.ads(account, at=at),
                "budgets": world.budgets(account, at=at),
                "conversion_actions": world.conversion_actions(account),
                "experiments": world.experiments(account, at=at),
                "recommendations": world.recommendations(account, at=at),
            }
        )

    async def changes(self, request: Request) -> Response:
        account, start, end = self._span(request.query_params)
        return _json({"changes": self._world.changes(account, start=start, end=end)})

    async def clock(self, request: Request) -> Response:
        if request.method == "POST":
            body = await _body(request)
            now = _moment(body, "now") if "now" in body else self._clock.now()
            self._clock.set(now, frozen=bool(body.get("frozen", False)))
        return _json({"now": self._clock.now(), "frozen": self._clock.frozen})

    async def incidents(self, request: Request) -> Response:
        book = self._world.incidents
        now = self._clock.now()
        if request.method == "POST":
            return _json(self._described(self._begin(await _body(request), now), now), 201)
        if request.method == "DELETE":
            return _json(
                {"incidents": [self._described(book.stop(i.id, at=now), now) for i in book.active(now)]}
            )
        return _json({"incidents": [self._described(i, now) for i in book.all()]})

    async def incident(self, request: Request) -> Response:
        now, id_ = self._clock.now(), int(request.path_params["id"])
        try:
            ended = self._world.incidents.stop(id_, at=now)
        except KeyError as error:
            raise HTTPException(404, f"there is no incident {id_}") from error
        return _json(self._described(ended, now))

    def _begin(self, body: Mapping[str, Any], now: datetime) -> Incident:
        known = {"name", "at", "seconds", "platform", "account", "campaign", "size", "url", "how"}
        if unknown := set(body) - known:
            raise HTTPException(
                400, f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
            )
        if body.get("platform") not in (None, "google_ads", "meta", "ga4"):
            raise HTTPException(400, f"platform is google_ads, meta or ga4, got {body['platform']!r}")
        if body.get("how") not in (None, "error", "slow", "redirect"):
            raise HTTPException(400, f"how is error, slow or redirect, got {body['how']!r}")
        account, campaign = body.get("account"), body.get("campaign")
        if campaign is not None:
            owner = self._owner(int(campaign))
            if account is not None and int(account) != owner:
                raise HTTPException(400, f"campaign {campaign} is in account {owner}, not {account}")
            account = owner
        elif account is not None:
            self._account({"account": account}, sites=True)
        try:
            return self._world.incidents.start(
                str(body.get("name")),
                at=_moment(body, "at") if "at" in body else now,
                lasts=timedelta(seconds=float(body["seconds"])) if "seconds" in body else None,
                platform=body.get("platform"),
                advertiser=None if account is None else int(account),
                campaign=None if campaign is None else int(campaign),
                size=None if body.get("size") is None else float(body["size"]),
                options={key: str(body[key]) for key in ("url", "how") if body.get(key)},
            )
        except ValueError as error:
            raise HTTPException(400, str(error)) from error

    def _described(self, incident: Incident, now: datetime) -> dict[str, Any]:
        under_way = incident.at <= now and (incident.until is None or now < incident.until)
        return {**_plain(incident), "active": under_way, "sentence": KINDS[incident.name].sentence}

    def _owner(self, campaign: int) -> int:
        for account in _everyone(self._world):
            if any(c.id == campaign for c in self._world.campaigns(account.id, at=self._clock.now())):
                return int(account.id)
        raise HTTPException(404, f"there is no campaign {campaign}")

    def _account(self, asked: Mapping[str, Any], *, sites: bool = False) -> int:
        text = str(asked.get("account", "")).removeprefix("act_").replace("-", "")
        known = {a.id for a in _everyone(self._world)}
        if sites:
            known |= {p.id for p in properties(self._world)}
        if text.isdigit() and int(text) in known:
            return int(text)
        raise HTTPException(404, f"there is no account {asked.get('account')!r}; see /accounts")

    def _span(self, asked: Mapping[str, Any]) -> tuple[int, datetime, datetime]:
        account, start = self._account(asked), _moment(asked, "start")
        return account, start, _moment(asked, "end") if "end" in asked else self._clock.now()


def _moment(asked: Mapping[str, Any], name: str) -> datetime:
    """A moment with its offset; a plus sign that arrived as a blank is put back."""
    text = str(asked.get(name))
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise HTTPException(400, f"{name} is a moment such as 2026-11-24T09:00:00Z") from error
    if moment.tzinfo is None:
        raise HTTPException(400, f"{name} needs its offset from UTC, such as 2026-11-24T09:00:00Z")
    return moment.astimezone(UTC)


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is a JSON object")
    return body


def _plain(value: Any) -> Any:
    """`value` with dataclasses as objects, and moments and zones as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, ZoneInfo):
        return value.key
    raise TypeError(f"cannot be written as JSON: {value!r}")


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, default=_plain), status, media_type="application/json")
