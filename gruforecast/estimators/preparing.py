"""What is settled before training: which rows train, and what scales are learnt from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gruforecast.data.inputs import InputEncoder, MissingInNewColumnWarning, Scaling
from gruforecast.data.split import Split, chronological_tail
from gruforecast.data.tokens import TokenEncoder
from gruforecast.estimators import parameters
from gruforecast.estimators.context import Context
from gruforecast.estimators.rows import Samples, Steps
from gruforecast.estimators.targets import Targets, target_scaling
from gruforecast.foundations.checks import warn_caller
from gruforecast.training import TrainingState
from gruforecast.training.schedules import SCHEDULES

ENOUGH_TO_VALIDATE = 1000  # rows from which early_stopping="auto" keeps a part for validation


def split_rows(
    rows: Samples | Steps,
    targets: Targets,
    values: np.ndarray,
    weights: np.ndarray,
    settings: Any,
    *,
    validate: bool,
) -> Split:
    """Which rows train, which validate, and which scaling may look at."""
    usable = ~np.isnan(values).all(axis=1) & (weights > 0)
    if not usable.any():
        raise ValueError(
            "y: expected at least one row with a target that is not missing and a weight that is "
            "not zero, got none; pass more rows."
        )
    wanted = settings.early_stopping
    if wanted == "auto":
        wanted = usable.sum() >= ENOUGH_TO_VALIDATE
    if wanted and validate:
        strata = rows.codes if targets.strata is None else targets.strata
        return chronological_tail(usable, strata, settings.validation_fraction, targets.reach)
    everything = np.arange(rows.n)
    return Split(np.flatnonzero(usable), everything[:0], everything)


@dataclass(frozen=True)
class State:
    """What a fitted estimator knows beside its network."""

    settings: Any  # its parameters, checked
    encoder: InputEncoder | TokenEncoder
    target_scaling: Scaling
    seed: int
    context: Context
    run: TrainingState | None = None  # of partial_fit

    @classmethod
    def learn(
        cls,
        rows: Samples | Steps,
        values: np.ndarray,
        weights: np.ndarray,
        split: Split,
        loss: str,
        settings: Any,
    ) -> State:
        """From the training rows alone; ``values`` (n, k) are the targets."""
        scale = settings.normalize != "none"
        used = split.training
        return cls(
            settings,
            encoder=_fit_encoder(*rows.for_scaling(split, weights), settings),
            target_scaling=target_scaling(values[used], weights[used], loss, scale=scale),
            seed=parameters.draw_seed(settings.random_state),
            context=Context.empty(),
        )


def _fit_encoder(
    values: np.ndarray, weights: np.ndarray | None, settings: Any
) -> InputEncoder | TokenEncoder:
    """Scales, columns that lack values, and tokens of values (n, F)."""
    if getattr(settings, "embedding_size", None) is not None:
        ignore = settings.handle_unknown == "ignore"
        return TokenEncoder.fit(values, ignore_unknown=ignore, dtype=settings.dtype)
    return InputEncoder.fit(
        values,
        weights,
        scale=settings.normalize != "none",
        mask=settings.missing == "mask",
        dtype=settings.dtype,
    )


POINT_LOSSES = {"squared_error", "absolute_error", "huber"}


def check_same_task(before: Any, now: Any) -> None:
    """Settings of a fit that goes on from another: rows and outputs mean what they meant."""
    if (before.lookback is None) != (now.lookback is None):
        raise ValueError(
            f"lookback: expected {before.lookback} as in the fit to go on with, got "
            f"{now.lookback}; keep it, or start anew with fit and warm_start=False."
        )
    losses = {getattr(settings, "loss", None) for settings in (before, now)}
    if len(losses) > 1 and not losses <= POINT_LOSSES:
        raise ValueError(
            f"loss: expected {before.loss!r} as in the fit to go on with, got {now.loss!r}; keep "
            f"it, or start anew with fit and warm_start=False."
        )


def check_endless(settings: Any) -> None:
    """A schedule that needs no last epoch, as ``partial_fit`` has none."""
    if SCHEDULES[settings.learning_rate_schedule].depends_on_total:
        raise ValueError(
            f"learning_rate_schedule: expected one that needs no last epoch for partial_fit, got "
            f"{settings.learning_rate_schedule!r}; choose constant, step, exponential or plateau."
        )


def warn_of_new_gaps(encoder: InputEncoder | TokenEncoder, values: np.ndarray) -> None:
    """Columns that lacked no value in training have no input that tells the age of one."""
    if not isinstance(encoder, InputEncoder):
        return
    new = encoder.newly_missing(values)
    if len(new):
        warn_caller(
            f"X lacks values in column {new[0]}, which lacked none in training; they are carried "
            f"forward without the input that tells their age.",
            MissingInNewColumnWarning,
        )
