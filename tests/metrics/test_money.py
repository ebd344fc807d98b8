"""Several currencies: converted by the rate of each day, or refused."""

from datetime import UTC, date, datetime, timedelta

import pytest

from connectors.contract import Window
from connectors.fx import Fx, FxSettings
from connectors.rows import Rate
from metrics.compute import evaluate, series
from metrics.money import MissingRate, MixedCurrencies, rate
from sandbox import fx, http
from sandbox.clock import SandboxClock
from tests.metrics.conftest import BERLIN, hour

FRIDAY, SATURDAY, MONDAY = date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 2)
WINDOW = Window(datetime(2026, 10, 29, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC))


@pytest.fixture
def mixed(store):
    """On Friday, Saturday and Monday at noon: 100 euro and 300 dollars, each with a conversion worth the double."""
    for account, currency, cost in (("e", "EUR", 100), ("d", "USD", 300)):
        store.account("google_ads", account, currency=currency)
        rows = [
            hour("1", f"{day}T12:00", clicks=1, cost=cost, conversions=1, value=2 * cost, zone=BERLIN)
            for day in (FRIDAY, SATURDAY, MONDAY)
        ]
        store.reply("google_ads", account, rows)
    return store


def rated(store) -> None:
    store.rates(
        Rate(FRIDAY, "USD", 1.20),
        Rate(MONDAY, "USD", 1.50),
        Rate(FRIDAY, "CHF", 0.90),
        Rate(MONDAY, "CHF", 0.90),
    )


def test_several_currencies_are_never_summed(mixed, pick):
    with pytest.raises(MixedCurrencies, match="spend in EUR, USD: convert them to one currency"):
        evaluate(mixed.warehouse, pick("spend"), WINDOW)
    with pytest.raises(MixedCurrencies):
        evaluate(mixed.warehouse, pick("roas"), WINDOW, ("source",))
    with pytest.raises(MixedCurrencies):
        series(mixed.warehouse, pick("cpa"), WINDOW, step=timedelta(days=1))


def test_counts_have_no_currency(mixed, pick):
    assert evaluate(mixed.warehouse, pick("clicks", "conversion_rate"), WINDOW).to_pylist() == [
        {"clicks": 6, "conversion_rate": 1}
    ]


def test_groups_of_one_currency_keep_it(mixed, pick):
    for by in (("account",), ("currency",), ("campaign",)):
        rows = evaluate(mixed.warehouse, pick("spend", "roas"), WINDOW, by).to_pylist()

        assert [
            (r["spend"], r["roas"], r["currency"]) for r in sorted(rows, key=lambda r: r["currency"])
        ] == [
            (300, 2, "EUR"),
            (900, 2, "USD"),
        ]
    by_day = series(mixed.warehouse, pick("spend"), WINDOW, step=timedelta(days=1), by=("account",))
    assert {(r["account"], r["currency"]) for r in by_day.to_pylist()} == {("e", "EUR"), ("d", "USD")}


def test_a_filter_to_one_currency_needs_no_rate(mixed, pick):
    (row,) = evaluate(mixed.warehouse, pick("spend"), WINDOW, where={"account": "d"}).to_pylist()

    assert row == {"spend": 900, "currency": "USD"}


def test_money_is_converted_by_the_rate_of_its_day(mixed, pick):
    rated(mixed)

    (row,) = evaluate(
        mixed.warehouse, pick("spend", "cpa", "roas", "conversions"), WINDOW, currency="EUR"
    ).to_pylist()

    # Saturday has no rate of its own: Friday's stands.
    spend = 3 * 100 + 300 / 1.20 + 300 / 1.20 + 300 / 1.50
    assert row["spend"] == pytest.approx(spend)
    assert row["cpa"] == pytest.approx(spend / 6)
    assert row["roas"] == pytest.approx(2)
    assert (row["conversions"], row["currency"]) == (6, "EUR")


def test_neither_side_need_be_the_euro(mixed, pick):
    rated(mixed)

    (row,) = evaluate(mixed.warehouse, pick("spend"), WINDOW, currency="CHF").to_pylist()

    assert row["spend"] == pytest.approx(0.9 * (3 * 100 + 300 / 1.20 + 300 / 1.20 + 300 / 1.50))


def test_a_series_is_converted_too(mixed, pick):
    rated(mixed)

    table = series(mixed.warehouse, pick("spend"), WINDOW, step=timedelta(days=1), currency="USD")

    found = {r["at"]: r["spend"] for r in table.to_pylist() if r["spend"]}
    assert found == {
        FRIDAY: pytest.approx(300 + 120),
        SATURDAY: pytest.approx(300 + 120),
        MONDAY: pytest.approx(300 + 150),
    }


def test_the_own_currency_needs_no_rate(mixed, pick):
    (row,) = evaluate(
        mixed.warehouse, pick("spend"), WINDOW, where={"account": "e"}, currency="EUR"
    ).to_pylist()

    assert row == {"spend": 300, "currency": "EUR"}


def test_a_missing_rate_is_told_with_its_mend(mixed, pick):
    with pytest.raises(
        MissingRate, match=r"no rate from USD to EUR on 2026-11-02 nor .* add `fx` to the sources"
    ):
        evaluate(mixed.warehouse, pick("spend"), WINDOW, currency="EUR")


def test_an_old_rate_is_no_rate(mixed, pick):
    mixed.rates(Rate(FRIDAY - timedelta(days=12), "USD", 1.1))

    with pytest.raises(MissingRate):
        evaluate(mixed.warehouse, pick("spend"), WINDOW, currency="EUR")


def test_one_rate_is_the_factor_of_its_day(mixed):
    rated(mixed)

    assert rate(mixed.warehouse, "EUR", "EUR", date(1990, 1, 1)) == 1
    assert rate(mixed.warehouse, "USD", "EUR", FRIDAY) == pytest.approx(1 / 1.2)
    assert rate(mixed.warehouse, "EUR", "USD", SATURDAY) == pytest.approx(1.2)
    with pytest.raises(MissingRate, match=r"no rate from ISK to EUR"):
        rate(mixed.warehouse, "ISK", "EUR", FRIDAY)


def test_the_banks_own_files_convert(mixed, pick):
    clock = SandboxClock(datetime(2026, 11, 3, 18, tzinfo=UTC), frozen=True)
    with http.start(fx.app(clock, seed=1)) as bank:
        source = Fx(FxSettings(url=bank.url), now=clock.now())
        (account,), (stream,) = source.accounts(), source.streams()
        mixed.zones["fx", "ecb"] = account.timezone
        rows = [
            Rate(**row)
            for batch in source.fetch(stream, account, Window(WINDOW.start - timedelta(days=7), clock.now()))
            for row in batch.to_pylist()
        ]
    mixed.rates(*rows)

    (row,) = evaluate(mixed.warehouse, pick("spend"), WINDOW, currency="EUR").to_pylist()

    friday, monday = (day["USD"] for day in fx.rates(1, [FRIDAY, MONDAY]))
    assert row["spend"] == pytest.approx(300 + 300 / friday + 300 / friday + 300 / monday)
