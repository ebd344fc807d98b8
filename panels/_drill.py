"""From a row or a bar to what it stands for: the page of an account, a campaign, an ad group or an ad."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from metrics.entities import Entity

__all__ = ["KEYS", "PAGE", "address", "link", "open_campaign", "open_entity", "open_proposal"]

PAGE = "campaign.py"

KEYS = ("source", "account", "campaign", "adset", "ad")
"""The names of an entity's parts in the URL, from the top down."""

_CARRIED = ("win", "from", "to", "vs", "at")
"""What of the present URL goes along: the same hours, seen from nearer."""


def address(entity: Entity | None) -> dict[str, str]:
    """The query of the Campaign page for an entity; for None, of the list of all campaigns."""
    kept = {name: st.query_params[name] for name in _CARRIED if name in st.query_params}
    if entity is None:
        return kept
    parts = (entity.source, entity.account, entity.campaign, entity.ad_group, entity.ad)
    return {**kept, **{name: value for name, value in zip(KEYS, parts, strict=True) if value}}


def open_entity(entity: Entity) -> NoReturn:
    """Go to the page of an entity; Back leads here again."""
    st.switch_page(PAGE, query_params=address(entity))


def link(label: str, query: dict[str, str], *, icon: str | None = None, about: str = "") -> None:
    """A way from this page to itself with another query; label, about: markdown, names in it escaped.

    A page link would show the new page under the old address, and Back would lead past it.
    """
    key = f"to_{label}_{'_'.join(query.values())}"
    if st.button(label, key=key, type="tertiary", icon=icon, help=about or None):
        st.switch_page(PAGE, query_params=query)


def open_campaign(source: str, account: str, campaign: str, adset: str = "", ad: str = "") -> NoReturn:
    """Go to the page of a campaign, or of one of its ad groups (ad sets) or ads."""
    open_entity(Entity(source, account, campaign, adset, ad))


def open_proposal(path: str) -> NoReturn:
    """Go to where a change of one of the workspace's files is proposed."""
    st.switch_page("proposals.py", query_params={"part": "propose", "file": path})
