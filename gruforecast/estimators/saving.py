"""Estimators in files: their parameters, and what they learnt."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, ClassVar, TypedDict, TypeVar

import numpy as np

import gruforecast.data.kinds  # noqa: F401  so that files hold what pandas knows
from gruforecast.estimators import parameters
from gruforecast.estimators.preparing import State
from gruforecast.foundations import archive
from gruforecast.foundations.stored import kind_of, register, suits
from gruforecast.network import Network

Class = TypeVar("Class", bound=type)


class Learnt(TypedDict):
    """Attributes that every fit leaves."""

    networks_: list[Network]
    n_iter_: int
    loss_curve_: list[float]
    validation_loss_curve_: list[float] | None
    best_loss_: float
    best_iter_: int
    stopping_reason_: str


class OfX(Learnt, total=False):
    """Attributes that a fit to rows leaves for some kinds of X."""

    n_features_in_: int
    feature_names_in_: np.ndarray
    _reads_3d: bool


class OfRows(OfX):
    """Attributes that every fit to rows leaves."""

    _state: State


class Saving:
    """The method ``save`` of an estimator."""

    _learnt: ClassVar[tuple[Any, ...]]  # what its attributes are after a fit: one of these

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file that ``gruforecast.load`` reads.

        The file holds arrays and JSON, no code: loading it runs nothing. A failure leaves the file
        that was there before. Callbacks and metadata requests are not stored.

        Parameters
        ----------
        path : str or PathLike
            An existing file is replaced.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> import gruforecast
        >>> series = np.sin(0.3 * np.arange(200))
        >>> model = gruforecast.GRUForecaster(horizon=4, max_iter=2, random_state=0).fit(series)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(Path(folder) / "model.gru")
        ...     again = gruforecast.load(Path(folder) / "model.gru")
        >>> again.forecast().equals(model.forecast())
        True
        """
        if kind_of(self) is None:
            raise TypeError(
                f"model: expected an estimator of gruforecast itself, got {type(self).__name__}, "
                f"which loading does not know; save one that is not a subclass."
            )
        archive.write(path, self)


def saved(cls: Class) -> Class:
    """Let files hold an estimator."""
    known: Any = cls

    def make(parameters: dict[str, Any], learnt: dict[str, Any] | None, output: Any) -> Any:
        if set(parameters) != set(known._get_param_names()):
            raise ValueError(
                f"expected the parameters {known._get_param_names()}, got {sorted(parameters)}"
            )
        model = known(**parameters)
        if learnt is not None:
            _check_learnt(known, learnt)
            vars(model).update(learnt)
        return model if output is None else model.set_output(**output)

    register(cls.__name__, cls, _take, make)
    return cls


def _take(model: Any) -> dict[str, Any]:
    """Parameters, attributes if there was a fit, and what ``set_output`` was told."""
    names = sorted(
        set().union(*(kind.__required_keys__ | kind.__optional_keys__ for kind in model._learnt))
    )
    learnt: Any = {name: vars(model)[name] for name in names if name in vars(model)}
    if "_state" in learnt:
        _check_learnt(type(model), learnt)
    else:
        learnt = None
    return {
        "parameters": model.get_params(deep=False),
        "learnt": learnt,
        "output": vars(model).get("_sklearn_output_config"),
    }


def _check_learnt(cls: Any, learnt: dict[str, Any]) -> None:
    """Attributes that a fit leaves, with settings that a caller could have passed."""
    if not any(suits(learnt, kind) for kind in cls._learnt):
        raise ValueError(f"expected what fit leaves in {cls.__name__}, got {sorted(learnt)}")
    settings, networks = vars(learnt["_state"].settings), learnt["networks_"]
    if set(settings) != set(cls._get_param_names()):
        raise ValueError(f"expected the parameters of {cls.__name__}, got {sorted(settings)}")
    parameters.check_parameters(settings, cls._rules)
    if len(networks) != (n := settings.get("n_estimators", 1)):
        raise ValueError(f"expected {n} networks in {cls.__name__}, got {len(networks)}")
    shapes = [replace(one.specification, n_lags=0) for one in networks]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"expected networks of one shape in {cls.__name__}, got several")
