"""Compacting: the same rows, in the order of time."""

from connectors.rows import ROWS, Delivery
from tests.warehouse.store_kit import delivery, put, rows


def test_compacting_keeps_every_row_and_puts_them_in_the_order_of_time(warehouse):
    for hour in (5, 3, 9, 1):
        put(warehouse, [delivery("b", hour, hour), delivery("a", hour, 1)], seen=20, hours=(hour, hour + 1))
    assert rows(warehouse, "SELECT hour_of_day FROM delivery WHERE campaign = 'b'") == [
        (5,),
        (3,),
        (9,),
        (1,),
    ]
    before = rows(warehouse, "FROM delivery ORDER BY hour, campaign")
    for row in ROWS:
        warehouse.compact(row)
    assert rows(warehouse, "SELECT hour_of_day FROM delivery WHERE campaign = 'b'") == [
        (1,),
        (3,),
        (5,),
        (9,),
    ]
    assert rows(warehouse, "FROM delivery ORDER BY hour, campaign") == before
    assert put(warehouse, [delivery("b", 5, 6), delivery("a", 5, 1)], seen=21, hours=(5, 6)).changed == 1


def test_the_order_holds_over_months(warehouse):
    # 10 March + 1,000 hours is 20 April; - 1,000 hours is 27 January.
    for hour in (1000, 5, -1000, 600, 23):
        put(warehouse, [delivery("a", hour, 1)], seen=1100, hours=(hour, hour + 1))
    warehouse.compact(Delivery)
    found = rows(warehouse, "SELECT (epoch(hour) // 3600)::BIGINT - 492528 FROM delivery")
    assert [r[0] for r in found] == [-1000, 5, 23, 600, 1000]


def test_an_empty_table_stays_empty(warehouse):
    warehouse.compact(Delivery)
    assert rows(warehouse, "FROM delivery") == []
    assert put(warehouse, [delivery("a", 1, 1)], seen=2).changed == 1
