"""Dense layers, forward and backward. N windows, I inputs, O outputs."""

from __future__ import annotations

from gruforecast.foundations.blas import ROW_TILE, multiply, multiply_transposed_add
from gruforecast.foundations.jit import kernel


@kernel
def dense_forward(x, w, b, relu, out):
    """out (N, O) = x (N, I) @ w (I, O) + b, cut at zero if relu."""
    zero = out.dtype.type(0)
    multiply(x, w, 0, ROW_TILE, False, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            value = out[i, j] + b[j]
            out[i, j] = zero if relu and value < zero else value


@kernel
def dense_backward(d_out, out, x, w_t, relu, d_w, d_b, d_x):
    """From d_out (N, O), changed in place: adds to d_w and d_b, writes d_x (N, I)."""
    zero = out.dtype.type(0)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if relu and out[i, j] <= zero:
                d_out[i, j] = zero
            d_b[j] += d_out[i, j]
    multiply_transposed_add(x, d_out, 0, d_w)
    multiply(d_out, w_t, 0, ROW_TILE, False, d_x)
