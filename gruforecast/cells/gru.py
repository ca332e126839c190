"""The gated recurrent unit, with the reset gate after or before the recurrent product.

    z = sigmoid(x w_xz + h' w_hz + b_z)            update: how much of the past is kept
    r = sigmoid(x w_xr + h' w_hr + b_r)            reset: how much of it the candidate sees
    n = tanh(x w_xn + b_n + r * (h' w_hn + b_h))   candidate, reset_after (cuDNN, PyTorch)
    n = tanh(x w_xn + b_n + (r * h') w_hn)         candidate, reset before (Cho 2014)
    h = n + z * (h' - n)

h' is the state before the step. ``a`` is what enters a gate, ``u`` its recurrent part, ``d_`` a
gradient. N windows, T steps, F features, H hidden.
"""

from __future__ import annotations

from gruforecast.cells.base import Cell, add, clear, copy, order, project, project_backward
from gruforecast.cells.options import (
    add_masked,
    add_state_gradient,
    add_step_gradient,
    dropped,
    load_projected,
    normalise,
    normalise_backward,
    row_of,
)
from gruforecast.foundations.blas import multiply, multiply_add, multiply_transposed_add
from gruforecast.foundations.jit import kernel, part
from gruforecast.foundations.mathematics import sigmoid, tanh


@part
def _gates(a, u, b):
    """One window: the first gates of a (3H) <- sigmoid(a + u + b), as many as b is long."""
    for j in range(b.size):
        a[j] = sigmoid(a[j] + u[j] + b[j])


@part
def _blend(a, h_before, h):
    """One window: h = n + z (h' - n) from a = [z, r, n] (3H)."""
    size = h.size
    n = a[2 * size :]
    for j in range(size):
        h[j] = n[j] + a[j] * (h_before[j] - n[j])


@part
def _blend_backward(d_h, a, h_before, d_uz):
    """One window: n of a (3H) <- gradient of its input, d_uz, and d_h of the path to h'."""
    size = d_h.size
    one = d_h.dtype.type(1)
    z, n = a[:size], a[2 * size :]
    for j in range(size):
        d_z = d_h[j] * (h_before[j] - n[j])
        d_uz[j] = d_z * z[j] * (one - z[j])
    for j in range(size):
        d_n = d_h[j] * (one - z[j])
        n[j] = d_n * (one - n[j] * n[j])
        d_h[j] *= z[j]


@part
def _candidate_after(a, u, b, b_h, u_n):
    """One window: n of a (3H) <- tanh(a_n + b_n + r u_n), u_n = h' w_hn + b_h is kept."""
    size = b_h.size
    r, n, recurrent, b_n = a[size : 2 * size], a[2 * size :], u[2 * size :], b[2 * size :]
    for j in range(size):
        u_n[j] = recurrent[j] + b_h[j]
    for j in range(size):
        n[j] = tanh(n[j] + b_n[j] + r[j] * u_n[j])


@part
def _candidate_after_backward(a, u_n, d_u):
    """One window: from n of a, which holds its input's gradient: the rest of d_u (3H), then a."""
    size = u_n.size
    one = u_n.dtype.type(1)
    r, d_an = a[size : 2 * size], a[2 * size :]
    d_ur, d_un = d_u[size : 2 * size], d_u[2 * size :]
    for j in range(size):
        d_r = d_an[j] * u_n[j]
        d_un[j] = d_an[j] * r[j]
        d_ur[j] = d_r * r[j] * (one - r[j])
    for j in range(2 * size):
        a[j] = d_u[j]


@kernel
def forward_after(inputs, weights, trace):
    """reset_after: the trace's first state slot holds the initial state; fills the others."""
    n_steps, n_windows = trace.h.shape[0] - 1, trace.h.shape[1]
    size = trace.h.shape[2]
    project(inputs.x, weights, trace)
    for step in range(n_steps):
        t, before, now = order(step, n_steps, inputs.reverse)
        slot = min(t, trace.gates.shape[0] - 1)
        a, u = trace.gates[slot], trace.u
        load_projected(inputs.projected, inputs.base, inputs.first, t, a)
        multiply(dropped(trace.h[before], inputs.drop, trace.v), weights.h, u)
        normed, inverse = row_of(trace.normed_h, slot), row_of(trace.inverse_h, slot)
        normalise(u, 0, 3, weights.gain_h, normed, inverse)
        for i in range(n_windows):
            if t < inputs.first[i]:
                copy(trace.h[before, i], trace.h[now, i])
            else:
                _gates(a[i], u[i], weights.b[: 2 * size])
                _candidate_after(a[i], u[i], weights.b, weights.b_h, trace.extra[slot, i])
                _blend(a[i], trace.h[before, i], trace.h[now, i])


@kernel
def backward_after(inputs, weights, trace, gradients):
    """reset_after: from gradients.states and gradients.h to all the others."""
    n_steps, n_windows = trace.h.shape[0] - 1, trace.h.shape[1]
    size = trace.h.shape[2]
    d_h, d_w = gradients.h, gradients.weights
    for step in range(n_steps - 1, -1, -1):
        t, before, _ = order(step, n_steps, inputs.reverse)
        add_step_gradient(gradients.states, t, d_h)
        a, d_u = trace.gates[t], trace.u
        for i in range(n_windows):
            if t < inputs.first[i]:
                clear(a[i])
                clear(d_u[i])
            else:
                _blend_backward(d_h[i], a[i], trace.h[before, i], d_u[i])
                _candidate_after_backward(a[i], trace.extra[t, i], d_u[i])
                add(a[i], d_w.b)
                add(d_u[i, 2 * size :], d_w.b_h)
        normed, inverse = row_of(trace.normed_h, t), row_of(trace.inverse_h, t)
        normalise_backward(d_u, 0, 3, weights.gain_h, normed, inverse, d_w.gain_h)
        multiply_transposed_add(dropped(trace.h[before], inputs.drop, trace.v), d_u, d_w.h)
        add_state_gradient(d_u, weights.h_t, inputs.drop, trace.v, d_h)
    project_backward(inputs.x, weights, trace, gradients)


