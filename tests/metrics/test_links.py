import pytest

from metrics.links import entity_url, recommendations_url, screen

GOOGLE = "https://ads.google.com/aw/"
META = "https://adsmanager.facebook.com/adsmanager/manage/"


@pytest.mark.parametrize(
    ("entity", "url"),
    [
        (("google_ads", "123-456-7890"), GOOGLE + "campaigns?__e=1234567890"),
        (("google_ads", "1234567890", "7"), GOOGLE + "adgroups?campaignId=7&__e=1234567890"),
        (("google_ads", "1234567890", "7", "8"), GOOGLE + "ads?campaignId=7&adGroupId=8&__e=1234567890"),
        (("google_ads", "1234567890", "7", "8", "9"), GOOGLE + "ads?campaignId=7&adGroupId=8&__e=1234567890"),
        (("meta_ads", "act_55"), META + "campaigns?act=55"),
        (("meta_ads", "55", "7"), META + "campaigns?act=55&selected_campaign_ids=7"),
        (("meta_ads", "55", "7", "8"), META + "adsets?act=55&selected_campaign_ids=7&selected_adset_ids=8"),
        (
            ("meta_ads", "55", "7", "8", "9"),
            META + "ads?act=55&selected_campaign_ids=7&selected_adset_ids=8&selected_ad_ids=9",
        ),
        (("example", "1", "7"), ""),
    ],
)
def test_the_screen_of_the_smallest_entity(entity, url):
    assert entity_url(*entity) == url


def test_an_id_cannot_add_to_the_address():
    assert (
        entity_url("meta_ads", "1", "7&act=2#x")
        == META + "campaigns?act=1&selected_campaign_ids=7%26act%3D2%23x"
    )


def test_screens_have_names():
    assert [screen(s) for s in ("google_ads", "meta_ads", "example")] == ["Google Ads", "Ads Manager", ""]


@pytest.mark.parametrize(
    ("campaign", "url"),
    [
        (("google_ads", "123-456-7890", "7"), GOOGLE + "recommendations?campaignId=7&__e=1234567890"),
        (("google_ads", "1234567890"), GOOGLE + "recommendations?__e=1234567890"),
        (("meta_ads", "55", "7"), ""),
    ],
)
def test_the_screen_of_the_platforms_suggestions(campaign, url):
    assert recommendations_url(*campaign) == url
