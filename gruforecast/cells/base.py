"""What every cell shares: its description, its arrays, and the work around the recurrence.

T steps, N windows of a shard, F features, H hidden, G gates. Gates lie one after the other, each
as (N, H) for a step, so that a gate of all windows is one stretch of memory.

Step ``t`` reads the input row ``t``; state slot ``t`` is before it and ``t + 1`` after it, or the
other way round when time is reversed. Step ``t`` of window ``i`` is masked while ``t < first[i]``:
it is computed like the others and then undone.

An option that is off is None: the functions of ``cells.options`` are chosen by type, so that a
kernel holds the machine code of the options in use and of no other.

A decoder makes one step from states that stand in several rows each, and reads the same rows for
all windows: what is alike is multiplied once (see ``cells.sharing``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numba import types

from gruforecast.cells.options import add_input_gradient, normalise, normalise_backward
from gruforecast.cells.sharing import spread_in_turn, sum_in_turn
from gruforecast.foundations.blas import ROW_TILE, multiply, multiply_transposed_add
from gruforecast.foundations.jit import kernel_overload, part, routine
from gruforecast.foundations.mathematics import sigmoid, tanh


class Weights(NamedTuple):
    """Parameters of one layer in one direction.

    The same tuple, zeroed, collects the gradients of a shard (without the transposes).
    """

    x: np.ndarray  # (F, G*H) read by the inputs
    h: np.ndarray  # (H, G*H) read by the state
    b: np.ndarray  # (G*H,)
    b_h: np.ndarray | None  # (H,) candidate bias inside the reset gate
    gain_x: np.ndarray | None  # (G*H,) layer norm of the input side
    gain_h: np.ndarray | None  # (G*H,) layer norm of the recurrent side
    x_t: np.ndarray | None  # (G*H, F) transpose of x, for the gradient of the input
    h_t: np.ndarray | None  # (G*H, H) transpose of h, for the gradient of the state


class Trace(NamedTuple):
    """What the forward pass leaves for the backward pass; one gate slot when nothing is kept."""

    gates: np.ndarray  # (G, T or 1, N, H) activations; after backward the gradient of their input
    extra: np.ndarray | None  # (T or 1, N, H) what else a cell keeps
    h: np.ndarray  # (T+1, N, H) states
    c: np.ndarray | None  # (T+1, N, H) cell states of the LSTM
    normed_x: np.ndarray | None  # (G, T or 1, N, H) normalised input side
    inverse_x: np.ndarray | None  # (G, T or 1, N) one over its deviation
    normed_h: np.ndarray | None  # (G, T or 1, N, H) normalised recurrent side
    inverse_h: np.ndarray | None  # (G, T or 1, N)
    u: np.ndarray  # (G, N, H) scratch: recurrent product, then its gradient
    bias: np.ndarray  # (G, N, H) scratch: b for each window, then its gradients
    bias_h: np.ndarray | None  # (1, N, H) scratch: b_h for each window, then its gradients
    v: np.ndarray  # (N, H) scratch: the state as the recurrent product reads it
    w: np.ndarray  # (N, H) scratch
    held: np.ndarray  # (2, N, H) scratch: gradients of masked windows


class Inputs(NamedTuple):
    """What a layer reads: windows, or rows of a series that are projected already."""

    x: np.ndarray | None  # (T, N, F); of a single step (1, M, F), which M rows after M rows read
    projected: np.ndarray | None  # (G, rows, H) x @ weights.x of a whole series
    base: np.ndarray  # (N,) projected row that step 0 of each window would read
    first: np.ndarray  # (N,) first step that is not masked
    drop: np.ndarray | None  # (N, H) recurrent dropout mask
    reverse: bool
    tile: int  # rows of a matrix product's tile
    copies: int = 1  # rows one after the other that begin with the same state


class Gradients(NamedTuple):
    """What the backward pass reads beside the trace, and where it adds."""

    states: np.ndarray | None  # (T, N, H) gradient of the state after every step
    h: np.ndarray  # (N, H) gradient of the last state, becomes that of the initial state
    c: np.ndarray | None  # (N, H) the same for the LSTM's cell state
    x: np.ndarray | None  # (T, N, F) where the gradient of the input is added
    weights: Weights  # where the gradients of the parameters are added


@dataclass(frozen=True)
class Cell:
    """A recurrent cell: its gates, what it keeps, and its two passes."""

    name: str
    gates: str  # one letter a gate, in the order of the columns
    n_states: int  # arrays that make up the state: h, or h and c
    keeps_extra: bool  # whether a step keeps more than its gates
    has_candidate_bias: bool
    forward: Callable[[Inputs, Weights, Trace], None]
    backward: Callable[[Inputs, Weights, Trace, Gradients], None]
    gate_bias: dict[str, float] = field(default_factory=dict)  # where not zero at the start

    @property
    def n_gates(self) -> int:
        return len(self.gates)


@part
def order(step, n_steps, reverse):
    """(input row, slot of the state before, slot of the state after) of the step-th step."""
    if reverse:
        t = n_steps - 1 - step
        return t, t + 1, t
    return step, step, step + 1


@part
def flat(block):
    """A contiguous (N, H) as (N*H): short loops over many windows run as one long one."""
    return block.reshape(block.size)


@part
def sigmoid_gate(a, u, b):
    """One gate of all windows: a <- sigmoid(a + u + b)."""
    for k in range(a.size):
        a[k] = sigmoid(a[k] + u[k] + b[k])


@part
def tanh_gate(a, u, b):
    """One gate of all windows: a <- tanh(a + u + b)."""
    for k in range(a.size):
        a[k] = tanh(a[k] + u[k] + b[k])


@part
def repeat_bias(b, out):
    """out (G, N, H) <- b (G*H) for each window."""
    n_gates, n_windows, size = out.shape
    for g in range(n_gates):
        for i in range(n_windows):
            for j in range(size):
                out[g, i, j] = b[g * size + j]


@part
def add_bias_gradient(parts, d_b):
    """d_b (G*H) += the sum over windows of parts (G, N, H)."""
    n_gates, n_windows, size = parts.shape
    for g in range(n_gates):
        for i in range(n_windows):
            for j in range(size):
                d_b[g * size + j] += parts[g, i, j]


@part
def copy(source, out):
    """out (n) <- source (n)."""
    for k in range(out.size):
        out[k] = source[k]


@part
def add(source, out):
    """out (n) += source (n)."""
    for k in range(out.size):
        out[k] += source[k]


@part
def clear(out):
    """out (n) <- 0."""
    for k in range(out.size):
        out[k] = 0


@part
def keep_masked(t, first, before, now):
    """now (N, H) <- before (N, H) in the windows whose step is masked."""
    for i in range(first.size):
        if t < first[i]:
            for j in range(now.shape[1]):
                now[i, j] = before[i, j]


@part
def hold_masked(t, first, d_state, held):
    """Move the gradient (N, H) of masked windows to held: zeros pass through the step."""
    for i in range(first.size):
        if t < first[i]:
            for j in range(held.shape[1]):
                held[i, j] = d_state[i, j]
                d_state[i, j] = 0


@routine
def _project(x, weights, trace):
    n_gates, n_steps, n_windows, size = trace.gates.shape
    n_read = x.shape[1]
    rows = n_steps * n_read
    for g in range(n_gates):
        a = trace.gates[g].reshape(n_steps * n_windows, size)
        multiply(x.reshape(rows, x.shape[2]), weights.x, g * size, ROW_TILE, False, a[:rows])
        for t in range(n_steps):
            own = trace.gates[g, t][:n_read]
            normalise(own, g, t, weights.gain_x, trace.normed_x, trace.inverse_x)
        spread_in_turn(a, rows)


def project(x: Any, weights: Weights, trace: Trace) -> None:
    """trace.gates <- x @ w_x of all steps at once, layer-normalised where asked for."""


@kernel_overload(project)
def _(x, weights, trace):
    if isinstance(x, types.NoneType):
        return lambda x, weights, trace: None
    return lambda x, weights, trace: _project(x, weights, trace)


@routine
def project_backward(x, weights, trace, gradients):
    """From the gradient of the gates' input, left in trace.gates: weights, gain and x."""
    n_gates, n_steps, n_windows, size = trace.gates.shape
    n_read = x.shape[1]
    rows = n_steps * n_read
    d_w, normed, inverse = gradients.weights, trace.normed_x, trace.inverse_x
    for g in range(n_gates):
        d_a = trace.gates[g].reshape(n_steps * n_windows, size)
        sum_in_turn(d_a, rows)
        d_a = d_a[:rows]
        for t in range(n_steps):
            own = trace.gates[g, t][:n_read]
            normalise_backward(own, g, t, weights.gain_x, normed, inverse, d_w.gain_x)
        multiply_transposed_add(x.reshape(rows, x.shape[2]), d_a, g * size, d_w.x)
        add_input_gradient(d_a, g, weights.x_t, gradients.x)
