"""Plans that will be overspent or left over: an even spend of 240 a day, so that every figure is plain arithmetic.

The flight has the fourteen days from 2 to 15 November; at NOW, the ninth day's 15:00 in Berlin, 2,070 are spent, and it
will end at 14 x 240 = 3,360.
"""

from dataclasses import replace
from datetime import date, timedelta
from weakref import WeakKeyDictionary

import pytest

from alerts.backtest import edited
from alerts.conditions import flight
from alerts.conditions.flight import PLANS, Flight, flying
from alerts.drill import Ground, _provoked
from alerts.explain import Words, view
from alerts.incident import Alert, Group, Incident, Notice
from alerts.judge import judge
from alerts.notify.contract import Reason, Severity
from alerts.observation import Labels, Observation, Result
from alerts.provoke import Unprovoked
from alerts.routes import Routing
from alerts.scene import Memory, Scene
from alerts.state import Instance, Key, State
from metrics import flight as pace
from metrics import model
from metrics.flights import Amount, SpendPlan
from metrics.words import money
from service import rules as shipped
from tests.alerts.conftest import BERLIN, EVERY, NOW, settled
from tests.alerts.timeline import describe, rule
from warehouse.shadow import Shadow

AUTUMN = Labels(*PLANS, "", "Autumn")


def plan(amount, **how):
    dates = {"period": "flight", "starts": date(2026, 11, 2), "ends": date(2026, 11, 15)}
    return SpendPlan("Autumn", "EUR", (Amount(amount),), **(dates | how))


def told(scene, side, *plans, watched=(AUTUMN,), scope=None, **figures):
    made = rule("flight").model_copy(update={"condition": Flight(kind="flight", side=side, **figures)})
    (made,) = flying([made], plans, BERLIN)
    if scope:
        made = made.model_copy(update={"scope": made.scope.model_copy(update=scope)})
    return judge(scene, [made], {made.name: frozenset(watched)})[made.name].told


@pytest.fixture
def even(world):
    world.campaign_of("brand", cost=10)
    world.budget("brand", 240)
    return world


def test_a_plan_that_ends_over_and_what_it_costs_an_hour(even):
    found = told(even.scene(), "over", plan(2800))[AUTUMN]
    assert (found.result, found.at) == (Result.TRUE, NOW)
    assert (found.seen, found.expected.mid) == (pytest.approx(3360, rel=5e-3), pytest.approx(2800))
    assert found.at_risk == pytest.approx((found.seen - 2800) / (5 * 24 + 9))
    assert found.said == "Flight ends 20% over plan"
    assert 0.9 < found.sure < 1
    assert told(even.scene(), "under", plan(2800))[AUTUMN].result is Result.FALSE


def test_a_plan_that_leaves_money_over(even):
    found = told(even.scene(), "under", plan(4200))[AUTUMN]
    assert (found.result, found.said) == (Result.TRUE, "Flight ends 20% under plan")
    assert found.at_risk == pytest.approx((4200 - found.seen) / 129)


@pytest.mark.parametrize(
    ("amount", "by", "result"),
    # By now 8.625 of 14 days of the amount, and 11 % off is still on plan; 3,360 is 17 % over 2,880.
    [(2880, 0.05, Result.TRUE), (2880, 0.2, Result.FALSE), (3200, 0.05, Result.FALSE)],
)
def test_what_is_on_plan_or_off_by_little_is_not_told(even, amount, by, result):
    assert told(even.scene(), "over", plan(amount), by=by)[AUTUMN].result is result


@pytest.mark.parametrize("side", ["over", "under"])
def test_a_flight_that_is_over_is_told_no_more(even, side):
    gone = plan(100 if side == "over" else 9000, starts=date(2026, 11, 2), ends=date(2026, 11, 8))
    assert told(even.scene(), side, gone)[AUTUMN].result is Result.FALSE


