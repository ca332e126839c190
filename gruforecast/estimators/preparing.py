"""What is settled before training: which rows train, and what scales are learnt from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gruforecast.data.context import Context
from gruforecast.data.inputs import InputEncoder, MissingInNewColumnWarning, Scaling
from gruforecast.data.rows import Samples, Steps
from gruforecast.data.split import Split, chronological_tail
from gruforecast.data.tokens import TokenEncoder
from gruforecast.estimators import parameters
from gruforecast.estimators.targets import Targets, target_scaling
from gruforecast.foundations.checks import warn_caller
from gruforecast.foundations.stored import stored
from gruforecast.network import Network
from gruforecast.training import Dataset, TrainingOptions, TrainingResult, TrainingState
from gruforecast.training.losses import make_loss
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


def check_columns(values: np.ndarray) -> None:
    """Targets (n, k) of the training rows of which every column has a value."""
    empty = np.isnan(values).all(axis=0)
    if empty.any():
        raise ValueError(
            f"y: expected a value in every column among the training rows, got none in column "
            f"{int(np.argmax(empty))}; drop it or pass more rows."
        )


@stored("RowState")
@dataclass(frozen=True)
class State:
    """What a fitted estimator knows beside its networks."""

    settings: Any  # its parameters, checked
    loss: str
    encoder: InputEncoder | TokenEncoder
    target_scaling: Scaling
    seed: int
    context: Context
    runs: list[TrainingState] | None = None  # of partial_fit, one for each network

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
            loss,
            encoder=_fit_encoder(*rows.for_scaling(split, weights), settings),
            target_scaling=target_scaling(values[used], weights[used], loss, scale=scale),
            seed=parameters.draw_seed(settings.random_state),
            context=Context({}),
        )

    def with_settings(self, settings: Any, loss: str) -> State:
        """For a fit that goes on, whose outputs mean what they meant."""
        changed = loss != self.loss
        if changed and not (make_loss(loss).is_plain and make_loss(self.loss).is_plain):
            raise ValueError(
                f"loss: expected {self.loss!r} as in the fit to go on with, got {loss!r}; keep "
                f"it, or start anew with fit and warm_start=False."
            )
        if loss == "quantile" and settings.quantiles != self.settings.quantiles:
            raise ValueError(
                f"quantiles: expected {self.settings.quantiles} as in the fit to go on with, got "
                f"{settings.quantiles}; keep them, or start anew with fit and warm_start=False."
            )
        encoder = self.encoder
        if isinstance(encoder, TokenEncoder):
            encoder = replace(encoder, ignore_unknown=settings.handle_unknown == "ignore")
        return replace(self, settings=settings, loss=loss, encoder=encoder)


def _fit_encoder(
    values: np.ndarray, weights: np.ndarray | None, settings: Any
) -> InputEncoder | TokenEncoder:
    """Scales, columns that lack values, and tokens of values (n, F)."""
    if reads_tokens(settings):
        ignore = settings.handle_unknown == "ignore"
        return TokenEncoder.fit(values, ignore_unknown=ignore, dtype=settings.dtype)
    return InputEncoder.fit(
        values,
        weights,
        scale=settings.normalize != "none",
        mask=settings.missing == "mask",
        dtype=settings.dtype,
    )


def reads_tokens(settings: Any) -> bool:
    """Whether X holds tokens rather than numbers."""
    return getattr(settings, "embedding_size", None) is not None


def check_same_rows(before: State, now: Any) -> None:
    """Settings of a fit that goes on from another: rows mean what they meant."""
    for name in ("lookback", "embedding_size"):
        had, got = getattr(before.settings, name, None), getattr(now, name, None)
        if (had is None) != (got is None):
            raise ValueError(
                f"{name}: expected {had!r} as in the fit to go on with, got {got!r}; keep it, or "
                f"start anew with fit and warm_start=False."
            )


def check_endless(settings: Any) -> None:
    """A schedule that needs no last epoch, as ``partial_fit`` has none."""
    schedule = SCHEDULES.get(settings.learning_rate_schedule)  # None: still open
    if schedule is not None and schedule.depends_on_total:
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


class Plan(NamedTuple):
    """A run that is about to start, and what the estimator will know after it."""

    training: list[Dataset]  # of each network
    validation: list[Dataset] | None
    options: list[TrainingOptions]
    networks: list[Network]
    state: Any  # what a fitted estimator knows beside its networks
    # From the networks, and how each of them was trained: attributes learnt afterwards.
    review: Callable[[list[Network], list[TrainingResult]], dict[str, Any]] | None = None

    @property
    def validated(self) -> bool:
        return self.validation is not None


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Whatever fails in this block leaves the estimator's attributes as they were."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
