"""Bad input to the estimators gets one sentence that says what to do; odd input is survived."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster

RNG = np.random.default_rng(0)
X, Y, LABELS = RNG.normal(size=(30, 4)), RNG.normal(size=30), np.arange(30) % 3
WINDOWS, COUNTS = RNG.normal(size=(30, 4, 2)), RNG.poisson(3, 30)
TOKENS = [["a", "b"], ["c"], ["a", "c", "b"]] * 10
TABLE = pd.DataFrame(X, columns=list("abcd"))
DAYS = pd.date_range("2024-01-01", periods=30)
QUICK = {"hidden_size": 4, "max_iter": 1, "random_state": 0}


def forecaster(**choices):
    return GRUForecaster(**QUICK | choices)


def classifier(**choices):
    return GRUClassifier(**QUICK | choices)


def encoder(**choices):
    return GRUEncoder(**QUICK | choices)


def fit(x, y=Y, *, sample_weight=None, groups=None, **choices):
    return forecaster(**choices).fit(x, y, sample_weight=sample_weight, groups=groups)


def classify(y, x=X, **choices):
    return classifier(**choices).fit(x, y)


def read(tokens, **choices):
    return classifier(embedding_size=2, **choices).fit(tokens, LABELS)


def again(x=X, y=Y, first=(X, Y), changes=(), **choices):
    """A second fit, which goes on from the first with some parameters changed."""
    model = forecaster(warm_start=True, **choices).fit(*first)
    return model.set_params(**dict(changes)).fit(x, y)


def quantiles(loss, wanted):
    return fit(X, loss=loss).predict_quantiles(X, wanted)


def but(value, at=(3, 1), array=X):
    changed = np.array(array, dtype=np.result_type(array, type(value)))
    changed[at] = value
    return changed


PARAMETERS = {
    (GRUForecaster, "lookback", 0): "lookback: expected at least 1, got 0",
    (GRUForecaster, "lookback", 2.5): "lookback: expected a whole number, got 2.5",
    (GRUForecaster, "lookback", "8"): "expected a whole number, got '8'",
    (GRUForecaster, "context", "trian"): "expected one of auto, none, train, .* mean 'train'?",
    (GRUForecaster, "cell", "gur"): "cell: expected one of gru, lstm, rnn, .* did you mean 'gru'?",
    (GRUEncoder, "cell", None): "cell: expected one of gru, lstm, rnn, got None",
    (GRUForecaster, "hidden_size", 8.0): "hidden_size: expected a whole number",
    (GRUClassifier, "hidden_size", True): "hidden_size: expected a whole number, got True",
    (GRUForecaster, "num_layers", 0): "num_layers: expected at least 1",
    (GRUForecaster, "bidirectional", 1): "bidirectional: expected True or False, got 1",
    (GRUForecaster, "reset_after", "no"): "reset_after: expected True or False",
    (GRUForecaster, "layer_norm", None): "layer_norm: expected True or False",
    (GRUForecaster, "dropout", 1.0): r"dropout: expected a finite number in \[0, 1\)",
    (GRUForecaster, "dropout", "a"): "dropout: expected a number, got 'a'",
    (GRUForecaster, "recurrent_dropout", -0.1): "recurrent_dropout: expected a finite number",
    (GRUForecaster, "normalize", "standrad"): "did you mean 'standard'?",
    (GRUForecaster, "missing", "drop"): "missing: expected one of error, ffill, mask",
    (GRUForecaster, "optimizer", "adamm"): "optimizer: .* did you mean 'adam",
    (GRUForecaster, "learning_rate", 0): r"learning_rate: expected a finite number in \(0, inf\)",
    (GRUForecaster, "learning_rate", np.inf): "learning_rate: expected a finite number",
    (GRUForecaster, "learning_rate_schedule", "cosin"): "did you mean 'cosine'?",
    (GRUForecaster, "momentum", 1.0): r"momentum: expected a finite number in \[0, 1\)",
    (GRUForecaster, "batch_size", "auto"): "batch_size: expected a whole number, got 'auto'",
    (GRUForecaster, "max_iter", 0): "max_iter: expected at least 1, got 0",
    (GRUForecaster, "clip_norm", 0.0): "clip_norm: expected a finite number",
    (GRUForecaster, "clip_value", "a"): "clip_value: expected a number",
    (GRUForecaster, "alpha", -1): "alpha: expected a finite number",
    (GRUForecaster, "l1_ratio", 1.5): r"l1_ratio: expected a finite number in \[0, 1\], got 1.5",
    (GRUForecaster, "early_stopping", "yes"): "early_stopping: expected True, False",
    (GRUForecaster, "validation_fraction", 1.0): "validation_fraction: expected a finite number",
    (GRUForecaster, "n_iter_no_change", 0): "n_iter_no_change: expected at least 1",
    (GRUForecaster, "tol", -1e-9): "tol: expected a finite number",
    (GRUForecaster, "warm_start", "yes"): "warm_start: expected True or False",
    (GRUForecaster, "n_jobs", 0): "n_jobs: expected a number of threads, -1 or None, got 0",
    (GRUForecaster, "n_jobs", "all"): "n_jobs: expected a whole number",
    (GRUForecaster, "dtype", "float16"): "dtype: expected one of float32, float64",
    (GRUForecaster, "random_state", "seed"): "random_state: expected a whole number",
    (GRUForecaster, "random_state", -1): "random_state: expected at least 0",
    (GRUForecaster, "verbose", -1): "verbose: expected at least 0",
    (GRUForecaster, "loss", "squard_error"): "loss: .* did you mean 'squared_error'?",
    (GRUEncoder, "loss", "poisson"): "loss: expected one of .* got 'poisson'",
    (GRUForecaster, "quantiles", 0.5): r"pass a tuple such as \(0.1, 0.5, 0.9\)",
    (GRUForecaster, "quantiles", ()): "quantiles: expected at least one",
    (GRUForecaster, "quantiles", (0.9, 0.1)): "quantiles: expected rising values",
    (GRUForecaster, "quantiles", (0.5, 1.0)): r"quantiles: .* in \(0, 1\), got 1.0",
    (GRUClassifier, "class_weight", "balance"): "class_weight: expected None, 'balanced' or",
    (GRUClassifier, "embedding_size", 0): "embedding_size: expected at least 1",
    (GRUClassifier, "handle_unknown", "skip"): "handle_unknown: expected one of error, ignore",
    (GRUEncoder, "states", "first"): "states: expected one of all, last",
}

OURS = {
    # X
    "NaN refused": (lambda: fit(but(np.nan), missing="error"), r"X: .* got NaN at \(3, 1\)"),
    "NaN in windows": (lambda: fit(WINDOWS * np.nan, missing="error"), r"got NaN at \(0, 0, 0\)"),
    "too large": (lambda: fit(but(1e39), normalize="none"), r"X: expected .* got 1e\+39"),
    "too large, steps": (lambda: fit(but(1e39), lookback=3, normalize="none"), "X: expected"),
    "too large later": (lambda: fit(X).predict(but(1e40)), r"X: expected .* got 1e\+40"),
    "spread": (lambda: fit(but(1e200), lookback=3), "X: .* spread is finite, .* column 1"),
    "greater spread": (lambda: fit(but(1e300), dtype="float64"), "X: .* spread is finite"),
    "windows as steps": (lambda: fit(WINDOWS, lookback=3), r"consecutive steps \(2-D\)"),
    "X 4-D": (lambda: fit(X[:, :, None, None]), "X: expected .* got 4 dimensions"),
    "X ragged": (lambda: fit([[1.0, 2.0], [3.0]] * 15), "X: expected rows of one length"),
    "no steps": (lambda: fit(WINDOWS[:, :0]), "windows of at least one step and one feature"),
    "other windows": (lambda: fit(WINDOWS).predict(WINDOWS[:, :, :1]), "of 2 features as in fit"),
    "windows, not rows": (lambda: fit(X).predict(WINDOWS[:, :, [0] * 4]), "X: expected"),
    "rows, not windows": (lambda: fit(WINDOWS[:, :, [0] * 4]).predict(X), "X: expected"),
    "dates": (lambda: fit(pd.DataFrame({"a": DAYS})), "X: expected numbers"),  # NaT is -9.2e18
    "masked X": (lambda: fit(np.ma.masked_greater(X, 1.0)), "got a masked"),
    "double stamps": (lambda: fit(TABLE.set_axis(DAYS[[0] * 30]), lookback=3), "00 twice; sort"),
    "falling stamps": (lambda: fit(TABLE.set_axis(DAYS[::-1]), lookback=3), "expected stamps that"),
    "missing stamp": (lambda: fit(TABLE.set_axis(DAYS.where(X[:, 0] < 1)), lookback=3), "missing"),
    "other stamps": (
        lambda: fit(TABLE.set_axis(DAYS), lookback=3).predict(TABLE.set_axis(np.arange(5, 35))),
        "index: expected stamps like those of the training rows",
    ),
    # y
    "y too short": (lambda: fit(X, Y[:-1]), r"y: expected one row per row of X \(30\), got 29"),
    "y missing": (lambda: fit(X, Y * np.nan), "y: expected at least one row with a target"),
    "y 3-D": (lambda: fit(X, Y[:, None, None]), r"y: expected shape \(n,\) or \(n, k\)"),
    "y spread": (lambda: fit(X, but(1e200, 3, Y)), "y: expected numbers whose spread is finite"),
    "y greater spread": (lambda: fit(X, but(1e300, 3, Y)), "y: .* spread is finite"),
    "negative counts": (lambda: fit(X, Y, loss="poisson"), "y: expected values of at least 0"),
    "dates as y": (lambda: fit(X, DAYS), "y: expected numbers"),
    "masked y": (lambda: fit(X, np.ma.masked_greater(Y, 1.0)), "got a masked"),
    "more columns": (lambda: fit(X).partial_fit(X, X), "y: expected 1 columns as before, got 4"),
    "labels too short": (lambda: classify(LABELS[:-1]), "y: expected one row per row of X"),
    "labels missing": (lambda: classify([None] * 30), "y: expected at least one label"),
    "labels infinite": (lambda: classify(but(np.inf, 3, LABELS)), "y: expected"),
    "new label": (lambda: classify(LABELS).partial_fit(X, LABELS + 1), r"among \[0, 1, 2\], got"),
    "label not named": (lambda: classifier().partial_fit(X, LABELS, [0, 1]), r"among \[0, 1\], "),
    "no classes": (lambda: classifier().partial_fit(X, LABELS, []), "classes: expected"),
    "other classes": (
        lambda: classifier().partial_fit(X, LABELS).partial_fit(X, LABELS, [0, 1, 2, 3]),
        "classes: expected",
    ),
    "class None": (lambda: classifier().partial_fit(X, LABELS, [0, 1, 2, None]), "classes: expe"),
    "states of nothing": (lambda: encoder(lookback=1).fit(X), "windows of a single step, got None"),
    "tokens alone": (lambda: encoder(embedding_size=2).fit(TOKENS), "y: expected targets or"),
    # weights and series
    "weight negative": (lambda: fit(X, sample_weight=but(-1.0, 3, Y**2)), "got -1.0 in row 3"),
    "weights, number": (lambda: fit(X, sample_weight=Y[:-1] ** 2), r"one weight per row .*\(29,\)"),
    "weights 2-D": (lambda: fit(X, sample_weight=X**2), r"sample_weight: .* got \(30, 4\)"),
    "weights of zero": (lambda: fit(X, sample_weight=0 * Y), "a weight that is not zero, got none"),
    "class weight": (lambda: classify(LABELS, class_weight={0: -1.0}), "class_weight.0.: expected"),
    "class not there": (lambda: classify(LABELS, class_weight={7: 1.0}), "classes among .* got .7"),
    "balanced parts": (
        lambda: classifier(class_weight="balanced").partial_fit(X, LABELS),
        "class_weight: expected None or a dict with partial_fit",
    ),
    "groups, number": (lambda: fit(X, groups=[1] * 29, lookback=3), "groups: .* per row of X"),
    "groups missing": (lambda: fit(X, groups=[None] * 30, lookback=3), "a missing one in row 0"),
    "groups later": (lambda: fit(X, lookback=3).predict(X, groups=[1]), "groups: expected one"),
    "weights in score": (lambda: fit(X).score(X, Y, sample_weight=[1.0]), "sample_weight: expect"),
    "y in score": (lambda: fit(X).score(X, Y[:-1]), "y: expected one row per row of X"),
    "no y in score": (lambda: fit(X).score(X, Y * np.nan), "y: expected at least one"),
    # methods and going on
    "not trained": (lambda: quantiles("quantile", (0.3,)), "some of those that were trained, "),
    "falling": (lambda: quantiles("gaussian", (0.9, 0.1)), "quantiles: expected rising values"),
    "no quantiles": (lambda: fit(X).predict_quantiles(X), "predict_quantiles: expected loss to"),
    "no distribution": (lambda: fit(X).predict_distribution(X), "expected loss to be one of gaus"),
    "other size": (lambda: again(changes={"hidden_size": 5}), "hidden_size: expected 4 as in the"),
    "other cell": (lambda: again(changes={"cell": "lstm"}), "cell: expected 'gru' as in the netwo"),
    "steps after windows": (lambda: again(changes={"lookback": 3}), "lookback: expected None"),
    "windows after steps": (lambda: again(lookback=3, changes={"lookback": None}), "lookback"),
    "counts after numbers": (
        lambda: again(X, COUNTS, (X, COUNTS), {"loss": "poisson"}),
        "loss: expected",
    ),
    "3-D after 2-D": (lambda: again(WINDOWS[:, :, [0] * 4]), "X: expected"),
    "no last epoch": (
        lambda: forecaster(learning_rate_schedule="cosine").partial_fit(X, Y),
        "one that needs no last epoch for partial_fit, got 'cosine'",
    ),
    "few rows": (lambda: fit(X[:2], Y[:2], early_stopping=True), "rows enough to train and to val"),
    "far targets": (lambda: fit(X[:5], RNG.normal(size=(5, 6)), early_stopping=True), "0 would tr"),
    "longer windows": (
        lambda: encoder(states="all").fit(WINDOWS, Y).transform(np.tile(WINDOWS, (1, 2, 1))),
        "expected windows of up to 4 steps as in fit, got 8",
    ),
    # tokens
    "unknown token": (lambda: read(TOKENS).predict([["z"]]), "training has seen, got .*'z'"),
    "no token": (lambda: read([[]] * 30), "X: expected at least one token, got none"),
    "nested tokens": (lambda: read([[["a", "b"]]] * 30), "of single tokens, got one of shape"),
    "mixed tokens": (lambda: read(np.array([["a", 1]] * 30, object)), "X: expected tokens"),
    "no token in a column": (lambda: read(np.array([[None, "a"]] * 30), lookback=3), "column w"),
}

THEIRS = {  # said by scikit-learn in its own words
    "X infinite": (lambda: fit(but(np.inf)), "Input X contains infinity"),
    "X infinite, windows": (lambda: fit(WINDOWS + np.inf), "Input X contains infinity"),
    "X empty": (lambda: fit(X[:0], Y[:0]), r"0 sample\(s\)"),
    "X without columns": (lambda: fit(X[:, :0]), r"0 feature\(s\)"),
    "X 1-D": (lambda: fit(X[:, 0]), "Reshape your data"),
    "X text": (lambda: fit(np.full((30, 4), "a")), "could not convert string"),
    "X objects": (lambda: fit(but("a", array=X.astype(object))), "could not convert string"),
    "X categories": (lambda: fit(TABLE.assign(a=pd.Categorical(["x"] * 30))), "could not convert"),
    "X sparse": (lambda: fit(sp.csr_matrix(X)), "dense data is required"),
    "X sparse, steps": (lambda: fit(sp.csr_array(X), lookback=3), "dense data is required"),
    "X complex": (lambda: fit(X + 1j), "Complex data not supported"),
    "width": (lambda: fit(X).predict(X[:, :3]), "X has 3 features, but GRUForecaster is expecting"),
    "width in parts": (lambda: fit(X).partial_fit(X[:, :3], Y), "X has 3 features"),
    "names": (lambda: fit(TABLE).predict(TABLE[list("dcba")]), "feature names should match"),
    "labels None": (lambda: classify(None), "requires y to be passed"),
    "y infinite": (lambda: fit(X, but(np.inf, 3, Y)), "Input y contains infinity"),
    "y text": (lambda: fit(X, ["a"] * 30), "could not convert string"),
    "labels continuous": (lambda: classify(Y), "Unknown label type: continuous"),
    "labels 2-D": (lambda: classify(X), "should be a 1d array"),
    "weight NaN": (lambda: fit(X, sample_weight=but(np.nan, 3, Y)), "sample_weight contains NaN"),
    "predict first": (lambda: forecaster().predict(X), "is not fitted yet"),
    "quantiles first": (lambda: forecaster().predict_quantiles(X), "is not fitted yet"),
    "probability first": (lambda: classifier().predict_proba(X), "is not fitted yet"),
    "states first": (lambda: encoder().transform(X), "is not fitted yet"),
    "names first": (lambda: encoder().get_feature_names_out(), "is not fitted yet"),
}


def assert_says_what_to_do(action, match):
    with pytest.raises((ValueError, TypeError), match=match) as caught:
        action()
    text = str(caught.value)
    assert text.endswith((".", "?"))
    assert "\n" not in text
    assert "expected" in text
    assert "got" in text


@pytest.mark.parametrize(("cls", "name", "value"), PARAMETERS)
def test_parameters_are_checked_in_fit(cls, name, value):
    model = cls(**QUICK | {name: value})  # which takes anything, as scikit-learn asks for
    y = LABELS if cls is GRUClassifier else Y
    assert_says_what_to_do(lambda: model.fit(X, y), PARAMETERS[cls, name, value])
    assert not [attribute for attribute in vars(model) if attribute.endswith("_")]


@pytest.mark.parametrize("case", OURS)
def test_the_message_says_what_to_do(case):
    assert_says_what_to_do(*OURS[case])


@pytest.mark.parametrize("case", THEIRS)
def test_scikit_learn_says_it(case):
    action, match = THEIRS[case]
    with pytest.raises((ValueError, TypeError, NotFittedError), match=match):
        action()


@pytest.mark.parametrize("lookback", [None, 5])
@pytest.mark.parametrize("normalize", ["standard", "none"])
@pytest.mark.parametrize("value", [0.0, 7.5, -1e-300, 1e6])
def test_constant_series_are_learnt(value, normalize, lookback):
    same, labels = np.full((30, 4), value), np.zeros(30)
    choices = {"normalize": normalize, "lookback": lookback}
    model = forecaster(**choices).fit(same, same[:, 0])
    assert np.isfinite(model.predict(same)).all()
    assert np.isfinite(model.loss_curve_).all()
    if normalize == "standard" and value:
        np.testing.assert_allclose(model.predict(same), value, atol=2.0)
    for loss in ("gaussian", "student_t", "quantile", *(["poisson"] if value >= 0 else [])):
        model = forecaster(loss=loss, **choices).fit(same, same[:, 0])
        assert np.isfinite(model.predict_quantiles(same, (0.1, 0.5))).all()
    assert (classifier(**choices).fit(same, labels).predict(same) == 0).all()
    assert np.isfinite(encoder(**choices).fit(same).transform(same)).all()


@pytest.mark.parametrize("lookback", [None, 5])
def test_rows_without_any_value_are_survived(lookback):
    nothing = np.full((30, 4), np.nan)
    assert np.isfinite(fit(nothing, lookback=lookback).predict(nothing)).all()
    assert np.isfinite(fit(X[:1], Y[:1], lookback=lookback).predict(X[:1])).all()


@pytest.mark.parametrize("size", [1e-60, 1e-30, 1e30, 1e60])
def test_only_the_ratio_of_weights_counts(size):
    weights = np.linspace(1.0, 2.0, 30)
    expected = fit(X, sample_weight=weights).predict(X)
    found = fit(X, sample_weight=size * weights).predict(X)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
