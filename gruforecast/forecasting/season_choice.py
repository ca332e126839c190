"""Whether it pays to take a season out, and how: what training rows say without any network."""

from __future__ import annotations

import numpy as np

from gruforecast.forecasting.block import Block
from gruforecast.forecasting.line import Line
from gruforecast.forecasting.scaling import SeriesScaling
from gruforecast.forecasting.seasonality import Seasonality

LEAST_SEASONS = 3  # of rows that train, of half of the series
ENOUGH_SEASONS = 20  # from which a network learns the season by itself, as it does
ENOUGH_ROWS = 5000  # from so many of all series
NORMAL_90 = 1.645  # the limit of the M4 competition's test of a season
LEAST_GAIN = 0.45  # of the error without a season: only below it is a season taken out
LEAST_LEAD = 0.85  # of the error with "multiplicative": only below it is "difference" taken


def choose_seasonal(
    kind: str, block: Block, used: np.ndarray, season: int | None, horizon: int, low: float
) -> str:
    """How a season is taken out, by the rows that train (n,); what is not "auto" stays as it is.

    Not where rows are many or seasons few, or where less than half of the series pass the test of
    a season. Else the newer half of the rows is foretold from indices of the older half and a
    level, the newest value, the mean so far, or that of the newest season, whichever is best for
    a kind: these errors decide.
    """
    if kind != "auto":
        return kind
    panel = block.panel
    n_rows = np.array([used[a:b].sum() for a, b in panel.pairs()])
    n_seasons = float(np.median(n_rows)) / (season or 1)
    is_enough = n_seasons >= ENOUGH_SEASONS or n_rows.sum() >= ENOUGH_ROWS
    if season is None or season < 2 or is_enough or n_seasons < LEAST_SEASONS:
        return "none"
    line = Line.of(block, horizon, season)
    values = line.spread(np.where(used, panel.values, np.nan))
    own = [values[line.begin == begin] for begin in np.unique(line.begin)]
    if np.mean([has_season(part, season) for part in own]) < 0.5:
        return "none"
    kinds = ["none"] if np.isfinite(low) else ["none", "difference"]
    if np.nanmin(panel.values[used]) > 0:
        kinds.append("multiplicative")
    errors = _errors(block, used, season, horizon, kinds)
    return _best(errors)


def _best(errors: dict[str, float]) -> str:
    """The kind whose error is well below those of simpler ones."""
    of_none = errors.pop("none")
    of_difference = errors.get("difference", np.inf)
    of_indices = errors.get("multiplicative", np.inf)
    kind = "difference" if of_difference < LEAST_LEAD * of_indices else "multiplicative"
    return kind if min(of_difference, of_indices) < LEAST_GAIN * of_none else "none"


def has_season(values: np.ndarray, season: int) -> bool:
    """Whether values (m,), NaN where missing, go with those of the season before.

    The test of 90 % by which the M4 competition's Naive2 decides, after a linear trend.
    """
    known = ~np.isnan(values)
    n = int(known.sum())
    if n < LEAST_SEASONS * season:
        return False
    at = np.flatnonzero(known)
    trend = np.polynomial.Polynomial.fit(at, values[known], 1)(np.arange(len(values)))
    centered = np.where(known, values - trend, 0.0)
    total = float(centered @ centered)
    if total <= (len(values) * np.finfo(np.float64).eps * np.abs(values[known]).max()) ** 2:
        return False
    found = np.array([centered[lag:] @ centered[:-lag] for lag in range(1, season + 1)]) / total
    limit = NORMAL_90 * np.sqrt((1.0 + 2.0 * (found[:-1] ** 2).sum()) / n)
    return bool(abs(found[-1]) > limit)


def _errors(
    block: Block, used: np.ndarray, season: int, horizon: int, kinds: list[str]
) -> dict[str, float]:
    """Mean absolute errors of each kind in units of its series' mean error of all of them."""
    panel = block.panel
    older = np.zeros(panel.n, bool)
    for a, b in panel.pairs():
        own = np.flatnonzero(used[a:b])
        older[a + own[: len(own) // 2]] = True
    line = Line.of(block, horizon, season)
    wanted = line.spread(np.where(used & ~older, panel.values, np.nan))
    rows = np.flatnonzero(line.has_ahead(~np.isnan(wanted)) & used)
    actual = line.ahead(wanted, rows)
    codes = panel.codes[rows]
    found = {}
    for kind in kinds:
        seasonality = Seasonality(kind, season, {}).learn(block, older)
        adjusted, of_season = seasonality.adjust(block, horizon)
        base, factor = (0.0, 1.0) if of_season is None else of_season.of(rows, fill=True)
        levels = (
            adjusted.carried()[0],
            SeriesScaling({}, -np.inf, True).of_rows(adjusted)[0],
            line.mean_up_to(line.spread(adjusted.panel.values), season),
        )
        far = []
        for level in levels:
            error = np.abs(actual - (level[rows, None] * factor + base))
            known = ~np.isnan(error)
            sums, counts = (
                np.bincount(codes, part.sum(axis=1), minlength=panel.n_series)
                for part in (np.where(known, error, 0.0), known)
            )
            far.append(sums / np.maximum(counts, 1))
        found[kind] = np.min(far, axis=0)
    overall = np.maximum(np.mean(list(found.values()), axis=0), np.finfo(np.float64).tiny)
    return {kind: float(np.mean(error / overall)) for kind, error in found.items()}
