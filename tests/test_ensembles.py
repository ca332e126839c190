"""Networks of one shape from different seeds, whose forecasts are averaged."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster, load
from gruforecast.cli.main import main
from gruforecast.estimators import ensemble
from gruforecast.estimators.ensemble import seeds_of
from gruforecast.forecasting import fitting
from gruforecast.forecasting.judging import judge
from gruforecast.model_selection import GRUSearchCV
from tests.helpers import wavy_series
from tests.saving import again, assert_alike

SERIES = wavy_series(121, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
LABELS = np.array(["down", "flat", "up"])[np.digitize(Y, [-0.4, 0.4])]
COUNTS = np.round(3 * (Y - Y.min()))
TABLE = pd.DataFrame(SERIES[:100], pd.date_range("2024", periods=100, freq="h"), ["a", "b"])
QUICK = {"hidden_size": 4, "max_iter": 3, "learning_rate": 0.02, "random_state": 5}
PLAIN = {"baseline": "none", "early_stopping": False}  # nothing follows on training
RANDOM = {"dropout": 0.3, "num_layers": 2, "recurrent_dropout": 0.2, "batch_size": 16}
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")


def forecaster(n_estimators=1, **choices):
    return GRUForecaster(**QUICK | {"n_estimators": n_estimators} | choices)


def classifier(n_estimators=1, **choices):
    return GRUClassifier(**QUICK | {"n_estimators": n_estimators} | choices)


def singles(model, *data, **given):
    """Models of one network each, with the seeds of this model's networks."""
    seeds = seeds_of(model.random_state, model.n_estimators)
    alone = [clone(model).set_params(n_estimators=1, random_state=seed) for seed in seeds]
    return [one.fit(*data, **given) for one in alone]


def assert_same_networks(model, others):
    """The networks of one model are those of the others, bit for bit."""
    for found, other in zip(model.networks_, others, strict=True):
        np.testing.assert_array_equal(found.flat, other.network_.flat)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


# Rows and numbers.


def test_seeds():
    assert seeds_of(7, 1) == [7]
    found = [*seeds_of(7, 100), *seeds_of(8, 100), *seeds_of(2**70, 100)]
    assert len(set(found)) == 300
    assert found[:5] == seeds_of(7, 5)
    assert all(type(seed) is int and seed >= 0 for seed in found)


@pytest.mark.parametrize("lookback", [None, 5])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_mean_of_networks_that_are_trained_as_if_alone(lookback, early_stopping):
    choices = RANDOM | {"lookback": lookback, "early_stopping": early_stopping}
    model = forecaster(3, **choices).fit(X, Y)
    alone = singles(model, X, Y)
    assert_same_networks(model, alone)
    assert len({one.network_.flat.tobytes() for one in alone}) == 3
    close(model.predict(X), np.mean([one.predict(X) for one in alone], axis=0))
    first = alone[0]
    assert first.random_state == model.random_state
    for name in ("n_iter_", "loss_curve_", "validation_loss_curve_", "best_loss_", "best_iter_"):
        assert getattr(model, name) == getattr(first, name)
    assert model.network_ is model.networks_[0]
    np.testing.assert_array_equal(model.weights_["head.b"], first.weights_["head.b"])


def test_one_network_is_no_special_case():
    model = forecaster(1).fit(X, Y)
    assert len(model.networks_) == 1
    np.testing.assert_array_equal(model.predict(X), GRUForecaster(**QUICK).fit(X, Y).predict(X))
    np.testing.assert_array_equal(forecaster(2).fit(X, Y).network_.flat, model.network_.flat)


def test_networks_stop_one_by_one():
    choices = {"early_stopping": True, "max_iter": 40, "n_iter_no_change": 2, "tol": 1e-3}
    model = forecaster(5, **choices).fit(X, Y)
    alone = singles(model, X, Y)
    assert len({one.n_iter_ for one in alone}) > 2
    assert_same_networks(model, alone)
    assert model.n_iter_ == alone[0].n_iter_
    assert model.stopping_reason_ == "early_stopping"


