"""Reading what is to be learnt: numbers or labels, row by row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, column_or_1d

from gruforecast.data.inputs import Scaling
from gruforecast.data.tokens import plain
from gruforecast.estimators.reading import check_kind
from gruforecast.training.losses import make_loss


class Targets(NamedTuple):
    """What a network learns, row by row in the caller's order."""

    values: np.ndarray  # (n, k); NaN does not train
    loss: str
    n_outputs: int  # of the network
    reach: int  # rows after its own that a target may tell of
    class_weight: Any = None  # as scikit-learn's, by number of the class
    strata: np.ndarray | None = None  # (n,) complete windows with the same one validate together
    withheld: int = 0  # newest steps of each window that training does not read

    def class_weights(self, training: np.ndarray) -> np.ndarray:
        """Weights (n,) beside the caller's own, learnt from the rows numbered ``training``."""
        if self.class_weight is None:
            return np.ones(len(self.values))
        codes = self.values[:, 0]
        of_rows = compute_sample_weight(self.class_weight, codes[training])
        of_class = np.ones(self.n_outputs)
        of_class[codes[training].astype(int)] = of_rows
        return np.where(np.isnan(codes), 1.0, of_class[np.nan_to_num(codes).astype(int)])


def read_numbers(y: Any, estimator: Any) -> np.ndarray:
    """Targets (n, k) as numbers; NaN is missing."""
    _check_given(y, estimator)
    check_kind("y", y)
    values = check_array(
        y, ensure_2d=False, allow_nd=True, dtype=np.float64, ensure_all_finite="allow-nan",
        input_name="y", estimator=estimator,
    )  # fmt: skip
    if values.ndim not in (1, 2):
        raise ValueError(f"y: expected shape (n,) or (n, k), got {values.shape}; reshape it.")
    return np.asarray(values).reshape(len(values), -1)


def read_labels(y: Any, estimator: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and which of them are missing."""
    _check_given(y, estimator)
    labels = np.asarray(column_or_1d(y, warn=True))
    missing = np.asarray(pd.isna(labels))
    if missing.all():
        raise ValueError("y: expected at least one label, got missing ones only; pass more rows.")
    if labels.dtype.kind == "f" and np.isinf(labels).any():
        at = int(np.argmax(np.isinf(labels)))
        raise ValueError(
            f"y: expected labels, got {labels[at]} in row {at}; correct it or make it missing."
        )
    check_classification_targets(labels[~missing])
    return labels, missing


def number_labels(labels: np.ndarray, missing: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Numbers (n,) of labels among sorted classes; NaN where missing."""
    codes = np.full(len(labels), np.nan)
    known = labels[~missing]
    try:
        at = np.clip(np.searchsorted(classes, known), 0, len(classes) - 1)
    except TypeError:
        at = np.zeros(len(known), np.int64)  # labels of another type are none of them
    wrong = classes[at] != known
    if wrong.any():
        raise ValueError(
            f"y: expected labels among {classes.tolist()}, got {plain(known[np.argmax(wrong)])!r}; "
            f"pass all classes to the first partial_fit, or fit anew."
        )
    codes[~missing] = at
    return codes


def read_classes(classes: Any) -> np.ndarray:
    """The sorted classes that a caller says will come."""
    labels = np.asarray(classes)
    if labels.ndim != 1 or not labels.size or pd.isna(labels).any():
        raise ValueError(
            f"classes: expected a list of labels, got {classes!r}; name every class that will come."
        )
    return np.unique(labels)


def check_length(values: np.ndarray, n_rows: int) -> None:
    """As many targets as rows."""
    if len(values) != n_rows:
        raise ValueError(
            f"y: expected one row per row of X ({n_rows}), got {len(values)}; align the two."
        )


def target_scaling(values: np.ndarray, weights: np.ndarray, loss: str, *, scale: bool) -> Scaling:
    """The units in which targets (n, k) are learnt."""
    known = make_loss(loss)
    if not scale or not known.width:
        return Scaling.none(values.shape[1])
    scaling = Scaling.standard(values, weights)
    if np.isfinite(known.low):  # targets that must not fall below are measured in their mean
        mean = np.where(scaling.center > known.low, scaling.center, known.low + 1.0)
        return Scaling(np.full_like(mean, known.low), mean - known.low)
    if not np.isfinite(scaling.scale).all():
        raise ValueError(
            f"y: expected numbers whose spread is finite, got up to "
            f"{np.nanmax(np.abs(values)):.3g}; scale or correct them."
        )
    return scaling


def _check_given(y: Any, estimator: Any) -> None:
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            f"is None; expected one row of y per row of X."
        )
