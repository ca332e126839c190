"""How far the stamps of a series lie apart: a frequency given, or found though rows are left out.

A grid is found if every stamp lies on it and at least half of the steps are single ones.
"""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.forecasting.dates.grids import (
    ANCHORED,
    WEEKDAYS,
    Grid,
    Months,
    Steps,
    Workweek,
    day_in_month,
    grid_of_offset,
    months_of,
    weekdays_of,
)
from gruforecast.forecasting.dates.scales import (
    DAY,
    NANOSECONDS,
    Scale,
    day_scale,
    kind_of,
    plain_scale,
)
from gruforecast.forecasting.dates.workdays import Workdays

_Off = pd.offsets
_PLACES = ("first", "last", "first business day", "last business day")


class Found(NamedTuple):
    """A frequency and the grid that it makes."""

    frequency: Any  # an offset of pandas; a whole number for counts
    scale: Scale
    grid: Grid | Workdays


def as_offset(freq: Any, index: pd.Index) -> Any:
    """The offset of pandas, or whole number for counts, that a caller asks for."""
    kind = kind_of(index)
    if kind == "count":
        if isinstance(freq, (int, np.integer)) and not isinstance(freq, bool) and freq > 0:
            return int(freq)
        raise ValueError(
            f"freq: expected a whole number from 1 on for an index of whole numbers, got {freq!r}; "
            f"pass an index of dates to count in dates."
        )
    if kind == "label":
        raise ValueError(
            f"freq: expected dates, periods or durations in the index, got {index.dtype}; "
            f"convert it with pandas.to_datetime."
        )
    try:
        offset = _canonical(_parse(freq, kind))
    except (ValueError, TypeError):
        offset = None
    if offset is None or offset.n < 1:
        raise ValueError(
            f"freq: expected a frequency of pandas that goes forward, such as 'D', 'W-SUN' or "
            f"'MS', got {freq!r}; see the offset aliases in the documentation of pandas."
        )
    return offset


def _parse(freq: Any, kind: str) -> Any:
    if isinstance(freq, (bool, int, float)) or freq is None:
        return None
    if kind == "period" and isinstance(freq, str):
        with contextlib.suppress(ValueError, KeyError):
            return pd.PeriodDtype(freq).freq
    return pd.tseries.frequencies.to_offset(freq)


def _canonical(offset: Any) -> Any:
    """A DateOffset of days or of hours as the offset that has its own name."""
    if type(offset) is not pd.DateOffset:
        return offset
    parts = offset.kwds or {"days": 1}
    days = {"days", "weeks"}
    if set(parts) <= days:
        return _Off.Day(offset.n * (parts.get("days", 0) + 7 * parts.get("weeks", 0)))
    if set(parts) <= {"hours", "minutes", "seconds", "milliseconds", "microseconds"}:
        return pd.tseries.frequencies.to_offset(offset.n * pd.Timedelta(**parts))
    return offset


def impose(freq: Any, index: pd.Index) -> Found:
    """The grid of a frequency that a caller asks for, or an error."""
    offset = as_offset(freq, index)
    found = _grid(offset, index)
    off = np.zeros(len(index), dtype=bool)
    if found is not None:
        values, fine = found.scale.read(index)
        numbers, on_grid = found.grid.numbers(values)
        off[1:] = np.diff(numbers) < 1
        off |= ~(fine & on_grid)
    if found is None or off.any():
        at = int(np.argmax(off))
        name = getattr(offset, "freqstr", offset)
        what = f"{index[at]} (row {at})" if found is not None else "times of day that differ"
        raise ValueError(
            f"freq: expected stamps on the grid of {name!r}, got {what}; pass the frequency that "
            f"the stamps have, or none to infer it."
        )
    return found