def test_where_there_is_no_verdict_there_is_none(even):
    scene = even.scene()
    later = plan(2800, starts=date(2026, 12, 1), ends=date(2026, 12, 24))
    assert told(scene, "over", later)[AUTUMN].result is Result.NODATA
    assert told(scene, "over", plan(2800, accounts=("other",)))[AUTUMN].result is Result.NODATA
    assert told(scene, "over", later, watched=()) == {}
    assert told(scene, "over") == {}  # no plan at all
    assert told(scene, "over", plan(2800), scope={"account": "other"}) == {}
    late = told(even.scene(now=NOW + timedelta(minutes=15)), "over", plan(2800))
    assert late[AUTUMN].result is Result.STALE


def test_it_is_worked_out_anew_every_three_hours_or_where_spend_moved(even, monkeypatch):
    asked = []
    monkeypatch.setattr(
        flight, "flights_in_steps", lambda *args: asked.append(args[3]) or pace.flights_in_steps(*args)
    )
    for minutes in (0, 2, 4):
        told(even.scene(now=NOW + timedelta(minutes=minutes)), "over", plan(2800))
    told(even.scene(), "under", plan(2800))
    assert len(asked) == 1
    for back in (1, 2, 3):  # 70 more of the 1,920 that eight days cost
        even.set("brand", back, clicks=20, cost=10 + 70 / 3, conversions=1)
    found = told(even.scene(), "over", plan(2800))[AUTUMN]
    assert len(asked) == 2
    assert found.seen > 3400
    told(even.scene(), "over", plan(2900))
    assert len(asked) == 3


def test_what_is_set_up_otherwise_is_seen_by_the_next_pass(even):
    """At a quarter of the budget the rest of the flight spends a quarter; once paused, nothing more."""
    before = told(even.scene(), "over", plan(2800))[AUTUMN].seen
    even.budgets.clear()
    even.budget("brand", 60)
    less = told(
        even.scene(now=NOW + timedelta(minutes=1), polled=NOW + timedelta(minutes=1)), "over", plan(2800)
    )
    # Of the ninth day and of five more each spends a fourth of 240; what is over of the ninth is spent.
    assert less[AUTUMN].seen == pytest.approx(before - 6 * 180, abs=200)
    even.named[0] = replace(even.named[0], status="paused")
    still = told(
        even.scene(now=NOW + timedelta(minutes=2), polled=NOW + timedelta(minutes=2)), "over", plan(2800)
    )
    assert still[AUTUMN].seen == pytest.approx(2070)


def test_a_flight_that_is_worked_out_over_passes_ends_the_same(even, monkeypatch):
    expected = told(even.scene(), "over", plan(2800))[AUTUMN]
    monkeypatch.setattr(flight, "_PACES", WeakKeyDictionary())
    monkeypatch.setattr(flight, "_AT_ONCE", 1)
    memory, made = (
        Memory(),
        rule("flight").model_copy(update={"condition": Flight(kind="flight", side="over")}),
    )
    (made,) = flying([made], [plan(2800)], BERLIN)
    seen = []
    while not seen or memory.behind:
        scene = Scene(
            even.warehouse, NOW, every=EVERY, started=NOW - timedelta(days=1), memory=memory, complete=settled
        )
        seen.append(judge(scene, [made], {made.name: frozenset([AUTUMN])})[made.name])
        assert len(seen) < 9
    # Until there is a first verdict nothing is said of the series, so that what fires goes on.
    assert len(seen) > 3
    assert all(not one.told and not one.fresh for one in seen[:-1])
    assert seen[-1].told[AUTUMN] == expected


def test_it_is_worked_out_although_somebody_edits_at_every_pass(even, monkeypatch):
    """What was begun was begun anew at each edit, so that under edits nothing was ever told."""
    monkeypatch.setattr(flight, "_AT_ONCE", 1)
    memory = Memory()
    made = rule("flight").model_copy(update={"condition": Flight(kind="flight", side="over")})
    (made,) = flying([made], [plan(2800)], BERLIN)
    told = []
    for n in range(12):
        even.named[0] = replace(even.named[0], name=f"brand {n}")
        at = NOW + timedelta(minutes=n)
        even.scene(now=at, polled=at)
        scene = Scene(
            even.warehouse, at, every=EVERY, started=NOW - timedelta(days=1), memory=memory, complete=settled
        )
        told.append(judge(scene, [made], {made.name: frozenset([AUTUMN])})[made.name].told)
    assert not told[0]
    assert [len(found) for found in told[-6:]] == [1] * 6


