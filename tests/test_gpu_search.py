"""GRUSearchCV on an emulated GPU: the scores of a CPU, from one launch for all fits.

Scores are R2, skill, error or likelihood of networks that differ in the last digits of float32;
they agree within 1e-3.
"""

import sys
import threading

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are tested on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from gruforecast.model_selection import GRUSearchCV
from gruforecast.training import NotFiniteWarning
from tests.cards import CardInPlace
from tests.helpers import wavy_series

TOLERANCE = 1e-3
SERIES = wavy_series(60, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
QUICK = {"hidden_size": 2, "max_iter": 2, "learning_rate": 0.02, "random_state": 0}
TWO = TimeSeriesSplit(2)
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")


@pytest.fixture
def gpu(monkeypatch):
    return CardInPlace(monkeypatch, n_multiprocessors=6)


def set_device(estimator, name):
    """The estimator, or the one within it, on a device."""
    names = [key for key in estimator.get_params() if key.split("__")[-1] == "device"]
    return clone(estimator).set_params(**dict.fromkeys(names, name))


def compare(estimator, grid, *data, cv=TWO, given=None, **choices):
    """The same search by scikit-learn on a CPU, and on the GPU; the latter comes back."""
    choices = {"error_score": "raise", "cv": cv} | choices
    here = GridSearchCV(set_device(estimator, "cpu"), grid, n_jobs=1, **choices)
    there = GRUSearchCV(set_device(estimator, "cuda"), grid, **choices)
    here.fit(*data, **given or {})
    there.fit(*data, **given or {})
    assert {*vars(there)} == {*vars(here)}
    assert there.cv_results_.keys() == here.cv_results_.keys()
    for name, values in here.cv_results_.items():
        if "_score" in name and not name.endswith("_time") and "rank" not in name:
            found = there.cv_results_[name]
            np.testing.assert_allclose(found, values, rtol=TOLERANCE, atol=TOLERANCE)
    assert there.cv_results_["params"] == here.cv_results_["params"]
    if here.refit:
        assert there.best_params_ == here.best_params_
    return there


def forecaster(**choices):
    return GRUForecaster(**QUICK | choices)


def test_rows(gpu):
    grid = {"lookback": [None, 2, 4], "learning_rate": [0.02, 0.1], "alpha": [0.0, 1.0]}
    search = compare(forecaster(), grid, X, Y, return_train_score=True)
    assert gpu.trained == [24, 1]
    assert gpu.n_launches == 2
    assert len(set(search.cv_results_["mean_test_score"])) == 12
    assert search.best_estimator_.device == "cuda"
    expected = search.predict(X)
    search.best_estimator_.set_params(device="cpu")
    np.testing.assert_allclose(search.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_networks_of_all_kinds(gpu):
    grid = [
        {"cell": ["gru", "lstm", "rnn"], "hidden_size": [1, 3], "max_iter": [1]},
        {"num_layers": [2], "bidirectional": [True], "dropout": [0.2], "optimizer": ["sgd"]},
        {"loss": ["quantile", "gaussian"], "layer_norm": [True], "hidden_size": [4]},
        {"batch_size": [8, 500], "learning_rate_schedule": ["constant", "plateau"]},
        {"early_stopping": [True], "n_iter_no_change": [1], "max_iter": [4], "tol": [0.0, 0.5]},
    ]
    compare(forecaster(), grid, X, Y)
    assert gpu.trained == [2 * (6 + 1 + 2 + 4 + 2), 1]
    assert gpu.n_launches == 2 + 1  # with "plateau" each epoch is a launch


def test_seeds(gpu):
    search = compare(forecaster(), {"random_state": [0, 1, 2, 3]}, X, Y)
    assert len(set(search.cv_results_["mean_test_score"])) == 4


def test_a_fit_is_that_of_the_same_fit_alone(gpu):
    """Teams of blocks are of other sizes in company, which changes the order of sums."""
    search = GRUSearchCV(forecaster(device="cuda"), {"hidden_size": [2, 3]}, cv=TWO, refit=False)
    search.fit(X, Y)
    alone = forecaster(device="cuda", hidden_size=3)
    for number, (train, test) in enumerate(TWO.split(X)):
        score = clone(alone).fit(X[train], Y[train]).score(X[test], Y[test])
        found = search.cv_results_[f"split{number}_test_score"][1]
        np.testing.assert_allclose(found, score, rtol=1e-4)


def test_series(gpu):
    series = pd.Series(SERIES[:40, 0], pd.date_range("2024", periods=40, freq="h"))
    grid = {"lookback": [3, 5], "horizon": [1, 2], "normalize": ["last"]}
    search = compare(forecaster(season=4), grid, series, cv=TimeSeriesSplit(2, test_size=6))
    assert gpu.trained[0] == 16  # of enough rows, networks are judged, and some go on with all
    assert 2 <= len(gpu.trained) <= 6
    there = search.best_estimator_.forecast(3, level=80)
    here = search.best_estimator_.set_params(device="cpu").forecast(3, level=80)
    np.testing.assert_allclose(there, here, rtol=1e-5)


def test_several_series_with_covariates(gpu):
    table = pd.DataFrame(SERIES[:40], pd.date_range("2024", periods=40, freq="h"), ["a", "b"])
    known = pd.DataFrame({"x": np.arange(40.0)}, table.index)
    with config_context(enable_metadata_routing=True):
        model = forecaster(horizon=2, lookback=3)
        model.set_fit_request(covariates=True).set_score_request(covariates=True)
        grid = {"series_embedding_size": [None, 2]}
        compare(
            model, grid, table, cv=TimeSeriesSplit(2, test_size=12), given={"covariates": known}
        )
    assert gpu.trained[0] == 12
    assert 2 <= len(gpu.trained) <= 8


def test_a_pipeline(gpu):
    model = make_pipeline(StandardScaler(), forecaster())
    grid = {"gruforecaster__lookback": [2, 4], "standardscaler__with_mean": [True, False]}
    search = compare(model, grid, X, Y)
    assert gpu.trained == [8, 1]
    assert search.predict(X).shape == (59,)


def test_states_for_another_estimator(gpu):
    from sklearn.linear_model import Ridge

    model = make_pipeline(GRUEncoder(**QUICK), Ridge())
    grid = {"gruencoder__lookback": [2, 4], "ridge__alpha": [1.0, 10.0]}
    compare(model, grid, X, Y)
    assert gpu.trained == [8, 1]


def test_classes(gpu):
    labels = np.array(["down", "up"])[(Y > 0).astype(int)]
    grid = {"lookback": [2, 4], "class_weight": [None, "balanced"]}
    scoring = {"loss": "neg_log_loss", "accuracy": "accuracy"}
    model = GRUClassifier(**QUICK)
    search = compare(model, grid, X, labels, scoring=scoring, refit="loss", cv=2)
    assert gpu.trained == [8, 1]
    assert search.multimetric_
    assert search.classes_.tolist() == ["down", "up"]


def test_tokens(gpu):
    x = np.random.default_rng(0).integers(0, 4, (59, 4))
    model = GRUClassifier(embedding_size=2, handle_unknown="ignore", **QUICK)
    compare(model, {"embedding_size": [2, 3]}, x, x[:, -1] > 1, cv=2, scoring="neg_log_loss")
    assert gpu.trained == [4, 1]


def test_several_scorers(gpu):
    scoring = ["neg_mean_absolute_error", "r2"]
    choices = {"scoring": scoring, "return_train_score": True}
    compare(forecaster(), {"lookback": [2, 4]}, X, Y, refit="r2", **choices)
    search = compare(forecaster(), {"lookback": [2, 4]}, X, Y, refit=False, **choices)
    assert gpu.trained == [4, 1, 4]
    assert not hasattr(search, "best_estimator_")


def test_groups_and_weights(gpu):
    groups, weights = np.repeat(["a", "b", "c", "d"], 15)[:59], np.linspace(0.5, 1.5, 59)
    with config_context(enable_metadata_routing=True):
        model = forecaster(context="none").set_fit_request(groups=True, sample_weight=True)
        model.set_predict_request(groups=True).set_score_request(groups=True, sample_weight=True)
        given = {"groups": groups, "sample_weight": weights}
        compare(model, {"lookback": [1, 5]}, X, Y, cv=GroupKFold(2), given=given)
    assert gpu.trained == [4, 1]


def test_candidates_that_fail(gpu):
    grid = {"learning_rate": [0.02, -1.0], "lookback": [2, 4]}
    choices = {"cv": TWO, "error_score": -9.0}
    with pytest.warns(FitFailedWarning, match="learning_rate: expected a finite number"):
        search = GRUSearchCV(forecaster(device="cuda"), grid, **choices).fit(X, Y)
    assert gpu.trained == [4, 1]
    scores = search.cv_results_["mean_test_score"]
    assert (scores == -9.0).tolist() == [False, False, True, True]
    with pytest.raises(ValueError, match="learning_rate: expected a finite number"):
        GRUSearchCV(forecaster(device="cuda"), grid, cv=TWO, error_score="raise").fit(X, Y)
    assert not [t for t in threading.enumerate() if "ThreadPool" in t.name and t.is_alive()]


def test_a_candidate_that_is_too_large_fails_alone(monkeypatch):
    gpu = CardInPlace(monkeypatch, shared_limit=4 * 4096)
    model, grid = forecaster(device="cuda"), {"hidden_size": [3, 600]}
    with pytest.warns(FitFailedWarning, match="hidden_size: expected units whose states fit"):
        search = GRUSearchCV(model, grid, cv=TWO, error_score=-9.0).fit(X, Y)
    assert gpu.trained == [4, 1]
    assert (search.cv_results_["mean_test_score"] == -9.0).tolist() == [False, True]


def test_candidates_that_explode_do_not_harm_the_others(gpu):
    grid = {"learning_rate": [0.02, 1e30]}
    model = forecaster(device="cuda", optimizer="sgd", clip_norm=None)
    with pytest.warns(NotFiniteWarning, match="epoch ., batch 1: expected finite") as caught:
        search = GRUSearchCV(model, grid, cv=TWO, refit=False).fit(X, Y)
    assert len(caught) >= 1
    here = forecaster(optimizer="sgd", clip_norm=None)
    theirs = GridSearchCV(here, {"learning_rate": [0.02]}, cv=TWO, refit=False).fit(X, Y)
    for split in ("split0_test_score", "split1_test_score"):
        found, expected = search.cv_results_[split][0], theirs.cv_results_[split][0]
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_lines_of_many_fits(gpu, capsys):
    GRUSearchCV(forecaster(device="cuda", verbose=1), {"lookback": [2, 4]}, cv=TWO).fit(X, Y)
    assert gpu.trained == [4, 1]
    assert gpu.n_launches == 2 + 2
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[1] for line in lines) == ["1"] * 5 + ["2"] * 5


def test_the_devices_of_candidates(gpu):
    grid = {"device": ["cpu", "cuda", "auto"]}
    search = GRUSearchCV(forecaster(), grid, cv=TWO).fit(X, Y)
    assert gpu.trained == [1, 1, 1, 1]  # one by one, beside those that the CPU trains
    scores = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(scores, scores[0], rtol=TOLERANCE)


def test_a_device_that_lacks_is_said_at_once(gpu):
    for grid in ({"device": ["cpu", "cuda", "cuda:1"]}, {"dtype": ["float32", "float64"]}):
        with pytest.raises((RuntimeError, ValueError), match="^(device|dtype): expected"):
            GRUSearchCV(forecaster(device="cuda"), grid, cv=TWO, error_score=0.0).fit(X, Y)
    assert not gpu.trained
