"""What a date says: hours, weekdays, months and the like as inputs of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.foundations.checks import check_choice, closest

_MOST_COLUMNS = 400  # an embedding of more values than days in a year learns from too few rows each


class Part(NamedTuple):
    """A part of a date: a whole number for each, the smallest one, and how many there are."""

    values: Callable[[pd.DatetimeIndex], Any]
    first: int
    number: int | None  # None for a flag, which is a column as it is


CALENDAR: dict[str, Part] = {
    "minute": Part(lambda stamps: stamps.minute, 0, 60),
    "minuteofday": Part(lambda stamps: 60 * stamps.hour + stamps.minute, 0, 1440),
    "hour": Part(lambda stamps: stamps.hour, 0, 24),
    "day": Part(lambda stamps: stamps.day, 1, 31),
    "dayofweek": Part(lambda stamps: stamps.day_of_week, 0, 7),
    "dayofyear": Part(lambda stamps: stamps.day_of_year, 1, 366),
    "week": Part(lambda stamps: stamps.isocalendar().week.to_numpy(np.int64), 1, 53),
    "month": Part(lambda stamps: stamps.month, 1, 12),
    "quarter": Part(lambda stamps: stamps.quarter, 1, 4),
    "weekend": Part(lambda stamps: stamps.day_of_week >= 5, 0, None),
}


def check_names(names: Any) -> tuple[str, ...]:
    """The parts of dates that a caller asks for, by one name or several.

    Examples
    --------
    >>> check_names("hour"), check_names(["hour", "dayofweek"])
    (('hour',), ('hour', 'dayofweek'))
    """
    if isinstance(names, str):
        names = (names,)
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"calendar: expected names such as 'hour' or ('hour', 'dayofweek'), got {names!r}; "
            f"pass a string or a list of them."
        )
    for name in names:
        if name not in CALENDAR:
            hint = closest(name, CALENDAR) or "choose one of them."
            raise ValueError(
                f"calendar: expected names out of {', '.join(CALENDAR)}, got {name!r}; {hint}"
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise ValueError(
            f"calendar: expected each name once, got {twice!r} twice; drop one of them."
        )
    return tuple(names)


def calendar_features(stamps: pd.Index, names: Any, encoding: str) -> tuple[np.ndarray, list[str]]:
    """What the dates of rows say, as numbers, and a name for each column.

    Parameters
    ----------
    stamps : DatetimeIndex or PeriodIndex of n rows
        Read as a clock on the wall shows them if they have a time zone; periods by their start.
    names : str or sequence of str
        Parts of a date, see `CALENDAR`.
    encoding : {"cyclic", "embedded"}
        ``cyclic``: sine and cosine of the part of its period that has passed. ``embedded``: a
        column 0 or 1 for each value. The flag ``weekend`` is one column 0 or 1 in both.

    Returns
    -------
    features : ndarray of shape (n, n_columns), float64
    columns : list of str

    Examples
    --------
    >>> import pandas as pd
    >>> stamps = pd.date_range("2024-01-06", periods=2, freq="12h")
    >>> features, columns = calendar_features(stamps, ["hour", "weekend"], "cyclic")
    >>> columns
    ['hour_sin', 'hour_cos', 'weekend']
    >>> features.round(3).tolist()
    [[0.0, 1.0, 1.0], [0.0, -1.0, 1.0]]
    """
    names = check_names(names)
    check_choice("calendar_encoding", encoding, ("cyclic", "embedded"))
    dates = _dates(stamps)
    blocks = [np.zeros((len(dates), 0))]
    columns: list[str] = []
    for name in names:
        part = CALENDAR[name]
        values = np.asarray(part.values(dates), dtype=np.int64) - part.first
        if part.number is None:
            blocks.append(values[:, None].astype(np.float64))
            columns.append(name)
        elif encoding == "cyclic":
            angle = 2 * np.pi * values / part.number
            blocks.append(np.column_stack([np.sin(angle), np.cos(angle)]))
            columns += [f"{name}_sin", f"{name}_cos"]
        else:
            _check_embeddable(name, part.number)
            blocks.append((values[:, None] == np.arange(part.number)).astype(np.float64))
            columns += [f"{name}_{part.first + i}" for i in range(part.number)]
    return np.concatenate(blocks, axis=1), columns


def _check_embeddable(name: str, number: int) -> None:
    if number > _MOST_COLUMNS:
        raise ValueError(
            f"calendar: expected at most {_MOST_COLUMNS} values to embed, got {name!r} with "
            f"{number}; use calendar_encoding='cyclic', or 'hour' and 'minute' instead."
        )


def _dates(stamps: pd.Index) -> pd.DatetimeIndex:
    """Stamps as dates on the wall."""
    if isinstance(stamps, pd.PeriodIndex):
        stamps = stamps.to_timestamp()
    if not isinstance(stamps, pd.DatetimeIndex):
        got = getattr(stamps, "dtype", type(stamps).__name__)
        raise ValueError(
            f"calendar: expected dates or periods in the index, got {got}; a calendar needs "
            f"dates, so convert the index with pandas.to_datetime or leave calendar out."
        )
    if stamps.hasnans:
        raise ValueError(
            "calendar: expected a date in every row, got a missing one; drop that row."
        )
    return stamps
