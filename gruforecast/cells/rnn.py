"""The plain recurrent network: h = tanh(x w_x + h' w_h + b).

h' is the state before the step. ``a`` is what enters tanh, ``u`` its recurrent part, ``d_`` a
gradient. N windows, T steps, F features, H hidden.
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
from gruforecast.foundations.mathematics import tanh


@part
def _activate(a, u, b, h):
    """One window: h = tanh(a + u + b), kept in a as well."""
    for j in range(h.size):
        a[j] = tanh(a[j] + u[j] + b[j])
    for j in range(h.size):
        h[j] = a[j]


@part
def _activate_backward(d_h, a, d_u):
    """One window: d_h -> d_u, and d_h = 0 for what follows."""
    one = d_h.dtype.type(1)
    for j in range(d_h.size):
        d_u[j] = d_h[j] * (one - a[j] * a[j])
        d_h[j] = 0


@kernel
def forward(inputs, weights, trace):
    """The trace's first state slot holds the initial state; fills the others."""
    n_steps, n_windows = trace.h.shape[0] - 1, trace.h.shape[1]
    project(inputs.x, weights, trace)
    for step in range(n_steps):
        t, before, now = order(step, n_steps, inputs.reverse)
        slot = min(t, trace.gates.shape[0] - 1)
        a, u = trace.gates[slot], trace.u
        load_projected(inputs.projected, inputs.base, inputs.first, t, a)
        multiply(dropped(trace.h[before], inputs.drop, trace.v), weights.h, u)
        normed, inverse = row_of(trace.normed_h, slot), row_of(trace.inverse_h, slot)
        normalise(u, 0, 1, weights.gain_h, normed, inverse)
        for i in range(n_windows):
            if t < inputs.first[i]:
                copy(trace.h[before, i], trace.h[now, i])
            else:
                _activate(a[i], u[i], weights.b, trace.h[now, i])


@kernel
def backward(inputs, weights, trace, gradients):
    """From gradients.states and gradients.h to all the others."""
    n_steps, n_windows = trace.h.shape[0] - 1, trace.h.shape[1]
    d_h, d_w, d_u = gradients.h, gradients.weights, trace.u
    for step in range(n_steps - 1, -1, -1):
        t, before, _ = order(step, n_steps, inputs.reverse)
        add_step_gradient(gradients.states, t, d_h)
        a = trace.gates[t]
        for i in range(n_windows):
            if t < inputs.first[i]:
                clear(d_u[i])
            else:
                _activate_backward(d_h[i], a[i], d_u[i])
                add(d_u[i], d_w.b)
            copy(d_u[i], a[i])
        normed, inverse = row_of(trace.normed_h, t), row_of(trace.inverse_h, t)
        normalise_backward(d_u, 0, 1, weights.gain_h, normed, inverse, d_w.gain_h)
        multiply_transposed_add(dropped(trace.h[before], inputs.drop, trace.v), d_u, d_w.h)
        add_state_gradient(d_u, weights.h_t, inputs.drop, trace.v, d_h)
    project_backward(inputs.x, weights, trace, gradients)


RNN = Cell("rnn", "h", 1, 0, False, forward, backward)
