"""Estimators on an emulated GPU learn what they learn on a CPU: rows, windows and tokens."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are tested on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from tests.cards import CardInPlace, output
from tests.helpers import wavy_series

SERIES = wavy_series(60, 2)  # an odd number of rows: signs of errors do not cancel out exactly
X, Y = SERIES[:-1], SERIES[1:, 0]
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
BOTH = np.column_stack([Y, -2 * Y + 5])
COUNTS = np.round(3 * (Y - Y.min()))
LABELS = np.array(["down", "flat", "up"])[np.digitize(Y, [-0.4, 0.4])]
QUICK = {"hidden_size": 3, "max_iter": 3, "learning_rate": 0.02, "random_state": 0}
GROUPS = np.arange(59) % 3
WEIGHTS = np.linspace(0.0, 2.0, 59)


@pytest.fixture
def gpu(monkeypatch):
    return CardInPlace(monkeypatch)


def clone_fitted(model):
    return pickle.loads(pickle.dumps(model))


def assert_alike(there, here, x, **given):
    """A model of a GPU and one of a CPU learnt the same, and either predicts on the other."""
    for curve in ("loss_curve_", "validation_loss_curve_"):
        found, expected = getattr(there, curve), getattr(here, curve)
        assert (found is None) == (expected is None)
        if found is not None:
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    found, expected = output(there, x, **given), output(here, x, **given)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    for model, other, before in ((there, "cpu", found), (here, "cuda", expected)):
        moved = output(clone_fitted(model).set_params(device=other), x, **given)
        np.testing.assert_allclose(moved, before, rtol=1e-5, atol=1e-5)


def compare(gpu, model, x, y, groups=None, **given):
    """Fit on both; the model of the GPU comes back."""
    there, here = clone(model).set_params(device="cuda"), clone(model)
    there.fit(x, y, groups=groups, **given)
    assert gpu.trained == [1]
    here.fit(x, y, groups=groups, **given)
    assert_alike(there, here, x, groups=groups)
    assert gpu.trained == [1]
    assert gpu.n_passes == 2
    return there


ROWS = {
    "windows": {},
    "steps": {"lookback": 4},
    "lstm": {"lookback": 3, "cell": "lstm", "num_layers": 2, "bidirectional": True},
    "rnn": {"lookback": 3, "cell": "rnn", "layer_norm": True, "dropout": 0.3},
    "before": {"lookback": 3, "reset_after": False, "recurrent_dropout": 0.2},
    "batches": {"lookback": 3, "batch_size": 16, "clip_norm": 0.1, "clip_value": 0.01},
    "penalties": {"lookback": 3, "alpha": 0.1, "l1_ratio": 0.3, "optimizer": "adamw"},
    "momentum": {"optimizer": "sgd", "momentum": 0.5, "learning_rate_schedule": "cosine"},
    "plateau": {"optimizer": "rmsprop", "learning_rate_schedule": "plateau"},
    "cycle": {"optimizer": "adagrad", "learning_rate_schedule": "one_cycle", "batch_size": 20},
    "validated": {"lookback": 3, "early_stopping": True},
    "unscaled": {"lookback": 3, "normalize": "none", "context": "none"},
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows(gpu, kind):
    compare(gpu, GRUForecaster(**QUICK | ROWS[kind]), X, Y)


@pytest.mark.parametrize("lookback", [None, 4])
@pytest.mark.parametrize(
    "loss", ["absolute_error", "huber", "quantile", "gaussian", "student_t", "poisson"]
)
def test_losses(gpu, loss, lookback):
    y = COUNTS if loss == "poisson" else Y
    model = compare(gpu, GRUForecaster(lookback=lookback, loss=loss, **QUICK), X, y)
    if loss in ("quantile", "gaussian"):
        found = model.predict_quantiles(X)
        expected = model.set_params(device="cpu").predict_quantiles(X)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("lookback", [None, 4])
def test_several_outputs_with_weights_and_gaps(gpu, lookback):
    y = BOTH.copy()
    y[5, 0] = y[20:25, 1] = y[40] = np.nan
    model = GRUForecaster(lookback=lookback, **QUICK)
    compare(gpu, model, GAPS, y, sample_weight=WEIGHTS)


@pytest.mark.parametrize("missing", ["mask", "ffill"])
def test_groups(gpu, missing):
    model = GRUForecaster(lookback=5, missing=missing, **QUICK)
    compare(gpu, model, GAPS, Y, groups=GROUPS, sample_weight=WEIGHTS)


def test_tables_with_an_index(gpu):
    index = pd.date_range("2024", periods=59, freq="h")
    table = pd.DataFrame(X, index, ["a", "b"])
    there, here = (GRUForecaster(lookback=4, device=d, **QUICK) for d in ("cuda", "cpu"))
    there.fit(table[:40], pd.Series(Y[:40], index[:40]))
    here.fit(table[:40], pd.Series(Y[:40], index[:40]))
    assert_alike(there, here, table[40:])
    assert there.feature_names_in_.tolist() == ["a", "b"]


def test_windows_of_three_axes(gpu):
    model = GRUForecaster(**QUICK)
    compare(gpu, model, SERIES[:60].reshape(15, 4, 2), BOTH[:15])


@pytest.mark.parametrize("lookback", [None, 4])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"up": 3.0}])
def test_classes_of_numbers(gpu, lookback, class_weight):
    choices = {"lookback": lookback, "class_weight": class_weight, "early_stopping": True}
    model = compare(gpu, GRUClassifier(**QUICK | choices), GAPS, LABELS, sample_weight=WEIGHTS)
    assert model.classes_.tolist() == ["down", "flat", "up"]
    expected = model.predict(GAPS)
    np.testing.assert_array_equal(model.set_params(device="cpu").predict(GAPS), expected)


def test_classes_of_tokens(gpu):
    x = [["up", "up"], ["down"], ["up", "down", "down"], ["up"]] * 10
    y = ["rises", "falls", "falls", "rises"] * 10
    choices = {"embedding_size": 2, "handle_unknown": "ignore"}
    model = compare(gpu, GRUClassifier(**QUICK | choices), x, y)
    unknown = [["sideways", "up"], ["down"] * 5]
    found = model.predict_proba(unknown)
    expected = model.set_params(device="cpu").predict_proba(unknown)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_classes_of_steps_of_tokens(gpu):
    x = np.random.default_rng(0).integers(0, 5, (59, 2))
    compare(gpu, GRUClassifier(lookback=3, embedding_size=2, **QUICK), x, x[:, 0] > 1)


@pytest.mark.parametrize("states", ["last", "all"])
@pytest.mark.parametrize("lookback", [None, 4])
def test_states(gpu, states, lookback):
    choices = {"states": states, "lookback": lookback, "bidirectional": True, "num_layers": 2}
    x = X if lookback else SERIES[:60].reshape(15, 4, 2)
    model = compare(gpu, GRUEncoder(**QUICK | choices), x, None)
    n_steps = 4 if states == "all" else 1
    assert model.transform(x).shape == (len(x), n_steps * 2 * QUICK["hidden_size"])


def test_states_that_tell_classes_apart(gpu):
    compare(gpu, GRUEncoder(lookback=3, **QUICK), X, LABELS)
    x = [["up", "up"], ["down"], ["up", "down", "down"], ["up"]] * 10
    gpu.trained, gpu.n_passes = [], 0
    compare(gpu, GRUEncoder(embedding_size=2, states="all", **QUICK), x, ["a", "b", "b", "a"] * 10)
