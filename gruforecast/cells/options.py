"""What a cell does only when an option is on, chosen by type: None means off and costs nothing.

N windows, T steps, F features, H hidden, G gate blocks of H values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from gruforecast.foundations.blas import multiply, multiply_add
from gruforecast.foundations.jit import kernel_overload, part

LAYER_NORM_EPSILON = 1e-5


def _off(argument: Any) -> bool:
    return isinstance(argument, types.NoneType)


@part
def _layer_norm(a, low, high, gain, normed, inverse):
    """Gates low..high of a (N, G*H) <- gain * (a - mean) / deviation; keeps both factors."""
    n_rows, n_gates = inverse.shape
    size = normed.shape[1] // n_gates
    one, length = a.dtype.type(1), a.dtype.type(size)
    for i in range(n_rows):
        for g in range(low, high):
            start = g * size
            total = a.dtype.type(0)
            for j in range(start, start + size):
                total += a[i, j]
            mean = total / length
            squares = a.dtype.type(0)
            for j in range(start, start + size):
                squares += (a[i, j] - mean) * (a[i, j] - mean)
            scale = one / np.sqrt(squares / length + a.dtype.type(LAYER_NORM_EPSILON))
            inverse[i, g] = scale
            for j in range(start, start + size):
                normed[i, j] = (a[i, j] - mean) * scale
                a[i, j] = normed[i, j] * gain[j]


@part
def _layer_norm_backward(d_a, low, high, gain, normed, inverse, d_gain):
    """d_a: gradient of the result -> gradient of what was normalised; adds to d_gain."""
    n_rows, n_gates = inverse.shape
    size = normed.shape[1] // n_gates
    length = d_a.dtype.type(size)
    for i in range(n_rows):
        for g in range(low, high):
            start = g * size
            total = d_a.dtype.type(0)
            along = d_a.dtype.type(0)
            for j in range(start, start + size):
                d_gain[j] += d_a[i, j] * normed[i, j]
                d_a[i, j] *= gain[j]
                total += d_a[i, j]
                along += d_a[i, j] * normed[i, j]
            for j in range(start, start + size):
                d_a[i, j] = inverse[i, g] * (d_a[i, j] - (total + normed[i, j] * along) / length)


def normalise(a: Any, low: int, high: int, gain: Any, normed: Any, inverse: Any) -> None:
    """Layer norm of the gate blocks low..high of a (N, G*H), in place."""


@kernel_overload(normalise)
def _(a, low, high, gain, normed, inverse):
    if _off(gain):
        return lambda a, low, high, gain, normed, inverse: None
    return lambda a, low, high, gain, normed, inverse: _layer_norm(
        a, low, high, gain, normed.reshape(a.shape), inverse.reshape(a.shape[0], inverse.shape[-1])
    )


def normalise_backward(
    d_a: Any, low: int, high: int, gain: Any, normed: Any, inverse: Any, d_gain: Any
) -> None:
    """Backward of ``normalise``, in place."""


@kernel_overload(normalise_backward)
def _(d_a, low, high, gain, normed, inverse, d_gain):
    if _off(gain):
        return lambda d_a, low, high, gain, normed, inverse, d_gain: None
    return lambda d_a, low, high, gain, normed, inverse, d_gain: _layer_norm_backward(
        d_a,
        low,
        high,
        gain,
        normed.reshape(d_a.shape),
        inverse.reshape(d_a.shape[0], inverse.shape[-1]),
        d_gain,
    )


def row_of(kept: Any, slot: int) -> Any:
    """kept[slot], or None where nothing is kept."""


@kernel_overload(row_of)
def _(kept, slot):
    if _off(kept):
        return lambda kept, slot: None
    return lambda kept, slot: kept[slot]


def add_input_gradient(d_a: Any, x_t: Any, d_x: Any) -> None:
    """d_x (T, N, F) += d_a (T*N, G*H) @ x_t (G*H, F)."""


@kernel_overload(add_input_gradient)
def _(d_a, x_t, d_x):
    if _off(d_x):
        return lambda d_a, x_t, d_x: None
    return lambda d_a, x_t, d_x: multiply_add(d_a, x_t, d_x.reshape(d_a.shape[0], d_x.shape[2]))


@part
def _load_rows(projected, base, first, t, out):
    for i in range(out.shape[0]):
        if t >= first[i]:
            row = base[i] + t
            for j in range(out.shape[1]):
                out[i, j] = projected[row, j]


def load_projected(projected: Any, base: Any, first: Any, t: int, out: Any) -> None:
    """out (N, G*H) <- the projected row that each window reads at step t, if there are any."""


@kernel_overload(load_projected)
def _(projected, base, first, t, out):
    if _off(projected):
        return lambda projected, base, first, t, out: None
    return lambda projected, base, first, t, out: _load_rows(projected, base, first, t, out)


@part
def _times(state, mask, out):
    for i in range(state.shape[0]):
        for j in range(state.shape[1]):
            out[i, j] = state[i, j] * mask[i, j]
    return out


def dropped(state: Any, mask: Any, out: Any) -> Any:
    """The state (N, H) as the recurrent product reads it: itself, or out = state * mask."""


@kernel_overload(dropped)
def _(state, mask, out):
    if _off(mask):
        return lambda state, mask, out: state
    return lambda state, mask, out: _times(state, mask, out)


@part
def _add(d_state, d_h):
    for i in range(d_h.shape[0]):
        for j in range(d_h.shape[1]):
            d_h[i, j] += d_state[i, j]


@part
def _add_times(d_state, mask, d_h):
    for i in range(d_h.shape[0]):
        for j in range(d_h.shape[1]):
            d_h[i, j] += d_state[i, j] * mask[i, j]


def add_masked(d_state: Any, mask: Any, d_h: Any) -> None:
    """d_h (N, H) += mask * d_state (N, H): backward of ``dropped``."""


@kernel_overload(add_masked)
def _(d_state, mask, d_h):
    if _off(mask):
        return lambda d_state, mask, d_h: _add(d_state, d_h)
    return lambda d_state, mask, d_h: _add_times(d_state, mask, d_h)


@part
def _add_masked_product(d_u, h_t, mask, scratch, d_h):
    multiply(d_u, h_t, scratch)
    _add_times(scratch, mask, d_h)


def add_state_gradient(d_u: Any, h_t: Any, mask: Any, scratch: Any, d_h: Any) -> None:
    """d_h (N, H) += mask * (d_u (N, G*H) @ h_t (G*H, H))."""


@kernel_overload(add_state_gradient)
def _(d_u, h_t, mask, scratch, d_h):
    if _off(mask):
        return lambda d_u, h_t, mask, scratch, d_h: multiply_add(d_u, h_t, d_h)
    return lambda d_u, h_t, mask, scratch, d_h: _add_masked_product(d_u, h_t, mask, scratch, d_h)


def add_step_gradient(states: Any, t: int, d_h: Any) -> None:
    """d_h (N, H) += the gradient that reaches the state after step t from outside, if any."""


@kernel_overload(add_step_gradient)
def _(states, t, d_h):
    if _off(states):
        return lambda states, t, d_h: None
    return lambda states, t, d_h: _add(states[t], d_h)
