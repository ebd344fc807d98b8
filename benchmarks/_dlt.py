"""dlt's side of `ingest`: runs in the environment of the peers, imports nothing of ours, prints JSON.

    .venv-bench/bin/python benchmarks/_dlt.py FOLDER arrow|dicts delete-insert|upsert BASE ROWS

FOLDER holds base.duckdb (table `delivery`) and reply-N.arrow. BASE is 1 to merge into all the base's rows, or
0 to merge into an empty table, which is kinder to dlt. ROWS of each reply are merged. The table's
key is declared, nothing else is asked of dlt: no ledger, no journal of ours, its telemetry off.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

folder, kind, strategy, base, rows = Path(sys.argv[1]), *sys.argv[2:4], sys.argv[4] == "1", int(sys.argv[5])
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "DLT_DATA_DIR": str(folder / "dlt"),
    "DLT_PROJECT_DIR": str(folder),
}

import dlt  # noqa: E402 (after its settings)
import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402

KEY = ["source", "account", "campaign", "hour"]
file = folder / f"dlt-{kind}-{strategy}.duckdb"
pipeline = dlt.pipeline(
    f"bench_{kind}_{strategy.replace('-', '_')}",
    destination=dlt.destinations.duckdb(str(file)),
    dataset_name="ads",
    pipelines_dir=str(folder / "dlt" / f"{kind}-{strategy}"),
)


def reply(number: int) -> pa.Table:
    with pa.OSFile(str(folder / f"reply-{number}.arrow")) as source:
        return pa.ipc.open_file(source).read_all().slice(0, rows)


def merge(data: object) -> None:
    disposition = {"disposition": "merge", "strategy": strategy}

    @dlt.resource(name="delivery", primary_key=KEY, write_disposition=disposition)
    def delivery():
        yield data

    pipeline.run(delivery())


def load_base() -> None:
    """Put the base's rows straight into dlt's table, which a first small merge has made."""
    with duckdb.connect(str(file)) as connection:
        connection.execute(f"ATTACH '{folder / 'base.duckdb'}' AS b (READ_ONLY)")
        found = connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'ads' AND table_name = 'delivery'"
        ).fetchall()
        own = {"_dlt_load_id": "'base'", "_dlt_id": "md5(campaign || account || hour::VARCHAR)"}
        chosen = ", ".join(own.get(name, name) for (name,) in found)
        connection.execute("TRUNCATE ads.delivery")
        connection.execute(f"INSERT INTO ads.delivery SELECT {chosen} FROM b.delivery")
        connection.execute("CHECKPOINT")


def cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    first = reply(0).slice(0, 100)
    merge(first if kind == "arrow" else first.to_pylist())
    if base:
        load_base()
    spent, wall = [], []
    for number in range(3):
        table = reply(number)
        data = table if kind == "arrow" else table.to_pylist()
        start, began = cpu(), time.perf_counter()
        merge(data)
        spent.append(cpu() - start)
        wall.append(time.perf_counter() - began)
    with duckdb.connect(str(file)) as connection:
        count, total = connection.execute("SELECT count(*), sum(conversions) FROM ads.delivery").fetchall()[0]
    print(
        json.dumps(
            {
                "cpu": statistics.median(spent),
                "wall": statistics.median(wall),
                "rows": count,
                "conversions": str(total),
            }
        )
    )


main()
