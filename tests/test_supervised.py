"""make_supervised against tables written by hand: which value stands where."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import make_supervised

NAN = np.nan
DAYS = pd.date_range("2024-02-27", periods=6, freq="D", name="day")

# (lookback, horizon): X and Y of the series 10, 11, 12, 13, 14, 15
ONE_COLUMN = {
    (1, 1): ([[10], [11], [12], [13], [14]], [[11], [12], [13], [14], [15]]),
    (1, 3): ([[10], [11], [12]], [[11, 12, 13], [12, 13, 14], [13, 14, 15]]),
    (2, 1): ([[10, 11], [11, 12], [12, 13], [13, 14]], [[12], [13], [14], [15]]),
    (3, 2): ([[10, 11, 12], [11, 12, 13]], [[13, 14], [14, 15]]),
    (5, 1): ([[10, 11, 12, 13, 14]], [[15]]),
    (1, 5): ([[10]], [[11, 12, 13, 14, 15]]),
}
# two columns, 0..4 and 50..54, with lookback 2 and horizon 2
TWO_COLUMNS = np.array([[0, 50], [1, 51], [2, 52], [3, 53], [4, 54]])
TWO_X = [[[0, 50], [1, 51]], [[1, 51], [2, 52]]]
TWO_Y = {0: [[2, 3], [3, 4]], 1: [[52, 53], [53, 54]]}


@pytest.mark.parametrize("shape", ONE_COLUMN)
@pytest.mark.parametrize("kind", ["list", "int64", "float32", "float64"])
def test_one_column(shape, kind):
    series = list(range(10, 16))
    X, Y = make_supervised(series if kind == "list" else np.array(series, kind), *shape)
    expected_x, expected_y = ONE_COLUMN[shape]
    np.testing.assert_array_equal(X, np.array(expected_x, float))
    np.testing.assert_array_equal(Y, np.array(expected_y, float))
    assert X.dtype == Y.dtype == np.float64
    assert type(X) is type(Y) is np.ndarray


@pytest.mark.parametrize("target", TWO_Y)
def test_two_columns(target):
    X, Y = make_supervised(TWO_COLUMNS, lookback=2, horizon=2, target=target)
    np.testing.assert_array_equal(X, np.array(TWO_X, float))
    np.testing.assert_array_equal(Y, np.array(TWO_Y[target], float))


def test_the_horizon_is_one_row_and_the_target_the_first_column_unless_said_otherwise():
    X, Y = make_supervised(TWO_COLUMNS, 3)
    np.testing.assert_array_equal(X, [[[0, 50], [1, 51], [2, 52]], [[1, 51], [2, 52], [3, 53]]])
    np.testing.assert_array_equal(Y, [[3], [4]])


def test_a_table_with_one_column_makes_windows_of_one_feature():
    X, Y = make_supervised(np.arange(4.0)[:, None], 2)
    np.testing.assert_array_equal(X, [[[0], [1]], [[1], [2]]])
    np.testing.assert_array_equal(Y, [[2], [3]])


def test_a_series_of_pandas_keeps_the_index_of_the_newest_row():
    series = pd.Series(range(10, 16), index=DAYS, name="price")
    X, Y = make_supervised(series, 3, 2)
    index = pd.DatetimeIndex(["2024-02-29", "2024-03-01"], name="day")
    expected = pd.DataFrame([[10, 11, 12], [11, 12, 13]], index, ["t-2", "t-1", "t"], float)
    pd.testing.assert_frame_equal(X, expected, check_freq=False)
    expected = pd.DataFrame([[13, 14], [14, 15]], index, ["t+1", "t+2"], float)
    pd.testing.assert_frame_equal(Y, expected, check_freq=False)


def test_a_window_of_one_row_of_a_series_of_pandas():
    X, Y = make_supervised(pd.Series([7, 8, 9], index=["a", "b", "c"]), 1)
    pd.testing.assert_frame_equal(X, pd.DataFrame({"t": [7.0, 8.0]}, index=["a", "b"]))
    pd.testing.assert_frame_equal(Y, pd.DataFrame({"t+1": [8.0, 9.0]}, index=["a", "b"]))


@pytest.mark.parametrize(("target", "position"), [("load", 0), ("sun", 1), (0, 0), (1, 1)])
def test_a_data_frame_gives_windows_and_a_table_of_targets(target, position):
    table = pd.DataFrame(TWO_COLUMNS, DAYS[:5], ["load", "sun"])
    X, Y = make_supervised(table, 2, 2, target=target)
    assert type(X) is np.ndarray
    np.testing.assert_array_equal(X, np.array(TWO_X, float))
    index = pd.DatetimeIndex(["2024-02-28", "2024-02-29"], name="day")
    expected = pd.DataFrame(TWO_Y[position], index, ["t+1", "t+2"], float)
    pd.testing.assert_frame_equal(Y, expected, check_freq=False)


def test_whole_numbers_are_positions_also_where_columns_are_named_by_numbers():
    table = pd.DataFrame(TWO_COLUMNS, columns=[1, 0])
    _, Y = make_supervised(table, 2, 2, target=1)
    np.testing.assert_array_equal(Y, TWO_Y[1])


def test_missing_values_stay_where_they_are():
    X, Y = make_supervised([1, NAN, 3, 4, NAN], 2)
    np.testing.assert_array_equal(X, [[1, NAN], [NAN, 3], [3, 4]])
    np.testing.assert_array_equal(Y, [[3], [4], [NAN]])
    X, Y = make_supervised(pd.Series([NAN, 2, NAN, 4]), 2, 1)
    np.testing.assert_array_equal(X, [[NAN, 2], [2, NAN]])
    np.testing.assert_array_equal(Y, [[NAN], [4]])
    X, Y = make_supervised(np.array([[1, NAN], [NAN, 5], [3, 6]]), 2, target=1)
    np.testing.assert_array_equal(X, [[[1, NAN], [NAN, 5]]])
    np.testing.assert_array_equal(Y, [[6]])


@pytest.mark.parametrize("lookback", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("horizon", [1, 2, 3])
@pytest.mark.parametrize("n", [8, 9, 14])
def test_a_counting_series_is_off_by_none(lookback, horizon, n):
    series = np.arange(n)
    wide = np.column_stack([series, 100 + series])
    X, Y = make_supervised(series, lookback, horizon)
    X3, Y3 = make_supervised(wide, lookback, horizon, target=1)
    frame, targets = make_supervised(pd.Series(series), lookback, horizon)
    n_windows = n - lookback - horizon + 1
    assert len(X) == len(Y) == len(X3) == len(Y3) == len(frame) == len(targets) == n_windows
    for i in range(n_windows):
        for k in range(lookback):
            assert X[i, k] == X3[i, k, 0] == X3[i, k, 1] - 100 == i + k
        for k in range(horizon):
            assert Y[i, k] == Y3[i, k] - 100 == i + lookback + k
        newest = i + lookback - 1
        assert frame.index[i] == targets.index[i] == newest
        assert frame["t"][newest] == newest
        assert frame.iloc[i, 0] == i
        for k in range(1, lookback):
            assert frame[f"t-{k}"][newest] == newest - k
        for k in range(1, horizon + 1):
            assert targets[f"t+{k}"][newest] == newest + k
    assert X[0, 0] == 0
    assert Y[-1, -1] == n - 1


def test_as_few_rows_as_make_one_window():
    X, Y = make_supervised([1, 2, 3, 4, 5], 3, 2)
    np.testing.assert_array_equal(X, [[1, 2, 3]])
    np.testing.assert_array_equal(Y, [[4, 5]])


@pytest.mark.parametrize(("lookback", "horizon"), [(1, 1), (3, 1), (1, 3), (3, 2)])
@pytest.mark.parametrize("n_columns", [0, 1, 2])
def test_windows_and_targets_are_the_callers_to_change(lookback, horizon, n_columns):
    """They share nothing with the series, nor with each other."""
    series = np.arange(8.0 * max(n_columns, 1)).reshape((8, n_columns) if n_columns else 8)
    before = series.copy()
    X, Y = make_supervised(series, lookback, horizon)
    kept = X.copy(), Y.copy()
    assert not np.shares_memory(X, series)
    assert not np.shares_memory(Y, series)
    assert not np.shares_memory(X, Y)
    series[:] = -1.0
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(Y, kept[1])
    series[:] = before
    X[:] = 7.0
    Y[:] = 7.0
    np.testing.assert_array_equal(series, before)


def test_tables_of_pandas_are_the_callers_to_change():
    series = pd.Series(np.arange(5.0))
    for table in make_supervised(series, 1, 1):
        table.iloc[0, 0] = 7.0
        table += 1.0
    np.testing.assert_array_equal(series, np.arange(5.0))


FRAME = pd.DataFrame(TWO_COLUMNS, columns=["load", "sun"])
ERRORS = {
    "lookback of no rows": (([1, 2, 3], 0), "lookback: expected at least 1, got 0"),
    "lookback float": (([1, 2, 3], 1.5), "lookback: expected a whole number, got 1.5"),
    "lookback bool": (([1, 2, 3], True), "lookback: expected a whole number, got True"),
    "lookback missing": (([1, 2, 3], None), "lookback: expected a whole number, got None"),
    "no horizon": (([1, 2, 3], 1, 0), "horizon: expected at least 1, got 0"),
    "horizon text": (([1, 2, 3], 1, "2"), "horizon: expected a whole number, got '2'"),
    "too short": (([1, 2, 3], 2, 2), r"at least lookback \+ horizon = 4 rows, got 3; pass more"),
    "empty": (([], 1), "series: expected at least one entry along axis 0"),
    "a number": ((5.0, 1), "series: expected shape"),
    "three axes": ((np.zeros((4, 2, 2)), 1), r"series: expected shape .*, got \(4, 2, 2\)"),
    "text": ((["a", "b", "c"], 1), "series: expected numbers, got an array of dtype <U1"),
    "objects": ((FRAME.astype(object), 1), "expected numbers, got an array of dtype object"),
    "masked": ((np.ma.masked_equal([1, 2, 3], 2), 1), "expected an array without a mask"),
}
TARGETS = {
    "no such name": (FRAME, "wind", r"one of the columns \['load', 'sun'\], got 'wind'; name one"),
    "name in an array": (TWO_COLUMNS, "load", "target: expected the position of a column"),
    "too far right": (TWO_COLUMNS, 2, "target: expected a column from 0 to 1, got 2; choose one"),
    "negative": (TWO_COLUMNS, -1, "target: expected at least 0, got -1"),
    "float": (TWO_COLUMNS, 1.0, "target: expected a whole number, got 1.0"),
    "position in one column": ([1, 2, 3], 1, "target: expected a column from 0 to 0, got 1"),
    "name in one column": (pd.Series([1, 2, 3], name="load"), "sun", "target: expected .*'sun'"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_makes_no_windows_is_refused(case):
    arguments, message = ERRORS[case]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        make_supervised(*arguments)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("case", TARGETS)
def test_a_target_that_is_no_column_is_refused(case):
    series, target, message = TARGETS[case]
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        make_supervised(series, 1, target=target)
    assert str(caught.value).endswith(".")
