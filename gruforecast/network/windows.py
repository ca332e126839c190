"""Windows of a series: start rows and lengths, never an array of windows.

N windows, T steps, F features.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gruforecast.foundations.checks import check_array, check_integer, check_precision
from gruforecast.foundations.jit import brief_kernel, kernel


class Windows:
    """Stretches of consecutive rows of a series, right-aligned to ``n_steps`` steps.

    Parameters
    ----------
    series : array (rows, F)
        Finite in every row. Shared, not copied, when it is contiguous and of the dtype asked for.
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
    row_numbers : array of int (rows,), optional
        What messages call the rows of the series; -1 for rows from before.
    future : array (rows, C), optional
        What is known of steps ahead, finite in every row; shared as ``series`` is.
    future_starts : array of int (N,), optional
        First row of ``future`` that each window reads; the network says how many it reads.
    offsets, factors : array (N,), optional
        Windows that are normalised one by one: window i reads ``(value - offsets[i]) * factors[i]``
        in place of each value of the first column, computed in ``dtype``; the other columns, masked
        steps and the series itself stay as they are. Factors are positive. Targets are the
        caller's: whoever wants them relative to the window normalises them alike.

    Examples
    --------
    >>> import numpy as np
    >>> from gruforecast.network import Windows
    >>> series = np.arange(10.0).reshape(10, 1)
    >>> windows = Windows(series, starts=[0, 3, 6], n_steps=4)
    >>> len(windows), windows.n_features
    (3, 1)

    Windows relative to their newest value:

    >>> newest = series[[3, 6, 9], 0]
    >>> relative = Windows(series, [0, 3, 6], 4, offsets=newest, factors=np.ones(3))
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
        row_numbers: np.ndarray | None = None,
        future: Any = None,
        future_starts: Any = None,
        offsets: Any = None,
        factors: Any = None,
    ) -> None:
        dtype = check_precision(dtype)
        self.series = check_array("series", series, shape=("rows", "n_features"), dtype=dtype)
        self.n_steps = check_integer("n_steps", n_steps, low=1)
        self.starts = _own_indices("starts", starts)
        if lengths is None:
            self.lengths = np.full(len(self.starts), self.n_steps, np.int64)
        else:
            self.lengths = _own_indices("lengths", lengths)
        _check_lengths(self.lengths, len(self.starts), self.n_steps)
        self._check_inside()
        self.row_numbers = row_numbers
        self.initial_state = None
        if initial_state is not None:
            shape = ("layers * directions", len(self.starts), "state size")
            self.initial_state = check_array(
                "initial_state", initial_state, shape=shape, dtype=dtype
            ).copy()
        self.future = self.future_starts = None
        _check_both(future=future, future_starts=future_starts)
        if future is not None:
            self.future = check_array(
                "future", future, shape=("rows", "n_future_features"), dtype=dtype
            )
            self.future_starts = _own_indices("future_starts", future_starts)
            _check_future_starts(self.future_starts, len(self.starts), len(self.future))
        self.offsets = self.factors = None
        _check_both(offsets=offsets, factors=factors)
        if offsets is not None:
            self.offsets = _own_numbers("offsets", offsets, len(self.starts), dtype)
            self.factors = _own_numbers("factors", factors, len(self.starts), dtype)
            _check_factors(self.factors, factors)

    @classmethod
    def from_array(
        cls, x: Any, *, lengths: Any = None, initial_state: Any = None, dtype: str = "float32"
    ) -> Windows:
        """Windows that the caller already holds as an array (N, T, F).

        With ``lengths`` the last rows of each window count; the ones before are masked and may
        hold anything.
        """
        dtype = check_precision(dtype)
        shape = ("n_windows", "n_steps", "n_features")
        x = check_array("x", x, shape=shape, dtype=dtype, finite=lengths is None)
        n_windows, n_steps, n_features = x.shape
        starts = np.arange(n_windows) * n_steps
        if lengths is not None:
            lengths = _own_indices("lengths", lengths)
            _check_lengths(lengths, n_windows, n_steps)
            masked = np.arange(n_steps) < n_steps - lengths[:, None]
            x = np.where(masked[:, :, None], x.dtype.type(0), x)
            starts = starts + n_steps - lengths
        series = x.reshape(n_windows * n_steps, n_features)
        return cls(
            series, starts, n_steps, lengths=lengths, initial_state=initial_state, dtype=dtype
        )

    def __repr__(self) -> str:
        rows, columns = self.series.shape
        ahead = ""
        if self.future is not None:
            ahead = "future of {} rows x {} features, ".format(*self.future.shape)
        normalised = "" if self.factors is None else "normalised one by one, "
        return (
            f"Windows({len(self)} of up to {self.n_steps} steps, series of {rows} rows x "
            f"{columns} features, {ahead}{normalised}{self.series.dtype})"
        )

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def n_features(self) -> int:
        return int(self.series.shape[1])

    @property
    def first(self) -> np.ndarray:
        """The first step of each window that is not masked."""
        return self.n_steps - self.lengths

    def _check_inside(self) -> None:
        rows = len(self.series)
        bad = (self.starts < 0) | (self.starts > rows - self.lengths)  # a sum could overflow
        if bad.any():
            at = int(np.argmax(bad))
            raise ValueError(
                f"starts: expected windows inside the {rows} rows of the series, got window {at} "
                f"from row {self.starts[at]} with {self.lengths[at]} rows; move or shorten it."
            )


