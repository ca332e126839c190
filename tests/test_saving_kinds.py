"""What files can hold: every kind of value comes back as it was, of the same type."""

import datetime
import math
import zoneinfo
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from gruforecast.data import kinds  # noqa: F401  which files hold once it is imported
from gruforecast.foundations import archive
from gruforecast.foundations.stored import stored, suits

OFFSETS = pd.offsets
BERLIN = "Europe/Berlin"


def again(value, folder):
    """A value after a way through a file."""
    archive.write(folder / "value.gru", value)
    return archive.read(folder / "value.gru", object)


def hours(n=4, **options):
    return pd.date_range("2024-03-31", periods=n, freq="h", **options)


VALUES = [
    None, True, 0, -(2**80), 2.5, -0.0, 5e-324, math.inf, -math.inf, "", "päck \ud800 \x00", [],
    [1, [2]], (), (1, (2, [3])), {}, {"a": 1, "is": 2}, {1: 2, (3, "x"): [4], None: 5},
    SimpleNamespace(a=1, b=(2,)), np.float32(1.5), np.int8(-3), np.True_, np.str_("text"),
    np.datetime64("2024-02-29"), np.timedelta64(5, "m"), np.dtype("float32"), np.dtype("<M8[us]"),
    np.dtype(object), np.float32, np.float64, float, datetime.date(2024, 2, 29),
    datetime.time(9, 30, 0, 5), datetime.timedelta(-3, 5, 7),
    datetime.datetime(2024, 2, 29, 1, 2, 3), pd.Timestamp("2024-02-29 01:02:03.000000004"),
    pd.Timestamp("2024").as_unit("s"),
    pd.Timestamp("2024-10-27 01:30", tz="UTC").tz_convert(BERLIN),
    pd.Timestamp("2024-10-27 01:30", tz="UTC"), pd.Timedelta("-3s"), pd.Timedelta("5ns"),
    pd.Period("2024-02", "M"), pd.Period("2024Q2", "Q-FEB"), pd.DatetimeTZDtype("s", BERLIN),
    pd.PeriodDtype("D"), pd.Int64Dtype(), pd.StringDtype(), pd.BooleanDtype(),
    pd.CategoricalDtype(["b", "a"], ordered=True), pd.NA, pd.NaT,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_single_values(value, tmp_path):
    found, pairs = again([value, {1: value}], tmp_path)
    assert type(pairs[1]) is type(value)
    assert type(found) is type(value)
    if value is pd.NA or value is pd.NaT:
        assert found is value
    else:
        assert found == value
        assert repr(found) == repr(value)


def test_what_is_not_a_number_is_one_object(tmp_path):
    found = again([math.nan, {math.nan: 1}, (np.nan,)], tmp_path)
    assert found[0] is found[2][0]
    assert found[1][found[0]] == 1  # names of series that are missing are found again


ARRAYS = [
    np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(2, 3).T, np.arange(10)[::-2],
    np.zeros((0, 3)), np.array(3.5), np.array([[True], [False]]), np.array([1, 2], ">f4"),
    np.array([-1.5], np.float16), np.array(["a", "bcd", ""]), np.array([b"a", b"bc"]),
    np.array([["x", None], [(1, 2), 3.0]], object), np.array(["2024-02-29", "NaT"], "M8[D]"),
    np.array([1, 2], "m8[ns]"),
    *(np.array([1, 0], f"{sign}int{n}") for sign in ("", "u") for n in (8, 16, 32, 64)),
]  # fmt: skip


@pytest.mark.parametrize("values", ARRAYS, ids=lambda values: f"{values.dtype}{values.shape}")
def test_arrays(values, tmp_path):
    found, other = again([values, values], tmp_path)
    assert found.dtype == values.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, values)
    assert found.flags.writeable
    assert not np.shares_memory(found, other)


NAMES = ("Week", "MonthEnd", "BMonthBegin", "QuarterEnd", "BQuarterBegin", "YearEnd", "BYearEnd")
FREQUENCIES = [
    *(getattr(OFFSETS, name)(2) for name in (*NAMES, "Day", "Hour", "Minute", "Nano", "BDay")),
    OFFSETS.Week(weekday=6), OFFSETS.QuarterBegin(startingMonth=2), OFFSETS.YearEnd(month=3),
    OFFSETS.MonthEnd(normalize=True), pd.DateOffset(), pd.DateOffset(2, months=3, years=1),
    pd.DateOffset(weekday=2), OFFSETS.SemiMonthBegin(day_of_month=9), OFFSETS.WeekOfMonth(week=1),
    OFFSETS.LastWeekOfMonth(weekday=3), OFFSETS.Easter(),
    OFFSETS.FY5253(weekday=5, startingMonth=8, variation="last"),
    OFFSETS.BDay(offset=datetime.timedelta(hours=2)),
    OFFSETS.CustomBusinessDay(weekmask="Sun Mon", holidays=["2024-01-01"]),
    OFFSETS.CustomBusinessDay(calendar=np.busdaycalendar("1111000", ["2024-01-01"])),
    OFFSETS.BusinessHour(start=["09:00", "14:00"], end=["12:00", "18:00"]),
    OFFSETS.CustomBusinessHour(weekmask="Mon Tue"), OFFSETS.CustomBusinessMonthEnd(2),
]  # fmt: skip


