import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from connectors import registry
from connectors.google_ads import GoogleAds


@pytest.fixture
def installed(monkeypatch):
    """installed(name=value): entry points as if another package had brought them."""

    def install(**points):
        found = EntryPoints(EntryPoint(n, v, registry.GROUP) for n, v in points.items())
        monkeypatch.setattr(registry, "entry_points", found.select)

    return install


def test_a_module_of_the_room_is_a_source():
    assert registry.load("google_ads") is GoogleAds
    assert registry.connectors()["google_ads"] is GoogleAds


def test_frames_and_private_modules_are_no_sources():
    assert {"google_ads", "meta_ads", "fx"} <= set(registry.connectors())
    assert all(kind.name == name for name, kind in registry.connectors().items())


def test_another_packages_source_is_found_by_its_entry_point(installed):
    installed(elsewhere="tests_elsewhere:Elsewhere", google_ads="tests_elsewhere:Elsewhere")
    module = type(sys)("tests_elsewhere")
    module.Elsewhere = type("Elsewhere", (GoogleAds,), {"name": "elsewhere"})
    sys.modules["tests_elsewhere"] = module
    try:
        assert registry.load("elsewhere") is module.Elsewhere
        assert registry.load("google_ads") is GoogleAds  # a built-in one cannot be taken over
        assert list(registry.connectors()).count("google_ads") == 1
    finally:
        del sys.modules["tests_elsewhere"]


def test_an_unknown_name_is_told_with_the_nearest_right_one():
    with pytest.raises(
        registry.UnknownSource, match=r"'googel_ads' is no known source: did you mean 'google_ads'\?"
    ):
        registry.load("googel_ads")
    with pytest.raises(registry.UnknownSource, match=r"there are .*google_ads"):
        registry.load("zzz")
    assert registry.connectors().get("zzz") is None


@pytest.mark.parametrize(
    "value", ["no_such_module_anywhere:Thing", "json:no_such_thing", "json:loads", "json:JSONDecoder"]
)
def test_a_source_that_cannot_be_loaded_says_where_it_was_looked_for(installed, value):
    installed(broken=value)
    with pytest.raises(registry.BrokenSource, match=value.partition(":")[0]):
        registry.load("broken")
