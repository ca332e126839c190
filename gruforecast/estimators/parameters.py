"""The parameters of the estimators: one rule each, and how the engine is told about them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, metadata
from types import SimpleNamespace
from typing import Any, TypedDict

import numpy as np
from joblib.parallel import get_active_backend

from gruforecast.cells import CELLS
from gruforecast.foundations.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_number,
    check_precision,
)
from gruforecast.foundations.device import check_device
from gruforecast.foundations.threads import available_threads
from gruforecast.network import Specification
from gruforecast.training import TrainingOptions
from gruforecast.training.optimizers import OPTIMIZERS
from gruforecast.training.schedules import SCHEDULES

Rule = Callable[[str, Any], Any]


def optional(rule: Rule) -> Rule:
    """A rule that lets None pass."""
    return lambda name, value: None if value is None else rule(name, value)


def or_auto(rule: Rule) -> Rule:
    """A rule that lets "auto" pass."""
    return lambda name, value: (
        value if isinstance(value, str) and value == "auto" else rule(name, value)
    )


def choice(*names: str) -> Rule:
    """One of these names."""
    return partial(check_choice, choices=names)


def _jobs(name: str, value: Any) -> int:
    if value == 0 and not isinstance(value, bool):
        raise ValueError(f"{name}: expected a number of threads, -1 or None, got 0; pass 1.")
    return check_integer(name, value, low=-sys.maxsize)


def _flag_or_auto(name: str, value: Any) -> Any:
    if isinstance(value, str) and value == "auto":
        return value
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ValueError(f"{name}: expected True, False or 'auto', got {value!r}; choose one of them.")


def _level(name: str, value: Any) -> int:
    """A count; True is 1."""
    return int(value) if isinstance(value, (bool, np.bool_)) else check_integer(name, value, low=0)


def _random_state(name: str, value: Any) -> Any:
    if value is None or isinstance(value, (np.random.RandomState, np.random.Generator)):
        return value
    return check_integer(name, value, low=0)


_POSITIVE = partial(check_number, low=0.0, open_low=True)
_COUNT = partial(check_integer, low=1)
count_or_auto = or_auto(_COUNT)
_SHARE = partial(check_number, low=0.0, high=1.0)
_DROPOUT = partial(check_number, low=0.0, high=1.0, open_high=True)
OPEN = ("auto", None)  # values that leave a choice to a rule

SHARED: dict[str, Rule] = {
    "lookback": optional(_COUNT),
    "context": choice("auto", "train", "none"),
    "cell": choice(*CELLS),
    "hidden_size": optional(_COUNT),
    "num_layers": _COUNT,
    "bidirectional": check_flag,
    "reset_after": check_flag,
    "layer_norm": check_flag,
    "dropout": _DROPOUT,
    "recurrent_dropout": _DROPOUT,
    "normalize": choice("standard", "none"),
    "missing": choice("mask", "ffill", "error"),
    "optimizer": choice(*OPTIMIZERS),
    "learning_rate": optional(_POSITIVE),
    "learning_rate_schedule": choice("auto", *SCHEDULES),
    "momentum": _DROPOUT,
    "batch_size": optional(_COUNT),
    "max_iter": optional(_COUNT),
    "clip_norm": optional(_POSITIVE),
    "clip_value": optional(_POSITIVE),
    "alpha": partial(check_number, low=0.0),
    "l1_ratio": _SHARE,
    "early_stopping": _flag_or_auto,
    "validation_fraction": partial(check_number, low=0.0, high=1.0, open_low=True, open_high=True),
    "n_iter_no_change": optional(_COUNT),
    "tol": partial(check_number, low=0.0),
    "warm_start": check_flag,
    "n_jobs": optional(_jobs),
    "device": check_device,
    "dtype": lambda name, value: check_precision(value),
    "random_state": _random_state,
    "verbose": _level,
}


ENSEMBLE: dict[str, Rule] = {"n_estimators": _COUNT}

TOKENS: dict[str, Rule] = {
    "embedding_size": optional(_COUNT),
    "handle_unknown": choice("error", "ignore"),
}


ROWS: dict[str, Any] = {  # what is chosen where the caller leaves it open
    "hidden_size": 32,
    "learning_rate": 5e-3,
    "learning_rate_schedule": "constant",
    "batch_size": 64,
    "max_iter": 100,
    "n_iter_no_change": 10,
}


def settle(settings: SimpleNamespace, choices: Mapping[str, Any]) -> list[str]:
    """Make these choices where the settings leave them open; the names of those that were."""
    names = [name for name in choices if getattr(settings, name) in OPEN]
    for name in names:
        setattr(settings, name, choices[name])
    return names


def check_parameters(values: Mapping[str, Any], rules: Mapping[str, Rule]) -> SimpleNamespace:
    """Every parameter by its rule; flags and counts may be NumPy's."""
    checked = {}
    for name, value in values.items():
        checked[name] = rules[name](name, value)
    return SimpleNamespace(**checked)