@pytest.mark.parametrize("offset", FREQUENCIES, ids=str)
def test_offsets(offset, tmp_path):
    found = again(offset, tmp_path)
    assert type(found) is type(offset)
    assert found == offset
    start = pd.Timestamp("2024-01-01 10:00")
    pd.testing.assert_index_equal(
        *(pd.date_range(start, periods=9, freq=o) for o in (found, offset))
    )


INDEXES = [
    pd.RangeIndex(3, 30, 3, name="n"), pd.Index([3, 1], dtype=np.int16), pd.Index([0.5, np.nan]),
    pd.Index(["a", "b"], name=("x", 1)), pd.Index(["a", None, 3, (4,)], dtype=object),
    pd.Index([True, False]), pd.Index([1, pd.NA], dtype="Int8"),
    pd.Index(["a", pd.NA], dtype="string"),
    pd.CategoricalIndex(["b", "a", "b"], ["b", "a", "c"], ordered=True, name="kind"),
    hours(name="when"), hours(tz=BERLIN), hours(tz="UTC").as_unit("s"), hours()[[0, 2, 3]],
    hours(0), hours(tz=datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))),
    pd.timedelta_range("1h", periods=3, freq="90s").as_unit("ms"), pd.to_timedelta(["1s", "4s"]),
    pd.period_range("2024-01", periods=3, freq="Q-FEB", name="q"),
    pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["town", None]),
    pd.MultiIndex.from_arrays([["x", "y"], hours(2, tz=BERLIN)]),
]  # fmt: skip


@pytest.mark.parametrize(
    "index", INDEXES, ids=lambda index: f"{type(index).__name__} {index.dtype}"
)
def test_indexes(index, tmp_path):
    found = again(index, tmp_path)
    pd.testing.assert_index_equal(found, index, exact=True)
    assert getattr(found, "freq", None) == getattr(index, "freq", None)
    assert getattr(found, "unit", None) == getattr(index, "unit", None)


def test_tables(tmp_path):
    table = pd.DataFrame(
        {"x": [0.5, np.nan], ("y", 1): ["a", None], "z": hours(2, tz=BERLIN), "d": hours(2),
         "p": pd.period_range("2024", periods=2, freq="D"), "n": pd.array([1, None], "Int64"),
         "c": pd.Categorical(["u", "v"]), "h": np.array([1, 2], np.float16), "b": [True, False]},
        index=pd.Index(["r", "s"], name="row"),
    )  # fmt: skip
    table["o"] = pd.Series([1, "a"], table.index, dtype=object)
    pd.testing.assert_frame_equal(again(table, tmp_path), table, check_exact=True)
    twice = pd.DataFrame([[1, "a"], [2, "b"]], [0, 0], ["x", "x"])
    pd.testing.assert_frame_equal(again(twice, tmp_path), twice, check_exact=True)
    empty = pd.DataFrame(index=hours())
    pd.testing.assert_frame_equal(again(empty, tmp_path), empty, check_exact=True)


class Own(np.ndarray):
    pass


REFUSED = [
    1j, b"bytes", {1, 2}, frozenset(), object(), print, np.complex64(1), np.zeros(2, complex),
    np.zeros(2, "i4,i4"), np.zeros(2).view(Own), np.ma.masked_array([1.0]), NamedTuple("T", [])(),
    int, np.int32, pd.Interval(1, 2), pd.interval_range(0, 2), pd.arrays.SparseArray([1.0]).dtype,
    datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo(BERLIN)), pd.Series([1]),
    datetime.timezone(datetime.timedelta(seconds=1)),
]  # fmt: skip


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_what_would_not_come_back_is_refused(value, tmp_path):
    with pytest.raises(TypeError, match=r"^deep.0.*: expected .+, got .+; convert it before"):
        archive.write(tmp_path / "value.gru", {"deep": [value]})
    assert not list(tmp_path.iterdir())


def test_a_name_belongs_to_one_class():
    with pytest.raises(ValueError, match="name: expected one that no other class has, got 'tuple'"):

        @stored("tuple")
        class Pair(NamedTuple):
            a: int


FITS = [
    (1, int), (np.int64(1), int), (1, float), (np.float32(1), float), (True, bool),
    (np.True_, bool), (None, None), (None, int | None), ("a", str | int),
    ((1, 2), tuple[int, ...]), ((), tuple[int, ...]), ((1, "a"), tuple[int, str]),
    ([1.0], list[float]), ({"a": 1}, dict[str, int]), (object(), Any),
]  # fmt: skip
MISFITS = [
    (True, int), (True, float), (1.0, int), (1, bool), ("1", int), (0, None), ("a", int | None),
    ([1], tuple[int, ...]), ((1, "a"), tuple[int, ...]), ((1,), tuple[int, str]),
    ((), tuple[int, str]), ((1.0,), list[float]), ([None], list[float]), ({1: 1}, dict[str, int]),
    ({"a": "b"}, dict[str, int]), ([], dict[str, int]), (np.zeros(2), list[float]),
    ("ab", list[str]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "hint"), FITS)
def test_values_that_suit(value, hint):
    assert suits(value, hint)


@pytest.mark.parametrize(("value", "hint"), MISFITS)
def test_values_that_do_not_suit(value, hint):
    assert not suits(value, hint)
