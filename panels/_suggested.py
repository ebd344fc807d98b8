"""What the platform itself suggests, where one decides what to do; always marked as its own view."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from metrics import suggestions
from metrics.entities import Entity
from metrics.links import recommendations_url, screen
from panels import _format as f
from panels._slot import Process

__all__ = ["suggested"]


def suggested(
    of: Process,
    entity: Entity,
    currency: str,
    now: datetime,
    *,
    as_of: datetime | None = None,
    framed: bool = False,
) -> None:
    """The platform's suggestions for a campaign or an account; nothing for a source that tells none.

    currency: the account's. as_of: as it was known at a moment that is replayed.
    """
    asked = suggestions.asked(of.warehouse, entity)
    if asked is None:
        return
    platform = screen(entity.source) or of.workspace.sources.get(entity.source, entity.source)
    found = suggestions.suggestions(of.warehouse, entity, currency, as_of=as_of)
    when = f.clock(as_of or asked, now)
    if not found:
        subject = "this campaign" if entity.campaign else "the account as a whole"
        st.caption(f"{platform} itself suggests nothing for {subject}, as of {when}.")
        return
    lines = [f":material/recommend: {platform} suggests: **{f.plain(one.what)}**" for one in found]
    effects = [f" :gray[({f.plain(one.effect)})]" if one.effect else "" for one in found]
    with st.container(border=framed):
        st.markdown("  \n".join(line + effect for line, effect in zip(lines, effects, strict=True)))
        st.caption(
            f"The platform's own view and its own estimate, as of {when}. Paceline has not checked it: "
            "set it against your plan and your targets."
        )
        url = recommendations_url(entity.source, entity.account, entity.campaign)
        if url:
            st.link_button(
                f"Its suggestions in {platform}",
                url,
                icon=":material/open_in_new:",
                help="The platform's own screen, where a suggestion is applied or dismissed.",
            )
