"""The head over future rows: values and gradients by reference and torch, bits, bad input.

N windows, H steps ahead, C columns of a future row, S what the head reads, O outputs of a step.
"""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional

from gruforecast.foundations.threads import Workers
from gruforecast.network import Network, Specification, Windows, future
from gruforecast.training import (
    Dataset,
    TrainingOptions,
    evaluate,
    loss_and_gradients,
    make_loss,
    train,
)
from gruforecast.training.gradients import BatchGradients
from tests import reference, test_gradients
from tests.helpers import small_network, wavy_series
from tests.test_gradients import CELLS, KEY, avoid_kinks, check_differences, compare, package_masks
from tests.test_precision import assert_no_float64
from tests.test_torch_parity import torch_parameters

STEPS = 3  # ahead
NAMES = ["future.w_state", "future.w_future", "future.position", "future.w_out"]


def future_network(width=1, n_future_features=2, n_future_steps=STEPS, **choices):
    ahead = {"n_future_steps": n_future_steps, "n_future_features": n_future_features}
    return small_network(**{"n_outputs": width * n_future_steps} | ahead | choices)


def future_windows(n, n_columns=2, n_steps=10, n_features=1, dtype="float64", seed=0, **parts):
    """Windows of a wavy series, with their future rows in another order; (N, H, C) of these."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n + STEPS + 4, n_columns))
    starts = rng.permutation(n + 5)[:n]
    windows = Windows(
        wavy_series(n + n_steps, n_features, seed, dtype), np.arange(n), n_steps, dtype=dtype,
        future=rows, future_starts=starts, **parts,
    )  # fmt: skip
    return windows, rows[starts[:, None] + np.arange(STEPS)]


class Problem(test_gradients.Problem):
    """The reference adds what it makes of the future rows."""

    def reference_raw(self, arrays):
        windows = self.data.windows
        rows = np.stack([windows.future[s : s + STEPS] for s in windows.future_starts])
        return reference.future_forward(arrays, self.reference_last(arrays), rows)


def centre_positions(problem):
    """Put the kink of every unit where few windows are, in the widest gap of the middle half."""
    arrays, windows = problem.arrays(), problem.data.windows
    rows = windows.future[windows.future_starts[:, None] + np.arange(STEPS)]
    from_state = reference.head_input(arrays, problem.reference_last(arrays)) @ arrays[NAMES[0]]
    values = np.sort(from_state[:, None] + rows @ arrays[NAMES[1]], axis=0)  # (N, H, D)
    quarter = len(values) // 4
    at = np.diff(values, axis=0)[quarter : len(values) - quarter].argmax(axis=0)[None] + quarter
    low, high = (np.take_along_axis(values, at + i, axis=0)[0] for i in (0, 1))
    arrays["future.position"][...] = -0.5 * (low + high)


def make_problem(cell, num_layers, dense_sizes, flags, loss, n_columns, n=19, steps=4):
    rng = np.random.default_rng(2)
    network = future_network(
        3 if loss == "quantile" else 1, n_columns, n_features=2, hidden_size=4, future_size=5,
        num_layers=num_layers, dense_sizes=dense_sizes, bidirectional="bidirectional" in flags,
        dropout=0.3 * ("dropout" in flags), **CELLS[cell],
    )  # fmt: skip
    for view in network.weights.values():
        view[...] = rng.normal(0.0, 0.5, view.shape)
    lengths = rng.integers(0, steps + 1, n) if "ragged" in flags else np.full(n, steps)
    windows, _ = future_windows(n, n_columns, steps, 2, lengths=lengths)
    x = np.zeros((steps, n, 2))
    for i, (start, length) in enumerate(zip(windows.starts, lengths, strict=True)):
        x[steps - length :, i] = windows.series[start : start + length]
    data = Dataset(windows, np.zeros((n, STEPS)), rng.uniform(0.5, 2.0, n))
    problem = Problem(network, data, loss, x, package_masks(network.specification, n, steps))
    avoid_kinks(problem, rng)
    centre_positions(problem)
    avoid_kinks(problem, rng)  # of the loss, whose targets lie elsewhere now
    data.targets[2::5, 1] = np.nan
    return problem


CASES = [
    ("gru_after", 1, (), "", "squared_error", 1),
    ("gru_after", 2, (4,), "bidirectional ragged", "quantile", 3),
    ("gru_before", 1, (1,), "ragged", "quantile", 2),
    ("lstm", 2, (), "ragged dropout", "quantile", 1),
    ("lstm", 1, (5, 3), "bidirectional", "squared_error", 2),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_equal_differences_of_the_reference(case):
    problem = make_problem(*case)
    computed, expected = problem.gradients(KEY), problem.reference_loss(problem.arrays())
    assert abs(computed.loss - expected) <= 1e-12 * abs(expected)
    assert list(computed.weights)[-4:] == NAMES
    check_differences(problem, computed)
    if not problem.masks:
        predicted = problem.network.predict(problem.data.windows)
        raw = problem.reference_raw(problem.arrays())
        np.testing.assert_allclose(predicted, raw, rtol=0, atol=2e-14)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize(("width", "n_columns", "size"), [(1, 2, 32), (3, 70, 67)])
def test_network_equals_torch(width, n_columns, size, dtype, tolerance):
    n, steps = 45, 6
    network = future_network(
        width, n_columns, num_layers=2, hidden_size=5, bidirectional=True, dense_sizes=(7,),
        future_size=size, dtype=dtype,
    )  # fmt: skip
    network.flat[...] = np.random.default_rng(0).normal(0.0, 0.5, network.flat.size)
    windows, rows = future_windows(n, n_columns, n_steps=steps, dtype=dtype)
    data = Dataset(windows, np.random.default_rng(1).normal(size=(n, STEPS * width)))
    leaves = {k: torch.tensor(w, requires_grad=True) for k, w in network.weights.items()}
    module = torch.nn.GRU(
        1, 5, 2, batch_first=True, bidirectional=True, dtype=getattr(torch, dtype)
    )
    x = torch.tensor(windows.series[np.arange(n)[:, None] + np.arange(steps)])
    parameters = torch_parameters(network.specification, leaves)
    _, state = torch.func.functional_call(module, parameters, (x,))
    s = torch.cat(list(state[-2:]), 1) @ leaves["dense0.w"] + leaves["dense0.b"]
    w_state, w_future, position, w_out = (leaves[name] for name in NAMES)
    s, rows = torch.relu(s), torch.tensor(rows.astype(dtype))
    units = torch.relu((s @ w_state)[:, None] + rows @ w_future + position)
    raw = s @ leaves["head.w"] + leaves["head.b"] + (units @ w_out).flatten(1)
    functional.mse_loss(raw, torch.tensor(data.targets)).backward()
    result = loss_and_gradients(network, data, "squared_error")
    found = {**result.weights, "outputs": network.predict(windows)}
    expected = {name: leaf.grad for name, leaf in leaves.items()} | {"outputs": raw.detach()}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value.dtype == dtype
        places = list(np.ndindex(value.shape))
        compare(name, expected[name].numpy().ravel(), value.ravel(), places, tolerance)


def test_kernels_stay_in_float32():
    network = future_network(dtype="float32")
    windows, _ = future_windows(20, dtype="float32")
    loss_and_gradients(network, Dataset(windows, np.zeros((20, STEPS))), "squared_error")
    for kernel in (future._gather_future, future.future_forward, future.future_backward):
        signatures = [s for s in kernel.overloads if "float32" in repr(s)]
        assert signatures
        for signature in signatures:
            assert_no_float64(kernel, signature)


@pytest.mark.usefixtures("many_shards")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_number_of_threads(dtype):
    lengths = np.random.default_rng(0).integers(0, 21, 400)
    windows, _ = future_windows(400, n_steps=20, dtype=dtype, lengths=lengths)
    data = Dataset(windows, wavy_series(400, STEPS))
    options = TrainingOptions(max_epochs=2, batch_size=150, learning_rate=0.01, l2=1e-3)
    found = []
    for n_threads in (1, 2, 4):
        network = future_network(hidden_size=48, num_layers=2, dropout=0.1, dtype=dtype)
        train(network, data, options, validation=data, n_threads=n_threads)
        found.append((network.flat, network.predict(windows, n_threads=n_threads)))
    for flat, predicted in found[1:]:
        np.testing.assert_array_equal(flat, found[0][0])
        np.testing.assert_array_equal(predicted, found[0][1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("width", "n_columns", "size"), [(1, 1, 32), (1, 3, 5), (3, 2, 17)])
def test_a_window_has_the_same_bits_in_any_batch(width, n_columns, size, dtype):
    network = future_network(width, n_columns, future_size=size, dtype=dtype)
    rng = np.random.default_rng(0)
    series, rows = wavy_series(400, dtype=dtype), rng.standard_normal((50, n_columns))
    starts, lengths = rng.integers(0, 380, 150), rng.integers(0, 21, 150)
    future_starts = rng.integers(0, 50 - STEPS + 1, 150)

    def predict(part):
        windows = Windows(
            series, starts[part], 20, lengths=lengths[part], dtype=dtype, future=rows,
            future_starts=future_starts[part],
        )  # fmt: skip
        return network.predict(windows, n_threads=1 + len(windows) % 2)

    whole = predict(slice(None))
    for part in (slice(7, 8), slice(3, 40), slice(0, 150, 7), slice(100, None)):
        np.testing.assert_array_equal(predict(part), whole[part])


def test_shards_add_up_to_the_whole_each_time():
    """Buffers that are used again bring nothing along."""
    network, (windows, _) = future_network(), future_windows(150)
    data = Dataset(windows, wavy_series(150, STEPS))
    whole = loss_and_gradients(network, data, "squared_error")
    with Workers(1) as workers:
        shards = BatchGradients(network, make_loss("squared_error"), 150, 64, workers)
        for _ in range(2):
            shards.compute(data, np.arange(150))
            for name, value in network.layout.views(shards.lanes.sum(axis=0)).items():
                np.testing.assert_allclose(value, whole.weights[name], rtol=1e-9, atol=1e-13)


def test_training_learns_what_only_the_future_rows_tell():
    n, rng = 500, np.random.default_rng(0)
    series = rng.uniform(-1.0, 1.0, (n + 5, 1)).astype("float32")
    windows = Windows(
        series, np.arange(n), 5, future=rng.standard_normal((n + STEPS, 2)),
        future_starts=np.arange(n),
    )  # fmt: skip
    ahead = windows.future[np.arange(n)[:, None] + np.arange(STEPS)]
    data = Dataset(windows, series[4 : n + 4] + np.array([0.8, -0.5, 0.2]) * ahead[:, :, 0])
    network = future_network(hidden_size=16, dtype="float32")
    options = TrainingOptions(max_epochs=60, learning_rate=0.01)
    result = train(network, data, options, n_threads=1)
    assert result.loss_curve[0] > 0.3
    assert evaluate(network, data, options.loss) < 0.01
    others = Windows(series, np.arange(n), 5, future=-windows.future, future_starts=np.arange(n))
    assert evaluate(network, Dataset(others, data.targets), options.loss) > 0.5


def test_parameters_stand_last_and_change_no_other():
    choices = {"n_features": 1, "n_outputs": 6, "hidden_size": 64, "dense_sizes": (50,)}
    plain = Network(Specification(**choices), seed=3)
    network = Network(
        Specification(**choices, n_future_steps=3, n_future_features=30, future_size=40), seed=3
    )
    assert list(network.weights) == [*plain.weights, *NAMES]
    np.testing.assert_array_equal(network.flat[: plain.flat.size], plain.flat)
    weights = network.weights
    shapes = [weights[name].shape for name in NAMES]
    assert shapes == [(50, 40), (30, 40), (3, 40), (40, 2)]
    for name in (NAMES[0], NAMES[1], NAMES[3]):
        limit = np.sqrt(6 / sum(weights[name].shape))
        assert 0.9 * limit < np.abs(weights[name]).max() <= limit
    assert not weights["future.position"].any()
    assert network.layout.weight_mask()[plain.flat.size :].all()
    weights["future.w_out"][...] = 0.0
    series, rows = wavy_series(40, dtype="float32"), np.ones((9, 30))
    windows = Windows(series, [3, 20], 10, future=rows, future_starts=[0, 6])
    expected = plain.predict(Windows(series, [3, 20], 10))
    np.testing.assert_array_equal(network.predict(windows), expected)
    np.testing.assert_array_equal(
        network.encode(windows), plain.encode(Windows(series, [3, 20], 10))
    )


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_a_copy_predicts_the_same(copied):
    network, (windows, _) = future_network(3), future_windows(30)
    other, other_windows = copied(network), copied(windows)
    assert other.specification == network.specification
    assert hash(other.specification) == hash(network.specification)
    np.testing.assert_array_equal(other.predict(other_windows), network.predict(windows))
    other.weights["future.w_out"][...] = 0.0
    assert network.weights["future.w_out"].any()


def test_windows_share_the_future_and_own_its_numbers():
    rows, starts = np.zeros((8, 2)), np.array([0, 5])
    windows = Windows(wavy_series(9), [0, 1], 4, dtype="float64", future=rows, future_starts=starts)
    starts[0] = 100
    assert windows.future_starts.tolist() == [0, 5]
    assert not windows.future_starts.flags.writeable
    assert windows.future is rows
    expected = "series of 9 rows x 1 features, future of 8 rows x 2 features, float64)"
    assert repr(windows).endswith(expected)
    assert "n_future_steps=3, n_future_features=2, future_size=32" in repr(future_network())