def _check_lengths(lengths: np.ndarray, n_windows: int, n_steps: int) -> None:
    _check_count("lengths", lengths, n_windows)
    bad = (lengths < 0) | (lengths > n_steps)
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(
            f"lengths: expected 0 to n_steps={n_steps}, got {lengths[at]} for window {at}; "
            f"shorten it or raise n_steps."
        )


def _check_future_starts(starts: np.ndarray, n_windows: int, rows: int) -> None:
    """Inside ``future`` with their first row; the network checks the last, as it knows how many."""
    _check_count("future_starts", starts, n_windows)
    bad = (starts < 0) | (starts >= rows)
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(
            f"future_starts: expected rows 0 to {rows - 1} of future, got {starts[at]} for window "
            f"{at}; correct it or add rows."
        )


def _check_both(**parts: Any) -> None:
    """Two arrays that come together or not at all."""
    missing = [name for name, value in parts.items() if value is None]
    if len(missing) == 1:
        given = next(name for name in parts if name not in missing)
        raise ValueError(
            f"{missing[0]}: expected an array beside {given}, got None; pass both or neither."
        )


def _check_factors(factors: np.ndarray, given: Any) -> None:
    bad = factors <= 0
    if bad.any():
        at = int(np.argmax(bad))
        raise ValueError(
            f"factors: expected numbers that are positive in {factors.dtype}, got "
            f"{np.asarray(given)[at]} for window {at}; pass one over a scale."
        )


def _check_count(name: str, values: np.ndarray, n_windows: int) -> None:
    if values.shape != (n_windows,):
        raise ValueError(
            f"{name}: expected one per window, shape {(n_windows,)}, got {values.shape}; "
            f"pass as many {name} as windows."
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


def _own_numbers(name: str, value: Any, n_windows: int, dtype: str) -> np.ndarray:
    """A copy that the caller cannot change: one finite number per window."""
    array = check_array(name, value, shape=("n_windows",), dtype=dtype).copy()
    _check_count(name, array, n_windows)
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
def gather(series, base, first, n_numeric, out):
    """out (S, N, W, F): row t = s W + w of window i is row base[i] + t of the series.

    While t < first[i] it is masked: zeros, and no category in the columns after the numeric ones.
    """
    width = out.shape[2]
    for s in range(out.shape[0]):
        for i in range(out.shape[1]):
            for w in range(width):
                t = s * width + w
                if t < first[i]:
                    for j in range(out.shape[3]):
                        out[s, i, w, j] = 0 if j < n_numeric else -1
                else:
                    row = base[i] + t
                    for j in range(out.shape[3]):
                        out[s, i, w, j] = series[row, j]


@brief_kernel
def _shift_and_scale(first, offsets, factors, out):
    """First column of out (S, N, W, F) <- (value - offset) * factor of the window, or masked."""
    width = out.shape[2]
    for s in range(out.shape[0]):
        for i in range(out.shape[1]):
            for w in range(width):
                if s * width + w >= first[i]:
                    out[s, i, w, 0] = (out[s, i, w, 0] - offsets[i]) * factors[i]


def load_windows(
    windows: Windows, members: np.ndarray, n_numeric: int, out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What some windows read: out (S, N, W, F).

    Returns (N,) the first segment of each with a row that is not masked, and the row of the
    series that its first step would read.
    """
    first = out.shape[0] * out.shape[2] - windows.lengths[members]
    base = windows.starts[members] - first
    gather(windows.series, base, first, n_numeric, out)
    if windows.offsets is not None and windows.factors is not None:
        _shift_and_scale(first, windows.offsets[members], windows.factors[members], out)
    return first // out.shape[2], base
