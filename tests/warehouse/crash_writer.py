"""A process that writes, publishes and compacts until it is killed; it says each write that was acknowledged.

python -m tests.warehouse.crash_writer FILE FIRST
"""

import sys
from itertools import count

from connectors.rows import Delivery
from tests.warehouse.store_kit import delivery, put
from warehouse.duck import DuckWarehouse

ROWS = 40
CAMPAIGNS = [f"c{n:02}" for n in range(ROWS)]


def impressions(number: int, n: int) -> int:
    """What write `number` says about campaign `n` in its own hour; the next write adds one to each."""
    return number * 100 + n


def main(path: str, first: int) -> None:
    with DuckWarehouse.open(path, rows=(Delivery,), min_free=0) as warehouse:
        for number in count(first):
            # Its own hour, and the one before restated by one more impression each.
            rows = [delivery(c, number, impressions(number, n)) for n, c in enumerate(CAMPAIGNS)]
            if number:
                rows += [
                    delivery(c, number - 1, impressions(number - 1, n) + 1) for n, c in enumerate(CAMPAIGNS)
                ]
            put(warehouse, rows, seen=number + 1, hours=(max(number - 1, 0), number + 1))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
            if number % 4 == 3:
                warehouse.publish()
            if number % 10 == 9:
                warehouse.compact(Delivery)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
