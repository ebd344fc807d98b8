"""Fields of the Google Analytics Data API that this world's sessions are not told apart by.

The API answers a dimension whose value it never learned with "(not set)", and counts nothing of what never
happened as 0; so does the sandbox for these. A name that is in none of its lists is refused.
"""

from __future__ import annotations

from typing import Final

__all__ = ["NEVER", "NOT_SET", "UNTOLD"]

NOT_SET: Final = "(not set)"

UNTOLD: Final = frozenset(
    {
        "audienceId", "audienceName", "brandingInterest", "browser", "campaignId", "campaignName", "city",
        "cityId", "contentGroup", "continent", "continentId", "country", "countryId",
        "defaultChannelGroup", "deviceCategory", "deviceModel", "firstUserCampaignId",
        "firstUserCampaignName", "firstUserDefaultChannelGroup", "firstUserMedium", "firstUserSource",
        "firstUserSourceMedium", "fullPageUrl", "itemBrand", "itemCategory", "itemId", "itemName",
        "language", "languageCode", "medium", "mobileDeviceBranding", "mobileDeviceInfo",
        "mobileDeviceMarketingName", "mobileDeviceModel", "newVsReturning", "operatingSystem",
        "operatingSystemVersion", "operatingSystemWithVersion", "pageLocation", "pagePath",
        "pagePathPlusQueryString", "pageReferrer", "pageTitle", "platform", "platformDeviceCategory",
        "region", "screenResolution", "searchTerm", "sessionCampaignId", "sessionCampaignName",
        "sessionMedium", "sessionSource", "sessionSourceMedium", "sessionSourcePlatform", "source",
        "sourceMedium", "sourcePlatform", "streamId", "streamName", "subContinent", "transactionId",
        "unifiedPagePathScreen", "unifiedPageScreen", "unifiedScreenClass", "unifiedScreenName",
        "userAgeBracket", "userGender",
    }
)  # fmt: skip
"""Dimensions."""

NEVER: Final = {
    "crashAffectedUsers": "TYPE_INTEGER",
    "newUsers": "TYPE_INTEGER",
    "scrolledUsers": "TYPE_INTEGER",
    "transactions": "TYPE_INTEGER",
    "userEngagementDuration": "TYPE_SECONDS",
    "averageSessionDuration": "TYPE_SECONDS",
    "purchaseRevenue": "TYPE_CURRENCY",
    "totalAdRevenue": "TYPE_CURRENCY",
    "totalRevenue": "TYPE_CURRENCY",
}
"""Metrics, and their types."""
