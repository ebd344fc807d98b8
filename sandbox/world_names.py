"""Fictitious brands, markets and wording: what people see in the sandbox. All domains end in .example."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BRANDS", "GOOGLE_PLAN", "MANAGERS", "META_PLAN", "Brand", "Plan"]


@dataclass(frozen=True, slots=True)
class Brand:
    """An advertiser's market.

    rate: units of its currency for one euro, by which prices are set. goal: purchase or lead. weekend:
    Saturday's and Sunday's traffic relative to Monday's.
    """

    name: str
    domain: str
    market: str
    currency: str
    timezone: str
    rate: float
    goal: str
    weekend: float
    order_value: float
    """An order's typical value in euros."""
    ranges: tuple[str, ...]
    """What it sells, as path and words: ad groups are named after these."""


BRANDS = (
    Brand("Northwind Outdoor", "northwind-outdoor", "DE", "EUR", "Europe/Berlin", 1.0, "purchase", 1.15, 92,
          ("Hiking Boots", "Rain Jackets", "Tents", "Backpacks")),
    Brand("Harbor & Pine", "harborandpine", "US", "USD", "America/New_York", 1.1, "purchase", 1.25, 138,
          ("Oak Tables", "Linen Sofas", "Floor Lamps", "Wool Rugs")),
    Brand("Larkfield Software", "larkfield", "US", "USD", "America/New_York", 1.1, "lead", 0.45, 60,
          ("Payroll", "Time Tracking", "Invoicing", "Expenses")),
    Brand("Northwind Outdoor", "northwind-outdoor", "DE", "EUR", "Europe/Berlin", 1.0, "purchase", 1.15, 92,
          ("Hiking Boots", "Rain Jackets", "Tents", "Backpacks")),
    Brand("Kumo Tea", "kumo-tea", "JP", "JPY", "Asia/Tokyo", 165.0, "purchase", 1.05, 38,
          ("Sencha", "Matcha", "Tea Pots", "Gift Boxes")),
    Brand("Brightwater Courses", "brightwater", "IN", "GBP", "Asia/Kolkata", 0.86, "lead", 0.8, 45,
          ("Data Analysis", "Design", "Languages", "Finance")),
    Brand("Velodrome Cycles", "velodrome-cycles", "UK", "GBP", "Europe/London", 0.86, "purchase", 1.2, 310,
          ("Gravel Bikes", "Helmets", "Lights", "Jerseys")),
    Brand("Ostrea Cosmetics", "ostrea", "FR", "EUR", "Europe/Paris", 1.0, "purchase", 1.1, 54,
          ("Serums", "Sun Care", "Shampoo", "Perfume")),
)  # fmt: skip

MANAGERS = ("Meridian Media Group", "Meridian Media Group, Retail")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign of a kind is like; prices in euros. `{}` in the name is the market.

    clicks: per hour over the week's average. ctr: clicks per impression. cvr: conversions of the
    account's goal per click. networks: shares of the platform's networks. budget: what holds its budget:
    own (a daily one of the campaign's), shared, total (one for the whole flight) or groups (Meta's ABO).
    """

    name: str
    kind: str
    clicks: float
    ctr: float
    cpc: float
    cvr: float
    networks: tuple[float, float, float]
    bidding: str
    budget: str = "own"
    label: str = "always-on"


GOOGLE_PLAN = (
    Plan("{} | Search | Brand | Exact", "search", 34, 0.140, 0.42, 0.072, (0.93, 0.07, 0.0),
         "TARGET_IMPRESSION_SHARE", label="brand"),
    Plan("{} | Search | Generic | Phrase", "search", 26, 0.046, 1.35, 0.031, (0.86, 0.14, 0.0),
         "TARGET_CPA", "shared", "generic"),
    Plan("{} | PMax | All Products", "performance_max", 48, 0.017, 0.58, 0.026, (0.42, 0.05, 0.53),
         "MAXIMIZE_CONVERSION_VALUE"),
    Plan("{} | Shopping | Bestsellers", "shopping", 39, 0.012, 0.51, 0.024, (0.9, 0.1, 0.0),
         "TARGET_ROAS"),
    Plan("{} | Demand Gen | Prospecting", "prospecting", 30, 0.009, 0.36, 0.009, (0.0, 0.0, 1.0),
         "MAXIMIZE_CONVERSIONS", "total", "flight"),
    Plan("{} | Display | Retargeting", "retargeting", 12, 0.007, 0.47, 0.034, (0.0, 0.0, 1.0),
         "TARGET_CPA", label="retargeting"),
    Plan("{} | Search | Competitors | Phrase", "search", 8, 0.031, 1.90, 0.014, (0.88, 0.12, 0.0),
         "MAXIMIZE_CLICKS", "shared", "generic"),
    Plan("{} | Search | Generic | Broad test", "search", 22, 0.040, 1.22, 0.030, (0.84, 0.16, 0.0),
         "TARGET_CPA", "shared", "test"),
)  # fmt: skip

META_PLAN = (
    Plan("{} | Prospecting | Broad | CBO", "prospecting", 44, 0.013, 0.62, 0.017, (0.46, 0.46, 0.08),
         "LOWEST_COST_WITHOUT_CAP"),
    Plan("{} | Prospecting | Lookalike 1% | ABO", "prospecting", 30, 0.014, 0.71, 0.020, (0.5, 0.44, 0.06),
         "LOWEST_COST_WITHOUT_CAP", "groups"),
    Plan("{} | Retargeting | 30 days | CBO", "retargeting", 14, 0.019, 0.83, 0.041, (0.52, 0.45, 0.03),
         "COST_CAP", label="retargeting"),
    Plan("{} | Shopping | Advantage+ | CBO", "shopping", 38, 0.015, 0.55, 0.024, (0.44, 0.5, 0.06),
         "LOWEST_COST_WITHOUT_CAP"),
    Plan("{} | Prospecting | Video | Flight", "prospecting", 20, 0.010, 0.44, 0.010, (0.34, 0.62, 0.04),
         "LOWEST_COST_WITHOUT_CAP", "total", "flight"),
    Plan("{} | Retargeting | Cart | ABO", "retargeting", 7, 0.021, 0.95, 0.060, (0.58, 0.4, 0.02),
         "LOWEST_COST_WITHOUT_CAP", "groups", "retargeting"),
    Plan("{} | Prospecting | Interests A | CBO", "prospecting", 18, 0.012, 0.68, 0.015, (0.5, 0.43, 0.07),
         "LOWEST_COST_WITHOUT_CAP", label="test"),
    Plan("{} | Prospecting | Interests B | CBO", "prospecting", 18, 0.012, 0.68, 0.015, (0.5, 0.43, 0.07),
         "LOWEST_COST_WITHOUT_CAP", label="test"),
)  # fmt: skip
