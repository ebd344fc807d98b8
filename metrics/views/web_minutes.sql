-- title:    Who is on the site, by the minute
-- owner:    performance-team
-- version:  2
-- reviewed: 2026-11-24
-- approved: head-of-marketing
-- grain:    moment
-- time:     minute
-- reads:    web_minute
-- column:   source     dimension  the connector that brought the row
-- column:   account    dimension  the site
-- column:   minute     time       minutes: their start, UTC
-- column:   day        time       its day, UTC
-- column:   users      count      visitors who did something in the minute
-- column:   views      count      pages seen
-- column:   events     count      events
-- column:   key_events count      key events
-- limits:   A minute without anybody has zeros between a window's first and last minute with somebody; outside of
-- limits:   these silence cannot be told from not having been asked.
-- changes:  2 2026-11-24 has a row for a minute without anybody
-- changes:  1 2026-11-01 first version
SELECT m.source, m.account, m.minute, CAST(m.minute AS DATE) AS day, coalesce(w.users, 0) AS users,
  coalesce(w.views, 0) AS views, coalesce(w.events, 0) AS events, coalesce(w.key_events, 0) AS key_events
FROM (
  SELECT source, account, unnest(generate_series(min(minute), max(minute), INTERVAL 1 MINUTE)) AS minute
  FROM web_minute WHERE minute >= $start AND minute < $stop GROUP BY source, account
) AS m
LEFT JOIN web_minute AS w ON w.source = m.source AND w.account = m.account AND w.minute = m.minute