@pytest.mark.usefixtures("many_shards")
@pytest.mark.parametrize("n_estimators", [2, 3])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_same_bits_for_any_number_of_threads(n_estimators, early_stopping):
    choices = {"early_stopping": early_stopping, "batch_size": 4}
    expected = forecaster(n_estimators, n_jobs=1, **choices).fit(X, Y)
    for n_jobs in (2, 3, 5, 8):
        model = forecaster(n_estimators, n_jobs=n_jobs, **choices).fit(X, Y)
        for found, other in zip(model.networks_, expected.networks_, strict=True):
            np.testing.assert_array_equal(found.flat, other.flat)
        np.testing.assert_array_equal(model.predict(X), expected.predict(X))


@pytest.mark.parametrize("loss", ["quantile", "gaussian", "student_t", "poisson"])
def test_quantiles_and_parameters_of_likelihoods(loss):
    y = COUNTS if loss == "poisson" else np.column_stack([Y, 5 - 20 * Y])
    model = forecaster(3, loss=loss).fit(X, y)
    alone = singles(model, X, y)
    close(model.predict(X), np.mean([one.predict(X) for one in alone], axis=0))
    if loss == "quantile":
        found = model.predict_quantiles(X)
        close(found, np.mean([one.predict_quantiles(X) for one in alone], axis=0))
        assert (np.diff(found, axis=-1) >= 0).all()
        return
    found, each = (m.predict_distribution(X) for m in (model, alone[0]))
    each = [one.predict_distribution(X) for one in alone]
    for name in {"student_t": ["loc", "scale", "df"], "poisson": []}.get(loss, ["loc", "scale"]):
        close(found.kwds[name], np.mean([one.kwds[name] for one in each], axis=0))
    if loss == "gaussian":  # the quantiles are averaged, too
        close(found.ppf(0.1), np.mean([one.ppf(0.1) for one in each], axis=0))


# Classes.


@pytest.mark.parametrize("y", [LABELS, LABELS == "up"], ids=["three", "two"])
def test_the_mean_of_probabilities(y):
    model = classifier(4, lookback=3).fit(X, y)
    alone = singles(model, X, y)
    assert_same_networks(model, alone)
    found = model.predict_proba(X)
    close(found, np.mean([one.predict_proba(X) for one in alone], axis=0))
    close(np.exp(model.predict_log_proba(X)), found)
    np.testing.assert_array_equal(model.predict(X), model.classes_[found.argmax(axis=1)])
    decided = model.decision_function(X)
    close(decided, np.log(found[:, 1] / found[:, 0]) if decided.ndim == 1 else np.log(found))


def test_classes_of_tokens():
    x = [["up", "up"], ["down"], ["up", "down", "down"], ["up"]] * 10
    y = ["rises", "falls", "falls", "rises"] * 10
    model = classifier(2, embedding_size=2).fit(x, y)
    close(model.predict_proba(x), np.mean([m.predict_proba(x) for m in singles(model, x, y)], 0))


# Series.


@pytest.mark.parametrize("early_stopping", [False, True])
def test_forecasts_of_series(early_stopping):
    choices = PLAIN | {"horizon": 4, "lookback": 6, "season": 6, "early_stopping": early_stopping}
    model = forecaster(3, **choices).fit(TABLE)
    alone = singles(model, TABLE)
    assert_same_networks(model, alone)
    close(model.forecast(), np.mean([one.forecast() for one in alone], axis=0))
    close(model.predict(TABLE), np.mean([one.predict(TABLE) for one in alone], axis=0))
    errors = [one.skill_.loc["forecast", "mae"] for one in alone]
    assert model.skill_.loc["forecast", "mae"] < np.mean(errors) - 1e-6  # of rows unseen
    assert model.coverage_.keys() == {80.0, 95.0}
    bands = model.forecast(6, level=80)
    assert (bands.xs("lo-80", axis=1, level=1) < bands.xs("mean", axis=1, level=1)).all(axis=None)


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "gaussian"])
def test_networks_that_are_the_same_are_one(loss, monkeypatch):
    choices = {"horizon": 3, "lookback": 6, "loss": loss, "baseline": "none"}
    one = forecaster(**choices).fit(TABLE)
    monkeypatch.setattr(ensemble, "seeds_of", lambda seed, n: [seed] * n)
    both = forecaster(2, **choices).fit(TABLE)
    close(both.forecast(5, level=(80, 95)), one.forecast(5, level=(80, 95)))
    close(both.skill_, one.skill_)
    assert both.coverage_ == one.coverage_


