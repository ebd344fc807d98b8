from connectors.meta_ads import MetaAds
from tests.contract.suite import ConnectorContract


class TestMetaAds(ConnectorContract):
    connector = MetaAds
    platform = "meta"
    page_rows = 500

    def settings(self, sandbox):
        keys = sandbox.at["credentials"]["meta"]
        return {
            "app_id": keys["app_id"],
            "app_secret": keys["app_secret"],
            "access_token": keys["access_token"],
            "graph_url": sandbox.at["meta"],
            "ca_file": sandbox.at["ca_file"],
        }
