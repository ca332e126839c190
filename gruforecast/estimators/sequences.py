"""Reading sequences of tokens, whatever they come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

from gruforecast.data.rows import Samples
from gruforecast.data.tokens import is_none


def read_sequences(estimator: Any, X: Any, *, reset: bool) -> Samples:
    """A list, array or Series of sequences, or a table (n, steps) that may be filled up."""
    if reset:  # sequences have no number of columns that others must match
        for name in ("n_features_in_", "feature_names_in_"):
            estimator.__dict__.pop(name, None)
    rows = _rows(estimator, X)
    tokens = [token for row in rows for token in row]
    values = pd.Series(tokens, dtype=object).infer_objects().to_numpy()
    known = ~is_none(values)
    owner = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    lengths = np.bincount(owner[known], minlength=len(rows))
    if reset and not lengths.any():
        raise ValueError("X: expected at least one token, got none; check how it was made.")
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    return Samples(values[known][:, None], bounds, max(1, int(lengths.max())))


def _rows(estimator: Any, X: Any) -> list[Any]:
    """The tokens of each row."""
    if _is_list_of_rows(X):
        if any(isinstance(row, str) for row in X):
            text = next(row for row in X if isinstance(row, str))
            raise ValueError(
                f"X: expected sequences of tokens, got the text {text[:30]!r}; split it first, as "
                f"with text.split()."
            )
        rows = [row[:, 0] if getattr(row, "shape", ())[1:] == (1,) else row for row in X]
        for number, row in enumerate(rows):
            if any(np.ndim(token) for token in row):
                raise ValueError(
                    f"X: expected sequences of single tokens, got one of shape {np.shape(row)} in "
                    f"row {number}; pass one list of tokens per row."
                )
        return [list(row) for row in rows]
    values = check_array(
        X, dtype=None, ensure_all_finite=False, allow_nd=True, input_name="X", estimator=estimator
    )
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.ndim != 2:
        raise ValueError(
            f"X: expected sequences of single tokens (n, steps), got shape {values.shape}; pass "
            f"one token per step."
        )
    return list(values.tolist())


def _is_list_of_rows(X: Any) -> bool:
    """Whether X is a list, array or Series of sequences rather than a table."""
    kinds = (Sequence, np.ndarray, pd.Series)
    if hasattr(X, "columns") or getattr(X, "ndim", 1) != 1 or isinstance(X, str):
        return False
    return hasattr(X, "__len__") and len(X) > 0 and all(isinstance(row, kinds) for row in X)
