"""Scikit-learn's checks of an estimator, all but a few; labels, shapes and quantiles."""

import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import check_estimator

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from tests.helpers import wavy_series

ESTIMATORS = [GRUForecaster, GRUClassifier, GRUEncoder]
QUICK = {"hidden_size": 8, "learning_rate": 0.03, "max_iter": 60}
LONGER = {"hidden_size": 16, "learning_rate": 0.02, "max_iter": 100, "batch_size": 32}
WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
ROUNDING = {
    WEIGHTS: "a repeated row lies in several mini-batches, a weight of two in one, and sums of "
    "float32 round differently"
}
STEPS = {
    WEIGHTS: "a row that is repeated or left out changes the history of all rows after it",
    "check_methods_sample_order_invariance": "with a lookback rows are steps: their order is the "
    "series",
    "check_methods_subset_invariance": "with a lookback rows are steps: a subset has less history",
}
OTHERS = {
    "lstm": {"cell": "lstm"},
    "rnn": {"cell": "rnn"},
    "two layers, both directions": {"num_layers": 2, "bidirectional": True},
    "reset before, layer norm": {"reset_after": False, "layer_norm": True},
}
SERIES = wavy_series(121, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
LABELS = np.where(Y > 0, "rises", "falls")
TABLE = pd.DataFrame(X, columns=["wind", "sun"], index=pd.date_range("2024", periods=120, freq="h"))
BRIEF = {"hidden_size": 4, "max_iter": 3, "learning_rate": 0.02, "random_state": 0}


def forecaster(**choices):
    return GRUForecaster(**BRIEF | choices)


def classifier(**choices):
    return GRUClassifier(**BRIEF | choices)


def encoder(**choices):
    return GRUEncoder(**BRIEF | choices)


def assert_all_pass(estimator, expected, unsure=False):
    """Every check passes but those expected to fail, which do fail unless that is unsure."""
    results = check_estimator(
        estimator, expected_failed_checks=expected, on_skip=None, on_fail=None
    )
    failed = [
        f"{result['check_name']}: {result['exception']!r}"
        for result in results
        if result["status"] == "failed"
    ]
    assert not failed, "\n".join(failed)
    of = {
        status: {result["check_name"] for result in results if result["status"] == status}
        for status in ("passed", "xfail", "skipped")
    }
    assert of["xfail"] == set(expected) or (unsure and not of["xfail"])
    assert of["skipped"] <= {"check_array_api_input"}  # which has a test of its own
    assert sum(map(len, of.values())) > 40


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_rows_that_are_windows(cls):
    assert_all_pass(cls(**QUICK), ROUNDING)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_rows_that_are_windows_in_double_precision(cls):
    assert_all_pass(cls(dtype="float64", **QUICK), ROUNDING, unsure=True)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_rows_that_are_steps(cls):
    assert_all_pass(cls(lookback=8, **QUICK), STEPS)


@pytest.mark.parametrize("choice", OTHERS)
def test_other_networks(choice):
    assert_all_pass(GRUForecaster(**OTHERS[choice], **LONGER), ROUNDING)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_default_parameters(cls):
    assert_all_pass(cls(), ROUNDING)


@pytest.mark.parametrize("normalize", ["standard", "none"])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_weight_is_a_repetition_where_one_batch_holds_all_rows(cls, normalize):
    brief = QUICK | {"max_iter": 5}  # in many epochs the last bit grows to the first
    if cls is GRUClassifier:
        brief |= {"input_noise": 0.0, "time_shift": 0.0}  # a repeated row draws its own
    model = cls(dtype="float64", batch_size=1000, normalize=normalize, **brief)
    check = getattr(estimator_checks, WEIGHTS)
    check(cls.__name__, model)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_weight_of_zero_is_a_row_left_out_in_single_precision(cls):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 5)), rng.normal(size=40)
    if cls is GRUClassifier:
        y = y > 0
    model = cls(max_iter=2, hidden_size=4, random_state=0, dropout=0.2, recurrent_dropout=0.2)
    weighted = clone(model).fit(X, y, sample_weight=np.arange(40) < 25)
    left_out = model.fit(X[:25], y[:25])
    apply = "transform" if cls is GRUEncoder else "predict"
    np.testing.assert_array_equal(getattr(weighted, apply)(X), getattr(left_out, apply)(X))


