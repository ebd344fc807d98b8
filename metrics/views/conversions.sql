-- title:    Conversions by action and day
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    day
-- time:     day
-- reads:    day_totals
-- column:   source           dimension  the connector that brought the row
-- column:   account          dimension  the source's account id
-- column:   campaign         dimension  the campaign's id
-- column:   action           dimension  the conversion action or event
-- column:   category         dimension  purchase, lead, signup, cart, contact or other
-- column:   is_primary       flag       whether the source counts it in its own conversions
-- column:   day              time       the account's calendar day
-- column:   conversions      count      primary conversions
-- column:   conversion_value money      value of the primary conversions
-- limits:   Every action is here, primary or not: filter by is_primary before adding actions up.
-- limits:   Conversions stand on the day of the click (Google Ads) or as Meta attributes them, and restate for days.
-- changes:  1 2026-11-01 first version
SELECT source, account, campaign, action, category, "primary" AS is_primary, day,
  CAST(conversions AS DOUBLE) AS conversions, conversion_value
FROM day_totals
WHERE day BETWEEN $first_day AND $last_day
