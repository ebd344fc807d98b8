"""The catalogue as pages read it, and the way to an entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

import streamlit as st

from alerts.review import Reviewed, review
from metrics.catalog import Catalog, Ref
from panels._slot import Process

__all__ = ["LOOKED", "PAGE", "alerted", "alerts_in_words", "catalog", "open_entry"]

PAGE = "catalogue.py"

LOOKED: Final = timedelta(days=91)
"""Over how long looks and alerts are counted."""


def catalog(of: Process) -> Catalog:
    """Every definition in force."""
    assert of.catalog is not None
    return of.catalog(datetime.now(UTC))


def open_entry(ref: Ref) -> NoReturn:
    """Go to the page of an entry; Back leads here again."""
    st.switch_page(PAGE, query_params=[(ref.kind, ref.name)])


def alerted(of: Process, known: Catalog, now: datetime) -> dict[Ref, list[Reviewed]]:
    """What came of the rules over `LOOKED`: by each rule, and by each metric that a rule watches."""
    if of.alerts is None:
        return {}
    found: dict[Ref, list[Reviewed]] = {}
    for one in review(of.alerts.records, of.alerts.rules.values(), now - LOOKED, now):
        rule = Ref("rule", one.rule.id)
        watched = [ref for ref in known.reads(rule) if ref.kind == "metric"] if rule in known.entries else []
        for ref in (rule, *watched):
            found.setdefault(ref, []).append(one)
    return found


def alerts_in_words(ref: Ref, came: list[Reviewed]) -> str:
    """How often a rule fired and was acted on, or the rules that watch a metric; "" where none does."""
    if not came:
        return ""
    times = sum(one.fires for one in came)
    said = f"{times:,} in 91 days" if times else "none in 91 days"
    if ref.kind == "metric":
        rules = len({one.rule.id for one in came})
        return f"{said}, by {rules} {'rule' if rules == 1 else 'rules'}"
    # By degree: one incident may be about two degrees of a rule.
    degrees = [f"{one.rule.severity}: {one.told} told, {one.acted} acted on" for one in came if one.told]
    return "; ".join([said, *degrees])
