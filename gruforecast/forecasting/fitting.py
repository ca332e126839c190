"""From series to a run of training, and to what it is worth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gruforecast.estimators import parameters
from gruforecast.estimators.ensemble import make_networks, options_of_each
from gruforecast.estimators.preparing import Plan
from gruforecast.forecasting.block import Block
from gruforecast.forecasting.course import Course, Lesson
from gruforecast.forecasting.encoding import SeriesEncoder
from gruforecast.forecasting.judging import judge
from gruforecast.forecasting.settling import read_course
from gruforecast.forecasting.skill import naive_error
from gruforecast.forecasting.state import SeriesState
from gruforecast.forecasting.tails import keep_tails
from gruforecast.forecasting.views import usual_weights
from gruforecast.network import Network
from gruforecast.training import TrainingOptions, TrainingResult, train_ensemble

ENDED_BY_ITSELF = ("max_epochs", "early_stopping")  # reasons why training stopped
LAST_PART, LAST_RATE = 0.25, 0.3  # of the best epoch and of the learning rate, for all rows


def plan_series(
    X: Any,
    settings: Any,
    earlier: tuple[SeriesState, list[Network]] | None,
    tables: dict[str, Any],
) -> Plan:
    """A run that learns from series; ``earlier`` is what a warm start goes on from."""
    before = None if earlier is None else earlier[0]
    course = read_course(X, settings, before, tables)
    validate = settings.early_stopping
    if validate == "auto":
        validate = course.can_be_judged()
    elif validate and not course.can_be_judged():
        n_known = int((~np.isnan(course.block.panel.values)).sum())
        raise ValueError(
            f"early_stopping: expected observations enough to train and to validate, got "
            f"{n_known} with horizon={course.horizon}; pass more rows, lower horizon or set "
            f"early_stopping=False."
        )
    lesson = course.lesson(whole=not validate, before=None if before is None else before.encoder)
    seed = parameters.draw_seed(settings.random_state) if before is None else before.seed
    options = options_of_each(settings, settings.loss, seed, bool(validate))
    block = course.block
    panel, every = block.panel, np.ones(block.panel.n, bool)
    errors = naive_error(block, every, course.season)
    state = SeriesState(
        settings=settings,
        seed=seed,
        cadence=course.cadence,
        season=course.season,
        horizon=course.horizon,
        lookback=course.lookback,
        encoder=lesson.encoder,
        columns=_columns(block),
        tails=keep_tails(block, lesson.encoder, course.horizon, course.season or 1),
        naive_errors=dict(zip(panel.names, errors.tolist(), strict=True)),
        largest_step=int(block.gaps().max()) + 1,
        form=panel.form,
        level_names=panel.level_names,
        weights=usual_weights(course.views(lesson.encoder)),
    )
    return Plan(
        training=lesson.data,
        validation=course.validation(lesson) if validate else None,
        options=options,
        networks=_networks(course, lesson, options, None if earlier is None else earlier[1]),
        state=state,
        review=_reviewer(course, state, lesson._replace(data=[]) if validate else None, options),
    )


def _reviewer(
    course: Course, state: SeriesState, lesson: Lesson | None, options: list[TrainingOptions]
) -> Callable[[list[Network], list[TrainingResult]], dict[str, Any]]:
    """What to find out after training.

    Networks that learnt from all rows cannot be judged by any of them: then others are trained in
    the same way on the rows before the tail.
    """

    def review(networks: list[Network], runs: list[TrainingResult]) -> dict[str, Any]:
        hardware = parameters.hardware(state.settings)
        judged, judges, encoder = lesson, networks, state.encoder
        if judged is None:
            if not course.can_be_judged():
                if not course.may_shrink(encoder):
                    return {}
                return {"_state": replace(state, weights=[0.0] * len(networks))}
            judged = course.lesson(whole=False)
            judges = _networks(course, judged, options, None)
            train_ensemble(judges, judged.data, options, **hardware)
            judged = judged._replace(data=[])
        found = judge(course, judges, judged, encoder, hardware)
        if state.settings.early_stopping == "auto":
            going_on = {
                k: _last_part(options[k], run.best_epoch)
                for k, run in enumerate(runs)
                if found.goes_on and found.weights[k] > 0 and run.best_epoch > 0
                and run.stopping_reason in ENDED_BY_ITSELF
            }  # fmt: skip
            views = course.views(encoder)
            is_measured_from = any(
                weight > 0 and view.of_baseline
                for weight, view in zip(found.weights, views, strict=True)
            )
            if going_on or not is_measured_from:  # no network stays that knows the old one alone
                every = np.ones(course.block.panel.n, bool)
                encoder = encoder.with_baseline_of(course.block, every)
            if going_on:
                _go_on(course, encoder, networks, going_on, hardware)
        judged_state = replace(state, calibration=found.calibration, weights=found.weights)
        return {
            "_state": replace(judged_state, encoder=encoder),
            "skill_": found.skill,
            "coverage_": getattr(found.calibration, "coverage", None),
        }

    return review


def _go_on(
    course: Course,
    encoder: SeriesEncoder,
    networks: list[Network],
    options: dict[int, TrainingOptions],
    hardware: parameters.Hardware,
) -> None:
    """Train some networks, by number, on all rows.

    View by view, as the targets of one are the most that a fit holds.
    """
    encoded, views = encoder.encode(course.block), course.views(encoder)
    for view in dict.fromkeys(views[k] for k in options):
        own = [k for k in options if views[k] == view]
        data = course.dataset(encoded, view, of_tail=None)
        train_ensemble([networks[k] for k in own], data, [options[k] for k in own], **hardware)


def _networks(
    course: Course,
    lesson: Lesson,
    options: list[TrainingOptions],
    earlier: list[Network] | None,
) -> list[Network]:
    """Networks for a lesson; new ones start as the baseline where there is one."""
    encoder = lesson.encoder
    specs = course.specifications(encoder, lesson.encoded)
    return make_networks(specs, options, earlier, from_zero=encoder.baseline is not None)


def _last_part(options: TrainingOptions, best_epoch: int) -> TrainingOptions:
    """A short run with small steps, to learn from the newest rows what they have in addition."""
    return replace(
        options,
        max_epochs=math.ceil(LAST_PART * best_epoch),
        learning_rate=LAST_RATE * options.learning_rate,
        patience=None,
    )


def _columns(block: Block) -> dict[str, list[Any]]:
    """The columns of each table beside the series."""
    tables = {"covariates": block.known, "past_covariates": block.past, "static": block.static}
    return {what: list(t.columns) for what, t in tables.items() if t is not None}
