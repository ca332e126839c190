"""How networks see the same rows: what their windows are measured in, and their outputs from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

N_OPEN = 3  # networks that see differently, where the caller leaves it open


class View(NamedTuple):
    """What the windows of a network are measured in, and what its outputs are measured from."""

    normalize: str
    of_baseline: bool  # outputs are measured from the baseline, else from the level of the window


class Measure(NamedTuple):
    """What the window of each row is measured in."""

    level: np.ndarray  # (n,) in scaled units
    spread: np.ndarray  # (n,)
    center: np.ndarray  # (n,) both in the units of the series
    scale: np.ndarray  # (n,)


def kinds_used(n: int, kinds: tuple[str, ...], *, has_baseline: bool) -> tuple[str, ...]:
    """Those units of windows that any of n networks has."""
    used = dict.fromkeys(view.normalize for view in views_of(n, kinds, has_baseline=has_baseline))
    return tuple(used)


def views_of(n: int, kinds: tuple[str, ...], *, has_baseline: bool) -> list[View]:
    """The view of each of n networks, in turn: they err alike where they see alike.

    Without a baseline all see alike, and so do those that know no level to begin from.
    """
    views = [View(kinds[0], has_baseline)]
    if has_baseline and kinds[0] != "none":
        views += [View(kind, False) for kind in kinds]
    return [views[k % len(views)] for k in range(n)]


def usual_weights(views: list[View]) -> list[float]:
    """How much each network counts where nothing judges them: those in other units do not."""
    counts = np.array([view.normalize == views[0].normalize for view in views], float)
    return [float(weight) for weight in counts / counts.sum()]