def test_arrays_of_the_array_api_are_taken():
    """SciPy reads the variable when it is imported: the check needs a process of its own."""
    code = (
        "import os, unittest; os.environ['SCIPY_ARRAY_API'] = '1'\n"
        "from sklearn.utils.estimator_checks import check_array_api_input\n"
        "import gruforecast\n"
        "for name in ('GRUForecaster', 'GRUClassifier', 'GRUEncoder'):\n"
        "    for lookback in (None, 8):\n"
        "        model = getattr(gruforecast, name)(lookback=lookback, hidden_size=4, max_iter=2)\n"
        "        try:\n"
        "            check_array_api_input(name, model, 'numpy')\n"
        "        except unittest.SkipTest as reason:\n"
        "            exit(f'skipped: {reason}')\n"
        "print('done')"
    )
    run = partial(subprocess.run, capture_output=True, text=True, check=False)
    result = run([sys.executable, "-c", code])
    if result.stderr.startswith("skipped"):
        pytest.skip(result.stderr)
    assert result.stdout.strip() == "done", result.stderr


def test_names_of_columns():
    model = forecaster(lookback=4).fit(TABLE, Y)
    assert model.feature_names_in_.tolist() == ["wind", "sun"]
    assert model.n_features_in_ == 2
    for wrong in (TABLE[["sun", "wind"]], TABLE.rename(columns={"sun": "moon"})):
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(wrong)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    model.fit(X, Y)
    assert not hasattr(model, "feature_names_in_")


def test_tags():
    assert is_regressor(forecaster())
    assert is_classifier(classifier())
    assert get_tags(forecaster()).target_tags.multi_output
    assert not get_tags(forecaster()).target_tags.required  # without y the table is the series
    assert get_tags(classifier()).target_tags.required
    assert not get_tags(encoder()).target_tags.required
    for make in (forecaster, classifier, encoder):
        assert get_tags(make()).input_tags.allow_nan
        assert not get_tags(make(missing="error")).input_tags.allow_nan
        assert get_tags(make()).input_tags.three_d_array
        assert not get_tags(make(lookback=3)).input_tags.three_d_array
        assert not get_tags(make()).input_tags.sparse


LABEL_KINDS = {
    "text": np.array(["b", "a", "c"]),
    "objects": np.array(["b", "a", "c"], dtype=object),
    "booleans": np.array([True, False, True]),
    "whole numbers": np.array([7, -1, 3]),
    "floats": np.array([2.0, 1.0, 3.0]),
    "categories": pd.Series(pd.Categorical(["low", "high", "mid"], ["low", "mid", "high"])),
    "pandas text": pd.Series(["b", "a", "c"], dtype="string"),
    "pandas whole numbers": pd.Series([7, -1, 3], dtype="Int64"),
    "pandas booleans": pd.Series([True, False, True], dtype="boolean"),
}


@pytest.mark.parametrize("kind", LABEL_KINDS)
def test_labels_of_any_type(kind):
    labels = LABEL_KINDS[kind]
    at = np.random.default_rng(0).integers(0, 3, 120)
    y = labels.iloc[at].reset_index(drop=True) if hasattr(labels, "iloc") else labels[at]
    model = classifier(max_iter=1).fit(X, y)
    assert model.classes_.tolist() == sorted(set(labels.tolist()))
    predicted = model.predict(X)
    assert predicted.dtype == model.classes_.dtype
    assert set(predicted.tolist()) <= set(labels.tolist())
    assert 0.0 <= model.score(X, y) <= 1.0


UNTOLD = {"text", "booleans", "whole numbers"}


@pytest.mark.parametrize("kind", sorted(set(LABEL_KINDS) - UNTOLD))
def test_missing_labels_do_not_train(kind):
    labels = LABEL_KINDS[kind]
    y = pd.Series(labels).take(np.arange(120) % 3).reset_index(drop=True)
    gone = np.arange(120) % 7 == 0
    model = classifier().fit(X, y.mask(gone))
    assert model.classes_.tolist() == sorted(set(labels.tolist()))
    left_out = classifier().fit(X, y, sample_weight=~gone)
    np.testing.assert_array_equal(model.predict_proba(X), left_out.predict_proba(X))


def test_weights_of_classes():
    rare = np.where(np.arange(120) % 10 == 0, "rare", "often")
    plain = classifier().fit(X, rare)
    balanced = classifier(class_weight="balanced").fit(X, rare)
    by_dict = classifier(class_weight={"rare": 5.0, "often": 120 / 216}).fit(X, rare)
    weights = np.where(rare == "rare", 5.0, 120 / 216)
    by_row = classifier().fit(X, rare, sample_weight=weights)
    expected = balanced.predict_proba(X)
    np.testing.assert_array_equal(by_dict.predict_proba(X), expected)
    np.testing.assert_array_equal(by_row.predict_proba(X), expected)
    assert (expected[:, 1] > plain.predict_proba(X)[:, 1]).mean() > 0.9


