"""What displays are given, checked: forecasts, rows of series, backtests."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.data.segments import is_time
from gruforecast.forecasting.frames import by_series, check_backtest
from gruforecast.forecasting.panel import Panel
from gruforecast.foundations.checks import check_type


def load_style(display: str) -> Any:
    """What draws with Matplotlib, if that is installed."""
    try:
        importlib.import_module("matplotlib")
    except ImportError:
        raise ImportError(
            f"{display}: expected Matplotlib, which is not installed; pip install "
            f"'gruforecast[plot]'."
        ) from None
    return importlib.import_module("gruforecast.plotting.style")


class Rows(NamedTuple):
    """One series as a caller passed it."""

    name: Any
    values: pd.Series  # on its stamps
    has_stamps: bool


def read_rows(what: str, table: Any) -> tuple[list[Rows], bool]:
    """The series of a table, and whether they are told apart by their place alone."""
    try:
        panel = Panel.read(table)
    except (TypeError, ValueError) as problem:
        raise type(problem)(f"{what}: {str(problem).removeprefix('series: ')}") from None
    found = [
        Rows(name, pd.Series(values, plain(stamps)), panel.has_stamps)
        for name, values, stamps in panel.series()
    ]
    return found, not isinstance(table, (pd.Series, pd.DataFrame))


def plain(stamps: pd.Index) -> pd.Index:
    """Periods as the time at which they begin, others as they are."""
    return stamps.to_timestamp() if isinstance(stamps, pd.PeriodIndex) else stamps


def levels_of(table: pd.DataFrame) -> list[str]:
    """The levels that a table has bounds of, in its order."""
    levels = [str(name)[3:] for name in table.columns if str(name).startswith("lo-")]
    for level in levels:
        if f"hi-{level}" not in table.columns:
            raise ValueError(
                f"forecast: expected bounds in pairs, got 'lo-{level}' without 'hi-{level}'; keep "
                f"both columns."
            )
    return levels


def split_forecast(frame: Any) -> dict[Any, pd.DataFrame]:
    """What ``forecast`` returned, by series; None for one without a name."""
    check_type("forecast", frame, pd.DataFrame, "pass what forecast returned")
    if not len(frame):
        raise ValueError("forecast: expected at least one step, got none; forecast some.")
    parts = by_series(frame)
    for part in parts.values():
        if "mean" not in part.columns or not all(map(_is_number, part.dtypes)):
            raise ValueError(
                f"forecast: expected a column 'mean' of numbers, got {list(part.columns)}; pass "
                f"what forecast returned."
            )
        levels_of(part)
    return {name: part.set_axis(plain(part.index)) for name, part in parts.items()}


def _is_number(dtype: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(dtype))


def read_backtest(frame: Any) -> pd.DataFrame:
    """A table that ``backtest`` returned, or some rows of one, with stamps to draw."""
    frame = check_backtest("frame", frame).copy()
    levels_of(frame)
    for name in ("time", "cutoff"):
        stamps = plain(pd.Index(frame[name]))
        if not (is_time(stamps) or pd.api.types.is_numeric_dtype(stamps.dtype)):
            raise TypeError(
                f"frame: expected dates or whole numbers in column {name!r}, got {stamps.dtype}; "
                f"convert them, as with pd.to_datetime."
            )
        frame[name] = stamps
    return frame


def number_series(frame: pd.DataFrame) -> tuple[np.ndarray, list[Any]]:
    """The number of the series of each row of a backtest, and their names."""
    codes, found = pd.factorize(frame["series"], use_na_sentinel=False)
    return codes, [None if name != name else name for name in found]  # NaN is no name


def choose_series(names: list[Any], series: Any, most: int) -> list[Any]:
    """The series that were asked for, or the first ones."""
    if series is None:
        return names[:most]
    wanted = series if isinstance(series, (list, np.ndarray, pd.Index)) else [series]
    if not len(wanted):
        raise ValueError("series: expected at least one name, got none; pass some, or None.")
    for name in wanted:
        if name not in names:
            some = ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")
            raise ValueError(
                f"series: expected names out of {some}, got {name!r}; choose some of them."
            )
    return list(wanted)


def align(what: str, rows: Rows, ahead: pd.Index) -> pd.Series:
    """Rows on stamps that can be compared with those of the forecast."""
    stamps, values = rows.values.index, rows.values
    if type(stamps) is type(ahead) and is_time(stamps):
        own, other = getattr(stamps, "tz", None), getattr(ahead, "tz", None)
        if own is not None and other is not None:
            return values.tz_convert(other)
        if own is other is None:
            return values
    elif not is_time(ahead) and (what == "history" or not is_time(stamps)):
        n, first = len(values), int(ahead[0])
        if is_time(stamps):  # the forecast counts its steps, as the stamps show no rhythm
            return values[:].set_axis(pd.RangeIndex(first - n, first))
        if not rows.has_stamps and stamps[-1] < first - (what == "history"):
            begin = first - n if what == "history" else first
            return values.set_axis(pd.RangeIndex(begin, begin + n))
        return values
    if what == "actual" and len(values) == len(ahead) and not (rows.has_stamps and is_time(ahead)):
        return values.set_axis(ahead)
    raise ValueError(
        f"{what}: expected stamps like those of the forecast ({ahead[0]!r}), got "
        f"{stamps[0]!r}; pass a Series with such an index."
    )


def rows_by_name(what: str, table: Any, names: list[Any]) -> dict[Any, Rows]:
    """The rows of a caller for each series of the forecast that they have."""
    if table is None:
        return {}
    found, by_place = read_rows(what, table)
    if names == [None] or (by_place and len(found) == len(names)):
        if len(found) != len(names):
            raise ValueError(
                f"{what}: expected one series, as the forecast is of one, got {len(found)}; "
                f"select it."
            )
        return dict(zip(names, found, strict=True))
    known = {rows.name: rows for rows in found if rows.name in names}
    if not known:
        raise ValueError(
            f"{what}: expected series of the forecast, such as {names[0]!r}, got "
            f"{found[0].name!r}; name them alike."
        )
    return known


def rows_before(
    ahead: pd.Index, history: Rows | None, kept: Rows | None, most: int
) -> pd.Series | None:
    """The newest rows before the forecast: of the caller, and those that the model knows."""
    parts = [align("history", rows, ahead) for rows in (history, kept) if rows is not None]
    if not parts:
        return None
    rows = pd.concat([parts[0], *(part[part.index > parts[0].index[-1]] for part in parts[1:])])
    return rows[rows.index < ahead[0]].iloc[-most:] if most else None


def rows_within(ahead: pd.Index, actual: Rows | None) -> pd.Series | None:
    """What happened while the forecast lasts."""
    if actual is None:
        return None
    rows = align("actual", actual, ahead)
    rows = rows[(rows.index >= ahead[0]) & (rows.index <= ahead[-1])]
    if not len(rows):
        raise ValueError(
            f"actual: expected rows between {ahead[0]} and {ahead[-1]}, got none; pass those of "
            f"the forecast."
        )
    return rows
