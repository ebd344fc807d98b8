-- title:    What visitors of the site did, by the hour
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    hour
-- time:     hour
-- reads:    web
-- column:   source           dimension  the connector that brought the row
-- column:   account          dimension  the site
-- column:   came_by          dimension  the channel that the session came by, in the source's words
-- column:   page             dimension  the page that the session began on
-- column:   step             dimension  the event's name, such as add_to_cart
-- column:   hour             time       start of the hour, UTC
-- column:   day              time       the site's calendar day
-- column:   reached          count      sessions that got to the step
-- column:   sessions         count      sessions that began
-- column:   engaged_sessions count      of these, those that lasted 10 s, saw two pages or had a key event
-- column:   events           count      times the step was done
-- column:   views            count      pages seen
-- column:   errors           count      exceptions
-- column:   key_events       count      key events
-- limits:   A session stands in each hour in which it did something, and under the channel and page that it began with.
-- changes:  1 2026-11-01 first version
SELECT source, account, channel AS came_by, page, step, hour, day, sessions AS reached,
  CASE WHEN step = 'session_start' THEN sessions ELSE 0 END AS sessions,
  CASE WHEN step = 'session_start' THEN engaged_sessions ELSE 0 END AS engaged_sessions,
  events,
  CASE WHEN step = 'page_view' THEN events ELSE 0 END AS views,
  CASE WHEN step = 'exception' THEN events ELSE 0 END AS errors,
  key_events
FROM web
WHERE hour >= $start AND hour < $stop
