"""What a metric compares: actuals and forecasts of one shape and order, far from overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gruforecast.foundations.checks import check_array, check_number

LARGEST = 1e300  # so that no difference and no sum of many is beyond float64


def check_pairs(y: Any, n_quantiles: int | None = None, **forecasts: Any) -> list[np.ndarray]:
    """Actuals (n,) and each forecast (n,), or (n, n_quantiles), without the missing actuals."""
    if np.ndim(y) == 0:
        raise TypeError(f"y: expected an array, got {y!r}; pass a list or an array of actuals.")
    actual = check_values("y", y, missing=True)
    shape = actual.shape if n_quantiles is None else (*actual.shape, n_quantiles)
    meaning = "that of y" if n_quantiles is None else "that of y and then the quantiles"
    pairs = [actual]
    for name, value in forecasts.items():
        if np.shape(value) != shape:
            raise ValueError(
                f"{name}: expected shape {shape}, {meaning}, got {np.shape(value)}; reshape it, "
                f"nothing is broadcast."
            )
        pairs.append(check_values(name, value))
    _check_labels({"y": y, **forecasts})
    present = ~np.isnan(actual)
    if not present.any():
        raise ValueError(
            f"y: expected an actual that is not NaN, got {actual.size} NaN; pass actuals or leave "
            f"this forecast out."
        )
    return [values[present] for values in pairs]


def check_intervals(y: Any, low: Any, high: Any) -> list[np.ndarray]:
    """Actuals and bounds (n,) without missing actuals; the lower bounds are not above the upper."""
    actual, lower, upper = check_pairs(y, low=low, high=high)
    crossed = lower > upper
    if crossed.any():
        at = int(np.argmax(crossed))
        raise ValueError(
            f"low: expected no bound above high, got {lower[at]} above {upper[at]}; swap the two "
            f"or sort them."
        )
    return [actual, lower, upper]


def check_quantile(name: str, value: Any) -> float:
    """A quantile of which there is a forecast that is finite."""
    return check_number(name, value, low=0.0, high=1.0, open_low=True, open_high=True)


def check_quantiles(quantiles: Any) -> np.ndarray:
    """Quantiles (n_quantiles,) that rise."""
    values = check_array("quantiles", quantiles, shape=("n_quantiles",), dtype=np.float64)
    for value in values.tolist():
        check_quantile("quantiles", value)
    if not (np.diff(values) > 0.0).all():
        raise ValueError(
            f"quantiles: expected rising values, got {tuple(values.tolist())}; sort them and the "
            f"forecasts."
        )
    return values


def check_values(
    name: str, value: Any, shape: tuple[str, ...] | None = None, *, missing: bool = False
) -> np.ndarray:
    """Numbers in float64 far from overflow, by default of any shape and without NaN."""
    shape = ("n",) * np.ndim(value) if shape is None else shape
    values = check_array(name, value, shape=shape, dtype=np.float64, finite=not missing)
    huge = np.abs(values) > LARGEST
    if huge.any():
        where = tuple(int(i) for i in np.argwhere(huge)[0])
        raise ValueError(
            f"{name}: expected numbers within {LARGEST:g} of zero, got {values[where]} at {where}; "
            f"scale or drop it before."
        )
    return values


def _check_labels(tables: dict[str, Any]) -> None:
    """Tables of pandas stand for the same rows, and do not swap columns of the same names."""
    labelled = {k: v for k, v in tables.items() if isinstance(v, (pd.Series, pd.DataFrame))}
    if not labelled:
        return
    first, known = next(iter(labelled.items()))
    for name, table in labelled.items():
        if not table.index.equals(known.index):
            rows = list(zip(table.index, known.index, strict=True))
            at = next((i for i, (got, want) in enumerate(rows) if got != want), 0)
            raise ValueError(
                f"{name}: expected the index of {first}, got {rows[at][0]} where that has "
                f"{rows[at][1]}, at row {at}; reindex one of them, or pass .to_numpy() to compare "
                f"by position."
            )
        if table.ndim == 1 or known.ndim == 1:
            continue
        columns, wanted = list(table.columns), list(known.columns)
        if columns != wanted and set(columns) == set(wanted):
            raise ValueError(
                f"{name}: expected the columns of {first} in their order, {wanted}, got {columns}; "
                f"select them in one order."
            )
