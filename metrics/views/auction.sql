-- title:    The auction a campaign took part in, by the day
-- owner:    performance-team
-- version:  1
-- reviewed: 2026-11-01
-- approved: head-of-marketing
-- grain:    day
-- time:     day
-- reads:    auction
-- column:   source           dimension  the connector that brought the row
-- column:   account          dimension  the source's account id
-- column:   campaign         dimension  the campaign's id
-- column:   day              time       the account's calendar day
-- column:   impressions      count      times shown
-- column:   impression_share share      of the impressions it was eligible for, those it had
-- column:   lost_to_budget   share      of the impressions it was eligible for, those lost because the budget was spent
-- column:   lost_to_rank     share      of the impressions it was eligible for, those lost to rank
-- column:   eligible         count      impressions it was eligible for, as impressions / share; NULL where there is no share
-- column:   reached          count      person-days: people reached that day as impressions / frequency; NULL where the source gives none
-- limits:   Google Ads reports a share below 10 % as 0.0999, so the eligible impressions are then at least as many.
-- limits:   Meta gives no shares; Google Ads gives no frequency outside video and display.
-- changes:  1 2026-11-01 first version
SELECT source, account, campaign, day, impressions, impression_share, lost_to_budget, lost_to_rank,
  impressions / nullif(impression_share, 0) AS eligible, impressions / nullif(frequency, 0) AS reached
FROM auction
WHERE day BETWEEN $first_day AND $last_day
