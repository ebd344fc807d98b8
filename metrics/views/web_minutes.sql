-- title:    Who is on the site, by the minute
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    moment
-- time:     minute
-- reads:    web_minute
-- column:   source     dimension  the connector that brought the row
-- column:   account    dimension  the site
-- column:   minute     time       start of the minute, UTC
-- column:   day        time       its day, UTC
-- column:   users      count      visitors who did something in the minute
-- column:   views      count      pages seen
-- column:   events     count      events
-- column:   key_events count      key events
-- limits:   A minute in which nobody did anything has no row.
-- changes:  1 2026-11-01 first version
SELECT source, account, minute, CAST(minute AS DATE) AS day, users, views, events, key_events
FROM web_minute
WHERE minute >= $start AND minute < $stop
