-- title:    Delivery of a campaign by device and network, by the day
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    day
-- time:     day
-- reads:    segment_delivery
-- column:   source           dimension  the connector that brought the row
-- column:   account          dimension  the source's account id
-- column:   campaign         dimension  the campaign's id
-- column:   device           dimension  the kind of device, in the source's words
-- column:   network          dimension  the network or placement, in the source's words
-- column:   day              time       the account's calendar day
-- column:   impressions      count      times shown
-- column:   clicks           count      clicks
-- column:   cost             money      spend
-- column:   conversions      count      primary conversions
-- column:   conversion_value money      value of the primary conversions
-- limits:   Read at another moment than the delivery view; today's totals may differ until the next poll.
-- changes:  1 2026-11-01 first version
SELECT source, account, campaign, device, network, day, impressions, clicks, cost,
  CAST(conversions AS DOUBLE) AS conversions, conversion_value
FROM segment_delivery
WHERE day BETWEEN $first_day AND $last_day
