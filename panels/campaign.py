"""Campaign: from an account down to the ad, one page, every step in its address."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase

import streamlit as st

from connectors.contract import Account
from metrics.entities import Described, Entity, described, near
from metrics.links import entity_url, screen
from panels import _campaigns, _freshness, _known, _live, _parts
from panels import _format as f
from panels._controls import controls
from panels._drill import KEYS, address, link
from panels._entity import Sheet, sheet
from panels._maturity import learned
from panels._once import once
from panels._scope import Scope
from panels._slot import Process, process
from panels._view import View


@once
def read(version: int, entity: Entity, view: View) -> Sheet | None:
    """The sheet of an entity, once for each version of the data; None where there is no such entity."""
    of = process()
    assert of is not None
    found = described(of.warehouse, entity)
    account = _known.now(of).accounts.get((entity.source, entity.account))
    if found is None or account is None:
        return None
    return sheet(
        of.warehouse,
        of.metrics(),
        found,
        account,
        view,
        mature=learned(version, view.as_of),
    )


def asked() -> Entity | None:
    """The entity that the address names; None without an account."""
    parts = [st.query_params.get(key, "") for key in KEYS]
    return Entity(*parts) if parts[0] and parts[1] else None


def crumbs(of: Process, entity: Entity) -> None:
    """The way up, each step a link; the last step is the page's title."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="crumbs"):
        link("All campaigns", address(None))
        for step in entity.path[:-1]:
            found = described(of.warehouse, step)
            st.markdown(":gray[/]", width="content")
            link(f.plain(found.name if found else step.id), address(step))


def header(of: Process, found: Described, account: Account, now: datetime) -> None:
    """Name, platform, state, freshness, and the way into the platform's own screen."""
    entity = found.entity
    title = of.workspace.sources.get(entity.source, entity.source)
    url = entity_url(entity.source, entity.account, entity.campaign, entity.ad_group, entity.ad)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(f.plain(found.name), anchor=False, width="content")
        pill = _parts.setup(found.status, found.serving)
        if pill:
            look = pill.status.value
            icon = {"Enabled": ":material/play_circle:", "Paused": ":material/pause_circle:"}
            st.badge(
                f.plain(pill.word),
                icon=icon.get(pill.word, look.icon),
                color=look.color,  # type: ignore[arg-type]
                help="As the platform has it.",
            )
        if found.channel:
            st.badge(f.plain(found.channel.replace("_", " ").capitalize()), color="gray")
        marks = [m for m in _known.now(of).marks if (m.source, m.account) == (account.source, account.id)]
        for fresh in _freshness.of_sources(marks, {entity.source: title}, now):
            st.badge(
                fresh.label,
                icon=fresh.status.value.icon,
                color=fresh.status.value.color,  # type: ignore[arg-type]
                help=fresh.help,
            )
        st.space("stretch")
        if url:
            st.link_button(f"Open in {screen(entity.source)}", url, icon=":material/open_in_new:")


def missing(of: Process, entity: Entity) -> None:
    """No such thing: say so, and offer what may have been meant."""
    what = {"account": "account", "campaign": "campaign", "ad_group": "ad group or ad set", "ad": "ad"}
    level = what[entity.level]
    st.subheader(f"No such {level}", anchor=False)
    with st.container(border=True):
        home = f"{of.workspace.sources.get(entity.source, entity.source)}, account {entity.account}"
        st.markdown(
            f":material/search_off: No {level} with the id **{f.plain(entity.id)}** is known in "
            f"{f.plain(home)}."
        )
        st.caption(
            "It may not have been fetched yet, or the address was cut off. Data health says what is polled."
        )
        alike = near(of.warehouse, entity)
        if alike:
            st.markdown("Did you mean:")
            for other, name in alike:
                link(f"{f.plain(name)} :gray[{f.plain(other.campaign)}]", address(other))


def target(of: Process, found: Described, account: Account, metric: str) -> float | None:
    """The workspace's target for this entity's campaign; the last that matches holds."""
    entity = found.entity
    campaign = described(of.warehouse, entity.path[1]) if entity.campaign else None
    names = {entity.campaign, campaign.name} if campaign else {"*"}
    held = [
        t.value
        for t in of.workspace.targets
        if t.metric == metric
        and fnmatchcase(entity.source, t.source)
        and any(fnmatchcase(name, t.account) for name in (account.id, account.name))
        and (any(fnmatchcase(name, t.campaign) for name in names) if entity.campaign else t.campaign == "*")
    ]
    return held[-1] if held else None


@_live.follow
def panels() -> None:
    """Everything on the page that changes with the data."""
    of = process()
    assert of is not None
    now = datetime.now(UTC).astimezone(of.workspace.timezone)
    entity = asked()
    if entity is None:
        _campaigns.panels(of, now)
        return
    account = _known.now(of).accounts.get((entity.source, entity.account))
    crumbs(of, entity)
    found = described(of.warehouse, entity) if account else None
    if account is None or found is None:
        missing(of, entity)
        return
    header(of, found, account, now)
    key = (entity.source, entity.account)
    only = Scope("/".join(key), account.name, account.currency, (key,))
    view = controls(only=only)
    if view is None:
        with st.container(border=True):
            st.markdown(":material/inbox: **There are no numbers for this window.**")
            st.caption(
                "The account's first delivery is still to be fetched, or its source says nothing of them."
            )
        return
    shown = read(of.data_version(), entity, view)
    if shown is None:
        missing(of, entity)
        return
    goals = {name: target(of, found, account, name) for name in ("roas", "cpa")}
    _parts.page(of, shown, account, view, now, goals=goals)


panels()
