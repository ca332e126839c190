"""Windows that are normalised one by one: equal to windows normalised by hand.

N windows, T steps, F features.
"""

import copy
import pickle

import numpy as np
import pytest

from gruforecast.network import Windows
from gruforecast.network.windows import _shift_and_scale, load_windows
from gruforecast.training import (
    Dataset,
    TrainingOptions,
    evaluate,
    loss_and_gradients,
    train,
)
from tests.helpers import small_network, wavy_series
from tests.test_embeddings import embedding_network, mixed_series
from tests.test_future_head import STEPS, future_network
from tests.test_gradients import CELLS, KEY
from tests.test_precision import assert_no_float64

BIDIRECTIONAL = {"bidirectional": True, "num_layers": 2}
CASES = {
    "gru": (CELLS["gru_after"], "state"),
    "gru, short": (CELLS["gru_after"], "short"),
    "gru before": (CELLS["gru_before"] | BIDIRECTIONAL, "short state"),
    "lstm": (CELLS["lstm"] | BIDIRECTIONAL, "short"),
    "rnn": (CELLS["rnn"] | {"num_layers": 2, "dense_sizes": (5,)}, ""),
    "layer norm": (CELLS["gru_after"] | BIDIRECTIONAL | {"layer_norm": True}, "short"),
    "lstm, layer norm": (CELLS["lstm"] | {"layer_norm": True}, ""),
    "dropout": (BIDIRECTIONAL | {"dropout": 0.3}, "short"),
    "embeddings": ({"num_layers": 2}, "embeddings short"),
    "future": ({}, "future short"),
}
BOTH = [(case, "float64") for case in CASES]
BOTH += [(case, "float32") for case in ("gru, short", "lstm", "embeddings", "future")]
SOME = [("gru, short", "float32"), ("lstm", "float64"), ("layer norm", "float64")]
SOME += [("embeddings", "float32"), ("future", "float32")]
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def make_pair(case, dtype="float64", n=150, n_steps=7):
    """A random network; windows far from zero, and the same ones normalised by hand."""
    choices, flags = CASES[case]
    choices, flags, rng = choices | {"dtype": dtype}, flags.split(), np.random.default_rng(3)
    if "embeddings" in flags:
        network, series = embedding_network(**choices), mixed_series(n + n_steps)
    else:
        make = future_network if "future" in flags else small_network
        network, series = make(n_features=3, **choices), wavy_series(n + n_steps, 3)
    network.flat[...] = rng.normal(0.0, 0.5, network.flat.size)
    series[:, 0] += np.linspace(10.0, 30.0, len(series))
    series = series.astype(dtype)
    parts, starts = {"dtype": dtype}, rng.permutation(n)
    if "short" in flags:
        parts["lengths"] = rng.integers(0, n_steps + 1, n)
    if "state" in flags:
        spec = network.specification
        shape = (spec.num_layers * spec.n_directions, n, spec.state_size)
        parts["initial_state"] = rng.normal(size=shape)
    first_rows = starts[:, None] + np.arange(n_steps)
    if "short" in flags:  # aligned at the last step
        first_rows = np.maximum(first_rows - (n_steps - parts["lengths"])[:, None], 0)
    x = series[first_rows].astype("float64")
    newest = series[starts, 0] + rng.normal(0.0, 0.1, n).astype(dtype)
    factors = rng.uniform(0.5, 2.0, n).astype(dtype)
    x[:, :, 0] = (x[:, :, 0] - newest[:, None]) * factors[:, None]
    by_hand = Windows.from_array(x, **parts)
    if "future" in flags:
        parts |= {"future": rng.normal(size=(n + STEPS, 2)), "future_starts": rng.permutation(n)}
        by_hand = Windows(by_hand.series, by_hand.starts, n_steps, **parts)
    windows = Windows(series, starts, n_steps, **parts, offsets=newest, factors=factors)
    return network, windows, by_hand


def as_data(network, windows):
    rng, n = np.random.default_rng(4), len(windows)
    targets = rng.normal(size=(n, network.specification.n_outputs))
    return Dataset(windows, targets, rng.uniform(0.5, 2.0, n))


