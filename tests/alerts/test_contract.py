from datetime import UTC, datetime, timedelta

import pytest

from alerts.notify.contract import (
    Fact,
    Line,
    Link,
    Member,
    Message,
    Reason,
    Retry,
    Section,
    Severity,
    Stop,
    pack,
    unpack,
)

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def test_a_message_survives_being_kept():
    message = Message(
        key="incident-7/first/slack/#ads",
        incident="incident-7",
        to="#ads",
        reason=Reason.FIRST,
        severity=Severity.CRITICAL,
        headline="Spend runaway €240/h: «Brand & 東京» \u2028 3.1× its pace",
        at=AT,
        began=AT - timedelta(hours=1),
        facts=(Fact("Expected", "€80"),),
        members=(Member("Brand", resolved=True),),
        sections=(Section("Movers", (Line("Brand +12 %", "https://app.test/x", "bad"),)),),
        links=(Link("Open", "https://app.test"),),
        chart=bytes(range(256)),
        chart_text="spend by hour",
        test=True,
    )
    assert unpack(pack(message)) == message
    with pytest.raises(ValueError):
        unpack('{"key": "incident-7"}')


def test_severities_rank_from_info_to_critical():
    assert sorted(Severity, key=lambda s: s.rank) == [Severity.INFO, Severity.WARNING, Severity.CRITICAL]


def test_errors_say_what_to_do_next():
    later = Retry("busy", after=timedelta(seconds=30), perhaps=True)
    assert (str(later), later.after, later.perhaps) == ("busy", timedelta(seconds=30), True)
    assert (str(Stop("gone", "invite it")), Stop("gone", "invite it").mend) == ("gone", "invite it")
