"""What the estimators promise: the same bits, no global state, threads, and units."""

import hashlib
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numba
import numpy as np
import pytest
from sklearn.metrics import r2_score
from threadpoolctl import threadpool_info, threadpool_limits

from gruforecast import GRUClassifier, GRUEncoder, GRUForecaster
from gruforecast.training.loop import NotFiniteWarning
from tests.helpers import wavy_series

QUICK = {"hidden_size": 5, "max_iter": 3, "learning_rate": 0.02, "random_state": 0}
BUSY = {"hidden_size": 48, "num_layers": 2, "dropout": 0.1, "recurrent_dropout": 0.1}
BUSY |= {"batch_size": 160, "early_stopping": True, "random_state": 0, "max_iter": 2}
SERIES = wavy_series(401, 3)
X, Y = SERIES[:-1], SERIES[1:, 0]
FEW, NEXT = X[:60], Y[:60]
GAPS = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
ESTIMATORS = [GRUForecaster, GRUClassifier, GRUEncoder]
has_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def fitted(cls=GRUForecaster, x=FEW, y=NEXT, **choices):
    return cls(**QUICK | choices).fit(x, y > 0 if cls is GRUClassifier else y)


def output(model, x=X):
    """Raw numbers that a model makes of rows."""
    names = ("transform", "predict_proba", "predict")
    return next(getattr(model, name) for name in names if hasattr(model, name))(x)


def busy(cls=GRUForecaster, lookback=20, **choices):
    """What a model large enough to run in parallel learns: its weights and predictions."""
    model = fitted(cls, X, Y, lookback=lookback, **BUSY | choices)
    return model.network_.flat.copy(), output(model)


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# 1. The same seed, the same bits.


@pytest.mark.usefixtures("many_shards")
@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("lookback", [None, 20])
def test_any_number_of_jobs(cls, lookback):
    expected = busy(cls, lookback, n_jobs=1)
    for n_jobs in (1, 2, 4, -1, None):
        assert_same(busy(cls, lookback, n_jobs=n_jobs), expected)


def test_negative_jobs_count_from_the_end_as_those_of_joblib():
    assert_same(busy(n_jobs=-1000), busy(n_jobs=1))  # a model comes from a larger machine


