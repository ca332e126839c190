"""The window of a row, built by hand: rows max(0, t - lookback + 1) to t of its series."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster, make_supervised
from gruforecast.network import Windows

N = 31


def counting(n_features=1, n_outputs=0):
    """Rows that count, and what they are learnt to foretell."""
    X = np.arange(float(N))[:, None] + 100.0 * np.arange(n_features)
    return X, targets(n_outputs)


def random(n_features=3, n_outputs=0, n=N):
    return np.random.default_rng(0).normal(3.0, 2.0, (n, n_features)), targets(n_outputs, n)


def targets(n_outputs, n=N):
    y = np.random.default_rng(1).normal(-5.0, 3.0, (n, max(1, n_outputs)))
    return y if n_outputs else y[:, 0]


def forecaster(lookback, **choices):
    usual = {"hidden_size": 4, "max_iter": 2, "learning_rate": 0.05, "random_state": 0}
    return GRUForecaster(lookback=lookback, context="none", **usual | choices)


def windows_by_hand(x, lookback, groups=None):
    """Every row's window (n, lookback, F), filled up with zeros at its start, and its length."""
    groups = [0] * len(x) if groups is None else list(groups)
    out, lengths = np.zeros((len(x), lookback, x.shape[1])), []
    for t in range(len(x)):
        own = [s for s in range(t + 1) if groups[s] == groups[t]][-lookback:]
        for place, s in enumerate(reversed(own)):
            out[t, lookback - 1 - place] = x[s]
        lengths.append(len(own))
    return out, lengths


def predicted_by_hand(model, X, y, new, groups=None):
    """What the network says about windows of scaled rows, in the units of y."""
    x = StandardScaler().fit(X).transform(new)
    out, lengths = windows_by_hand(x, model.lookback, groups)
    windows = Windows.from_array(out, lengths=lengths, dtype=model.dtype)
    raw = model.network_.predict(windows).astype(np.float64)
    values = raw * y.reshape(len(y), -1).std(axis=0) + y.reshape(len(y), -1).mean(axis=0)
    return values if y.ndim == 2 else values[:, 0]


def check_equal(found, expected, dtype):
    assert found.shape == expected.shape
    assert found.dtype == np.float64
    if dtype == "float32":
        np.testing.assert_array_equal(found.astype(dtype), expected.astype(dtype))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lookback", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("data", [counting, random])
@pytest.mark.parametrize("n_outputs", [0, 1, 3])
def test_the_window_of_a_row_ends_at_the_row(lookback, dtype, data, n_outputs):
    X, y = data(n_outputs=n_outputs)
    model = forecaster(lookback, dtype=dtype).fit(X, y)
    assert model.network_.specification.n_features == X.shape[1]
    for new in (X, X[5:], X[::-1]):
        found = model.predict(new)
        assert len(found) == len(new)
        check_equal(found, predicted_by_hand(model, X, y, new), dtype)


@pytest.mark.parametrize("lookback", [2, 5])
def test_without_scales_every_bit_is_that_of_the_network(lookback):
    X, y = random()
    model = forecaster(lookback, normalize="none").fit(X, y)
    out, lengths = windows_by_hand(X, lookback)
    expected = model.network_.predict(Windows.from_array(out, lengths=lengths))
    np.testing.assert_array_equal(model.predict(X), expected[:, 0].astype(np.float64))


@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("lookback", [1, 2, 3, 4, 5])
def test_windows_one_row_aside_give_other_predictions(lookback, shift):
    """The comparison by hand can tell them apart."""
    X, y = counting()
    model = forecaster(lookback).fit(X, y)
    aside = predicted_by_hand(model, X, y, X + shift)
    assert (np.abs(model.predict(X) - aside) > 1e-9).all()
    other = forecaster(lookback + 1).fit(X, y)
    other.network_.flat = model.network_.flat
    assert (np.abs(model.predict(X) - other.predict(X))[lookback:] > 1e-9).all()


@pytest.mark.parametrize("choices", [{"cell": "lstm"}, {"cell": "rnn"}, {"bidirectional": True},
                                     {"num_layers": 2}])  # fmt: skip
def test_other_networks_read_the_same_windows(choices):
    X, y = random()
    model = forecaster(3, **choices).fit(X, y)
    check_equal(model.predict(X), predicted_by_hand(model, X, y, X), "float32")


