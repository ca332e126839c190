"""Naive float64 reference of the networks, losses, optimisers and schedules.

N windows, T steps, F features, H hidden, L layers, D directions, G gate blocks, K raw outputs,
k targets, Q quantiles. Row vectors: weights multiply from the right.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit as sigmoid
from scipy.special import gammaln, logsumexp

Array = np.ndarray


def layer_norm_blocks(a: Array, gain: Array, hidden: int) -> Array:
    """Normalise every block of H columns of a (N, blocks*H) by itself, times gain (blocks*H)."""
    blocks = a.reshape(len(a), -1, hidden)
    mean = blocks.mean(axis=2, keepdims=True)
    variance = ((blocks - mean) ** 2).mean(axis=2, keepdims=True)
    return ((blocks - mean) / np.sqrt(variance + 1e-5)).reshape(a.shape) * gain


def cell_step(
    p: Mapping[str, Array],
    x: Array,
    h_prev: Array,
    c_prev: Array,
    mask: Array,
    cell: str,
    reset_after: bool,
    layer_norm: bool,
) -> tuple[Array, Array]:
    """One step of one cell: x (N, F_l), h_prev, c_prev, mask (N, H) -> h, c (N, H)."""
    hidden, w_h = h_prev.shape[1], p["w_h"]

    def norm(a: Array, gain_name: str, columns: slice = slice(None)) -> Array:
        return layer_norm_blocks(a, p[gain_name][columns], hidden) if layer_norm else a

    hd = h_prev * mask
    a = norm(x @ p["w_x"], "gain_x") + p["b"]
    if cell == "rnn":
        return np.tanh(a + norm(hd @ w_h, "gain_h")), c_prev
    if cell == "lstm":
        s_i, s_f, s_o, s_g = np.split(a + norm(hd @ w_h, "gain_h"), 4, axis=1)
        c = sigmoid(s_f) * c_prev + sigmoid(s_i) * np.tanh(s_g)
        return sigmoid(s_o) * np.tanh(c), c
    assert cell == "gru", cell
    a_z, a_r, a_n = np.split(a, 3, axis=1)
    zr, new = slice(0, 2 * hidden), slice(2 * hidden, 3 * hidden)
    u_z, u_r = np.split(norm(hd @ w_h[:, zr], "gain_h", zr), 2, axis=1)
    z, r = sigmoid(a_z + u_z), sigmoid(a_r + u_r)
    if reset_after:
        n = np.tanh(a_n + r * (norm(hd @ w_h[:, new], "gain_h", new) + p["b_h"]))
    else:
        n = np.tanh(a_n + norm((r * hd) @ w_h[:, new], "gain_h", new))
    return n + z * (h_prev - n), c_prev


def embedded(parameters: Mapping[str, Array], x: Array) -> Array:
    """x (T, N, F), category numbers last, -> numeric columns, then the row of each table.

    A number below zero reads as zeros.
    """
    tables = [value for name, value in parameters.items() if name.startswith("embedding")]
    n_numeric = x.shape[2] - len(tables)
    parts = [x[:, :, :n_numeric]]
    for k, table in enumerate(tables):
        looked_up = np.zeros((*x.shape[:2], table.shape[1]))
        for t, i in np.ndindex(x.shape[:2]):
            if x[t, i, n_numeric + k] >= 0:
                looked_up[t, i] = table[int(x[t, i, n_numeric + k])]
        parts.append(looked_up)
    return np.concatenate(parts, axis=2)


def network_forward(
    parameters: Mapping[str, Array],
    x: Array,
    *,
    cell: str,
    n_layers: int,
    bidirectional: bool = False,
    reset_after: bool = True,
    layer_norm: bool = False,
    lengths: Array | None = None,
    initial_state: Array | None = None,
    dropout_masks: Sequence[Array] | None = None,
    recurrent_masks: Array | None = None,
    finals: list[Array] | None = None,
) -> tuple[Array, Array]:
    """x (T, N, F) -> every state (T, N, H*D) and last state (N, H*D) of the last layer.

    ``finals`` gets the state after the last step, as initial_state, of each layer and direction.

    lengths (N,): window i reads only its last lengths[i] steps; initial_state (L*D, N, H), lstm
    (L*D, N, 2H) = [h0, c0]; dropout_masks L-1 of (T, N, H*D); recurrent_masks (L*D, N, H).
    """
    parameters = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    layer_input = np.asarray(x, np.float64)
    n_time, n_windows, _ = layer_input.shape
    hidden = parameters["layer0.w_h"].shape[0]
    directions = ["", "reverse."] if bidirectional else [""]
    first_step = np.zeros(n_windows) if lengths is None else n_time - np.asarray(lengths)
    for layer in range(n_layers):
        outputs, last = [], []
        for d, direction in enumerate(directions):
            prefix = f"layer{layer}.{direction}"
            p = {k.removeprefix(prefix): v for k, v in parameters.items() if k.startswith(prefix)}
            index = layer * len(directions) + d
            h = c = np.zeros((n_windows, hidden))
            if initial_state is not None:
                state = np.asarray(initial_state[index], np.float64)
                h = state[:, :hidden]
                c = state[:, hidden:] if cell == "lstm" else c
            mask = np.ones_like(h) if recurrent_masks is None else recurrent_masks[index]
            states = np.empty((n_time, n_windows, hidden))
            for t in range(n_time) if direction == "" else reversed(range(n_time)):
                new = cell_step(p, layer_input[t], h, c, mask, cell, reset_after, layer_norm)
                active = (t >= first_step)[:, None]
                h, c = np.where(active, new[0], h), np.where(active, new[1], c)
                states[t] = h
            outputs.append(states)
            last.append(h)
            if finals is not None:
                finals.append(np.concatenate([h, c], axis=1) if cell == "lstm" else h)
        layer_input = np.concatenate(outputs, axis=2)
        if dropout_masks is not None and layer < n_layers - 1:
            layer_input = layer_input * dropout_masks[layer]
    return layer_input, np.concatenate(last, axis=1)


def read_segments(parameters: Mapping[str, Array], x: Array, lengths: Array, width: int) -> Array:
    """x (T, N, F) -> relu of segments of ``width`` steps (S, N, D); they end with the last step.

    Masked steps, and those that fill up the first segment, are zeros.
    """
    n_time, n_windows, n_features = x.shape
    n_segments = -(-n_time // width)
    out = np.zeros((n_segments, n_windows, parameters["segment.b"].size))
    for s, i in np.ndindex(n_segments, n_windows):
        joined = np.zeros((width, n_features))
        for w in range(width):
            t = n_time - (n_segments - s) * width + w
            if t >= n_time - lengths[i]:
                joined[w] = x[t, i]
        out[s, i] = joined.ravel() @ parameters["segment.w"] + parameters["segment.b"]
    return np.maximum(out, 0.0)


def pooled(states: Array, last_state: Array, lengths: Array) -> Array:
    """states (T, N, H*D) -> mean and maximum over the last lengths (N,) steps, and last_state.

    Mean and maximum of a window without a step are zeros.
    """
    mean, largest = np.zeros_like(last_state), np.zeros_like(last_state)
    for i, length in enumerate(lengths):
        if length:
            mean[i] = states[len(states) - length :, i].mean(axis=0)
            largest[i] = states[len(states) - length :, i].max(axis=0)
    return np.concatenate([mean, largest, last_state], axis=1)


def decode(
    parameters: Mapping[str, Array],
    finals: Array,
    categories: Array,
    n_outputs: int,
    head_mask: Array | None = None,
    **options: Any,
) -> Array:
    """finals (L*D, N, state size), categories (N, E) -> raw outputs (N, K).

    ``options`` are those of network_forward; head_mask (N, M, H*D) multiplies what the head reads.
    """
    layers = {name: value for name, value in parameters.items() if name.startswith("layer")}
    outputs = []
    for m, place in enumerate(parameters["decoder.steps"]):
        x = np.repeat(place[None, None], finals.shape[1], axis=1)
        for i, k in np.ndindex(categories.shape):
            if categories[i, k] >= 0:
                x[0, i] += parameters[f"decoder.table{k}"][int(categories[i, k])]
        last = network_forward(layers, x, initial_state=finals, **options)[1]
        last = last if head_mask is None else last * head_mask[:, m]
        outputs.append(head_forward(parameters, last))
    return np.concatenate(outputs, axis=1)[:, :n_outputs]


def head_input(parameters: Mapping[str, Array], last_state: Array) -> Array:
    """last_state (N, H*D) -> what the head reads (N, S), through dense0, dense1, ..."""
    v, k = np.asarray(last_state, np.float64), 0
    while f"dense{k}.w" in parameters:
        v = np.maximum(v @ parameters[f"dense{k}.w"] + parameters[f"dense{k}.b"], 0.0)
        k += 1
    return v


def head_forward(parameters: Mapping[str, Array], last_state: Array) -> Array:
    """last_state (N, H*D) -> raw outputs (N, K), through dense0, dense1, ... and head."""
    v = head_input(parameters, last_state)
    return v @ parameters["head.w"] + parameters["head.b"]


def future_forward(parameters: Mapping[str, Array], last_state: Array, rows: Array) -> Array:
    """last_state (N, H*D), rows (N, P, C) of P steps ahead -> raw outputs (N, P * width)."""
    p = {k.removeprefix("future."): v for k, v in parameters.items() if k.startswith("future.")}
    v, raw = head_input(parameters, last_state), head_forward(parameters, last_state)
    width = p["w_out"].shape[1]
    for i, h in np.ndindex(rows.shape[:2]):
        joined = v[i] @ p["w_state"] + rows[i, h] @ p["w_future"] + p["position"][h]
        raw[i, h * width : (h + 1) * width] += np.maximum(joined, 0.0) @ p["w_out"]
    return raw


def softplus(a: Any) -> Any:
    """log(1 + exp(a)), elementwise."""
    return np.logaddexp(0.0, a)


def element_loss(name: str, raw: Array, j: int, y: float, delta: float, quantiles: Any) -> float:
    """Loss of target j with value y in one window, whose raw outputs are raw (K,)."""
    if name == "squared_error":
        return (raw[j] - y) ** 2
    if name == "absolute_error":
        return abs(raw[j] - y)
    if name == "huber":
        e = abs(raw[j] - y)
        return 0.5 * e**2 if e <= delta else delta * (e - delta / 2)
    if name == "quantile":
        q = np.asarray(quantiles)
        gap = y - raw[j * len(q) : (j + 1) * len(q)]
        return np.mean(np.maximum(q * gap, (q - 1) * gap))
    if name == "gaussian":
        mean, scale = raw[2 * j], softplus(raw[2 * j + 1]) + 1e-4
        return math.log(scale) + 0.5 * ((y - mean) / scale) ** 2 + 0.5 * math.log(2 * math.pi)
    if name == "student_t":
        mean, scale = raw[3 * j], softplus(raw[3 * j + 1]) + 1e-4
        df = 2 + softplus(raw[3 * j + 2])
        normaliser = gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * math.log(df * math.pi)
        tail = -(df + 1) / 2 * math.log1p(((y - mean) / scale) ** 2 / df)
        return -(normaliser - math.log(scale) + tail)
    if name == "poisson":
        return np.exp(raw[j]) - y * raw[j]
    assert name == "cross_entropy", name
    return logsumexp(raw) - raw[int(y)]


def loss_value(
    name: str,
    raw: Array,
    targets: Array,
    weights: Array | None = None,
    *,
    delta: float = 1.0,
    quantiles: Sequence[float] | None = None,
) -> float:
    """Weighted mean loss of raw (N, K) over targets (N, k) that are not NaN; weights (N,)."""
    raw, targets = np.asarray(raw, np.float64), np.asarray(targets, np.float64)
    weights = np.ones(len(raw)) if weights is None else np.asarray(weights, np.float64)
    total = normaliser = 0.0
    for i, j in np.argwhere(~np.isnan(targets)):
        total += weights[i] * element_loss(name, raw[i], j, targets[i, j], delta, quantiles)
        normaliser += weights[i]
    return float(total / normaliser) if normaliser != 0 else 0.0


def predict_transform(
    name: str, raw: Array, *, quantiles: Sequence[float] | None = None, n_targets: int
) -> Array:
    """raw (N, K) -> points or rates (N, k), sorted quantiles (N, k, Q), gaussian mean, scale
    (N, k, 2), student_t mean, scale, df (N, k, 3), or class probabilities (N, 1, K)."""
    raw = np.array(raw, np.float64)
    if name == "poisson":
        return np.exp(raw)
    blocks = raw.reshape(len(raw), n_targets, -1)
    if name == "quantile":
        return np.sort(blocks, axis=2)
    if name == "cross_entropy":
        return np.exp(blocks - logsumexp(blocks, axis=2, keepdims=True))
    if name in ("gaussian", "student_t"):
        scale, df = softplus(blocks[:, :, 1:2]) + 1e-4, 2 + softplus(blocks[:, :, 2:])
        return np.concatenate([blocks[:, :, :1], scale, df], axis=2)  # gaussian: df is empty
    return raw


def fourth_order_gradient(
    function: Callable[[Array], float], array: Array, indices: Iterable[int], step: float = 1e-3
) -> Array:
    """Central differences of function(array) at flat (C order) indices -> (len(indices),)."""
    work = np.array(array, np.float64, order="C")
    flat = work.reshape(-1)
    gradient = []
    for index in indices:
        centre, slope = flat[index], 0.0
        for shift, factor in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
            flat[index] = centre + shift * step
            slope += factor * function(work) / (12 * step)
        flat[index] = centre
        gradient.append(slope)
    return np.array(gradient)
