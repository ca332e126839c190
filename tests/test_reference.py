"""The reference against torch, loops over elements and hand-computed facts.

N windows, T steps, F features, H hidden, L layers, D directions, K raw outputs, k targets.
"""

import math

import numpy as np
import pytest
import torch
from scipy.special import expit

from tests import reference

N, T, F, H = 3, 5, 2, 4
GATES = {"gru": 3, "lstm": 4, "rnn": 1}
TO_TORCH = {"gru": [1, 0, 2], "lstm": [0, 1, 3, 2], "rnn": [0]}  # our block at torch's place
close, forward = np.testing.assert_allclose, reference.network_forward


def make(cell, n_layers=1, directions=1, reset_after=True, layer_norm=False):
    """Random parameters, x (T, N, F) and initial state (L*D, N, n_state)."""
    rng, width, p = np.random.default_rng(0), GATES[cell] * H, {}
    for layer in range(n_layers):
        shapes = {"w_x": (H * directions if layer else F, width), "w_h": (H, width), "b": (width,)}
        shapes |= {"gain_x": (width,), "gain_h": (width,)} if layer_norm else {}
        shapes |= {"b_h": (H,)} if cell == "gru" and reset_after else {}
        for direction in ["", "reverse."][:directions]:
            for name, shape in shapes.items():
                p[f"layer{layer}.{direction}{name}"] = rng.normal(0, 0.7, shape)
    n_state = 2 * H if cell == "lstm" else H
    return p, rng.normal(size=(T, N, F)), rng.normal(size=(n_layers * directions, N, n_state))


def torch_network(p, cell, n_layers, directions):
    """torch's network with the parameters p copied into it."""
    kind = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}[cell]
    net = kind(F, H, n_layers, bidirectional=directions == 2, dtype=torch.float64)
    for index, weights in enumerate(net.all_weights):  # [w_ih, w_hh, b_ih, b_hh]
        prefix = f"layer{index // directions}." + ["", "reverse."][index % directions]
        with torch.no_grad():
            for name, weight in zip(["w_x", "w_h", "b"], weights[:3], strict=True):
                blocks = np.split(p[prefix + name].T, GATES[cell])
                weight.copy_(torch.tensor(np.concatenate([blocks[i] for i in TO_TORCH[cell]])))
            weights[3].zero_()
            if cell == "gru":
                weights[3][2 * H :] = torch.tensor(p[prefix + "b_h"])
    return net


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize(("n_layers", "directions"), [(1, 1), (1, 2), (3, 1), (3, 2)])
@pytest.mark.parametrize("cell", GATES)
def test_network_equals_torch(cell, n_layers, directions, with_state):
    p, x, state = make(cell, n_layers, directions)
    torch_state = torch.tensor(state) if with_state else None
    if with_state and cell == "lstm":
        torch_state = tuple(part.contiguous() for part in torch_state.split(H, dim=2))
    net = torch_network(p, cell, n_layers, directions)
    with torch.no_grad():
        every, last = net(torch.tensor(x), torch_state)
    h = (last[0] if cell == "lstm" else last)[-directions:]
    ours = forward(
        p,
        x,
        cell=cell,
        n_layers=n_layers,
        bidirectional=directions == 2,
        initial_state=state if with_state else None,
    )
    close(ours[0], every, atol=1e-12)
    close(ours[1], np.concatenate(list(h), axis=1), atol=1e-12)