def test_it_is_told_in_the_plans_currency_with_the_way_to_its_plan(even):
    found = told(even.scene(), "over", plan(2800))[AUTUMN]
    ours = next(
        r
        for r in shipped.load(shipped.SHIPPED.parent, Routing(), model.load())
        if r.id == "flight-over-budget"
    )
    (ours,) = flying([ours], [plan(2800)], BERLIN)
    key = Key(ours.id, ours.severity, AUTUMN)
    member = Instance(key, State.FIRING, NOW, NOW, found, fired=NOW)
    incident = Incident(1, Group("marketing", *PLANS, Severity.WARNING, ()), NOW, NOW)
    words = Words(even.warehouse, [ours], model.load(), BERLIN, "https://app.test")
    said = words(Alert((member,), {}, incident), Notice(Reason.FIRST), NOW)
    assert said.headline == f"Flight ends 20% over plan · {money(found.at_risk, 'EUR')}/h · Autumn"
    facts = {fact.label: fact.text for fact in said.facts}
    assert facts["Seen"] == money(found.seen, "EUR")
    assert facts["Expected"] == "€2.80k"
    assert [link.url for link in said.links] == ["https://app.test/pacing?plan=Autumn"]
    assert view(AUTUMN, NOW) == "/pacing?plan=Autumn"


def test_money_of_another_currency_is_in_its_own_line_alone(even):
    plans = [plan(2800), SpendPlan("Japan", "JPY", (Amount(10**6),))]
    (made,) = flying(
        [rule("flight").model_copy(update={"condition": Flight(kind="flight", side="over")})], plans, BERLIN
    )
    said = {"Autumn": 40.0, "Japan": 9000.0}
    members = tuple(
        Instance(
            key, State.FIRING, NOW, NOW, Observation(key.labels, Result.TRUE, NOW, at_risk=risk), fired=NOW
        )
        for name, risk in said.items()
        for key in [Key(made.id, made.severity, Labels(*PLANS, "", name))]
    )
    incident = Incident(1, Group("marketing", *PLANS, Severity.WARNING, ()), NOW, NOW)
    words = Words(even.warehouse, [made], model.load(), BERLIN)
    message = words(Alert(members, {}, incident), Notice(Reason.FIRST), NOW)
    assert "¥9.00k/h · Japan + 1 more" in message.headline
    assert [one.text.rpartition(" · ")[2] for one in message.members] == ["¥9.00k/h", "€40.00/h"]


def test_an_edited_form_is_about_the_same_plans(even):
    made = rule("flight").model_copy(update={"condition": Flight(kind="flight", side="over")})
    (made,) = flying([made], [plan(2880)], BERLIN)
    tried = edited(made, {"by": 0.2})
    assert (tried.condition.by, tried.condition.plans) == (0.2, made.condition.plans)


@pytest.mark.parametrize("side", ["over", "under"])
def test_a_drill_makes_a_plan_that_was_on_plan_end_off_it(even, side, tmp_path):
    even.scene()
    ground = Ground(
        even.warehouse, Routing(), {}, {}, EVERY, [], model.load(), lambda _: describe, lambda: NOW
    )
    made = rule("flight").model_copy(update={"condition": Flight(kind="flight", side=side)})
    (flies,) = flying([made], [plan(14 * 240)], BERLIN)
    with Shadow.of(even.warehouse, tmp_path, since=NOW - timedelta(days=40), start=NOW) as shadow:
        hit = _provoked(shadow, ground, flies, NOW)
        assert (hit.labels, hit.result) == (AUTUMN, Result.TRUE)
        with pytest.raises(Unprovoked):  # without plans
            _provoked(shadow, ground, made, NOW)
