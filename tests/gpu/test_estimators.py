"""Estimators and a search on the first GPU of this machine, as their users see them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from gruforecast.model_selection import GRUSearchCV
from tests.helpers import wavy_series

SERIES = wavy_series(301, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
UP = Y > 0
QUICK = {"hidden_size": 8, "max_iter": 6, "learning_rate": 0.02, "random_state": 0}
WORDS = [["up", "up"], ["down"], ["up", "down", "down"], ["up"]] * 10
SAID = ["rises", "falls", "falls", "rises"] * 10


def pair(model):
    return (clone(model).set_params(device=name) for name in ("cuda", "cpu"))


@pytest.mark.parametrize(
    ("model", "data", "method"),
    [
        (GRUForecaster(lookback=6, early_stopping=True, **QUICK), (X, Y), "predict"),
        (GRUForecaster(lookback=6, loss="quantile", cell="lstm", **QUICK), (X, Y), "predict"),
        (
            GRUClassifier(lookback=6, num_layers=2, dropout=0.2, **QUICK),
            (X, UP),
            "predict_proba",
        ),
        (GRUClassifier(embedding_size=3, **QUICK), (WORDS, SAID), "predict_proba"),
        (GRUEncoder(lookback=6, bidirectional=True, **QUICK), (X, Y), "transform"),
    ],
    ids=["rows", "quantiles", "classes", "tokens", "states"],
)
def test_rows(model, data, method):
    there, here = (one.fit(*data) for one in pair(model))
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-3, atol=1e-3)
    found, expected = (getattr(one, method)(data[0]) for one in (there, here))
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)
    moved = getattr(there.set_params(device="cpu"), method)(data[0])
    np.testing.assert_allclose(found, moved, rtol=1e-4, atol=1e-4)


def test_series():
    model = GRUForecaster(horizon=5, season=7, **QUICK)
    there, here = (one.fit(SERIES[:, 0]) for one in pair(model))
    found, expected = (one.forecast(9, level=80) for one in (there, here))
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose(there.skill_, here.skill_, rtol=1e-2, atol=1e-2)


def test_a_search():
    grid = {"lookback": [3, 9], "hidden_size": [4, 20], "learning_rate": [0.01, 0.05]}
    there, here = pair(GRUForecaster(**QUICK))
    cv = TimeSeriesSplit(3)
    found = GRUSearchCV(there, grid, cv=cv).fit(X, Y).cv_results_["mean_test_score"]
    expected = GridSearchCV(here, grid, cv=cv).fit(X, Y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-2)
