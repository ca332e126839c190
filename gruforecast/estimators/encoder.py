"""GRUEncoder: windows in, states of the network out, for any other estimator to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from gruforecast.data.rows import Samples, Steps
from gruforecast.estimators import parameters
from gruforecast.estimators.base import RecurrentEstimator
from gruforecast.estimators.documentation import document
from gruforecast.estimators.saving import OfRows, saved
from gruforecast.estimators.targets import (
    Targets,
    check_length,
    number_labels,
    read_labels,
    read_numbers,
)

LOSSES = ("auto", "squared_error", "absolute_error", "huber", "cross_entropy")


class OfLabels(OfRows, total=False):
    """Attributes that a fit to labels leaves."""

    _classes: np.ndarray


class Learnt(OfLabels):
    """Attributes that every fit leaves."""

    _n_steps: int


@saved
@document
@dataclass(kw_only=True, eq=False, repr=False)
class GRUEncoder(TransformerMixin, RecurrentEstimator):
    """A recurrent network whose states are features for any other estimator.

    It learns to foretell y or, without y, the newest step of a window from the steps before.

    Parameters
    ----------
    states : {"last", "all"}, default "last"
        Return the state after the newest step, or those after every step side by side.
    loss : {"auto", "squared_error", "absolute_error", "huber", "cross_entropy"}, default "auto"
        "auto": cross-entropy for labels (text, booleans, categories), squared error for numbers.
    embedding_size : int, optional
        Take X for tokens; see GRUClassifier.
    handle_unknown : {"error", "ignore"}, default "error"
        What to do about a token that training has not seen; "ignore" reads zeros for it.
    {parameters}

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from gruforecast import GRUEncoder
    >>> series = np.sin(0.3 * np.arange(600))
    >>> X, y = series[:-1, None], series[1:]
    >>> encoder = GRUEncoder(lookback=24, hidden_size=16, max_iter=10, random_state=0)
    >>> make_pipeline(encoder, Ridge(alpha=1e-3)).fit(X, y).score(X, y) > 0.99
    True
    """

    states: str = "last"
    loss: str = "auto"
    embedding_size: int | None = None
    handle_unknown: str = "error"

    _learnt = (Learnt,)
    _rules: ClassVar[dict[str, parameters.Rule]] = (
        parameters.SHARED
        | parameters.TOKENS
        | {"states": parameters.choice("last", "all"), "loss": parameters.choice(*LOSSES)}
    )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags

    def fit(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None
    ) -> GRUEncoder:
        """Learn states that foretell y or, without y, the newest step from the steps before.

        Parameters
        ----------
        X : array or DataFrame (n, F), array (n, steps, F), or with ``embedding_size`` tokens
        y : array (n,) or (n, k), optional
            With ``loss="auto"`` labels (text, booleans, categories) are learnt as classes and
            numbers as numbers; say ``loss="cross_entropy"`` when numbers name classes.
        sample_weight : array (n,), optional
        groups : array (n,), optional
            With a lookback, the series that a row belongs to; not looked at without one.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def fit_transform(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None
    ) -> np.ndarray:
        """Fit, then ``transform`` the same rows of the same series."""
        self.fit(X, y, sample_weight=sample_weight, groups=groups)
        return self.transform(X, groups=groups)

    def transform(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """States of every row's window: (n, units), or all steps side by side, oldest first.

        Steps before the start of a shorter window are zeros.
        """
        check_is_fitted(self)
        every = self._state.settings.states == "all"
        n_steps = self._n_steps if every else None
        (states,) = self._apply(
            X,
            groups,
            lambda net, w, hardware: net.encode(w, every_step=every, **hardware),
            n_steps,
        )
        return states.reshape(len(states), -1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns that ``transform`` returns."""
        check_is_fitted(self)
        units = [f"gruencoder{k}" for k in range(self.network_.specification.encoding_size)]
        if self._state.settings.states == "all":
            ages = [f"t-{age}" if age else "t" for age in range(self._n_steps - 1, -1, -1)]
            units = [f"{unit}_{age}" for age in ages for unit in units]
        return np.asarray(units, dtype=object)

    def _read_targets(
        self, y: Any, rows: Samples | Steps, settings: Any, reset: bool, classes: Any
    ) -> Targets:
        self._n_steps: int = rows.n_steps
        if y is None:
            return self._newest_step(rows, settings)
        kind = np.asarray(y).dtype.kind
        loss = settings.loss
        if loss == "auto":
            named = isinstance(getattr(y, "dtype", None), pd.CategoricalDtype)
            loss = "squared_error" if kind in "iuf" and not named else "cross_entropy"
        if loss != "cross_entropy":
            values = read_numbers(y, self)
            check_length(values, rows.n)
            return Targets(values, loss, n_outputs=values.shape[1], reach=values.shape[1])
        labels, missing = read_labels(y, self)
        check_length(labels, rows.n)
        if reset or not hasattr(self, "_classes"):
            self._classes: np.ndarray = np.unique(labels[~missing])
        codes = number_labels(labels, missing, self._classes)
        return Targets(codes[:, None], loss, n_outputs=len(self._classes), reach=1)

    def _newest_step(self, rows: Samples | Steps, settings: Any) -> Targets:
        """Without y the newest step is withheld, and is what the others have to foretell."""
        if settings.embedding_size is not None or settings.loss == "cross_entropy":
            raise ValueError(
                "y: expected targets or labels with tokens or loss='cross_entropy', got None; "
                "pass y."
            )
        if rows.n_steps == 1:
            raise ValueError(
                "y: expected targets for windows of a single step, got None; pass y, or longer "
                "windows whose newest step can be foretold from the others."
            )
        loss = "squared_error" if settings.loss == "auto" else settings.loss
        newest = rows.newest()
        return Targets(newest, loss, n_outputs=newest.shape[1], reach=0, withheld=1)
