"""Columns of dates: found, and read as what they mean."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.foundations.checks import closest

COUNTERS = ("year", "time", "step", "t", "period", "index", "day", "week", "month")
ENOUGH = 200  # values that tell whether a column holds dates


def find_time(table: pd.DataFrame, named: str | None) -> str | None:
    """The column with the time of each row: named, the first of dates, or a counter."""
    if named is not None:
        return known_column(table, named, "time")
    for name, column in table.items():
        if _looks_like_dates(column):
            return str(name)
    for name, column in table.items():
        if str(name).lower() in COUNTERS and pd.api.types.is_integer_dtype(column):
            return str(name)
    return None


def known_column(table: pd.DataFrame, name: str, option: str) -> str:
    """The name of a column, as the file writes it."""
    columns = [str(column) for column in table.columns]
    if name in columns:
        return name
    alike = [column for column in columns if column.strip().lower() == name.strip().lower()]
    if len(alike) == 1:
        return alike[0]
    raise ValueError(
        f"--{option}: expected one of the columns {', '.join(columns)}, got {name!r}; "
        f"{closest(name, columns) or 'name one of them.'}"
    )


def _looks_like_dates(column: pd.Series) -> bool:
    if pd.api.types.is_datetime64_any_dtype(column):
        return True
    if pd.api.types.is_integer_dtype(column):
        return bool(_is_compact(column))
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return False
    some = column.dropna().astype(str).head(ENOUGH)
    has_digits = some.str.contains(r"\d").all() and len(some) > 0
    return bool(has_digits) and any(_parse(some, way) is not None for way in _WAYS)


def _is_compact(column: pd.Series) -> bool:
    """Dates as 20240131: eight digits that are days of a calendar."""
    if not column.between(18000101, 22001231).all():
        return False
    return _parse(column.astype(str), {"format": "%Y%m%d"}) is not None


_WAYS: tuple[dict[str, Any], ...] = ({}, {"dayfirst": True}, {"utc": True})


def _parse(values: pd.Series, way: dict[str, Any]) -> pd.Series | None:
    """Dates read in one way, or None if they are none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "Could not infer format")  # it would guess each by itself
        try:
            read = pd.to_datetime(values, **way)
        except (ValueError, TypeError, OverflowError, UserWarning):
            return None
    return read if pd.api.types.is_datetime64_any_dtype(read) else None


def read_times(
    column: pd.Series, name: str, form: str | None, zone: str | None, groups: pd.Series | None
) -> pd.Series:
    """A column of stamps; ``groups`` are the series of the rows, if there are several."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return _in_zone(column, name, zone)
    if form is not None:
        try:
            return _in_zone(pd.to_datetime(column.astype(str), format=form), name, zone)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"--date-format: expected the format of column {name!r}, got {form!r}, which does "
                f"not fit: {error}"
            ) from None
    if column.isna().any():
        row = int(np.argmax(column.isna())) + 1
        raise ValueError(
            f"column {name!r}: expected a time in every row, got none in row {row}; correct the "
            f"file."
        )
    if pd.api.types.is_integer_dtype(column):
        if not _is_compact(column):
            return column
        return _in_zone(pd.to_datetime(column.astype(str), format="%Y%m%d"), name, zone)
    text = column.astype(str).str.strip()
    readings = [read for way in _WAYS[:2] if (read := _parse(text, way)) is not None]
    if not readings:
        with_offset = _parse(text, {"utc": True})  # 2024-03-31T01:00+01:00 and +02:00
        if with_offset is None:
            raise ValueError(
                f"column {name!r}: expected dates or whole numbers, got {text.iloc[0]!r} and "
                f"others of which some are none; name another column with --time, or say how to "
                f"read it with --date-format."
            )
        readings = [with_offset]
        if zone is None:
            warnings.warn(
                f"times of column {name!r} have different offsets and were read as UTC; name their "
                f"zone with --tz.",
                stacklevel=2,
            )
    return _in_zone(_most_orderly(readings, name, groups), name, zone)


def _most_orderly(readings: list[pd.Series], name: str, groups: pd.Series | None) -> pd.Series:
    """Of dates read month first and day first, those that go on evenly."""
    if len(readings) == 1 or (readings[0] == readings[1]).all():
        return readings[0]
    unevenness = [_unevenness(read, groups) for read in readings]
    if unevenness[0] == unevenness[1]:
        differ = int(np.argmax(readings[0] != readings[1]))
        first, second = (read.iloc[differ] for read in readings)
        raise ValueError(
            f"column {name!r}: expected dates that can be read in one way, got some of which "
            f"{first:%Y-%m-%d} may as well be {second:%Y-%m-%d}; say which with --date-format "
            f"'%d/%m/%Y' or the like."
        )
    return readings[int(np.argmin(unevenness))]


def _unevenness(times: pd.Series, groups: pd.Series | None) -> float:
    """How much longer the longest step from row to row is than a usual one."""
    steps = (times.diff() if groups is None else times.groupby(groups).diff()).abs()
    usual = steps.median()
    return float(steps.max() / usual) if usual > pd.Timedelta(0) else np.inf


def _in_zone(times: pd.Series, name: str, zone: str | None) -> pd.Series:
    if zone is None:
        return times
    try:
        if times.dt.tz is not None:
            return times.dt.tz_convert(zone)
        return times.dt.tz_localize(zone, ambiguous="infer")
    except Exception as error:  # of pandas, dateutil, zoneinfo, depending on their versions
        raise ValueError(
            f"--tz: expected the time zone of column {name!r}, got {zone!r}, which does not fit: "
            f"{error}"
        ) from None
