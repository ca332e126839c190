"""Columns of dates: found, and read as what they mean."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.foundations.checks import closest

COUNTERS = ("year", "time", "step", "t", "period", "index", "day", "week", "month")
CLOCKS = ("timestamp", "time", "ts", "epoch", "unix", "unixtime", "unix_time")
FORMS = ("%b %Y", "%B %Y", "%b-%Y", "%b-%y", "%Y %b", "%Y-%b", "%m/%Y", "%m.%Y")
ENOUGH = 200  # values that tell whether a column holds dates


def find_time(table: pd.DataFrame, named: str | None, taken: set[str]) -> str | None:
    """The column with the time of each row: named, the first of dates, or a counter."""
    if named is not None:
        return known_column(table, named, "time")
    free = [(name, column) for name, column in table.items() if name not in taken]
    for name, column in free:
        if _looks_like_dates(column):
            return str(name)
    for name, column in free:
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
        return _is_compact(column) or _unit_since_1970(column) is not None
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return False
    some = column.dropna().astype(str).str.strip().head(ENOUGH)
    has_digits = some.str.contains(r"\d").all() and len(some) > 0
    return bool(has_digits) and len(_readings(some)) > 0


def _is_compact(column: pd.Series) -> bool:
    """Dates as 20240131: eight digits that are days of a calendar."""
    if not column.between(18000101, 22001231).all():
        return False
    return _parse(column.astype(str), format="%Y%m%d") is not None


def _unit_since_1970(column: pd.Series) -> str | None:
    """The unit of a column that by its name and size counts seconds, or parts of them."""
    if str(column.name).lower() not in CLOCKS:
        return None
    for unit, factor in (("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9)):
        if column.between(10**8 * factor, 5 * 10**9 * factor).all():
            return unit
    return None


def _readings(text: pd.Series) -> list[pd.Series]:
    """Dates as text may be read: month first and day first where both are possible."""
    if text.str.fullmatch(r"\d{4}[- ]?Q[1-4]").all():
        return [pd.Series(pd.PeriodIndex(text, freq="Q").to_timestamp(), text.index)]
    if text.str.fullmatch(r"\d{4}-?W\d{2}").all():
        mondays = text.str.replace(r"-?W", "-W", regex=True) + "-1"
        found = _parse(mondays, format="%G-W%V-%u")
        return [] if found is None else [found]
    ways: list[dict[str, Any]] = [{}]
    if not text.str.match(r"\d{4}").any():  # years first are followed by months
        ways.append({"dayfirst": True})
    found = [read for way in ways if (read := _parse(text, **way)) is not None]
    return found or [read for form in FORMS if (read := _parse(text, format=form)) is not None]


def _parse(values: pd.Series, **way: Any) -> pd.Series | None:
    """Dates read in one way, or None if they are none; offsets that differ are read as UTC."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "Could not infer format")  # it would guess each by itself
        try:
            read = pd.to_datetime(values, **way)
        except (ValueError, TypeError, OverflowError, UserWarning) as error:
            if "utc" in way or "utc=True" not in str(error):
                return None
            return _parse(values, **way, utc=True)
    if pd.api.types.is_datetime64_any_dtype(read):
        return read
    return None if "utc" in way else _parse(values, **way, utc=True)


def read_times(
    column: pd.Series, name: str, form: str | None, zone: str | None, groups: pd.Series | None
) -> pd.Series:
    """A column of stamps; ``groups`` are the series of the rows, if there are several."""
    if column.isna().any():
        row = int(np.argmax(column.isna())) + 1
        raise ValueError(
            f"column {name!r}: expected a time in every row, got none in row {row}; correct the "
            f"file."
        )
    read = _read(column, name, form, groups)
    is_date = pd.api.types.is_datetime64_any_dtype(read)
    if zone is None or not is_date:
        if is_date and read.dt.tz is not None and not pd.api.types.is_datetime64_any_dtype(column):
            _tell_of_offsets(column, name)
        return read
    try:
        if read.dt.tz is not None:
            return read.dt.tz_convert(zone)
        return _localized(read, zone, groups)
    except Exception as error:  # of pandas, dateutil, zoneinfo, depending on their versions
        raise ValueError(
            f"--tz: expected the time zone of column {name!r}, got {zone!r}, which does not fit: "
            f"{error}"
        ) from None


def _read(column: pd.Series, name: str, form: str | None, groups: pd.Series | None) -> pd.Series:
    """Dates as they are written, or whole numbers."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    if form is not None:
        try:
            return pd.to_datetime(column.astype(str), format=form)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"--date-format: expected the format of column {name!r}, got {form!r}, which does "
                f"not fit: {error}"
            ) from None
    if pd.api.types.is_integer_dtype(column):
        if _is_compact(column):
            return pd.to_datetime(column.astype(str), format="%Y%m%d")
        unit = _unit_since_1970(column)
        return column if unit is None else pd.to_datetime(column, unit=unit)
    text = column.astype(str).str.strip()
    readings = _readings(text)
    if not readings:
        raise ValueError(
            f"column {name!r}: expected dates or whole numbers, got {text.iloc[0]!r} and others of "
            f"which some are none; name another column with --time, or say how to read it with "
            f"--date-format."
        )
    return _most_orderly(readings, name, groups)


def _tell_of_offsets(column: pd.Series, name: str) -> None:
    """Offsets that differ are hours of summer and winter, of which UTC knows nothing."""
    ends = column.astype(str).str.strip().str.extract(r"([+-]\d\d:?\d\d)$")[0]
    if ends.nunique() > 1:
        warnings.warn(
            f"times of column {name!r} have different offsets and were read as UTC; name their "
            f"zone with --tz.",
            stacklevel=2,
        )


def _localized(times: pd.Series, zone: str, groups: pd.Series | None) -> pd.Series:
    """Times of the wall in their zone: the order of rows tells hours apart that come twice."""
    parts = [times] if groups is None else [own for _, own in times.groupby(groups, sort=False)]
    rising = [own if own.iloc[0] <= own.iloc[-1] else own[::-1] for own in parts]
    read = [own.dt.tz_localize(zone, ambiguous="infer") for own in rising]
    return pd.concat(read).reindex(times.index)


def _most_orderly(readings: list[pd.Series], name: str, groups: pd.Series | None) -> pd.Series:
    """Of dates read month first and day first, those that go on evenly."""
    if len(readings) == 1 or readings[0].dt.tz is not None or (readings[0] == readings[1]).all():
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