def by_elements(p, x, h, c, mask, cell, reset_after, layer_norm):
    """One layer over one window x (T, F), number by number: list of states (T, H)."""
    units, gates, b = range(H), range(GATES[cell]), p["layer0.b"]

    def block(v, side, gate):
        weight, at = p[f"layer0.w_{side}"], gate * H
        out = [sum(v[k] * weight[k, at + i] for k in range(len(v))) for i in units]
        if layer_norm:
            mean = sum(out) / H
            root = math.sqrt(sum((o - mean) ** 2 for o in out) / H + 1e-5)
            out = [(out[i] - mean) / root * p[f"layer0.gain_{side}"][at + i] for i in units]
        return out

    states = []
    for x_t in x:
        hd = [h[i] * mask[i] for i in units]
        a = [[v + b[gate * H + i] for i, v in enumerate(block(x_t, "x", gate))] for gate in gates]
        u = [block(hd, "h", gate) for gate in gates]
        s = [[a[gate][i] + u[gate][i] for i in units] for gate in gates]
        if cell == "gru":
            z, r = [expit(v) for v in s[0]], [expit(v) for v in s[1]]
            if reset_after:
                inner = [r[i] * (u[2][i] + p["layer0.b_h"][i]) for i in units]
            else:
                inner = block([r[i] * hd[i] for i in units], "h", 2)
            h = [(1 - z[i]) * math.tanh(a[2][i] + inner[i]) + z[i] * h[i] for i in units]
        elif cell == "lstm":
            c = [expit(s[1][i]) * c[i] + expit(s[0][i]) * math.tanh(s[3][i]) for i in units]
            h = [expit(s[2][i]) * math.tanh(c[i]) for i in units]
        else:
            h = [math.tanh(v) for v in s[0]]
        states.append(h)
    return states


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize(("cell", "reset_after"), [*((c, True) for c in GATES), ("gru", False)])
def test_cell_equals_loops_over_elements(cell, reset_after, layer_norm, masked):
    p, x, state = make(cell, reset_after=reset_after, layer_norm=layer_norm)
    masks = np.random.default_rng(1).choice([0.0, 1.0 / 0.6], size=(1, N, H)) if masked else None
    options = {"cell": cell, "reset_after": reset_after, "layer_norm": layer_norm}
    ours, last = forward(p, x, n_layers=1, initial_state=state, recurrent_masks=masks, **options)
    for i in range(N):
        mask = masks[0, i] if masked else np.ones(H)
        expected = by_elements(p, x[:, i], state[0, i, :H], state[0, i, H:], mask, **options)
        close(ours[:, i], expected, atol=1e-12)
        close(last[i], expected[-1], atol=1e-12)


@pytest.mark.parametrize("cell", GATES)
def test_masked_steps_keep_the_state(cell):
    p, x, state = make(cell, 2, 2)
    lengths, options = np.array([5, 2, 0]), {"cell": cell, "n_layers": 2, "bidirectional": True}
    every, last = forward(p, x, lengths=lengths, initial_state=state, **options)
    for i, n in enumerate(lengths):
        alone = forward(p, x[T - n :, [i]], initial_state=state[:, [i]], **options)
        close(every[T - n :, i], alone[0][:, 0], atol=1e-14)
        close(last[i], alone[1][0], atol=1e-14)
        assert (every[: T - n, i, :H] == state[2, i, :H]).all()  # forward: not started
        assert (every[: T - n, i, H:] == last[i, H:]).all()  # reverse: finished
    x[:3, 1] = np.nan
    close(forward(p, x, lengths=lengths, initial_state=state, **options)[0], every)


@pytest.mark.parametrize("cell", GATES)
def test_masks_act_layer_by_layer(cell):
    """Stacked with masks = one-directional one-layer networks joined by hand."""
    (p, x, state), rng = make(cell, 2, 2), np.random.default_rng(2)
    layer_input, gap = x, rng.choice([0.0, 2.0], size=(T, N, 2 * H))
    masks = rng.choice([0.0, 1.25], size=(4, N, H))
    for layer in range(2):
        parts = []
        for d, direction in enumerate(["", "reverse."]):
            prefix, sign, index = f"layer{layer}.{direction}", [1, -1][d], [2 * layer + d]
            q = {n.replace(prefix, "layer0."): v for n, v in p.items() if n.startswith(prefix)}
            states, _ = forward(
                q,
                layer_input[::sign],
                cell=cell,
                n_layers=1,
                initial_state=state[index],
                recurrent_masks=masks[index],
            )
            parts.append(states[::sign])
        layer_input = np.concatenate(parts, axis=2) * (gap if layer == 0 else 1.0)
    every, last = forward(
        p,
        x,
        cell=cell,
        n_layers=2,
        bidirectional=True,
        initial_state=state,
        dropout_masks=[gap],
        recurrent_masks=masks,
    )
    close(every, layer_input, atol=1e-14)
    close(last, np.concatenate([layer_input[-1, :, :H], layer_input[0, :, H:]], axis=1))


def test_head():
    rng, sizes = np.random.default_rng(0), {"dense0": (H, 6), "dense1": (6, 5), "head": (5, 2)}
    p = {f"{name}.w": rng.normal(size=size) for name, size in sizes.items()}
    p |= {f"{name}.b": rng.normal(size=size[1]) for name, size in sizes.items()}
    state = rng.normal(size=(N, H))
    y, q = torch.tensor(state), {name: torch.tensor(value) for name, value in p.items()}
    for name in sizes:
        y = NN.functional.linear(y, q[f"{name}.w"].T, q[f"{name}.b"])
        y = y if name == "head" else y.relu()
    close(reference.head_forward(p, state), y, atol=1e-14)


