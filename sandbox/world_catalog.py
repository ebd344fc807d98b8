"""What there is: accounts, campaigns, ad groups, ads and budgets of a seed.

Everything here is fixed for a seed and told by position: account 3's campaign 5 is the same however many
accounts and campaigns there are (a budget that it shares aside, which grows with its members). What changes
over time is in world_timeline.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sandbox import noise, world_actions
from sandbox.model import Advertiser, Platform
from sandbox.world_actions import ActionSetup
from sandbox.world_names import BRANDS, GOOGLE_PLAN, MANAGERS, META_PLAN, Brand, Plan

__all__ = [
    "EXPERIMENTS",
    "EXPERIMENT_LIFT",
    "AccountSetup",
    "AdSetup",
    "BudgetSetup",
    "CampaignSetup",
    "GroupSetup",
    "build",
    "managers",
]

_MINOR = {"JPY": 1_000_000}
_GOOGLE_ACCOUNT, _META_ACCOUNT = 4_120_000_000, 120_210_000_000_000
_FOUNDED = datetime(2024, 9, 2, 8, tzinfo=UTC)

EXPERIMENTS = {0: (1, 7), 1: (6, 7)}
"""By account position: the campaigns (control, treatment) of its A/B test."""
EXPERIMENT_LIFT = 1.15
"""How much better the treatment truly converts than the control."""


@dataclass(frozen=True, slots=True)
class AdSetup:
    """weight: its part of the ad group's clicks. pull: its click-through rate against the campaign's."""

    id: int
    name: str
    kind: str
    status: str
    review: str
    final_url: str
    creative: int
    headline: str
    body: str
    weight: float
    pull: float

    @property
    def serves(self) -> bool:
        """Whether it is shown at all."""
        return self.status == "ENABLED" and self.review in ("APPROVED", "APPROVED_LIMITED")


@dataclass(frozen=True, slots=True)
class GroupSetup:
    """An ad group or ad set. budget: index into the account's budgets where it has its own, else None."""

    id: int
    name: str
    optimises_for: str
    weight: float
    ads: tuple[AdSetup, ...]
    budget: int | None


@dataclass(frozen=True, slots=True)
class CampaignSetup:
    """cpc: in minor units of the currency. growth: a year's, as a fraction. shape: of its hourly noise."""

    id: int
    name: str
    plan: Plan
    groups: tuple[GroupSetup, ...]
    budgets: tuple[int, ...]
    """Indexes into the account's budgets: one, or one an ad set."""
    created: datetime
    clicks: float
    ctr: float
    cpc: float
    cvr: float
    growth: float
    shape: float
    landing_page: str
    """Where Performance Max leads, which has no ads."""
    arm: bool
    """Whether it is an arm of the account's experiment."""


