"""The rows after the training rows see those as their history, where they follow directly."""

import copy

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster
from gruforecast.data.context import TruncatedHistoryWarning

LOOKBACK = 4
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def forecaster(**choices):
    usual = {"lookback": LOOKBACK, "hidden_size": 4, "max_iter": 2, "learning_rate": 0.05}
    return GRUForecaster(**usual | {"random_state": 0} | choices)


def array(n=40, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 2))


def table(index):
    """Columns without names, so that arrays may stand for them."""
    return pd.DataFrame(array(len(index)), index)


def target(n):
    return np.random.default_rng(99).normal(size=n)


def fitted(X, **choices):
    return forecaster(**choices).fit(X, target(len(X)))


def predicted(model, X, context, **how):
    return copy.deepcopy(model).set_params(context=context).predict(X, **how)


def continued(model, X, new):
    """Predictions of new rows as those of one long series that begins with the rows X."""
    whole = np.concatenate([np.asarray(X), np.asarray(new)])
    return predicted(model, whole, "none")[len(X) :]


def check_warm(model, X, new):
    found = model.predict(new)
    np.testing.assert_array_equal(found, continued(model, X, new))
    assert (found != predicted(model, new, "none"))[: LOOKBACK - 1].all()


def check_cold(model, new):
    np.testing.assert_array_equal(model.predict(new), predicted(model, new, "none"))


def without(index, *days):
    """The stamps but for these days, without a frequency."""
    return pd.DatetimeIndex([stamp for stamp in index if str(stamp.date()) not in days])


def dates(start, n=20, freq="D", tz=None):
    return pd.date_range(start, periods=n, freq=freq, tz=tz)


MONTH_END = pd.offsets.MonthEnd()
EASTER = ("2024-03-29", "2024-04-01")
CALENDAR = pd.offsets.CustomBusinessDay(holidays=EASTER)
# an index, and how many of its rows train
FOLLOWING = {
    "hours": (dates("2024-02-28 15:00", freq="h"), 9),
    "days": (dates("2024-02-26"), 4),
    "days without a frequency": (without(dates("2024-02-26")), 4),
    "business days over a weekend": (dates("2024-01-01", freq="B"), 10),
    "business days after a single week": (dates("2024-01-01", freq="B"), 5),
    "business days of a calendar over holidays": (dates("2024-03-11", freq=CALENDAR), 14),
    "trading days over a weekend": (without(dates("2024-03-18", 25, "B"), *EASTER), 13),
    "trading days to a Tuesday": (without(dates("2024-03-18", 25, "B"), *EASTER), 14),
    "trading days over a DST switch": (
        without(dates("2024-10-21", 20, "B", NEW_YORK), "2024-10-23"),
        9,
    ),
    "weeks": (dates("2024-01-07", freq="W"), 6),
    "month ends": (dates("2023-10-31", freq=MONTH_END), 4),
    "month ends without a frequency": (without(dates("2023-10-31", freq=MONTH_END)), 4),
    "years": (dates("2001-01-01", freq="YS"), 4),
    "years without a frequency": (without(dates("2001-01-01", freq="YS")), 4),
    "hours over the lost one": (dates("2024-03-30 18:00", freq="h", tz=BERLIN), 8),
    "hours over the doubled one": (dates("2024-10-26 20:00", freq="h", tz=BERLIN), 7),
    "days over a short one": (dates("2024-03-27", tz=BERLIN), 5),
    "days over a long one": (dates("2024-10-23", tz=BERLIN), 5),
    "days over a long one, no frequency": (without(dates("2024-10-23", tz=BERLIN)), 5),
    "periods": (pd.period_range("2023-11", periods=20, freq="M"), 4),
    "durations": (pd.timedelta_range("0h", periods=20, freq="h"), 8),
    "numbers": (pd.RangeIndex(20), 8),
    "numbers from 7": (pd.RangeIndex(7, 27), 8),
    "numbers in a list": (pd.Index(np.arange(20)), 8),
    "every second number": (pd.Index(np.arange(20) * 2), 8),
}
# an index, how many of its rows train, and the row that prediction starts from
APART = {
    "an hour is lacking": (dates("2024-02-28 15:00", freq="h"), 9, 10),
    "a day is lacking": (dates("2024-02-26"), 4, 5),
    "a Monday is lacking": (dates("2024-01-01", freq="B"), 10, 11),
    "a Thursday is lacking": (dates("2024-01-01", freq="B"), 8, 9),
    "a fortnight of trading is lacking": (
        without(dates("2024-03-18", 30, "B"), *EASTER), 10, 20),
    "a month is lacking": (dates("2023-10-31", freq=MONTH_END), 4, 5),
    "the hour after the lost one is lacking": (
        dates("2024-03-30 18:00", freq="h", tz=BERLIN), 8, 9),
    "an hour is lacking later on the day of the lost one": (
        without(dates("2024-03-30 18:00", freq="h", tz=BERLIN)), 12, 13),
    "the doubled hour is lacking": (
        without(dates("2024-10-26 20:00", freq="h", tz=BERLIN)), 7, 8),
    "a period is lacking": (pd.period_range("2023-11", periods=20, freq="M"), 4, 5),
    "a number is lacking": (pd.RangeIndex(20), 8, 9),
    "training rows but the first": (dates("2024-02-26"), 9, 1),
    "the last training row again": (dates("2024-02-26"), 9, 8),
    "numbers of training rows": (pd.RangeIndex(20), 8, 5),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLLOWING)
