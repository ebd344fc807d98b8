"""Google rows over the wire into DuckDB, beside reading the same stream and doing nothing with it.

Each line is CPU time, user and system, of this process alone: the sandbox that answers is another one. The
floor is the official client with raw protobufs, every row's message taken out of its chunk and no field read;
the client's own proto-plus rows, eight fields read, stand beside it on a smaller sample. Medians of runs that
alternate. Run: python -m benchmarks.wire
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors import _google_queries as gaql
from connectors.contract import Account, Window
from connectors.google_ads import GoogleAds
from connectors.rows import Delivery
from service.plan import midnight
from tests.contract.sandbox import Sandbox, running
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TARGET = 2.0
SAMPLE_DAYS = 1
"""Days of the proto-plus sample, which would take minutes on the whole."""


def cpu(job: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds of `job`, and the rows that it says it read. The garbage of the last one is not its own."""
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF)
    rows = job()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, rows


class Peer:
    """The official client against the sandbox."""

    def __init__(self, sandbox: Sandbox, account: Account) -> None:
        from google.ads.googleads.client import GoogleAdsClient  # noqa: PLC0415  # after the roots are set
        from google.oauth2.credentials import Credentials  # noqa: PLC0415

        keys = sandbox.at["credentials"]["google"]
        credentials = Credentials(
            None,
            refresh_token=keys["refresh_token"],
            client_id=keys["client_id"],
            client_secret=keys["client_secret"],
            token_uri=sandbox.at["oauth_token_url"],
        )
        self._account = account
        self._raw, self._plus = (
            GoogleAdsClient(
                credentials=credentials,
                endpoint=sandbox.at["google_ads"],
                login_customer_id=account.via or None,
                version="v26",
                use_proto_plus=plus,
            ).get_service("GoogleAdsService")
            for plus in (False, True)
        )

    def raw(self, window: Window) -> int:
        """Every row's message, no field read."""
        rows = 0
        for chunk in self._stream(self._raw, window):
            for _ in chunk.results:
                rows += 1
        return rows

    def proto_plus(self, window: Window) -> int:
        """Every row's eight fields, as the client's examples read them."""
        fields, rows = attrgetter(*gaql.DELIVERY.fields), 0
        for chunk in self._stream(self._plus, window):
            for row in chunk.results:
                fields(row)
                rows += 1
        return rows

    def _stream(self, service: Any, window: Window) -> Any:
        days = window.days(self._account.timezone)
        query = gaql.DELIVERY.text("segments.date", days[0], days[-1])
        return service.search_stream(customer_id=self._account.id, query=query, timeout=300)


def connect(sandbox: Sandbox) -> GoogleAds:
    """Our connector against the sandbox."""
    keys = sandbox.at["credentials"]["google"]
    settings = GoogleAds.Settings(
        **{name: keys[name] for name in ("client_id", "client_secret", "refresh_token")},
        login_customer_ids=[keys["login_customer_id"]],
        endpoint=sandbox.at["google_ads"],
        token_uri=sandbox.at["oauth_token_url"],
        ca_file=sandbox.at["ca_file"],
    )
    return GoogleAds(settings, now=NOW)


def store(connector: GoogleAds, account: Account, window: Window, path: Path) -> tuple[float, int]:
    """From the stream to the committed transaction, ledger and journal included, into a new file."""
    stream = next(s for s in connector.streams() if s.row is Delivery)
    piece = Slice(account.source, account.id, stream.name, Delivery, window, account.timezone)
    fetch = Fetch(account.source, account.id, stream.name, window, NOW, 0, "ok")
    with DuckWarehouse.open(path, min_free=0) as warehouse:

        def job() -> int:
            batches = connector.fetch(stream, account, window)
            return warehouse.write(piece, batches, seen_at=NOW, vouched=window.end, fetch=fetch).rows

        seconds, rows = cpu(job)
        stored = warehouse.query("SELECT count(*) AS n FROM delivery").to_pylist()[0]["n"]
        assert stored == rows, (stored, rows)
    return seconds, rows


def days_back(account: Account, days: int) -> Window:
    """The last whole local days before today."""
    today = NOW.astimezone(account.timezone).date()
    return Window(midnight(today - timedelta(days=days), account.timezone), midnight(today, account.timezone))


def measure(sandbox: Sandbox, folder: Path, days: int, runs: int) -> float:
    """Prints the figures; how many times the floor our way from wire to file takes."""
    os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = os.environ["REQUESTS_CA_BUNDLE"] = sandbox.at["ca_file"]
    connector = connect(sandbox)
    account = next(connector.accounts())
    peer, whole, sample = Peer(sandbox, account), days_back(account, days), days_back(account, SAMPLE_DAYS)
    peer.raw(sample), peer.proto_plus(sample)  # imports, tokens, channels: paid once, by nobody here
    store(connector, account, sample, folder / "warm.duckdb")
    raw, ours = [], []
    for n in range(runs):
        raw.append(cpu(lambda: peer.raw(whole)))
        ours.append(store(connector, account, whole, folder / f"{n}.duckdb"))
    plus_seconds, plus_rows = cpu(lambda: peer.proto_plus(sample))

    rows = {rows for _, rows in raw + ours}
    assert len(rows) == 1, f"not the same rows: {rows}"
    count = rows.pop()
    floor, mine = (statistics.median(seconds for seconds, _ in some) for some in (raw, ours))
    spread = ", ".join(f"{b / a:.2f}" for (a, _), (b, _) in zip(raw, ours, strict=True))
    print(f"{count:,} rows ({days} days of one account), CPU seconds, median of {runs}:")
    print(f"  official client, raw protobufs, nothing read  {floor:7.2f}   {count / floor:10,.0f} rows/s")
    print(f"  Paceline: wire, Arrow, DuckDB, ledger         {mine:7.2f}   {count / mine:10,.0f} rows/s")
    print(
        f"  official client, proto-plus, 8 fields read    {plus_seconds * count / plus_rows:7.2f}"
        f"   {plus_rows / plus_seconds:10,.0f} rows/s   (scaled from {plus_rows:,} rows)"
    )
    print(f"  Paceline / raw protobufs: {mine / floor:.2f} (at most {TARGET}); run by run: {spread}")
    return mine / floor


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--campaigns", type=int, default=250)
    options.add_argument("--days", type=int, default=20)
    options.add_argument("--runs", type=int, default=3)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running(
            folder, now=NOW, days=chosen.days + 5, campaigns=chosen.campaigns, accounts=1
        ) as sandbox:
            ratio = measure(sandbox, folder, chosen.days, chosen.runs)
    return int(ratio > TARGET)


if __name__ == "__main__":
    sys.exit(main())
