"""The catalogue as it stood at a moment, and who changed what in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox import noise
from sandbox.model import Ad, AdGroup, Budget, Campaign, ChangeEvent, Experiment, Recommendation
from sandbox.world_timeline import amount_at, flight, levels, pauses, scaled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.world_catalog import AccountSetup, BudgetSetup, CampaignSetup

__all__ = ["ad_groups", "ads", "budgets", "campaigns", "changes", "experiments", "recommendations"]

_Values = dict[str, Any]

_ACTORS = ("performance-team@example.com", "analyst@example.com", "agency@example.com")
_CLIENTS = ("GOOGLE_ADS_WEB_CLIENT", "GOOGLE_ADS_API", "GOOGLE_ADS_EDITOR")
_LOOK_BACK = timedelta(days=140)
"""An entity's `updated` looks no further back than this for its last change."""
_MONDAY = date(2020, 1, 6)
_INSTANT = timedelta(microseconds=1)
_CONSTRAINED = 0.1
"""Share of demand lost to a budget from which on the platform advises to raise it."""


def campaigns(seed: int, account: AccountSetup, at: datetime) -> list[Campaign]:
    """The account's campaigns with their status at a moment."""
    today = at.astimezone(account.advertiser.timezone).date()
    found = []
    for setup in account.campaigns:
        flighted = account.budgets[setup.budgets[0]].period == "TOTAL"
        first, last = flight(today)
        spans = pauses(seed, setup, at - _LOOK_BACK, at + _INSTANT)
        turned = [moment for span in spans for moment in span if moment <= at]
        if flighted:
            turned.append(_midnight(account, first))
        found.append(
            Campaign(
                id=setup.id,
                advertiser=account.advertiser.id,
                name=setup.name,
                kind=setup.plan.kind,
                status="PAUSED" if spans and spans[-1][0] <= at < spans[-1][1] else "ENABLED",
                budget=0 if setup.plan.budget == "groups" else account.budgets[setup.budgets[0]].id,
                starts=first if flighted else setup.created.date(),
                ends=last if flighted else None,
                bidding=setup.plan.bidding,
                labels=(setup.plan.label,),
                created=setup.created,
                updated=max([setup.created, *turned]),
            )
        )
    return found


def ad_groups(seed: int, account: AccountSetup, at: datetime) -> list[AdGroup]:
    """The account's ad groups, or ad sets with their budgets."""
    return [
        AdGroup(
            id=group.id,
            campaign=campaign.id,
            name=group.name,
            status="ENABLED",
            budget=0 if group.budget is None else account.budgets[group.budget].id,
            optimises_for=group.optimises_for,
            created=campaign.created,
            updated=campaign.created
            if group.budget is None
            else _updated(seed, account, account.budgets[group.budget], at),
        )
        for campaign in account.campaigns
        for group in campaign.groups
    ]


def ads(account: AccountSetup) -> list[Ad]:
    """The account's ads."""
    return [
        Ad(
            id=ad.id,
            ad_group=group.id,
            campaign=campaign.id,
            name=ad.name,
            kind=ad.kind,
            status=ad.status,
            review=ad.review,
            final_url=ad.final_url,
            creative=ad.creative,
            headline=ad.headline,
            body=ad.body,
            created=campaign.created + timedelta(minutes=5),
            updated=campaign.created + timedelta(minutes=5),
        )
        for campaign in account.campaigns
        for group in campaign.groups
        for ad in group.ads
    ]


def budgets(seed: int, account: AccountSetup, at: datetime) -> list[Budget]:
    """The account's budgets with their amounts at a moment."""
    first, last = flight(at.astimezone(account.advertiser.timezone).date())
    return [
        Budget(
            id=setup.id,
            name=setup.name,
            amount_micros=amount_at(seed, account, setup, at) * account.unit,
            period=setup.period,
            shared=setup.shared,
            reference_count=len(setup.campaigns),
            starts=first if setup.period == "TOTAL" else None,
            ends=last if setup.period == "TOTAL" else None,
            updated=_updated(seed, account, setup, at),
        )
        for setup in account.budgets
    ]