def test_rows_that_follow_directly_see_the_training_rows(case):
    index, n = FOLLOWING[case]
    X = table(index)
    model = fitted(X[:n])
    check_warm(model, X[:n], X[n:])
    check_warm(model, X[:n], X[n : n + 1])


@pytest.mark.parametrize("case", APART)
@pytest.mark.parametrize("n_new", [1, 2, 6])
def test_rows_that_do_not_follow_start_cold_with_a_warning(case, n_new):
    index, n, first = APART[case]
    X = table(index)
    model, new = fitted(X[:n]), X[first : first + n_new]
    counted = f"^{min(n_new, LOOKBACK - 1)} of {n_new} rows were predicted with truncated history"
    with pytest.warns(TruncatedHistoryWarning, match=counted) as caught:
        check_cold(model, new)
    assert len(caught) == 1
    assert "lookback=4" in str(caught[0].message)


@pytest.mark.parametrize("case", FOLLOWING)
def test_rows_that_start_where_training_did_lack_nothing(case):
    index, n = FOLLOWING[case]
    X = table(index)
    model = fitted(X[:n])
    for rows in (X[:n], X[:3], X):
        check_cold(model, rows)


@pytest.mark.parametrize(
    "index", [dates("2024-01-01", 40), pd.RangeIndex(7, 47), pd.RangeIndex(40)]
)
def test_rows_before_the_training_rows_do_not_see_them(index):
    """As the first of the folds that KFold makes of a table: its rows are numbered from 0."""
    X = table(index)
    model = fitted(X[10:])
    with pytest.warns(TruncatedHistoryWarning, match="^3 of 10 rows were predicted"):
        check_cold(model, X[:10])


@pytest.mark.parametrize("kind", ["array", "list", "renumbered table", "table of names"])
def test_without_an_index_new_rows_see_the_training_rows(kind):
    make = {
        "array": np.asarray,
        "list": lambda rows: rows.tolist(),
        "renumbered table": lambda rows: pd.DataFrame(rows),
        "table of names": lambda rows: pd.DataFrame(rows, ["same name"] * len(rows)),
    }[kind]
    rows = array(30)
    X, new = rows[:20], rows[20:]
    model = fitted(make(X))
    check_warm(model, X, make(new))
    for again in (X, X[:5], X[:1]):
        check_cold(model, make(again))
    longer = model.predict(np.asarray(make(rows)))
    np.testing.assert_array_equal(longer[20:], model.predict(make(new)))
    assert (model.predict(make(X[5:]))[:3] != predicted(model, make(X[5:]), "none")[:3]).all()


def test_training_rows_with_gaps_are_known_again():
    X = array()
    X[2:5, 0] = X[7, 1] = np.nan
    check_cold(fitted(X, missing="ffill"), X[:12])


