"""Networks: forward values, starting weights, names, copies."""

import copy
import itertools
import pickle

import numpy as np
import pytest

from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, make_loss
from tests import reference
from tests.helpers import small_network, wavy_series

CELLS = [("gru", True), ("gru", False), ("lstm", True), ("rnn", True)]


@pytest.mark.parametrize(("cell", "reset_after"), CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
def test_states_and_outputs_equal_the_reference(cell, reset_after, bidirectional, layer_norm):
    rng = np.random.default_rng(0)
    n, n_steps, n_layers = 37, 6, 2
    choices = {"cell": cell, "reset_after": reset_after, "bidirectional": bidirectional}
    network = small_network(
        n_features=3, n_outputs=2, hidden_size=5, num_layers=n_layers, dense_sizes=(4,),
        layer_norm=layer_norm, **choices,
    )  # fmt: skip
    network.flat += 0.1 * rng.standard_normal(network.flat.shape)
    series = wavy_series(60, 3)
    starts, lengths = rng.integers(0, 54, n), rng.integers(0, n_steps + 1, n)
    x = np.zeros((n_steps, n, 3))
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        x[n_steps - length :, i] = series[start : start + length]
    spec = network.specification
    state = rng.standard_normal((n_layers * spec.n_directions, n, spec.state_size))
    every, last = reference.network_forward(
        network.weights, x, n_layers=n_layers, layer_norm=layer_norm, lengths=lengths,
        initial_state=state, **choices,
    )  # fmt: skip
    windows = Windows(
        series, starts, n_steps, lengths=lengths, initial_state=state, dtype="float64"
    )
    near = {"rtol": 0, "atol": 2e-14}
    np.testing.assert_allclose(network.encode(windows), last, **near)
    np.testing.assert_allclose(
        network.encode(windows, every_step=True), every.swapaxes(0, 1), **near
    )
    outputs = reference.head_forward(network.weights, last)
    np.testing.assert_allclose(network.predict(windows), outputs, **near)


@pytest.mark.parametrize(("cell", "reset_after"), CELLS)
def test_starting_weights(cell, reset_after):
    spec = Specification(6, 2, cell=cell, reset_after=reset_after, hidden_size=32, dtype="float64")
    weights = Network(spec, seed=3).weights
    limit = np.sqrt(6 / (6 + 32))
    assert 0.9 * limit < np.abs(weights["layer0.w_x"]).max() <= limit
    for gate in np.split(weights["layer0.w_h"], spec.cell_type.n_gates, axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(32), atol=1e-12)
    biases = weights["layer0.b"].reshape(-1, 32)
    expected = np.zeros_like(biases)
    keeping = {"gru": 0, "lstm": 1}  # the gate that keeps the past
    if cell in keeping:
        expected[keeping[cell]] = 1.0
    np.testing.assert_array_equal(biases, expected)


def test_chosen_gate_biases():
    spec = Specification(1, cell="gru", hidden_size=2)
    weights = Network(spec, gate_bias={"z": -1.5}).weights
    np.testing.assert_array_equal(weights["layer0.b"], [-1.5, -1.5, 0, 0, 0, 0])
    lstm = Network(Specification(1, cell="lstm", hidden_size=1), gate_bias={}).weights
    np.testing.assert_array_equal(lstm["layer0.b"], 0.0)


def test_seeds_choose_the_weights():
    same = [small_network(seed=4).flat for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert not np.array_equal(same[0], small_network(seed=5).flat)


def test_weights_are_views_of_one_vector():
    network = small_network(num_layers=2, bidirectional=True, layer_norm=True, dense_sizes=(3,))
    assert sum(part.size for part in network.weights.values()) == network.flat.size
    for number, part in enumerate(network.weights.values()):
        part[...] = number
    assert set(network.flat) == set(range(len(network.weights)))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))])
def test_a_copy_has_weights_of_its_own(copied):
    network = small_network()
    other = copied(network)
    other.weights["head.b"][...] = 5.0
    assert other.flat[-1] == 5.0
    assert network.flat[-1] == 0.0


def test_set_weights_takes_what_another_network_gives():
    network, other = small_network(seed=1), small_network(seed=2)
    network.set_weights(other.weights)
    np.testing.assert_array_equal(network.flat, other.flat)


@pytest.mark.parametrize("name", ["quantile", "gaussian", "student_t", "poisson", "cross_entropy"])
def test_raw_outputs_become_what_they_mean(name):
    raw = np.random.default_rng(0).standard_normal((9, 6))
    quantiles = (0.1, 0.5, 0.9)
    options = {"quantiles": quantiles} if name == "quantile" else {}
    found = make_loss(name, **options).transform(raw)
    width = {"quantile": 3, "gaussian": 2, "student_t": 3, "poisson": 1, "cross_entropy": 6}[name]
    expected = reference.predict_transform(name, raw, quantiles=quantiles, n_targets=6 // width)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-12)


def test_quantiles_never_cross():
    raw = np.random.default_rng(0).standard_normal((50, 12)).astype("float32")
    found = make_loss("quantile", quantiles=(0.1, 0.5, 0.9)).transform(raw)
    assert (np.diff(found, axis=2) >= 0).all()


def test_a_float32_network_stays_in_float32():
    for cell, layer_norm in itertools.product(("gru", "lstm", "rnn"), (False, True)):
        network = small_network(cell=cell, layer_norm=layer_norm, dtype="float32", num_layers=2)
        windows = Windows(wavy_series(30), np.arange(20), 5)
        assert network.predict(windows).dtype == np.float32
        assert network.encode(windows, every_step=True).dtype == np.float32


def test_what_is_masked_may_hold_anything():
    x = np.random.default_rng(0).standard_normal((3, 4, 1))
    lengths = [4, 2, 0]
    network = small_network()
    expected = network.predict(Windows.from_array(x, lengths=lengths, dtype="float64"))
    x[1, :2], x[2] = np.nan, np.inf
    found = network.predict(Windows.from_array(x, lengths=lengths, dtype=np.float64))
    np.testing.assert_array_equal(found, expected)
    x[1, 2] = np.nan
    with pytest.raises(ValueError, match="finite in float64, got nan"):
        Windows.from_array(x, lengths=lengths, dtype="float64")


def test_representations_say_what_there_is():
    network = small_network()
    windows = Windows(wavy_series(30), np.arange(20), 5)
    assert "hidden_size=8" in repr(network)
    assert "257 parameters" in repr(network)
    assert repr(windows) == "Windows(20 of up to 5 steps, series of 30 rows x 1 features, float32)"
    assert repr(Dataset(windows, np.zeros(20))) == f"Dataset({windows}, 1 targets)"
