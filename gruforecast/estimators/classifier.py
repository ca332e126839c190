"""GRUClassifier: windows or sequences of tokens in, classes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from gruforecast.data.rows import Material, Samples, Steps
from gruforecast.estimators import choices, parameters
from gruforecast.estimators.base import RecurrentEstimator
from gruforecast.estimators.documentation import describe, document
from gruforecast.estimators.ensemble import averaged, log_averaged
from gruforecast.estimators.preparing import State
from gruforecast.estimators.reading import read_weights
from gruforecast.estimators.saving import OfRows, saved
from gruforecast.estimators.targets import (
    Targets,
    check_length,
    number_labels,
    read_classes,
    read_labels,
)
from gruforecast.foundations.checks import check_flag, check_number
from gruforecast.network import Specification


def _class_weight(name: str, value: Any) -> Any:
    if value is None or isinstance(value, Mapping) or value == "balanced":
        return value
    raise ValueError(
        f"{name}: expected None, 'balanced' or a dict of class to weight, got {value!r}; "
        f"choose one of them."
    )


OF_WINDOWS = {
    "bidirectional": """\
    bidirectional : bool, optional
        Read each window backward in time, too. None: True, but False with a lookback or tokens.
""",
    "learning_rate_schedule": """\
    learning_rate_schedule : str, default "auto"
        "constant", "step", "exponential", "cosine", "one_cycle" or "plateau". "auto": "one_cycle",
        but "constant" with a lookback or tokens, and in ``partial_fit``.
""",
    "batch_size": """\
    batch_size : int, optional
        Windows of a step. None: up to 16 below 1000 rows that train, else up to 64, as many in
        each; 64 with a lookback or tokens.
""",
    "max_iter": """\
    max_iter : int, optional
        Epochs: passes over the training rows. None: those that make about 400 steps, but at least
        20; 100 with a lookback or tokens.
