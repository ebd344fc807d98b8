"""Each kind of incident bends what its sentence says, for as long as it lasts, and nothing else."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from sandbox.incidents import KINDS, IncidentBook
from tests.sandbox.world_kit import DAY, HOUR, NOW, accounts, by_cell, make, rows, totals

AT = datetime(2026, 11, 17, 14, 30, tzinfo=UTC)
QUIET = make()
SHOP = accounts(QUIET, "google_ads")[0]
META = accounts(QUIET, "meta")[0]
WHOLE = {"start": AT - 3 * DAY, "end": AT + 5 * DAY, "as_of": None}


def disturbed(name, **options):
    book = IncidentBook()
    incident = book.start(name, at=AT, **options)
    return make(book=book), incident


def inside(world, account, hours=(1, 4), **options):
    """(impressions, clicks, cost, conversions) of whole hours within the incident."""
    span = {"start": AT + hours[0] * HOUR, "end": AT + hours[1] * HOUR}
    found = world.conversions(account.id, **span, as_of=None, **options)
    return (*totals(world.traffic(account.id, **span, as_of=None)), found.quantity.sum())


def test_each_kind_has_its_sentence():
    assert set(KINDS) == {
        "tracking_outage", "tracking_half", "budget_runaway", "cpc_spike", "landing_page_down", "checkout_broken",
        "conversion_decay", "mix_shift", "viral_moment", "account_suspended", "token_revoked", "api_outage",
        "throttling", "hang", "broken_stream", "empty_page", "malformed",
    }  # fmt: skip
    assert all(kind.sentence.endswith(".") for kind in KINDS.values())


@pytest.mark.parametrize("name", sorted(KINDS))
def test_other_accounts_and_earlier_hours_are_left_alone(name):
    world, _ = disturbed(name, advertiser=SHOP.id, lasts=3 * HOUR)
    before = {"start": AT - 5 * DAY, "end": AT - HOUR}
    for account in accounts(world):
        span = before if account.id == SHOP.id else WHOLE
        span = {**span, "as_of": None}
        np.testing.assert_array_equal(
            rows(world.traffic(account.id, **span, by_device=True)),
            rows(QUIET.traffic(account.id, **span, by_device=True)),
        )
    for account in accounts(world):
        if account.id != SHOP.id:
            np.testing.assert_array_equal(
                rows(world.conversions(account.id, **WHOLE)), rows(QUIET.conversions(account.id, **WHOLE))
            )


def test_a_tracking_outage_loses_what_happens_meanwhile_and_no_more():
    world, _ = disturbed("tracking_outage", advertiser=SHOP.id, lasts=6 * HOUR)
    span = {"start": AT - 30 * DAY, "end": AT + DAY, "as_of": None}
    usual, left = (rows(w.conversions(SHOP.id, **span)) for w in (QUIET, world))
    hour = 4  # the column of the conversion's own clock hour
    first, last = AT.timestamp() // 3600, (AT + 6 * HOUR).timestamp() // 3600
    within = (usual[:, hour] > first) & (usual[:, hour] < last)
    assert within.sum() > 50
    assert not ((left[:, hour] > first) & (left[:, hour] < last)).any()
    outside = usual[(usual[:, hour] < first) | (usual[:, hour] > last)]
    np.testing.assert_array_equal(outside, left[(left[:, hour] < first) | (left[:, hour] > last)])
    assert totals(world.traffic(SHOP.id, **WHOLE)) == totals(QUIET.traffic(SHOP.id, **WHOLE))


def test_a_tracking_outage_spares_what_needs_no_tag():
    world, _ = disturbed("tracking_outage", advertiser=META.id, lasts=12 * HOUR)
    form = next(a.id for a in world.conversion_actions(META.id) if not a.off_platform)
    usual, left = (w.conversions(META.id, **WHOLE).action for w in (QUIET, world))
    assert (usual == form).sum() == (left == form).sum() > 0
    assert (left != form).sum() < (usual != form).sum()


def test_half_of_tracking_is_half():
    world, _ = disturbed("tracking_half", advertiser=SHOP.id, lasts=DAY)
    span = {"start": AT + HOUR, "end": AT + 23 * HOUR, "as_of": None, "by": "conversion"}
    usual, left = (len(w.conversions(SHOP.id, **span).hour) for w in (QUIET, world))
    assert left / usual == pytest.approx(0.5, abs=4 * (0.25 / usual) ** 0.5)


def test_a_runaway_triples_the_spend_past_the_budget():
    campaign = QUIET.campaigns(SHOP.id, at=AT)[2].id
    world, _ = disturbed("budget_runaway", campaign=campaign, lasts=8 * HOUR)
    span = {"start": AT + HOUR, "end": AT + 7 * HOUR, "as_of": None}
    usual, wild = (by_cell(w.traffic(SHOP.id, **span), "campaign") for w in (QUIET, world))
    assert wild[campaign,][2] / usual[campaign,][2] == pytest.approx(3, rel=0.15)
    budget = next(c.budget for c in world.campaigns(SHOP.id, at=AT) if c.id == campaign)
    others = {(c.id,) for c in world.campaigns(SHOP.id, at=AT) if c.id != campaign and c.budget != budget}
    assert all(wild[key] == usual[key] for key in others)
    # A size of twelve goes where no budget would let it.
    world, _ = disturbed("budget_runaway", campaign=campaign, lasts=8 * HOUR, size=12.0)
    day = datetime.combine(AT.astimezone(SHOP.timezone).date(), datetime.min.time(), SHOP.timezone)
    spent = by_cell(world.traffic(SHOP.id, start=day.astimezone(UTC), end=day.astimezone(UTC) + DAY, as_of=None), "campaign")  # fmt: skip
    amount = next(b.amount_micros for b in world.budgets(SHOP.id, at=AT) if b.id == budget)
    assert spent[campaign,][2] > 2 * amount


def test_a_price_spike_changes_the_price_alone():
    world, _ = disturbed("cpc_spike", advertiser=SHOP.id, lasts=5 * HOUR, size=1.5)
    usual, spiked = inside(QUIET, SHOP), inside(world, SHOP)
    assert usual[:2] == spiked[:2]
    assert spiked[2] / usual[2] == pytest.approx(1.5, rel=0.01)


def test_a_page_that_is_down_converts_almost_nobody():
    world, _ = disturbed("landing_page_down", advertiser=SHOP.id, lasts=5 * HOUR)
    usual, down = inside(QUIET, SHOP), inside(world, SHOP)
    assert usual[:3] == down[:3]
    assert down[3] < 0.1 * usual[3]
    page = world.ads(SHOP.id, at=AT)[0].final_url
    assert world.page(page, at=AT + HOUR) == "error"
    assert world.page(page, at=AT + 6 * HOUR) == "ok"
    assert world.page("https://www.kumo-tea.example/jp/", at=AT + HOUR) == "ok"


def test_a_page_goes_down_by_its_address():
    page = QUIET.ads(SHOP.id, at=AT)[0].final_url
    world, _ = disturbed("landing_page_down", lasts=24 * HOUR, options={"url": page})
    led = {ad.id for ad in world.ads(SHOP.id, at=AT) if ad.final_url == page}
    span = {"start": AT + HOUR, "end": AT + 23 * HOUR, "as_of": None}
    usual, down = (w.conversions(SHOP.id, **span).ad for w in (QUIET, world))
    assert np.isin(down, list(led)).sum() < 0.15 * np.isin(usual, list(led)).sum()
    assert (~np.isin(down, list(led))).sum() == (~np.isin(usual, list(led))).sum()
    assert world.page(page, at=AT + HOUR) == "error"


def test_decay_is_gradual():
    world, _ = disturbed("conversion_decay", advertiser=SHOP.id, lasts=21 * DAY)

    def kept(first, last):
        span = {"start": AT + first * DAY, "end": AT + last * DAY, "as_of": None}
        return len(world.conversions(SHOP.id, **span).hour) / len(QUIET.conversions(SHOP.id, **span).hour)

    # Two fifths are lost after fourteen days: after n days, n/14 of that.
    assert kept(0, 1) == pytest.approx(1 - 0.4 * 0.5 / 14, abs=0.02)
    assert kept(6, 8) == pytest.approx(0.8, abs=0.03)
    assert kept(15, 18) == pytest.approx(0.6, abs=0.03)


def test_the_mix_shifts_and_the_total_stays():
    world, _ = disturbed("mix_shift", advertiser=META.id, lasts=14 * DAY)
    day = {"start": AT + 4 * DAY, "end": AT + 5 * DAY, "as_of": None}
    shares = []
    for w in (QUIET, world):
        traffic = w.traffic(META.id, **day, by_network=True)
        clicks = np.bincount(traffic.network, traffic.clicks, minlength=3)
        shares.append(clicks / clicks.sum())
    moved = shares[1] - shares[0]
    assert moved[2] == pytest.approx(0.2, abs=0.03)
    assert totals(world.traffic(META.id, **day)) == totals(QUIET.traffic(META.id, **day))
    usual, worse = (w.conversions(META.id, **day).quantity.sum() for w in (QUIET, world))
    assert worse < 0.98 * usual


def test_a_viral_moment_brings_many_who_do_not_buy():
    world, _ = disturbed("viral_moment", advertiser=META.id, lasts=5 * HOUR)
    usual, viral = inside(QUIET, META), inside(world, META)
    assert viral[0] / usual[0] == pytest.approx(8, rel=0.15)
    assert 2 < viral[2] / usual[2] < 4
    assert viral[3] / viral[1] < 0.6 * usual[3] / usual[1]


def test_a_suspended_account_shows_nothing_and_says_so():
    world, _ = disturbed("account_suspended", advertiser=SHOP.id, lasts=DAY)
    assert inside(world, SHOP)[:3] == (0, 0, 0)
    assert inside(world, SHOP, hours=(26, 30))[0] > 0

    def status(at):
        return {a.id: a.status for a in world.advertisers("google_ads", at=at)}[SHOP.id]

    assert [status(AT - HOUR), status(AT), status(AT + DAY)] == ["ENABLED", "SUSPENDED", "ENABLED"]
    assert world.faults("google_ads", SHOP.id, at=AT).suspended
    assert not world.faults("google_ads", None, at=AT).suspended


@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("token_revoked", "token_revoked"),
        ("api_outage", "outage"),
        ("throttling", "throttled"),
        ("broken_stream", "break_stream"),
        ("empty_page", "empty_page"),
        ("malformed", "malformed"),
    ],
)
def test_faults_show_on_their_platform_while_they_last(name, shows):
    world, _ = disturbed(name, platform="meta", lasts=HOUR)
    assert getattr(world.faults("meta", META.id, at=AT + HOUR / 2), shows)
    assert getattr(world.faults("meta", None, at=AT), shows)
    assert not getattr(world.faults("google_ads", SHOP.id, at=AT), shows)
    assert not getattr(world.faults("meta", META.id, at=AT + HOUR), shows)
    assert totals(world.traffic(META.id, **WHOLE)) == totals(QUIET.traffic(META.id, **WHOLE))


def test_a_hang_has_its_seconds():
    world, _ = disturbed("hang", advertiser=META.id, size=5.0)
    assert world.faults("meta", META.id, at=AT).hang_seconds == 5.0
    world, _ = disturbed("hang", advertiser=META.id)
    assert world.faults("meta", META.id, at=AT).hang_seconds == 600.0
    assert world.faults("google_ads", META.id, at=AT).hang_seconds == 0.0


def test_an_incident_in_the_middle_of_an_hour_leaves_what_was_seen():
    """At 14:50, twenty minutes' lag: nothing after 14:30 is seen yet, so nothing seen may change."""
    world, _ = disturbed("budget_runaway", advertiser=META.id, size=5.0)
    hour = AT.replace(minute=0)
    for minute in (20, 35, 50):
        at = hour + timedelta(minutes=minute)
        usual, wild = (
            totals(w.traffic(META.id, start=hour, end=hour + HOUR, as_of=at)) for w in (QUIET, world)
        )
        assert wild[0] == pytest.approx(usual[0], rel=0.08)
    end = {"start": hour, "end": hour + HOUR, "as_of": hour + 2 * HOUR}
    # Half the hour at one, half at five times the pace.
    ratio = totals(world.traffic(META.id, **end))[0] / totals(QUIET.traffic(META.id, **end))[0]
    assert ratio == pytest.approx(3, rel=0.1)


