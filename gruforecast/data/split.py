"""The chronological tail of a data set, for validation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Split(NamedTuple):
    """Numbers of rows, in order."""

    training: np.ndarray
    validation: np.ndarray
    past: np.ndarray  # every row before the first that validates in its series


def chronological_tail(usable: np.ndarray, codes: np.ndarray, fraction: float, reach: int) -> Split:
    """Split the usable rows of each series; rows with the same code are one, in order.

    The last ``fraction`` of them validates. The ``reach`` rows before it do neither: their
    targets may lie among its rows.
    """
    training, validation, past = [], [], []
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        candidates = np.flatnonzero(usable[rows])
        n_validation = min(max(1, round(fraction * len(candidates))), len(candidates) - 1)
        first = candidates[-n_validation] if n_validation > 0 else len(rows) + reach
        training.append(rows[candidates[candidates < first - reach]])
        validation.append(rows[candidates[candidates >= first]])
        past.append(rows[:first])
    split = Split(*(np.sort(np.concatenate(part)) for part in (training, validation, past)))
    if not len(split.training) or not len(split.validation):
        raise ValueError(
            f"early_stopping: expected rows enough to train and to validate, got "
            f"{int(usable.sum())} with a target, of which {len(split.training)} would train and "
            f"{len(split.validation)} validate; pass more rows or set early_stopping=False."
        )
    return split
