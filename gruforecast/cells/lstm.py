"""The long short-term memory.

    i, f, o = sigmoid(x w_x + h' w_h + b)   input, forget and output gate
    g = tanh(x w_xg + h' w_hg + b_g)        candidate
    c = f * c' + i * g                      cell state
    h = o * tanh(c)

h' and c' are the states before the step. ``a`` is what enters a gate, ``u`` its recurrent part,
``d_`` a gradient. N windows, T steps, F features, H hidden.
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
    sigmoid_gate,
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
from gruforecast.foundations.mathematics import sigmoid, tanh

# One unit of one window, as the threads of a GPU compute it; the CPU's loops share what they can.


@part
def new_cell_state(i, f, g, c):
    """c = f c' + i g."""
    return f * c + i * g


@part
def state_backward(d_h, o, tanh_c, one):
    """d_h -> the gradient of the input of o, and what reaches c."""
    return d_h * tanh_c * o * (one - o), d_h * o * (one - tanh_c * tanh_c)


@part
def cell_state_backward(d_c, i, f, g, c, one):
    """d_c -> gradients of the inputs of i, f and g, and of c'."""
    d_i = d_c * g
    d_f = d_c * c
    d_g = d_c * i
    return d_i * i * (one - i), d_f * f * (one - f), d_g * (one - g * g), d_c * f


@part
def unit(a, u, h, c):
    """Inputs of (i, f, o, g), their recurrent parts -> gates, tanh(c) that is kept, h, c."""
    i, f = sigmoid(a[0] + u[0]), sigmoid(a[1] + u[1])
    o, g = sigmoid(a[2] + u[2]), tanh(a[3] + u[3])
    c_now = new_cell_state(i, f, g, c)
    tanh_c = tanh(c_now)
    return (i, f, o, g), tanh_c, o * tanh_c, c_now


@part
def unit_backward(gates, tanh_c, h, c, d_h, d_c, one):
    """d_h, d_c -> gradients of the inputs of gates, of their recurrent parts, of h', of c'."""
    i, f, o, g = gates
    d_ao, through_c = state_backward(d_h, o, tanh_c, one)
    d_ai, d_af, d_ag, d_before = cell_state_backward(d_c + through_c, i, f, g, c, one)
    d_a = (d_ai, d_af, d_ao, d_ag)
    return d_a, d_a, d_h - d_h, d_before


@part
def _new_cell_state(i, f, g, c_before, c):
    """c = f c' + i g."""
    for k in range(c.size):
        c[k] = new_cell_state(i[k], f[k], g[k], c_before[k])


@part
def _new_state(o, c, tanh_c, h):
    """h = o tanh(c)."""
    for k in range(h.size):
        tanh_c[k] = tanh(c[k])
        h[k] = o[k] * tanh_c[k]


@part
def _state_backward(d_h, o, tanh_c, d_c):
    """d_h -> adds to d_c; o <- the gradient of its input; there is no direct path to h'."""
    one = d_h.dtype.type(1)
    for k in range(d_h.size):
        o[k], through_c = state_backward(d_h[k], o[k], tanh_c[k], one)
        d_c[k] += through_c
    clear(d_h)


@part
def _cell_state_backward(d_c, i, f, g, c_before):
    """d_c -> that of c'; i, f and g <- the gradients of their inputs."""
    one = d_c.dtype.type(1)
    for k in range(d_c.size):
        i[k], f[k], g[k], d_c[k] = cell_state_backward(d_c[k], i[k], f[k], g[k], c_before[k], one)


@kernel
def forward(inputs, weights, trace):
    """The trace's first state slots hold the initial state; fills the others."""
    n_steps, size = trace.h.shape[0] - 1, trace.h.shape[2]
    project(inputs.x, weights, trace)
    repeat_bias(weights.b, trace.bias)
    for step in range(n_steps):
        t, before, now = order(step, n_steps, inputs.reverse)
        slot = min(t, trace.gates.shape[1] - 1)
        load_projected(inputs.projected, inputs.base, inputs.first, t, slot, trace.gates)
        state = dropped(trace.h[before], inputs.drop, trace.v)
        state = distinct(state, inputs.copies, trace.w)
        for gate in range(4):
            a, u, b = trace.gates[gate, slot], trace.u[gate], trace.bias[gate]
            own = u[: len(state)]
            multiply(state, weights.h, gate * size, inputs.tile, False, own)
            normalise(own, gate, slot, weights.gain_h, trace.normed_h, trace.inverse_h)
            spread(u, inputs.copies)
            if gate < 3:
                sigmoid_gate(flat(a), flat(u), flat(b))
            else:
                tanh_gate(flat(a), flat(u), flat(b))
        i, f = flat(trace.gates[0, slot]), flat(trace.gates[1, slot])
        o, g = flat(trace.gates[2, slot]), flat(trace.gates[3, slot])
        c, h = trace.c[now], trace.h[now]
        _new_cell_state(i, f, g, flat(trace.c[before]), flat(c))
        keep_masked(t, inputs.first, trace.c[before], c)
        _new_state(o, flat(c), flat(trace.extra[slot]), flat(h))
        keep_masked(t, inputs.first, trace.h[before], h)


@kernel
def backward(inputs, weights, trace, gradients):
    """From gradients.states, gradients.h and gradients.c to all the others."""
    n_steps, size = trace.h.shape[0] - 1, trace.h.shape[2]
    d_h, d_c, d_w = gradients.h, gradients.c, gradients.weights
    clear(trace.bias.reshape(trace.bias.size))
    for step in range(n_steps - 1, -1, -1):
        t, before, _ = order(step, n_steps, inputs.reverse)
        add_step_gradient(gradients.states, t, d_h)
        hold_masked(t, inputs.first, d_h, trace.held[0])
        hold_masked(t, inputs.first, d_c, trace.held[1])
        i, f = flat(trace.gates[0, t]), flat(trace.gates[1, t])
        o, g = flat(trace.gates[2, t]), flat(trace.gates[3, t])
        _state_backward(flat(d_h), o, flat(trace.extra[t]), flat(d_c))
        _cell_state_backward(flat(d_c), i, f, g, flat(trace.c[before]))
        state = dropped(trace.h[before], inputs.drop, trace.v)
        state, d_state = distinct(state, inputs.copies, trace.w), summed(d_h, inputs.copies)
        summed(d_c, inputs.copies)
        for gate in range(4):
            d_a = trace.gates[gate, t]
            add(flat(d_a), flat(trace.bias[gate]))
            copy(flat(d_a), flat(trace.u[gate]))
            d_u = summed(trace.u[gate], inputs.copies)
            normalise_backward(
                d_u, gate, t, weights.gain_h, trace.normed_h, trace.inverse_h, d_w.gain_h
            )
            multiply_transposed_add(state, d_u, gate * size, d_w.h)
        for gate in range(4):
            d_u = trace.u[gate][: len(state)]
            add_state_gradient(d_u, gate, weights.h_t, inputs.drop, inputs.tile, trace.v, d_state)
        keep_masked(t, inputs.first, trace.held[0], d_h)
        keep_masked(t, inputs.first, trace.held[1], d_c)
    add_bias_gradient(trace.bias, d_w.b)
    project_backward(inputs.x, weights, trace, gradients)


LSTM = Cell("lstm", "ifog", 2, True, False, forward, backward, gate_bias={"f": 1.0})
