-- title:    Delivery of a campaign by the hour
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    hour
-- time:     hour
-- reads:    delivery, day_totals, day_totals_ledger
-- probe:    placed silent
-- column:   source           dimension  the connector that brought the row: google_ads, meta_ads
-- column:   account          dimension  the source's account id
-- column:   campaign         dimension  the campaign's id
-- column:   hour             time       start of the hour, UTC
-- column:   day              time       the account's calendar day
-- column:   hour_of_day      dimension  the hour on the account's clock, 0 to 23
-- column:   impressions      count      times shown
-- column:   clicks           count      clicks
-- column:   cost             money      spend
-- column:   conversions      count      primary conversions
-- column:   conversion_value money      value of the primary conversions
-- column:   leads            count      primary conversions of the category lead
-- column:   purchases        count      primary conversions of the category purchase
-- column:   purchase_value   money      value of the primary purchases
-- limits:   A source that gives conversions by the hour (Google Ads) gives them by the hour of the click.
-- limits:   One that gives them by the day only (Meta) has them placed: what a poll saw arrive on the day
-- limits:   itself, at most an hour after the poll before it, stands in the hour between the two polls; all
-- limits:   the rest follows the day's clicks by the hour. So a day's total is exact and an hour's is an estimate.
-- limits:   Categories are known by the day only: leads and purchases follow the hourly conversions of the
-- limits:   source, exact by the day, an estimate by the hour where a campaign counts more than one category.
-- changes:  1 2026-11-01 first version
WITH
-- Hours of sources that give no conversions by the hour, and how each campaign's day divides into them.
silent AS (
  SELECT source, account, campaign, hour, day, hour_of_day, clicks
  FROM delivery
  WHERE conversions IS NULL AND day BETWEEN $first_day AND $last_day
    AND hour >= $start - INTERVAL 25 HOUR AND hour < $stop + INTERVAL 25 HOUR
),
silent_days AS (
  SELECT source, account, campaign, day, sum(clicks) AS clicks, count(*) AS hours
  FROM silent
  GROUP BY source, account, campaign, day
),
silent_totals AS (
  SELECT source, account, campaign, day, category,
    CAST(sum(conversions) AS DOUBLE) AS conversions, CAST(sum(conversion_value) AS DOUBLE) AS conversion_value
  FROM day_totals
  WHERE "primary" AND day BETWEEN $first_day AND $last_day AND source IN (SELECT source FROM silent)
  GROUP BY source, account, campaign, day, category
),
-- Conversions that polls at most an hour apart saw arrive, in the hour between the polls.
seen AS (
  SELECT h.source, h.account, h.campaign, h.day, l.category, h.hour,
    CAST(sum(l.conversions) AS DOUBLE) AS conversions
  FROM silent AS h
  JOIN day_totals_ledger AS l
    ON l.source = h.source AND l.account = h.account AND l.campaign = h.campaign AND l.day = h.day
    AND h.hour <= l.seen_from + (l.seen_to - l.seen_from) / 2
    AND h.hour > l.seen_from + (l.seen_to - l.seen_from) / 2 - INTERVAL 1 HOUR
  WHERE l."primary" AND l.day BETWEEN $first_day AND $last_day
    AND l.conversions > 0 AND l.seen_to - l.seen_from <= INTERVAL 1 HOUR
  GROUP BY h.source, h.account, h.campaign, h.day, l.category, h.hour
),
arrived AS (
  SELECT source, account, campaign, day, category, sum(conversions) AS conversions
  FROM seen
  GROUP BY source, account, campaign, day, category
),
-- Each hour's part of its day's total; the parts of a day add up to one.
placed AS (
  SELECT t.source, t.account, t.campaign, h.hour, t.day, h.hour_of_day, t.category,
    t.conversions, t.conversion_value,
    CASE
      WHEN t.conversions > 0 AND a.conversions > t.conversions THEN coalesce(s.conversions, 0) / a.conversions
      WHEN t.conversions > 0 AND a.conversions > 0
      THEN (coalesce(s.conversions, 0) + (t.conversions - a.conversions) * h.weight) / t.conversions
      ELSE h.weight
    END AS part
  FROM silent_totals AS t
  JOIN (
    SELECT h.source, h.account, h.campaign, h.hour, h.day, h.hour_of_day,
      CASE WHEN d.clicks > 0 THEN h.clicks / d.clicks ELSE 1 / d.hours END AS weight
    FROM silent AS h
    JOIN silent_days AS d
      ON d.source = h.source AND d.account = h.account AND d.campaign = h.campaign AND d.day = h.day
  ) AS h ON h.source = t.source AND h.account = t.account AND h.campaign = t.campaign AND h.day = t.day
  LEFT JOIN arrived AS a
    ON a.source = t.source AND a.account = t.account AND a.campaign = t.campaign AND a.day = t.day
    AND a.category = t.category
  LEFT JOIN seen AS s
    ON s.source = t.source AND s.account = t.account AND s.campaign = t.campaign AND s.day = t.day
    AND s.category = t.category AND s.hour = h.hour
  UNION ALL
  -- Conversions of a day on which the campaign delivered nothing stand at its account's first hour, else noon.
  SELECT t.source, t.account, t.campaign,
    coalesce(o.hour, CAST(t.day AS TIMESTAMP WITH TIME ZONE) + INTERVAL 12 HOUR), t.day,
    coalesce(o.hour_of_day, 12), t.category, t.conversions, t.conversion_value, 1
  FROM silent_totals AS t
  LEFT JOIN silent_days AS d
    ON d.source = t.source AND d.account = t.account AND d.campaign = t.campaign AND d.day = t.day
  LEFT JOIN (
    SELECT source, account, day, min(hour) AS hour, min(hour_of_day) AS hour_of_day
    FROM silent
    GROUP BY source, account, day
  ) AS o ON o.source = t.source AND o.account = t.account AND o.day = t.day
  WHERE d.source IS NULL
),
-- The other sources' hours, and their leads and purchases of the day.
hours AS (
  SELECT source, account, campaign, hour, day, hour_of_day, clicks, CAST(conversions AS DOUBLE) AS conversions
  FROM delivery
  WHERE conversions IS NOT NULL AND day BETWEEN $first_day AND $last_day
    AND hour >= $start - INTERVAL 25 HOUR AND hour < $stop + INTERVAL 25 HOUR
),
days AS (
  SELECT source, account, campaign, day,
    sum(conversions) AS conversions, sum(clicks) AS clicks, count(*) AS hours
  FROM hours
  GROUP BY source, account, campaign, day
),
kinds AS (
  SELECT source, account, campaign, day,
    coalesce(CAST(sum(conversions) FILTER (WHERE category = 'lead') AS DOUBLE), 0) AS leads,
    coalesce(CAST(sum(conversions) FILTER (WHERE category = 'purchase') AS DOUBLE), 0) AS purchases,
    coalesce(CAST(sum(conversion_value) FILTER (WHERE category = 'purchase') AS DOUBLE), 0) AS purchase_value
  FROM day_totals
  WHERE "primary" AND day BETWEEN $first_day AND $last_day AND source NOT IN (SELECT source FROM silent)
  GROUP BY source, account, campaign, day
)
SELECT source, account, campaign, hour, day, hour_of_day, impressions, clicks, cost,
  coalesce(CAST(conversions AS DOUBLE), 0) AS conversions, coalesce(conversion_value, 0) AS conversion_value,
  0 AS leads, 0 AS purchases, 0 AS purchase_value