def test_a_renumbered_table_after_training_on_dates():
    X = table(dates("2024-01-01", 30))
    model = fitted(X[:20])
    new = X[20:].reset_index(drop=True)
    np.testing.assert_array_equal(model.predict(new), continued(model, X[:20], new))


@pytest.mark.parametrize("make", [np.asarray, lambda rows: table(dates("2024-01-01", len(rows)))])
def test_train_always_and_none_never(make):
    X = make(array())
    model = fitted(X[:20])
    for new in (X[:5], X[7:12], X[20:], X[25:]):
        np.testing.assert_array_equal(predicted(model, new, "train"), continued(model, X[:20], new))
        alone = fitted(X[:20], context="none").predict(new)
        np.testing.assert_array_equal(predicted(model, new, "none"), alone)
        assert (alone != predicted(model, new, "train"))[:3].all()


def test_a_lookback_of_one_row_lacks_no_history():
    X = table(dates("2024-01-01", 30))
    model = fitted(X[:20], lookback=1)
    whole = model.predict(X)
    for context in ("auto", "train", "none"):
        np.testing.assert_array_equal(predicted(model, X[23:], context), whole[23:])


@pytest.mark.parametrize("n", [1, 2, 6])
def test_training_rows_fewer_than_the_lookback(n):
    rows = array(20)
    model = fitted(rows[:n], lookback=10)
    np.testing.assert_array_equal(model.predict(rows[n:]), continued(model, rows[:n], rows[n:]))


@pytest.mark.parametrize("kind", ["arrays", "dates", "numbers", "MultiIndex"])
def test_every_series_sees_its_own_training_rows(kind):
    names, stamps = np.tile(list("bac"), 16), dates("2024-01-01", 16).repeat(3)
    index = {"dates": stamps, "numbers": pd.RangeIndex(48)}.get(kind)
    if kind == "MultiIndex":
        index = pd.MultiIndex.from_arrays([names, stamps])
    X = array(48) if index is None else table(index)
    values = np.asarray(X)

    def groups(rows):
        return {} if kind == "MultiIndex" else {"groups": names[rows]}

    old, new = np.arange(48) < 24, np.arange(48) >= 24
    model = forecaster().fit(X[old], target(24), **groups(old))
    found = model.predict(X[new], **groups(new))
    for name in "abc":
        own = names == name
        expected = continued(model, values[own & old], values[own & new])
        np.testing.assert_array_equal(found[names[new] == name], expected)
    for other in (new & (names == "c"), new & (names != "b")):  # which others come is no matter
        part = model.predict(X[other], **groups(other))
        np.testing.assert_array_equal(part, found[other[new]])


@pytest.mark.parametrize("context", ["auto", "train"])
def test_a_series_that_training_has_not_seen_starts_cold_with_a_warning(context):
    rows, names = array(30), np.array(list("abc" * 10))
    known = (np.arange(30) < 20) & (names != "c")
    model = forecaster().fit(rows[known], target(known.sum()), groups=names[known])
    new, of = rows[20:], names[20:]
    counted = "^3 of 10 rows were predicted with truncated history"
    with pytest.warns(TruncatedHistoryWarning, match=counted):
        found = predicted(model, new, context, groups=of)
    np.testing.assert_array_equal(found[of == "c"], predicted(model, new[of == "c"], "none"))
    expected = continued(model, rows[known & (names == "a")], new[of == "a"])
    np.testing.assert_array_equal(found[of == "a"], expected)
    predicted(model, new, "none", groups=of)  # which warns of nothing


def test_series_with_a_gap_are_counted_apart():
    days = dates("2024-01-01", 20)
    X = table(pd.MultiIndex.from_product([["x", "y", "z"], days]))
    at = X.index.get_level_values(1)
    model = forecaster().fit(X[at < days[10]], target(30))
    new = X[at >= days[10]].drop(("y", days[10]))
    with pytest.warns(TruncatedHistoryWarning, match="^3 of 29 rows were predicted"):
        found = model.predict(new)
    for name in "xyz":
        own = new.loc[name].to_numpy()
        expected = predicted(model, own, "none")
        if name != "y":
            expected = continued(model, X[at < days[10]].loc[name], own)
        np.testing.assert_array_equal(found[new.index.get_level_values(0) == name], expected)
