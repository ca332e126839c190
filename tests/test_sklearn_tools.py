"""Scikit-learn's tools around an estimator, each run for real."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingRandomSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_validate,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from gruforecast.estimators.parameters import documentation
from tests.helpers import wavy_series

QUICK = {"hidden_size": 4, "max_iter": 3, "learning_rate": 0.02, "random_state": 0}
SERIES = wavy_series(121, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
LABELS = np.where(Y > 0, "rises", "falls")
TABLE = pd.DataFrame(X, columns=["wind", "sun"], index=pd.date_range("2024", periods=120, freq="h"))
WINDOWS = np.lib.stride_tricks.sliding_window_view(SERIES[:, 0], 6)[:-1]  # (115, 6)
NEXT = SERIES[6:, 0]


def forecaster(**choices):
    return GRUForecaster(**QUICK | choices)


def classifier(**choices):
    return GRUClassifier(**QUICK | choices)


def encoder(**choices):
    return GRUEncoder(**QUICK | choices)


# Searches.


def grid_search(**choices):
    grid = {
        "gruforecaster__lookback": [None, 2, 8],
        "gruforecaster__cell": ["gru", "lstm"],
    }
    return GridSearchCV(
        make_pipeline(StandardScaler(), forecaster()),
        grid,
        cv=TimeSeriesSplit(2),
        scoring={
            "mae": "neg_mean_absolute_error",
            "rmse": "neg_root_mean_squared_error",
            "r2": "r2",
        },
        refit="mae",
        error_score="raise",
        **choices,
    )


def test_a_grid_search_over_a_pipeline_with_several_scorers():
    search = grid_search().fit(X, Y)
    scores = search.cv_results_
    assert len(scores["params"]) == 6
    assert search.best_index_ == np.argmax(scores["mean_test_mae"])
    for name in ("mae", "rmse", "r2"):
        assert np.isfinite(scores[f"mean_test_{name}"]).all()
    assert len(set(scores["mean_test_mae"])) == 6  # every choice matters
    assert search.predict(X).shape == (120,)
    (_, _), (train, test) = TimeSeriesSplit(2).split(X)
    by_hand = clone(search.estimator).set_params(**scores["params"][2]).fit(X[train], Y[train])
    error = -np.abs(by_hand.predict(X[test]) - Y[test]).mean()
    assert scores["split1_test_mae"][2] == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_find_the_same_scores_to_the_last_bit(backend):
    alone = grid_search().fit(X, Y).cv_results_
    with joblib.parallel_backend(backend):
        shared = grid_search(n_jobs=2).fit(X, Y).cv_results_
    for name in alone:
        if "test" in name:
            np.testing.assert_array_equal(shared[name], alone[name])


def test_a_halving_search():
    search = HalvingRandomSearchCV(
        forecaster(),
        {"lookback": [None, 3, 6], "hidden_size": [2, 4], "learning_rate": [0.01, 0.03]},
        resource="max_iter", min_resources=1, max_resources=4, factor=2, n_candidates=4,
        cv=TimeSeriesSplit(2), scoring="neg_mean_absolute_error", random_state=0,
    ).fit(X, Y)  # fmt: skip
    assert search.n_iterations_ == 3
    assert search.best_estimator_.max_iter == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_cross_validated_predictions():
    predicted = cross_val_predict(forecaster(), WINDOWS, NEXT, cv=KFold(3))
    assert predicted.shape == NEXT.shape
    train, test = next(iter(KFold(3).split(WINDOWS)))
    by_hand = forecaster().fit(WINDOWS[train], NEXT[train]).predict(WINDOWS[test])
    np.testing.assert_array_equal(predicted[test], by_hand)
    proba = cross_val_predict(classifier(), X, LABELS, cv=3, method="predict_proba")
    assert proba.shape == (120, 2)


# Estimators around ours.


def test_a_target_on_another_scale():
    model = TransformedTargetRegressor(forecaster(lookback=4), func=np.exp, inverse_func=np.log)
    with np.errstate(invalid="raise"):
        predicted = model.fit(X, Y).predict(X)
    by_hand = np.log(forecaster(lookback=4).fit(X, np.exp(Y)).predict(X))
    np.testing.assert_allclose(predicted, by_hand, rtol=1e-12)


def test_stacking_and_voting():
    parts = [("gru", forecaster()), ("rnn", forecaster(cell="rnn")), ("ridge", Ridge())]
    stack = StackingRegressor(parts, final_estimator=Ridge(), cv=KFold(3)).fit(WINDOWS, NEXT)
    assert stack.score(WINDOWS, NEXT) > 0.5
    voting = VotingRegressor(parts, weights=[1, 1, 2]).fit(WINDOWS, NEXT)
    each = [part.fit(WINDOWS, NEXT).predict(WINDOWS) for _, part in parts]
    mean = np.average(each, axis=0, weights=[1, 1, 2])
    np.testing.assert_allclose(voting.predict(WINDOWS), mean, rtol=1e-12)


def test_permuted_columns_tell_which_one_matters():
    noise = np.random.default_rng(0).normal(size=(120, 1))
    both = np.hstack([X[:, :1], noise])
    model = forecaster(lookback=4, max_iter=20).fit(both[:90], Y[:90])
    found = permutation_importance(model, both[90:], Y[90:], n_repeats=3, random_state=0)
    assert found.importances_mean[0] > 10 * abs(found.importances_mean[1])


@pytest.mark.parametrize("lookback", [None, 5])
@pytest.mark.parametrize("make", [forecaster, classifier, encoder])
def test_copies(make, lookback, tmp_path):
    model = make(lookback=lookback, dropout=0.1, num_layers=2)
    y = LABELS if make is classifier else Y
    assert clone(model).get_params() == model.get_params()
    model.fit(X[:100], y[:100])
    apply = "transform" if make is encoder else "predict"
    expected = getattr(model, apply)(X[100:])
    assert not [name for name in vars(clone(model)) if name.endswith("_")]
    np.testing.assert_array_equal(
        getattr(clone(model).fit(X[:100], y[:100]), apply)(X[100:]), expected
    )
    joblib.dump(model, tmp_path / "model.joblib")
    copies = [
        pickle.loads(pickle.dumps(model)),
        joblib.load(tmp_path / "model.joblib"),
    ]
    for copy in copies:
        np.testing.assert_array_equal(getattr(copy, apply)(X[100:]), expected)
    if make is not encoder:  # and learning goes on as it would have
        model.partial_fit(X[100:], y[100:])
        for copy in copies:
            copy.partial_fit(X[100:], y[100:])
            np.testing.assert_array_equal(copy.predict(X), model.predict(X))


@pytest.mark.parametrize("what", ["predict", "partial_fit", "fit"])
def test_a_model_in_memory_that_cannot_be_written(what, tmp_path):
    """Joblib hands large models to its workers in this way."""
    model = forecaster(lookback=4, warm_start=True).fit(X, Y)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    if what != "predict":
        for each in (model, mapped):
            getattr(each, what)(X, Y)
    np.testing.assert_array_equal(mapped.predict(X), model.predict(X))


@pytest.mark.parametrize("frequency", ["h", "B", None])
def test_a_table_with_dates(frequency):
    index = pd.date_range("2024-01-01", periods=120, freq=frequency or "D")
    table = TABLE.set_axis(index if frequency else index.delete(5).append(index[-1:] + index.freq))
    model = forecaster(lookback=4).fit(table[:80], Y[:80])
    plain = forecaster(lookback=4).fit(X[:80], Y[:80])
    np.testing.assert_array_equal(model.predict(table[80:]), plain.predict(X[80:]))


@pytest.mark.parametrize("lookback", [None, 8])
@pytest.mark.parametrize("make", [forecaster, classifier])
def test_parts_of_a_fit_make_up_the_whole(make, lookback):
    y = LABELS if make is classifier else Y
    for schedule in ("constant", "exponential"):
        choices = {"lookback": lookback, "learning_rate_schedule": schedule, "batch_size": 16}
        whole = make(dropout=0.2, num_layers=2, **choices).fit(X, y)
        parts = clone(whole)
        for _ in range(3):
            parts.partial_fit(X, y)
        np.testing.assert_array_equal(parts.network_.flat, whole.network_.flat)
        assert parts.loss_curve_ == whole.loss_curve_
        np.testing.assert_array_equal(parts.predict(X), whole.predict(X))


@pytest.mark.parametrize("wrap", [OneVsRestClassifier, CalibratedClassifierCV])
def test_classifiers_of_classifiers(wrap):
    three = np.digitize(Y, [-0.5, 0.5])
    model = wrap(classifier(max_iter=30, batch_size=16)).fit(X, three)
    assert model.classes_.tolist() == [0, 1, 2]
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(X, three) > 0.6


# States as features.


def test_states_feed_other_estimators():
    ridge = make_pipeline(encoder(lookback=6, max_iter=10), Ridge()).fit(X, Y)
    assert ridge.score(X, Y) > 0.8
    logistic = make_pipeline(encoder(lookback=6, max_iter=10), LogisticRegression())
    assert logistic.fit(X, LABELS).score(X, LABELS) > 0.8
    clusters = make_pipeline(encoder(lookback=6), KMeans(3, random_state=0, n_init=2)).fit(X)
    assert set(clusters.predict(X)) == {0, 1, 2}


@pytest.mark.parametrize("both", [False, True])
def test_states_as_a_table(both):
    model = encoder(lookback=3, bidirectional=both).set_output(transform="pandas")
    last = model.fit(TABLE, Y).transform(TABLE)
    n = 8 if both else 4
    names = [f"gruencoder{k}" for k in range(n)]
    assert list(last.columns) == names == model.get_feature_names_out().tolist()
    assert last.index.equals(TABLE.index)
    every = model.set_params(states="all").fit(TABLE, Y).transform(TABLE)
    assert list(every.columns) == [f"{name}_{age}" for age in ("t-2", "t-1", "t") for name in names]
    forward = slice(2 * n, 2 * n + 4)  # backward in time the newest step is read first
    np.testing.assert_array_equal(every.iloc[:, forward], last.iloc[:, :4])


# Metadata routing.


def test_groups_and_weights_are_routed():
    groups, weights = np.repeat(["a", "b", "c", "d"], 30), np.linspace(0.5, 1.5, 120)
    with config_context(enable_metadata_routing=True):
        model = (
            forecaster(lookback=5, context="none")
            .set_fit_request(groups=True, sample_weight=True)
            .set_predict_request(groups=True)
            .set_score_request(groups=True, sample_weight=True)
        )
        both = {"groups": groups, "sample_weight": weights}
        found = cross_validate(model, X, Y, params=both, cv=GroupKFold(2), return_indices=True)
        for k, score in enumerate(found["test_score"]):
            train, test = found["indices"]["train"][k], found["indices"]["test"][k]
            each = clone(model).fit(
                X[train], Y[train], groups=groups[train], sample_weight=weights[train]
            )
            assert score == each.score(
                X[test], Y[test], groups=groups[test], sample_weight=weights[test]
            )
        search = GridSearchCV(model, {"lookback": [1, 5]}, cv=GroupKFold(2), error_score="raise")
        search.fit(X, Y, **both)
        assert search.cv_results_["mean_test_score"][1] == found["test_score"].mean()
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        piped = make_pipeline(scaler, model).fit(X, Y, **both)
        routed = piped.predict(X, groups=groups)
    scaled = piped[0].transform(X)
    by_hand = clone(model).fit(scaled, Y, **both)
    np.testing.assert_array_equal(routed, by_hand.predict(scaled, groups=groups))
    assert not np.array_equal(routed, by_hand.predict(scaled))


def test_the_diagram_links_to_the_documentation():
    html = forecaster(lookback=4)._repr_html_()
    assert "GRUForecaster" in html
    assert "lookback" in html or "lookback=4" in html
    if not documentation():
        pytest.skip("gruforecast is not installed: its metadata have no address")
    assert f'href="{documentation()}"' in html