@pytest.mark.parametrize("n_blas", [1, 2, 4])
def test_any_number_of_blas_threads(n_blas):
    expected = busy(n_jobs=2)
    with threadpool_limits(n_blas, user_api="blas"):
        assert_same(busy(n_jobs=2), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("x", [X[:60], GAPS[:60], SERIES[:360].reshape(60, 6, 3)])
def test_a_window_is_predicted_alone_as_among_others(x, cls, dtype):
    model = fitted(cls, x, dtype=dtype, num_layers=2, bidirectional=True)
    whole = output(model, x)
    each = np.concatenate([output(model, x[i : i + 1]) for i in range(60)])
    np.testing.assert_array_equal(each, whole)
    for parts in ([7], [1, 2, 30], [59], [16, 32, 48]):
        joined = np.concatenate([output(model, part) for part in np.split(x, parts)])
        np.testing.assert_array_equal(joined, whole)


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_a_row_with_its_history_is_predicted_as_in_the_series(cell):
    model = fitted(lookback=8, cell=cell, context="none")
    whole = model.predict(X)
    for i in (7, 8, 100, 399):
        assert model.predict(X[i - 7 : i + 1])[-1] == whole[i]
    assert model.predict(X[:3])[-1] == whole[2]
    cut = fitted(lookback=8, cell=cell).predict(X[60:])  # after the training rows it sees them
    np.testing.assert_array_equal(cut, fitted(lookback=8, cell=cell).predict(X)[60:])


def test_compiled_code_and_code_from_the_disk_give_the_same_bits(tmp_path):
    code = (
        "from tests.test_promises import fitted, output, X; import hashlib\n"
        "print(hashlib.sha256(output(fitted(lookback=4, n_jobs=2), X).tobytes()).hexdigest())\n"
        "from numba.np.ufunc import parallel; assert not parallel._is_initialized"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    run = [sys.executable, "-c", code]
    cold, warm = (
        subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout
        for _ in range(2)
    )
    assert cold == warm
    here = output(fitted(lookback=4, n_jobs=1), X)
    assert hashlib.sha256(here.tobytes()).hexdigest() == warm.strip()


@pytest.mark.parametrize("make", [int, np.random.RandomState, np.random.default_rng])
def test_every_kind_of_random_state(make):
    one, same, other = (output(fitted(random_state=make(seed))) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    shared = make(3)
    again = [output(fitted(random_state=shared)) for _ in range(2)]
    np.testing.assert_array_equal(again[0], one)
    assert np.array_equal(*again) == (make is int)  # a generator goes on
    assert not np.array_equal(*(output(fitted(random_state=None)) for _ in range(2)))


# 2. No global state.


def global_state():
    """All that a call might leave changed."""
    numba.get_num_threads()  # starts Numba's threads, which the package does not use
    blas = [part["num_threads"] for part in threadpool_info()]
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return {
        "blas": blas,
        "numpy": (kind, keys.tolist(), rest),
        "python": random.getstate(),
        "numba": (numba.get_num_threads(), numba.threading_layer(), numba.config.THREADING_LAYER),
        "errors": (np.geterr(), np.geterrcall()),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "threads": [t.name for t in threading.enumerate() if t.name.startswith("gruforecast")],
    }


@pytest.mark.parametrize("random_state", [None, 0])
@pytest.mark.parametrize("lookback", [None, 20])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_global_state_is_as_before(cls, lookback, random_state):
    fitted(cls)  # loads what is loaded once
    before = global_state()
    choices = BUSY | {"random_state": random_state, "lookback": lookback, "n_jobs": 2}
    model = fitted(cls, GAPS, Y, **choices)
    assert global_state() == before
    output(model)
    assert global_state() == before
    y = Y > 0 if cls is GRUClassifier else Y
    if cls is not GRUEncoder:
        model.partial_fit(X, y).score(X, y)
    with pytest.raises(ValueError, match="infinity"):
        model.fit(X + np.inf, y)
    assert global_state() == before


@pytest.mark.parametrize("lookback", [None, 8])
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_prediction_does_not_change_the_estimator(cls, lookback):
    model = fitted(cls, lookback=lookback)
    before = pickle.dumps(model)
    first = output(model)
    assert pickle.dumps(model) == before
    np.testing.assert_array_equal(output(model), first)


# 3. Threads and processes.


def test_models_learn_in_several_threads_at_once():
    expected = {cls: busy(cls, n_jobs=1) for cls in ESTIMATORS}
    before = global_state()
    with ThreadPoolExecutor(4) as pool:
        tasks = [(cls, pool.submit(busy, cls, n_jobs=2)) for cls in ESTIMATORS * 2]
        for cls, task in tasks:
            assert_same(task.result(), expected[cls])
    assert global_state() == before


def test_one_model_predicts_in_several_threads_at_once():
    model = fitted(lookback=8, n_jobs=2)
    parts = [X[i:] for i in range(0, 350, 25)]
    expected = [model.predict(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        assert_same(pool.map(model.predict, parts * 3), expected * 3)


@has_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_a_process_may_fork_after_a_fit():
    expected = busy(n_jobs=2)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for found in pool.map(busy, [GRUForecaster] * 2, chunksize=1):
            assert_same(found, expected)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_joblib(backend):
    expected = busy(n_jobs=1)
    tasks = (joblib.delayed(busy)(GRUForecaster, n_jobs=n_jobs) for n_jobs in (None, 1, 2))
    for found in joblib.Parallel(2, backend=backend)(tasks):
        assert_same(found, expected)


# 4. Losses that are not finite.


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_exploding_loss(cell, early_stopping):
    choices = {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": None, "max_iter": 5}
    with pytest.warns(NotFiniteWarning, match=r"epoch \d, batch \d+: expected finite.*; .*lower"):
        model = fitted(cell=cell, early_stopping=early_stopping, lookback=5, **choices)
    assert model.stopping_reason_ == "not_finite"
    assert model.n_iter_ == len(model.loss_curve_) < 5
    assert np.isfinite(model.network_.flat).all()
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("how", ["rows", "windows", "groups"])
def test_the_row_of_a_huge_input_is_named(how):
    huge = FEW.copy()
    huge[37, 2] = 1e20
    choices = {"optimizer": "sgd", "learning_rate": 1e30, "clip_norm": None, "normalize": "none"}
    choices["lookback"] = None if how == "windows" else 4
    groups = np.arange(60) % 2 if how == "groups" else None
    with pytest.warns(NotFiniteWarning, match=r"epoch 1.* 1e\+20 in row 37, "):
        GRUForecaster(**QUICK | choices).fit(huge, NEXT, groups=groups)


# Going on.


def test_warm_start_keeps_weights_and_scales():
    model = fitted(warm_start=True)
    first, losses = model.network_.flat.copy(), model.loss_curve_
    model.fit(FEW, NEXT)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert model.loss_curve_[0] < losses[0]
    assert np.abs(model.network_.flat - first).max() < 0.5
    model.fit(FEW, NEXT + 1000.0)  # far away on the scale of the first fit
    assert model.loss_curve_[0] > 1e4
    cold = model.set_params(warm_start=False).fit(FEW, NEXT)
    np.testing.assert_array_equal(cold.network_.flat, first)


# Units and gaps.


@pytest.mark.parametrize("lookback", [None, 8])
@pytest.mark.parametrize(
    "loss", ["squared_error", "absolute_error", "huber", "quantile", "gaussian", "student_t"]
)
def test_predictions_have_the_units_of_y(loss, lookback):
    choices = {"loss": loss, "lookback": lookback, "dtype": "float64"}
    predicted = fitted(**choices).predict(X)
    moved = fitted(x=FEW * 20 - 3e4, y=NEXT * 1000 + 5e6, **choices)
    np.testing.assert_allclose(moved.predict(X * 20 - 3e4), predicted * 1000 + 5e6, rtol=1e-11)
    single = fitted(y=NEXT * 1000 + 5e6, **choices | {"dtype": "float32"})
    atol = 5.0 if loss == "absolute_error" else 1.0  # whose gradient jumps where an error is zero
    np.testing.assert_allclose(single.predict(X), predicted * 1000 + 5e6, atol=atol)
    if loss in ("quantile", "gaussian", "student_t"):
        expected = fitted(**choices).predict_quantiles(X) * 1000 + 5e6
        np.testing.assert_allclose(moved.predict_quantiles(X * 20 - 3e4), expected, rtol=1e-11)


def test_counts_have_the_units_of_y():
    counts = np.round(4 * (NEXT - NEXT.min()))
    predicted = fitted(y=counts, loss="poisson", dtype="float64").predict(X)
    larger = fitted(y=1000 * counts, loss="poisson", dtype="float64").predict(X)
    np.testing.assert_allclose(larger, 1000 * predicted, rtol=1e-9)


@pytest.mark.parametrize("lookback", [None, 8])
def test_missing_targets_do_not_count(lookback):
    gone = np.random.default_rng(0).random(60) < 0.3
    missing = np.where(gone, np.nan, NEXT)
    model = fitted(y=missing, lookback=lookback)
    left_out = GRUForecaster(**QUICK, lookback=lookback)
    left_out.fit(FEW, np.where(gone, 1e3, NEXT), sample_weight=~gone)
    predicted = model.predict(FEW)
    np.testing.assert_array_equal(predicted, left_out.predict(FEW))
    assert model.score(FEW, missing) == r2_score(NEXT[~gone], predicted[~gone])
    both, weights = np.column_stack([NEXT, missing]), np.linspace(0.1, 1.0, 60)
    model = fitted(y=both, lookback=lookback)
    expected = r2_score(both[~gone], model.predict(FEW)[~gone], sample_weight=weights[~gone])
    assert model.score(FEW, both, sample_weight=weights) == expected