def test_as_many_networks_are_judged(monkeypatch):
    seen = []

    def spy(course, networks, *args):
        seen.append([network.flat.copy() for network in networks])
        return judge(course, networks, *args)

    monkeypatch.setattr(fitting, "judge", spy)
    choices = PLAIN | {"horizon": 3, "lookback": 6}
    model = forecaster(3, **choices).fit(TABLE["a"])
    validated = forecaster(3, **choices | {"early_stopping": True}).fit(TABLE["a"])
    assert [len(flats) for flats in seen] == [3, 3]
    for judged, final in zip(seen[0], model.networks_, strict=True):
        assert (judged != final.flat).any()  # from rows before the tail
    for judged, final in zip(seen[1], validated.networks_, strict=True):
        np.testing.assert_array_equal(judged, final.flat)


# Life of an estimator.


@pytest.mark.parametrize("way", ["rows", "classes", "series", "more"])
def test_pickles_and_files(way, tmp_path):
    model, data = forecaster(3), (X, Y)
    if way == "classes":
        model, data = classifier(3), (X, LABELS)
    elif way == "series":
        model, data = forecaster(3, horizon=2, lookback=4), (TABLE,)
    model = model.partial_fit(*data) if way == "more" else model.fit(*data)
    loaded = again(model, tmp_path)
    assert_alike(loaded, model)
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        if way == "series":
            pd.testing.assert_frame_equal(other.forecast(3, level=80), model.forecast(3, level=80))
            continue
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        if way == "more":
            before = clone(model).partial_fit(*data).partial_fit(*data)
            np.testing.assert_array_equal(other.partial_fit(*data).predict(X), before.predict(X))


@pytest.mark.parametrize("series", [False, True])
def test_warm_start(series):
    data = (TABLE["a"],) if series else (X, Y)
    choices = PLAIN | {"horizon": 3, "lookback": 6} if series else {}
    model = forecaster(3, warm_start=True, **choices).fit(*data)
    alone = singles(model, *data)
    model.fit(*data)
    assert_same_networks(model, [one.fit(*data) for one in alone])
    with pytest.raises(ValueError, match="n_estimators: expected 3 as in the network.*, got 2; "):
        model.set_params(n_estimators=2).fit(*data)
    assert len(model.networks_) == 3
    assert len(model.set_params(warm_start=False).fit(*data).networks_) == 2


def test_one_epoch_more():
    model = forecaster(3).partial_fit(X[:60], Y[:60]).partial_fit(X[60:], Y[60:])
    seeds = seeds_of(model.random_state, 3)
    alone = [forecaster(random_state=seed).partial_fit(X[:60], Y[:60]) for seed in seeds]
    assert_same_networks(model, [one.partial_fit(X[60:], Y[60:]) for one in alone])
    assert model.n_iter_ == 2
    with pytest.raises(ValueError, match="n_estimators: expected 3"):
        model.set_params(n_estimators=1).partial_fit(X, Y)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_over_them(n_jobs):
    grid, cv = {"n_estimators": [1, 3], "lookback": [2, 4]}, TimeSeriesSplit(2)
    ours = GRUSearchCV(forecaster(), grid, cv=cv, n_jobs=n_jobs).fit(X, Y)
    theirs = GridSearchCV(forecaster(), grid, cv=cv).fit(X, Y)
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(ours.cv_results_[name], theirs.cv_results_[name])
    assert len(set(ours.cv_results_["mean_test_score"])) == 4


def test_the_command_line(tmp_path, capsys):
    TABLE["a"].rename_axis("time").to_csv(tmp_path / "a.csv")
    out, options = tmp_path / "a.gru", ["n_estimators=2", "max_iter=2", "hidden_size=3"]
    assert main(["fit", str(tmp_path / "a.csv"), "--out", str(out), "--set", *options]) == 0
    model = load(out)
    assert len(model.networks_) == 2
    assert model.forecast(3).shape == (3, 1)


WRONG = [0, -1, 1.5, "two", True]


@pytest.mark.parametrize(
    ("make", "wrong"),
    [*((forecaster, one) for one in WRONG), *((classifier, one) for one in [*WRONG, None])],
)
def test_a_wrong_number(make, wrong):
    with pytest.raises((ValueError, TypeError), match="^n_estimators: expected .*, got .*; "):
        make(wrong).fit(X, LABELS if make is classifier else Y)


def test_states_are_of_one_network():
    assert "n_estimators" not in GRUEncoder().get_params()
    model = GRUEncoder(lookback=3, **QUICK).fit(X)
    assert len(model.networks_) == 1
