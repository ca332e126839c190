"""Networks of one shape from different seeds, whose forecasts are averaged."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from functools import reduce
from typing import Any

import numpy as np

from gruforecast.estimators import parameters
from gruforecast.foundations.random import derive_key
from gruforecast.network import Network, Specification
from gruforecast.training import TrainingOptions, TrainingState


class Ensemble:
    """What an estimator shows of its networks."""

    networks_: list[Network]

    @property
    def network_(self) -> Network:
        """The first of ``networks_``."""
        return self.networks_[0]

    @property
    def weights_(self) -> dict[str, np.ndarray]:
        """The parameters of ``network_`` by name: views that it reads."""
        return dict(self.network_.weights)


def seeds_of(seed: int, n: int) -> list[int]:
    """Seeds of networks, of which the first is the seed itself, however many there are."""
    return [seed, *(int(derive_key(seed, member) >> np.uint64(33)) for member in range(1, n))]


def options_of_each(
    settings: Any, loss: str, seed: int, validated: bool, **beside: Any
) -> list[TrainingOptions]:
    """The run of every network."""
    seeds = seeds_of(seed, getattr(settings, "n_estimators", 1))
    return [parameters.training_options(settings, loss, one, validated, **beside) for one in seeds]


def make_networks(
    specs: Sequence[Specification],
    options: Sequence[TrainingOptions],
    earlier: Sequence[Network] | None,
    *,
    from_zero: bool = False,
) -> list[Network]:
    """New ones, or copies of those to go on with, if the parameters still describe them."""
    if earlier is None:
        return [
            Network(spec, seed=one.seed, from_zero=from_zero)
            for spec, one in zip(specs, options, strict=True)
        ]
    _check_same("n_estimators", len(earlier), len(options))
    for network, spec in zip(earlier, specs, strict=True):
        for name in (f.name for f in fields(Specification)):
            _check_same(name, *(getattr(s, name) for s in (network.specification, spec)))
    return copy.deepcopy(list(earlier))


def _check_same(name: str, before: Any, now: Any) -> None:
    if before != now:
        raise ValueError(
            f"{name}: expected {before!r} as in the network to go on with, got {now!r}; keep it, "
            f"or start anew with fit and warm_start=False."
        )


def one_epoch_more(
    networks: Sequence[Network],
    options: Sequence[TrainingOptions],
    earlier: Sequence[TrainingState] | None,
) -> tuple[list[TrainingOptions], list[TrainingState] | None]:
    """Options for it, and the states to go on from where earlier ones fit."""
    if earlier is None or not earlier[0].options.is_like(options[0]):
        return [replace(one, max_epochs=1) for one in options], None
    longer = [
        replace(one, max_epochs=state.epoch + 1)
        for one, state in zip(options, earlier, strict=True)
    ]
    states = [
        replace(state, options=one, flat=network.flat)
        for state, one, network in zip(earlier, longer, networks, strict=True)
    ]
    return longer, states


def averaged(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The mean of what networks say, one after the other."""
    n, total = 0, np.zeros(0)
    for n, part in enumerate(parts, start=1):
        total = part if n == 1 else total + part
    return np.asarray(total / n)


def log_averaged(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The logarithm of the mean of what the parts are logarithms of."""
    every = list(parts)
    return np.asarray(reduce(np.logaddexp, every) - math.log(len(every)))
