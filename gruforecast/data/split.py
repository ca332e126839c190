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

    The last ``fraction`` of them validates, rounded: short series may only train. The ``reach``
    rows before it do neither: their targets may lie among its rows.
    """
    order = np.argsort(codes, kind="stable")
    series = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    counts = np.array([usable[rows].sum() for rows in series])
    wanted = np.minimum(np.round(fraction * counts).astype(int), counts - 1)
    if not (wanted > 0).any():
        wanted[np.argmax(counts)] = min(1, counts.max() - 1)
    training, validation, past = [], [], []
    for rows, n_validation in zip(series, wanted, strict=True):
        candidates = np.flatnonzero(usable[rows])
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
