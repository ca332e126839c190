"""Losses by name. A new one is a kernel beside its like and a line in the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from gruforecast.foundations.checks import check_array, check_number
from gruforecast.foundations.registry import make
from gruforecast.training.losses import likelihood, regression
from gruforecast.training.losses.base import Loss

MEDIAN_AND_TAILS = (0.1, 0.5, 0.9)


def _huber(delta: float = 1.0) -> Loss:
    delta = check_number("delta", delta, low=0.0, open_low=True)
    return Loss("huber", regression.huber, options=np.array([delta]))


def _quantile(quantiles: Sequence[float] = MEDIAN_AND_TAILS) -> Loss:
    wanted = check_array("quantiles", quantiles, shape=("n_quantiles",), dtype=np.float64)
    for value in wanted:
        check_number("quantiles", value, low=0.0, high=1.0, open_low=True, open_high=True)
    if (np.diff(wanted) <= 0).any():
        raise ValueError(
            f"quantiles: expected rising values, got {tuple(wanted.tolist())}; "
            f"sort them and drop doubles."
        )
    return Loss(
        "quantile",
        regression.quantile,
        width=len(wanted),
        transform=partial(regression.sorted_quantiles, n_quantiles=len(wanted)),
        options=wanted,
        point=partial(regression.median, quantiles=wanted),
        rescale=regression.rescale_quantiles,
        quantiles=tuple(wanted.tolist()),
    )


def _gaussian() -> Loss:
    return Loss(
        "gaussian",
        likelihood.gaussian,
        width=2,
        transform=likelihood.gaussian_parameters,
        point=likelihood.location,
        rescale=likelihood.rescale_location,
        distribution=likelihood.gaussian_distribution,
    )


def _student_t() -> Loss:
    return Loss(
        "student_t",
        likelihood.student_t,
        width=3,
        transform=likelihood.student_t_parameters,
        point=likelihood.location,
        rescale=likelihood.rescale_location,
        distribution=likelihood.student_t_distribution,
    )


def _poisson() -> Loss:
    distribution = likelihood.poisson_distribution
    return Loss("poisson", likelihood.poisson, transform=np.exp, low=0.0, distribution=distribution)


LOSSES: dict[str, Callable[..., Loss]] = {
    "squared_error": lambda: Loss("squared_error", regression.squared_error),
    "absolute_error": lambda: Loss("absolute_error", regression.absolute_error),
    "scaled_error": lambda: Loss("scaled_error", regression.absolute_error),  # of weighted windows
    "huber": _huber,
    "quantile": _quantile,
    "gaussian": _gaussian,
    "student_t": _student_t,
    "poisson": _poisson,
    "cross_entropy": lambda: Loss(
        "cross_entropy", likelihood.cross_entropy, 0, likelihood.class_probabilities, low=0.0
    ),
}
NUMERIC = tuple(name for name, make_one in LOSSES.items() if make_one().width)


def make_loss(name: str, **options: object) -> Loss:
    """The loss of that name; ``delta`` for huber, ``quantiles`` for quantile.

    Examples
    --------
    >>> from gruforecast.training import make_loss
    >>> make_loss("quantile", quantiles=(0.05, 0.5, 0.95)).width
    3
    """
    loss: Loss = make("loss", name, LOSSES, options)
    return loss


def as_loss(loss: Loss | str) -> Loss:
    """A loss, or the name of one whose options are the usual ones."""
    if isinstance(loss, Loss):
        return loss
    return make_loss(loss)


__all__ = ["LOSSES", "NUMERIC", "Loss", "as_loss", "make_loss"]
