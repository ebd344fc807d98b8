"""How late conversions are, for all pages: learned once for each version of the data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from metrics import hindsight, maturity, windows
from metrics.hindsight import Score
from metrics.maturity import Maturity
from metrics.windows import AccountKey
from panels import _format as f
from panels._once import once
from panels._slot import Process, process

__all__ = ["lateness", "learned"]


@once
def learned(version: int, as_of: datetime | None = None) -> Maturity:
    """The maturity of every account by now, or as it was known at a moment that is replayed.

    Its `relations` are what settled metrics need.
    """
    del version
    of = process()
    assert of is not None
    now = as_of or datetime.now(UTC)
    return maturity.learned(of.warehouse, windows.accounts(of.warehouse), now, as_of=as_of)


@st.cache_data(max_entries=2, show_spinner=False)
def scores(hour: datetime) -> list[Score]:
    """How good the settled estimate was; a second's work, and no news within the hour."""
    of = process()
    assert of is not None
    return hindsight.backtest(of.warehouse, windows.accounts(of.warehouse), hour)


def lateness(of: Process, now: datetime, names: Mapping[AccountKey, str]) -> None:
    """How late each account's conversions come, and how good the estimate of the late ones was."""
    curves = learned(of.data_version()).curves
    if not curves:
        return
    late, good = st.columns(2)
    with late:
        st.markdown(
            "**How late conversions are**",
            help="Time from the click (Meta: from the start of the day) until half, and nine tenths, of the "
            "conversions are known. Learned from what polls changed; a usual curve where little was seen.",
        )
        st.dataframe(
            pd.DataFrame(
                {
                    "source": [of.workspace.sources.get(source, source) for source, _ in curves],
                    "account": [names.get(key, key[1]) for key in curves],
                    "half": [_span(curve.age_at(0.5)) for curve in curves.values()],
                    "most": [_span(curve.age_at(0.9)) for curve in curves.values()],
                    "seen": [round(curve.seen) for curve in curves.values()],
                }
            ),
            hide_index=True,
            alt="How late each account's conversions come",
            column_config={
                "source": "Source",
                "account": "Account",
                "half": "Half known after",
                "most": "Nine tenths after",
                "seen": st.column_config.NumberColumn(
                    "Learned from", format="localized", help="Conversions that polls saw arrive."
                ),
            },
        )
    with good:
        st.markdown(
            "**How good the settled estimate was**",
            help="The last fourteen days of each account that have settled, said again with nothing but what "
            "was known some hours after the day's end. Off by: the error over all conversions.",
        )
        found = [
            score for score in scores(now.replace(minute=0, second=0, microsecond=0)) if score.of == "account"
        ]
        if not found:
            st.markdown(
                ":material/hourglass_top: No day was both watched from its start and has settled since: that "
                "takes about two weeks of polling."
            )
            return
        st.dataframe(
            pd.DataFrame(
                {
                    "age": [f"{score.age} h after the day" for score in found],
                    "raw": [f.percent(score.raw) for score in found],
                    "settled": [f.percent(score.settled) for score in found],
                    "inside": [f.percent(score.inside, digits=0) for score in found],
                    "closer": [f.percent(score.closer, digits=0) for score in found],
                }
            ),
            hide_index=True,
            alt="How far off the raw and the settled conversions of whole days were",
            column_config={
                "age": "Asked",
                "raw": "Raw, off by",
                "settled": "Settled, off by",
                "inside": st.column_config.TextColumn("Inside the interval", help="Meant to be 80 %."),
                "closer": st.column_config.TextColumn(
                    "CPA closer",
                    help="Share of days whose settled CPA was closer to the later one than the raw.",
                ),
            },
        )
        st.caption(f"{found[0].days} days of {len(curves)} accounts")


def _span(hours: float) -> str:
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.1f} days"
