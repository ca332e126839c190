"""Sizes and values at their limits on an emulated GPU: what a CPU makes of them, too."""

import sys

import numpy as np
import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are tested on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")

from gruforecast import GRUClassifier, GRUForecaster
from gruforecast.training import NotFiniteWarning
from tests.cards import CardInPlace, output
from tests.helpers import wavy_series

SERIES = wavy_series(32, 2)
X, Y = SERIES[:-1], SERIES[1:, 0]
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
QUICK = {"hidden_size": 3, "max_iter": 2, "random_state": 0}


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    return CardInPlace(monkeypatch)


def compare(x=X, y=Y, cls=GRUForecaster, **choices):
    """Fit on both; the model of the GPU comes back."""
    there, here = (cls(**QUICK | {"device": name} | choices).fit(x, y) for name in ("cuda", "cpu"))
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-4, atol=1e-7)
    if y is None:
        found, expected = (np.asarray(model.forecast()) for model in (there, here))
    else:
        found, expected = output(there, x), output(here, x)
    scale = np.abs(expected).max() or 1.0
    np.testing.assert_allclose(found / scale, expected / scale, rtol=1e-3, atol=1e-3)
    return there


@pytest.mark.parametrize("lookback", [31, 500, 10**9])
def test_windows_longer_than_the_data(lookback):
    compare(lookback=lookback)


def test_long_windows():
    compare(np.tile(X[:3], (1, 150)), Y[:3])


@pytest.mark.parametrize("batch_size", [1, 7, 31, 500, 2**31, 2**62])
def test_batches_up_to_larger_than_the_data(batch_size):
    compare(lookback=3, batch_size=batch_size, max_iter=1)


@pytest.mark.parametrize("lookback", [None, 3])
@pytest.mark.parametrize("n_rows", [1, 2])
def test_few_windows(n_rows, lookback):
    compare(X[:n_rows], Y[:n_rows], lookback=lookback)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_one_feature_and_one_unit(cell):
    compare(X[:, :1], lookback=3, cell=cell, hidden_size=1)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_many_units_features_and_outputs(cell):
    x, y = np.tile(X[:9], (1, 20)).reshape(9, 2, 20), np.outer(Y[:9], np.arange(1, 21))
    compare(x, y, cell=cell, hidden_size=40, max_iter=1)
    compare(X, np.arange(31) % 12, cls=GRUClassifier, max_iter=1)


@pytest.mark.parametrize("horizon", [1, 8])
def test_near_and_far_horizons(horizon):
    compare(SERIES[:, 0], None, horizon=horizon, lookback=4)


@pytest.mark.parametrize("normalize", ["standard", "last", "window", "none"])
def test_constant_series(normalize):
    model = compare(np.full(32, 5.0), None, horizon=2, lookback=3, normalize=normalize)
    if normalize != "none":
        np.testing.assert_allclose(model.forecast(), 5.0)


def test_constant_columns():
    compare(np.column_stack([X, np.ones(31), np.full(31, np.nan)]), lookback=3)
    compare(y=np.full(31, 7.0), lookback=3)


@pytest.mark.parametrize("factor", [1e-30, 1e20, 1e39])
def test_tiny_and_huge_values(factor):
    compare(X * factor, Y * factor, lookback=3)
    compare(SERIES[:, 0] * factor, None, horizon=2, lookback=4, normalize="window")


def test_a_loss_beyond_single_precision():
    """The CPU sums losses in float64; a GPU has float32 only, and says so."""
    model = GRUForecaster(lookback=3, normalize="none", device="cuda", **QUICK)
    with pytest.warns(NotFiniteWarning, match="epoch 1, batch 1: .* the loss became inf"):
        model.fit(X, Y * 1e20)
    assert np.isfinite(model.predict(X)).all()
    for huge in (X * 1e39, Y * 1e39):
        data = (huge, Y) if huge.ndim == 2 else (X, huge)
        with pytest.raises(ValueError, match="expected numbers that are finite in float32"):
            model.fit(*data)


def test_options_beyond_single_precision():
    compare(lookback=3, clip_norm=1e50, clip_value=1e60)
    compare(lookback=3, early_stopping=True, tol=1e300)
    compare(lookback=3, early_stopping=True, tol=1e-300, alpha=1e-300, learning_rate=1e-60)
    for options in ({"learning_rate": 1e39}, {"alpha": 1e300}):
        with pytest.warns(NotFiniteWarning) as caught:
            compare(lookback=3, **options)
        assert len(caught) == 2


@pytest.mark.parametrize("seed", [0, 2**31, 2**63 - 1, 2**64 - 1, 2**70])
def test_seeds(seed):
    compare(lookback=3, random_state=seed, dropout=0.3, recurrent_dropout=0.3, num_layers=2)
