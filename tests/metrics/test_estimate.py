import numpy as np
import pytest

from benchmarks import maturity as measured
from metrics.estimate import settle, settled, usual_rate


def test_settled_is_known_plus_what_is_still_to_come():
    # 1,000 clicks at 3 %, four tenths known: 1,000 * 0.6 * 0.03 = 18 to come.
    said = settle(np.array([12.0]), np.array([[1000.0]]), np.array([0.4]), np.array([0.03]))
    assert said.mid[0] == pytest.approx(30.0)
    assert said.completeness[0] == pytest.approx(0.4)
    assert 12.0 <= said.low[0] < 30.0 < said.high[0]


def test_complete_hours_are_what_they_are():
    said = settle(np.array([7.0]), np.array([[500.0]]), np.array([1.0]), np.array([0.03]))
    assert (said.low[0], said.mid[0], said.completeness[0]) == (7.0, 7.0, 1.0)
    assert said.high[0] < 7.5


def test_what_will_be_taken_back_lowers_the_estimate_and_its_low_end():
    # 1,000 clicks at 3 %: all is known, of which a tenth (3) will go: complete is 33 of 30.
    said = settle(
        np.array([33.0]), np.array([[1000.0]]), np.array([1.1]), np.array([0.03]), withdrawn=np.array([0.1])
    )
    assert said.mid[0] == pytest.approx(30.0)
    assert 26 < said.low[0] < 30 < said.high[0] < 34
    assert said.completeness[0] == 1


def test_the_interval_is_the_poisson_laws_where_only_chance_is_at_work():
    # Against scipy's own quantiles of a Poisson law of mean 400, which is all but normal: 400 -+ 1.2816 * 20.
    said = settled(np.array([100.0]), np.array([400.0]), np.array([0.0]), np.array([400.0]))
    assert (said.low[0], said.high[0]) == pytest.approx((500 - 25.6, 500 + 25.6), abs=0.6)


def test_rates_shrink_to_the_account():
    rate = usual_rate(np.array([300.0, 0.0]), np.array([10_000.0, 100.0]))
    overall = 300 / 10_100
    assert rate[0] == pytest.approx((300 + 15) / (10_000 + 15 / overall))
    assert 0.5 * overall < rate[1] < overall


def test_accuracy_on_synthetic_accounts():
    said = measured.measure(range(50, 54), "long")
    assert said[0]["raw"] > 0.6
    assert said[6]["settled"] <= 0.1
    assert said[6]["cpa closer"] >= 0.9
    assert 0.75 <= np.mean([x["coverage"] for x in said.values()]) <= 0.85
