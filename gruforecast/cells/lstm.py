"""The long short-term memory.

    i, f, o = sigmoid(x w_x + h' w_h + b)   input, forget and output gate
    g = tanh(x w_xg + h' w_hg + b_g)        candidate
    c = f * c' + i * g                      cell state
    h = o * tanh(c)

h' and c' are the states before the step. ``a`` is what enters a gate, ``u`` its recurrent part,
``d_`` a gradient. N windows, T steps, F features, H hidden.
"""

from __future__ import annotations

from gruforecast.cells.base import Cell, add, clear, copy, order, project, project_backward
from gruforecast.cells.options import (
    add_state_gradient,
    add_step_gradient,
    dropped,
    load_projected,
    normalise,
    normalise_backward,
    row_of,
)
from gruforecast.foundations.blas import multiply, multiply_transposed_add
from gruforecast.foundations.jit import kernel, part
from gruforecast.foundations.mathematics import sigmoid, tanh


@part
def _gates(a, u, b, c_before, tanh_c, c, h):
    """One window: a (4H) and u (4H) -> a = [i, f, o, g], c, tanh_c, h."""
    size = h.size
    for j in range(3 * size):
        a[j] = sigmoid(a[j] + u[j] + b[j])
    f, o, g = a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
    u_g, b_g = u[3 * size :], b[3 * size :]
    for j in range(size):
        g[j] = tanh(g[j] + u_g[j] + b_g[j])
    for j in range(size):
        c[j] = f[j] * c_before[j] + a[j] * g[j]
    for j in range(size):
        tanh_c[j] = tanh(c[j])
        h[j] = o[j] * tanh_c[j]


@part
def _gates_backward(d_h, d_c, a, c_before, tanh_c, d_u):
    """One window: d_h, d_c -> d_u (4H), d_c of the state before, d_h = 0 for what follows."""
    size = d_h.size
    one = d_h.dtype.type(1)
    i, f, o, g = a[:size], a[size : 2 * size], a[2 * size : 3 * size], a[3 * size :]
    d_i, d_f, d_o, d_g = d_u[:size], d_u[size : 2 * size], d_u[2 * size : 3 * size], d_u[3 * size :]
    for j in range(size):
        d_o[j] = d_h[j] * tanh_c[j] * o[j] * (one - o[j])
        d_c[j] += d_h[j] * o[j] * (one - tanh_c[j] * tanh_c[j])
        d_h[j] = 0
    for j in range(size):
        d_i[j] = d_c[j] * g[j] * i[j] * (one - i[j])
        d_g[j] = d_c[j] * i[j] * (one - g[j] * g[j])
    for j in range(size):
        d_f[j] = d_c[j] * c_before[j] * f[j] * (one - f[j])
        d_c[j] *= f[j]


@kernel
def forward(inputs, weights, trace):
    """The trace's first state slots hold the initial state; fills the others."""
    n_steps, n_windows = trace.h.shape[0] - 1, trace.h.shape[1]
    project(inputs.x, weights, trace)
    for step in range(n_steps):
        t, before, now = order(step, n_steps, inputs.reverse)
        slot = min(t, trace.gates.shape[0] - 1)
        a, u = trace.gates[slot], trace.u
        load_projected(inputs.projected, inputs.base, inputs.first, t, a)
        multiply(dropped(trace.h[before], inputs.drop, trace.v), weights.h, u)
        normed, inverse = row_of(trace.normed_h, slot), row_of(trace.inverse_h, slot)
        normalise(u, 0, 4, weights.gain_h, normed, inverse)
        for i in range(n_windows):
            c_before, c = trace.c[before, i], trace.c[now, i]
            if t < inputs.first[i]:
                copy(trace.h[before, i], trace.h[now, i])
                copy(c_before, c)
            else:
                _gates(a[i], u[i], weights.b, c_before, trace.extra[slot, i], c, trace.h[now, i])


@kernel
def backward(inputs, weights, trace, gradients):
    """From gradients.states, gradients.h and gradients.c to all the others."""
    n_steps, n_windows = trace.h.shape[0] - 1, trace.h.shape[1]
    d_h, d_c, d_w, d_u = gradients.h, gradients.c, gradients.weights, trace.u
    for step in range(n_steps - 1, -1, -1):
        t, before, _ = order(step, n_steps, inputs.reverse)
        add_step_gradient(gradients.states, t, d_h)
        a = trace.gates[t]
        for i in range(n_windows):
            if t < inputs.first[i]:
                clear(d_u[i])
            else:
                _gates_backward(d_h[i], d_c[i], a[i], trace.c[before, i], trace.extra[t, i], d_u[i])
                add(d_u[i], d_w.b)
            copy(d_u[i], a[i])
        normed, inverse = row_of(trace.normed_h, t), row_of(trace.inverse_h, t)
        normalise_backward(d_u, 0, 4, weights.gain_h, normed, inverse, d_w.gain_h)
        multiply_transposed_add(dropped(trace.h[before], inputs.drop, trace.v), d_u, d_w.h)
        add_state_gradient(d_u, weights.h_t, inputs.drop, trace.v, d_h)
    project_backward(inputs.x, weights, trace, gradients)


LSTM = Cell("lstm", "ifog", 2, 1, False, forward, backward, gate_bias={"f": 1.0})
