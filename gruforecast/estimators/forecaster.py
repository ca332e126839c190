"""GRUForecaster: rows in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import stats
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from gruforecast.estimators import parameters
from gruforecast.estimators.base import RecurrentEstimator
from gruforecast.estimators.documentation import document
from gruforecast.estimators.reading import read_weights
from gruforecast.estimators.rows import Samples, Steps
from gruforecast.estimators.targets import Targets, check_length, read_numbers
from gruforecast.training.losses import make_loss

LOSSES = (
    "squared_error", "absolute_error", "huber", "quantile", "gaussian", "student_t", "poisson",
)  # fmt: skip
DISTRIBUTIONS = ("gaussian", "student_t", "poisson")


def _quantiles(name: str, value: Any) -> tuple[float, ...]:
    """Quantiles as a tuple; the loss checks the numbers."""
    if isinstance(value, (str, Mapping)) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(
            f"{name}: expected a sequence of numbers, got {value!r}; pass a tuple such as "
            f"(0.1, 0.5, 0.9)."
        )
    return tuple(make_loss("quantile", quantiles=value).options.tolist())


@document
@dataclass(kw_only=True, eq=False, repr=False)
class GRUForecaster(RegressorMixin, RecurrentEstimator):
    """A recurrent network that forecasts numbers.

    The prediction for row t uses rows of X up to and including t, and never any y; y row t is
    whatever you aligned with it.

    Parameters
    ----------
    loss : str, default "squared_error"
        "squared_error", "absolute_error", "huber" (quadratic up to one deviation of y),
        "quantile", or a likelihood: "gaussian", "student_t", "poisson".
    quantiles : tuple of float, default (0.1, 0.5, 0.9)
        Of the loss "quantile", and what ``predict_quantiles`` returns by default.
    {parameters}

    Attributes
    ----------
    {attributes}
    n_outputs_ : int
        Columns of y.

    Examples
    --------
    >>> import numpy as np
    >>> from gruforecast import GRUForecaster
    >>> series = np.sin(0.3 * np.arange(600))
    >>> X, y = series[:-1, None], series[1:]  # row t of y is the step after row t of X
    >>> model = GRUForecaster(lookback=24, max_iter=20, random_state=0).fit(X[:500], y[:500])
    >>> bool(np.abs(model.predict(X[500:]) - y[500:]).max() < 0.05)
    True
    """

    loss: str = "squared_error"
    quantiles: Sequence[float] = (0.1, 0.5, 0.9)

    _rules: ClassVar[dict[str, parameters.Rule]] = parameters.SHARED | {
        "loss": parameters.choice(*LOSSES),
        "quantiles": _quantiles,
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None
    ) -> GRUForecaster:
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
        self._fit(X, y, sample_weight, groups, one_epoch=False)
        return self

    def partial_fit(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None
    ) -> GRUForecaster:
        """Learn one epoch more, from these rows.

        The first call on a new estimator learns scales from its rows, which later calls keep.
        With a lookback, rows that follow those of the last call directly see them as history.
        """
        self._fit(X, y, sample_weight, groups, one_epoch=True)
        return self

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """One prediction per row of X, in the shape of y.

        The row's prediction uses rows of X up to and including it, and never any y. With the
        loss "quantile" it is the median, interpolated when 0.5 is not among the quantiles, or the
        quantile if there is just one; with likelihoods it is the mean (the location of a
        Student t, the rate of a Poisson).
        """
        parts = self._parts(X, groups)
        loss = self._state.settings.loss
        if loss == "quantile":
            levels = self._state.settings.quantiles
            point = _median(parts, levels)
        else:
            point = parts[..., 0] if loss in ("gaussian", "student_t") else parts
        return self._shaped(point)

    def predict_quantiles(
        self, X: Any, quantiles: Sequence[float] | None = None, *, groups: Any = None
    ) -> np.ndarray:
        """Quantiles of every prediction along a last axis; they never cross.

        With the loss "quantile" these are the ones that were trained, with a likelihood any are
        to be had (``quantiles`` of the constructor by default).
        """
        check_is_fitted(self)
        loss, trained = self._state.settings.loss, self._state.settings.quantiles
        levels = trained if quantiles is None else _quantiles("quantiles", quantiles)
        if loss == "quantile":
            if missing := [level for level in levels if level not in trained]:
                raise ValueError(
                    f"quantiles: expected some of those that were trained, {trained}, got "
                    f"{missing[0]}; name it in the constructor and fit again."
                )
            at = [trained.index(level) for level in levels]
            parts = self._parts(X, groups)[..., at]
        else:
            frozen = self._distribution(X, groups, "predict_quantiles")
            parts = np.stack([frozen.ppf(level) for level in levels], axis=-1)
        return self._shaped(parts)

    def predict_distribution(self, X: Any, *, groups: Any = None) -> Any:
        """The distribution of every prediction, as a frozen one of ``scipy.stats``.

        It has ``mean``, ``std``, ``ppf``, ``interval``, ``rvs`` and so on, in the shape of y.
        """
        check_is_fitted(self)
        return self._distribution(X, groups, "predict_distribution", shaped=True)

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
        if settings.loss == "poisson" and np.nanmin(values, initial=0.0) < 0:
            raise ValueError(
                f"y: expected counts of at least 0 with loss='poisson', got "
                f"{np.nanmin(values):g}; correct them or choose another loss."
            )
        if reset:
            self.n_outputs_, self._is_flat = values.shape[1], np.asarray(y).ndim == 1
        elif values.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y: expected {self.n_outputs_} columns as before, got {values.shape[1]}; "
                f"fit anew for another number."
            )
        options = parameters.training_options(settings, settings.loss)
        width = options.make_loss().width
        k = values.shape[1]
        return Targets(values, settings.loss, n_outputs=width * k, reach=k)

    def _parts(self, X: Any, groups: Any) -> np.ndarray:
        """What the loss says about each row in the units of y: (n, k) or (n, k, parts)."""
        raw = self._raw(X, groups)
        fitted, scaling = self._state.settings, self._state.target_scaling
        loss = parameters.training_options(fitted, fitted.loss).make_loss()
        parts = loss.transform(raw)
        if fitted.loss == "quantile":
            return np.asarray(parts * scaling.scale[:, None] + scaling.center[:, None])
        if parts.ndim == 3:  # location, deviation and, for the Student t, degrees of freedom
            parts[..., 0] = scaling.undo(parts[..., 0])
            parts[..., 1] *= scaling.scale
            return parts
        return scaling.undo(parts)

    def _distribution(self, X: Any, groups: Any, method: str, shaped: bool = False) -> Any:
        loss = self._state.settings.loss
        if loss not in DISTRIBUTIONS:
            others = ", 'quantile'" if method == "predict_quantiles" else ""
            raise ValueError(
                f"{method}: expected loss='gaussian', 'student_t' or 'poisson'{others}, got "
                f"{loss!r}; choose one of them and fit again."
            )
        parts = self._parts(X, groups)
        of = [parts] if loss == "poisson" else np.moveaxis(parts, -1, 0)
        of = [self._shaped(part) if shaped else part for part in of]
        if loss == "poisson":
            return stats.poisson(of[0])
        if loss == "gaussian":
            return stats.norm(loc=of[0], scale=of[1])
        return stats.t(df=of[2], loc=of[0], scale=of[1])

    def _shaped(self, values: np.ndarray) -> np.ndarray:
        """(n, k, ...) without the axis k if y had none."""
        return values[:, 0] if self._is_flat else values


def _median(parts: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """The quantile 0.5 of quantiles (n, k, Q), interpolated; the nearest if all lie on one side."""
    at = float(np.interp(0.5, levels, np.arange(len(levels))))
    low = int(at)
    high, share = min(low + 1, len(levels) - 1), at - low
    return np.asarray((1 - share) * parts[..., low] + share * parts[..., high])
