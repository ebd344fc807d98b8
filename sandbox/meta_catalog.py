"""Kinds of Graph nodes: their names in errors, the fields they know, the edges they have.

The names of the fields are those of Meta's own generated client, so that a request is refused for a name that
Graph would refuse as well, and for no other. What this world has no data for is known and never answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adactivity import AdActivity
from facebook_business.adobjects.adcreative import AdCreative
from facebook_business.adobjects.adreportrun import AdReportRun
from facebook_business.adobjects.adset import AdSet
from facebook_business.adobjects.adsinsights import AdsInsights
from facebook_business.adobjects.adstudy import AdStudy
from facebook_business.adobjects.adstudycell import AdStudyCell
from facebook_business.adobjects.business import Business
from facebook_business.adobjects.campaign import Campaign
from facebook_business.adobjects.user import User

from sandbox.meta_errors import no_such_field, not_an_insights_field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.meta_fields import Field

__all__ = [
    "EMPTY_EDGES",
    "KINDS",
    "Kind",
    "refuse_unknown_fields",
    "refuse_unknown_metrics",
    "values_of",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of node. node: its name in Graph's errors. default: what is answered without `fields`."""

    node: str
    source: type[Any]
    default: tuple[str, ...] = ("id",)
    edges: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()
    """Names that older clients still ask for; they are taken, and nothing is answered."""


EMPTY_EDGES = frozenset(
    {
        "adimages",
        "adlabels",
        "adspixels",
        "advideos",
        "assigned_users",
        "business_users",
        "customaudiences",
        "customconversions",
        "leads",
    }
)
"""Edges that exist and hold nothing in this world."""

_AGENCY = (
    "agency_representing_client client_based_in_france client_city client_country_code client_email_address "
    "client_name client_postal_code client_province client_street client_street2 "
    "has_written_mandate_from_advertiser is_client_paying_invoices"
)
_MANAGER = (
    "block_offline_analytics created_by created_time extended_updated_time is_hidden link name "
    "payment_account_id primary_page profile_picture_uri timezone_id two_factor_type updated_by update_time "
    "verification_status vertical vertical_id manager_id"
)
_INVOICE = "id auto_enroll customer_po_number email emails name"
_RETIRED_ACCOUNT = frozenset(
    [f"agency_client_declaration_{name}" for name in _AGENCY.split()]
    + [f"business_manager_{name}" for name in _MANAGER.split()]
    + [f"extended_credit_invoice_group_{name}" for name in _INVOICE.split()]
    + ["salesforce_invoice_group_id"]
)
_RETIRED_CREATIVE = frozenset(
    {"effective_instagram_story_id", "instagram_actor_id", "instagram_story_id", "page_link", "page_message"}
)

_RETIRED_ADSET = frozenset({"instagram_actor_id"})
_RETIRED_METRICS = frozenset(
    {
        "marketing_messages_website_add_to_cart",
        "marketing_messages_website_initiate_checkout",
        "marketing_messages_website_purchase",
        "marketing_messages_website_purchase_values",
        "product_brand",
        "product_category",
        "product_content_id",
        "product_group_content_id",
        "product_name",
        *(f"product_custom_label_{number}" for number in range(5)),
    }
)


def _edges(*names: str) -> frozenset[str]:
    return frozenset(names)


KINDS: dict[str, Kind] = {
    "account": Kind(
        "AdAccount",
        AdAccount,
        ("account_id", "id"),
        _edges("campaigns", "adsets", "ads", "adcreatives", "activities", "ad_studies", "insights")
        | (EMPTY_EDGES - {"leads", "business_users"}),
        _RETIRED_ACCOUNT,
    ),
    "campaign": Kind("AdCampaignGroup", Campaign, edges=_edges("adsets", "ads", "ad_studies", "insights")),
    "adset": Kind(
        "AdCampaign",
        AdSet,
        edges=_edges("ads", "adcreatives", "activities", "ad_studies", "insights"),
        retired=_RETIRED_ADSET,
    ),
    "ad": Kind("AdGroup", Ad, edges=_edges("adcreatives", "insights", "leads")),
    "creative": Kind("AdCreative", AdCreative, retired=_RETIRED_CREATIVE),
    "activity": Kind("AdActivity", AdActivity, ("event_time", "event_type", "extra_data")),
    "study": Kind("AdStudy", AdStudy, edges=_edges("cells")),
    "cell": Kind("AdStudyCell", AdStudyCell, edges=_edges("campaigns", "adsets")),
    "run": Kind("AdReportRun", AdReportRun, edges=_edges("insights")),
    "user": Kind(
        "User",
        User,
        ("name", "id"),
        _edges("adaccounts", "businesses", "ad_studies", "business_users"),
    ),
    "business": Kind(
        "Business",
        Business,
        ("id", "name"),
        _edges("owned_ad_accounts", "client_ad_accounts", "ad_studies", "business_users"),
    ),
}


@cache
def values_of(holder: type[Any]) -> frozenset[str]:
    """The values of one of the client's enumerations (`AdsInsights.Level`, `Campaign.Field`, …)."""
    return frozenset(value for name, value in vars(holder).items() if not name.startswith("_"))


def refuse_unknown_fields(kind: str, fields: Iterable[Field]) -> None:
    """Raise GraphError 100 for the first of `fields` that nodes of `kind` do not have."""
    known = KINDS[kind]
    for asked in fields:
        if asked.name not in values_of(known.source.Field) | known.edges | known.retired | {"id"}:
            raise no_such_field(asked.name, known.node)


def refuse_unknown_metrics(names: Iterable[str]) -> None:
    """Raise GraphError 100 for the first of `names` that is no insights field; breakdowns are none."""
    for name in names:
        if name not in values_of(AdsInsights.Field) | _RETIRED_METRICS:
            raise not_an_insights_field(name)
