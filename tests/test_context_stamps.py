"""Stamps that do not rise from row to row, or are not of the kind that training had."""

import pickle

import numpy as np
import pandas as pd
import pytest

from tests.test_context import (
    BERLIN,
    array,
    dates,
    fitted,
    forecaster,
    predicted,
    table,
    target,
)


def at(*days):
    return pd.DatetimeIndex([f"2024-01-{day:02}" for day in days])


DISORDERED = {
    "unsorted": (at(1, 2, 5, 4, 3, 6), "got 2024-01-04 00:00:00 after 2024-01-05 00:00:00"),
    "twice": (at(1, 2, 3, 3, 2, 6), "got 2024-01-03 00:00:00 twice; sort by the index"),
    "in a zone": (at(1, 3, 2, 4, 5, 6).tz_localize(BERLIN), r"got 2024-01-02 00:00:00\+01:00 aft"),
    "backward": (pd.RangeIndex(6, 0, -1), "got 5 after 6; sort by the index"),
    "shuffled numbers": (pd.Index([0, 3, 4, 1, 2, 5]), "got 1 after 4; .*reset the index"),
    "number twice": (pd.Index([0, 1, 2, 2, 4, 4]), "got 2 twice"),
    "periods": (pd.PeriodIndex(["2024-02", "2024-01"] * 3, freq="M"), "got 2024-01 after 2024-02"),
    "missing": (at(1, 2, 3, 4, 5, 6).where([True] * 4 + [False] * 2), "got a missing one; drop"),
    "a series": (
        pd.MultiIndex.from_arrays([list("xyxyxy"), at(1, 1, 2, 2, 3, 2)]),
        "got 2024-01-02 00:00:00 twice in series 'y'",
    ),
}


@pytest.mark.parametrize("case", DISORDERED)
@pytest.mark.parametrize("context", ["auto", "train", "none"])
def test_stamps_that_do_not_rise_are_refused(case, context):
    index, message = DISORDERED[case]
    X, y = table(index), target(6)
    model = fitted(array(), context=context)
    before = pickle.dumps(model)
    for action in (
        lambda: model.predict(X),
        lambda: fitted(X, context=context),
        lambda: forecaster(context=context).partial_fit(X, y),
        lambda: model.partial_fit(X, y),
    ):
        with pytest.raises(ValueError, match=f"^index: expected .*{message}") as caught:
            action()
        assert str(caught.value).endswith(".")
    assert pickle.dumps(model) == before


def test_rows_that_are_complete_may_have_any_stamps():
    for index, _ in DISORDERED.values():
        X = table(index)
        model = fitted(X, lookback=None)
        np.testing.assert_array_equal(model.predict(X), model.predict(X.to_numpy()))


def test_series_that_are_sorted_each_by_itself():
    index = pd.MultiIndex.from_arrays([list("xyxyxy"), at(4, 1, 5, 2, 6, 3)])
    stacked = pd.MultiIndex.from_product([list("xy"), at(1, 2, 3)])
    for stamps in (index, stacked):
        assert fitted(table(stamps)).predict(table(stamps)).shape == (6,)


KINDS = {
    "days": dates("2024-01-01", 9),
    "days in UTC": dates("2024-01-01", 9, tz="UTC"),
    "days in Berlin": dates("2024-01-01", 9, tz=BERLIN),
    "daily periods": pd.period_range("2024-01-01", periods=9, freq="D"),
    "monthly periods": pd.period_range("2024-01", periods=9, freq="M"),
    "durations": pd.timedelta_range("1h", periods=9, freq="h"),
    "numbers": pd.RangeIndex(5, 14),
}


SAME_CLOCK = {"days in UTC", "days in Berlin"}  # instants, which can be compared
PAIRS = [
    (trained, new)
    for trained in KINDS
    for new in KINDS
    if trained != new and {trained, new} != SAME_CLOCK
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_training_rows_again(kind):
    X = table(KINDS[kind])
    model = fitted(X)
    np.testing.assert_array_equal(model.predict(X), predicted(model, X, "none"))


def test_rows_in_another_time_zone_follow_by_the_clock_of_the_world():
    hours = dates("2024-03-30 18:00", 20, "h", tz="UTC")
    X = table(hours)
    model = fitted(X[:9])
    abroad = X[9:].tz_convert(BERLIN)
    np.testing.assert_array_equal(model.predict(abroad), model.predict(X[9:]))


@pytest.mark.parametrize(("trained", "new"), PAIRS)
def test_stamps_of_another_kind_than_in_training_are_refused(trained, new):
    model = fitted(table(KINDS[trained]))
    X = table(KINDS[new])
    message = "index: expected stamps like those of the training rows .*; use the same type"
    with pytest.raises(ValueError, match=message):
        model.predict(X)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, target(9))
