"""Kinds of pandas objects that files hold: stamps, offsets, indexes, tables, and their types."""

from __future__ import annotations

import datetime
import re
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.data.segments import with_freq
from gruforecast.foundations.stored import register

Zone = datetime.tzinfo | None

_OFFSETS: dict[str, Any] = {
    cls.__name__: cls
    for cls in (getattr(pd.offsets, name) for name in pd.offsets.__all__)
    if issubclass(cls, pd.tseries.offsets.BaseOffset)
}
_FROM_UTC = re.compile(r"UTC(?:([+-])(\d\d):(\d\d))?")
_ZONE = re.compile(r"(?!dateutil/)\w+([/+-]\w+)*")  # no path, and no other way to name one
_EXTENSION = re.compile(r"U?Int(8|16|32|64)|Float(32|64)|boolean|str(ing)?")
_UNITS = ("s", "ms", "us", "ns")


# Time zones.


def _take_zone(zone: datetime.tzinfo) -> dict[str, Any]:
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    offset = zone.utcoffset(None)
    if name is None and offset is not None:
        name = str(datetime.timezone(offset))
    if name is None or not (_FROM_UTC.fullmatch(name) or _ZONE.fullmatch(name)):
        raise TypeError(f"expected a zone with a name such as 'Europe/Berlin', got {zone!r}")
    return {"name": name}


def _make_zone(name: str) -> Any:
    """The zone of a name, as pandas makes it of one."""
    if found := _FROM_UTC.fullmatch(name):
        sign, hours, minutes = found.groups()
        offset = datetime.timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return datetime.timezone(-offset if sign == "-" else offset) if offset else datetime.UTC
    if not _ZONE.fullmatch(name):
        raise ValueError(f"expected the name of a time zone, got {name!r}")
    return pd.DatetimeTZDtype("ns", name).tz


# Offsets.


def _take_offset(offset: Any) -> dict[str, Any]:
    name = type(offset).__name__
    fields: dict[str, Any] = {"name": name, "n": int(offset.n), "options": dict(offset.kwds)}
    fields["normalize"] = bool(offset.normalize)
    if type(offset) is not _OFFSETS.get(name) or _make_offset(**fields) != offset:
        raise TypeError(f"expected an offset of pandas, got {offset!r}")
    return fields


def _make_offset(name: str, n: int, normalize: bool, options: dict[str, Any]) -> Any:
    return _OFFSETS[name](n, normalize=normalize, **options)


def _take_workdays(calendar: np.busdaycalendar) -> dict[str, Any]:
    return {"weekmask": calendar.weekmask.tolist(), "holidays": np.asarray(calendar.holidays)}


def _make_workdays(weekmask: list[bool], holidays: np.ndarray) -> np.busdaycalendar:
    return np.busdaycalendar(weekmask, holidays)


# Single stamps.


def _take_instant(value: Any) -> dict[str, Any]:
    return {"value": int(value.asm8.view("i8")), "unit": value.unit}


def _unit(unit: Any) -> Any:
    if unit not in _UNITS:
        raise ValueError(f"expected a unit out of {', '.join(_UNITS)}, got {unit!r}")
    return unit


def _make_timestamp(value: int, unit: str, tz: Zone) -> Any:
    stamp = pd.Timestamp(np.datetime64(value, _unit(unit)))
    return stamp if tz is None else stamp.tz_localize("UTC").tz_convert(tz)


def _make_timedelta(value: int, unit: str) -> Any:
    return pd.Timedelta(np.timedelta64(value, _unit(unit)))


def _make_period(value: int, freq: pd.tseries.offsets.BaseOffset) -> Any:
    return pd.Period(ordinal=value, freq=freq)


# Types of columns.


def _take_extension(dtype: Any) -> dict[str, Any]:
    if not _EXTENSION.fullmatch(str(dtype)):
        raise TypeError(f"expected numbers, text, dates or categories, got {dtype}")
    return {"name": str(dtype)}


def _make_extension(name: str) -> Any:
    if not _EXTENSION.fullmatch(name):
        raise ValueError(f"expected the name of a type of pandas, got {name!r}")
    return pd.api.types.pandas_dtype(name)


def _take_arrow(dtype: Any) -> dict[str, Any]:
    name = str(dtype.pyarrow_dtype)
    try:
        known = _make_arrow(name) == dtype
    except ValueError:  # names are not all aliases
        known = False
    if not known:
        raise TypeError(f"expected numbers, text or dates, got {dtype}")
    return {"name": name}


def _make_arrow(name: str) -> Any:
    import pyarrow  # needed by such columns alone

    return pd.ArrowDtype(pyarrow.type_for_alias(name))


def _make_zoned(unit: str, tz: datetime.tzinfo) -> Any:
    return pd.DatetimeTZDtype(_unit(unit), tz)


def _make_period_type(freq: pd.tseries.offsets.BaseOffset) -> Any:
    return pd.PeriodDtype(freq)