def _updated(seed: int, account: AccountSetup, budget: BudgetSetup, at: datetime) -> datetime:
    if budget.period == "TOTAL":
        return _midnight(account, flight(at.astimezone(account.advertiser.timezone).date())[0])
    created = account.campaigns[budget.campaigns[0]].created
    turns = levels(seed, budget, at - _LOOK_BACK, at + _INSTANT)[1:]
    return max(created, turns[-1].at) if turns else created


def _midnight(account: AccountSetup, day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), account.advertiser.timezone).astimezone(UTC)


def changes(seed: int, account: AccountSetup, start: datetime, end: datetime) -> list[ChangeEvent]:
    """What was changed in [start, end), oldest first; agrees with budgets() and campaigns()."""
    found = [
        *_budget_changes(seed, account, start, end),
        *_status_changes(seed, account, start, end),
        *_flights(account, start, end),
        *_creations(account, start, end),
    ]
    google = account.platform == "google_ads"
    return sorted(
        (event if google else replace(event, client="ADS_MANAGER") for event in found),
        key=lambda event: (event.at, event.id),
    )


def _event(
    account: AccountSetup,
    at: datetime,
    entity: tuple[str, int],
    campaign: int,
    values: tuple[_Values, _Values],
) -> ChangeEvent:
    """One change of (type, id) from values[0], empty for a creation, to values[1]."""
    mark = (entity[1], int(at.timestamp()))
    return ChangeEvent(
        id=noise.key(account.position, "change", *mark) >> 12,
        at=at,
        actor=noise.choice(_ACTORS, account.position, "actor", *mark),
        client=noise.choice(_CLIENTS, account.position, "client", *mark),
        entity_type=entity[0],
        entity=entity[1],
        campaign=campaign,
        operation="UPDATE" if values[0] else "CREATE",
        before=values[0],
        after=values[1],
    )


def _budget_changes(
    seed: int, account: AccountSetup, start: datetime, end: datetime
) -> Iterator[ChangeEvent]:
    for budget in account.budgets:
        if budget.period == "TOTAL":
            continue
        # A change at `start` itself belongs to the span too.
        for step in levels(seed, budget, start - _INSTANT, end)[1:]:
            values: tuple[_Values, _Values] = (
                {"amount_micros": scaled(account, budget, step.before, step.at) * account.unit},
                {"amount_micros": scaled(account, budget, step.factor, step.at) * account.unit},
            )
            campaign = 0 if budget.shared else account.campaigns[budget.campaigns[0]].id
            yield _event(account, step.at, ("CAMPAIGN_BUDGET", budget.id), campaign, values)


def _status_changes(
    seed: int, account: AccountSetup, start: datetime, end: datetime
) -> Iterator[ChangeEvent]:
    paused: _Values = {"status": "PAUSED"}
    enabled: _Values = {"status": "ENABLED"}
    for campaign in account.campaigns:
        for begin, until in pauses(seed, campaign, start - _INSTANT, end):
            for at, values in ((begin, (enabled, paused)), (until, (paused, enabled))):
                if start <= at < end:
                    yield _event(account, at, ("CAMPAIGN", campaign.id), campaign.id, values)


def _flights(account: AccountSetup, start: datetime, end: datetime) -> Iterator[ChangeEvent]:
    """A flight's renewal at the beginning of a quarter."""
    zone = account.advertiser.timezone
    first, _ = flight(start.astimezone(zone).date())
    while (at := _midnight(account, first)) < end:
        _, last = flight(first)
        before = flight(first - timedelta(days=1))[1]
        for campaign in account.campaigns:
            if at >= start and account.budgets[campaign.budgets[0]].period == "TOTAL":
                values: tuple[_Values, _Values] = ({"ends": before.isoformat()}, {"ends": last.isoformat()})
                yield _event(account, at, ("CAMPAIGN", campaign.id), campaign.id, values)
        first = last + timedelta(days=1)


