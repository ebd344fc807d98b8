-- title:    Conversions by the moment they were first seen
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    moment
-- time:     seen
-- reads:    delivery, delivery_ledger, day_totals_ledger
-- column:   source           dimension  the connector that brought the row
-- column:   account          dimension  the source's account id
-- column:   campaign         dimension  the campaign's id
-- column:   seen             time       when the poll that brought them was asked, UTC
-- column:   day              time       the day of that moment, UTC
-- column:   click_day        time       the account's day of the click they are counted for
-- column:   conversions      count      primary conversions that arrived; negative where the source took some back
-- column:   conversion_value money      their value
-- limits:   A gap between polls arrives at its end. What the first look at a past hour or day brought is history, not arrival, and is left out; so is what the first poll after midnight brings from a source with day totals only.
-- changes:  1 2026-11-01 first version
WITH silent AS (
  SELECT source FROM delivery
  WHERE conversions IS NULL AND day BETWEEN $first_day AND $last_day
  GROUP BY source
)
SELECT source, account, campaign, seen_to AS seen, CAST(seen_to AS DATE) AS day, day AS click_day,
  CAST(conversions AS DOUBLE) AS conversions, conversion_value
FROM delivery_ledger
WHERE seen_to >= $start AND seen_to < $stop
  AND (conversions <> 0 OR conversion_value <> 0)
  AND (seen_from IS NOT NULL OR seen_to - hour <= INTERVAL 2 HOUR)
UNION ALL
SELECT source, account, campaign, seen_to, CAST(seen_to AS DATE), day, CAST(conversions AS DOUBLE), conversion_value
FROM day_totals_ledger
WHERE seen_to >= $start AND seen_to < $stop
  AND "primary" AND seen_from IS NOT NULL
  AND source IN (SELECT source FROM silent)