def _make_categories(categories: pd.Index, ordered: bool) -> Any:
    return pd.CategoricalDtype(categories, ordered)


# Indexes.


def _take_index(index: Any) -> dict[str, Any]:
    """An array, or a list and the type of pandas that it has."""
    if isinstance(index.dtype, np.dtype):
        return {"values": index.to_numpy(), "dtype": None, "name": index.name}
    return {"values": list(index), "dtype": index.dtype, "name": index.name}


def _make_index(values: np.ndarray | list[Any], dtype: Any, name: Any) -> Any:
    own = values.dtype if isinstance(values, np.ndarray) else dtype
    return pd.Index(values, dtype=own, name=name)


def _make_range(start: int, stop: int, step: int, name: Any) -> Any:
    return pd.RangeIndex(start, stop, step, name=name)


def _take_steady(index: Any) -> dict[str, Any]:
    """Dates in UTC, or durations."""
    zone = {"tz": index.tz} if isinstance(index, pd.DatetimeIndex) else {}
    letter = "M" if zone else "m"
    values = index.asi8.view(f"{letter}8[{index.unit}]")
    return {"values": values, "freq": index.freq, "name": index.name, **zone}


def _make_dates(values: np.ndarray, freq: Any, name: Any, tz: Zone) -> Any:
    dates = pd.DatetimeIndex(values, name=name)
    return with_freq(dates if tz is None else dates.tz_localize("UTC").tz_convert(tz), freq)


def _make_durations(values: np.ndarray, freq: Any, name: Any) -> Any:
    return with_freq(pd.TimedeltaIndex(values, name=name), freq)


def _make_periods(values: np.ndarray, dtype: pd.PeriodDtype, name: Any) -> Any:
    return pd.PeriodIndex(pd.arrays.PeriodArray(values, dtype=dtype), name=name)


def _make_levels(levels: list[Any], codes: list[np.ndarray], names: list[Any]) -> Any:
    return pd.MultiIndex(levels, codes, names=names)


# Tables.


def _take_table(table: pd.DataFrame) -> dict[str, Any]:
    """Columns one by one, each with its type."""
    data = []
    for k, dtype in enumerate(table.dtypes):
        column = table.iloc[:, k]
        data.append(column.to_numpy() if isinstance(dtype, np.dtype) else pd.Index(column))
    return {"data": data, "index": table.index, "columns": table.columns}


def _make_table(data: list[Any], index: pd.Index, columns: pd.Index) -> pd.DataFrame:
    parts = {
        k: pd.Series(getattr(column, "array", column), index=index, dtype=column.dtype)
        for k, column in enumerate(data)
    }
    table = pd.DataFrame(parts, index=index)
    table.columns = columns
    return table


register("zone", datetime.tzinfo, _take_zone, _make_zone, family=True)
register("offset", pd.tseries.offsets.BaseOffset, _take_offset, _make_offset, family=True)
register("busdaycalendar", np.busdaycalendar, _take_workdays, _make_workdays)
register("Timestamp", pd.Timestamp, lambda v: _take_instant(v) | {"tz": v.tz}, _make_timestamp)
register("Timedelta", pd.Timedelta, _take_instant, _make_timedelta)
register("Period", pd.Period, lambda v: {"value": v.ordinal, "freq": v.freq}, _make_period)
register("NA", type(pd.NA), lambda value: {}, lambda: pd.NA)
register("NaT", type(pd.NaT), lambda value: {}, lambda: pd.NaT)
register(
    "extension dtype", pd.api.extensions.ExtensionDtype, _take_extension, _make_extension,
    family=True,
)  # fmt: skip
register("arrow dtype", pd.ArrowDtype, _take_arrow, _make_arrow)
register("zoned dtype", pd.DatetimeTZDtype, lambda v: {"unit": v.unit, "tz": v.tz}, _make_zoned)
register("period dtype", pd.PeriodDtype, lambda v: {"freq": v.freq}, _make_period_type)
register(
    "categories", pd.CategoricalDtype,
    lambda v: {"categories": v.categories, "ordered": bool(v.ordered)}, _make_categories,
)  # fmt: skip
register("Index", pd.Index, _take_index, _make_index, family=True)
register(
    "RangeIndex", pd.RangeIndex,
    lambda v: {"start": v.start, "stop": v.stop, "step": v.step, "name": v.name}, _make_range,
)  # fmt: skip
register("DatetimeIndex", pd.DatetimeIndex, _take_steady, _make_dates)
register("TimedeltaIndex", pd.TimedeltaIndex, _take_steady, _make_durations)
register(
    "PeriodIndex", pd.PeriodIndex,
    lambda v: {"values": v.asi8, "dtype": v.dtype, "name": v.name}, _make_periods,
)  # fmt: skip
register(
    "MultiIndex", pd.MultiIndex,
    lambda v: {
        "levels": list(v.levels), "codes": [np.asarray(c) for c in v.codes], "names": list(v.names)
    }, _make_levels,
)  # fmt: skip
register("DataFrame", pd.DataFrame, _take_table, _make_table)
