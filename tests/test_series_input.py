"""What fit refuses of series, and how it says so."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster

N = 60
DAYS = pd.date_range("2024-01-01", periods=N, freq="D")
VALUES = np.sin(0.7 * np.arange(N)) + 0.01 * np.arange(N)
SERIES = pd.Series(VALUES, index=DAYS)
LATER = pd.date_range(DAYS[0], periods=N + 8, freq="D")
TABLE = pd.DataFrame({"x": np.cos(0.3 * np.arange(N + 8)), "c": ["u", "v"] * 34}, index=LATER)
WIDE = pd.DataFrame({"a": SERIES, "b": 2 * SERIES + 1})
STATIC = pd.DataFrame({"size": [1.0, 2.0], "kind": ["big", "small"]}, index=["a", "b"])
SENTENCE = re.compile(r"[\w. ]+: expected .+ got .+; .+[.?]", re.DOTALL)


def small(**parameters):
    choices = {"hidden_size": 4, "max_iter": 1, "horizon": 4, "lookback": 8, "random_state": 0}
    return GRUForecaster(**(choices | parameters))


def refused(model, call, error, match):
    """The call fails with one sentence and leaves the estimator as it was."""
    before = dict(vars(model))
    with pytest.raises(error, match=match) as caught:
        call(model)
    assert type(caught.value) is error
    assert SENTENCE.fullmatch(str(caught.value)), caught.value
    after = vars(model)
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)


def changed(at, value):
    series = SERIES.copy()
    series.iloc[at] = value
    return series


def of_days(index):
    return SERIES.set_axis(index)


def levels(*parts, **names):
    return of_days(pd.MultiIndex.from_arrays(parts, **names))


NO_STAMP = DAYS.to_series(index=range(N)).mask(np.arange(N) == 5)
HALVES = ["a"] * 30 + ["b"] * 30
WRONG_TYPE = "series: expected numbers, got "
LONG = "\\(for a long table use from_long\\); convert it"
NO_FORM = "series: expected a Series, a 1-D array, a table .*, or a \\(series, time\\) MultiIndex, "
OTHER_INDEX = r"covariates: expected an index like that of the series \(datetime64.*\), got one of "


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (changed(5, np.inf), "series: expected finite numbers or NaN, got inf in row 5; correct"),
        (WIDE.mask(WIDE > 1.9, -np.inf), "got -inf in row .*; correct it or make it NaN"),
        (SERIES * np.nan, "at least one observation in every series, got only missing values"),
        (WIDE.assign(b=np.nan), "got only missing values in series 'b'; drop it"),
        (SERIES[:0], "series: expected at least one row, got none"),
        (np.zeros(0), "series: expected at least one row, got none"),
        ([], "series: expected at least one row, got none"),
        (pd.DataFrame(index=DAYS), "series: expected at least one column, got none; select some"),
        (SERIES[:3], "at least horizon \\+ 1 = 5 rows, got 3; pass more rows or lower horizon"),
        (SERIES[:4], "at least horizon \\+ 1 = 5 rows, got 4; pass more rows or lower horizon"),
        (WIDE[:4], "at least horizon \\+ 1 = 5 rows, got 4; pass more rows or lower horizon"),
        (SERIES.iloc[:5].where([True] + 4 * [False]), "expected rows with a value 1 steps later"),
        (np.zeros((10, 2, 2)), "a \\(series, time\\) MultiIndex, got 3 dimensions; reshape it"),
        (WIDE.set_axis(["a", "a"], axis=1), "one column per name, got 'a' twice; rename it"),
        (WIDE.set_axis(pd.MultiIndex.from_product([["a"], DAYS])), "one column of values under a"),
    ],
)  # fmt: skip
def test_values(values, match):
    refused(small(), lambda model: model.fit(values), ValueError, match)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.array(["a", "b"]), WRONG_TYPE + "<U1; convert it, or pass a Series, a 1-D array, a "),
        (SERIES.map("no. {}".format), WRONG_TYPE + "str|object; convert it"),
        (changed(5, 0).astype(object).mask(SERIES > 0.9, "high"), WRONG_TYPE + "str 'high'; conv"),
        (SERIES.astype(object).mask(SERIES > 0.9, {}), WRONG_TYPE + "dict {}; convert it"),
        (pd.Series(["a", "b"] * 30, DAYS, dtype="category"), WRONG_TYPE + "category; convert it"),
        (SERIES.set_axis(DAYS).index.to_period("D").to_series(), WRONG_TYPE + "period\\[D\\]; con"),
        (VALUES + 1j, WRONG_TYPE + "complex128; convert it"),
        (DAYS.to_numpy(), WRONG_TYPE + "datetime64\\[..\\]; convert it"),
        (WIDE.assign(shop="x"), WRONG_TYPE + "(str|object).* in column 'shop' " + LONG),
        (np.ma.masked_array(VALUES, VALUES > 0.9), "without a mask, got a masked one; pass series"),
        (np.ma.masked_array(WIDE.to_numpy(), False), "without a mask, got a masked one; pass seri"),
        ("abc", NO_FORM + "got str; pass one of them"),
        ({"a": 1}, NO_FORM + "got dict; pass one of them"),
        (3.0, NO_FORM + "got float; pass one of them"),
        (None, NO_FORM + "got NoneType; pass one of them"),
        (SERIES.map(str), WRONG_TYPE),
        (SERIES + 1j, WRONG_TYPE),
        (pd.Series(DAYS, DAYS), WRONG_TYPE + "datetime64"),
        (pd.Series(DAYS - DAYS[0], DAYS), WRONG_TYPE + "timedelta"),
        (DAYS, WRONG_TYPE + "datetime64"),
        (pd.DataFrame({"date": DAYS, "sold": VALUES}), "datetime64.* in column 'date' " + LONG),
    ],
)  # fmt: skip
def test_types_of_values(values, match):
    refused(small(), lambda model: model.fit(values), TypeError, match)


@pytest.mark.parametrize(
    ("series", "error", "match"),
    [
        (SERIES[::-1], ValueError, r"rise from row to row, got 2024-02-28 .* after 2024-02-29 .*; "
         r"sort it, as with series.sort_index\(\)\.$"),
        (SERIES.iloc[[0, 2, 1, 4, 3]], ValueError, "got 2024-01-02 00:00:00 after 2024-01-03 00"),
        (WIDE[::-1], ValueError, r"got 2024-02-28 .* after .*; sort it, as with series.sort_index"),
        (SERIES.iloc[[0, 1, 1, 3, 3]], ValueError, "every stamp once, got 2024-01-02 00:00:00 twi"),
        (of_days(DAYS.astype(str)), TypeError, "whole numbers, got .* \\('2024-01-01'\\); convert "
         "it, as with pd.to_datetime, or reset it"),
        (of_days(np.arange(N) / 2), TypeError, "index: expected dates, .* got float64 "),
        (of_days([date(2024, 1, 1) + pd.Timedelta(i, "D") for i in range(N)]), TypeError,
         "index: expected dates, periods or whole numbers, got object .*; convert it"),
        (of_days(pd.DatetimeIndex(NO_STAMP)), ValueError, "in every row, got a missing one in row "
         "5; drop that row"),
        (levels(HALVES, HALVES, DAYS), ValueError, "index: expected two levels .*, got 3; join"),
        (levels(DAYS), ValueError, "index: expected two levels \\(series, time\\), got 1; "),
        (levels(DAYS, HALVES), TypeError, r"two levels \(series, time\), got the times first "
         r"\(2024-01-01 00:00:00\); put them last, as with series.swaplevel\(\)"),
        (levels([None, *HALVES[1:]], DAYS), ValueError, "name of a series in every row, got a mis"),
        (levels(["a"] * N, NO_STAMP), ValueError, "got a missing one in row 5 in series 'a'"),
        (levels(HALVES, DAYS[::-1]), ValueError, "got 2024-02-28 .* after .* in series 'a'; sort"),
        (levels(HALVES, [*DAYS[:50], *[DAYS[50]] * 10]), ValueError, "2024-02-20 .* twice in series"
         " 'b'; keep one of the rows"),
    ],
)  # fmt: skip
def test_stamps(series, error, match):
    refused(small(), lambda model: model.fit(series), error, match)


def test_series_may_be_interleaved_but_each_one_rises():
    both = pd.concat({"a": SERIES, "b": SERIES + 1}, names=["id", "day"])
    mixed = both.swaplevel().sort_index().swaplevel()
    there = small().fit(both).forecast(4)
    pd.testing.assert_frame_equal(small().fit(mixed).forecast(4), there)


@pytest.mark.parametrize(
    ("beside", "match"),
    [
        ({"sample_weight": np.ones(N)}, "sample_weight: expected None, as fit has no y, so X is"),
        ({"groups": np.ones(N)}, "groups: expected None, as fit has no y, so X is the series"),
        ({"y": VALUES, "covariates": TABLE}, "covariates: expected None, as fit has a y; put such"),
        ({"y": VALUES, "past_covariates": TABLE}, "past_covariates: expected None, as fit has a y"),
        ({"y": VALUES, "static": STATIC}, "static: expected None, as fit has a y; put such colum"),
    ],
)
def test_what_has_no_meaning(beside, match):
    refused(small(), lambda m: m.fit(SERIES.to_frame(), **beside), ValueError, match)


@pytest.mark.parametrize(
    ("covariates", "match"),
    [
        (TABLE.drop(DAYS[7]), "covariates: expected a row for 2024-01-08 .*, got none .*; add it"),
        (TABLE[:0], "covariates: expected a row for 2024-01-01 00:00:00, got none"),
        (TABLE[[]], "covariates: expected at least one column, got none; select some"),
        (TABLE.tz_localize("UTC"), OTHER_INDEX + "datetime64\\[.., UTC\\]; convert it"),
        (TABLE.to_period("D"), OTHER_INDEX + "period\\[D\\]; convert it, with a time zone in both"),
        (TABLE.reset_index(drop=True), OTHER_INDEX + "int64; convert it"),
        (TABLE.iloc[[0, 0, 1]], "every stamp once, got Timestamp\\('2024-01-01 00:00:00'\\) twice"),
        (TABLE[["x", "x"]], "covariates: expected every column once, got 'x' twice"),
        (TABLE.assign(x=np.inf), "got inf in column 'x' at 2024-01-01 00:00:00; correct it or"),
        (np.zeros((7, 1)), "expected an array of 60 rows, one for each stamp, got 7; pass as many"),
        (np.zeros((N, 1, 1)), "covariates: expected a table, got an array of 3 dimensions"),
    ],
)
def test_covariates(covariates, match):
    refused(small(), lambda m: m.fit(SERIES, covariates=covariates), ValueError, match)
    match = match.replace("covariates:", "past_covariates:")
    refused(small(), lambda m: m.fit(SERIES, past_covariates=covariates), ValueError, match)


@pytest.mark.parametrize(
    ("column", "match"),
    [
        (LATER, "covariates: expected numbers or categories \\(text\\), got Timestamp in column "),
        (LATER - LATER[0], "categories \\(text\\), got Timedelta in column 'q'; convert it"),
        (pd.Series([1.5, "x"] * 34, LATER, dtype=object), "got float in column 'q'; convert it"),
    ],
)
def test_types_of_covariates(column, match):
    table = TABLE.assign(q=column)
    refused(small(), lambda m: m.fit(SERIES, covariates=table), TypeError, match)


@pytest.mark.parametrize("table", ["x", {"x": VALUES}, 3.0])
def test_covariates_that_are_no_table(table):
    match = f"covariates: expected a DataFrame, got {type(table).__name__}; make one of it"
    refused(small(), lambda m: m.fit(SERIES, covariates=table), TypeError, match)
    match = f"past_{match}"
    refused(small(), lambda m: m.fit(SERIES, past_covariates=table), TypeError, match)


def test_masked_covariates():
    masked = np.ma.masked_array(VALUES, VALUES > 0.9)
    match = "covariates: expected an array without a mask, got a masked one; pass covariates.fi"
    refused(small(), lambda m: m.fit(SERIES, covariates=masked), TypeError, match)


def test_the_message_names_the_table_and_column_of_huge_numbers():
    table = TABLE.assign(q=[1e300, -1e300] * 34)
    match = "covariates: expected numbers .*, got 1e\\+300 in column 'q'"
    refused(small(), lambda m: m.fit(SERIES, covariates=table), ValueError, match)


def test_covariates_of_a_series_that_lacks_them():
    both = pd.concat({"a": SERIES, "b": SERIES}, names=["id", "day"])
    own = pd.concat({"a": TABLE})
    match = "covariates: expected rows of series 'b', got none; add them, or give the table an inde"
    refused(small(), lambda m: m.fit(both, covariates=own), ValueError, match)
    match = "covariates: expected a DataFrame whose index tells .*, got an array; make one of it"
    refused(small(), lambda m: m.fit(both, covariates=np.zeros(2 * N)), ValueError, match)


@pytest.mark.parametrize(
    ("static", "error", "match"),
    [
        (STATIC[:1], ValueError, "static: expected a row for series 'b', got none; add it to the "),
        (STATIC.iloc[[0, 0, 1]], ValueError, "static: expected every .* once, got 'a' twice; drop"),
        (np.ones(2), TypeError, "static: expected a DataFrame with a row per series, got ndarray"),
        ({"a": 1}, TypeError, "static: expected a DataFrame with a row per series, got dict; make"),
        (STATIC.assign(size=np.inf), ValueError, "got inf in column 'size' at a; correct it or ma"),
    ],
)
def test_static(static, error, match):
    refused(small(), lambda m: m.fit(WIDE, static=static), error, match)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"horizon": 0}, "horizon: expected at least 1, got 0; raise it"),
        ({"season": 0}, "season: expected at least 1, got 0; raise it"),
        ({"series_embedding_size": 0}, "series_embedding_size: expected at least 1, got 0; raise"),
        ({"calendar": "hours"}, "out of minute, .*, got 'hours'; did you mean 'hour'\\?"),
        ({"calendar": ("hour", "moon")}, "calendar: expected names out of .*, got 'moon'; did you"),
        ({"calendar": ("hour", "hour")}, "each name once, got 'hour' twice; drop one of them"),
        ({"calendar_encoding": "cyclc"}, "of cyclic, embedded, got 'cyclc'; did you mean 'cyclic'"),
        ({"calendar": "minuteofday", "calendar_encoding": "embedded"}, "at most 400 values to emb"),
        ({"handle_unknown": "ignored"}, "of error, ignore, got 'ignored'; did you mean 'ignore'"),
        ({"intervals": "adaptiv"}, "intervals: expected one of .*; did you mean 'adaptive'\\?"),
        ({"normalize": "windows"}, "normalize: expected one of .*; did you mean 'window'\\?"),
        ({"missing": "fill"}, "missing: expected one of .*, got 'fill'; did you mean 'ffill'"),
        ({"freq": "Dx"}, "freq: expected a frequency of pandas that goes forward, .* got 'Dx'; se"),
        ({"freq": "-1D"}, "freq: expected a frequency of pandas that goes forward, .* got '-1D'"),
        ({"freq": 3}, "freq: expected a frequency of pandas that goes forward, .* got 3; see"),
        ({"freq": "B"}, "on the grid of 'B', got 2024-01-06 .* \\(row 5\\); pass the frequency th"),
        ({"loss": "poisson"}, "values of at least 0 with loss='poisson', got -0.9.*; correct them"),
        ({"missing": "error"}, "series: expected no missing value with mi"),
    ],
)  # fmt: skip
def test_parameters(parameters, match):
    refused(small(**parameters), lambda m: m.fit(changed(9, np.nan)), ValueError, match)


@pytest.mark.parametrize("kind", ["window", "last"])
def test_values_with_a_floor_have_no_level_of_their_own(kind):
    model = small(loss="poisson", normalize=kind)
    match = f"normalize: expected 'standard' or 'none' with loss='poisson', .* got '{kind}'; choose"
    refused(model, lambda m: m.fit(SERIES.abs()), ValueError, match)


def test_a_calendar_needs_dates():
    match = "calendar: expected dates or periods in the index, got int64; .* leave calendar out"
    refused(small(calendar="hour"), lambda m: m.fit(VALUES), ValueError, match)


@pytest.mark.parametrize(
    "parameters",
    [{"horizon": 2.5}, {"horizon": True}, {"season": "12"}, {"series_embedding_size": 1.5},
     {"calendar": 3}, {"lookback": "8"}],
)  # fmt: skip
def test_types_of_parameters(parameters):
    name = next(iter(parameters))
    refused(small(**parameters), lambda m: m.fit(SERIES), TypeError, f"{name}: expected .*; pass a")


def test_no_calendar_may_be_none():
    there = small(calendar=()).fit(SERIES).forecast(4, level=80)
    pd.testing.assert_frame_equal(small(calendar=None).fit(SERIES).forecast(4, level=80), there)
