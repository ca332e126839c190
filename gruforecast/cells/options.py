"""What a cell does only when an option is on, chosen by type: None means off and costs nothing.

N windows, T steps, F features, H hidden, G gates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from gruforecast.foundations.blas import ROW_TILE, multiply
from gruforecast.foundations.jit import kernel_overload, part

LAYER_NORM_EPSILON = 1e-5


def _off(argument: Any) -> bool:
    return isinstance(argument, types.NoneType)


@part
def _layer_norm(a, gain, normed, inverse):
    """a (N, H) <- gain (H) * (a - mean) / deviation per row; keeps both factors."""
    n_rows, size = a.shape
    one, length = a.dtype.type(1), a.dtype.type(size)
    for i in range(n_rows):
        total = a.dtype.type(0)
        for j in range(size):
            total += a[i, j]
        mean = total / length
        squares = a.dtype.type(0)
        for j in range(size):
            squares += (a[i, j] - mean) * (a[i, j] - mean)
        scale = one / np.sqrt(squares / length + a.dtype.type(LAYER_NORM_EPSILON))
        inverse[i] = scale
        for j in range(size):
            normed[i, j] = (a[i, j] - mean) * scale
            a[i, j] = normed[i, j] * gain[j]


@part
def _layer_norm_backward(d_a, gain, normed, inverse, d_gain):
    """d_a (N, H): gradient of the result -> of what was normalised; adds to d_gain (H)."""
    n_rows, size = d_a.shape
    length = d_a.dtype.type(size)
    for i in range(n_rows):
        total = d_a.dtype.type(0)
        along = d_a.dtype.type(0)
        for j in range(size):
            d_gain[j] += d_a[i, j] * normed[i, j]
            d_a[i, j] *= gain[j]
            total += d_a[i, j]
            along += d_a[i, j] * normed[i, j]
        for j in range(size):
            d_a[i, j] = inverse[i] * (d_a[i, j] - (total + normed[i, j] * along) / length)


def normalise(a: Any, gate: int, slot: int, gain: Any, normed: Any, inverse: Any) -> None:
    """Layer norm of a gate a (N, H) in place; keeps both factors in the gate's slot."""


@kernel_overload(normalise)
def _(a, gate, slot, gain, normed, inverse):
    if _off(gain):
        return lambda a, gate, slot, gain, normed, inverse: None

    def on(a, gate, slot, gain, normed, inverse):
        size = a.shape[1]
        of_gate = gain[gate * size : (gate + 1) * size]
        _layer_norm(a, of_gate, normed[gate, slot], inverse[gate, slot])

    return on


def normalise_backward(
    d_a: Any, gate: int, slot: int, gain: Any, normed: Any, inverse: Any, d_gain: Any
) -> None:
    """Backward of ``normalise``, in place."""


@kernel_overload(normalise_backward)
def _(d_a, gate, slot, gain, normed, inverse, d_gain):
    if _off(gain):
        return lambda d_a, gate, slot, gain, normed, inverse, d_gain: None

    def on(d_a, gate, slot, gain, normed, inverse, d_gain):
        part_of = slice(gate * d_a.shape[1], (gate + 1) * d_a.shape[1])
        _layer_norm_backward(
            d_a, gain[part_of], normed[gate, slot], inverse[gate, slot], d_gain[part_of]
        )

    return on


def row_of(kept: Any, slot: int) -> Any:
    """kept[slot], or None where nothing is kept."""


@kernel_overload(row_of)
def _(kept, slot):
    if _off(kept):
        return lambda kept, slot: None
    return lambda kept, slot: kept[slot]


def add_input_gradient(d_a: Any, gate: int, x_t: Any, d_x: Any) -> None:
    """d_x (T, N, F) += d_a (T*N, H) @ the rows of a gate in x_t (G*H, F), if there is a d_x."""


@kernel_overload(add_input_gradient)
def _(d_a, gate, x_t, d_x):
    if _off(d_x):
        return lambda d_a, gate, x_t, d_x: None

    def on(d_a, gate, x_t, d_x):
        rows, size = d_a.shape
        of_gate = x_t[gate * size : (gate + 1) * size]
        multiply(d_a, of_gate, 0, ROW_TILE, True, d_x.reshape(rows, d_x.shape[2]))

    return on


@part
def _load_rows(projected, base, first, t, slot, gates):
    for g in range(gates.shape[0]):
        for i in range(gates.shape[2]):
            if t >= first[i]:
                row = base[i] + t
                for j in range(gates.shape[3]):
                    gates[g, slot, i, j] = projected[g, row, j]


def load_projected(projected: Any, base: Any, first: Any, t: int, slot: int, gates: Any) -> None:
    """gates[:, slot] (G, N, H) <- the projected row that each window reads at step t, if any."""


@kernel_overload(load_projected)
def _(projected, base, first, t, slot, gates):
    if _off(projected):
        return lambda projected, base, first, t, slot, gates: None
    return lambda projected, base, first, t, slot, gates: _load_rows(
        projected, base, first, t, slot, gates
    )


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
def _add_masked_product(d_u, h_t, mask, tile, scratch, d_h):
    multiply(d_u, h_t, 0, tile, False, scratch)
    _add_times(scratch, mask, d_h)


def add_state_gradient(
    d_u: Any, gate: int, h_t: Any, mask: Any, tile: int, scratch: Any, d_h: Any
) -> None:
    """d_h (N, H) += mask * (d_u (N, H) @ the rows of a gate in h_t (G*H, H))."""


@kernel_overload(add_state_gradient)
def _(d_u, gate, h_t, mask, tile, scratch, d_h):
    if _off(mask):

        def add_product(d_u, gate, h_t, mask, tile, scratch, d_h):
            size = d_u.shape[1]
            multiply(d_u, h_t[gate * size : (gate + 1) * size], 0, tile, True, d_h)

        return add_product

    def add_masked_product(d_u, gate, h_t, mask, tile, scratch, d_h):
        size = d_u.shape[1]
        of_gate = h_t[gate * size : (gate + 1) * size]
        _add_masked_product(d_u, of_gate, mask, tile, scratch, d_h)

    return add_masked_product


def add_step_gradient(states: Any, t: int, d_h: Any) -> None:
    """d_h (N, H) += the gradient that reaches the state after step t from outside, if any."""


@kernel_overload(add_step_gradient)
def _(states, t, d_h):
    if _off(states):
        return lambda states, t, d_h: None
    return lambda states, t, d_h: _add(states[t], d_h)
