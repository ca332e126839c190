"""Forecasters of series in files, with all that their stamps and covariates can be."""

import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from gruforecast import GRUForecaster
from tests.helpers import wavy_series
from tests.saving import again, assert_alike, assert_same

pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
N, NEW = 120, 6
QUICK = {"horizon": 3, "lookback": 8, "hidden_size": 4, "max_iter": 2, "random_state": 0}
VALUES = 10 + 3 * wavy_series(N + NEW + 9, 3)
OFFSETS = pd.offsets


def series(index, name="load"):
    return pd.Series(VALUES[: N + NEW, 0], index=index[: N + NEW], name=name)


def stamps(freq, start="2024-01-01", n=N + NEW + 9, **options):
    return pd.date_range(start, periods=n, freq=freq, **options)


def without_holidays(n=560):
    days = pd.bdate_range("2021-01-04", periods=n)
    closed = (days.month == 12) & (days.day == 25) | (days.month == 7) & (days.day == 4)
    closed |= (days.month == 1) & (days.day == 1) | (days.month == 5) & (days.day == 3)
    days = days[~closed]
    return pd.Series(5 + wavy_series(len(days), 1)[:, 0], days)


def wide(index, columns):
    return pd.DataFrame(VALUES[: N + NEW], index[: N + NEW], columns)


def long():
    parts = {name: wide(stamps("D"), list("abc"))[name].iloc[k:] for k, name in enumerate("abc")}
    return pd.concat(parts, names=["shop", "when"]).rename("sold")


def with_gaps():
    lacking = series(stamps("h"))
    lacking.iloc[[20, 21, 50, 110, 117]] = np.nan
    return lacking.drop(lacking.index[[30, 31, 90]])


TIMES = [datetime.time(9), datetime.time(13)]
SUMMER = stamps("h", "2024-03-27", tz="Europe/Berlin")
PAIRS = pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)], names=["town", None])
SERIES = {
    "hours": (series(stamps("h", name="when")), {}),
    "a switch night ahead": (series(SUMMER), {"calendar": ("hour", "weekend")}),
    "days in a zone": (series(stamps("D", tz="Australia/Lord_Howe")), {}),
    "a fixed zone": (series(stamps("30min", tz=datetime.timezone(-datetime.timedelta(hours=3.5)))),
                     {}),
    "UTC in seconds": (series(stamps("7min", tz="UTC").as_unit("s")), {}),
    "business days": (series(stamps("B")), {}),
    "holidays": (without_holidays(), {"normalize": "last"}),
    "month ends": (series(stamps(OFFSETS.BMonthEnd(), "2001-01-01")), {"normalize": "window"}),
    "quarters": (series(stamps("QS-FEB", "1970-02-01")), {"freq": OFFSETS.QuarterBegin(
        startingMonth=2)}),
    "two months": (series(stamps(pd.DateOffset(months=2), "1990-01-15")), {}),
    "own week": (series(stamps(OFFSETS.CustomBusinessDay(weekmask="Sun Mon Tue Wed"))), {}),
    "own holidays": (series(stamps(OFFSETS.CustomBusinessDay(holidays=["2024-02-01"]))),
                     {"freq": OFFSETS.CustomBusinessDay(holidays=["2024-02-01"])}),
    "opening hours": (series(stamps(OFFSETS.BusinessHour(start="09:00", end="13:00"))),
                      {"freq": OFFSETS.BusinessHour(start=TIMES[0], end=TIMES[1])}),
    "second Tuesdays": (series(stamps("WOM-2TUE", "1999-01-01")), {}),
    "periods": (series(pd.period_range("1990-01", periods=N + NEW, freq="M")), {}),
    "durations": (series(pd.timedelta_range("1h", periods=N + NEW, freq="90s")), {}),
    "row numbers": (VALUES[: N + NEW, 0], {"dtype": "float64"}),
    "counts": (series(pd.Index(np.arange(10, 4000, 20, dtype=np.int32))), {"freq": 20}),
    "gaps": (with_gaps(), {}),
    "a table": (wide(stamps("h"), pd.Index(["b", "a", "c"], name="shop")),
                {"series_embedding_size": 2}),
    "a table of pairs": (wide(stamps("D"), PAIRS), {}),
    "a table of numbers": (wide(stamps("D"), [3, 1, 2]), {}),
    "names that are dates": (wide(stamps("D"), pd.date_range("2024", periods=3)), {}),
    "long": (long(), {"calendar": "month", "calendar_encoding": "embedded"}),
    "quantiles": (series(stamps("h")), {"loss": "quantile", "quantiles": (0.1, 0.5, 0.9)}),
    "gaussian": (series(stamps("h")), {"loss": "gaussian", "cell": "lstm"}),
    "student_t": (series(stamps("h")), {"loss": "student_t", "intervals": "conformal"}),
    "poisson": (series(stamps("h")).round(), {"loss": "poisson"}),
    "validated": (series(stamps("h")), {"early_stopping": True, "num_layers": 2, "dropout": 0.1}),
    "too short to be judged": (series(stamps("h"))[:16], {"lookback": 4}),
}  # fmt: skip


