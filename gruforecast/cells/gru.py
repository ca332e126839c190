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
    add_masked,
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

Z, R, N = range(3)  # the places of the gates


# One unit of one window, as the threads of a GPU compute it; the CPU's loops share what they can.


@part
def blend(z, n, h):
    """h = n + z (h' - n)."""
    return n + z * (h - n)


@part
def blend_backward(d_h, z, n, h, one):
    """d_h -> gradients of the inputs of z and n, and what reaches h' directly."""
    d_z = d_h * (h - n)
    d_n = d_h * (one - z)
    return d_z * z * (one - z), d_n * (one - n * n), d_h * z


@part
def reset_backward(d_seen, r, seen, one):
    """Gradient of r * seen -> that of the input of r, and of seen."""
    d_r = d_seen * seen
    return d_r * r * (one - r), d_seen * r


@part
def reset_before(a_z, a_r, state):
    """Inputs of z and r, all parts added -> z, r and what the candidate sees of the state."""
    r = sigmoid(a_r)
    return sigmoid(a_z), r, r * state


@part
def unit_before(a_n, z, h):
    """Input of the candidate, all parts added -> n, h."""
    n = tanh(a_n)
    return n, blend(z, n, h)


@part
def unit_after(a, u, h, c):
    """Inputs of (z, r, n, -), their recurrent parts -> gates, u_n that is kept, h, c."""
    z, r = sigmoid(a[0] + u[0]), sigmoid(a[1] + u[1])
    n = tanh(a[2] + r * u[2])
    return (z, r, n, n), u[2], blend(z, n, h), c


@part
def unit_after_backward(gates, u_n, h, c, d_h, d_c, one):
    """d_h -> gradients of the inputs of gates, of their recurrent parts, of h' directly, of c'."""
    d_az, d_an, d_before = blend_backward(d_h, gates[0], gates[2], h, one)
    d_ar, d_un = reset_backward(d_an, gates[1], u_n, one)
    return (d_az, d_ar, d_an, d_an), (d_az, d_ar, d_un, d_un), d_before, d_c


@part
def _blend(z, n, h_before, h):
    """h = n + z (h' - n)."""
    for k in range(h.size):
        h[k] = blend(z[k], n[k], h_before[k])


@part
def _blend_backward(d_h, z, n, h_before):
    """z and n <- the gradients of their inputs; d_h <- what reaches h' directly."""
    one = d_h.dtype.type(1)
    for k in range(d_h.size):
        z[k], n[k], d_h[k] = blend_backward(d_h[k], z[k], n[k], h_before[k], one)


@part
def _candidate(n, b, r, product, b_h, u_n):
    """n <- tanh(n + b + r u_n) with u_n = h' w_hn + b_h, which is kept."""
    for k in range(n.size):
        u_n[k] = product[k] + b_h[k]
    for k in range(n.size):
        n[k] = tanh(n[k] + b[k] + r[k] * u_n[k])


@part
def _candidate_backward(d_an, r, u_n, d_un):
    """From the gradient of n's input: that of u_n, and r <- the gradient of its input."""
    one = d_an.dtype.type(1)
    for k in range(r.size):
        r[k], d_un[k] = reset_backward(d_an[k], r[k], u_n[k], one)