def test_warm_start_keeps_classes_and_tokens():
    three = np.arange(120) % 3
    model = classifier(warm_start=True).fit(X, three)
    assert model.fit(X, three % 2).predict_proba(X).shape == (120, 3)
    words = [["a"], ["b", "c"]] * 60
    model = classifier(warm_start=True, embedding_size=2).fit(words, three)
    model.fit([["a"]] * 120, three)
    assert model.predict([["c", "b"]]).shape == (1,)


def test_predictions_have_the_shape_of_y():
    one, two = Y[:, None], np.column_stack([Y, -Y])
    for y in (Y, list(Y), pd.Series(Y)):
        assert forecaster().fit(X, y).predict(X[:7]).shape == (7,)
    for y, k in ((one, 1), (pd.DataFrame(one), 1), (two, 2), (pd.DataFrame(two), 2)):
        model = forecaster().fit(X, y)
        assert model.predict(X[:7]).shape == (7, k)
        assert model.n_outputs_ == k
    model = forecaster(loss="quantile").fit(X, two)
    assert model.predict_quantiles(X[:7]).shape == (7, 2, 3)
    assert model.fit(X, Y).predict_quantiles(X[:7]).shape == (7, 3)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        assert classifier().fit(X, LABELS[:, None]).predict(X[:7]).shape == (7,)


@pytest.mark.parametrize("loss", ["quantile", "gaussian", "student_t", "poisson"])
@pytest.mark.parametrize("columns", [None, 2])
def test_quantiles_never_cross(loss, columns):
    y = np.round(10 * (Y - Y.min()))
    y = y if columns is None else np.column_stack([y, y[::-1]])
    levels = (0.05, 0.3, 0.5, 0.7, 0.95)
    model = forecaster(loss=loss, quantiles=levels, learning_rate=0.3).fit(X, y)
    found = model.predict_quantiles(50 * np.random.default_rng(0).normal(size=(120, 2)))
    assert found.shape == (120, *y.shape[1:], 5)
    assert (np.diff(found, axis=-1) >= 0).all()
    np.testing.assert_array_equal(
        model.predict_quantiles(X, (0.3, 0.7)), model.predict_quantiles(X)[..., [1, 3]]
    )


QUANTILES = {  # that are trained, and what their median is made of
    (0.1, 0.5, 0.9): {1: 1.0},
    (0.5,): {0: 1.0},
    (0.7,): {0: 1.0},
    (0.2, 0.6): {0: 0.25, 1: 0.75},
    (0.1, 0.4, 0.6): {1: 0.5, 2: 0.5},
    (0.6, 0.9): {0: 1.0},
    (0.1, 0.2): {1: 1.0},
}


@pytest.mark.parametrize("levels", QUANTILES)
def test_the_prediction_of_quantiles_is_their_median(levels):
    model = forecaster(loss="quantile", quantiles=levels).fit(X, Y)
    parts = model.predict_quantiles(X)
    median = sum(share * parts[:, at] for at, share in QUANTILES[levels].items())
    np.testing.assert_allclose(model.predict(X), median, rtol=1e-12)


@pytest.mark.parametrize("loss", ["gaussian", "student_t", "poisson"])
@pytest.mark.parametrize("columns", [None, 2])
def test_a_distribution_agrees_with_its_prediction_and_quantiles(loss, columns):
    y = np.round(4 * (Y - Y.min()))
    y = y if columns is None else np.column_stack([y, y[::-1]])
    model = forecaster(loss=loss).fit(X, y)
    distribution, predicted = model.predict_distribution(X), model.predict(X)
    center = distribution.median() if loss == "student_t" else distribution.mean()
    np.testing.assert_allclose(center, predicted, rtol=1e-12)
    assert center.shape == predicted.shape == (120, *y.shape[1:])
    levels = (0.1, 0.5, 0.9)
    expected = np.stack([distribution.ppf(level) for level in levels], axis=-1)
    np.testing.assert_array_equal(model.predict_quantiles(X), expected)
    np.testing.assert_allclose(np.stack(distribution.interval(0.8), -1), expected[..., [0, 2]])
    assert (distribution.std() > 0).all()
