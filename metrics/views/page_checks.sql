-- title:    Looks at landing pages
-- owner:    performance-team
-- version:  2
-- reviewed: 2026-11-24
-- approved: head-of-marketing
-- grain:    moment
-- time:     checked
-- reads:    page_check
-- column:   source     dimension  the connector that brought the row
-- column:   account    dimension  all pages together
-- column:   page       dimension  the page, without campaign parameters
-- column:   checked    time       when it was looked at, UTC
-- column:   day        time       the day of that moment, UTC
-- column:   looks      count      1 where the page could be asked
-- column:   works      count      1 where a visitor could have done something there
-- column:   load_seconds count    seconds until the whole document was there
-- limits:   A page at a private address is not asked, and counts neither way.
-- limits:   Looked at from one place, every five minutes: what lasts less, or hits other regions, is not seen.
-- changes:  2 2026-11-24 has the time in which a page came
-- changes:  1 2026-11-01 first version
SELECT source, account, url AS page, checked, CAST(checked AS DATE) AS day,
  CASE WHEN failure = 'blocked' THEN 0 ELSE 1 END AS looks,
  CASE WHEN failure = '' THEN 1 ELSE 0 END AS works,
  CASE WHEN failure <> 'blocked' THEN total_ms / 1000 END AS load_seconds
FROM page_check
WHERE checked >= $start AND checked < $stop
