"""Targets that are missing do not train; what the tags say about missing values."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from sklearn.utils import get_tags

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from gruforecast.network import Network, Windows
from tests.helpers import wavy_series

N, LOOKBACK, NAN = 40, 4, np.nan
BRIEF = {"hidden_size": 4, "max_iter": 3, "learning_rate": 0.05, "random_state": 0}
SERIES = wavy_series(N + 2, 2)
X = SERIES[:N]
Y = np.column_stack([SERIES[1 : N + 1, 0], SERIES[2 : N + 2, 0]])
LACKING = np.random.default_rng(0).random(N) < 0.4


def forecaster(**choices):
    return GRUForecaster(**BRIEF | choices)


def with_gaps(y, lacking=LACKING):
    y = y.copy()
    y[lacking] = NAN
    return y


def check_same(found, expected):
    assert found.loss_curve_ == expected.loss_curve_
    np.testing.assert_array_equal(found.network_.flat, expected.network_.flat)


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "gaussian", "poisson"])
@pytest.mark.parametrize("y", [Y[:, 0], Y], ids=["one output", "two outputs"])
def test_complete_windows_without_a_target_are_as_if_dropped(loss, y):
    y = np.abs(y)
    found = forecaster(loss=loss).fit(X, with_gaps(y))
    expected = forecaster(loss=loss).fit(X[~LACKING], y[~LACKING])
    check_same(found, expected)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    assert found.predict(X).shape == y.shape


def test_a_weight_of_zero_is_as_good_as_a_missing_target():
    found = forecaster().fit(X, Y[:, 0], sample_weight=1.0 - LACKING)
    check_same(found, forecaster().fit(X, with_gaps(Y[:, 0])))


@pytest.mark.parametrize("missing", [None, NAN, pd.NA])
def test_rows_without_a_label_are_as_if_dropped(missing):
    labels = np.where(Y[:, 0] > 0, "up", "down").astype(object)
    lacking = np.where(LACKING, missing, labels)
    for cls, choices in ((GRUClassifier, {}), (GRUEncoder, {"loss": "cross_entropy"})):
        found = cls(**BRIEF | choices).fit(X, lacking)
        expected = cls(**BRIEF | choices).fit(X[~LACKING], labels[~LACKING])
        check_same(found, expected)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("grouped", [False, True])
def test_rows_without_a_target_are_history_all_the_same(n_outputs, grouped):
    """As complete windows, each with what is missing at its start, of the rows that train."""
    choices = {"normalize": "none", "missing": "ffill"}
    y, groups = Y[:, :n_outputs], np.arange(N) % 3 if grouped else np.zeros(N)
    windows = np.full((N, LOOKBACK, 2), NAN)
    for t in range(N):
        own = np.flatnonzero(groups[: t + 1] == groups[t])[-LOOKBACK:]
        windows[t, LOOKBACK - len(own) :] = X[own]
    order = np.argsort(groups, kind="stable")
    trains = order[~LACKING[order]]
    found = forecaster(lookback=LOOKBACK, **choices).fit(X, with_gaps(y), groups=groups)
    check_same(found, forecaster(**choices).fit(windows[trains], y[trains]))
    dropped = forecaster(lookback=LOOKBACK, **choices)
    dropped.fit(X[~LACKING], y[~LACKING], groups=groups[~LACKING])
    assert (found.network_.flat != dropped.network_.flat).any()


def test_scales_of_targets_are_those_of_the_rows_that_train():
    y = 5.0 + 3.0 * Y[:, 0]
    model = forecaster(lookback=LOOKBACK, max_iter=1, learning_rate=1e-12).fit(X, with_gaps(y))
    known = y[~LACKING]
    start = Network(model.network_.specification, seed=0)
    x = (X - X.mean(axis=0)) / X.std(axis=0)  # a step counts whether or not its row trains
    ends = np.arange(N) + 1
    lengths = np.minimum(ends, LOOKBACK)
    raw = start.predict(Windows(x, ends - lengths, LOOKBACK, lengths=lengths))[:, 0]
    np.testing.assert_allclose(model.predict(X), raw * known.std() + known.mean(), rtol=1e-6)


LOSSES = {"squared_error": np.square, "absolute_error": np.abs}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_trains_with_the_targets_that_it_has(loss):
    """The loss is the mean over the targets that are known, by hand at the starting weights."""
    y = with_gaps(Y, np.random.default_rng(1).random(Y.shape) < 0.4)
    assert {0, 1, 2} == set(np.isnan(y).sum(axis=1))
    weights = np.random.default_rng(2).random(N) + 0.5
    model = forecaster(loss=loss, max_iter=1, batch_size=N, dtype="float64")
    model.fit(X[:, :, None], y, sample_weight=weights)
    shares = np.where(np.isnan(y), 0.0, weights[:, None])
    trains = (shares > 0).any(axis=1)  # the others have no say in the scale of X
    of_steps = np.where(trains, weights, 0.0)[:, None].repeat(2, axis=1)
    center = np.nansum(shares * y, axis=0) / shares.sum(axis=0)
    scale = np.sqrt(np.nansum(shares * (y - center) ** 2, axis=0) / shares.sum(axis=0))
    x = X - np.average(X, weights=of_steps)
    x /= np.sqrt(np.average(x**2, weights=of_steps))
    start = Network(model.network_.specification, seed=0)
    raw = start.predict(Windows.from_array(x[:, :, None], dtype="float64"))
    errors = LOSSES[loss](raw - (y - center) / scale)
    by_hand = np.nansum(shares * errors) / shares.sum()
    np.testing.assert_allclose(model.loss_curve_[0], by_hand, rtol=1e-12)


def test_what_stands_beside_a_missing_target_trains():
    y = with_gaps(Y)
    y[:, 1] = Y[:, 1]  # rows lack the first target alone
    expected = forecaster(normalize="none").fit(X, y)
    other = y.copy()
    other[np.flatnonzero(LACKING)[0], 1] += 1.0
    found = forecaster(normalize="none").fit(X, other)
    assert (found.network_.flat != expected.network_.flat).any()


def test_a_column_without_any_target_is_refused():
    y = Y.copy()
    y[:, 1] = NAN
    with pytest.raises(ValueError, match="y: expected a value in every column .* in column 1"):
        forecaster().fit(X, y)


def test_states_do_not_learn_from_windows_whose_newest_step_is_missing():
    windows = np.stack([SERIES[k : N + k] for k in range(3)], axis=1)
    lacking = windows.copy()
    lacking[LACKING, -1] = NAN
    model = GRUEncoder(missing="ffill", **BRIEF).fit(lacking)
    expected = GRUEncoder(missing="ffill", **BRIEF).fit(windows[~LACKING])
    check_same(model, expected)
    np.testing.assert_array_equal(model.transform(lacking), expected.transform(lacking))


@pytest.mark.parametrize("lookback", [None, LOOKBACK])
def test_targets_that_are_all_missing_are_refused(lookback):
    message = "^y: expected at least one .*, got .*; pass more rows"
    nothing = np.full(N, NAN)
    for cls in (GRUForecaster, GRUClassifier, GRUEncoder):
        with pytest.raises(ValueError, match=message) as caught:
            cls(lookback=lookback, **BRIEF).fit(X, nothing)
        assert str(caught.value).endswith(".")
    with pytest.raises(ValueError, match=message):
        forecaster(lookback=lookback).fit(X, with_gaps(Y[:, 0]), sample_weight=1.0 * LACKING)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_targets_that_are_infinite_are_refused(value):
    y = Y[:, 0].copy()
    y[3] = value
    with pytest.raises(ValueError, match="y contains infinity"):
        forecaster().fit(X, y)


def test_a_score_leaves_out_rows_without_a_target():
    model = forecaster(lookback=LOOKBACK).fit(X, Y)
    y = with_gaps(Y)
    y[np.flatnonzero(~LACKING)[0], 1] = NAN
    known = ~np.isnan(y).any(axis=1)
    expected = r2_score(Y[known], model.predict(X)[known])
    assert model.score(X, y) == expected
    weights = np.random.default_rng(0).random(N)
    expected = r2_score(Y[known], model.predict(X)[known], sample_weight=weights[known])
    assert model.score(X, y, sample_weight=weights) == expected


@pytest.mark.parametrize("cls", [GRUForecaster, GRUClassifier, GRUEncoder])
@pytest.mark.parametrize("missing", ["mask", "ffill", "error"])
@pytest.mark.parametrize("lookback", [None, LOOKBACK])
def test_tags_say_whether_missing_values_are_taken(cls, missing, lookback):
    model = cls(missing=missing, lookback=lookback, **BRIEF)
    y = Y[:, 0] > 0 if cls is GRUClassifier else Y[:, 0]
    rows = X.copy()
    rows[3, 1] = NAN
    allowed = get_tags(model).input_tags.allow_nan
    assert allowed == (missing != "error")
    model.fit(X, y)
    if allowed:
        model.fit(rows, y)
        return
    with pytest.raises(ValueError, match="expected no missing value"):
        model.fit(rows, y)


@pytest.mark.parametrize("cls", [GRUClassifier, GRUEncoder])
@pytest.mark.parametrize("missing", ["mask", "error"])
def test_tags_say_whether_missing_tokens_are_taken(cls, missing):
    model = cls(embedding_size=3, missing=missing, **BRIEF)
    tokens, labels = np.array([[1, 2], [2, NAN], [2, 1]] * 4), list("abc" * 4)
    if get_tags(model).input_tags.allow_nan:
        model.fit(tokens, labels)
        return
    with pytest.raises(ValueError, match="missing"):
        model.fit(tokens, labels)


@pytest.mark.parametrize("cls", [GRUForecaster, GRUClassifier, GRUEncoder])
@pytest.mark.parametrize("lookback", [None, LOOKBACK])
def test_tags_say_whether_windows_are_taken(cls, lookback):
    model = cls(lookback=lookback, **BRIEF)
    y = Y[:, 0] > 0 if cls is GRUClassifier else Y[:, 0]
    windows = np.stack([X, X], axis=1)
    if get_tags(model).input_tags.three_d_array:
        model.fit(windows, y)
        return
    with pytest.raises(ValueError, match=r"^X: expected rows that are consecutive steps \(2-D\)"):
        model.fit(windows, y)
