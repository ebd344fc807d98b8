"""Other ways to say what an hour's spend usually is: a seasonal decomposition, a model trained on history.

Both stand in for the bands of `metrics.baseline` in a reference (`metrics.reference.learn`), and are judged
by the same test: errors out of sample, false-discovery control, an effect that matters. They need the extra
`models` and seconds a night; what they add is measured in benchmarks/detect.py and told in docs/anomalies.md.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["METHODS", "PACKAGES", "Forecast", "Method", "decomposed", "missing", "modelled"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Method = Literal["bands", "decomposition", "model"]

Forecast: TypeAlias = Callable[[Floats, Ints, int, int], Floats]
"""Spend per hour of some days, from what came before each of them.

rates: spend per hour, shape (entities, days, 24), oldest first, the last day being yesterday. weekdays: of
these days and of today, shape (days + 1,). first: the earliest day to say, by its place; begun: the first day
with data. Shape of the result: (entities, days + 1 - first, 24), today last, NaN where nothing can be said.
"""

PACKAGES: Final[dict[Method, str]] = {"decomposition": "statsmodels", "model": "sklearn"}

_REFIT: Final = 7
"""Days for which a fit is used in the past; today has its own."""
_FLOOR: Final = 0.1
"""Of an entity's mean hour, added before logarithms are taken: quiet hours do not rule the fit."""
_LEAST_DAYS: Final = 14
_ROWS: Final = 20_000
"""Hours that a model is trained on, at most."""
_ROBUST: Final = {"robust": True, "outer_iter": 4}
"""Of the decomposition, which takes out of the mapping that it is given what it has read."""
_SEED: Final = 20_261_101


def missing(method: Method) -> str | None:
    """The package that a method needs and that is not installed."""
    package = PACKAGES.get(method)
    return package if package and find_spec(package) is None else None


def _fits(first: int, today: int) -> list[tuple[int, int]]:
    """When a fit is made, by the day's place, and up to where it is used."""
    starts = [*range(first, today, _REFIT)]
    return [(at, min(at + _REFIT, today)) for at in starts] + [(today, today + 1)]


def decomposed(
    rates: Floats,
    weekdays: Ints,  # noqa: ARG001  # the series knows its own weeks
    first: int,
    begun: int,
) -> Floats:
    """A robust decomposition into trend, day and week (MSTL, Bandara et al. 2021), carried on unchanged.

    Takes some 50 ms an entity and fit: meant for accounts, not for each of their campaigns.
    """
    from statsmodels.tsa.seasonal import MSTL  # noqa: PLC0415  # an extra, seconds to import

    entities, today, _ = rates.shape
    out = np.full((entities, today + 1 - first, 24), np.nan)
    for entity in range(entities):
        for at, until in _fits(first, today):
            past = rates[entity, begun:at]
            if len(past) <= _LEAST_DAYS or not past[-_LEAST_DAYS:].any():  # more than two of its periods
                continue
            floor = _FLOOR * past.mean()
            found = MSTL(
                np.log(past.ravel() + floor), periods=(24, 168), iterate=1, stl_kwargs=dict(_ROBUST)
            ).fit()
            day, week = found.seasonal.T
            level = float(np.median(found.trend[-24:]))
            for n in range(at, until):
                back = (n - at) % 7  # the same weekday of the last week that was seen
                place = slice(len(week) - 168 + 24 * back, len(week) - 168 + 24 * back + 24)
                said = np.exp(level + day[-24:] + week[place]) - floor
                out[entity, n - first] = np.maximum(said, 0.0)
    return out


def modelled(rates: Floats, weekdays: Ints, first: int, begun: int) -> Floats:
    """The median by gradient-boosted trees, trained on all entities' hours together."""
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415  # likewise
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    entities, today, _ = rates.shape
    features, target, scale = _features(rates, weekdays, begun)
    out = np.full((entities, today + 1 - first, 24), np.nan)
    for at, until in _fits(first, today):
        rows, goal = features[:, :at].reshape(-1, features.shape[-1]), target[:, :at].ravel()
        use = np.flatnonzero(np.isfinite(goal))
        if len(use) < _LEAST_DAYS * 24:
            continue
        if len(use) > _ROWS:
            use = np.random.default_rng(_SEED).choice(use, _ROWS, replace=False)
        model = HistGradientBoostingRegressor(
            loss="absolute_error", max_iter=80, learning_rate=0.1, early_stopping=False, random_state=_SEED
        )
        asked = features[:, at:until]
        with threadpool_limits(limits=1):  # beside the pollers and the app, more threads are slower
            model.fit(rows[use], goal[use])
            said = model.predict(asked.reshape(-1, asked.shape[-1])).reshape(asked.shape[:-1])
        amount = np.maximum(np.exp(said) - _FLOOR, 0.0) * scale[:, at:until, None]
        out[:, at - first : until - first] = np.where(np.isfinite(scale[:, at:until, None]), amount, np.nan)
    return out


def _features(rates: Floats, weekdays: Ints, begun: int) -> tuple[Floats, Floats, Floats]:
    """What is known of each hour before its day, its logarithm over the usual hour, and the usual hour.

    Shapes (entities, days + 1, 24, features), (entities, days + 1, 24) and (entities, days + 1).
    """
    entities, today, _ = rates.shape
    scale = np.full((entities, today + 1), np.nan)
    known = np.full((entities, today + 1, 24, 4), np.nan)
    for day in range(begun + _LEAST_DAYS, today + 1):
        usual = rates[:, day - _LEAST_DAYS : day].mean((1, 2))
        scale[:, day] = np.where(usual > 0, usual, np.nan)
        before = rates[:, day - 7 : day]
        known[:, day, :, 0] = rates[:, day - 7]
        known[:, day, :, 1] = rates[:, day - 1]
        known[:, day, :, 2] = before.mean(1)
        known[:, day, :, 3] = before.mean((1, 2))[:, None]
    relative = np.log(known / scale[..., None, None] + _FLOOR)
    calendar = np.broadcast_to(
        np.stack(
            [np.tile(np.arange(24.0), (today + 1, 1)), np.repeat(weekdays[:, None], 24, 1).astype(float)], -1
        ),
        (entities, today + 1, 24, 2),
    )
    with np.errstate(all="ignore"):
        seen = np.concatenate([rates, np.full((entities, 1, 24), np.nan)], axis=1)
        target = np.log(seen / scale[..., None] + _FLOOR)
    return np.concatenate([calendar, relative], axis=-1), target, scale


METHODS: Final[dict[Method, Forecast | None]] = {
    "bands": None,
    "decomposition": decomposed,
    "model": modelled,
}
"""None: the reference's own."""
