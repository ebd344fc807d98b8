-- title:    Steps that visitors did, by the minute
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-24
-- approved: head-of-marketing
-- grain:    moment
-- time:     minute
-- reads:    web_step
-- column:   source  dimension  the connector that brought the row
-- column:   account dimension  the site
-- column:   step    dimension  the event's name, such as add_to_cart
-- column:   minute  time       start of the minute, UTC
-- column:   day     time       its day, UTC
-- column:   events  count      times the step was done
-- limits:   Known within minutes, and counted once, when a minute is over; a step that nobody did has no row.
-- changes:  1 2026-11-24 first version
SELECT source, account, step, minute, CAST(minute AS DATE) AS day, events
FROM web_step
WHERE minute >= $start AND minute < $stop