FROM delivery
WHERE hour >= $start AND hour < $stop
UNION ALL
SELECT source, account, campaign, hour, day, hour_of_day, 0, 0, 0, conversions * part, conversion_value * part,
  CASE WHEN category = 'lead' THEN conversions * part ELSE 0 END,
  CASE WHEN category = 'purchase' THEN conversions * part ELSE 0 END,
  CASE WHEN category = 'purchase' THEN conversion_value * part ELSE 0 END
FROM placed
WHERE hour >= $start AND hour < $stop
UNION ALL
SELECT k.source, k.account, k.campaign, h.hour, k.day, h.hour_of_day, 0, 0, 0, 0, 0,
  k.leads * h.weight, k.purchases * h.weight, k.purchase_value * h.weight
FROM kinds AS k
JOIN (
  SELECT h.source, h.account, h.campaign, h.hour, h.day, h.hour_of_day,
    CASE
      WHEN d.conversions > 0 THEN h.conversions / d.conversions
      WHEN d.clicks > 0 THEN h.clicks / d.clicks
      ELSE 1 / d.hours
    END AS weight
  FROM hours AS h
  JOIN days AS d ON d.source = h.source AND d.account = h.account AND d.campaign = h.campaign AND d.day = h.day
) AS h ON h.source = k.source AND h.account = k.account AND h.campaign = k.campaign AND h.day = k.day
WHERE h.hour >= $start AND h.hour < $stop
