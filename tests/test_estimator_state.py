"""What an estimator knows when something fails, is interrupted, or comes in another form."""

import copy
import warnings

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from gruforecast.data.context import TruncatedHistoryWarning
from gruforecast.data.split import chronological_tail
from gruforecast.training import NotFiniteWarning

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), RNG.normal(size=60)
SERIES = np.repeat(["a", "b", "c"], 20)
WORDS = [["good", "film"], ["bad"], ["not", "good"]] * 10
LABELS = [1, 0, 0] * 10
QUICK = {"hidden_size": 4, "max_iter": 3, "random_state": 0}


def forecaster(**choices):
    return GRUForecaster(**{"lookback": 4, **QUICK, **choices})


def reader(**choices):
    return GRUClassifier(embedding_size=3, **QUICK, **choices)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("new", "y"), [(X[:, :1], Y[:-1]), (X[:, :1], Y * np.nan), (X, np.full(60, np.inf))]
)
def test_a_fit_that_fails_leaves_the_model_as_it_was(method, new, y):
    model = forecaster().fit(X, Y)
    before, known = model.predict(X), set(vars(model))
    with pytest.raises(ValueError, match=r"expect|infinity"):
        getattr(model, method)(new, y)
    assert set(vars(model)) == known
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_first_fit_that_fails_leaves_no_fitted_model():
    model = forecaster()
    with pytest.raises(ValueError, match="y: expected at least one row"):
        model.fit(X, Y * np.nan)
    assert vars(model) == vars(forecaster())


class Interruption:
    """A callback of scikit-learn that does what Ctrl-C does, after two epochs."""

    def setup(self, estimator, context):
        self.n = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n += 1
        if self.n == 2:
            raise KeyboardInterrupt


def test_an_interrupted_fit_keeps_what_it_learnt():
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    model = forecaster(max_iter=9).set_callbacks(Interruption())
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert model.stopping_reason_ == "interrupted"
    assert model.n_iter_ == len(model.loss_curve_) == 2
    np.testing.assert_array_equal(model.predict(X), forecaster(max_iter=2).fit(X, Y).predict(X))


def test_an_interrupted_chunk_can_be_repeated(monkeypatch):
    model, other = (forecaster().partial_fit(X[:30], Y[:30]) for _ in range(2))
    before = copy.deepcopy(vars(model))
    with monkeypatch.context() as patch:
        patch.setattr("gruforecast.estimators.base.train_ensemble", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.partial_fit(X[30:], Y[30:])
    assert vars(model).keys() == before.keys()
    np.testing.assert_array_equal(
        model.partial_fit(X[30:], Y[30:]).predict(X), other.partial_fit(X[30:], Y[30:]).predict(X)
    )


def test_states_of_training_rows_stay_within_their_series():
    encoder = GRUEncoder(lookback=4, **QUICK)
    together = encoder.fit_transform(X, Y, groups=SERIES)
    np.testing.assert_array_equal(
        together, encoder.fit(X, Y, groups=SERIES).transform(X, groups=SERIES)
    )
    alone = encoder.set_params(context="none").transform(X[20:40])
    np.testing.assert_array_equal(together[20:40], alone)


def test_a_classifier_is_scored_by_series_and_without_missing_labels():
    labels = np.where(Y > 0, "up", "down").astype(object)
    model = GRUClassifier(lookback=4, **QUICK).fit(X, labels, groups=SERIES)
    expected = np.mean(model.predict(X, groups=SERIES) == labels)
    assert model.score(X, labels, groups=SERIES) == expected
    lacking = labels.copy()
    lacking[::2] = None
    found = model.score(X, lacking, groups=SERIES)
    assert found == np.mean((model.predict(X, groups=SERIES) == labels)[1::2])


def test_a_class_weight_may_name_a_class_that_a_fold_lacks():
    weights = {"up": 1.0, "down": 2.0, "flat": 5.0}
    labels = np.where(Y > 0, "up", "down")
    GRUClassifier(class_weight=weights, **QUICK).fit(X, labels)


def test_tokens_come_in_lists_arrays_and_tables_alike():
    padded = [["good", "film"], ["bad", None], ["not", "good"]] * 10
    expected = reader().fit(WORDS, LABELS).predict_proba(WORDS)
    forms = [padded, np.array(padded, object), pd.DataFrame(padded), pd.Series(WORDS)]
    for form in [*forms, [["good", "film"], ["bad", np.nan], ["not", "good"]] * 10]:
        np.testing.assert_array_equal(reader().fit(WORDS, LABELS).predict_proba(form), expected)
        np.testing.assert_array_equal(reader().fit(form, LABELS).predict_proba(WORDS), expected)
    longer = reader().fit(np.array(padded, object), LABELS)
    assert longer.predict(np.array([["not", "good", "film"]], object)).shape == (1,)


def test_an_empty_sequence_is_read_alike_alone_and_in_company():
    model = reader().fit(WORDS, LABELS)
    together = model.predict_proba([["good"], []])
    np.testing.assert_array_equal(model.predict_proba([[]]), together[1:])


def test_whole_numbers_and_text_are_not_mixed_up():
    with pytest.raises(ValueError, match="X: expected tokens of one type .*, got int and str"):
        reader().fit([["a", 1], ["b"]] * 15, [0, 1] * 15)
    with pytest.raises(ValueError, match="split it first"):
        reader().fit(["good film", "bad"] * 15, [0, 1] * 15)


@pytest.mark.parametrize("what", ["fit", "predict", "transform"])
def test_a_warning_names_the_line_that_called(what):
    model = GRUEncoder(lookback=4, **QUICK) if what == "transform" else forecaster()
    table = pd.DataFrame(X, pd.date_range("2024-01-01", periods=60))
    if what == "fit":
        model.set_params(optimizer="sgd", learning_rate=1e30, clip_norm=None)
        action = model.fit, (X, Y)
    else:
        action = getattr(model.fit(table[:30], Y[:30]), what), (table[40:],)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action[0](*action[1])
    assert {str(c.filename) for c in caught} == {__file__}
    assert caught[0].category in (NotFiniteWarning, TruncatedHistoryWarning)


def test_many_short_series_keep_their_share_for_training():
    codes = np.repeat(np.arange(300), 4)
    split = chronological_tail(np.ones(1200, bool), codes, 0.1, reach=1)
    assert len(split.validation) <= 0.1 * 1200
    assert len(split.training) >= 0.8 * 1200
    mixed = np.append(codes, np.full(100, 300))
    split = chronological_tail(np.ones(1300, bool), mixed, 0.1, reach=1)
    np.testing.assert_array_equal(split.validation, np.arange(1290, 1300))


def test_a_lookback_beyond_the_data_costs_nothing():
    near = forecaster(lookback=60).fit(X, Y)
    far = forecaster(lookback=10**7).fit(X, Y)
    np.testing.assert_array_equal(far.predict(X), near.predict(X))


def test_going_on_with_a_loss_of_the_same_kind():
    model = GRUEncoder(warm_start=True, **QUICK).fit(X, Y)
    model.set_params(loss="squared_error").fit(X, Y)
    with pytest.raises(ValueError, match="loss: expected 'squared_error' as in the fit to go on"):
        model.set_params(loss="auto").fit(X, np.where(Y > 0, "up", "down"))
    quantiles = GRUForecaster(loss="quantile", warm_start=True, **QUICK).fit(X, Y)
    with pytest.raises(ValueError, match="quantiles: expected"):
        quantiles.set_params(quantiles=(0.2, 0.5, 0.8)).fit(X, Y)
