"""Backtests: forecasts from one cutoff after another, beside what happened."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from gruforecast.forecasting.arguments import as_tables, read_levels
from gruforecast.forecasting.covariates import read_table
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.journal import Journal, fingerprint
from gruforecast.forecasting.panel import Panel
from gruforecast.foundations.checks import check_integer, check_type

TEST_SHARE = 5  # one of so many rows comes after the first cutoff, unless said otherwise


def backtest(
    estimator: Any,
    series: Any,
    horizon: int,
    stride: int | None = None,
    refit: bool | int = False,
    *,
    initial: int | None = None,
    level: Any = None,
    covariates: Any = None,
    past_covariates: Any = None,
    static: Any = None,
    path: str | os.PathLike[str] | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> pd.DataFrame:
    """Forecast from one cutoff after another, from what was known there, and compare.

    Parameters
    ----------
    estimator : GRUForecaster
        Cloned and fitted anew; one without a horizon gets this one.
    series : Series, 1-D array, table or MultiIndex
        As in ``fit``.
    horizon : int
        Steps to forecast from each cutoff.
    stride : int, optional
        Rows between cutoffs; ``horizon`` by default.
    refit : bool or int, default False
        False: fit once, at the first cutoff; later rows are passed as ``last``. True: fit at
        every cutoff. A number k: at every k-th.
    initial : int, optional
        Rows before the first cutoff. By default four fifths, and all but ``horizon`` at most.
    level : float or sequence of float, optional
        As in ``forecast``.
    covariates, past_covariates, static : DataFrame, optional
        As in ``fit``, with a row for every stamp of the series.
    path : str, optional
        A CSV file that gets the forecasts of each cutoff when they are made. A backtest that was
        interrupted goes on from its file.
    progress : callable, optional
        Called before each cutoff and at the end with the number of those done and of all.

    Returns
    -------
    DataFrame
        series, cutoff (stamp of the last row known), step, time, actual, mean, and lo-, hi- for
        each level. ``actual`` is NaN where the series has no value. The stamps of steps are those
        of the series where its frequency is not regular, so that a closing that nobody foresaw
        shifts nothing.

    Examples
    --------
    >>> from gruforecast import GRUForecaster, backtest, make_weather, metrics
    >>> temperature = make_weather(n_days=40)["temperature"]
    >>> model = GRUForecaster(max_iter=3, random_state=0)
    >>> result = backtest(model, temperature, horizon=24, level=80)
    >>> bool(metrics.mae(result["actual"], result["mean"]) < 5)
    True
    """
    if not isinstance(series, (pd.Series, pd.DataFrame)):
        array = np.asarray(series)
        series = pd.Series(array) if array.ndim < 2 else pd.DataFrame(array)
    panel = Panel.read(series)
    horizon = check_integer("horizon", horizon, low=1)
    stride = horizon if stride is None else check_integer("stride", stride, low=1)
    every = _read_refit(refit)
    levels = read_levels(level)
    index = panel.index
    cutoffs = _cutoffs(len(index), horizon, stride, initial)
    model = clone(estimator)
    if getattr(model, "warm_start", False):
        model.set_params(warm_start=False)  # a cutoff must not depend on how the last one ended
    if getattr(model, "horizon", horizon) is None:
        model.set_params(horizon=horizon)
    tables = as_tables(covariates, past_covariates, static)
    given = {
        name: table if name == "static" else read_table(name, table, index)
        for name, table in tables.items()
        if table is not None
    }
    journal = Journal(
        path,
        fingerprint(model, series, given, horizon, stride, every, cutoffs[0], levels),
        index,
        panel.names,
    )
    is_regular = Cadence.of(index, getattr(model, "freq", None)).kind == "grid"
    actual = [pd.Series(values, stamps) for _, values, stamps in panel.series()]
    fitted_at = None
    for number, cutoff in enumerate(cutoffs):
        if every and number % every == 0:
            fitted_at = None
        if progress is not None:
            progress(number, len(cutoffs))
        if cutoff in journal.done:
            continue
        if fitted_at is None:
            first = number if not every else number - number % every
            fitted_at = cutoffs[first] if every else cutoffs[0]
            model.fit(_between(series, panel, index, 0, fitted_at), **given)
        options = dict(given)
        if fitted_at < cutoff:
            options["last"] = _between(series, panel, index, fitted_at, cutoff)
        else:
            options.pop("past_covariates", None)
        if not is_regular:
            options["future_index"] = index[cutoff : cutoff + horizon]
        made = model.forecast(horizon, level=levels or None, **options)
        parts = list(_tidy(made, panel, index[cutoff - 1], actual, not levels))
        journal.add(cutoff, pd.concat(parts, ignore_index=True))
    if progress is not None:
        progress(len(cutoffs), len(cutoffs))
    return pd.concat([journal.done[cutoff] for cutoff in cutoffs], ignore_index=True)


def _read_refit(refit: Any) -> int:
    """Cutoffs from one fit to the next; 0 for no other fit than the first."""
    if isinstance(refit, (bool, np.bool_)):
        return int(refit)
    return check_integer("refit", refit, low=1)


def _cutoffs(n_rows: int, horizon: int, stride: int, initial: int | None) -> list[int]:
    """Numbers of rows that are known, one after the other."""
    if n_rows <= horizon:
        raise ValueError(
            f"series: expected more rows than horizon={horizon}, got {n_rows}; pass more rows or "
            f"lower horizon."
        )
    if initial is None:
        initial = n_rows - max(horizon, n_rows // TEST_SHARE)
    elif check_integer("initial", initial, low=1) > n_rows - horizon:
        raise ValueError(
            f"initial: expected at most {n_rows - horizon}, as horizon={horizon} of the {n_rows} "
            f"rows come after it, got {initial}; lower it."
        )
    return list(range(initial, n_rows - horizon + 1, stride))


def _between(series: Any, panel: Panel, index: pd.Index, begin: int, end: int) -> Any:
    """Rows of the series from one number of rows to another."""
    if panel.form != "long":
        return series.iloc[begin:end]
    times = series.index.get_level_values(1)
    return series[(times >= index[begin]) & (times <= index[end - 1])]


def _tidy(
    made: pd.DataFrame, panel: Panel, cutoff: Any, actual: list[pd.Series], is_plain: bool
) -> Iterator[pd.DataFrame]:
    """The forecasts of every series as rows, beside what happened."""
    check_type("forecast", made, pd.DataFrame, "use an estimator whose forecast returns one")
    for s, name in enumerate(panel.names):
        own = made
        if panel.form == "wide":
            own = (
                made[name] if made.columns.nlevels > 1 else made[[name]].set_axis(["mean"], axis=1)
            )
        elif panel.form == "long":
            if name not in made.index.get_level_values(0):
                continue
            own = made.xs(name, level=0)
            before = panel.stamps[s][panel.stamps[s] <= cutoff]
            if not len(before) or before[-1] != cutoff:
                continue  # it had ended, or not begun
        facts = {
            "series": [name] * len(own),
            "cutoff": cutoff,
            "step": np.arange(1, len(own) + 1),
            "time": own.index,
            "actual": actual[s].reindex(own.index).to_numpy(),
        }
        yield pd.concat([pd.DataFrame(facts), own.reset_index(drop=True)], axis=1)