def pinball(raw, y):
    """Quantile loss (N, k) of raw (N, k*Q), by sides."""
    e, q = y[:, :, None] - raw.reshape(*y.shape, 3), torch.tensor(QUANTILES, dtype=torch.float64)
    return torch.where(e > 0, q * e, (q - 1) * e).mean(2)


NN, EACH, QUANTILES = torch.nn, {"reduction": "none"}, (0.1, 0.5, 0.8)
SOFT = NN.functional.softplus
LOSSES = {  # raw columns of one target, elementwise loss (N, k) of raw (N, K), y (N, k)
    "squared_error": (1, NN.MSELoss(**EACH)),
    "absolute_error": (1, NN.L1Loss(**EACH)),
    "huber": (1, NN.HuberLoss(delta=0.7, **EACH)),
    "poisson": (1, NN.PoissonNLLLoss(log_input=True, **EACH)),
    "quantile": (3, pinball),
    "gaussian": (
        2,
        lambda raw, y: NN.GaussianNLLLoss(full=True, **EACH)(
            raw[:, ::2], y, (SOFT(raw[:, 1::2]) + 1e-4) ** 2
        ),
    ),
    "student_t": (
        3,
        lambda raw, y: (
            -torch.distributions.StudentT(
                2 + SOFT(raw[:, 2::3]), raw[:, ::3], SOFT(raw[:, 1::3]) + 1e-4
            ).log_prob(y)
        ),
    ),
    "cross_entropy": (4, lambda raw, y: NN.CrossEntropyLoss(**EACH)(raw, y[:, 0].long())[:, None]),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", LOSSES)
def test_loss_equals_torch(name, weighted):
    rng, n, k = np.random.default_rng(3), 12, 1 if name == "cross_entropy" else 2
    raw, y = rng.normal(0, 2, (n, k * LOSSES[name][0])), rng.normal(size=(n, k))
    if name in ("poisson", "cross_entropy"):
        y = rng.integers(0, 4, (n, k)).astype(float)
    weights = rng.uniform(0, 2, n) if weighted else None
    missing = rng.random((n, k)) < 0.3
    elements = LOSSES[name][1](torch.tensor(raw), torch.tensor(y)).numpy()
    w = np.where(missing, 0.0, (weights if weighted else np.ones(n))[:, None])
    y[missing] = np.nan
    ours = reference.loss_value(name, raw, y, weights, delta=0.7, quantiles=QUANTILES)
    assert ours == pytest.approx((elements * w).sum() / w.sum(), rel=1e-12)
    assert reference.loss_value(name, raw, y * np.nan, weights, quantiles=QUANTILES) == 0.0


def test_losses_by_hand():
    loss, q = reference.loss_value, (0.1, 0.9)
    assert loss("quantile", [[1, 2]], [[3]], quantiles=q) == pytest.approx((0.2 + 0.9) / 2)
    assert loss("quantile", [[5, 4]], [[3]], quantiles=q) == pytest.approx((1.8 + 0.1) / 2)
    assert loss("huber", [[3.0], [0.5]], [[0.0], [0.0]]) == (2.5 + 0.125) / 2
    assert loss("squared_error", [[2], [1]], [[0], [0]], [3, 1]) == 13 / 4


def test_predictions():
    raw, predict = np.random.default_rng(4).normal(size=(N, 6)), reference.predict_transform
    soft = np.log1p(np.exp(raw))
    gaussian = np.stack([raw[:, ::2], soft[:, 1::2] + 1e-4], axis=2)
    close(predict("gaussian", raw, n_targets=3), gaussian)
    student = np.stack([raw[:, 3], soft[:, 4] + 1e-4, soft[:, 5] + 2], axis=1)
    close(predict("student_t", raw, n_targets=2)[:, 1], student)
    levels = predict("quantile", raw, quantiles=QUANTILES, n_targets=2)
    close(levels[:, 1], np.sort(raw[:, 3:], axis=1))
    close(predict("poisson", raw, n_targets=6), np.exp(raw))
    close(predict("huber", raw, n_targets=6), raw)
    chances = torch.softmax(torch.tensor(raw), dim=1)[:, None]
    close(predict("cross_entropy", raw, n_targets=1), chances)


def test_fourth_order_gradient():
    w = np.random.default_rng(5).normal(size=(3, 4))
    before, slope = w.copy(), np.arange(12.0).reshape(3, 4)
    ours = reference.fourth_order_gradient(lambda a: np.sum(slope * np.exp(a)), w, [0, 7, 10])
    close(ours, (slope * np.exp(w)).ravel()[[0, 7, 10]], rtol=1e-10, atol=1e-10)
    assert (w == before).all()