def n_threads(n_jobs: int | None) -> int:
    """Threads to use: all that there are by default, but one inside a worker of joblib.

    Negative numbers count from the end as joblib's do: -1 is all, -2 all but one.
    """
    if n_jobs is None:
        return 1 if get_active_backend()[0].nesting_level else available_threads()
    return n_jobs if n_jobs > 0 else max(1, available_threads() + 1 + n_jobs)


class Hardware(TypedDict):
    """What computes, as arguments of the engine."""

    n_threads: int
    device: str


def hardware(chosen: Any) -> Hardware:
    """What computes by the parameters of an estimator as they are now, or by settings."""
    live = {"n_jobs": chosen.n_jobs, "device": chosen.device}
    settings = check_parameters(live, SHARED)
    return Hardware(n_threads=n_threads(settings.n_jobs), device=settings.device)


def documentation() -> str:
    """The address that scikit-learn's diagram of an estimator links to."""
    try:
        entries = metadata("gruforecast").get_all("Project-URL") or []
    except PackageNotFoundError:  # run from its source without being installed
        return ""
    links = dict(entry.split(", ", 1) for entry in entries)
    return str(links.get("Documentation", ""))


def draw_seed(random_state: Any) -> int:
    """A seed for the engine; without a state a new one that leaves NumPy's own alone."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return int(random_state)


def specification(
    settings: SimpleNamespace,
    n_features: int,
    n_outputs: int,
    embeddings: Sequence[tuple[int, int]],
    **future: Any,
) -> Specification:
    """The network that the parameters ask for."""
    return Specification(
        n_features=n_features,
        n_outputs=n_outputs,
        embeddings=embeddings,
        cell=settings.cell,
        hidden_size=settings.hidden_size,
        num_layers=settings.num_layers,
        bidirectional=settings.bidirectional,
        reset_after=settings.reset_after,
        layer_norm=settings.layer_norm,
        dropout=settings.dropout,
        recurrent_dropout=settings.recurrent_dropout,
        dtype=settings.dtype,
        **future,
    )


def training_options(
    settings: SimpleNamespace, loss: str, seed: int = 0, validated: bool = False, **beside: Any
) -> TrainingOptions:
    """The run that the parameters ask for."""
    return TrainingOptions(
        loss=loss,
        loss_options={"quantiles": settings.quantiles} if loss == "quantile" else {},
        optimizer=settings.optimizer,
        optimizer_options={"momentum": settings.momentum} if settings.optimizer == "sgd" else {},
        learning_rate=settings.learning_rate,
        learning_rate_schedule=settings.learning_rate_schedule,
        batch_size=settings.batch_size,
        max_epochs=settings.max_iter,
        clip_norm=settings.clip_norm,
        clip_value=settings.clip_value,
        l1=settings.alpha * settings.l1_ratio,
        l2=settings.alpha * (1.0 - settings.l1_ratio),
        patience=settings.n_iter_no_change if validated else None,
        tol=settings.tol,
        seed=seed,
        **beside,
    )
