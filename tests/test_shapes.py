"""Any shape: outputs and gradients equal the reference, whatever does not divide the tiles."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gruforecast.network import Windows
from gruforecast.training import Dataset, loss_and_gradients, make_loss
from tests import reference
from tests.helpers import small_network, wavy_series

SIZES = {
    "n": st.integers(1, 70),
    "n_steps": st.integers(1, 9),
    "n_features": st.integers(1, 35),
    "hidden_size": st.integers(1, 40),
    "seed": st.integers(0, 1000),
}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(**SIZES)
def test_outputs_equal_the_reference(n, n_steps, n_features, hidden_size, seed):
    rng = np.random.default_rng(seed)
    network = small_network(seed, n_features=n_features, hidden_size=hidden_size)
    x = rng.standard_normal((n, n_steps, n_features))
    lengths = rng.integers(0, n_steps + 1, n)
    windows = Windows.from_array(x, lengths=lengths, dtype="float64")
    _, last = reference.network_forward(
        network.weights, x.swapaxes(0, 1), cell="gru", n_layers=1, lengths=lengths
    )
    outputs = reference.head_forward(network.weights, last)
    np.testing.assert_allclose(network.predict(windows), outputs, rtol=0, atol=1e-13)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(**SIZES)
def test_a_step_along_the_gradient_changes_the_loss_as_it_says(
    n, n_steps, n_features, hidden_size, seed
):
    """A directional derivative of the reference, along the gradient of all parameters."""
    rng = np.random.default_rng(seed)
    network = small_network(seed, n_features=n_features, hidden_size=hidden_size)
    series = wavy_series(n + n_steps, n_features, seed)
    starts = rng.integers(0, n + 1, n)
    targets = rng.standard_normal(n)
    data = Dataset(Windows(series, starts, n_steps, dtype="float64"), targets)
    x = np.stack([series[s : s + n_steps] for s in starts], axis=1)
    found = loss_and_gradients(network, data, make_loss("squared_error"))
    direction = np.concatenate([g.ravel() for g in found.weights.values()])
    norm = np.linalg.norm(direction)

    def loss_at(step):
        moved = network.layout.views(network.flat + step * direction / norm)
        _, last = reference.network_forward(moved, x, cell="gru", n_layers=1)
        raw = reference.head_forward(moved, last)
        return reference.loss_value("squared_error", raw, targets[:, None])

    e = 1e-3
    slope = (8 * (loss_at(e) - loss_at(-e)) - (loss_at(2 * e) - loss_at(-2 * e))) / (12 * e)
    assert abs(slope - norm) < 1e-7 * norm
