"""The platforms' own client libraries as a process: what they say of each campaign and day, and nothing of ours.

A process of its own, since gRPC reads its roots of trust once. Started with the sandbox's announcement as its
argument; then, a line of JSON each: {"source", "account", "via", "first", "last"} in, rows out.
"""

import json
import os
import sys
from datetime import date

AT = json.loads(sys.argv[1])
os.environ["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] = os.environ["REQUESTS_CA_BUNDLE"] = AT["ca_file"]

from facebook_business.adobjects.adaccount import AdAccount  # noqa: E402
from facebook_business.api import FacebookAdsApi  # noqa: E402
from facebook_business.session import FacebookSession  # noqa: E402
from google.ads.googleads.client import GoogleAdsClient  # noqa: E402
from google.oauth2.credentials import Credentials  # noqa: E402

TOTALS = (
    "campaign.id, segments.date, metrics.impressions, metrics.clicks, metrics.cost_micros, "
    "metrics.conversions, metrics.conversions_value"
)
BY_ACTION = "campaign.id, segments.date, segments.conversion_action, metrics.all_conversions, metrics.all_conversions_value"

EVENTS = {
    "omni_purchase": "purchase",
    "lead": "lead",
    "omni_add_to_cart": "add_to_cart",
    "omni_complete_registration": "complete_registration",
    "contact_total": "contact",
}
"""The widest action type of each event; narrower ones count the same people again."""
WINDOWS = ("7d_click", "1d_view")


def google(account, via, first, last):
    keys = AT["credentials"]["google"]
    credentials = Credentials(
        None,
        refresh_token=keys["refresh_token"],
        client_id=keys["client_id"],
        client_secret=keys["client_secret"],
        token_uri=AT["oauth_token_url"],
    )
    client = GoogleAdsClient(
        credentials,
        endpoint=AT["google_ads"],
        login_customer_id=via or None,
        version="v26",
        use_proto_plus=True,
    )
    service = client.get_service("GoogleAdsService")

    def ask(fields):
        query = f"SELECT {fields} FROM campaign WHERE segments.date BETWEEN '{first}' AND '{last}'"
        for chunk in service.search_stream(customer_id=account, query=query, timeout=120):
            yield from chunk.results

    totals = [
        {
            "campaign": str(row.campaign.id),
            "day": row.segments.date,
            "impressions": row.metrics.impressions,
            "clicks": row.metrics.clicks,
            "cost": row.metrics.cost_micros,
            "conversions": f"{row.metrics.conversions:.6f}",
            "conversion_value": round(row.metrics.conversions_value * 1e6),
        }
        for row in ask(TOTALS)
    ]
    actions = [
        {
            "campaign": str(row.campaign.id),
            "day": row.segments.date,
            "action": row.segments.conversion_action.rpartition("/")[2],
            "conversions": f"{row.metrics.all_conversions:.6f}",
            "conversion_value": round(row.metrics.all_conversions_value * 1e6),
        }
        for row in ask(BY_ACTION)
    ]
    return {"totals": totals, "actions": actions}


def meta(account, via, first, last):
    keys = AT["credentials"]["meta"]
    session = FacebookSession(keys["app_id"], keys["app_secret"], keys["access_token"], timeout=120)
    session.GRAPH = AT["meta"]
    session.requests.verify = AT["ca_file"]
    params = {
        "level": "campaign",
        "time_range": {"since": str(first), "until": str(last)},
        "time_increment": 1,
        "action_attribution_windows": list(WINDOWS),
        "action_report_time": "impression",
        "limit": 200,
    }
    counted = ("actions", "action_values", "conversions", "conversion_values")
    fields = ["campaign_id", "impressions", "clicks", "spend", *counted]
    totals, actions = [], []
    for row in AdAccount(f"act_{account}", api=FacebookAdsApi(session, api_version="v26.0")).get_insights(
        fields=fields, params=params
    ):
        own = {"campaign": row["campaign_id"], "day": row["date_start"]}
        totals.append(
            own
            | {"impressions": int(row.get("impressions", 0)), "clicks": int(row.get("clicks", 0))}
            | {"cost": round(float(row.get("spend", 0)) * 1e6), "conversions": "0", "conversion_value": 0}
        )
        found = {}
        for column in counted:
            for entry in row.get(column, ()):
                if entry["action_type"] in EVENTS:
                    event = found.setdefault(EVENTS[entry["action_type"]], [0.0, 0.0])
                    event[column.endswith("values")] += sum(float(entry.get(w, 0)) for w in WINDOWS)
        actions += [
            own | {"action": event, "conversions": f"{count:.6f}", "conversion_value": round(value * 1e6)}
            for event, (count, value) in found.items()
        ]
    session.requests.close()
    return {"totals": totals, "actions": actions}


def main():
    ask = {"google_ads": google, "meta_ads": meta}
    for line in sys.stdin:
        asked = json.loads(line)
        first, last = (date.fromisoformat(asked[name]) for name in ("first", "last"))
        said = ask[asked["source"]](asked["account"], asked["via"], first, last)
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