def _creations(account: AccountSetup, start: datetime, end: datetime) -> Iterator[ChangeEvent]:
    for campaign in account.campaigns:
        if start <= campaign.created < end:
            values: tuple[_Values, _Values] = ({}, {"name": campaign.name})
            yield _event(account, campaign.created, ("CAMPAIGN", campaign.id), campaign.id, values)


def experiments(account: AccountSetup, at: datetime) -> list[Experiment]:
    """The account's A/B test of the current six weeks, where it has two campaigns to compare.

    The second arm converts better by EXPERIMENT_LIFT: see world_catalog.
    """
    arms = [campaign for campaign in account.campaigns if campaign.arm]
    if account.position > 1 or len(arms) < 2:
        return []
    today = at.astimezone(account.advertiser.timezone).date()
    turn = (today - _MONDAY).days // 42
    starts = _MONDAY + timedelta(days=42 * turn)
    ends = starts + timedelta(days=34)
    kind = "Bidding" if account.platform == "google_ads" else "Audience"
    base = arms[0].id * 10 + 6
    return [
        Experiment(
            id=base + turn * 100,
            name=f"{kind} test {starts:%Y-%m}",
            status="ENDED" if today > ends else "RUNNING",
            starts=starts,
            ends=ends,
            arms=tuple(
                (base + turn * 100 + 1 + n, name, n == 0, 0.5, (campaign.id,))
                for n, (name, campaign) in enumerate(zip(("Control", "Treatment"), arms, strict=False))
            ),
        )
    ]


def recommendations(
    seed: int,
    account: AccountSetup,
    at: datetime,
    lost: dict[int, float],
    week: dict[int, dict[str, float]],
) -> list[Recommendation]:
    """What the platform advises, given the share of demand that each campaign loses to its budget.

    week: each campaign's last seven days, by the API's names. A daily budget is advised on once, under the
    campaign that loses the most of those that share it.
    """
    found = []
    for budget, setup in zip(budgets(seed, account, at), account.budgets, strict=True):
        members = [account.campaigns[n].id for n in setup.campaigns]
        campaign = max(members, key=lambda member: lost.get(member, 0.0))
        share = lost.get(campaign, 0.0)
        if budget.period == "TOTAL" or share <= _CONSTRAINED:
            continue
        raised = round(budget.amount_micros / (1 - share) / account.unit) * account.unit
        values = {"current_budget_micros": budget.amount_micros, "recommended_budget_micros": raised}
        base = {name: sum(one[name] for one in week.values()) for name in week.get(campaign, {})}
        more = {
            name: sum(week[m][name] * lost[m] / (1 - lost[m]) for m in members if lost.get(m) and m in week)
            for name in base
        }
        potential = {name: base[name] + more[name] for name in base}
        found.append(Recommendation(campaign * 10 + 1, "CAMPAIGN_BUDGET", campaign, values, base, potential))
    for one in account.campaigns:
        found += _by_kind(one, account.unit, one.id * 10)
    return found


def _by_kind(campaign: CampaignSetup, unit: int, number: int) -> list[Recommendation]:
    price = round(campaign.cpc) * unit
    if campaign.plan.kind == "search" and campaign.plan.label == "generic":
        text = campaign.groups[0].name.lower()
        values = {"text": f"buy {text}", "match_type": "PHRASE", "recommended_cpc_bid_micros": price}
        return [Recommendation(number + 2, "KEYWORD", campaign.id, values)]
    if campaign.plan.bidding == "MAXIMIZE_CONVERSIONS":
        target = round(campaign.cpc / campaign.cvr) * unit
        return [Recommendation(number + 3, "TARGET_CPA_OPT_IN", campaign.id, {"target_cpa_micros": target})]
    return []