def test_starting_and_stopping_changes_the_running_world():
    book = IncidentBook()
    world = make(book=book)
    usual = inside(world, SHOP)
    incident = book.start("account_suspended", at=AT, advertiser=SHOP.id, lasts=DAY)
    assert inside(world, SHOP)[0] == 0
    book.stop(incident.id, at=AT + 2 * HOUR)
    assert inside(world, SHOP, hours=(2, 4))[0] > 0
    assert inside(world, SHOP, hours=(0, 1))[0] == 0
    assert book.active(AT + HOUR)
    assert not book.active(AT + 3 * HOUR)
    # One that has not begun when it is stopped never was.
    later = book.start("account_suspended", at=AT + DAY, advertiser=SHOP.id)
    book.stop(later.id, at=AT)
    assert [i.id for i in book.all()] == [incident.id]
    assert inside(world, SHOP, hours=(2, 4)) == inside(QUIET, SHOP, hours=(2, 4))
    assert usual == inside(QUIET, SHOP)


def test_what_cannot_be_is_refused():
    book = IncidentBook()
    with pytest.raises(ValueError, match="there is no incident 'earthquake'; there are: tracking_outage"):
        book.start("earthquake", at=AT)
    with pytest.raises(ValueError, match="lasts longer than nothing"):
        book.start("hang", at=AT, lasts=timedelta(0))
    with pytest.raises(KeyError):
        book.stop(5, at=AT)


def test_local_days_stay_whole_under_an_incident():
    world, _ = disturbed("viral_moment", lasts=30 * HOUR)
    start = datetime.combine(date(2026, 11, 17), datetime.min.time(), SHOP.timezone).astimezone(UTC)
    span = {"start": start, "end": start + DAY, "as_of": NOW}
    whole = totals(world.traffic(SHOP.id, **span))
    assert totals(world.traffic(SHOP.id, **span, by_ad=True, by_network=True)) == whole
