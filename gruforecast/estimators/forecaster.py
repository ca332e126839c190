"""Forecasts of rows: X and an aligned y in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from gruforecast.data.rows import Samples, Steps
from gruforecast.estimators import parameters
from gruforecast.estimators.base import RecurrentEstimator
from gruforecast.estimators.ensemble import averaged
from gruforecast.estimators.reading import read_weights
from gruforecast.estimators.saving import OfRows
from gruforecast.estimators.targets import Targets, check_length, read_numbers
from gruforecast.training.losses import NUMERIC, Loss, make_loss


def _quantiles(name: str, value: Any) -> tuple[float, ...]:
    """Quantiles as a tuple; the loss checks the numbers."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(
            f"{name}: expected a sequence of numbers, got {value!r}; pass a tuple such as "
            f"(0.1, 0.5, 0.9)."
        )
    return tuple(make_loss("quantile", quantiles=value).quantiles or ())


class LearntFromRows(OfRows):
    """Attributes that a fit with a y leaves."""

    n_outputs_: int
    _is_flat: bool


@dataclass(kw_only=True, eq=False, repr=False)
class RowForecaster(RegressorMixin, RecurrentEstimator):
    """What GRUForecaster does with rows and what is aligned with them."""

    n_estimators: int | None = None
    loss: str = "auto"
    quantiles: Sequence[float] = (0.1, 0.5, 0.9)

    _learnt: ClassVar[tuple[Any, ...]] = (LearntFromRows,)
    _rules: ClassVar[dict[str, parameters.Rule]] = (
        parameters.SHARED
        | {name: parameters.optional(rule) for name, rule in parameters.ENSEMBLE.items()}
        | {"loss": parameters.choice("auto", *NUMERIC), "quantiles": _quantiles}
    )
    _choices: ClassVar[dict[str, Any]] = parameters.ROWS | {
        "loss": "squared_error",
        "n_estimators": 1,
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None) -> Self:
        """Learn y from rows of X.

        Parameters
        ----------
        X : array or DataFrame (n, F), or array (n, steps, F) when ``lookback`` is None
        y : array, Series or DataFrame (n,) or (n, k)
            Row t is whatever you aligned with row t of X. NaN is missing and does not train.
        sample_weight : array (n,), optional
        groups : array (n,), optional
            With a lookback, the series that a row belongs to: no window crosses from one to
            another. A MultiIndex (series, time) of X says the same.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def partial_fit(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None
    ) -> Self:
        """Learn one epoch more, from these rows.

        The first call on a new estimator learns scales from its rows, which later calls keep.
        With a lookback, rows that follow those of the last call directly see them as history.
        """
        self._partial_fit(X, y, sample_weight, groups)
        return self

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """One prediction per row of X, in the shape of y.

        The row's prediction uses rows of X up to and including it, and never any y. With the
        loss "quantile" it is the median, interpolated when 0.5 is not among the quantiles, or the
        quantile if there is just one; with likelihoods it is the mean (the location of a
        Student t, the rate of a Poisson).
        """
        parts = self._parts(X, groups)
        return self._loss().point(parts).reshape(-1, *self._shape_of_row())

    def predict_quantiles(
        self, X: Any, quantiles: Sequence[float] | None = None, *, groups: Any = None
    ) -> np.ndarray:
        """Quantiles of every prediction along a last axis; they never cross.

        With the loss "quantile" these are the ones that were trained, with a likelihood any are
        to be had (``quantiles`` of the constructor by default).
        """
        check_is_fitted(self)
        trained = self._loss().quantiles
        default = self._state.settings.quantiles
        levels = default if quantiles is None else _quantiles("quantiles", quantiles)
        if trained is None:
            frozen = self._distribution(X, groups, "predict_quantiles")
            return np.stack([frozen.ppf(level) for level in levels], axis=-1)
        if missing := [level for level in levels if level not in trained]:
            raise ValueError(
                f"quantiles: expected some of those that were trained, {trained}, got "
                f"{missing[0]}; name it in the constructor and fit again."
            )
        parts = self._parts(X, groups)[..., [trained.index(level) for level in levels]]
        return parts.reshape(-1, *self._shape_of_row(), len(levels))

    def predict_distribution(self, X: Any, *, groups: Any = None) -> Any:
        """The distribution of every prediction, as a frozen one of ``scipy.stats``.

        It has ``mean``, ``std``, ``ppf``, ``interval``, ``rvs`` and so on, in the shape of y.
        """
        check_is_fitted(self)
        return self._distribution(X, groups, "predict_distribution")

    def score(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None
    ) -> float:
        """R2 of the predictions; rows with a missing target do not count."""
        known = read_numbers(y, self)
        predicted = self.predict(X, groups=groups)
        check_length(known, len(predicted))
        rows = ~np.isnan(known).any(axis=1)
        if not rows.any():
            raise ValueError(
                "y: expected at least one row without a missing target, got none; pass more rows."
            )
        weights = read_weights(sample_weight, len(known))[rows]
        predicted = predicted.reshape(len(known), -1)[rows]
        return float(r2_score(known[rows], predicted, sample_weight=weights))

    def _read_targets(
        self, y: Any, rows: Samples | Steps, settings: Any, reset: bool, classes: Any
    ) -> Targets:
        values = read_numbers(y, self)
        check_length(values, rows.n)
        loss = parameters.training_options(settings, settings.loss).make_loss()
        if np.nanmin(values, initial=np.inf) < loss.low:
            raise ValueError(
                f"y: expected values of at least {loss.low:g} with loss={loss.name!r}, got "
                f"{np.nanmin(values):g}; correct them or choose another loss."
            )
        k = values.shape[1]
        if not reset and k != self.n_outputs_:
            raise ValueError(
                f"y: expected {self.n_outputs_} columns as before, got {k}; fit anew for another "
                f"number."
            )
        self.n_outputs_: int = k
        self._is_flat: bool = np.asarray(y).ndim == 1
        return Targets(values, loss.name, n_outputs=loss.width * k, reach=k)

    def _loss(self) -> Loss:
        """The loss that was trained, with its options."""
        settings = self._state.settings
        return parameters.training_options(settings, settings.loss).make_loss()

    def _parts(self, X: Any, groups: Any) -> np.ndarray:
        """What the loss says about each row in the units of y: (n, k) or (n, k, parts)."""
        check_is_fitted(self)
        loss, scaling = self._loss(), self._state.target_scaling
        return averaged(
            loss.rescale(loss.transform(raw), scaling.center, scaling.scale)
            for raw in self._raw(X, groups)
        )

    def _distribution(self, X: Any, groups: Any, method: str) -> Any:
        """A frozen distribution in the shape of y."""
        loss = self._loss()
        if loss.distribution is None:
            fitting = [name for name in NUMERIC if make_loss(name).distribution is not None]
            fitting += ["quantile"] if method == "predict_quantiles" else []
            raise ValueError(
                f"{method}: expected loss to be one of {', '.join(fitting)}, got {loss.name!r}; "
                f"choose one of them and fit again."
            )
        parts = self._parts(X, groups)
        return loss.distribution(parts[:, 0] if self._is_flat else parts)

    def _shape_of_row(self) -> tuple[int, ...]:
        """() for y (n,), and (k,) for y (n, k)."""
        return () if self._is_flat else (self.n_outputs_,)
