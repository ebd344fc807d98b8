// Clicks and cost (micros) of two days by account, by the client libraries for Node: program.js NAME FIRST LAST
const at = JSON.parse(require("fs").readFileSync("at.json"));
const [name, first, last] = process.argv.slice(2);
const ids = (platform) => at.accounts.filter((a) => a.platform === platform).map((a) => a.id);

const programs = {
  "google-ads-api": async () => {
    const { GoogleAdsApi } = require("google-ads-api");
    const { client_id, client_secret, refresh_token, login_customer_id } = at.credentials.google;
    const client = new GoogleAdsApi({ client_id, client_secret, developer_token: "none" });
    const found = {};
    for (const customer_id of ids("google_ads")) {
      const rows = await client.Customer({ customer_id, login_customer_id, refresh_token }).report({
        entity: "campaign",
        attributes: ["campaign.id", "campaign.bidding_strategy_type", "campaign_budget.amount_micros"],
        metrics: ["metrics.clicks", "metrics.cost_micros"],
        segments: ["segments.date"],
        from_date: first,
        to_date: last,
      });
      const sum = (metric) => rows.reduce((total, row) => total + row.metrics[metric], 0);
      found[customer_id] = [sum("clicks"), sum("cost_micros")];
    }
    return found;
  },
  "facebook-nodejs-business-sdk": async () => {
    const { AdAccount, FacebookAdsApi } = require("facebook-nodejs-business-sdk");
    FacebookAdsApi.init(at.credentials.meta.access_token);
    const found = {};
    for (const id of ids("meta")) {
      const asked = { level: "ad", time_range: { since: first, until: last }, time_increment: 1, limit: 50 };
      let clicks = 0, cost = 0;
      let page = await new AdAccount(`act_${id}`).getInsights(["clicks", "spend"], asked);
      for (;;) {
        for (const row of page) {
          clicks += Number(row.clicks);
          cost += Math.round(Number(row.spend) * 1e6);
        }
        if (!page.hasNext()) break;
        page = await page.next();
      }
      found[id] = [clicks, cost];
    }
    return found;
  },
};

programs[name]()
  .then((found) => console.log(JSON.stringify(found)))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
