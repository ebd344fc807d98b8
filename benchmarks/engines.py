"""The same text on another engine: every metric's expression on DuckDB and on ClickHouse's engine (chdb).

    python3 tools/prepare.py bench && python -m benchmarks.engines

Both get the same rows of each view's columns in two hundred groups; the figures must agree to nine digits.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from metrics.model import load, views

PEERS = Path(__file__).resolve().parents[1] / ".venv-bench" / "bin" / "python"
ROWS = 200_000
ASK = '''
import json, sys
from chdb.session import Session
engine = Session()
# Its quantiles take their level elsewhere: the standard's name for it is taught to it, once.
engine.query("""CREATE FUNCTION quantile_cont AS (x, q) ->
    arrayReduce(concat('quantileExactInclusive(', toString(q), ')'), groupArray(x))""")
for name, sql in json.load(open(sys.argv[1])).items():
    found = str(engine.query(sql, "JSONEachRow")).splitlines()
    print(json.dumps([name, [list(json.loads(line).values()) for line in found]]))
'''


def rows(view: str, rng: np.random.Generator) -> pa.Table:
    """Random rows of a view: some groups have no clicks, conversions or shares, so ratios meet nothing."""
    member = rng.integers(0, 200, ROWS)
    columns = {"member": pa.array([str(m) for m in member])}
    for column in views()[view].columns.values():
        if column.kind in ("count", "money"):
            values = rng.poisson(3, ROWS) * (member % 7 > 0)
            scale = 250_000 if column.kind == "money" else 1
            columns[column.name] = pa.array(values * scale, pa.int64())
        elif column.kind == "share":
            columns[column.name] = pa.array(
                np.where(member % 5 > 0, rng.random(ROWS), np.nan), from_pandas=True
            )
        elif column.kind == "flag":
            columns[column.name] = pa.array(rng.random(ROWS) < 0.5)
        elif column.kind == "time":
            minutes = rng.integers(0, 90, ROWS) * np.timedelta64(1, "m")
            columns[column.name] = pa.array(np.datetime64("2026-11-02T08:00", "us") + minutes)
        elif column.kind == "dimension":
            columns[column.name] = pa.array([f"{column.name} {n}" for n in rng.integers(0, 3, ROWS)])
    return pa.table(columns)


def main() -> int:
    """Print each metric's agreement; 1 where one differs."""
    if not PEERS.exists():
        print("chdb is left out: python3 tools/prepare.py bench")
        return 0
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        asked, ours = {}, {}
        for metric in load().values():
            path = Path(folder) / f"{metric.view.name}.parquet"
            if not path.exists():
                pq.write_table(rows(metric.view.name, rng), path)
            body = metric.sql
            ours[metric.name] = duckdb.sql(
                f"SELECT member, CAST(({body}) AS DOUBLE) FROM '{path}' GROUP BY member ORDER BY member"
            ).fetchall()
            asked[metric.name] = (
                f"SELECT member, toFloat64({body}) AS v FROM file('{path}', Parquet) "
                "GROUP BY member ORDER BY member"
            )
        questions = Path(folder) / "asked.json"
        questions.write_text(json.dumps(asked))
        said = subprocess.run([PEERS, "-c", ASK, questions], capture_output=True, text=True, check=False)
        if said.returncode:
            print(said.stderr[-2000:])
            return 1
    theirs = dict(json.loads(line) for line in said.stdout.splitlines())
    differing = []
    for name, found in ours.items():
        pairs = zip(found, theirs[name], strict=True)
        same = all(
            a[0] == b[0]
            and (
                (a[1] is None and b[1] is None)
                or (a[1] is not None and b[1] is not None and np.isclose(a[1], float(b[1]), rtol=1e-9))
            )
            for a, b in pairs
        )
        if not same:
            differing.append(name)
            print(name, found[:3], theirs[name][:3])
    print(f"{len(ours)} metrics over {ROWS:,} rows: {len(ours) - len(differing)} agree on both engines")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main())
