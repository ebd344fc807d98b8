"""The control face over real HTTP: truth, entities, clock, incidents, and what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest
import requests

from sandbox import http, truth
from sandbox.clock import SandboxClock
from sandbox.world import World
from tests.sandbox.world_kit import DAY, HOUR, NOW, accounts, totals


@pytest.fixture(scope="module")
def face():
    clock = SandboxClock(NOW, frozen=True)
    world = World(7, days=20, clock=clock)
    with http.start(truth.app(world, clock), name="truth") as server:
        yield world, server.url


@pytest.fixture(autouse=True)
def _as_it_was(face):
    world, _ = face
    yield
    world.clock.set(NOW, frozen=True)
    for incident in world.incidents.all():
        world.incidents.stop(incident.id, at=incident.at)


def get(url, path, **params):
    reply = requests.get(url + path, params=params, timeout=10)
    return reply.status_code, reply.json()


@pytest.mark.parametrize("by", ["campaign", "ad"])
@pytest.mark.parametrize("position", [0, 1, 5])
def test_the_truth_adds_up_to_the_world(face, by, position):
    world, url = face
    account = accounts(world)[position]
    span = {"start": NOW - 2 * DAY, "end": NOW - DAY}
    asked = {name: at.isoformat() for name, at in span.items()}
    status, body = get(url, "/truth", account=account.id, by=by, **asked)
    assert status == 200
    sums = [sum(r[k] for r in body["rows"]) for k in ("impressions", "clicks", "cost_micros")]
    assert tuple(sums) == totals(world.traffic(account.id, **span, as_of=None))
    found = world.conversions(account.id, **span, as_of=None)
    primary = {a.id for a in world.conversion_actions(account.id) if a.primary}
    counted = [(q, v) for a, q, v in zip(found.action.tolist(), found.quantity.tolist(), found.value_micros.tolist(), strict=True) if a in primary]  # fmt: skip
    assert sum(r["conversions"] for r in body["rows"]) == pytest.approx(sum(q for q, _ in counted), abs=1e-6)
    assert sum(r["conversion_value_micros"] for r in body["rows"]) == sum(v for _, v in counted)
    for row in body["rows"]:
        begins = datetime.fromisoformat(row["start"])
        assert span["start"] <= begins < span["end"]
        assert begins.astimezone(account.timezone).minute == 0
        assert ("ad" in row) == (by == "ad")


def test_as_of_shows_what_was_known_then(face):
    world, url = face
    account = accounts(world)[0].id
    asked = {"account": account, "start": (NOW - 6 * HOUR).isoformat(), "end": NOW.isoformat()}
    final = get(url, "/truth", **asked)[1]["rows"]
    early = get(url, "/truth", **asked, as_of=NOW.isoformat())[1]["rows"]
    assert sum(r["conversions"] for r in early) < sum(r["conversions"] for r in final)
    assert max(r["start"] for r in early) <= max(r["start"] for r in final)


def test_an_account_may_be_written_as_its_platform_writes_it(face):
    world, url = face
    google, meta = accounts(world)[:2]
    dashed = f"{str(google.id)[:3]}-{str(google.id)[3:6]}-{str(google.id)[6:]}"
    start = (NOW - HOUR).isoformat()
    assert get(url, "/truth", account=dashed, start=start)[0] == 200
    assert get(url, "/truth", account=f"act_{meta.id}", start=start)[0] == 200
    # A plus sign that nobody escaped arrives as a blank.
    raw = f"{url}/truth?account={meta.id}&start={start}"
    assert requests.get(raw, timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("path", "params", "status", "words"),
    [
        ("/truth", {"account": "5", "start": "2026-11-20T00:00:00Z"}, 404, "there is no account '5'"),
        ("/truth", {"start": "2026-11-20T00:00:00Z"}, 404, "there is no account None"),
        ("/truth", {"account": "GOOGLE"}, 400, "start is a moment such as"),
        ("/truth", {"account": "GOOGLE", "start": "yesterday"}, 400, "start is a moment such as"),
        ("/truth", {"account": "GOOGLE", "start": "2026-11-20T00:00:00"}, 400, "needs its offset"),
        ("/truth", {"account": "GOOGLE", "start": "2026-11-20T00:00:00Z", "by": "ad_group"}, 400, "by is"),
    ],
)
def test_what_it_cannot_answer_it_says_so(face, path, params, status, words):
    world, url = face
    if params.get("account") == "GOOGLE":
        params = {**params, "account": accounts(world)[0].id}
    got, body = get(url, path, **params)
    assert got == status
    assert words in body["error"]


def test_accounts_and_entities_are_listed(face):
    world, url = face
    listed = get(url, "/accounts")[1]["accounts"]
    assert len(listed) == 8
    assert sum(a["manager"] for a in listed) == 2
    assert {a["timezone"] for a in listed} >= {"Asia/Kolkata", "America/New_York"}
    account = accounts(world)[0].id
    entities = get(url, "/entities", account=account)[1]
    assert len(entities["campaigns"]) == 8
    assert entities["campaigns"][0]["name"] == "DE | Search | Brand | Exact"
    assert {b["period"] for b in entities["budgets"]} == {"DAILY", "TOTAL"}
    changes = get(url, "/changes", account=account, start=(NOW - 60 * DAY).isoformat())[1]["changes"]
    assert len(changes) == len(world.changes(account, start=NOW - 60 * DAY, end=NOW))


def test_the_clock_can_be_set_and_runs_on(face):
    world, url = face
    moment = NOW + 3 * DAY
    told = requests.post(url + "/clock", json={"now": moment.isoformat(), "frozen": True}, timeout=10).json()
    assert datetime.fromisoformat(told["now"]) == moment
    assert world.clock.now() == world.clock.now() == moment
    told = requests.post(url + "/clock", json={"now": moment.isoformat()}, timeout=10).json()
    assert not told["frozen"]
    assert moment < world.clock.now() < moment + timedelta(seconds=20)
    assert get(url, "/clock")[1]["frozen"] is False
    bad = requests.post(url + "/clock", data="{", timeout=10)
    assert (bad.status_code, "not JSON" in bad.json()["error"]) == (400, True)


def test_an_incident_is_started_seen_and_stopped(face):
    world, url = face
    account = accounts(world)[0]
    campaign = world.campaigns(account.id, at=NOW)[0].id
    span = {"start": NOW + HOUR, "end": NOW + 2 * HOUR, "as_of": None}
    usual = totals(world.traffic(account.id, **span))
    body = {"name": "budget_runaway", "campaign": campaign, "seconds": 7200, "size": 6}
    reply = requests.post(url + "/incidents", json=body, timeout=10)
    assert reply.status_code == 201
    begun = reply.json()
    assert (begun["advertiser"], begun["active"], begun["at"]) == (account.id, True, NOW.isoformat())
    assert totals(world.traffic(account.id, **span))[0] > usual[0]
    assert [i["id"] for i in get(url, "/incidents")[1]["incidents"]] == [begun["id"]]
    world.clock.set(NOW + timedelta(minutes=5), frozen=True)
    ended = requests.delete(f"{url}/incidents/{begun['id']}", timeout=10).json()
    assert (ended["active"], ended["until"]) == (False, (NOW + timedelta(minutes=5)).isoformat())
    assert totals(world.traffic(account.id, **span)) == usual
    assert requests.delete(f"{url}/incidents/99", timeout=10).status_code == 404


def test_all_incidents_are_ended_at_once(face):
    world, url = face
    for name in ("api_outage", "throttling"):
        world.incidents.start(name, at=NOW - HOUR, lasts=DAY)
    ended = requests.delete(f"{url}/incidents", timeout=10).json()["incidents"]
    assert [i["name"] for i in ended] == ["api_outage", "throttling"]
    assert not world.incidents.active(NOW)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "earthquake"}, "there is no incident 'earthquake'"),
        ({"name": "hang", "campain": 5}, "unknown: campain"),
        ({"name": "hang", "platform": "bing"}, "platform is google_ads, meta or ga4"),
        ({"name": "hang", "campaign": 5}, "there is no campaign 5"),
        ({"name": "hang", "account": 5}, "there is no account 5"),
        ({"name": "hang", "seconds": 0}, "lasts longer than nothing"),
        ({"name": "hang", "at": "noon"}, "at is a moment"),
    ],
)
def test_an_incident_that_cannot_be_is_refused(face, body, words):
    world, url = face
    reply = requests.post(url + "/incidents", json=body, timeout=10)
    assert reply.status_code in (400, 404)
    assert words in reply.json()["error"]
    assert not world.incidents.all()


def test_a_half_hour_zone_begins_its_hours_at_half_past(face):
    world, url = face
    account = accounts(world)[5]
    rows = get(url, "/truth", account=account.id, start=(NOW - DAY).isoformat())[1]["rows"]
    assert {datetime.fromisoformat(r["start"]).astimezone(UTC).minute for r in rows} == {30}
