"""What the tail says of networks that did not learn from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from gruforecast.estimators import parameters
from gruforecast.forecasting.course import Course, Lesson
from gruforecast.forecasting.encoding import SeriesEncoder
from gruforecast.forecasting.intervals import Calibration, Forecasts, Part, newest
from gruforecast.forecasting.skill import make_contest, naive_error
from gruforecast.forecasting.views import usual_weights
from gruforecast.network import Network

ENOUGH_HORIZONS = 5  # of the tail, to trust it; one tells nothing
MOST_JUDGED = 2**23  # values of the tail beside their forecasts
MOST_COMPARED = 2**20  # of these, that weights are found by
LUCK = 0.12  # of an error, that a tail of one horizon may be off between networks
DOUBTFUL = 1.5  # standard errors of a gain, up to which nothing is kept
SURE = 2.5  # and from which all of it is
SHARES = np.linspace(0.0, 1.0, 11)  # of what networks add to the baseline


class Review(NamedTuple):
    """What the tail says of networks that did not learn from it."""

    weights: list[float]  # how much each of them counts, the baseline for the rest
    calibration: Calibration | None = None
    skill: pd.DataFrame | None = None
    goes_on: bool = False  # whether it pays to learn from the tail, too


def judge(
    course: Course,
    networks: list[Network],
    lesson: Lesson,
    encoder: SeriesEncoder,
    hardware: parameters.Hardware,
) -> Review:
    """What their forecasts of the tail are worth; bounds are for an encoder's units of series.

    Each half of the tail is forecast with the weights that the other half bears out, so that skill
    and bounds hardly know what they are about to judge: only values that both halves foretell.
    """
    rows, views = course.rows(of_tail=True, to_learn=False), course.views(lesson.encoder)
    weights = usual_weights(views)
    most = MOST_JUDGED // course.horizon
    if len(rows) > most:  # an even share of them, whatever their season
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    block, encoded, n_steps = course.block, lesson.encoded, int(lesson.encoded.lengths.max())
    codes, actual = block.panel.codes[rows], course.targets(rows, of_tail=True)
    units = {view: encoded.units(rows, view) for view in set(views)}
    raw = [
        network.predict(encoded.windows(rows, n_steps, view), **hardware)
        for network, view in zip(networks, views, strict=True)
    ]
    baseline, scale = units[views[0]]

    def forecast(weights: Sequence[float]) -> Forecasts:
        members = zip(weights, raw, views, strict=True)
        parts = (Part(w, one, *units[view]) for w, one, view in members)
        return Forecasts.of(course.loss, parts, baseline, scale)

    shrinks = course.may_shrink(lesson.encoder)
    if len(set(views)) > 1 or shrinks:
        pairs = list(enumerate(views))
        groups = [[k for k, of in pairs if of == view] for view in dict.fromkeys(views)]
        means = [forecast([(k in group) / len(group) for k, _ in pairs]).mean for group in groups]
        wanted, added = (actual - baseline) / scale, [(one - baseline) / scale for one in means]
        stretch = _stretches(codes, block.positions[rows], course.horizon)
        n_horizons, n_stretches = course.n_horizons, int(stretch.max()) + 1
        find = partial(_find, n_horizons=n_horizons, n_stretches=n_stretches, shrinks=shrinks)
        found = find(wanted, added, stretch)
        weights = [0.0] * len(views)
        for group, share in zip(groups, found, strict=True):
            for k in group:
                weights[k] = share / len(group)
        shown = _cross_fitted(wanted, added, stretch, newest(codes, 0.5, 1), find)
        forecasts = replace(forecast(weights), mean=baseline + scale * shown)
    else:
        forecasts = forecast(weights)
    if encoder is not lesson.encoder and course.loss.is_plain:  # errors are in units of series
        _, spread = encoder.encode(block).units(rows, views[0])
        spread = np.broadcast_to(spread, forecasts.mean.shape)
        forecasts = replace(forecasts, below=spread, above=spread)
    calibration = Calibration.learn(
        forecasts.scores(actual), codes, block.positions[rows], block.panel.names, course.season
    )
    errors = naive_error(block, ~course.is_tail, course.season)
    origins = course.origins(~course.is_tail)
    contest = make_contest(block, rows, actual, course.season, origins, errors)
    if contest.is_empty():
        return Review(weights, calibration)
    contest.warn_of_echo(forecasts.mean)
    skill = contest.table(forecasts.mean)
    goes_on = any(weights) and course.n_horizons >= ENOUGH_HORIZONS
    return Review(weights, calibration, skill, goes_on)


def _find(
    wanted: np.ndarray,
    added: Sequence[np.ndarray],
    stretch: np.ndarray,
    *,
    n_horizons: float,
    n_stretches: int,
    shrinks: bool,
) -> list[float]:
    """Weights by which what each view adds (n, H) comes nearest to what is wanted.

    First which of the views, alike: one is left out where that pays more than luck would have it,
    as means of all seldom disappoint. Then what share of their mean, if the rest is the baseline's:
    less where the tail is so short, or its stretches of a horizon (n,) differ so much in what they
    gain, that skill cannot be told from luck. Rows that are a part of the tail stand for all of it.
    """
    most = max(1, MOST_COMPARED // wanted.shape[1])
    if len(wanted) > most:
        some = np.random.default_rng(0).choice(len(wanted), most, replace=False)
        wanted, added, stretch = wanted[some], [one[some] for one in added], stretch[some]
    numbers = range(len(added))
    subsets = [each for n in reversed(numbers) for each in combinations(numbers, n + 1)]

    def error(mean: np.ndarray) -> float:
        return float(np.nanmean(np.abs(wanted - mean)))

    means = [np.mean([added[k] for k in subset], axis=0) for subset in subsets]
    worth = 1.0 + LUCK / np.sqrt(max(n_horizons, 1.0))
    left_out = [len(added) - len(subset) for subset in subsets]
    errors = [error(mean) * worth**n for mean, n in zip(means, left_out, strict=True)]
    best = int(np.argmin(errors))
    share = 1.0
    if shrinks:
        share = float(SHARES[int(np.argmin([error(part * means[best]) for part in SHARES]))])
        share *= float(np.clip((n_horizons - 1) / (ENOUGH_HORIZONS - 1), 0.0, 1.0))
        gains = np.abs(wanted) - np.abs(wanted - means[best])
        certainty = _certainty(gains, stretch) * np.sqrt(n_stretches / len(np.unique(stretch)))
        share *= float(np.clip((certainty - DOUBTFUL) / (SURE - DOUBTFUL), 0.0, 1.0))
    chosen = subsets[best]
    return [share / len(chosen) if k in chosen else 0.0 for k in numbers]


def _stretches(codes: np.ndarray, positions: np.ndarray, horizon: int) -> np.ndarray:
    """The number of the stretch of a horizon in its series that each row (n,) lies in."""
    places = np.stack([codes, positions // horizon])
    return np.asarray(np.unique(places, axis=1, return_inverse=True)[1].ravel())


def _certainty(gains: np.ndarray, stretch: np.ndarray) -> float:
    """The mean gain in standard errors; gains (n, H) within a stretch of rows (n,) are one."""
    rows, steps = np.nonzero(np.isfinite(gains))
    sums = np.bincount(stretch[rows], gains[rows, steps])
    counts = np.bincount(stretch[rows])
    n = np.count_nonzero(counts)
    if n < 2:
        return 0.0
    mean = sums.sum() / counts.sum()
    error = np.sqrt(n / (n - 1) * ((sums - mean * counts) ** 2).sum()) / counts.sum()
    return float(mean / max(error, np.finfo(np.float64).tiny))


def _cross_fitted(
    wanted: np.ndarray,
    added: Sequence[np.ndarray],
    stretch: np.ndarray,
    is_newer: np.ndarray,
    find: Callable[..., list[float]],
) -> np.ndarray:
    """The weighted sum of what is added (n, H): of each half by the weights of the other."""

    def combined(learnt: np.ndarray, shown: np.ndarray) -> np.ndarray:
        weights = find(wanted[learnt], [one[learnt] for one in added], stretch[learnt])
        parts = [weight * one[shown] for weight, one in zip(weights, added, strict=True)]
        return np.asarray(np.sum(parts, axis=0))

    halves = [half for half in (is_newer, ~is_newer) if np.isfinite(wanted[half]).any()]
    if len(halves) < 2:
        every = np.ones(len(wanted), bool)
        return combined(every, every)
    out = np.empty(np.broadcast_shapes(wanted.shape, added[0].shape))
    for half in halves:
        out[half] = combined(~half, half)
    return out
