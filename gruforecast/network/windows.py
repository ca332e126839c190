"""Windows of a series: start rows and lengths, never an array of windows.

N windows, T steps, F features.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gruforecast.foundations.checks import check_array, check_choice, check_integer
from gruforecast.foundations.jit import kernel
from gruforecast.network.specification import DTYPES


class Windows:
    """Stretches of consecutive rows of a series, right-aligned to ``n_steps`` steps.

    Parameters
    ----------
    series : array (rows, F)
        Shared, not copied, when it is contiguous and of the dtype asked for.
    starts : array of int (N,)
        First row of each window.
    n_steps : int
        Steps of a full window.
    lengths : array of int (N,), optional
        Rows of each window, at most ``n_steps``; the steps before them are masked: they leave
        the state as it is. All windows are full by default.
    initial_state : array (layers * directions, N, state size), optional
        The state each window starts from; zeros by default. An LSTM's state is [h, c].
    dtype : {"float32", "float64"}

    Examples
    --------
    >>> import numpy as np
    >>> from gruforecast.network import Windows
    >>> series = np.arange(10.0).reshape(10, 1)
    >>> windows = Windows(series, starts=[0, 3, 6], n_steps=4)
    >>> len(windows), windows.n_features
    (3, 1)
    """

    def __init__(
        self,
        series: Any,
        starts: Any,
        n_steps: int,
        *,
        lengths: Any = None,
        initial_state: Any = None,
        dtype: str = "float32",
    ) -> None:
        check_choice("dtype", dtype, DTYPES)
        self.series = check_array("series", series, shape=("rows", "n_features"), dtype=dtype)
        self.n_steps = check_integer("n_steps", n_steps, low=1)
        self.starts = _own_indices("starts", starts)
        if lengths is None:
            self.lengths = np.full(len(self.starts), self.n_steps, np.int64)
        else:
            self.lengths = _own_indices("lengths", lengths)
        self._check_lengths()
        self._check_inside()
        self.initial_state = None
        if initial_state is not None:
            shape = ("layers * directions", len(self.starts), "state size")
            self.initial_state = check_array(
                "initial_state", initial_state, shape=shape, dtype=dtype
            ).copy()

    @classmethod
    def from_array(
        cls, x: Any, *, lengths: Any = None, initial_state: Any = None, dtype: str = "float32"
    ) -> Windows:
        """Windows that the caller already holds as an array (N, T, F).

        With ``lengths`` the last rows of each window count, the ones before are masked.
        """
        check_choice("dtype", dtype, DTYPES)
        x = check_array("x", x, shape=("n_windows", "n_steps", "n_features"), dtype=dtype)
        n_windows, n_steps, n_features = x.shape
        series = x.reshape(n_windows * n_steps, n_features)
        starts = np.arange(n_windows) * n_steps
        whole = cls(series, starts, n_steps, initial_state=initial_state, dtype=dtype)
        if lengths is None:
            return whole
        whole.lengths = _own_indices("lengths", lengths)
        whole._check_lengths()
        whole.starts = starts + whole.first
        return whole

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def n_features(self) -> int:
        return int(self.series.shape[1])

    @property
    def first(self) -> np.ndarray:
        """The first step of each window that is not masked."""
        return self.n_steps - self.lengths

    def _check_lengths(self) -> None:
        if self.lengths.shape != self.starts.shape:
            raise ValueError(
                f"lengths: expected one per window, shape {self.starts.shape}, got "
                f"{self.lengths.shape}; pass as many lengths as starts."
            )
        bad = (self.lengths < 0) | (self.lengths > self.n_steps)
        if bad.any():
            at = int(np.argmax(bad))
            raise ValueError(
                f"lengths: expected 0 to n_steps={self.n_steps}, got {self.lengths[at]} for "
                f"window {at}; shorten it or raise n_steps."
            )

    def _check_inside(self) -> None:
        rows = len(self.series)
        bad = (self.starts < 0) | (self.starts > rows - self.lengths)  # a sum could overflow
        if bad.any():
            at = int(np.argmax(bad))
            raise ValueError(
                f"starts: expected windows inside the {rows} rows of the series, got window {at} "
                f"from row {self.starts[at]} with {self.lengths[at]} rows; move or shorten it."
            )


def _own_indices(name: str, value: Any) -> np.ndarray:
    """A copy that the caller cannot change: kernels trust that it lies inside the series."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" and array.size:
        raise TypeError(
            f"{name}: expected whole numbers, got an array of dtype {array.dtype}; pass integers."
        )
    if array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name}: expected row numbers, got {array.max()}; correct it.")
    array = check_array(name, array, shape=("n_windows",), dtype=np.int64, finite=False).copy()
    array.flags.writeable = False
    return array


def check_windows(value: Any) -> Windows:
    """Windows, and nothing that merely looks like an array of them."""
    if isinstance(value, Windows):
        return value
    raise TypeError(
        f"windows: expected gruforecast.network.Windows, got {type(value).__name__}; "
        f"make them with Windows(series, starts, n_steps) or Windows.from_array(x)."
    )


@kernel
def gather(series, base, first, out):
    """out (T, N, F): step t of window i is row base[i] + t, zeros while t < first[i]."""
    for t in range(out.shape[0]):
        for i in range(out.shape[1]):
            if t < first[i]:
                for j in range(out.shape[2]):
                    out[t, i, j] = 0
            else:
                row = base[i] + t
                for j in range(out.shape[2]):
                    out[t, i, j] = series[row, j]
