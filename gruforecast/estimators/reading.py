"""Reading what the caller brings: windows that are complete, or rows that are steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array, validate_data

from gruforecast.data.rows import Samples, Steps
from gruforecast.data.segments import (
    check_order,
    find_segments,
    stamps_and_groups,
)
from gruforecast.foundations.checks import check_no_mask


def read_steps(
    estimator: Any, X: Any, groups: Any, lookback: int, *, reset: bool, missing: str, tokens: bool
) -> Steps:
    """Rows as steps, sorted into series whose stamps must rise."""
    stamps, groups = stamps_and_groups(X, groups)
    values = _read(estimator, X, reset=reset, missing=missing, tokens=tokens)
    if values.ndim == 3:
        raise ValueError(
            f"X: expected rows that are consecutive steps (2-D) with lookback="
            f"{lookback}, got windows of shape {values.shape}; set lookback=None, or "
            f"pass the rows of the series."
        )
    segments = find_segments(len(values), groups)
    of_series = []
    for name, rows in zip(segments.names, segments.parts(), strict=True):
        own = stamps
        if stamps is not None:
            own = stamps if len(segments.names) == 1 else stamps[rows]  # rows drop a frequency
            check_order(own, name)
        of_series.append(own)
    return Steps(values[segments.order], segments, of_series, lookback)


def read_samples(estimator: Any, X: Any, *, reset: bool, missing: str) -> Samples:
    """Rows as windows: (n, steps) of one feature, or (n, steps, F)."""
    values = _read(estimator, X, reset=reset, missing=missing, tokens=False)
    if values.ndim == 2:
        values = values[:, :, None]
    n, n_steps, n_features = values.shape
    table = values.reshape(n * n_steps, n_features)
    lengths = np.full(n, n_steps)
    lacking = np.isnan(values).all(axis=2)
    if lacking.any():  # steps before the first observation are no part of a window
        before = np.logical_and.accumulate(lacking, axis=1)
        lengths -= before.sum(axis=1)
        table = table[~before.ravel()]
    return Samples(table, np.concatenate([[0], np.cumsum(lengths)]), n_steps)


def _read(estimator: Any, X: Any, *, reset: bool, missing: str, tokens: bool) -> np.ndarray:
    """The array (n, F) or (n, steps, F) of X, checked as scikit-learn does."""
    check_kind("X", X)
    kind: dict[str, Any] = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}
    if tokens:
        kind = {"dtype": None, "ensure_all_finite": False}
    n_dimensions = _n_dimensions(X)
    if n_dimensions is None:
        raise ValueError(
            "X: expected rows of one length, got rows of different length; fill up windows at "
            "their start with NaN, or set embedding_size of GRUClassifier if they hold tokens."
        )
    if n_dimensions > 3:
        raise ValueError(
            f"X: expected rows (2-D) or windows (3-D), got {n_dimensions} dimensions; reshape it."
        )
    is_3d = n_dimensions == 3
    if reset:
        estimator._reads_3d = is_3d
    elif is_3d != estimator._reads_3d:
        had, got = ("3-D windows", "2-D") if estimator._reads_3d else ("2-D rows", "3-D")
        raise ValueError(f"X: expected {had} as in fit, got a {got} array; reshape it.")
    if is_3d:
        values = check_array(X, allow_nd=True, input_name="X", estimator=estimator, **kind)
        _check_features(estimator, values.shape[2], reset=reset)
    else:
        values = validate_data(estimator, X, reset=reset, **kind)
    if values.ndim == 3 and 0 in values.shape:
        raise ValueError(
            f"X: expected windows of at least one step and one feature, got shape {values.shape}; "
            f"check how it was made."
        )
    if missing == "error" and not tokens and np.isnan(values).any():
        where = tuple(int(i) for i in np.argwhere(np.isnan(values))[0])
        raise ValueError(
            f"X: expected no missing value with missing='error', got NaN at {where}; "
            f"fill it, drop the row or set missing='mask'."
        )
    return np.asarray(values)


def _n_dimensions(X: Any) -> int | None:
    """Axes of X; None if it is no array yet and cannot be made one."""
    if hasattr(X, "ndim"):
        return int(X.ndim)
    try:
        return np.asarray(X).ndim
    except ValueError:  # rows of different length
        return None


def check_kind(name: str, value: Any) -> None:
    """Numbers or text, and nothing that would quietly become numbers."""
    check_no_mask(name, value)
    dtypes = getattr(value, "dtypes", getattr(value, "dtype", None))
    for dtype in dtypes if isinstance(dtypes, pd.Series) else [dtypes]:
        if getattr(dtype, "kind", "") in ("m", "M"):
            raise TypeError(
                f"{name}: expected numbers, got dates or durations ({dtype}); use them as the "
                f"index, or make numbers of them."
            )


def _check_features(estimator: Any, n_features: int, *, reset: bool) -> None:
    """Windows (n, steps, F) have as many features as those of the fit; steps may differ."""
    if reset:
        estimator.n_features_in_ = n_features
        estimator.__dict__.pop("feature_names_in_", None)
    elif n_features != estimator.n_features_in_:
        raise ValueError(
            f"X: expected windows of {estimator.n_features_in_} features as in fit, got "
            f"{n_features}; X has {n_features} features along its last axis, use the same ones."
        )


def read_weights(sample_weight: Any, n_rows: int) -> np.ndarray:
    """Weights of the rows (n,), the largest close to 1."""
    if sample_weight is None:
        return np.ones(n_rows)
    weights = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.shape != (n_rows,):
        raise ValueError(
            f"sample_weight: expected one weight per row of X, shape ({n_rows},), got "
            f"{weights.shape}; pass as many weights as rows."
        )
    if (weights < 0).any():
        at = int(np.argmax(weights < 0))
        raise ValueError(
            f"sample_weight: expected values of at least 0, got {weights[at]} in row {at}; "
            f"drop the row or weigh it 0."
        )
    if not weights.any():
        raise ValueError(
            "sample_weight: expected a weight that is not zero, got none; weigh some rows."
        )
    return np.asarray(np.ldexp(weights, -np.frexp(weights.max())[1]))  # only ratios count