def test_training_reads_the_windows_that_prediction_reads():
    """Windows that are complete, with what is missing in front, train the same network."""
    X, y = random(2)
    out, lengths = windows_by_hand(X, 4)
    for window, length in zip(out, lengths, strict=True):
        window[: 4 - length] = np.nan
    choices = {"normalize": "none", "missing": "ffill"}
    steps = forecaster(4, **choices).fit(X, y)
    samples = forecaster(None, **choices).fit(out, y)
    assert steps.loss_curve_ == samples.loss_curve_
    np.testing.assert_array_equal(steps.network_.flat, samples.network_.flat)
    np.testing.assert_array_equal(steps.predict(X), samples.predict(out))


def test_columns_of_a_row_are_the_steps_of_a_window():
    series = np.random.default_rng(0).normal(size=N)
    X, Y = make_supervised(series, lookback=4, horizon=2)
    flat, deep = forecaster(None).fit(X, Y), forecaster(None).fit(X[:, :, None], Y)
    np.testing.assert_array_equal(flat.network_.flat, deep.network_.flat)
    np.testing.assert_array_equal(flat.predict(X), deep.predict(X[:, :, None]))
    assert flat.n_features_in_ == 4
    assert deep.n_features_in_ == 1


@pytest.mark.parametrize(("n_features", "horizon"), [(1, 1), (1, 3), (3, 2)])
def test_make_supervised_makes_the_windows_that_lookback_cuts(n_features, horizon):
    rows, _ = random(n_features)
    X, Y = make_supervised(rows[:, 0] if n_features == 1 else rows, lookback=4, horizon=horizon)
    y = np.full((len(rows), horizon), np.nan)  # aligned with the newest row of each window
    y[3 : 3 + len(Y)] = Y
    ready = forecaster(None, normalize="none").fit(X, Y)
    cut = forecaster(4, normalize="none").fit(rows, y)
    assert cut.loss_curve_ == ready.loss_curve_
    np.testing.assert_array_equal(cut.network_.flat, ready.network_.flat)
    np.testing.assert_array_equal(cut.predict(rows)[3 : 3 + len(Y)], ready.predict(X))


@pytest.mark.parametrize("lookback", [N, N + 1, 3 * N])
def test_a_lookback_longer_than_the_data(lookback):
    X, y = random()
    model = forecaster(lookback).fit(X, y)
    check_equal(model.predict(X), predicted_by_hand(model, X, y, X), "float32")
    np.testing.assert_array_equal(model.predict(X[:1]), model.predict(X)[:1])


@pytest.mark.parametrize("lookback", [None, 1, 3, 50])
@pytest.mark.parametrize("n", [1, 2, 7, N])
def test_as_many_rows_out_as_in(lookback, n):
    X, y = random(n_outputs=2)
    model = forecaster(lookback).fit(X, y)
    assert model.predict(X[:n]).shape == (n, 2)
    encoder = GRUEncoder(lookback=lookback, context="none", hidden_size=4, max_iter=1)
    assert encoder.fit(X, y).transform(X[:n]).shape == (n, 4)
    classifier = GRUClassifier(lookback=lookback, context="none", hidden_size=4, max_iter=1)
    assert classifier.fit(X, y[:, 0] > -5).predict_proba(X[:n]).shape == (n, 2)
    if n > 1:
        assert model.fit(X[:n], y[:n]).predict(X).shape == (N, 2)


def test_rows_are_complete_without_a_lookback():
    X, y = random(5)
    model = forecaster(None).fit(X, y)
    order = np.random.default_rng(0).permutation(N)
    np.testing.assert_array_equal(model.predict(X[order]), model.predict(X)[order])
    for row in range(N):
        np.testing.assert_array_equal(model.predict(X[row : row + 1]), model.predict(X)[[row]])


def arrangements():
    """The rows of three series interleaved at random, and the same rows series after series."""
    X, y = random(2, 2, n=60)
    names = np.random.default_rng(2).choice(["c", "a", "b"], 60)
    first_seen = {name: at for at, name in reversed(list(enumerate(names)))}
    order = np.argsort([first_seen[name] for name in names], kind="stable")
    return X, y, names, order


