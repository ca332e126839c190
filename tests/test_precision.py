"""Kernels compute in float32 when asked to, NaN is seen, and masked steps change no bit.

N windows, T steps, F features, H hidden.
"""

import importlib
import itertools
import pkgutil

import numpy as np
import pytest
from numba import types
from numba.core.compiler import run_frontend
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target
from numba.core.typed_passes import type_inference_stage

import gruforecast
from gruforecast.cells.options import _layer_norm_backward
from gruforecast.foundations.blas import multiply
from gruforecast.foundations.mathematics import _sigmoid_float32, _tanh_float32
from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, loss_and_gradients, make_loss, train
from tests.test_gradients import CELLS, FLAGS, LOSS_OPTIONS, LOSSES, make_problem

SCALARS = [_tanh_float32, _sigmoid_float32]
# These compute in the precision of the network; losses, the norm of a gradient, the factors of
# an optimiser and random numbers are float64 on purpose.
SAME_PRECISION = (
    "gruforecast.cells.",
    "gruforecast.foundations.blas",
    "gruforecast.foundations.mathematics",
    "gruforecast.network.",
)
cells = pytest.mark.parametrize("cell", CELLS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def dispatchers():
    """Every compiled function of the package."""
    for module in pkgutil.walk_packages(gruforecast.__path__, "gruforecast."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Dispatcher) and value.py_func.__module__ == module.name:
                yield value


def assert_no_float64(dispatcher, signature):
    """No variable of a function is a float64, for the types of its arguments.

    Constants may be: the compiler folds their conversion. Inference also loads the functions it
    calls, of which a kernel from disk knows nothing.
    """
    contexts = cpu_target.typing_context, cpu_target.target_context
    ir = run_frontend(dispatcher.py_func)
    for name, kind in type_inference_stage(*contexts, ir, signature, None).typemap.items():
        is_constant = "const" in name or "load_global" in name
        assert is_constant or "float64" not in repr(kind), (
            f"{dispatcher.py_func.__qualname__} has {name} of type {kind}"
        )


def test_kernels_stay_in_float32():
    """Train with all options, then look at the types inside every kernel that has run."""
    for cell, start in zip(CELLS, itertools.count(step=2), strict=False):
        for loss in LOSSES[start : start + 2]:
            case = (cell, 2, (3,), " ".join(FLAGS), (9, 3, 2, 3), loss)
            problem = make_problem(case, "float32")
            options = LOSS_OPTIONS.get(loss, {})
            chosen = TrainingOptions(loss=loss, loss_options=options, max_epochs=1)
            train(problem.network, problem.data, chosen, n_threads=1)
            assert problem.network.flat.dtype == np.float32
            assert np.isfinite(problem.network.flat).all()
        network, windows = make(cell, "float32")
        network.predict(windows)
    wanted = [d for d in dispatchers() if d.py_func.__module__.startswith(SAME_PRECISION)]
    seen = set()
    while True:
        found = {(d, s) for d in wanted for s in d.overloads if "float32" in repr(s)} - seen
        if not found:
            break
        for dispatcher, signature in found:
            assert_no_float64(dispatcher, signature)
        seen |= found
    assert {dispatcher for dispatcher, _ in seen} >= {*SCALARS, _layer_norm_backward, multiply}


@pytest.mark.parametrize("function", SCALARS)
def test_scalar_functions_stay_in_float32(function):
    function.compile((types.float32,))
    returned = {s.return_type for s in function.nopython_signatures if s.args == (types.float32,)}
    assert returned == {types.float32}


def make(cell, dtype, **options):
    """A random network of two layers in both directions, and windows with initial states."""
    rng, chosen = np.random.default_rng(0), CELLS[cell] | options
    spec = Specification(
        2, 3, num_layers=2, hidden_size=5, bidirectional=True, dtype=dtype, **chosen
    )
    network = Network(spec)
    network.flat[...] = rng.normal(0.0, 0.5, network.flat.size)
    starts, lengths = rng.integers(0, 100, 150), rng.integers(0, 7, 150)
    state = rng.normal(size=(2 * spec.num_layers, 150, spec.state_size))
    options = {"lengths": lengths, "initial_state": state, "dtype": dtype}
    return network, Windows(rng.normal(size=(106, 2)), starts, 6, **options)


@dtypes
@cells
def test_results_have_the_dtype_of_the_network(cell, dtype):
    network, windows = make(cell, dtype)
    data, loss = Dataset(windows, np.zeros((150, 3))), make_loss("squared_error")
    gradients = loss_and_gradients(network, data, loss)
    results = [network.predict(windows), network.encode(windows), gradients.inputs]
    results += [network.encode(windows, every_step=True), gradients.initial_state]
    assert {array.dtype for array in (*results, *gradients.weights.values())} == {np.dtype(dtype)}


@dtypes
@cells
def test_nan_is_seen(cell, dtype):
    """One NaN among the weights reaches the outputs of all windows that have a step."""
    network, windows = make(cell, dtype, dense_sizes=(4,))
    clean, read = network.flat.copy(), windows.lengths > 0
    assert np.isfinite(network.predict(windows, n_threads=1)).all()
    for name, view in network.weights.items():
        view.flat[view.size // 2] = np.nan
        outputs = network.predict(windows, n_threads=1)
        assert np.isnan(outputs[read]).any(axis=1).all(), name
        network.flat[...] = clean


@dtypes
@cells
def test_nan_stays_in_its_windows(cell, dtype):
    """Others keep every bit, in the forward and in the backward pass."""
    network, windows = make(cell, dtype)
    data, loss = Dataset(windows, np.zeros((150, 3))), make_loss("squared_error")
    outputs = network.predict(windows, n_threads=1)
    inputs = loss_and_gradients(network, data, loss).inputs
    windows.series[50, 1] = np.nan
    first, second = np.flatnonzero(windows.lengths)[:2]
    windows.initial_state[0, first, 2] = np.nan
    windows.initial_state[3, second, 0] = np.nan
    ends = windows.starts + windows.lengths
    hit = (windows.starts <= 50) & (ends > 50)
    hit[[first, second]] = True
    assert 0 < hit.sum() < 75
    after = network.predict(windows, n_threads=1)
    assert np.isnan(after[hit]).all()
    np.testing.assert_array_equal(after[~hit], outputs[~hit])
    gradients = loss_and_gradients(network, data, loss)
    assert np.isnan(gradients.loss)
    np.testing.assert_array_equal(gradients.inputs[~hit], inputs[~hit])


@dtypes
@cells
def test_masked_steps_keep_every_bit_of_the_state(cell, dtype):
    """Forward they come first and show the initial state, in reverse they come last."""
    network, windows = make(cell, dtype)
    every, last = (network.encode(windows, every_step=flag, n_threads=1) for flag in (True, False))
    np.testing.assert_array_equal(last[:, :5], every[:, -1, :5])
    np.testing.assert_array_equal(last[:, 5:], every[:, 0, 5:])
    for i, first in enumerate(windows.first):
        start, end = windows.initial_state[2, i, :5], windows.initial_state[3, i, :5]
        end = every[i, first, 5:] if first < 6 else end
        np.testing.assert_array_equal(every[i, :first, :5], np.tile(start, (first, 1)))
        np.testing.assert_array_equal(every[i, :first, 5:], np.tile(end, (first, 1)))
