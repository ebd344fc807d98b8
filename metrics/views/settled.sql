-- title:    Delivery of a campaign by the hour, with what its conversions will come to
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    hour
-- time:     hour
-- reads:    delivery_rows, completeness, usual_rates
-- column:   source              dimension  the connector that brought the row
-- column:   account             dimension  the source's account id
-- column:   campaign            dimension  the campaign's id
-- column:   hour                time       start of the hour, UTC
-- column:   day                 time       the account's calendar day
-- column:   hour_of_day         dimension  the hour on the account's clock, 0 to 23
-- column:   clicks              count      clicks
-- column:   cost                money      spend
-- column:   conversions         count      primary conversions known so far
-- column:   conversion_value    money      value of the primary conversions known so far
-- column:   matured_clicks      count      clicks times the share of their conversions that is known by now
-- column:   late                count      conversions still to come at the usual rate
-- column:   late_value          money      their usual value
-- column:   lost                count      conversions that will be taken back, of those known and of the late
-- column:   lost_value          money      their usual value
-- column:   doubt               count      standard error of the late conversions, for want of a longer record
-- column:   noise               count      variance that chance alone gives the late and the lost conversions
-- column:   settled_conversions count      what the conversions will come to
-- column:   settled_value       money      what their value will come to
-- column:   settled_leads       count      what the leads will come to
-- limits:   An estimate (Bornhuetter-Ferguson): what is still to come is taken at the campaign's usual rate of two weeks, so that a change of the rate shows only in what has arrived.
-- limits:   The lag is learned from all primary conversions of an account together; leads are taken to be as late as the rest.
-- limits:   Of a source that gives conversions by the day only (Meta) all hours of a day are equally complete.
-- changes:  1 2026-11-01 first version
SELECT d.source, d.account, d.campaign, d.hour, d.day, d.hour_of_day,
  d.clicks, d.cost, d.conversions, d.conversion_value,
  d.clicks * (1 - coalesce(c.late, 0) + coalesce(c.lost, 0)) AS matured_clicks,
  d.clicks * coalesce(c.late * u.rate, 0) AS late,
  d.clicks * coalesce(c.late * u.rate * u.worth, 0) AS late_value,
  d.clicks * coalesce(c.lost * u.rate, 0) AS lost,
  d.clicks * coalesce(c.lost * u.rate * u.worth, 0) AS lost_value,
  d.clicks * coalesce(c.doubt * u.rate, 0) AS doubt,
  d.clicks * coalesce((c.late + c.lost) * u.rate * u.noise, 0) AS noise,
  d.conversions + d.clicks * coalesce((c.late - c.lost) * u.rate, 0) AS settled_conversions,
  d.conversion_value + d.clicks * coalesce((c.late - c.lost) * u.rate * u.worth, 0) AS settled_value,
  d.leads + d.clicks * coalesce((c.late - c.lost) * u.rate * u.leads, 0) AS settled_leads
FROM delivery_rows AS d
LEFT JOIN completeness AS c ON c.source = d.source AND c.account = d.account AND c.hour = d.hour
LEFT JOIN usual_rates AS u ON u.source = d.source AND u.account = d.account AND u.campaign = d.campaign
