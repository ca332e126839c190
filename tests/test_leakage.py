"""Noise in the future of a series moves no bit of what was predicted before."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster, make_supervised
from gruforecast.data.rows import Steps
from tests.helpers import wavy_series

N, N_TRAIN = 130, 90
LOOKBACK = 5
BRIEF = {"hidden_size": 4, "max_iter": 2, "learning_rate": 0.05, "random_state": 0}
LOSSES = ["squared_error", "absolute_error", "huber", "quantile", "gaussian", "student_t",
          "poisson"]  # fmt: skip


def forecaster(**choices):
    return GRUForecaster(**{"lookback": LOOKBACK} | BRIEF | choices)


def noise(shape, seed=7):
    return 1e3 * np.random.default_rng(seed).standard_normal(shape)


def walk(gaps=False, seed=0):
    """Rows, and as the target of each row the first column of the next one."""
    series = wavy_series(N + 1, 2, seed)
    X, y = series[:-1].copy(), series[1:, 0]
    if gaps:
        X[np.random.default_rng(1).random(X.shape) < 0.3] = np.nan
    return X, y


def corrupted(X, after):
    """X with noise in every row after this one."""
    X = X.copy()
    X[after + 1 :] = noise(X[after + 1 :].shape)
    return X


def changed(predict, X, after, corrupt=corrupted):
    """Numbers of the rows whose predictions noise after this row changes."""
    before, now = predict(X), predict(corrupt(X, after))
    differs = (before != now).reshape(len(X), -1).any(axis=1)
    return np.flatnonzero(differs)


def check_future(predict, X, rows, corrupt=corrupted):
    """No row up to the corrupted ones changes, but the very next one does."""
    for after in rows:
        found = changed(predict, X, after, corrupt)
        assert found.min(initial=len(X)) == after + 1, f"rows {found} when those after {after} do"


NETWORKS = {
    "one step": {"lookback": 1},
    "lstm": {"cell": "lstm"},
    "rnn": {"cell": "rnn"},
    "reset before": {"reset_after": False},
    "two layers": {"num_layers": 2},
    "both directions": {"bidirectional": True},
    "both directions, two layers": {"bidirectional": True, "num_layers": 2},
    "both directions, lstm": {"bidirectional": True, "cell": "lstm"},
    "both directions, rnn": {"bidirectional": True, "cell": "rnn"},
    "layer norm, dropout": {"layer_norm": True, "dropout": 0.3, "recurrent_dropout": 0.3},
    "unscaled": {"normalize": "none"},
    "float64": {"dtype": "float64"},
    "longer than the data": {"lookback": 3 * N},
}


@pytest.mark.parametrize("case", NETWORKS)
def test_a_row_sees_no_row_after_it(case):
    X, y = walk()
    model = forecaster(**NETWORKS[case]).fit(X[:N_TRAIN], y[:N_TRAIN])
    check_future(model.predict, X, (70, N_TRAIN - 1, N_TRAIN, 110))
    check_future(model.predict, X[N_TRAIN:], (0, 1, 7, 30))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss):
    X, y = walk()
    y = np.round(np.abs(3 * y)) if loss == "poisson" else y
    model = forecaster(loss=loss).fit(X[:N_TRAIN], y[:N_TRAIN])
    check_future(model.predict, X, (70, N_TRAIN - 1, 110))
    if loss in ("quantile", "gaussian"):
        check_future(model.predict_quantiles, X, (100,))
    if loss in ("gaussian", "student_t"):
        check_future(lambda rows: model.predict_distribution(rows).std(), X, (100,))


@pytest.mark.parametrize("case", ["squared_error", "both directions", "mask", "groups", "index"])
def test_a_walk_forward_from_the_series_to_the_forecast(case):
    """The targets of later rows are corrupted, too: those of rows that train end in time."""
    X, y = walk(gaps=case == "mask")
    model = forecaster(bidirectional=case == "both directions")
    groups = np.arange(N) % 3 if case == "groups" else None

    def run(X, y):
        part = None if groups is None else groups[:N_TRAIN]
        if case == "index":
            X = pd.DataFrame(X, pd.date_range("2024-01-01", periods=N, freq="h"))
        model.fit(X[:N_TRAIN], y[:N_TRAIN], groups=part)
        return model.predict(X, groups=groups)

    expected = run(X, y)
    for after in (N_TRAIN, N_TRAIN + 20):
        later = y.copy()
        later[N_TRAIN:] = noise(N - N_TRAIN)
        found = run(corrupted(X, after), later)
        np.testing.assert_array_equal(found[: after + 1], expected[: after + 1])
        assert (found[after + 1 :] != expected[after + 1 :]).any()


@pytest.mark.parametrize("n_features", [1, 2])
def test_windows_that_are_complete_are_rows_apart(n_features):
    series = wavy_series(N, n_features)
    X, y = make_supervised(series[:, 0] if n_features == 1 else series, LOOKBACK, 1)
    model = forecaster(lookback=None, bidirectional=True).fit(X[:80], y[:80])
    check_future(model.predict, X, (0, 40, 79, 100))


@pytest.mark.parametrize("missing", ["mask", "ffill"])
@pytest.mark.parametrize("into", ["noise", "gaps", "nothing but gaps"])
def test_missing_values_are_not_filled_from_the_future(missing, into):
    X, y = walk(gaps=True)
    X[N_TRAIN + 10 : N_TRAIN + 16, 0] = np.nan

    def corrupt(X, after):
        X, later = X.copy(), slice(after + 1, None)
        values = noise(X[later].shape)
        holes = np.random.default_rng(2).random(values.shape) < 0.5
        holes[0] = False
        X[later] = values
        if into == "gaps":
            X[later][holes] = np.nan
        if into == "nothing but gaps":
            X[later] = np.nan
        return X

    model = forecaster(missing=missing).fit(X[:N_TRAIN], y[:N_TRAIN])
    for after in (70, N_TRAIN - 1, N_TRAIN + 9, N_TRAIN + 12):
        found = changed(model.predict, X, after, corrupt)
        assert found.min() > after
    windows, y = make_supervised(X, LOOKBACK, 1)
    model = forecaster(lookback=None, missing=missing).fit(windows[:80], y[:80])
    for after in (0, 79, 100):
        assert changed(model.predict, windows, after, corrupt).min() > after


@pytest.mark.parametrize("arranged", ["groups", "MultiIndex"])
def test_series_beside_each_other(arranged):
    X, y = walk()
    names = np.random.default_rng(3).choice(list("abc"), N)
    times = pd.date_range("2024-01-01", periods=N, freq="h")
    index = pd.MultiIndex.from_arrays([names, times])

    def rows(X, n=N):
        return pd.DataFrame(X, index)[:n] if arranged == "MultiIndex" else X[:n]

    def groups(n=N):
        return {"groups": names[:n]} if arranged == "groups" else {}

    model = forecaster().fit(rows(X, N_TRAIN), y[:N_TRAIN], **groups(N_TRAIN))
    check_future(lambda X: model.predict(rows(X), **groups()), X, (N_TRAIN - 1, 110))

    def corrupt(X, after):  # one series alone
        return np.where((names == "a")[:, None], corrupted(X, after), X)

    after = N_TRAIN + 5
    found = changed(lambda X: model.predict(rows(X), **groups()), X, after, corrupt)
    assert found.min() > after
    assert set(names[found]) == {"a"}


@pytest.mark.parametrize("context", ["auto", "train", "none"])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("first", [0, N_TRAIN])
def test_what_is_known_of_the_training_rows(context, indexed, first):
    """Also at the start of the training rows, which are predicted as they were in training."""
    X, y = walk()
    stamps = pd.date_range("2024-01-01", periods=N, freq="h")

    def rows(X):
        return pd.DataFrame(X, stamps[first : first + len(X)]) if indexed else X

    known = pd.DataFrame(X, stamps)[:N_TRAIN] if indexed else X[:N_TRAIN]
    model = forecaster(context=context).fit(known, y[:N_TRAIN])
    check_future(lambda X: model.predict(rows(X)), X[first:], (0, 2, 10, 30))


@pytest.mark.parametrize("lookback", [None, LOOKBACK])
def test_classes(lookback):
    X, y = walk()
    model = GRUClassifier(lookback=lookback, **BRIEF).fit(X[:N_TRAIN], y[:N_TRAIN] > 0)
    for method in (model.predict_proba, model.decision_function):
        check_future(method, X, (70, N_TRAIN - 1, 110))


@pytest.mark.parametrize("states", ["last", "all"])
@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_states(states, supervised, bidirectional):
    X, y = walk()
    model = GRUEncoder(lookback=LOOKBACK, states=states, bidirectional=bidirectional, **BRIEF)
    model.fit(X[:N_TRAIN], y[:N_TRAIN] if supervised else None)
    check_future(model.transform, X, (70, N_TRAIN - 1, 110))


@pytest.mark.parametrize("shift", [1, 2])
@pytest.mark.parametrize("indexed", [False, True])
def test_windows_that_reach_into_the_future_would_be_noticed(monkeypatch, shift, indexed):
    X, y = walk()
    material = Steps.material

    def shifted(self, *arguments, **options):
        found = material(self, *arguments, **options)
        last = len(found.series) - found.lengths
        return found._replace(starts=np.minimum(found.starts + shift, last))

    monkeypatch.setattr(Steps, "material", shifted)
    X = pd.DataFrame(X, pd.date_range("2024-01-01", periods=N, freq="h")) if indexed else X
    model = forecaster().fit(X[:N_TRAIN], y[:N_TRAIN])

    def corrupt(X, after):
        noisy = corrupted(np.asarray(X), after)
        return pd.DataFrame(noisy, X.index) if indexed else noisy

    for after in (70, N_TRAIN - 1, 110):
        assert changed(model.predict, X, after, corrupt).min() == after - shift + 1
        with pytest.raises(AssertionError, match="rows"):
            check_future(model.predict, X, (after,), corrupt)


VALIDATING = {"early_stopping": True, "validation_fraction": 0.2, "max_iter": 1}
ESTIMATORS = [GRUForecaster, GRUClassifier, GRUEncoder]


def first_loss(cls, X, y, *, groups=None, **choices):
    """The training loss of the first epoch: it knows the scales and the rows that train."""
    model = cls(**{"lookback": LOOKBACK} | BRIEF | VALIDATING | choices)
    y = y > 0 if cls is GRUClassifier else y
    return model.fit(X, y, groups=groups).loss_curve_[0]


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("lookback", [None, 1, LOOKBACK])
@pytest.mark.parametrize("grouped", [False, True])
def test_rows_that_validate_influence_neither_scales_nor_training(cls, lookback, grouped):
    X, y = (part[:100] for part in walk())
    groups, position = None, np.arange(100)
    if grouped:
        groups, position = np.arange(100) % 2, np.arange(100) // 2
    choices = {"lookback": lookback, "groups": groups if lookback else None}
    grouped = grouped and lookback is not None
    validates = position >= 40 if grouped else np.arange(100) >= 80
    if cls is GRUClassifier and lookback is None:  # a share of each class
        validates = np.zeros(100, bool)
        for label in (False, True):
            rows = np.flatnonzero((y > 0) == label)
            validates[rows[len(rows) - round(0.2 * len(rows)) :]] = True
    expected = first_loss(cls, X, y, **choices)
    noisy = np.where(validates[:, None], noise(X.shape), X), np.where(validates, noise(100), y)
    if cls is GRUClassifier and lookback is None:
        noisy = noisy[0], y
    assert first_loss(cls, *noisy, **choices) == expected
    gaps = np.where(validates[:, None], np.nan, X)
    assert first_loss(cls, gaps, noisy[1], **choices) == expected
    last = np.flatnonzero(~validates)[-2 - grouped :]  # before what is purged
    touched = y.copy()
    touched[last] = -touched[last]
    assert first_loss(cls, X, touched, **choices) != expected


@pytest.mark.parametrize("n_outputs", [1, 2, 5])
@pytest.mark.parametrize(("lookback", "n_series"), [(None, 1), (LOOKBACK, 1), (LOOKBACK, 2)])
def test_rows_whose_targets_reach_into_the_validation_rows_do_not_train(
    n_outputs, lookback, n_series
):
    series = wavy_series(100 + n_outputs, 2)
    X = series[:100]
    Y = np.column_stack([series[k : k + 100, 0] for k in range(1, n_outputs + 1)])
    groups = np.repeat(np.arange(n_series), 100 // n_series) if lookback else None
    size = 100 // n_series
    position, first = np.arange(100) % size, round(0.8 * size)
    choices = {"lookback": lookback, "groups": groups}
    expected = first_loss(GRUForecaster, X, Y, **choices)
    for row in range(first - n_outputs - 3, size):
        trains = row < first - n_outputs
        touched = np.where((position == row)[:, None], noise(Y.shape), Y)
        assert (first_loss(GRUForecaster, X, touched, **choices) != expected) == trains, row
