"""experiments.yaml: what it holds, and every fault with its place and its mend."""

from datetime import date

import pytest

from service.experiments import load
from service.settings import SettingsError

GOOD = """experiments:
  - id: page
    title: New page
    owner: team
    metric: cpa
    minimum_effect: 8%
    starts: 2026-11-02
    ends: 2026-11-29
    arms:
      - name: Old
        campaigns: "Shoes A"
        share: 50%
      - name: New
        campaigns: ["Shoes B", "12*"]
        share: 50%
    guardrails: [roas]
"""


def written(tmp_path, text):
    (tmp_path / "experiments.yaml").write_text(text)
    return load(tmp_path)


def test_no_file_is_no_test(tmp_path):
    assert load(tmp_path) == ()


def test_a_test_is_read(tmp_path):
    (test,) = written(tmp_path, GOOD)
    assert (test.id, test.metric, test.minimum_effect) == ("page", "cpa", 0.08)
    assert (test.starts, test.ends, test.planned_days) == (date(2026, 11, 2), date(2026, 11, 29), 28)
    assert [(arm.name, arm.share, arm.patterns) for arm in test.arms] == [
        ("Old", 0.5, ("Shoes A",)),
        ("New", 0.5, ("Shoes B", "12*")),
    ]
    assert test.guardrails == ("roas",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("metric: cpa", "metric: cpaa", "did you mean 'cpa'?"),
        ("ends: 2026-11-29", "ends: 2026-10-29", "would end before it starts"),
        ("        share: 50%\n      - name: New", "      - name: New", "either every arm has a share"),
        ("share: 50%\n      - name: New", "share: 20%\n      - name: New", "add up to 100 %"),
        ("    owner: team\n", "", "owner"),
        ("    title: New page\n", "    titel: New page\n", "did you mean 'title'?"),
        ("minimum_effect: 8%", "minimum_effect: lots", "lots"),
        ("experiments:", "tests:", "begins with `experiments:`"),
        ("guardrails: [roas]", "guardrails: [profit]", "is no metric of a test"),
    ],
)
def test_a_fault_has_its_place_and_its_mend(tmp_path, old, new, said):
    assert old in GOOD
    with pytest.raises(SettingsError) as caught:
        written(tmp_path, GOOD.replace(old, new, 1))
    text = str(caught.value)
    assert said in text
    assert "experiments.yaml:" in text


def test_ids_are_told_apart(tmp_path):
    with pytest.raises(SettingsError, match="another test's id"):
        written(tmp_path, GOOD + GOOD.removeprefix("experiments:\n"))


PAGES = """experiments:
  - id: page
    title: Short page
    owner: team
    metric: session_conversion_rate
    starts: 2026-11-02
    ends: 2026-11-29
    arms:
      - {name: Long, pages: /boots, share: 50%}
      - {name: Short, pages: [/boots-b, "shop.example/boots-c*"], share: 50%}
"""


def test_arms_may_be_pages(tmp_path):
    (test,) = written(tmp_path, PAGES)
    assert [(arm.pages, arm.patterns) for arm in test.arms] == [
        (("/boots",), ()),
        (("/boots-b", "shop.example/boots-c*"), ()),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pages: /boots,", "campaigns: Boots,", "every arm has campaigns, or every arm has pages"),
        ("pages: /boots,", "", "every arm has campaigns, or every arm has pages"),
        ("session_conversion_rate", "cpa", "a test of pages is about session_conversion_rate"),
    ],
)
def test_faults_of_tests_of_pages(tmp_path, old, new, said):
    with pytest.raises(SettingsError, match=said):
        written(tmp_path, PAGES.replace(old, new))


def test_campaigns_have_no_sessions(tmp_path):
    with pytest.raises(SettingsError, match="is for tests of pages"):
        written(tmp_path, GOOD.replace("metric: cpa", "metric: session_conversion_rate"))
