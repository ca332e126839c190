"""A series as aligned arrays: windows of the past and the values that follow them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from gruforecast.foundations.checks import check_array, check_integer


def make_supervised(
    series: Any, lookback: int, horizon: int = 1, *, target: int | str = 0
) -> tuple[Any, Any]:
    """Windows of a series and the values that follow each of them.

    Row i of X holds rows i to i + lookback - 1 of the series, oldest first; row i of Y holds the
    target in the ``horizon`` rows after these, next one first. No row of Y is also in its X.

    Parameters
    ----------
    series : array (n,) or (n, F), Series or DataFrame
        NaN are kept as missing values.
    lookback : int
        Rows of a window.
    horizon : int, default 1
        Values to forecast.
    target : int or str, default 0
        The column that Y holds, by position, or by name in a DataFrame.

    Returns
    -------
    X : array (n_windows, lookback), or (n_windows, lookback, F) of a series with F columns
    Y : array (n_windows, horizon)
        ``n_windows = n - lookback - horizon + 1``. For a pandas Series both are DataFrames on the
        index of the newest row in the window, with columns ``t-2, t-1, t`` and ``t+1, t+2``.
        For a DataFrame Y is one.

    Examples
    --------
    >>> from gruforecast import make_supervised
    >>> X, Y = make_supervised([10, 11, 12, 13, 14], lookback=3, horizon=1)
    >>> X
    array([[10., 11., 12.],
           [11., 12., 13.]])
    >>> Y
    array([[13.],
           [14.]])
    """
    if isinstance(getattr(series, "index", None), pd.MultiIndex):
        raise ValueError(
            "series: expected one series, got a MultiIndex that may hold several; call "
            "make_supervised for each of them."
        )
    lookback = check_integer("lookback", lookback, low=1)
    horizon = check_integer("horizon", horizon, low=1)
    free = ("n_rows",) if np.ndim(series) == 1 else ("n_rows", "n_features")
    values = check_array("series", series, shape=free, dtype=np.float64, finite=False)
    n_windows = len(values) - lookback - horizon + 1
    if n_windows < 1:
        raise ValueError(
            f"series: expected at least lookback + horizon = {lookback + horizon} rows, got "
            f"{len(values)}; pass more rows or shorten one of the two."
        )
    columns = values.reshape(len(values), -1)
    aim = columns[:, _position(series, target, columns.shape[1])]
    X = sliding_window_view(values, lookback, axis=0)[:n_windows]
    X = (X if values.ndim == 1 else X.swapaxes(1, 2)).copy()
    Y = sliding_window_view(aim, horizon)[lookback:].copy()
    if not isinstance(series, (pd.Series, pd.DataFrame)):
        return X, Y
    index = series.index[lookback - 1 : lookback - 1 + n_windows]
    Y = pd.DataFrame(Y, index=index, columns=[f"t+{k}" for k in range(1, horizon + 1)])
    if values.ndim == 1:
        past = [f"t-{k}" if k else "t" for k in range(lookback - 1, -1, -1)]
        X = pd.DataFrame(X, index=index, columns=past)
    return X, Y


def _position(series: Any, target: Any, n_columns: int) -> int:
    """The number of the column that is the target."""
    if isinstance(target, str):
        if not isinstance(series, (pd.Series, pd.DataFrame)):
            raise TypeError(
                f"target: expected the position of a column of an array, got {target!r}; pass a "
                f"number, or a DataFrame."
            )
        names = list(getattr(series, "columns", [getattr(series, "name", None)]))
        if target not in names:
            raise ValueError(
                f"target: expected one of the columns {names}, got {target!r}; name one of them "
                f"or pass its position."
            )
        return names.index(target)
    at = check_integer("target", target, low=0)
    if at >= n_columns:
        raise ValueError(
            f"target: expected a column from 0 to {n_columns - 1}, got {at}; choose one of them."
        )
    return at
