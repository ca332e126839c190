"""The forecasts of a backtest beside the simplest ones from the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gruforecast.forecasting.block import Beside, Block
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.frames import check_backtest
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.skill import make_contest, naive_error
from gruforecast.forecasting.tails import Origin
from gruforecast.foundations.checks import check_integer


def skill(
    result: pd.DataFrame, series: Any, *, season: int | None = None, freq: Any = None
) -> pd.DataFrame:
    """The forecasts of a backtest beside the simplest ones, as ``skill_`` after a fit.

    Parameters
    ----------
    result : DataFrame
        What ``backtest`` returned.
    series : Series, 1-D array, table or MultiIndex
        What was passed to it.
    season : int, optional
        Rows until the season repeats; by default from the frequency.
    freq : str or offset, optional
        The frequency of the index, where it cannot be inferred.

    Returns
    -------
    DataFrame
        Mean absolute error, the same in units of the error of the repeated season (mase), and
        skill, 1 - error / error of each simple forecast: last value, drift, mean, season repeated.
        Rows up to the first cutoff tell units, drift and mean.

    Examples
    --------
    >>> from gruforecast import GRUForecaster, backtest, load_seattle, metrics
    >>> temperature = load_seattle()["temp_max"]
    >>> model = GRUForecaster(max_iter=3, random_state=0)
    >>> result = backtest(model, temperature, horizon=7, initial=1400)
    >>> metrics.skill(result, temperature).index.tolist()
    ['forecast', 'last value', 'drift', 'mean', 'seasonal repeat']
    """
    check_backtest("result", result)
    if season is not None:
        season = check_integer("season", season, low=1)
    panel = Panel.read(series)
    cadence = Cadence.of(max(panel.stamps, key=len), freq)
    horizon = int(result["step"].max())
    block = Block.build(panel, cadence, horizon, Beside(), has_future=False, is_training=True)
    season = season or cadence.season
    rows, actual, mean = _by_cutoff(result, panel, horizon)
    known = np.concatenate([stamps <= result["cutoff"].min() for stamps in panel.stamps])
    origins = [
        Origin.of(block.positions[a:b][known[a:b]], panel.values[a:b][known[a:b]])
        if known[a:b].any()
        else Origin.of_unseen(block.positions[a:b], panel.values[a:b])
        for a, b in panel.pairs()
    ]
    errors = naive_error(block, known, season)
    contest = make_contest(block, rows, actual, season, origins, errors)
    if contest.is_empty():
        raise ValueError("result: expected an actual that is not missing, got none; pass more.")
    return contest.table(mean)


def _by_cutoff(
    result: pd.DataFrame, panel: Panel, horizon: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (n,) of the cutoffs, what happened after each (n, horizon), and what was forecast."""
    keys = ["series", "cutoff"]
    rows: list[int] = []
    actual: list[np.ndarray] = []
    mean: list[np.ndarray] = []
    for (name, cutoff), part in result.groupby(keys, sort=False, dropna=False):
        try:
            s = panel.names.index(None if _is_missing(name) else name)
            row = panel.stamps[s].get_loc(cutoff)
        except (ValueError, KeyError):
            raise ValueError(
                f"series: expected the series of the backtest, got one without {name!r} at "
                f"{cutoff}; pass what was passed to backtest."
            ) from None
        rows.append(panel.bounds[s] + row)
        for values, column in ((actual, "actual"), (mean, "mean")):
            own = np.full(horizon, np.nan)
            own[part["step"].to_numpy() - 1] = part[column]
            values.append(own)
    return np.array(rows), np.array(actual), np.array(mean)


def _is_missing(name: Any) -> bool:
    return name is None or (isinstance(name, float) and np.isnan(name))
