"""The shortcut: what is linear in the newest values goes straight to the outputs.

N windows, L lags, K outputs.
"""

from __future__ import annotations

import numpy as np

from gruforecast.foundations.blas import ROW_TILE, multiply, multiply_transposed_add
from gruforecast.foundations.jit import brief_kernel
from gruforecast.network.specification import Specification
from gruforecast.network.windows import Windows


@brief_kernel
def _gather_lags(series, ends, lengths, offsets, factors, lags):
    """lags (N, L) <- the first column of the L rows before each of ends, oldest first.

    Normalised as the window is; zeros before the window begins, and for windows that fill up.
    """
    n_lags = lags.shape[1]
    for i in range(lags.shape[0]):
        for k in range(n_lags):
            age = n_lags - k
            if i < ends.size and age <= lengths[i]:
                lags[i, k] = (series[ends[i] - age, 0] - offsets[i]) * factors[i]
            else:
                lags[i, k] = 0


@brief_kernel
def _shortcut_forward(lags, w, raw):
    """raw (N, K) += lags (N, L) @ w (L, K)."""
    multiply(lags, w, 0, ROW_TILE, True, raw)


@brief_kernel
def _shortcut_backward(d_raw, lags, d_w):
    """d_w (L, K) += lags.T (L, N) @ d_raw (N, K)."""
    multiply_transposed_add(lags, d_raw, 0, d_w)


class Shortcut:
    """Buffers and passes; ``raw`` (N, K) are the outputs it adds to, ``d_raw`` their gradient."""

    def __init__(self, spec: Specification, raw: np.ndarray, d_raw: np.ndarray) -> None:
        self.raw, self.d_raw = raw, d_raw
        self.lags = np.zeros((len(raw), spec.n_lags), spec.numpy_dtype)

    def load(self, windows: Windows, members: np.ndarray) -> None:
        """The newest values of some windows."""
        lengths = windows.lengths[members]
        offsets, factors = windows.offsets, windows.factors
        if offsets is None or factors is None:
            dtype = windows.series.dtype
            own = np.zeros(len(members), dtype), np.ones(len(members), dtype)
        else:
            own = offsets[members], factors[members]
        ends = windows.starts[members] + lengths
        _gather_lags(windows.series, ends, lengths, *own, self.lags)

    def forward(self, w: np.ndarray) -> None:
        """Adds to the outputs."""
        _shortcut_forward(self.lags, w, self.raw)

    def backward(self, d_w: np.ndarray) -> None:
        """Adds to the gradient of the weights."""
        _shortcut_backward(self.d_raw, self.lags, d_w)
