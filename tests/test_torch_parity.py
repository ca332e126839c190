"""Values and gradients against torch with the same weights.

N windows, T steps, F features, H hidden, L layers, D directions, K outputs, k targets.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional

from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, loss_and_gradients, make_loss
from tests.test_gradients import CELLS, compare, make_problem

N, T, F, H, K = 19, 6, 3, 5, 6
MODULES = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}
BLOCKS = {"gru": [1, 0, 2], "lstm": [0, 1, 3, 2], "rnn": [0]}  # our gate at torch's place
# Of an array's largest value: float64 a few hundred roundings, float32 about a hundred.
TOLERANCES = {"float64": 1e-12, "float32": 1e-5}
dtypes = pytest.mark.parametrize("dtype", TOLERANCES)


def make(dtype, targets=None, weights=None, ragged=False, **options):
    """A network and a data set with an initial state, both random."""
    rng = np.random.default_rng(0)
    network = Network(Specification(F, K, hidden_size=H, dtype=dtype, **options))
    network.flat[...] = rng.normal(0.0, 0.5, network.flat.size)
    spec = network.specification
    lengths = rng.integers(1, T + 1, N) if ragged else np.full(N, T)
    lengths[N // 2] = 0 if ragged else T
    state = rng.normal(size=(spec.num_layers * spec.n_directions, N, spec.state_size))
    starts = np.arange(1, N + 1) * T - lengths
    series = rng.normal(size=(N * T, F))
    windows = Windows(series, starts, T, lengths=lengths, initial_state=state, dtype=dtype)
    targets = rng.normal(size=(N, K)) if targets is None else targets
    return network, Dataset(windows, targets, weights)


def torch_leaves(network, data):
    """The named parameters, x (N, T, F) and the initial state as tensors with gradients."""
    arrays = {**network.weights, "x": data.windows.series.reshape(N, T, F)}
    arrays |= {"initial_state": data.windows.initial_state}
    return {k: torch.tensor(value, requires_grad=True) for k, value in arrays.items()}


def torch_parameters(spec, leaves):
    """Our parameters under torch's names, in torch's form."""
    size, found = spec.hidden_size, {}
    for layer in range(spec.num_layers):
        for d in range(spec.n_directions):
            ours = f"layer{layer}." + "reverse." * d
            suffix = f"l{layer}" + "_reverse" * d

            def blocks(value):
                parts = value.split(size, -1)
                return torch.cat([parts[i] for i in BLOCKS[spec.cell]], -1).mT.contiguous()

            found[f"weight_ih_{suffix}"] = blocks(leaves[ours + "w_x"])
            found[f"weight_hh_{suffix}"] = blocks(leaves[ours + "w_h"])
            found[f"bias_ih_{suffix}"] = blocks(leaves[ours + "b"][None])[:, 0]
            zeros = torch.zeros_like(leaves[ours + "b"])
            if spec.cell == "gru":
                zeros = torch.cat([zeros[: 2 * size], leaves[ours + "b_h"]])
            found[f"bias_hh_{suffix}"] = zeros
    return found


def torch_raw(network, data, leaves):
    """Outputs (N, K); windows of different lengths one by one."""
    spec, size = network.specification, network.specification.hidden_size
    module = MODULES[spec.cell](
        spec.n_features, size, spec.num_layers, bidirectional=spec.bidirectional,
        batch_first=True, dtype=getattr(torch, spec.dtype),
    )  # fmt: skip
    parameters = torch_parameters(spec, leaves)
    lengths, last = data.windows.lengths, []
    groups = [range(N)] if (lengths == T).all() else [[i] for i in range(N)]
    for group in groups:
        length = lengths[group[0]]
        state = leaves["initial_state"][:, group]
        if spec.cell == "lstm":
            state = tuple(part.contiguous() for part in state.split(size, 2))
        if length > 0:
            x = leaves["x"][group, T - length :]
            _, state = torch.func.functional_call(module, parameters, (x, state))
        h = state[0] if spec.cell == "lstm" else state
        last.append(torch.cat(list(h[-spec.n_directions :]), 1))
    return torch.cat(last) @ leaves["head.w"] + leaves["head.b"]


def check(network, data, result, leaves, loss):
    """The loss and all gradients, relative to the largest value of an array."""
    tolerance = TOLERANCES[network.specification.dtype]
    loss.backward()
    assert abs(result.loss - loss.item()) <= tolerance * abs(loss.item())
    computed = {**result.weights, "x": result.inputs, "initial_state": result.initial_state}
    assert computed.keys() == leaves.keys()
    for name, value in computed.items():
        assert value.dtype == network.flat.dtype
        expected = leaves[name].grad.numpy()
        compare(name, expected.ravel(), value.ravel(), list(np.ndindex(value.shape)), tolerance)


@dtypes
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("cell", MODULES)
def test_network_equals_torch(cell, num_layers, bidirectional, ragged, dtype):
    options = {"cell": cell, "num_layers": num_layers, "bidirectional": bidirectional}
    network, data = make(dtype, ragged=ragged, **options)
    leaves = torch_leaves(network, data)
    raw = torch_raw(network, data, leaves)
    expected = raw.detach().numpy()
    predicted = network.predict(data.windows, n_threads=1)
    places = list(np.ndindex(expected.shape))
    compare("outputs", expected.ravel(), predicted.ravel(), places, TOLERANCES[dtype])
    result = loss_and_gradients(network, data, make_loss("squared_error"))
    loss = functional.mse_loss(raw, torch.tensor(data.targets))
    check(network, data, result, leaves, loss)


def torch_losses(name, raw, y):
    """Losses by torch (N, k); the quantile loss is not there."""
    scale = functional.softplus(raw[:, 1 :: 3 if name == "student_t" else 2]) + 1e-4
    if name == "gaussian":
        options = {"full": True, "eps": 0.0, "reduction": "none"}
        return functional.gaussian_nll_loss(raw[:, ::2], y, scale**2, **options)
    if name == "student_t":
        df = 2.0 + functional.softplus(raw[:, 2::3])
        return -torch.distributions.StudentT(df, raw[:, ::3], scale).log_prob(y)
    if name == "cross_entropy":
        return functional.cross_entropy(raw, y[:, 0].long(), reduction="none")[:, None]
    if name == "huber":
        return functional.huber_loss(raw, y, reduction="none", delta=0.7)
    if name == "poisson":
        return functional.poisson_nll_loss(raw, y, reduction="none")
    kinds = {"squared_error": functional.mse_loss, "absolute_error": functional.l1_loss}
    return kinds[name](raw, y, reduction="none")


@dtypes
@pytest.mark.parametrize(("name", "n_targets"), [
    ("squared_error", K), ("absolute_error", K), ("huber", K), ("poisson", K),
    ("gaussian", K // 2), ("student_t", K // 3), ("cross_entropy", 1),
])  # fmt: skip
def test_losses_equal_torch(name, n_targets, dtype):
    """With weights, some of them zero, and missing targets."""
    rng = np.random.default_rng(1)
    counts = name in ("poisson", "cross_entropy")
    shape = (N, n_targets)
    targets = rng.integers(0, K, shape).astype(float) if counts else rng.normal(size=shape)
    missing = np.arange(targets.size).reshape(shape) % 5 == 3
    weights = np.where(np.arange(N) % 4 == 1, 0.0, rng.uniform(0.5, 2.0, N))
    network, data = make(dtype, np.where(missing, np.nan, targets), weights)
    leaves = torch_leaves(network, data)
    y = torch.tensor(np.nan_to_num(data.targets))
    losses = torch_losses(name, torch_raw(network, data, leaves), y)
    effective = torch.tensor(data.weights)[:, None] * torch.tensor(~missing)
    loss = (losses * effective).sum() / effective.sum()
    result = loss_and_gradients(
        network, data, make_loss(name, **({"delta": 0.7} if name == "huber" else {}))
    )
    check(network, data, result, leaves, loss)


def torch_last(options, p, x, state):
    """Last states (N, H*D) of one layer by torch, which derives the gradients itself."""
    last, size, tanh, sigmoid = [], p["layer0.w_h"].shape[0], torch.tanh, torch.sigmoid
    for d, prefix in enumerate(["layer0.", "layer0.reverse."]):
        w_h, h, c = p[prefix + "w_h"], state[d][:, :size], state[d][:, size:]
        for x_t in x.flip(0) if d else x:
            a = (x_t @ p[prefix + "w_x"] + p[prefix + "b"]).split(size, 1)
            u = (h @ w_h).split(size, 1)
            if options["cell"] == "rnn":
                h = tanh(a[0] + u[0])
            elif options["cell"] == "lstm":
                i, f, o = (sigmoid(a[k] + u[k]) for k in range(3))
                c = f * c + i * tanh(a[3] + u[3])
                h = o * tanh(c)
            else:
                z, r = sigmoid(a[0] + u[0]), sigmoid(a[1] + u[1])
                if options["reset_after"]:
                    n = tanh(a[2] + r * (u[2] + p[prefix + "b_h"]))
                else:
                    n = tanh(a[2] + (r * h) @ w_h[:, 2 * size :])
                h = n + z * (h - n)
        last.append(h)
    return torch.cat(last, 1)


@pytest.mark.parametrize("shape", [(40, 5, 65, 70), (20, 3, 7, 150)])
@pytest.mark.parametrize("cell", CELLS)
def test_large_gradients_equal_torch(cell, shape):
    """Sizes above the tiles of the matrix products: rows, columns and inner terms."""
    problem = make_problem((cell, 1, (), "bidirectional state", shape, "squared_error"))
    problem.network.flat *= 0.2
    problem.data.targets[...] = np.nan_to_num(problem.data.targets)
    computed, p = problem.gradients(), {}
    for name, value in problem.arrays().items():
        p[name] = torch.tensor(value, requires_grad=True)
    last = torch_last(CELLS[cell], p, p["x"], p["initial_state"])
    error = last @ p["head.w"] + p["head.b"] - torch.tensor(problem.data.targets)
    weights = torch.tensor(problem.data.weights)
    loss = (weights[:, None] * error**2).sum() / (2 * weights.sum())
    loss.backward()
    assert abs(computed.loss - loss.item()) <= 1e-12 * loss.item()
    gradients = {**computed.weights, "x": computed.inputs.swapaxes(0, 1)}
    for name, value in (gradients | {"initial_state": computed.initial_state}).items():
        expected = p[name].grad.numpy()
        compare(name, expected.ravel(), value.ravel(), list(np.ndindex(value.shape)), 1e-12)