""",
}


class Learnt(OfRows):
    """Attributes that a fit leaves."""

    classes_: np.ndarray


@saved
@describe(**OF_WINDOWS)
@document
@dataclass(kw_only=True, eq=False, repr=False)
class GRUClassifier(ClassifierMixin, RecurrentEstimator):
    """A recurrent network that tells classes apart.

    Parameters
    ----------
    {n_estimators}
    class_weight : dict or "balanced", optional
        What rows of a class count; "balanced" makes all classes count the same.
    embedding_size : int, optional
        Take X for tokens (whole numbers, text), each of which gets a vector of so many learned
        numbers; rows are sequences of any length. None: X holds numbers.
    handle_unknown : {"error", "ignore"}, default "error"
        What to do about a token that training has not seen; "ignore" reads zeros for it.
    segment_length : int or "auto", default "auto"
        Steps of a window that layers read as one. "auto": as many as make at most 24 segments of
        a window, which is short enough to remember; 1 with a lookback or tokens.
    pooling : {"auto", "all", "last"}, default "auto"
        What the classes are told by: the state after the newest step ("last"), or also mean and
        maximum of the states after all steps ("all"), as what tells a class may be anywhere in a
        window. "auto": "all", but "last" with a lookback or tokens.
    input_noise : float, optional
        Deviation of the noise that inputs get in training, in deviations of each feature: what is
        learnt must not hang on details. Features of two values get none. None: 0.2, but 0 with a
        lookback or tokens.
    time_shift : float, optional
        Largest share of its steps by which a window is moved in time in training, either way, its
        end values repeated. None: 0.05, but 0 with a lookback or tokens.
    {parameters}

    Attributes
    ----------
    classes_ : array
        Sorted labels.
    {attributes}

    Examples
    --------
    >>> from gruforecast import GRUClassifier
    >>> X = [["up", "up"], ["down"], ["up", "down", "down"], ["up"]] * 10
    >>> y = ["rises", "falls", "falls", "rises"] * 10
    >>> model = GRUClassifier(embedding_size=4, max_iter=30, random_state=0).fit(X, y)
    >>> model.predict([["down", "up", "up"], ["down", "down"]]).tolist()
    ['rises', 'falls']
    """

    n_estimators: int = 1
    class_weight: Any = None
    embedding_size: int | None = None
    handle_unknown: str = "error"
    segment_length: int | str = "auto"
    pooling: str = "auto"
    bidirectional: bool | None = None  # type: ignore[assignment]
    input_noise: float | None = None
    time_shift: float | None = None

    _learnt = (Learnt,)
    _rules: ClassVar[dict[str, parameters.Rule]] = (
        parameters.SHARED
        | parameters.ENSEMBLE
        | parameters.TOKENS
        | {
            "class_weight": _class_weight,
            "segment_length": parameters.count_or_auto,
            "pooling": parameters.choice("auto", "all", "last"),
            "bidirectional": parameters.optional(check_flag),
            "input_noise": parameters.optional(partial(check_number, low=0.0)),
            "time_shift": parameters.optional(partial(check_number, low=0.0, high=1.0)),
        }
    )
    _choices: ClassVar[dict[str, Any]] = {
        name: value for name, value in parameters.ROWS.items() if name not in choices.FIXED
    }

    def fit(
        self, X: Any, y: Any = None, *, sample_weight: Any = None, groups: Any = None
    ) -> GRUClassifier:
        """Learn the classes y of rows of X.

        Parameters
        ----------
        X : array or DataFrame (n, F), array (n, steps, F), or with ``embedding_size`` tokens
            Tokens (whole numbers, text) come as an array (n, steps) in which None, NaN or
            negative numbers fill up shorter sequences, or as a list of sequences.
        y : array or Series (n,)
            Labels of any type; a missing one does not train.
        sample_weight : array (n,), optional
        groups : array (n,), optional
            With a lookback, the series that a row belongs to; not looked at without one.

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, groups)
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        classes: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
    ) -> GRUClassifier:
        """Learn one epoch more, from these rows.

        The first call on a new estimator learns scales and tokens from its rows, and needs all
        ``classes`` that will come unless they are all among its labels.
        """
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            raise ValueError(
                "class_weight: expected None or a dict with partial_fit, got 'balanced'; pass the "
                "weights that sklearn.utils.class_weight.compute_class_weight finds for all rows."
            )
        self._partial_fit(X, y, sample_weight, groups, classes)
        return self

    def predict(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """The likeliest class of every row."""
        found = self.predict_log_proba(X, groups=groups)
        return np.asarray(self.classes_[np.argmax(found, axis=1)])

    def predict_proba(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Probability of every class (n, classes), in the order of ``classes_``."""
        return averaged(softmax(raw, axis=1) for raw in self._raw(X, groups))

    def predict_log_proba(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """Logarithm of ``predict_proba``."""
        return log_averaged(log_softmax(raw, axis=1) for raw in self._raw(X, groups))

    def decision_function(self, X: Any, *, groups: Any = None) -> np.ndarray:
        """``predict_log_proba`` (n, classes); of two classes the second minus the first (n,)."""
        found = self.predict_log_proba(X, groups=groups)
        return np.asarray(found[:, 1] - found[:, 0]) if found.shape[1] == 2 else found

    def score(self, X: Any, y: Any, *, sample_weight: Any = None, groups: Any = None) -> float:
        """Share of rows whose class is right; rows with a missing label do not count."""
        labels, missing = read_labels(y, self)
        predicted = self.predict(X, groups=groups)
        check_length(labels, len(predicted))
        weights = read_weights(sample_weight, len(labels))[~missing]
        return float(accuracy_score(labels[~missing], predicted[~missing], sample_weight=weights))

    def _read_targets(
        self, y: Any, rows: Samples | Steps, settings: Any, reset: bool, classes: Any
    ) -> Targets:
        labels, missing = read_labels(y, self)
        check_length(labels, rows.n)
        named = None if classes is None else read_classes(classes)
        if reset:
            self.classes_ = np.unique(labels[~missing]) if named is None else named
        elif named is not None and not np.array_equal(named, self.classes_):
            raise ValueError(
                f"classes: expected {self.classes_.tolist()} as before, got {named.tolist()}; "
                f"name them in the first partial_fit, or fit anew."
            )
        codes = number_labels(labels, missing, self.classes_)
        strata = np.where(missing, 0, codes).astype(np.int64)
        return Targets(
            codes[:, None],
            "cross_entropy",
            n_outputs=len(self.classes_),
            reach=0 if isinstance(rows, Samples) else 1,
            class_weight=self._weight_of_codes(settings.class_weight),
            strata=strata if isinstance(rows, Samples) else None,
        )

    def _settle(
        self, settings: Any, rows: Samples | Steps, n_training: int, earlier: Any, *, endless: bool
    ) -> None:
        before = None if earlier is None else earlier.settings
        choices.settle(settings, rows, n_training, before, endless=endless)

    def _disturbance(
        self, settings: Any, material: Material, training: np.ndarray
    ) -> dict[str, Any]:
        return choices.disturbance(settings, material, training)

    def _specification(self, state: State, n_outputs: int) -> Specification:
        settings = state.settings
        reading = {"segment_length": settings.segment_length, "pooling": settings.pooling}
        return replace(super()._specification(state, n_outputs), **reading)

    def _weight_of_codes(self, class_weight: Any) -> Any:
        """``class_weight`` by number of the class."""
        if not isinstance(class_weight, Mapping):
            return class_weight
        classes = self.classes_.tolist()
        for label, weight in class_weight.items():
            check_number(f"class_weight[{label!r}]", weight, low=0.0)
        if class_weight and not set(classes) & set(class_weight):  # some may lack in a fold
            raise ValueError(
                f"class_weight: expected classes among {classes}, got {list(class_weight)}; name "
                f"the labels of y."
            )
        return {code: class_weight.get(label, 1.0) for code, label in enumerate(classes)}