@kernel
def forward_after(inputs, weights, trace):
    """reset_after: the trace's first state slot holds the initial state; fills the others."""
    n_steps, size = trace.h.shape[0] - 1, trace.h.shape[2]
    bias, bias_h = trace.bias, trace.bias_h
    project(inputs.x, weights, trace)
    repeat_bias(weights.b, bias)
    repeat_bias(weights.b_h, bias_h)
    for step in range(n_steps):
        t, before, now = order(step, n_steps, inputs.reverse)
        slot = min(t, trace.gates.shape[1] - 1)
        load_projected(inputs.projected, inputs.base, inputs.first, t, slot, trace.gates)
        state = dropped(trace.h[before], inputs.drop, trace.v)
        state = distinct(state, inputs.copies, trace.w)
        for gate in range(3):
            u = trace.u[gate][: len(state)]
            multiply(state, weights.h, gate * size, inputs.tile, False, u)
            normalise(u, gate, slot, weights.gain_h, trace.normed_h, trace.inverse_h)
            spread(trace.u[gate], inputs.copies)
        z, r, n = flat(trace.gates[Z, slot]), flat(trace.gates[R, slot]), flat(trace.gates[N, slot])
        sigmoid_gate(z, flat(trace.u[Z]), flat(bias[Z]))
        sigmoid_gate(r, flat(trace.u[R]), flat(bias[R]))
        _candidate(n, flat(bias[N]), r, flat(trace.u[N]), flat(bias_h[0]), flat(trace.extra[slot]))
        _blend(z, n, flat(trace.h[before]), flat(trace.h[now]))
        keep_masked(t, inputs.first, trace.h[before], trace.h[now])


@kernel
def backward_after(inputs, weights, trace, gradients):
    """reset_after: from gradients.states and gradients.h to all the others."""
    n_steps, size = trace.h.shape[0] - 1, trace.h.shape[2]
    d_h, d_w = gradients.h, gradients.weights
    clear(trace.bias.reshape(trace.bias.size))
    clear(trace.bias_h.reshape(trace.bias_h.size))
    for step in range(n_steps - 1, -1, -1):
        t, before, _ = order(step, n_steps, inputs.reverse)
        add_step_gradient(gradients.states, t, d_h)
        hold_masked(t, inputs.first, d_h, trace.held[0])
        z, r, n = flat(trace.gates[Z, t]), flat(trace.gates[R, t]), flat(trace.gates[N, t])
        d_un = flat(trace.u[N])
        _blend_backward(flat(d_h), z, n, flat(trace.h[before]))
        _candidate_backward(n, r, flat(trace.extra[t]), d_un)
        copy(z, flat(trace.u[Z]))
        copy(r, flat(trace.u[R]))
        add(d_un, flat(trace.bias_h[0]))
        state = dropped(trace.h[before], inputs.drop, trace.v)
        state, d_state = distinct(state, inputs.copies, trace.w), summed(d_h, inputs.copies)
        for gate in range(3):
            d_u = summed(trace.u[gate], inputs.copies)
            add(flat(trace.gates[gate, t]), flat(trace.bias[gate]))
            normalise_backward(
                d_u, gate, t, weights.gain_h, trace.normed_h, trace.inverse_h, d_w.gain_h
            )
            multiply_transposed_add(state, d_u, gate * size, d_w.h)
        for gate in range(3):
            d_u = trace.u[gate][: len(state)]
            add_state_gradient(d_u, gate, weights.h_t, inputs.drop, inputs.tile, trace.v, d_state)
        keep_masked(t, inputs.first, trace.held[0], d_h)
    add_bias_gradient(trace.bias, d_w.b)
    add_bias_gradient(trace.bias_h, d_w.b_h)
    project_backward(inputs.x, weights, trace, gradients)


@part
def _reset(r, state, out):
    """out = r * state, what the candidate sees of the past."""
    for k in range(out.size):
        out[k] = r[k] * state[k]


@part
def _reset_backward(d_seen, r, state):
    """d_seen: gradient of r * state -> of the state; r <- the gradient of its input."""
    one = state.dtype.type(1)
    for k in range(r.size):
        r[k], d_seen[k] = reset_backward(d_seen[k], r[k], state[k], one)