@part
def _reset(r, state, out):
    """One window: out (H) = r * state, what the candidate sees of the past."""
    for j in range(out.size):
        out[j] = r[j] * state[j]


@part
def _reset_backward(d_out, a, state, d_u):
    """One window: d_out (H) -> gradient of state in place, d_ur; then z and r of a (3H)."""
    size = state.size
    one = state.dtype.type(1)
    r, d_ur = a[size : 2 * size], d_u[size : 2 * size]
    for j in range(size):
        d_r = d_out[j] * state[j]
        d_out[j] *= r[j]
        d_ur[j] = d_r * r[j] * (one - r[j])
    for j in range(2 * size):
        a[j] = d_u[j]


@part
def _candidate_before(a, u, b, size):
    """One window: n of a (3H) <- tanh(a_n + u_n + b_n)."""
    n, u_n, b_n = a[2 * size :], u[2 * size :], b[2 * size :]
    for j in range(size):
        n[j] = tanh(n[j] + u_n[j] + b_n[j])


@kernel
def forward_before(inputs, weights, trace):
    """Reset before the product: as ``forward_after``; trace.extra keeps r * h'."""
    n_steps, n_windows = trace.h.shape[0] - 1, trace.h.shape[1]
    size = trace.h.shape[2]
    w_zr, w_n = weights.h[:, : 2 * size], weights.h[:, 2 * size :]
    u = trace.u
    u_zr, u_n = u[:, : 2 * size], u[:, 2 * size :]
    project(inputs.x, weights, trace)
    for step in range(n_steps):
        t, before, now = order(step, n_steps, inputs.reverse)
        slot = min(t, trace.gates.shape[0] - 1)
        a, seen = trace.gates[slot], trace.extra[slot]
        load_projected(inputs.projected, inputs.base, inputs.first, t, a)
        state = dropped(trace.h[before], inputs.drop, trace.v)
        normed, inverse = row_of(trace.normed_h, slot), row_of(trace.inverse_h, slot)
        multiply(state, w_zr, u_zr)
        normalise(u, 0, 2, weights.gain_h, normed, inverse)
        for i in range(n_windows):
            if t < inputs.first[i]:
                clear(seen[i])
            else:
                _gates(a[i], u[i], weights.b[: 2 * size])
                _reset(a[i, size : 2 * size], state[i], seen[i])
        multiply(seen, w_n, u_n)
        normalise(u, 2, 3, weights.gain_h, normed, inverse)
        for i in range(n_windows):
            if t < inputs.first[i]:
                copy(trace.h[before, i], trace.h[now, i])
            else:
                _candidate_before(a[i], u[i], weights.b, size)
                _blend(a[i], trace.h[before, i], trace.h[now, i])


@kernel
def backward_before(inputs, weights, trace, gradients):
    """Reset before the product: from gradients.states and gradients.h to all the others."""
    n_steps, n_windows = trace.h.shape[0] - 1, trace.h.shape[1]
    size = trace.h.shape[2]
    d_h, d_w, d_u, d_state = gradients.h, gradients.weights, trace.u, trace.w
    d_w_zr, d_w_n = d_w.h[:, : 2 * size], d_w.h[:, 2 * size :]
    d_u_zr, d_u_n = d_u[:, : 2 * size], d_u[:, 2 * size :]
    for step in range(n_steps - 1, -1, -1):
        t, before, _ = order(step, n_steps, inputs.reverse)
        add_step_gradient(gradients.states, t, d_h)
        a, seen = trace.gates[t], trace.extra[t]
        normed, inverse = row_of(trace.normed_h, t), row_of(trace.inverse_h, t)
        for i in range(n_windows):
            if t < inputs.first[i]:
                clear(a[i])
                clear(d_u[i])
            else:
                _blend_backward(d_h[i], a[i], trace.h[before, i], d_u[i])
                copy(a[i, 2 * size :], d_u[i, 2 * size :])
        normalise_backward(d_u, 2, 3, weights.gain_h, normed, inverse, d_w.gain_h)
        multiply_transposed_add(seen, d_u_n, d_w_n)
        multiply(d_u_n, weights.h_t[2 * size :], d_state)
        state = dropped(trace.h[before], inputs.drop, trace.v)
        for i in range(n_windows):
            if t >= inputs.first[i]:
                _reset_backward(d_state[i], a[i], state[i], d_u[i])
                add(a[i], d_w.b)
        normalise_backward(d_u, 0, 2, weights.gain_h, normed, inverse, d_w.gain_h)
        multiply_transposed_add(state, d_u_zr, d_w_zr)
        multiply_add(d_u_zr, weights.h_t[: 2 * size], d_state)
        add_masked(d_state, inputs.drop, d_h)
    project_backward(inputs.x, weights, trace, gradients)


GRU_BEFORE = Cell("gru", "zrn", 1, 1, False, forward_before, backward_before)
GRU_AFTER = Cell("gru", "zrn", 1, 1, True, forward_after, backward_after)
