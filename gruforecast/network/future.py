"""The head over rows known in the future: a shared layer joins the state with each step's row.

N windows, H steps ahead, S width of what the head reads, C columns, D units, O outputs of a step.
Rows of (N*H, .) hold the steps of the first window, then those of the second, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gruforecast.foundations.blas import ROW_TILE, multiply, multiply_transposed_add
from gruforecast.foundations.jit import brief_kernel, kernel
from gruforecast.network.parameters import FutureWeights
from gruforecast.network.specification import Specification
from gruforecast.network.windows import Windows


@brief_kernel
def _gather_future(future, starts, n_steps, rows):
    """rows (N*H, C) <- H rows of future from each of starts (at most N), then zeros."""
    n_read = starts.size * n_steps
    for at in range(rows.shape[0]):
        if at < n_read:
            row = starts[at // n_steps] + at % n_steps
            for j in range(rows.shape[1]):
                rows[at, j] = future[row, j]
        else:
            for j in range(rows.shape[1]):
                rows[at, j] = 0


@kernel
def future_forward(rows, state, w_state, w_future, position, w_out, from_state, units, raw):
    """raw (N*H, O) += units @ w_out, units (N*H, D) = relu of state, row and position together."""
    n_steps, zero = position.shape[0], units.dtype.type(0)
    multiply(state, w_state, 0, ROW_TILE, False, from_state)
    multiply(rows, w_future, 0, ROW_TILE, False, units)
    for i in range(from_state.shape[0]):
        for h in range(n_steps):
            at = i * n_steps + h
            for j in range(units.shape[1]):
                value = units[at, j] + (from_state[i, j] + position[h, j])
                units[at, j] = zero if value < zero else value
    multiply(units, w_out, 0, ROW_TILE, True, raw)


@kernel
def future_backward(
    d_raw, rows, state, units, w_state_t, w_out_t,
    d_w_state, d_w_future, d_position, d_w_out, d_from_state, d_units, d_state,
):  # fmt: skip
    """From d_raw (N*H, O): adds to the gradients of the parameters and to d_state (N, S)."""
    n_steps, zero = d_position.shape[0], d_units.dtype.type(0)
    multiply_transposed_add(units, d_raw, 0, d_w_out)
    multiply(d_raw, w_out_t, 0, ROW_TILE, False, d_units)
    for i in range(d_from_state.shape[0]):
        for j in range(d_units.shape[1]):
            d_from_state[i, j] = zero
        for h in range(n_steps):
            at = i * n_steps + h
            for j in range(d_units.shape[1]):
                if units[at, j] <= zero:
                    d_units[at, j] = zero
                d_position[h, j] += d_units[at, j]
                d_from_state[i, j] += d_units[at, j]
    multiply_transposed_add(rows, d_units, 0, d_w_future)
    multiply_transposed_add(state, d_from_state, 0, d_w_state)
    multiply(d_from_state, w_state_t, 0, ROW_TILE, True, d_state)


class FutureHead:
    """Buffers and passes of this head, beside the linear head of a workspace.

    ``values`` are what the linear head reads (N, S) and its outputs (N, H*O), ``d_values`` their
    gradients; without ``keep`` there is no backward pass.
    """

    def __init__(
        self,
        spec: Specification,
        values: Sequence[np.ndarray],
        d_values: Sequence[np.ndarray],
        *,
        keep: bool,
    ) -> None:
        self.n_steps, dtype = spec.n_future_steps, spec.numpy_dtype
        self.state, raw = values
        self.d_state, d_raw = d_values
        n_windows, n_rows = len(raw), len(raw) * self.n_steps
        self.raw, self.d_raw = raw.reshape(n_rows, -1), d_raw.reshape(n_rows, -1)
        self.rows = np.zeros((n_rows, spec.n_future_features), dtype)
        self.from_state = np.zeros((n_windows, spec.future_size), dtype)
        self.units = np.zeros((n_rows, spec.future_size), dtype)
        if keep:
            self.d_from_state = np.zeros_like(self.from_state)
            self.d_units = np.zeros_like(self.units)

    def load(self, windows: Windows, members: np.ndarray) -> None:
        """Gather the future rows of some windows; windows that fill up the shard read zeros."""
        starts = windows.future_starts[members]  # type: ignore[index]
        _gather_future(windows.future, starts, self.n_steps, self.rows)

    def forward(self, weights: FutureWeights) -> None:
        """Adds to the outputs of the linear head."""
        future_forward(
            self.rows, self.state, weights.w_state, weights.w_future, weights.position,
            weights.w_out, self.from_state, self.units, self.raw,
        )  # fmt: skip

    def backward(self, weights: FutureWeights, gradients: FutureWeights) -> None:
        """Adds to the gradients of the parameters and of what the linear head reads."""
        future_backward(
            self.d_raw, self.rows, self.state, self.units, weights.w_state_t, weights.w_out_t,
            gradients.w_state, gradients.w_future, gradients.position, gradients.w_out,
            self.d_from_state, self.d_units, self.d_state,
        )  # fmt: skip


def check_future(windows: Windows, spec: Specification) -> None:
    """Future rows where the network reads some, as wide and as many as it reads."""
    n_steps = spec.n_future_steps
    if windows.future is None or windows.future_starts is None:
        if n_steps:
            raise ValueError(
                f"windows: expected rows known in the future for n_future_steps={n_steps} of the "
                f"network, got none; pass future and future_starts to Windows."
            )
        return
    rows, width = windows.future.shape
    if not n_steps:
        raise ValueError(
            f"windows: expected no rows known in the future, got {rows}; pass none to Windows or "
            f"make the network with n_future_steps and n_future_features."
        )
    if width != spec.n_future_features:
        raise ValueError(
            f"windows: expected {spec.n_future_features} future features, got {width}; use the "
            f"columns that the network was made for."
        )
    bad = windows.future_starts > rows - n_steps
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(
            f"future_starts: expected n_future_steps={n_steps} rows from each inside the {rows} "
            f"rows of future, got window {at} from row {windows.future_starts[at]}; move it or "
            f"add rows."
        )
