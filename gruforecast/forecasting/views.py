"""How networks see the same rows: what their windows are measured in, and their outputs from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

N_OPEN = 3  # networks that see differently, where the caller leaves it open


class View(NamedTuple):
    """Networks of one view err alike, those of several less together than each alone."""

    normalize: str  # what windows are measured in
    of_baseline: bool  # outputs are measured from the baseline, else from the level of the window


class Measure(NamedTuple):
    """What the window of each row is measured in."""

    level: np.ndarray  # (n,) in scaled units
    spread: np.ndarray  # (n,)
    center: np.ndarray  # (n,) both in the units of the series
    scale: np.ndarray  # (n,)


def views_of(n: int, kinds: tuple[str, ...], *, has_baseline: bool) -> list[View]:
    """The view of each of n networks, in turn; without a baseline all see alike."""
    if not has_baseline:
        return [View(kinds[0], False)] * n
    views = [View(kinds[0], True), *(View(kind, False) for kind in kinds)]
    return [views[k % len(views)] for k in range(n)]


def usual_weights(views: list[View]) -> list[float]:
    """How much each network counts where nothing judges them: those in other units do not."""
    counts = np.array([view.normalize == views[0].normalize for view in views], float)
    return [float(weight) for weight in counts / counts.sum()]