@dataclass(frozen=True, slots=True)
class BudgetSetup:
    """amount: in minor units, a day's; a TOTAL budget's whole amount is this times its flight's days."""

    id: int
    name: str
    amount: int
    period: str
    campaigns: tuple[int, ...]
    """Positions of its campaigns."""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class AccountSetup:
    """An advertiser's account with all that is set up in it. unit: micros in the currency's minor unit."""

    position: int
    platform: Platform
    advertiser: Advertiser
    brand: Brand
    unit: int
    campaigns: tuple[CampaignSetup, ...]
    budgets: tuple[BudgetSetup, ...]
    actions: tuple[ActionSetup, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    seed: int
    position: int
    brand: Brand
    unit: int


def managers(seed: int) -> tuple[Advertiser, Advertiser]:
    """The root manager and the one below it."""
    zone = ZoneInfo("Europe/Berlin")
    root, retail = (4_019_000_000 + noise.key(seed, "manager", n) % 900_000 * 10 + n for n in (0, 1))
    return (
        Advertiser("google_ads", root, MANAGERS[0], "EUR", zone, manager=True, directly_accessible=True),
        Advertiser("google_ads", retail, MANAGERS[1], "EUR", zone, manager=True, parents=(root,)),
    )


def build(seed: int, position: int, campaigns: int) -> AccountSetup:
    """The account at `position` (even: Google Ads, odd: Meta) with its first `campaigns` campaigns."""
    brand = BRANDS[position % len(BRANDS)]
    platform: Platform = "google_ads" if position % 2 == 0 else "meta"
    unit = _MINOR.get(brand.currency, 10_000)
    advertiser = _advertiser(seed, position, brand, platform)
    plans = GOOGLE_PLAN if platform == "google_ads" else META_PLAN
    where = _Place(seed, position, brand, unit)
    budgets: list[BudgetSetup] = []
    made = [_campaign(where, n, plans[n % len(plans)], budgets) for n in range(campaigns)]
    return AccountSetup(
        position,
        platform,
        advertiser,
        brand,
        unit,
        tuple(made),
        tuple(budgets),
        world_actions.build(position, brand, unit),
    )


def _advertiser(seed: int, position: int, brand: Brand, platform: Platform) -> Advertiser:
    turn = position // 2
    name = brand.name if position < len(BRANDS) else f"{brand.name} {position // len(BRANDS) + 1}"
    zone = ZoneInfo(brand.timezone)
    if platform == "meta":
        id_ = _META_ACCOUNT + noise.key(seed, "account", position) % 10**8 * 10**3 + position
        return Advertiser(platform, id_, name, brand.currency, zone, directly_accessible=True)
    root, retail = managers(seed)
    # The second account is reached twice: below the root, and below the manager under it.
    parents = ((root.id,), (root.id, retail.id), (retail.id,))[min(turn, 2)]
    id_ = _GOOGLE_ACCOUNT + noise.key(seed, "account", position) % 80_000 * 10_000 + position
    return Advertiser(
        platform, id_, name, brand.currency, zone, parents=parents, directly_accessible=turn == 0
    )


def _id(position: int, campaign: int, kind: int, n: int = 0) -> int:
    """Unique over all accounts and kinds of entities; eleven digits and more, as the platforms' are."""
    base = 23_000_000_000 if position % 2 == 0 else 120_210_000_000_000_000
    return base + ((position * 10_000 + campaign) * 10 + kind) * 1_000 + n


def _jitter(seed: int, what: str, *coordinates: int, width: float) -> float:
    """A factor between 1 / (1 + width) and 1 + width."""
    return float((1 + width) ** (2 * noise.unit(seed, what, *coordinates) - 1))


def _campaign(where: _Place, n: int, plan: Plan, budgets: list[BudgetSetup]) -> CampaignSetup:
    seed, position, brand, unit = where.seed, where.position, where.brand, where.unit
    clicks = plan.clicks * _jitter(seed, "clicks", position, n, width=0.5)
    cpc = plan.cpc * brand.rate * 1e6 / unit * _jitter(seed, "cpc", position, n, width=0.25)
    if brand.goal == "lead":
        clicks, cpc = clicks * 0.7, cpc * 1.9
    # Some campaigns are held back by their budget, most are not.
    amount = _round(clicks * 24 * cpc * (0.85 + 0.6 * noise.unit(seed, "budget", position, n)))
    groups = _groups(seed, position, n, plan, brand)
    if plan.budget == "groups":
        groups = _with_budgets(where, n, groups, amount, budgets)
        held = tuple(group.budget for group in groups if group.budget is not None)
    else:
        held = (_hold(where, n, plan, amount, budgets),)
    control, treatment = EXPERIMENTS.get(position, (-1, -1))
    cvr = plan.cvr * _jitter(seed, "cvr", position, n, width=0.2)
    if n == treatment:
        cvr = plan.cvr * _jitter(seed, "cvr", position, control, width=0.2) * EXPERIMENT_LIFT
    created = _FOUNDED + timedelta(
        days=int(noise.unit(seed, "created", position, n) * 200),
        minutes=int(noise.unit(seed, "created at", position, n) * 540),
    )
    return CampaignSetup(
        id=_id(position, n, 1),
        name=_name(brand, plan, n),
        plan=plan,
        groups=groups,
        budgets=held,
        created=created,
        clicks=clicks,
        ctr=plan.ctr * _jitter(seed, "ctr", position, n, width=0.15),
        cpc=cpc,
        cvr=cvr,
        growth=0.5 * noise.unit(seed, "growth", position, n) - 0.1,
        shape=12 + 24 * noise.unit(seed, "shape", position, n),
        landing_page=f"https://www.{brand.domain}.example/{brand.market.lower()}/",
        arm=n in (control, treatment),
    )


def _name(brand: Brand, plan: Plan, n: int) -> str:
    name, variant = plan.name.format(brand.market), n // len(GOOGLE_PLAN)
    return f"{name} | {variant + 1:02d}" if variant else name


def _with_budgets(
    where: _Place, n: int, groups: tuple[GroupSetup, ...], amount: int, budgets: list[BudgetSetup]
) -> tuple[GroupSetup, ...]:
    """Give each ad set a budget of its own, added to the account's."""
    total = sum(group.weight for group in groups)
    out = []
    for k, group in enumerate(groups):
        out.append(replace(group, budget=len(budgets)))
        budgets.append(
            BudgetSetup(
                _id(where.position, n, 4, k), group.name, _round(amount * group.weight / total), "DAILY", (n,)
            )
        )
    return tuple(out)


def _hold(where: _Place, n: int, plan: Plan, amount: int, budgets: list[BudgetSetup]) -> int:
    """Add the campaign to the account's shared budget, or give it its own; the budget's index."""
    new = _id(where.position, n, 4)
    if plan.budget == "shared":
        for index, budget in enumerate(budgets):
            if budget.shared and len(budget.campaigns) < 4:
                budgets[index] = replace(
                    budget, amount=_round(budget.amount + amount), campaigns=(*budget.campaigns, n)
                )
                return index
        budgets.append(BudgetSetup(new, "Shared | Generic search", amount, "DAILY", (n,), shared=True))
    else:
        period = "TOTAL" if plan.budget == "total" else "DAILY"
        budgets.append(BudgetSetup(new, _name(where.brand, plan, n), amount, period, (n,)))
    return len(budgets) - 1


def _round(amount: float) -> int:
    """An amount of minor units as people choose them: two significant digits, at least 100."""
    size: int = 10 ** max(len(str(int(amount))) - 2, 0)
    return max(round(amount / size) * size, 100)


_OPTIMISES = {"purchase": "OFFSITE_CONVERSIONS", "lead": "LEAD_GENERATION"}
_AD_KINDS = {
    "search": "RESPONSIVE_SEARCH_AD",
    "shopping": "SHOPPING_PRODUCT_AD",
    "prospecting": "RESPONSIVE_DISPLAY_AD",
    "retargeting": "RESPONSIVE_DISPLAY_AD",
}
_META_KINDS = ("IMAGE", "VIDEO", "CAROUSEL")
_HEADLINES = ("{} for every day", "Discover {}", "{} that last")
_BODIES = (
    "Free delivery from the first order. See the new {} now.",
    "Chosen by people who use them: our {}.",
    "Compare our {} and decide in your own time.",
)


def _groups(seed: int, position: int, n: int, plan: Plan, brand: Brand) -> tuple[GroupSetup, ...]:
    if plan.kind == "performance_max":
        return ()
    groups = []
    meta = position % 2 == 1
    for k in range(2 + int(3 * noise.unit(seed, "groups", position, n))):
        topic = brand.ranges[k]
        path = topic.lower().replace(" ", "-")
        place = n * 10 + k
        ads = []
        for m in range(2 + int(2 * noise.unit(seed, "ads", position, place))):
            at = place * 10 + m
            draw = noise.unit(seed, "review", position, at)
            # The first ad of an ad group always runs: a campaign is never silent by accident.
            review = (
                "APPROVED" if m == 0 or draw > 0.12 else "APPROVED_LIMITED" if draw > 0.05 else "DISAPPROVED"
            )
            paused = m > 0 and noise.unit(seed, "ad paused", position, at) < 0.1
            words = topic.lower() if meta else topic
            ads.append(
                AdSetup(
                    id=_id(position, n, 3, k * 10 + m),
                    name=f"{topic} | {'ABC'[m]}",
                    kind=_META_KINDS[m] if meta else _AD_KINDS[plan.kind],
                    status="PAUSED" if paused else "ENABLED",
                    review=review,
                    final_url=f"https://www.{brand.domain}.example/{brand.market.lower()}/{path}",
                    creative=_id(position, n, 5, k * 10 + m),
                    headline=_HEADLINES[m].format(topic),
                    body=_BODIES[m].format(words),
                    weight=0.4 + noise.unit(seed, "ad weight", position, at),
                    pull=_jitter(seed, "ad pull", position, at, width=0.3),
                )
            )
        groups.append(
            GroupSetup(
                id=_id(position, n, 2, k),
                name=topic,
                optimises_for=_OPTIMISES[brand.goal],
                weight=0.3 + noise.unit(seed, "group weight", position, place),
                ads=tuple(ads),
                budget=None,
            )
        )
    return tuple(groups)
