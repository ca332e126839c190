"""Missing values against loops: what is carried forward, and how long ago it was seen."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gruforecast import GRUForecaster
from gruforecast.data.inputs import MissingInNewColumnWarning
from gruforecast.network import Windows

N, LOOKBACK = 40, 4
NAN, ONE = np.nan, [0] * N
BRIEF = {"hidden_size": 4, "max_iter": 2, "learning_rate": 0.05, "random_state": 0}
WINDOW_LENGTHS = np.arange(N) % 6  # steps of ragged windows of up to 5


def forecaster(**choices):
    return GRUForecaster(**{"lookback": LOOKBACK} | BRIEF | choices)


def rows(n=N, n_features=3, share=0.4, seed=0):
    """Rows of which a share is missing, in all columns but the last."""
    rng = np.random.default_rng(seed)
    X = rng.normal(5.0, 2.0, (n, n_features))
    X[:, :-1][rng.random((n, n_features - 1)) < share] = NAN
    return X


def target(n=N):
    return np.random.default_rng(99).normal(size=n)


def filled_by_hand(X, train, series, *, scale, mask):
    """Carried forward within each series, and the logarithm of 1 + the steps since then."""
    columns, ages = [], []
    for j in range(X.shape[1]):
        known = [value for value in train[:, j] if not np.isnan(value)]
        mean = np.mean(known) if known else 0.0
        deviation = (np.std(known) if known else 0.0) or 1.0
        newest, steps, seen = {}, dict.fromkeys(series, 0), dict.fromkeys(series, 0)
        column, age = [], []
        for t, name in enumerate(series):
            steps[name] += 1
            if not np.isnan(X[t, j]):
                newest[name], seen[name] = X[t, j], steps[name]
            value = newest.get(name, mean)
            column.append((value - mean) / deviation if scale else value)
            since = steps[name] - seen[name]
            age.append(since / (1 + since))
        columns.append(column)
        if mask and len(known) < len(train):
            ages.append(age)
    return np.array(columns + ages).T


def predicted_by_hand(model, encoded, y, series):
    """What the network makes of the encoded rows, in the units of y."""
    windows, lengths = np.zeros((len(encoded), model.lookback, encoded.shape[1])), []
    for t in range(len(encoded)):
        own = [s for s in range(t + 1) if series[s] == series[t]][-model.lookback :]
        windows[t, model.lookback - len(own) :] = encoded[own]
        lengths.append(len(own))
    raw = model.network_.predict(Windows.from_array(windows, lengths=lengths, dtype=model.dtype))
    return raw[:, 0] if model.normalize == "none" else raw[:, 0] * y.std() + y.mean()


def check_against_loops(model, X, y, series, new, new_series):
    scale = model.normalize != "none"
    encoded = filled_by_hand(new, X, new_series, scale=scale, mask=model.missing == "mask")
    assert model.network_.specification.n_features == encoded.shape[1]
    expected = predicted_by_hand(model, encoded, y, new_series)
    found = model.set_params(context="none").predict(new, groups=new_series)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("missing", ["mask", "ffill"])
@pytest.mark.parametrize("normalize", ["standard", "none"])
@pytest.mark.parametrize("lookback", [1, 4])
@pytest.mark.parametrize("n_series", [1, 3])
def test_rows_are_filled_as_loops_fill_them(missing, normalize, lookback, n_series):
    X, y, series = rows(), target(), np.arange(N) * 7 % 5 % n_series
    choices = {"missing": missing, "normalize": normalize, "lookback": lookback}
    model = forecaster(dtype="float64", **choices).fit(X, y, groups=series)
    check_against_loops(model, X, y, series, X, series)
    check_against_loops(model, X, y, series, X[5:], series[5:])


PATTERNS = {
    "leading gap": np.r_[[NAN] * 9, np.arange(31.0)],
    "trailing gap": np.r_[np.arange(31.0), [NAN] * 9],
    "long gap": np.r_[np.arange(10.0), [NAN] * 20, np.arange(10.0)],
    "nothing at all": np.full(N, NAN),
    "one value": np.r_[[NAN] * 20, 3.0, [NAN] * 19],
    "every other": np.where(np.arange(N) % 2, NAN, np.arange(N)),
}


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("missing", ["mask", "ffill"])
def test_gaps_of_every_kind(pattern, missing):
    X, y = np.column_stack([PATTERNS[pattern], rows()[:, 2]]), target()
    model = forecaster(dtype="float64", missing=missing).fit(X, y)
    assert np.isfinite(model.loss_curve_).all()
    check_against_loops(model, X, y, ONE, X, ONE)
    complete = rows(share=0.0)[:, :2]
    check_against_loops(model, X, y, ONE, complete, ONE)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    holes=st.lists(st.lists(st.booleans(), min_size=2, max_size=2), min_size=3, max_size=25),
    series=st.lists(st.integers(0, 2), min_size=25, max_size=25),
    missing=st.sampled_from(["mask", "ffill"]),
)
def test_any_pattern_of_gaps_and_series(holes, series, missing):
    lacking = np.array(holes)
    X, y, series = rows(len(holes), 2, share=0.0), target(len(holes)), series[: len(holes)]
    X[lacking] = NAN
    model = forecaster(dtype="float64", missing=missing, max_iter=1).fit(X, y, groups=series)
    check_against_loops(model, X, y, series, X, series)


def test_an_input_more_for_each_column_that_lacks_values_in_training():
    X, y = rows(n_features=4), target()
    X[:, 1] = np.arange(N)  # 0 and 2 are left to lack some
    sizes = {"mask": 6, "ffill": 4}
    for missing, size in sizes.items():
        for lookback in (None, LOOKBACK):
            windows = X if lookback else np.stack([X[:-1], X[1:]], axis=1)
            model = forecaster(missing=missing, lookback=lookback).fit(windows, y[: len(windows)])
            assert model.network_.specification.n_features == size
    assert forecaster().fit(rows(share=0.0), y).network_.specification.n_features == 3


def test_a_column_that_lacks_values_in_the_validation_rows_alone_has_no_input_more():
    X, y = rows(share=0.0), target()
    X[36:, 0] = NAN
    model = forecaster(early_stopping=True).fit(X, y)
    assert model.network_.specification.n_features == 3


@pytest.mark.parametrize("missing", ["mask", "ffill"])
@pytest.mark.parametrize("lookback", [1, 2, 4])
@pytest.mark.parametrize("indexed", [False, True])
def test_the_newest_values_and_their_age_go_on_after_training(missing, lookback, indexed):
    """However long ago it was: a tail of lookback - 1 rows would not know."""
    X, y = rows(), target()
    X[24:36, 0] = [9.0] + 11 * [NAN]
    index = pd.date_range("2024-01-01", periods=N)
    X = pd.DataFrame(X, index) if indexed else X
    model = forecaster(missing=missing, lookback=lookback).fit(X[:30], y[:30])
    found = model.predict(X[30:])
    np.testing.assert_array_equal(found, model.predict(X)[30:])
    newer = np.array(X)
    newer[24, 0] = 8.0  # out of reach of the windows of the rows after training
    newer = pd.DataFrame(newer, index) if indexed else newer
    assert (model.predict(newer)[30:36] != found[:6]).all()


@pytest.mark.parametrize("lookback", [1, 2, 4])
@pytest.mark.parametrize("indexed", [False, True])
def test_a_gap_at_the_start_of_the_training_rows_is_filled_as_in_training(lookback, indexed):
    """Not with the values that training ended with."""
    X, y = rows(), target()
    X[:6, 0] = NAN
    new = pd.DataFrame(X, pd.date_range("2024-01-01", periods=N)) if indexed else X
    model = forecaster(dtype="float64", lookback=lookback).fit(new, y)
    check = {"rtol": 0, "atol": 1e-12}
    encoded = filled_by_hand(X, X, ONE, scale=True, mask=True)
    expected = predicted_by_hand(model, encoded, y, ONE)
    for n in (1, 3, 6, N):
        np.testing.assert_allclose(model.predict(new[:n]), expected[:n], **check)


@pytest.mark.parametrize("missing", ["mask", "ffill"])
@pytest.mark.parametrize("normalize", ["standard", "none"])
def test_complete_windows_are_filled_each_by_itself(missing, normalize):
    X, y = rows(N * 5).reshape(N, 5, 3), target()
    choices = {"missing": missing, "normalize": normalize, "dtype": "float64"}
    model = forecaster(lookback=None, **choices).fit(X, y)
    scale, mask = normalize != "none", missing == "mask"
    flat = X.reshape(-1, 3)
    encoded = filled_by_hand(flat, flat, np.repeat(np.arange(N), 5), scale=scale, mask=mask)
    windows = Windows.from_array(encoded.reshape(N, 5, -1), dtype="float64")
    raw = model.network_.predict(windows)[:, 0]
    expected = raw * y.std() + y.mean() if scale else raw
    np.testing.assert_allclose(model.predict(X), expected, rtol=0, atol=1e-12)
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(model.predict(X[order]), model.predict(X)[order])


def ragged(X, fill=NAN):
    """Windows of different lengths: what is before their start is missing."""
    X = X.copy()
    for window, length in zip(X, WINDOW_LENGTHS, strict=True):
        window[: 5 - length] = fill
    return X


@pytest.mark.parametrize("missing", ["mask", "ffill"])
@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("trained_on", ["full windows", "ragged windows"])
def test_leading_steps_without_values_are_no_part_of_a_window(missing, share, trained_on):
    full, y = rows(N * 5, share=share).reshape(N, 5, 3), target()
    short = ragged(full)
    model = forecaster(lookback=None, missing=missing)
    model.fit(full if trained_on == "full windows" else short, y)
    found = model.predict(short)
    for length in range(1, 6):
        own = np.equal(WINDOW_LENGTHS, length)
        np.testing.assert_array_equal(found[own], model.predict(full[own][:, 5 - length :]))
    wider = np.concatenate([np.full((N, 3, 3), NAN), short], axis=1)
    np.testing.assert_array_equal(model.predict(wider), found)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("n_features", [1, 3])
def test_leading_steps_without_values_add_no_input_and_no_warning(n_features):
    full, y = rows(N * 5, n_features, share=0.0).reshape(N, 5, n_features), target()
    short = ragged(full)[WINDOW_LENGTHS > 0]
    y_short = y[WINDOW_LENGTHS > 0]
    if n_features == 1:
        full, short = full[:, :, 0], short[:, :, 0]
    masked, carried = (
        forecaster(lookback=None, missing=missing).fit(short, y_short)
        for missing in ("mask", "ffill")
    )
    assert masked.network_.specification.n_features == n_features
    np.testing.assert_array_equal(masked.predict(short), carried.predict(short))
    forecaster(lookback=None).fit(full, y).predict(short)


def test_a_window_without_any_value_is_predicted_from_nothing():
    X, y = rows(N * 5).reshape(N, 5, 3), target()
    model = forecaster(lookback=None, missing="ffill").fit(X, y)
    X[3] = NAN
    bias = model.network_.weights["head.b"].astype(float)
    np.testing.assert_allclose(model.predict(X)[3], bias * y.std() + y.mean(), rtol=1e-12)


@pytest.mark.parametrize("lookback", [None, LOOKBACK])
def test_gaps_in_a_column_that_had_none_in_training_warn(lookback):
    X, y = rows(), target()
    X, new = X[:, [2, 0]], X[:, [0, 2]]
    if lookback is None:
        X, new = np.stack([X, X], axis=1), np.stack([new, new], axis=1)
        X[:, 0], new[:, 0] = 1.0, 2.0
    model = forecaster(lookback=lookback, context="none").fit(X, y)
    carried = forecaster(lookback=lookback, context="none", missing="ffill").fit(X, y)
    with pytest.warns(MissingInNewColumnWarning, match="column 0, which lacked none in training"):
        found = model.predict(new)
    assert np.isfinite(found).all()
    assert np.isfinite(carried.predict(new)).all()
    model.predict(X)  # as in training: no warning
    with pytest.warns(MissingInNewColumnWarning, match="column 0"):
        model.partial_fit(new, y)


@pytest.mark.parametrize("lookback", [None, LOOKBACK])
def test_missing_values_are_refused_if_that_is_wished(lookback):
    X, y = rows(share=0.0), target()
    model = forecaster(lookback=lookback, missing="error").fit(X, y)
    X[7, 1] = X[9, 0] = NAN
    message = r"^X: expected no missing value with missing='error', got NaN at \(7, 1\); fill it"
    for action in (model.predict, lambda X: model.fit(X, y), lambda X: model.partial_fit(X, y)):
        with pytest.raises(ValueError, match=message) as caught:
            action(X)
        assert str(caught.value).endswith(".")


def test_missing_entries_of_pandas_are_missing_values():
    X, y = rows(), target()
    table = pd.DataFrame(X, columns=list("abc"))
    nullable = table.astype("Float64")
    expected = forecaster().fit(table, y)
    found = forecaster().fit(nullable, y)
    np.testing.assert_array_equal(found.network_.flat, expected.network_.flat)
    np.testing.assert_array_equal(found.predict(nullable), expected.predict(table))
