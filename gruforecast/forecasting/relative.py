"""How much larger the errors of some series, or phases of a season, are than those of all."""

from __future__ import annotations

import numpy as np

SHRINKAGE = 20.0  # rows at which the errors of a group count as much as those of all
TINY = np.finfo(np.float64).tiny


def by_group(sizes: np.ndarray, groups: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the sizes (n, H) that are known of each group (n,) of rows, by step."""
    totals, counts = np.zeros((2, n_groups, sizes.shape[1]))
    order = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=n_groups))
    for group, rows in enumerate(np.split(order, ends[:-1])):
        own = sizes[rows]
        counts[group] = (~np.isnan(own)).sum(axis=0)
        totals[group] = np.nansum(own, axis=0)
    return totals, counts


def relative_sizes(
    totals: np.ndarray, counts: np.ndarray, groups: np.ndarray, n_groups: int, n_steps: int
) -> np.ndarray:
    """Mean size of each group beside that of all (n_groups,), shrunk towards 1.

    From sums and numbers of sizes, each of them in a group. Scores after one row go together: they
    count as one, with either sign.
    """
    overall = max(float(totals.sum() / counts.sum()), TINY)
    of_groups, n = (
        2.0 * np.bincount(groups.ravel(), part.ravel(), minlength=n_groups) / n_steps
        for part in (totals, counts)
    )
    return np.asarray((of_groups / overall + SHRINKAGE) / (n + SHRINKAGE))