def _grid(offset: Any, index: pd.Index) -> Found | None:
    """The grid of an offset from the first stamp on."""
    kind = kind_of(index)
    if kind == "date" or (kind == "period" and day_scale(index) is not None):
        pair = grid_of_offset(offset, index) if kind == "date" else _of_daily_periods(offset, index)
        return None if pair is None else Found(offset, *pair)
    scale = plain_scale(index)
    first = int(scale.read(index[:1])[0][0])
    if kind == "count":
        return Found(offset, scale, Steps(first, offset))
    if kind == "period":
        if offset.base != index.freq.base:
            raise ValueError(
                f"freq: expected a multiple of the frequency of the periods, {index.freqstr!r}, "
                f"got {offset.freqstr!r}; convert the index with asfreq."
            )
        return Found(offset, scale, Steps(first, offset.n))
    if not isinstance(offset, (_Off.Tick, _Off.Day)):
        raise ValueError(
            f"freq: expected hours or another span of fixed length for an index of durations, "
            f"got {offset.freqstr!r}; pass one."
        )
    nanos = offset.n * DAY if isinstance(offset, _Off.Day) else offset.nanos
    return Found(offset, scale, Steps(first, max(1, nanos // NANOSECONDS[scale.unit])))


def _of_daily_periods(offset: Any, index: pd.PeriodIndex) -> tuple[Scale, Grid] | None:
    """The grid that an offset makes of days, which are what daily periods count in."""
    pair = grid_of_offset(offset, index.to_timestamp())
    if pair is None or pair[0].clock != "day":
        return None
    return plain_scale(index), pair[1]


def infer(index: pd.Index) -> Found | None:
    """The grid on which stamps lie, or the working days on which they are; None if on neither."""
    kind = kind_of(index)
    if kind == "label" or (len(index) == 1 and kind not in ("count", "period")):
        return None
    if kind == "period" and len(index) == 1:
        return _grid(index.freq, index)
    scale = day_scale(index)
    found = None if scale is None else _infer_days(index, scale)
    if found is None and (kind != "period" or scale is None):
        found = _infer_steps(index)
    if kind != "date" or len(index) < 3 or (found is not None and _is_complete(found, index)):
        return found
    return _infer_by_pandas(index) or found


def modal_step(values: np.ndarray) -> int:
    """The most frequent difference, and the smallest of several."""
    steps, counts = np.unique(np.diff(values), return_counts=True)
    return int(steps[np.argmax(counts)])


def _mostly_single(numbers: np.ndarray) -> bool:
    return bool(2 * (np.diff(numbers) == 1).sum() >= len(numbers) - 1)


def _infer_days(index: pd.Index, scale: Scale) -> Found | None:
    """Working days, months, weeks or days."""
    days, _ = scale.read(index)
    if (np.diff(days) < 1).any():
        return None
    work = Workdays.of(days)
    if work is not None:
        plain = work.mask == WEEKDAYS and not work.closed and not work.extra
        return Found(work.offset, scale, Workweek(work.origin) if plain else work)
    found = _infer_months(days)
    if found is not None:
        return Found(found[0], scale, found[1])
    step = modal_step(days)
    grid = Steps(int(days[0]), step)
    numbers, fine = grid.numbers(days)
    if not fine.all() or not _mostly_single(numbers):
        return None
    weekly = step % 7 == 0
    weekday = int(weekdays_of(days[0]))
    offset = _Off.Week(step // 7, weekday=weekday) if weekly else _Off.Day(step)
    return Found(offset, scale, grid)


def _infer_months(days: np.ndarray) -> tuple[Any, Grid] | None:
    """Months, quarters or years that begin or end, on a business day or any, or a day of each."""
    months = months_of(days)
    if (np.diff(months) < 1).any():
        return None
    step = modal_step(months)
    size = next(size for size in (12, 3, 1) if step % size == 0)
    day_of_first = int(days[0] - day_in_month(months[:1], "first")[0]) + 1
    for place in (*_PLACES, day_of_first):
        if isinstance(place, int) and place > 28:
            continue
        grid = Months(int(months[0]), step, place)
        numbers, fine = grid.numbers(days)
        if fine.all() and _mostly_single(numbers):
            return _month_offset(place, step // size, size, int(months[0]) % 12), grid
    return None


def _month_offset(place: str | int, n: int, size: int, month: int) -> Any:
    """The offset of pandas for n times so many months from a month (January is 0) on."""
    if isinstance(place, int):
        return pd.DateOffset(months=n * size)
    kind = next(kind for kind, known in ANCHORED.items() if known == (place, size))
    if size == 1:
        return kind(n)
    if size == 12:
        return kind(n, month=month + 1)
    return kind(n, startingMonth=month % 3 + 1)


def _infer_steps(index: pd.Index) -> Found | None:
    """Equal steps of instants, durations, periods or counts."""
    scale = plain_scale(index)
    values, _ = scale.read(index)
    if scale.clock == "count":
        return Found(*_infer_counts(values, scale))
    step = modal_step(values)
    grid = Steps(int(values[0]), step)
    numbers, fine = grid.numbers(values)
    if not fine.all() or not _mostly_single(numbers):
        return None
    if scale.clock == "period":
        return Found(index.freq.base * step, scale, grid)
    nanos = step * NANOSECONDS[scale.unit]
    if len(index) == 2 and DAY % nanos and nanos % DAY:
        return None  # one step that does not divide a day is no rhythm
    return Found(pd.tseries.frequencies.to_offset(pd.Timedelta(nanos, "ns")), scale, grid)


def _infer_counts(values: np.ndarray, scale: Scale) -> tuple[int, Scale, Grid]:
    """Whole numbers lie on some grid always."""
    step = modal_step(values) if len(values) > 1 else 1
    if (np.diff(values) % step).any():
        step = int(np.gcd.reduce(np.diff(values)))
    return step, scale, Steps(int(values[0]), step)


def _infer_by_pandas(index: pd.DatetimeIndex) -> Found | None:
    """What pandas knows besides, such as the third Friday of a month."""
    for stamps in (index, index.tz_localize(None)):
        try:
            offset = pd.DatetimeIndex(stamps, freq="infer").freq
        except Exception:  # the errors of pytz for hours that do not exist have no base in common
            continue
        found = None if offset is None else _grid(offset, index)
        if found is not None and _is_complete(found, index):
            return found
    return None


def _is_complete(found: Found, index: pd.Index) -> bool:
    """Whether every stamp is on the grid and none is left out."""
    if isinstance(found.grid, Workdays):
        return True
    values, fine = found.scale.read(index)
    numbers, on_grid = found.grid.numbers(values)
    return bool((fine & on_grid).all() and (np.diff(numbers) == 1).all())