def parts(data):
    """Rows to train on, and newer ones."""
    if isinstance(getattr(data, "index", None), pd.MultiIndex):
        is_new = data.groupby(level=0).cumcount(ascending=False) < NEW
        return data[~is_new], data[is_new]
    return data[:-NEW], data[-NEW:]


def answers(model, data):
    """All that a model says about series; without enough rows it knows no bounds."""
    known, newer = parts(data)
    level = (80, 99.5) if model._state.calibration is not None else None
    return {
        "default": model.forecast(level=level),
        "beyond": model.forecast(8),
        "newer": model.forecast(2, level, last=newer),
        "predict": model.predict(known),
        "score": model.score(newer),
    }


@pytest.mark.parametrize("name", SERIES)
def test_a_loaded_model_says_the_same(name, tmp_path):
    data, choices = SERIES[name]
    known, _ = parts(data)
    model = GRUForecaster(**QUICK | choices).fit(known)
    loaded = again(model, tmp_path)
    assert_alike(loaded, model)
    expected = answers(model, data)
    assert_same(answers(loaded, data), expected)
    assert_same(answers(pickle.loads(pickle.dumps(loaded)), data), expected)


@pytest.mark.parametrize("name", ["hours", "long", "quantiles"])
def test_learning_goes_on_alike(name, tmp_path):
    data, choices = SERIES[name]
    known, _ = parts(data)
    model = GRUForecaster(**QUICK | choices, warm_start=True).fit(known)
    loaded = again(model, tmp_path)
    for one in (loaded, model):
        one.fit(data)
    assert_alike(loaded, model)
    assert_same(answers(loaded, data), answers(model, data))
    assert_same(clone(loaded).fit(data).weights_, clone(model).fit(data).weights_)


def test_a_series_without_a_rhythm(tmp_path):
    uneven = pd.Timestamp("2024") + np.arange(N + NEW) ** 2 * pd.Timedelta("1h")
    with pytest.warns(UserWarning, match="index: expected stamps at a regular pace"):
        model = GRUForecaster(**QUICK).fit(series(uneven)[:N])
    loaded = again(model, tmp_path)
    assert_alike(loaded, model)
    assert_same(answers(loaded, series(uneven)), answers(model, series(uneven)))


# Covariates: tables that are kept with the rows that newer ones follow.


def covariates(index, kind):
    """Numbers and categories in the types of pandas."""
    n = len(index)
    table = pd.DataFrame({"x": np.arange(n) % 7 / 7.0, "n": np.arange(n) % 3}, index)
    table["word"] = np.array(["sun", "rain", "snow"], object)[np.arange(n) % 3]
    table["flag"] = np.arange(n) % 2 == 0
    if kind == "category":
        table["word"] = table["word"].astype(pd.CategoricalDtype(["snow", "sun", "rain"], True))
        table.columns = pd.CategoricalIndex(table.columns)
    elif kind == "nullable":
        table = table.convert_dtypes()
        table.iloc[5, 0] = pd.NA
    elif kind == "arrow":
        pytest.importorskip("pyarrow")
        table = table.convert_dtypes(dtype_backend="pyarrow")
    elif kind == "levels":
        table.columns = pd.MultiIndex.from_product([["known"], table.columns])
    return table.astype({"x": np.float32}) if kind == "plain" else table


@pytest.mark.parametrize("kind", ["plain", "category", "nullable", "arrow", "levels"])
def test_covariates_are_kept_in_their_types(kind, tmp_path):
    index = stamps("h", tz="Europe/Berlin")
    beside, data = covariates(index, kind), series(index)
    past = covariates(index, kind)[:-9]
    model = GRUForecaster(**QUICK, calendar="hour")
    model.fit(data[:N], covariates=beside[:N], past_covariates=past[:N])
    loaded = again(model, tmp_path)
    assert_alike(loaded, model)
    for name in ("known", "past"):
        tails = [getattr(one._state.tails["load"], name) for one in (loaded, model)]
        pd.testing.assert_frame_equal(*tails, check_exact=True)
    found = [
        (
            one.forecast(5, 80, beside[N : N + 5]),
            one.forecast(3, 80, beside[N:], data[N:], past_covariates=past[N:]),
        )
        for one in (loaded, model)
    ]
    for one, other in zip(*found, strict=True):
        assert_same(one, other)


def test_what_is_true_of_a_series_at_all_times_is_kept(tmp_path):
    static = pd.DataFrame({"town": ["Bonn", "Rome", "Bonn"], "size": [1, 2, 3]}, list("abc"))
    model = GRUForecaster(**QUICK).fit(long(), static=static)
    loaded = again(model, tmp_path)
    assert_alike(loaded, model)
    assert_same(loaded.forecast(level=80), model.forecast(level=80))
    other = GRUForecaster(**QUICK | {"handle_unknown": "ignore"}).fit(long(), static=static)
    new = pd.concat({"d": long()["a"]}, names=["shop", "when"])
    row = pd.DataFrame({"town": ["Oslo"], "size": [2]}, ["d"])
    found = again(other, tmp_path).forecast(last=new, static=row)
    assert_same(found, other.forecast(last=new, static=row))