@kernel
def forward_before(inputs, weights, trace):
    """Reset before the product: as ``forward_after``; trace.extra keeps r * h'."""
    n_steps, size = trace.h.shape[0] - 1, trace.h.shape[2]
    bias = trace.bias
    project(inputs.x, weights, trace)
    repeat_bias(weights.b, bias)
    for step in range(n_steps):
        t, before, now = order(step, n_steps, inputs.reverse)
        slot = min(t, trace.gates.shape[1] - 1)
        load_projected(inputs.projected, inputs.base, inputs.first, t, slot, trace.gates)
        state, seen = dropped(trace.h[before], inputs.drop, trace.v), trace.extra[slot]
        own = distinct(state, inputs.copies, trace.w)
        for gate in range(2):
            u = trace.u[gate][: len(own)]
            multiply(own, weights.h, gate * size, inputs.tile, False, u)
            normalise(u, gate, slot, weights.gain_h, trace.normed_h, trace.inverse_h)
            spread(trace.u[gate], inputs.copies)
            sigmoid_gate(flat(trace.gates[gate, slot]), flat(trace.u[gate]), flat(bias[gate]))
        z, r, n = flat(trace.gates[Z, slot]), flat(trace.gates[R, slot]), flat(trace.gates[N, slot])
        _reset(r, flat(state), flat(seen))
        multiply(seen, weights.h, N * size, inputs.tile, False, trace.u[N])
        normalise(trace.u[N], N, slot, weights.gain_h, trace.normed_h, trace.inverse_h)
        tanh_gate(n, flat(trace.u[N]), flat(bias[N]))
        _blend(z, n, flat(trace.h[before]), flat(trace.h[now]))
        keep_masked(t, inputs.first, trace.h[before], trace.h[now])


@kernel
def backward_before(inputs, weights, trace, gradients):
    """Reset before the product: from gradients.states and gradients.h to all the others."""
    n_steps, size = trace.h.shape[0] - 1, trace.h.shape[2]
    d_h, d_w, d_state = gradients.h, gradients.weights, trace.w
    normed, inverse = trace.normed_h, trace.inverse_h
    clear(trace.bias.reshape(trace.bias.size))
    for step in range(n_steps - 1, -1, -1):
        t, before, _ = order(step, n_steps, inputs.reverse)
        add_step_gradient(gradients.states, t, d_h)
        hold_masked(t, inputs.first, d_h, trace.held[0])
        z, r, n = flat(trace.gates[Z, t]), flat(trace.gates[R, t]), flat(trace.gates[N, t])
        _blend_backward(flat(d_h), z, n, flat(trace.h[before]))
        d_un = trace.u[N]
        copy(n, flat(d_un))
        normalise_backward(d_un, N, t, weights.gain_h, normed, inverse, d_w.gain_h)
        multiply_transposed_add(trace.extra[t], d_un, N * size, d_w.h)
        multiply(d_un, weights.h_t[N * size :], 0, inputs.tile, False, d_state)
        state = dropped(trace.h[before], inputs.drop, trace.v)
        _reset_backward(flat(d_state), r, flat(state))
        state, d_own = distinct(state, inputs.copies, trace.v), summed(d_state, inputs.copies)
        for gate in range(2):
            copy(flat(trace.gates[gate, t]), flat(trace.u[gate]))
            d_u = summed(trace.u[gate], inputs.copies)
            normalise_backward(d_u, gate, t, weights.gain_h, normed, inverse, d_w.gain_h)
            multiply_transposed_add(state, d_u, gate * size, d_w.h)
            w_t = weights.h_t[gate * size : (gate + 1) * size]
            multiply(d_u, w_t, 0, inputs.tile, True, d_own)
        for gate in range(3):
            add(flat(trace.gates[gate, t]), flat(trace.bias[gate]))
        add_masked(d_own, inputs.drop, summed(d_h, inputs.copies))
        keep_masked(t, inputs.first, trace.held[0], d_h)
    add_bias_gradient(trace.bias, d_w.b)
    project_backward(inputs.x, weights, trace, gradients)


KEEPING = {"z": 1.0}  # at the start a state lasts: gradients reach steps long past
GRU_BEFORE = Cell(
    "gru", "zrn", 1, True, False, forward_before, backward_before, gate_bias=KEEPING
)  # fmt: skip
GRU_AFTER = Cell(
    "gru", "zrn", 1, True, True, forward_after, backward_after, gate_bias=KEEPING
)  # fmt: skip
