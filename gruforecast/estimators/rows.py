"""Rows of X of every kind: windows that are complete, sequences of tokens, steps of a series."""

from __future__ import annotations

from typing import Any

from gruforecast.data.rows import Samples, Steps
from gruforecast.estimators.preparing import (
    State,
    check_same_rows,
    reads_tokens,
    warn_of_new_gaps,
)
from gruforecast.estimators.reading import read_samples, read_steps
from gruforecast.estimators.sequences import read_sequences


def read_rows(
    estimator: Any, X: Any, groups: Any, settings: Any, earlier: State | None
) -> Samples | Steps:
    """X as windows, or as steps when there is a lookback; like that of an earlier fit."""
    if earlier is not None:
        check_same_rows(earlier, settings)
    tokens, missing = reads_tokens(settings), settings.missing
    reset = earlier is None
    if settings.lookback is not None:
        rows: Samples | Steps = read_steps(
            estimator, X, groups, settings.lookback, reset=reset, missing=missing, tokens=tokens
        )
    elif tokens:
        rows = read_sequences(estimator, X, reset=reset)
    else:
        rows = read_samples(estimator, X, reset=reset, missing=missing)
    if earlier is not None and missing == "mask":
        warn_of_new_gaps(earlier.encoder, rows.values)
    return rows
