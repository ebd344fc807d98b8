"""A process whose files may not outgrow a limit: the system refuses its writes as a full disk does.

    python -m tests.warehouse.full_disk FILE

RLIMIT_FSIZE stands for the disk: a write past it fails in the kernel (EFBIG), at any place where ENOSPC
could. It is exercised in a process of its own, since the limit holds for the whole process.
"""

import json
import resource
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa

from connectors.contract import Window
from connectors.rows import Delivery
from connectors.schema import schema
from tests.warehouse.store_kit import at, ok
from warehouse.duck import DuckWarehouse
from warehouse.errors import StorageFull
from warehouse.store import Slice

ROWS = 8_000
LIMIT = 3 * 2**20


def write(warehouse: DuckWarehouse, account: str) -> None:
    """A reply that hardly compresses, about half a megabyte."""
    chance = np.random.default_rng(int(account))
    names = [f"{chance.bytes(12).hex()}" for _ in range(ROWS)]
    columns = {
        "campaign": names,
        "hour": [at(n % 24) for n in range(ROWS)],
        "day": [at(n % 24).date() for n in range(ROWS)],
        "hour_of_day": [n % 24 for n in range(ROWS)],
        **{m: chance.integers(0, 2**40, ROWS) for m in ("impressions", "clicks", "cost", "conversion_value")},
        "conversions": pa.array([1.0] * ROWS).cast(pa.decimal128(18, 6)),
    }
    reply = pa.record_batch(columns, schema=schema(Delivery))
    piece = Slice("google_ads", account, "delivery", Delivery, Window(at(0), at(24)))
    warehouse.write(piece, [reply], seen_at=at(25), vouched=at(24), fetch=ok(25, account=account))


def accounts(warehouse: DuckWarehouse) -> set[str]:
    found = warehouse.query(
        "SELECT account, count(*)::BIGINT AS n FROM delivery GROUP BY account"
    ).to_pylist()
    assert all(r["n"] == ROWS for r in found), found
    return {r["account"] for r in found}


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fill(warehouse: DuckWarehouse, first: int, stored: set[str], *, checkpoint: bool) -> list[str]:
    """Write until the disk is full, then twice more; each failure leaves what was stored. Their causes."""
    causes: list[str] = []
    for number in range(first, first + 40):
        try:
            write(warehouse, str(number))
            stored.add(str(number))
            if checkpoint:
                warehouse.publish()
        except StorageFull as error:
            causes.append(error.cause)
        if not accounts(warehouse) >= stored:
            raise SystemExit(f"lost {stored - accounts(warehouse)} after {causes[-1:]}")
        if len(causes) == 3:
            return causes
    raise SystemExit("the disk never filled up")


def main(path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    stop, answers = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                answers.append(len(accounts(warehouse)))
            except Exception as error:  # noqa: BLE001 (reported by the main thread)
                answers.append(error)
            stop.wait(0.05)

    with DuckWarehouse.open(path, rows=(Delivery,), min_free=0) as warehouse:
        reader = threading.Thread(target=read)
        reader.start()
        stored: set[str] = set()
        causes = []
        for checkpoint in (False, True):  # the log cannot grow; the file itself cannot
            limit(LIMIT)
            first = 100 * checkpoint
            causes.append(fill(warehouse, first, stored, checkpoint=checkpoint))
            limit(resource.RLIM_INFINITY)
            write(warehouse, str(first + 50))
            stored.add(str(first + 50))
            assert accounts(warehouse) >= stored
            warehouse.publish()
        stop.set()
        reader.join()
    with DuckWarehouse.open(path, rows=(Delivery,), min_free=0) as warehouse:
        assert warehouse.quarantined is None
        assert accounts(warehouse) >= stored
    unanswered = [str(a) for a in answers if not isinstance(a, int)]
    sys.stdout.write(json.dumps({"causes": causes, "stored": len(stored), "unanswered": unanswered}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
