"""An installation that has been polled for weeks: what the benchmarks of rules and of anomalies look at.

`furnish` and `watched` add to what benchmarks.kpis builds; `poll` goes on from there through the warehouse's
own write path.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from connectors.contract import Window
from connectors.rows import DayTotal, Delivery
from connectors.schema import schema
from warehouse.duck import DuckWarehouse
from warehouse.store import Fetch, Slice

RESTATED = timedelta(days=3)
"""How far back each poll asks."""


def furnish(path: Path, end: datetime) -> None:
    """Names, budgets and watermarks for what benchmarks.kpis has built; from `end` on there is nothing."""
    at = f"TIMESTAMPTZ '{end:%Y-%m-%d %H:%M}:00+00'"
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(f"DELETE FROM delivery WHERE hour >= {at}")
        con.execute(f'DELETE FROM day_totals WHERE "day" > CAST({at} AS DATE)')
        con.execute(
            """UPDATE delivery SET clicks = 20 + clicks % 5, cost = 40000000 + cost % 5000000,
                conversions = CASE WHEN conversions IS NOT NULL THEN conversions % 3 END"""
        )
        # A conversion an hour, as by the hours of the other source; of the last day, what has come so far.
        con.execute(
            f"""UPDATE day_totals SET conversions =
                CASE WHEN "day" < CAST({at} AS DATE) THEN 20 + conversions % 9 ELSE {end.hour} END"""
        )
        con.execute(
            """INSERT INTO campaign BY NAME SELECT DISTINCT source, account, campaign,
                'Campaign ' || campaign AS name, 'enabled' AS status, '' AS serving, 'search' AS channel,
                '' AS objective, '' AS bidding, '' AS labels FROM delivery"""
        )
        con.execute(
            """INSERT INTO budget_history BY NAME SELECT source, account, 'b' || campaign AS budget, campaign,
                '' AS ad_group, 'b' AS name, 1100000000 AS amount, 'daily' AS period, 'campaign' AS level,
                false AS shared, TIMESTAMPTZ '2020-01-01 00:00:00+00' AS valid_from FROM campaign"""
        )
        for stream in ("delivery", "day_totals", "campaigns", "auction"):
            con.execute(
                f"""INSERT INTO watermark BY NAME SELECT DISTINCT source, account, '{stream}' AS stream,
                    {at} AS data_as_of, {at} + INTERVAL 30 MINUTE AS polled_at,
                    {at} + INTERVAL 30 MINUTE AS tried_at, 'ok' AS outcome, '' AS error, '' AS cause,
                    '' AS mend FROM account"""
            )


def watched(path: Path, end: datetime) -> None:
    """The journal of nine days of polls, one in five minutes, and the conversions that they saw arrive."""
    with duckdb.connect(str(path)) as con:
        con.execute("SET TimeZone = 'UTC'")
        for stream, table, hour in (
            ("delivery", "delivery", "hour"),
            ("day_totals", "day_totals", '"day"::TIMESTAMPTZ'),
        ):
            con.execute(
                f"""INSERT INTO journal BY NAME SELECT source, account, '{stream}' AS stream,
                    date_trunc('day', moment - INTERVAL 1 SECOND) AS window_start,
                    moment AS window_end, moment AS started, moment AS seen_at, 10 AS took_ms,
                    'ok' AS outcome, 1 AS "rows", 1 AS changed, 1 AS operations,
                    0.0 AS utilisation, '' AS api_version, [] AS request_ids, '' AS error, '' AS cause,
                    '' AS mend
                FROM account, range(9 * 288) AS t(n),
                    (SELECT TIMESTAMPTZ '{end:%Y-%m-%d %H:%M}:00+00' AS last) AS e,
                    LATERAL (SELECT last - n * INTERVAL 5 MINUTE AS moment) AS m"""
            )
            measures = "impressions, clicks, cost, " if table == "delivery" else ""
            zeros = "0 AS impressions, 0 AS clicks, 0 AS cost, " if measures else ""
            known = "1 AS conversions_known, 1 AS conversion_value_known," if table == "delivery" else ""
            con.execute(
                f"""INSERT INTO {table}_ledger BY NAME
                SELECT * EXCLUDE ({measures} conversions, conversion_value, n), {zeros} {known}
                    CAST(1 AS DECIMAL(18,6)) AS conversions, 0 AS conversion_value,
                    {hour} + to_hours(CAST(n * n AS INTEGER)) + INTERVAL 55 MINUTE AS seen_from,
                    {hour} + to_hours(CAST(n * n AS INTEGER)) + INTERVAL 60 MINUTE AS seen_to
                FROM {table}, range(4) AS t(n)
                WHERE conversions > n ORDER BY seen_to"""
            )
        con.execute("CHECKPOINT")


def poll(warehouse: DuckWarehouse, now: datetime, until: datetime) -> int:
    """What every account says at `now` of its last three days; how many rows that changed.

    A new hour before `until` is like the one a day before it. The newest two hours have grown by a click in
    every campaign, and half of the campaigns have a conversion more.
    """
    window = Window(until - RESTATED, until)
    told = {
        Delivery: """WITH kept AS (SELECT * FROM delivery WHERE source = $source AND account = $account)
            SELECT campaign, hour, "day", hour_of_day, impressions,
              clicks + CAST(hour >= $until - INTERVAL 2 HOUR AS BIGINT) AS clicks,
              cost + CAST(hour >= $until - INTERVAL 2 HOUR AS BIGINT) * 2000000 AS cost,
              conversions + CAST(hour = $until - INTERVAL 5 HOUR AND $lot = hash(campaign) % 2 AS BIGINT)
                AS conversions, conversion_value
            FROM (SELECT * FROM kept UNION ALL
              SELECT * REPLACE (hour + INTERVAL 1 DAY AS hour, "day" + 1 AS "day") FROM kept
              WHERE hour >= (SELECT max(hour) FROM kept) - INTERVAL 23 HOUR)
            WHERE hour >= $since AND hour < $until ORDER BY hour, campaign""",
        DayTotal: """WITH kept AS (SELECT * FROM day_totals WHERE source = $source AND account = $account),
              today AS (SELECT CAST($until - INTERVAL 1 SECOND AS DATE) AS "day")
            SELECT campaign, action, "day", category, "primary", conversions
              + CAST("day" = (FROM today) AND $lot = hash(campaign) % 2 AS BIGINT) AS conversions,
              conversion_value
            FROM (SELECT * FROM kept UNION ALL
              SELECT * REPLACE ((FROM today) AS "day", 0 AS conversions) FROM kept
              WHERE "day" = (FROM today) - 1 AND (FROM today) > (SELECT max("day") FROM kept))
            WHERE "day" >= CAST($since AS DATE) AND "day" <= (FROM today) ORDER BY "day", campaign""",
    }
    changed = 0
    for owner in warehouse.query("SELECT source, account FROM account").to_pylist():
        for row, sql in told.items():
            times = {"since": window.start, "until": window.end, "lot": now.minute // 5 % 2}
            found = warehouse.query(sql, owner | times).cast(schema(row))
            source, account = owner["source"], owner["account"]
            fetch = Fetch(source, account, row.table, window, now, 10, "ok")
            piece = Slice(source, account, row.table, row, window, ZoneInfo("UTC"))
            written = warehouse.write(piece, found.to_batches(), seen_at=now, vouched=until, fetch=fetch)
            changed += written.changed
    return changed
