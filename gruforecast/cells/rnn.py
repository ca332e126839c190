"""The plain recurrent network: h = tanh(x w_x + h' w_h + b).

h' is the state before the step. ``a`` is what enters tanh, ``u`` its recurrent part, ``d_`` a
gradient. N windows, T steps, F features, H hidden.
"""

from __future__ import annotations

from gruforecast.cells.base import (
    Cell,
    add,
    add_bias_gradient,
    clear,
    copy,
    flat,
    hold_masked,
    keep_masked,
    order,
    project,
    project_backward,
    repeat_bias,
    tanh_gate,
)
from gruforecast.cells.options import (
    add_state_gradient,
    add_step_gradient,
    dropped,
    load_projected,
    normalise,
    normalise_backward,
)
from gruforecast.cells.sharing import distinct, spread, summed
from gruforecast.foundations.blas import multiply, multiply_transposed_add
from gruforecast.foundations.jit import kernel, part
from gruforecast.foundations.mathematics import tanh


@part
def tanh_backward(d_h, h, one):
    """The gradient of the input of h = tanh(input)."""
    return d_h * (one - h * h)


@part
def unit(a, u, h, c):
    """Input of h, its recurrent part -> gates, nothing that is kept, h, c: see the GRU's."""
    h_now = tanh(a[0] + u[0])
    return (h_now, h_now, h_now, h_now), h_now, h_now, c


@part
def unit_backward(gates, extra, h, c, d_h, d_c, one):
    """d_h -> gradients of the input of h, of its recurrent part, of h' directly (none), of c'."""
    d_a = tanh_backward(d_h, gates[0], one)
    return (d_a, d_a, d_a, d_a), (d_a, d_a, d_a, d_a), d_h - d_h, d_c


@part
def _tanh_backward(d_h, a):
    """a <- the gradient of its input; there is no direct path to h'."""
    one = d_h.dtype.type(1)
    for k in range(a.size):
        a[k] = tanh_backward(d_h[k], a[k], one)
    clear(d_h)


@kernel
def forward(inputs, weights, trace):
    """The trace's first state slot holds the initial state; fills the others."""
    n_steps = trace.h.shape[0] - 1
    project(inputs.x, weights, trace)
    repeat_bias(weights.b, trace.bias)
    for step in range(n_steps):
        t, before, now = order(step, n_steps, inputs.reverse)
        slot = min(t, trace.gates.shape[1] - 1)
        load_projected(inputs.projected, inputs.base, inputs.first, t, slot, trace.gates)
        a, u = trace.gates[0, slot], trace.u[0]
        state = dropped(trace.h[before], inputs.drop, trace.v)
        state = distinct(state, inputs.copies, trace.w)
        own = u[: len(state)]
        multiply(state, weights.h, 0, inputs.tile, False, own)
        normalise(own, 0, slot, weights.gain_h, trace.normed_h, trace.inverse_h)
        spread(u, inputs.copies)
        tanh_gate(flat(a), flat(u), flat(trace.bias[0]))
        copy(flat(a), flat(trace.h[now]))
        keep_masked(t, inputs.first, trace.h[before], trace.h[now])


@kernel
def backward(inputs, weights, trace, gradients):
    """From gradients.states and gradients.h to all the others."""
    n_steps = trace.h.shape[0] - 1
    d_h, d_w = gradients.h, gradients.weights
    clear(trace.bias.reshape(trace.bias.size))
    for step in range(n_steps - 1, -1, -1):
        t, before, _ = order(step, n_steps, inputs.reverse)
        add_step_gradient(gradients.states, t, d_h)
        hold_masked(t, inputs.first, d_h, trace.held[0])
        d_a = flat(trace.gates[0, t])
        _tanh_backward(flat(d_h), d_a)
        add(d_a, flat(trace.bias[0]))
        copy(d_a, flat(trace.u[0]))
        d_u, d_state = summed(trace.u[0], inputs.copies), summed(d_h, inputs.copies)
        normalise_backward(d_u, 0, t, weights.gain_h, trace.normed_h, trace.inverse_h, d_w.gain_h)
        state = dropped(trace.h[before], inputs.drop, trace.v)
        multiply_transposed_add(distinct(state, inputs.copies, trace.w), d_u, 0, d_w.h)
        add_state_gradient(d_u, 0, weights.h_t, inputs.drop, inputs.tile, trace.v, d_state)
        keep_masked(t, inputs.first, trace.held[0], d_h)
    add_bias_gradient(trace.bias, d_w.b)
    project_backward(inputs.x, weights, trace, gradients)


RNN = Cell("rnn", "h", 1, False, False, forward, backward)
