"""Tables that ``forecast`` and ``backtest`` return, read again."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gruforecast.foundations.checks import check_type

BACKTEST = ("series", "cutoff", "step", "time", "actual", "mean")


def by_series(forecast: pd.DataFrame) -> dict[Any, pd.DataFrame]:
    """What ``forecast`` returned, by series: a mean and bounds on stamps; None for one series."""
    if forecast.columns.nlevels > 1:
        names = dict.fromkeys(forecast.columns.droplevel(-1))
        return {name: forecast[name] for name in names}
    if isinstance(forecast.index, pd.MultiIndex):
        names = dict.fromkeys(forecast.index.get_level_values(0))
        return {name: forecast.xs(name, level=0) for name in names}
    others = [column for column in forecast.columns if column != "mean"]
    bounds = [column for column in others if str(column).startswith(("lo-", "hi-"))]
    if "mean" in forecast.columns and others == bounds:
        return {None: forecast}
    return {name: forecast[[name]].set_axis(["mean"], axis=1) for name in forecast.columns}


def check_backtest(name: str, frame: Any) -> pd.DataFrame:
    """A table that ``backtest`` returned, or some rows of one."""
    check_type(name, frame, pd.DataFrame, "pass what backtest returned")
    missing = [column for column in BACKTEST if column not in frame.columns]
    if missing:
        raise ValueError(
            f"{name}: expected the columns of a backtest, got none named {missing[0]!r}; pass what "
            f"backtest returned."
        )
    if not len(frame):
        raise ValueError(f"{name}: expected at least one row, got none; keep some of the backtest.")
    return frame
