"""How good forecasts are: of points, of quantiles and of intervals.

All take arrays of any shape, the same for actuals and forecasts: nothing is broadcast. They are
compared by position, and tables of pandas whose indices differ are an error. An actual that is NaN
does not count; a forecast that is NaN is an error. All compute in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gruforecast.forecasting.pairs import (
    check_intervals,
    check_pairs,
    check_quantile,
    check_quantiles,
    check_values,
)
from gruforecast.foundations.checks import check_integer, check_number

__all__ = ["coverage", "crps", "mae", "mase", "pinball", "rmse", "rmsse", "smape", "winkler"]


def mae(y: Any, f: Any) -> float:
    """Mean absolute error, in the units of y.

    Parameters
    ----------
    y, f : arrays of one shape
        Actuals, where NaN do not count, and their forecasts.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.mae([1, 2, 4], [1, 3, 6])
    1.0
    """
    actual, forecast = check_pairs(y, f=f)
    return _mean_size(actual - forecast)


def rmse(y: Any, f: Any) -> float:
    """Root of the mean squared error, in the units of y.

    Parameters
    ----------
    y, f : arrays of one shape
        Actuals, where NaN do not count, and their forecasts.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.rmse([1, 2, 4, 5], [2, 3, 5, 6])
    1.0
    """
    actual, forecast = check_pairs(y, f=f)
    return _root_mean_square(actual - forecast)


def smape(y: Any, f: Any) -> float:
    """Symmetric mean absolute percentage error of the M4 competition, from 0 to 200.

    The mean of ``200 |y - f| / (|y| + |f|)``, which is 0 where both are 0. It means little for
    series that change sign or come close to 0: any error there counts as about 200.

    Parameters
    ----------
    y, f : arrays of one shape
        Actuals, where NaN do not count, and their forecasts.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.smape([100, 0], [300, 0])
    50.0
    """
    actual, forecast = check_pairs(y, f=f)
    size = np.abs(actual) + np.abs(forecast)
    ratio = np.divide(np.abs(actual - forecast), size, out=np.zeros_like(size), where=size > 0.0)
    return 200.0 * float(np.mean(ratio))


def mase(y: Any, f: Any, history: Any, season: int = 1) -> float:
    """Mean absolute error beside that of the seasonal naive forecast inside the history.

    The mean of ``|y - f|`` over the mean of ``|history[t] - history[t - season]|``, as in the M4
    competition. One forecast origin of one series at a time: average the results over series.

    Parameters
    ----------
    y, f : arrays of one shape
        Actuals, where NaN do not count, and their forecasts.
    history : array (n_values,)
        The series that the forecast was made from, oldest first and without y; differences from or
        to NaN do not count.
    season : int, default 1
        Steps of a season; 1 compares with the last value. A history whose values all equal those
        of a season before gives no scale, which is an error.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.mase([7, 8], [6, 10], history=[1, 3, 2, 5])  # 1.5 over (2 + 1 + 3) / 3
    0.75
    """
    return _scaled(_mean_size, y, f, history, season)


def rmsse(y: Any, f: Any, history: Any, season: int = 1) -> float:
    """Root of the mean squared error beside that of the seasonal naive forecast in the history.

    The root of the mean of ``(y - f)**2`` over the mean of
    ``(history[t] - history[t - season])**2``.

    Parameters
    ----------
    y, f, history, season
        As for `mase`.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.rmsse([7, 8], [6, 9], history=[1, 3, 5])
    0.5
    """
    return _scaled(_root_mean_square, y, f, history, season)


def pinball(y: Any, q_forecast: Any, quantile: float) -> float:
    """Mean pinball loss of forecasts of one quantile, in the units of y.

    An actual above the forecast costs ``quantile`` times the distance, one below it
    ``1 - quantile`` times. At the quantile 0.5 that is half the absolute error, and everywhere
    scikit-learn's ``mean_pinball_loss``.

    Parameters
    ----------
    y, q_forecast : arrays of one shape
        Actuals, where NaN do not count, and the forecasts of their quantile.
    quantile : float
        Between 0 and 1, both excluded.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.pinball([4, 4], [2, 8], quantile=0.75)  # 0.75 * 2 and 0.25 * 4
    1.25
    """
    quantile = check_quantile("quantile", quantile)
    actual, forecast = check_pairs(y, q_forecast=q_forecast)
    return float(np.mean(_pinball(actual - forecast, quantile)))


def crps(y: Any, quantile_forecasts: Any, quantiles: Any) -> float:
    """Continuous ranked probability score, approximated from quantiles, in the units of y.

    Twice the pinball loss, averaged over the quantiles with equal weights. The score itself is
    twice the integral of the pinball loss over all quantiles from 0 to 1; the average comes close
    to it for many, evenly spaced quantiles such as ``(numpy.arange(99) + 0.5) / 99``. With few or
    uneven ones it is another number, which does not see the tails beyond the outermost quantiles:
    compare only scores from the same quantiles. From 0.5 alone it is the absolute error.

    Parameters
    ----------
    y : array
        Actuals; NaN do not count.
    quantile_forecasts : array of the shape of y and one more axis, the last, for the quantiles
        Forecasts of each quantile.
    quantiles : array (n_quantiles,)
        Rising, between 0 and 1, both excluded.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.crps([4, 4], [[3, 5], [4, 6]], quantiles=[0.25, 0.75])
    0.5
    """
    levels = check_quantiles(quantiles)
    actual, forecasts = check_pairs(y, len(levels), quantile_forecasts=quantile_forecasts)
    return 2.0 * float(np.mean(_pinball(actual[:, None] - forecasts, levels)))


def coverage(y: Any, low: Any, high: Any) -> float:
    """Share of the actuals inside their interval, bounds included; of 80 % intervals, about 0.8.

    Parameters
    ----------
    y, low, high : arrays of one shape
        Actuals, where NaN do not count, and the bounds of their intervals.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.coverage([1, 2, 3, 9], low=[1, 1, 1, 1], high=[4, 4, 4, 4])
    0.75
    """
    actual, lower, upper = check_intervals(y, low, high)
    return float(np.mean((lower <= actual) & (actual <= upper)))


def winkler(y: Any, low: Any, high: Any, level: float) -> float:
    """Mean interval score of Winkler, in the units of y: narrow is good, missing is dear.

    The width of the interval, and ``2 / alpha`` times the distance by which the actual lies
    outside, where ``alpha = 1 - level / 100`` is the share that may.

    Parameters
    ----------
    y, low, high : arrays of one shape
        Actuals, where NaN do not count, and the bounds of their intervals.
    level : float
        Percent of the actuals that the intervals are meant to hold, such as 80.

    Returns
    -------
    float

    Examples
    --------
    >>> from gruforecast import metrics
    >>> metrics.winkler([3, 5], low=[2, 2], high=[4, 4], level=80)  # 2 and 2 + 10 * 1
    7.0
    """
    # a share such as 0.8 in the place of 80 is the usual slip, hence no level below 1
    level = check_number("level (in percent)", level, low=1.0, high=100.0, open_high=True)
    actual, lower, upper = check_intervals(y, low, high)
    outside = np.maximum(lower - actual, 0.0) + np.maximum(actual - upper, 0.0)
    return float(np.mean(upper - lower + 200.0 / (100.0 - level) * outside))


def _mean_size(errors: np.ndarray) -> float:
    return float(np.mean(np.abs(errors)))


def _root_mean_square(errors: np.ndarray) -> float:
    """Scaled by a power of two, which is exact, so that squares neither overflow nor vanish."""
    exponent = np.frexp(np.abs(errors).max())[1]
    squares = np.ldexp(errors, -exponent) ** 2
    return float(np.ldexp(np.sqrt(np.mean(squares)), exponent))


def _scaled(average: Callable[..., float], y: Any, f: Any, history: Any, season: int) -> float:
    """The average error over that of the seasonal naive forecast inside the history."""
    season = check_integer("season", season, low=1)
    actual, forecast = check_pairs(y, f=f)
    values = check_values("history", history, ("n_values",), missing=True)
    changes = values[season:] - values[:-season]
    changes = changes[~np.isnan(changes)]
    if not changes.size:
        raise ValueError(
            f"history: expected two values that are season = {season} steps apart, got none among "
            f"{len(values)} values; pass more of the series or a shorter season."
        )
    scale = average(changes)
    if scale == 0.0:
        raise ValueError(
            f"history: expected values that change over season = {season} steps, got a history "
            f"that is constant there and gives no scale; leave this series out or use mae or rmse."
        )
    return average(actual - forecast) / scale


def _pinball(above: np.ndarray, quantile: Any) -> np.ndarray:
    """What it costs that actuals lie so far above the forecasts of a quantile."""
    return np.asarray(np.maximum(quantile * above, (quantile - 1.0) * above))
