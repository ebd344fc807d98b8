import numpy as np
import pytest
from scipy import stats

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
    four_hundred, nothing = np.array([400.0]), np.array([0.0])
    said = settled(np.array([100.0]), four_hundred, nothing, noise=four_hundred, more=nothing)
    assert (said.low[0], said.high[0]) == pytest.approx((500 - 25.6, 500 + 25.6), abs=0.6)


@pytest.mark.parametrize("means", [(0.22, 0.7), (0.7, 2), (2, 8), (8, 60)])
def test_four_in_five_counts_are_inside_however_few_they_are(means):
    # Poisson's own probabilities of the whole counts inside, over means of all sizes. A single small count's
    # interval holds more or less than four in five, as whole counts have it; together they hold four in five.
    # (Of a mean below 0.22 "none" alone holds more.)
    late = np.geomspace(*means, 200)
    nothing = np.zeros_like(late)
    said = settled(nothing, late, nothing, noise=late, more=nothing)
    counts = np.arange(200)[:, None]
    inside = (counts >= said.low) & (counts <= said.high)
    assert (stats.poisson.pmf(counts, late) * inside).sum(0).mean() == pytest.approx(0.8, abs=0.025)
    assert np.all(said.low <= late)
    assert np.all(late <= said.high)


def test_shared_credit_narrows_the_interval():
    # Four conversions that come as halves are eight events of a half: half as wide as eight whole ones lie.
    nothing = np.zeros(1)
    halves = settled(nothing, np.array([4.0]), nothing, noise=np.array([2.0]), more=nothing)
    whole = settled(nothing, np.array([8.0]), nothing, noise=np.array([8.0]), more=nothing)
    assert (halves.low[0], halves.high[0]) == pytest.approx((whole.low[0] / 2, whole.high[0] / 2))


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