@pytest.mark.parametrize("lookback", [1, 3, 5, 40])
def test_groups_interleaved_stacked_and_named_by_an_index(lookback):
    X, y, names, order = arrangements()
    times = pd.date_range("2024-01-01", periods=60, freq="h")
    both = pd.MultiIndex.from_arrays([names, times], names=["place", "time"])
    table = pd.DataFrame(X, both, ["u", "v"])
    interleaved = forecaster(lookback).fit(X, y, groups=names)
    stacked = forecaster(lookback).fit(X[order], y[order], groups=names[order])
    indexed = forecaster(lookback).fit(table, y)
    stacked_index = forecaster(lookback).fit(table.iloc[order], y[order])
    expected = interleaved.predict(X, groups=names)
    for model in (stacked, indexed, stacked_index):
        np.testing.assert_array_equal(model.network_.flat, interleaved.network_.flat)
    np.testing.assert_array_equal(stacked.predict(X[order], groups=names[order]), expected[order])
    np.testing.assert_array_equal(stacked.predict(X, groups=names), expected)
    np.testing.assert_array_equal(indexed.predict(table), expected)
    np.testing.assert_array_equal(indexed.predict(table.iloc[order]), expected[order])
    np.testing.assert_array_equal(stacked_index.predict(table), expected)
    check_equal(expected, predicted_by_hand(interleaved, X, y, X, names), "float32")


def test_each_series_is_predicted_as_if_it_were_alone():
    X, y, names, _ = arrangements()
    model = forecaster(4).fit(X, y, groups=names)
    together = model.predict(X, groups=names)
    for name in "abc":
        own = names == name
        np.testing.assert_array_equal(model.predict(X[own]), together[own])


@pytest.mark.parametrize("names", [[3, 1, 2], [True, False, True], ["a", 1, 2.5],
                                   [("x", 1), ("x", 2), ("y", 1)],
                                   pd.Categorical(["b", "a", "b"])])  # fmt: skip
def test_groups_may_be_named_by_anything(names):
    X, y = random(2)
    groups = pd.Series(list(names)).iloc[np.arange(N) % 3].reset_index(drop=True)
    if isinstance(names, pd.Categorical):
        groups = groups.astype("category")
    model = forecaster(3).fit(X, y, groups=groups)
    by_hand = predicted_by_hand(model, X, y, X, list(groups))
    check_equal(model.predict(X, groups=groups), by_hand, "float32")
    again = model.predict(X, groups=groups.set_axis(np.arange(N)[::-1]))  # rows stand, not labels
    np.testing.assert_array_equal(again, model.predict(X, groups=groups))


def test_series_named_by_two_levels_of_an_index():
    X, y = random(2)
    levels = [np.arange(N) % 2, np.arange(N) % 3, np.arange(N)]
    model = forecaster(3).fit(pd.DataFrame(X, pd.MultiIndex.from_arrays(levels), ["u", "v"]), y)
    table = pd.DataFrame(X, pd.MultiIndex.from_arrays(levels), ["u", "v"])
    names = list(zip(*levels[:2], strict=True))
    check_equal(model.predict(table), predicted_by_hand(model, X, y, X, names), "float32")


FITTED = {}  # one model for each lookback


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    groups=st.lists(st.integers(0, 4), min_size=1, max_size=40),
    lookback=st.sampled_from([1, 2, 3, 5, 9]),
    seed=st.integers(0, 100),
)
def test_any_pattern_of_groups(groups, lookback, seed):
    X, y = random()
    if lookback not in FITTED:
        FITTED[lookback] = forecaster(lookback).fit(X, y)
    new = np.random.default_rng(seed).normal(3.0, 2.0, (len(groups), 3))
    found = FITTED[lookback].predict(new, groups=groups)
    check_equal(found, predicted_by_hand(FITTED[lookback], X, y, new, groups), "float32")


@settings(max_examples=20, deadline=None, derandomize=True)
@given(groups=st.lists(st.sampled_from("abcd"), min_size=2, max_size=30), seed=st.integers(0, 9))
def test_any_pattern_of_groups_trains_as_it_does_stacked(groups, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(len(groups), 2)), rng.normal(size=len(groups))
    names = np.array(groups)
    order = np.concatenate([np.flatnonzero(names == name) for name in dict.fromkeys(groups)])
    apart = forecaster(3).fit(X, y, groups=names)
    stacked = forecaster(3).fit(X[order], y[order], groups=names[order])
    np.testing.assert_array_equal(apart.network_.flat, stacked.network_.flat)
    np.testing.assert_array_equal(
        apart.predict(X, groups=names)[order], stacked.predict(X[order], groups=names[order])
    )