def part_of(windows, part):
    """Some of the windows."""
    ahead = {}
    if windows.future is not None:
        ahead = {"future": windows.future, "future_starts": windows.future_starts[part]}
    return Windows(
        windows.series, windows.starts[part], windows.n_steps, lengths=windows.lengths[part],
        dtype=windows.series.dtype, offsets=windows.offsets[part], factors=windows.factors[part],
        **ahead,
    )  # fmt: skip


def close(found, expected, dtype):
    tolerance = 1e-12 if dtype == "float64" else 2e-5
    assert found.dtype == dtype
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize(("case", "dtype"), BOTH)
def test_all_equals_windows_that_are_normalised_by_hand(case, dtype):
    network, windows, by_hand = make_pair(case, dtype)
    before = windows.series.copy()
    predicted = network.predict(windows)
    close(predicted, network.predict(by_hand), dtype)
    close(network.encode(windows), network.encode(by_hand), dtype)
    steps = [network.encode(w, every_step=True) for w in (windows, by_hand)]
    close(*steps, dtype)
    data, other = as_data(network, windows), as_data(network, by_hand)
    losses = [evaluate(network, d, "squared_error") for d in (data, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12 if dtype == "float64" else 1e-5)
    found = loss_and_gradients(network, data, "squared_error", key=KEY)
    expected = loss_and_gradients(network, other, "squared_error", key=KEY)
    assert found.weights.keys() == network.weights.keys() == expected.weights.keys()
    for name, value in found.weights.items():
        assert np.abs(value).max() > 0, name
        close(value, expected.weights[name], dtype)
    close(found.inputs, expected.inputs, dtype)
    close(found.initial_state, expected.initial_state, dtype)
    np.testing.assert_array_equal(windows.series, before)
    windows.offsets = windows.factors = None
    assert np.abs(network.predict(windows) - predicted).max() > 0.01


@both_dtypes
def test_masked_steps_stay_zeros_and_other_columns_as_they_are(dtype):
    _, windows, by_hand = make_pair("gru, short", dtype)
    members = np.array([5, 149, 0, 31, 31])
    rows, expected = (np.full((7, 5, 1, 3), np.nan, dtype) for _ in range(2))
    first, base = load_windows(windows, members, 3, rows)
    load_windows(by_hand, members, 3, expected)
    rows, expected = rows[:, :, 0], expected[:, :, 0]
    masked = np.arange(7)[:, None] < first
    assert masked.any()
    assert not rows[masked].any()
    np.testing.assert_array_equal(rows[:, :, 1:], expected[:, :, 1:])
    close(rows, expected, dtype)
    np.testing.assert_array_equal(base + first, windows.starts[members])


@pytest.mark.parametrize("case", ["lstm", "embeddings", "future"])
def test_training_equals_that_on_windows_normalised_by_hand(case):
    """Batches, shards and the validation set."""
    options, results = TrainingOptions(max_epochs=3, batch_size=70, learning_rate=0.01), []
    for number in (1, 2):
        network, *pair = make_pair(case)
        data = as_data(network, pair[number - 1])
        result = train(network, data, options, validation=data)
        results.append((result.loss_curve, result.validation_curve, network.flat))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.usefixtures("many_shards")
@both_dtypes
def test_the_same_bits_for_any_number_of_threads(dtype):
    rng, choices = np.random.default_rng(0), {"hidden_size": 48, "num_layers": 2, "dropout": 0.1}
    series = wavy_series(420, dtype=dtype) + np.arange(420)[:, None]
    windows = Windows(
        series, np.arange(400), 20, lengths=rng.integers(0, 21, 400), dtype=dtype,
        offsets=series[19:419, 0], factors=rng.uniform(0.5, 2.0, 400),
    )  # fmt: skip
    data = Dataset(windows, wavy_series(400))
    options = TrainingOptions(max_epochs=2, batch_size=150, learning_rate=0.01)
    found = []
    for n_threads in (1, 2, 4):
        network = small_network(dtype=dtype, **choices)
        train(network, data, options, validation=data, n_threads=n_threads)
        found.append((network.flat, network.predict(windows, n_threads=n_threads)))
    for flat, predicted in found[1:]:
        np.testing.assert_array_equal(flat, found[0][0])
        np.testing.assert_array_equal(predicted, found[0][1])


@pytest.mark.parametrize(("case", "dtype"), SOME)
def test_a_window_has_the_same_bits_in_any_batch(case, dtype):
    network, windows, _ = make_pair(case, dtype)
    whole = network.predict(windows, n_threads=1)
    backwards = slice(None, None, -1)
    for part in (slice(7, 8), slice(3, 40), slice(0, 150, 7), slice(100, None), backwards):
        for n_threads in (1, 2):
            predicted = network.predict(part_of(windows, part), n_threads=n_threads)
            np.testing.assert_array_equal(predicted, whole[part])


@both_dtypes
@pytest.mark.parametrize("short", [False, True])
def test_offsets_of_zero_and_factors_of_one_change_nothing(short, dtype):
    lengths = np.random.default_rng(0).integers(0, 13, 150) if short else None
    series, parts = wavy_series(162, 2, dtype=dtype), {"lengths": lengths, "dtype": dtype}
    plain = Windows(series, np.arange(150), 12, **parts)
    unit = Windows(series, np.arange(150), 12, **parts, offsets=np.zeros(150), factors=np.ones(150))
    network = small_network(n_features=2, dtype=dtype)
    close(network.predict(unit), network.predict(plain), dtype)
    weights, options = [], TrainingOptions(max_epochs=2, batch_size=64)
    for windows in (plain, unit):
        network = small_network(n_features=2, dtype=dtype)
        train(network, Dataset(windows, series[12:, 0]), options)
        weights.append(network.flat)
    np.testing.assert_array_equal(*weights)


def test_kernels_stay_in_float32():
    network, windows, _ = make_pair("gru", "float32")
    network.predict(windows)
    loss_and_gradients(network, as_data(network, windows), "squared_error")
    signatures = [s for s in _shift_and_scale.overloads if "float32" in repr(s)]
    assert len(signatures) >= 2  # rows of a workspace, and those of a stretch
    for signature in signatures:
        assert_no_float64(_shift_and_scale, signature)


def test_windows_far_from_zero_keep_their_digits():
    """The difference of two values of the series is taken before anything is rounded."""
    series = (wavy_series(60) + 16384.0).astype("float32")
    newest, n = series[9:59, 0], 50
    windows = Windows(series, np.arange(n), 10, offsets=newest, factors=np.full(n, 0.7))
    rows = series[np.arange(n)[:, None] + np.arange(10)].astype("float64")
    by_hand = Windows.from_array(np.float32(0.7) * (rows - newest[:, None, None].astype("float64")))
    network = small_network(dtype="float32")
    close(network.predict(windows), network.predict(by_hand), "float32")


def walk(n_rows, rng):
    """A random walk with trend: its increments can be foreseen, its level cannot."""
    increments, noise = np.zeros(n_rows), 0.2 * rng.standard_normal(n_rows)
    for t in range(1, n_rows):
        increments[t] = 0.9 * increments[t - 1] + noise[t]
    return (0.2 + increments).cumsum()[:, None]


def test_training_learns_increments_of_a_walk_that_leaves_what_it_has_seen():
    series, n_steps = walk(900, np.random.default_rng(0)), 8
    series = ((series - series[:600].mean()) / series[:600].std()).astype("float32")
    starts = np.arange(900 - n_steps)
    newest = series[n_steps - 1 : -1, 0]
    change = series[n_steps:, 0] - newest
    factors = np.full(len(starts), 1.0 / change[:600].std(), "float32")
    targets = change * factors
    options, learnt = TrainingOptions(max_epochs=30, learning_rate=0.01), {}
    for name in ("normalised", "as they are"):
        data = []
        for part in (slice(0, 600), slice(600, None)):
            parts = {"offsets": newest[part], "factors": factors[part]}
            parts = parts if name == "normalised" else {}
            data.append(Dataset(Windows(series, starts[part], n_steps, **parts), targets[part]))
        network = small_network(dtype="float32")
        train(network, data[0], options, n_threads=1)
        learnt[name] = evaluate(network, data[1], options.loss)
    floor = np.mean(targets[600:] ** 2)
    assert (series[600:] > series[:600].max()).mean() > 0.5
    assert learnt["normalised"] < 0.4 * floor
    assert learnt["as they are"] > 2.0 * learnt["normalised"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_a_copy_predicts_the_same(copied):
    network, windows, _ = make_pair("gru, short")
    data = as_data(network, windows)
    other = copied(data)
    np.testing.assert_array_equal(network.predict(other.windows), network.predict(windows))
    expected = evaluate(network, data, "squared_error")
    assert evaluate(copied(network), other, "squared_error") == expected
