"""Where a thing is mended: its screen in Google Ads or in Meta's Ads Manager.

Neither platform documents these addresses; they are what the interfaces themselves put into the browser's
bar. Google knows an account by `__e`, the customer id that its API gives; Meta by `act`, without `act_`.
"""

from __future__ import annotations

from urllib.parse import urlencode

__all__ = ["entity_url", "recommendations_url", "screen"]

_GOOGLE = "https://ads.google.com/aw/"
_META = "https://adsmanager.facebook.com/adsmanager/manage/"

_SCREENS = {"google_ads": "Google Ads", "meta_ads": "Ads Manager"}


def screen(source: str) -> str:
    """What a source's own interface is called: Google Ads, Ads Manager; empty where there is none known."""
    return _SCREENS.get(source, "")


def entity_url(source: str, account: str, campaign: str = "", adset: str = "", ad: str = "") -> str:
    """The screen of the smallest entity given, in the source's own interface; empty for other sources.

    adset: the id of a Google ad group or a Meta ad set. A Google ad opens as its ad group's list of ads,
    for there is no address of a single one.
    """
    match source:
        case "google_ads":
            found = {"campaignId": campaign, "adGroupId": adset, "__e": account.replace("-", "")}
            page = "ads" if adset else "adgroups" if campaign else "campaigns"
            base = _GOOGLE
        case "meta_ads":
            found = {
                "act": account.removeprefix("act_"),
                "selected_campaign_ids": campaign,
                "selected_adset_ids": adset,
                "selected_ad_ids": ad,
            }
            page = "ads" if ad else "adsets" if adset else "campaigns"
            base = _META
        case _:
            return ""
    return f"{base}{page}?{urlencode({name: value for name, value in found.items() if value})}"


def recommendations_url(source: str, account: str, campaign: str = "") -> str:
    """The source's own screen of its suggestions, where they are applied or dismissed; empty for others."""
    if source != "google_ads":
        return ""
    found = {"campaignId": campaign, "__e": account.replace("-", "")}
    return f"{_GOOGLE}recommendations?{urlencode({name: value for name, value in found.items() if value})}"
