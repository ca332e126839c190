"""What every cell shares: its description, its arrays, and the work around the recurrence.

T steps, N windows of a shard, F features, H hidden, G gate blocks of H values.
Step ``t`` reads the input row ``t``; state slot ``t`` is before it and ``t + 1`` after it, or the
other way round when time is reversed. Step ``t`` of window ``i`` is masked while ``t < first[i]``.

An option that is off is None: the functions of ``cells.options`` are chosen by type, so that a
kernel holds the machine code of the options in use and of no other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numba import types

from gruforecast.cells.options import add_input_gradient, normalise, normalise_backward
from gruforecast.foundations.blas import multiply, multiply_transposed_add
from gruforecast.foundations.jit import kernel_overload, part


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

    gates: np.ndarray  # (T or 1, N, G*H) activations; after backward the gradient of their input
    extra: np.ndarray  # (T or 1, N, E*H) what else the cell keeps
    h: np.ndarray  # (T+1, N, H) states
    c: np.ndarray | None  # (T+1, N, H) cell states of the LSTM
    normed_x: np.ndarray | None  # (T or 1, N, G*H) normalised input side
    inverse_x: np.ndarray | None  # (T or 1, N, G) one over its deviation
    normed_h: np.ndarray | None  # (T or 1, N, G*H) normalised recurrent side
    inverse_h: np.ndarray | None  # (T or 1, N, G)
    u: np.ndarray  # (N, G*H) scratch: recurrent product, then its gradient
    v: np.ndarray  # (N, H) scratch: the state as the recurrent product reads it
    w: np.ndarray  # (N, H) scratch


class Inputs(NamedTuple):
    """What a layer reads: windows, or rows of a series that are projected already."""

    x: np.ndarray | None  # (T, N, F)
    projected: np.ndarray | None  # (rows, G*H) x @ weights.x of a whole series
    base: np.ndarray  # (N,) projected row that step 0 of each window would read
    first: np.ndarray  # (N,) first step that is not masked
    drop: np.ndarray | None  # (N, H) recurrent dropout mask
    reverse: bool


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
    gates: str  # one letter a gate block, in the order of the columns
    n_states: int  # arrays that make up the state: h, or h and c
    n_extra: int  # blocks of H values that a step keeps beside its gates
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
def copy(source, out):
    """out (n) <- source (n); a slice assignment would cost seconds to compile."""
    for j in range(out.size):
        out[j] = source[j]


@part
def clear(out):
    """out (n) <- 0."""
    for j in range(out.size):
        out[j] = 0


@part
def add(source, out):
    """out (n) += source (n)."""
    for j in range(out.size):
        out[j] += source[j]


@part
def _project(x, weights, trace):
    rows = x.shape[0] * x.shape[1]
    gates = trace.gates.reshape(rows, trace.gates.shape[2])
    multiply(x.reshape(rows, x.shape[2]), weights.x, gates)
    n_gates = weights.h.shape[1] // weights.h.shape[0]
    normalise(gates, 0, n_gates, weights.gain_x, trace.normed_x, trace.inverse_x)


def project(x: Any, weights: Weights, trace: Trace) -> None:
    """trace.gates <- x @ w_x of all steps at once, layer-normalised where asked for."""


@kernel_overload(project)
def _(x, weights, trace):
    if isinstance(x, types.NoneType):
        return lambda x, weights, trace: None
    return lambda x, weights, trace: _project(x, weights, trace)


@part
def project_backward(x, weights, trace, gradients):
    """From the gradient of the gates' input, left in trace.gates: weights, gain and x."""
    rows = x.shape[0] * x.shape[1]
    d_a = trace.gates.reshape(rows, trace.gates.shape[2])
    n_gates = weights.h.shape[1] // weights.h.shape[0]
    d_gain = gradients.weights.gain_x
    normalise_backward(d_a, 0, n_gates, weights.gain_x, trace.normed_x, trace.inverse_x, d_gain)
    multiply_transposed_add(x.reshape(rows, x.shape[2]), d_a, gradients.weights.x)
    add_input_gradient(d_a, weights.x_t, gradients.x)
