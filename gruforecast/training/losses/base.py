"""What a loss is: a kernel for value and gradient, the outputs it needs, and their meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# (raw (N, K), targets (N, k), weights (N,), options, scale, d_raw (N, K)) -> sum of w * loss.
# NaN targets are missing: they add nothing and get a gradient of zero. d_raw is the gradient of
# scale * sum.
LossKernel = Callable[..., float]


def rescale_points(points: np.ndarray, center: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Forecasts (N, k) of scaled targets in the targets' own units."""
    return np.asarray(points * scale + center)


@dataclass(frozen=True)
class Loss:
    """A loss with its options settled.

    Parameters
    ----------
    name : str
    kernel : function
        Value and gradient of a shard.
    width : int
        Outputs of the network that belong to one target; 0 if all outputs belong to the one
        target (classes).
    transform : function
        Raw outputs (N, K) -> what they mean, in the units of the target.
    options : array of float64
        What the kernel reads beside the data (delta, quantiles).
    low : float
        The least value that a target may have.
    point : function
        What ``transform`` returns -> one forecast per target (N, k).
    rescale : function
        What ``transform`` returns, center (k,), scale (k,) -> the same for targets that were
        centred and scaled before training.
    distribution : function, optional
        What ``transform`` returns -> a frozen distribution of ``scipy.stats``.
    quantiles : tuple of float, optional
        What ``transform`` returns along its last axis, if these are quantiles.
    """

    name: str
    kernel: LossKernel
    width: int = 1
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray
    options: np.ndarray = field(default_factory=lambda: np.zeros(0))
    low: float = -np.inf
    point: Callable[[np.ndarray], np.ndarray] = np.asarray
    rescale: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] = rescale_points
    distribution: Callable[[np.ndarray], Any] | None = None
    quantiles: tuple[float, ...] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether an output is a forecast of its target, and nothing else."""
        return self.transform is np.asarray

    def check(self, targets: np.ndarray, n_outputs: int) -> None:
        """Targets (N, k) that this loss can read from a network with so many outputs."""
        n_targets = targets.shape[1]
        if self.width and n_outputs != self.width * n_targets:
            raise ValueError(
                f"targets: expected n_outputs = {self.width} per target for loss {self.name!r}, "
                f"got {n_targets} targets and {n_outputs} outputs; make the network with "
                f"n_outputs={self.width * n_targets}."
            )
        if np.nanmin(targets, initial=np.inf) < self.low:
            raise ValueError(
                f"targets: expected values of at least {self.low:g} for loss {self.name!r}, "
                f"got {np.nanmin(targets):g}; choose another loss or correct them."
            )
        if not self.width:
            _check_classes(targets, n_outputs)


def _check_classes(targets: np.ndarray, n_classes: int) -> None:
    present = targets[~np.isnan(targets)]
    bad = present[(present != np.floor(present)) | (present >= n_classes)]
    if targets.shape[1] != 1 or bad.size:
        got = f"{bad[0]:g}" if bad.size else f"{targets.shape[1]} columns"
        raise ValueError(
            f"targets: expected one column of class numbers 0 to {n_classes - 1}, got {got}; "
            f"number the classes and make the network with one output per class."
        )
