"""The made-up bank publishes as the real one does."""

from datetime import UTC, date, datetime, timedelta
from urllib.request import urlopen
from xml.etree import ElementTree as ET

import pytest

from sandbox import fx, http
from sandbox.clock import SandboxClock

CUBE = "{http://www.ecb.int/vocabulary/2002-08-01/eurofxref}Cube"


def days(text: str) -> list[str]:
    return [c.attrib["time"] for c in ET.fromstring(text).iter(CUBE) if "time" in c.attrib]


def get(at: str, file: str) -> str:
    clock = SandboxClock(datetime.fromisoformat(at).replace(tzinfo=UTC), frozen=True)
    with (
        http.start(fx.app(clock, seed=1)) as bank,
        urlopen(f"{bank.url}/eurofxref-{file}.xml", timeout=10) as reply,
    ):
        return reply.read().decode()


def test_a_days_rates_appear_at_four_in_frankfurt():
    assert days(get("2026-11-24T14:59", "daily")) == ["2026-11-23"]
    assert days(get("2026-11-24T15:00", "daily")) == ["2026-11-24"]
    assert days(get("2026-11-22T12:00", "daily")) == ["2026-11-20"]  # a Sunday


def test_ninety_days_and_history_are_newest_first_without_weekends():
    recent, whole = (days(get("2026-11-24T16:00", file)) for file in ("hist-90d", "hist"))

    assert recent == sorted(recent, reverse=True)
    assert recent[0] == "2026-11-24"
    assert date(2026, 11, 24) - date.fromisoformat(recent[-1]) <= timedelta(days=90)
    assert all(date.fromisoformat(day).weekday() < 5 for day in whole)
    assert recent == whole[: len(recent)]
    assert len(whole) > 700


@pytest.mark.parametrize(
    "closed",
    ["2026-01-01", "2026-04-03", "2026-04-06", "2026-05-01", "2026-12-25", "2027-03-26", "2027-03-29"],
)
def test_the_bank_is_closed_on_its_holidays(closed):
    assert not fx.working(date.fromisoformat(closed))


def test_rates_are_of_the_seed_and_the_day_alone():
    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)

    assert fx.rates(1, [monday, tuesday]) == [*fx.rates(1, [monday]), *fx.rates(1, [tuesday])]
    assert fx.rates(1, [monday]) != fx.rates(2, [monday])
    for currency, rate in fx.rates(1, [monday])[0].items():
        assert rate == pytest.approx(fx.PAR[currency], rel=0.12)
        assert f"currency='{currency}' rate='{rate}'" in get("2026-11-23T18:00", "daily")
