"""What a network learns from: windows, their targets and their weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from gruforecast.foundations.checks import check_array
from gruforecast.foundations.jit import brief_kernel
from gruforecast.network import Windows
from gruforecast.network.windows import check_windows


class Dataset:
    """Windows with targets; NaN targets are missing and do not train.

    Parameters
    ----------
    windows : Windows
    targets : array (N,) or (N, k)
    weights : array (N,), optional
        Of the windows; 1 by default. The loss is sum(weight * loss) / sum(weight) over the
        targets that are not missing.
    copy : bool, default True
        False: targets of the right dtype are used as they are, and must not change.

    Examples
    --------
    >>> import numpy as np
    >>> from gruforecast.network import Windows
    >>> from gruforecast.training import Dataset
    >>> series = np.sin(np.arange(100.0))
    >>> windows = Windows(series.reshape(-1, 1), starts=np.arange(80), n_steps=20)
    >>> len(Dataset(windows, targets=series[20:]))
    80
    """

    def __init__(
        self, windows: Windows, targets: Any, weights: Any = None, *, copy: bool = True
    ) -> None:
        windows = check_windows(windows)
        n, dtype = len(windows), windows.series.dtype
        self.windows = windows
        shape = (n,) if np.ndim(targets) == 1 else (n, "n_targets")
        given = np.asanyarray(targets)
        targets = check_array("targets", given, shape=shape, dtype=dtype, finite=False)
        if np.isinf(targets).any():
            where = tuple(int(i) for i in np.argwhere(np.isinf(targets))[0])
            raise ValueError(
                f"targets: expected numbers that are finite in {dtype}, or NaN for missing ones, "
                f"got {given[where]} in row {where[0]}; correct or scale it."
            )
        targets = targets.reshape(n, -1)
        self.targets = targets.copy() if copy else np.ascontiguousarray(targets)
        if weights is None:
            self.weights = np.ones(n, dtype)
        else:
            self.weights = check_array("weights", weights, shape=(n,), dtype=dtype).copy()
        if (self.weights < 0).any():
            at = int(np.argmax(self.weights < 0))
            raise ValueError(
                f"weights: expected values of at least 0, got {self.weights[at]} in row {at}; "
                f"drop the row or weigh it 0."
            )
        if total_weight(self.targets, self.weights) == 0.0:
            raise ValueError(
                "targets: expected at least one that is not missing and has a weight above 0, "
                "got none; pass more rows."
            )

    def __repr__(self) -> str:
        return f"Dataset({self.windows}, {self.targets.shape[1]} targets)"

    def __len__(self) -> int:
        return len(self.windows)


@brief_kernel
def total_weight(targets, weights):
    """Sum of the weights of all targets (N, k) that are not missing."""
    total = 0.0
    for i in range(targets.shape[0]):
        for j in range(targets.shape[1]):
            if not np.isnan(targets[i, j]):
                total += weights[i]
    return total
