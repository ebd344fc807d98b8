-- title:    Delivery of an ad by the day
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    day
-- time:     day
-- reads:    ad_delivery
-- column:   source           dimension  the connector that brought the row
-- column:   account          dimension  the source's account id
-- column:   campaign         dimension  the campaign's id
-- column:   ad_group         dimension  id of the ad group or ad set
-- column:   ad               dimension  the ad's id
-- column:   day              time       the account's calendar day
-- column:   impressions      count      times shown
-- column:   clicks           count      clicks
-- column:   cost             money      spend
-- column:   conversions      count      primary conversions
-- column:   conversion_value money      value of the primary conversions
-- limits:   Campaigns without ads (Performance Max) are absent: a campaign's total is the delivery view's.
-- changes:  1 2026-11-01 first version
SELECT source, account, campaign, ad_group, ad, day, impressions, clicks, cost,
  CAST(conversions AS DOUBLE) AS conversions, conversion_value
FROM ad_delivery
WHERE day BETWEEN $first_day AND $last_day
