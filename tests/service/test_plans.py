"""`plans` in paceline.yaml: what is written is what holds, and every fault points."""

from datetime import date
from textwrap import dedent

import pytest

from metrics.flights import Amount, SpendPlan
from service.plans import planned
from service.settings import SettingsError, load

HEAD = "currency: USD\nsources: {example: {platform: /tmp}}\nplans:\n"


@pytest.fixture
def team(tmp_path):
    def write(plans):
        (tmp_path / ".streamlit").mkdir(exist_ok=True)
        (tmp_path / ".streamlit/secrets.toml").write_text('[example]\ntoken = "x"\n')
        (tmp_path / "paceline.yaml").write_text(HEAD + dedent(plans))
        return load(tmp_path, {}).settings

    return write


def test_what_is_written_is_what_holds(team):
    settings = team(
        """\
        - name: Always on
          amount: 45000
          accounts: [North*, "77"]
          curve: weekday
          changes:
            - {since: 2026-12-01, amount: 60000}
            - {since: 2026-11-20, amount: 50000}
        - name: Christmas
          owner: sofia@example.com
          amount: 9000
          currency: EUR
          period: flight
          start: 2026-11-23
          end: 2026-12-24
          campaigns: "*Xmas*"
          curve: [1, 1, 2]
        - name: As budgeted
        """
    )
    always, christmas, budgeted = (planned(plan, settings.currency) for plan in settings.plans)
    assert always == SpendPlan(
        "Always on",
        "USD",
        (Amount(45000), Amount(50000, date(2026, 11, 20)), Amount(60000, date(2026, 12, 1))),
        accounts=("North*", "77"),
        curve="weekday",
    )
    assert christmas == SpendPlan(
        "Christmas",
        "EUR",
        (Amount(9000),),
        owner="sofia@example.com",
        period="flight",
        starts=date(2026, 11, 23),
        ends=date(2026, 12, 24),
        campaigns=("*Xmas*",),
        curve=(1.0, 1.0, 2.0),
    )
    assert budgeted == SpendPlan("As budgeted", "USD")


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (
            "- {name: a, amount: 5, curve: evn}",
            "paceline.yaml:4:31: plans.0.curve: 'evn' is no curve, did you mean 'even'?, or a list of weights",
        ),
        (
            "- {name: a, amount: 5, curve: [0, 0]}",
            "paceline.yaml:4:31: plans.0.curve: a list is no curve: weights are numbers of at least 0, and one is more than that",
        ),
        (
            "- {name: a, amount: 5, peroid: month}",
            "paceline.yaml:4:24: plans.0.peroid: is no known setting, did you mean 'period'?",
        ),
        (
            "- {name: a, amount: 5, period: week}",
            "paceline.yaml:4:32: plans.0.period: 'week' is not allowed (known: flight, month, quarter)",
        ),
        (
            "- {name: a, amount: 0}",
            "paceline.yaml:4:21: plans.0.amount: input should be greater than 0 (got 0)",
        ),
        (
            "- {name: a, amount: 5, period: flight, start: 2026-11-01}",
            "paceline.yaml:4:3: plans.0.end: is missing: a flight has its last day, such as 2026-12-24",
        ),
        (
            "- {name: a, amount: 5, period: flight, start: 2026-11-02, end: 2026-11-01}",
            "paceline.yaml:4:64: plans.0.end: 2026-11-01 is before the flight's first day, 2026-11-02",
        ),
        (
            "- {name: a, amount: 5, end: 2026-11-01}",
            "paceline.yaml:4:24: plans.0.end: is only for a plan with `period: flight`",
        ),
        (
            "- {name: a, amount: 5}\n- {name: a, amount: 6}",
            "paceline.yaml:5:10: plans.1.name: 'a' is another plan's name, on line 4",
        ),
        (
            "- {name: a, amount: 5, source: exampel}",
            "paceline.yaml:4:32: plans.0.source: 'exampel' is no configured source, did you mean 'example'?",
        ),
        (
            "- {name: a, changes: [{since: 2026-11-01, amount: 5}]}",
            "paceline.yaml:4:13: plans.0.changes: change an amount that is missing: write `amount`",
        ),
        (
            "- name: a\n  amount: 5\n  changes:\n    - {since: 2026-11-01, amount: 5}\n    - {since: 2026-11-01, amount: 6}",
            "paceline.yaml:8:15: plans.0.changes.1.since: 2026-11-01 has another amount already",
        ),
        (
            "- {name: a, amount: 5, changes: [{sinse: 2026-11-01, amount: 5}]}",
            "paceline.yaml:4:35: plans.0.changes.0.sinse: is no known setting, did you mean 'since'?",
        ),
    ],
)
def test_a_fault_is_told_where_it_stands(team, plan, said):
    with pytest.raises(SettingsError) as caught:
        team(plan)
    assert said in [str(problem) for problem in caught.value.problems]
