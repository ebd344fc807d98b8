"""A rule's limits beside where the accounts are at present, for its review."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

import streamlit as st

from alerts import evidence
from alerts.evidence import Level, Sign
from alerts.rules import Rule
from metrics import windows
from metrics.compute import evaluate
from metrics.model import Metric
from metrics.windows import AccountKey
from panels._slot import Process, process

__all__ = ["signs"]

DAYS: Final = 28


def signs(of: Process, rule_id: str, now: datetime) -> list[Sign]:
    """What the present says of each degree of a rule whose metric has a plain limit."""
    if of.alerts is None:
        return []
    metrics = of.metrics()
    limited = [(rule, one) for rule in of.alerts.rules.values() if (one := _limited(rule, metrics))]
    names = tuple(sorted({metric.name for _, metric in limited}))
    known = windows.accounts(of.warehouse)
    found = []
    for rule, metric in limited:
        if rule.id != rule_id:
            continue
        levels = []
        for key, figures in _figures(of.data_version(), now.date() - timedelta(days=1), names).items():
            value, account = figures[metric.name], known[key]
            if value is None:
                continue
            at = evidence.limit(rule, _target(of, metric.name, *key, account.name), value)
            if at:
                name = f"{account.name} ({of.workspace.sources.get(key[0], key[0])})"
                levels.append(Level(name, account.currency, value, at))
        below = getattr(rule.condition, "below", None) is not None
        sign = evidence.present(metric, levels, below=below)
        if sign is not None:
            found.append(Sign(sign.state, f"{str(rule.severity).capitalize()}. {sign.text}"))
    return found


def _limited(rule: Rule, metrics: Mapping[str, Metric]) -> Metric | None:
    """The ratio that a rule watches: a sum has no level of its own, it grows with the window."""
    metric = metrics.get(str(getattr(rule.condition, "metric", None)))
    return metric if metric is not None and not metric.additive else None


@st.cache_data(max_entries=2, show_spinner=False)
def _figures(version: int, last: date, names: tuple[str, ...]) -> dict[AccountKey, dict[str, float | None]]:
    """Metrics by account over the days up to one, each in the account's own currency."""
    del version
    of = process()
    assert of is not None
    span = windows.days(windows.accounts(of.warehouse), last - timedelta(days=DAYS - 1), last)
    if not span or not names:
        return {}
    metrics = [of.metrics()[name] for name in names]
    rows = evaluate(of.warehouse, metrics, span, by=("source", "account")).to_pylist()
    return {(row["source"], row["account"]): {name: row[name] for name in names} for row in rows}


def _target(of: Process, metric: str, source: str, account: str, name: str) -> float | None:
    """An account's own target; the last that matches holds."""
    held = [
        t.value
        for t in of.workspace.targets
        if t.metric == metric
        and t.campaign == "*"
        and fnmatchcase(source, t.source)
        and (fnmatchcase(account, t.account) or fnmatchcase(name, t.account))
    ]
    return held[-1] if held else None
