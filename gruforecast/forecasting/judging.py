"""What the tail says of networks that did not learn from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from gruforecast.estimators import parameters
from gruforecast.estimators.ensemble import averaged
from gruforecast.forecasting.course import Course, Lesson
from gruforecast.forecasting.intervals import Calibration, Forecasts, newest
from gruforecast.forecasting.skill import make_contest, naive_error
from gruforecast.network import Network

ENOUGH_HORIZONS = 5  # of the tail, to trust it; one tells nothing
MOST_JUDGED = 2**23  # values of the tail beside their forecasts
MOST_COMPARED = 2**20  # of these, that shares are found by
MIXES = np.linspace(0.0, 1.0, 5)
TOTALS = np.linspace(0.0, 1.0, 11)


class Kept(NamedTuple):
    """The shares of what networks add to the baseline that are kept.

    One is that of networks measured from the baseline, the other of those measured from the level.
    """

    of_baseline: float
    of_level: float

    def factors(self, zeros: list[float]) -> list[float]:
        """Of the outputs of networks whose mean is the forecast then, by their zeros."""
        counts = zeros.count(0.0), zeros.count(1.0)
        return [self[int(zero)] * len(zeros) / counts[int(zero)] for zero in zeros]

    def of(self, added: Sequence[np.ndarray]) -> np.ndarray:
        """Of what either kind of network adds (n, H)."""
        parts = [share * one for share, one in zip(self, added, strict=False)]
        return np.asarray(sum(parts))


class Review(NamedTuple):
    """What the tail says of networks that did not learn from it."""

    kept: Kept
    calibration: Calibration | None = None
    skill: pd.DataFrame | None = None
    goes_on: bool = False  # whether it pays to learn from the tail, too


def judge(
    course: Course, networks: list[Network], lesson: Lesson, hardware: parameters.Hardware
) -> Review:
    """What their forecasts of the tail are worth.

    Where a share of what they add is kept, forecasts are judged with the share that the other half
    of the tail bears out, so that skill and bounds do not know what they are about to judge.
    """
    rows, zeros = course.rows(of_tail=True, to_learn=False), course.zeros(lesson.encoder)
    kept = Kept(zeros.count(0.0) / len(zeros), zeros.count(1.0) / len(zeros))
    if not len(rows):
        return Review(kept)
    most = MOST_JUDGED // course.horizon
    if len(rows) > most:  # an even share of them, whatever their season
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    actual = course.targets(rows, of_tail=True)
    block, encoded = course.block, lesson.encoded
    codes = block.panel.codes[rows]
    windows = encoded.windows(rows, int(encoded.lengths.max()))
    raw = [one.predict(windows, **hardware) for one in networks]
    units = replace(encoded, from_level=kept.of_level).units(rows)
    forecasts = Forecasts.of(course.loss, raw, *units)
    if course.may_shrink(lesson.encoder):
        baseline, scale = replace(encoded, from_level=0.0).units(rows)
        level, _ = replace(encoded, from_level=1.0).units(rows)
        added = [
            averaged(one for one, of in zip(raw, zeros, strict=True) if of == zero)
            + zero * ((level - baseline) / scale)
            for zero in sorted(set(zeros))
        ]
        wanted, trust = (actual - baseline) / scale, _trust(course.n_horizons)
        kept = _find(wanted, added, trust)
        shown = _cross_fitted(wanted, added, trust, newest(codes, 0.5, 1))
        forecasts = replace(forecasts, mean=baseline + scale * shown)
    calibration = Calibration.learn(
        forecasts.scores(actual), codes, block.positions[rows], block.panel.names, course.season
    )
    errors = naive_error(block, ~course.is_tail, course.season)
    origins = course.origins(~course.is_tail)
    contest = make_contest(block, rows, actual, course.season, origins, errors)
    if contest.is_empty():
        return Review(kept, calibration)
    contest.warn_of_echo(forecasts.mean)
    skill = contest.table(forecasts.mean)
    goes_on = sum(kept) > 0 and course.n_horizons >= ENOUGH_HORIZONS
    return Review(kept, calibration, skill, goes_on)


def _trust(n_horizons: float) -> float:
    """Less than one where the tail is so short that it cannot tell skill from luck."""
    return float(np.clip((n_horizons - 1) / (ENOUGH_HORIZONS - 1), 0.0, 1.0))


def _find(wanted: np.ndarray, added: Sequence[np.ndarray], trust: float) -> Kept:
    """The shares of what is added (n, H) that come nearest to what is wanted.

    First how much of either kind of network, then how much of both.
    """
    step = max(1, wanted.size // MOST_COMPARED)
    wanted, added = wanted[::step], [one[::step] for one in added]

    def best(shares: np.ndarray, kept: Callable[[float], Kept]) -> float:
        errors = [np.nanmean(np.abs(wanted - kept(share).of(added))) for share in shares]
        return float(shares[int(np.argmin(errors))])

    mixes = MIXES if len(added) > 1 else MIXES[:1]
    mix = best(mixes, lambda share: Kept(1.0 - share, share))
    total = trust * best(TOTALS, lambda share: Kept(share * (1.0 - mix), share * mix))
    return Kept(total * (1.0 - mix), total * mix)


def _cross_fitted(
    wanted: np.ndarray, added: Sequence[np.ndarray], trust: float, is_newer: np.ndarray
) -> np.ndarray:
    """What is kept of what is added (n, H): of each half, by shares that the other bears out."""
    out = _find(wanted, added, trust).of(added)
    halves = [half for half in (is_newer, ~is_newer) if np.isfinite(wanted[half]).any()]
    if len(halves) > 1:
        for half in halves:
            kept = _find(wanted[~half], [one[~half] for one in added], trust)
            out[half] = kept.of([one[half] for one in added])
    return out
