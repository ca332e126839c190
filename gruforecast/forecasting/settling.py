"""What is settled before anything is learnt: horizon, lookback, units, and which rows judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.estimators import parameters
from gruforecast.forecasting.block import Beside, Block
from gruforecast.forecasting.channels import check_together
from gruforecast.forecasting.choices import (
    Facts,
    choose_calendar,
    choose_horizon,
    choose_lookback,
    settle,
)
from gruforecast.forecasting.course import Course
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.line import Line
from gruforecast.forecasting.lookups import of_training
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.scaling import choose_normalize
from gruforecast.forecasting.season_choice import choose_seasonal
from gruforecast.forecasting.seasonality import Seasonality
from gruforecast.forecasting.state import SeriesState
from gruforecast.forecasting.views import kinds_used

LEAST_TAIL = 20  # rows that judge, where there are four times as many


def read_course(
    X: Any, settings: Any, before: SeriesState | None, tables: dict[str, Any]
) -> Course:
    """What is asked of which rows; settles in the settings what the caller leaves open."""
    panel = Panel.read(X, to_learn=True)
    if settings.missing == "error":
        panel.check_complete()
    beside = of_training(panel, None if before is None else before.columns, tables)
    cadence = Cadence.of(max(panel.stamps, key=len), settings.freq)
    return make_course(panel, beside, settings, cadence, before)


def make_course(
    panel: Panel, beside: Beside, settings: Any, cadence: Cadence, before: SeriesState | None
) -> Course:
    """Settle horizon, lookback, units, and which rows judge; as ``before`` where that is open."""
    if before is not None:
        settings.horizon = settings.horizon or before.settings.horizon
        settings.lookback = settings.lookback or before.lookback
        if before.encoder.baseline is not None and settings.lookback != before.lookback:
            raise ValueError(
                f"lookback: expected {before.lookback} as in the fit to go on with, whose baseline "
                f"and shortcut read so many rows, got {settings.lookback}; keep it, or start anew "
                f"with warm_start=False."
            )
        shape = ("loss", "hidden_size", "n_estimators", "segment_length", "decoder")
        parameters.settle(settings, {name: getattr(before.settings, name) for name in shape})
        for name in ("normalize", "seasonal", "channels", "calendar", "baseline"):
            had, got = getattr(before.settings, name), getattr(settings, name)
            if got not in ("auto", had):
                raise ValueError(
                    f"{name}: expected {had!r} as in the fit to go on with, got {got!r}; keep it, "
                    f"or start anew with warm_start=False."
                )
            setattr(settings, name, had)
    if settings.channels == "mixed":
        check_together(panel)
    season = settings.season or cadence.season
    has_seasonal = settings.seasonal != "none" or settings.baseline != "none"
    if before is not None and has_seasonal and season != before.season:
        raise ValueError(
            f"season: expected {before.season} as in the fit to go on with, got {season}; keep it, "
            f"or start anew with warm_start=False."
        )
    longest = int(panel.lengths.max())
    reasons = {}
    if settings.horizon is None:
        settings.horizon, reasons["horizon"] = choose_horizon(season, longest)
    n_rows = int(np.median(panel.lengths))
    horizon = 1 if settings.decoder == "recursive" else settings.horizon
    if settings.lookback is None:
        settings.lookback, reasons["lookback"] = choose_lookback(season, horizon, n_rows)
    lookback = settings.lookback
    reasons |= settle(settings, Facts(season, horizon, lookback, n_rows, panel.n))
    loss = parameters.training_options(settings, settings.loss).make_loss()
    least = np.nanmin(panel.values)
    if least < loss.low:
        raise ValueError(
            f"series: expected values of at least {loss.low:g} with loss={loss.name!r}, got "
            f"{least:g}; correct them or choose another loss."
        )
    if longest <= horizon:
        advice = " or lower horizon" if horizon > 1 else ""
        raise ValueError(
            f"series: expected at least horizon + 1 = {horizon + 1} rows, got {longest}; pass "
            f"more rows{advice}."
        )
    if settings.calendar == "auto":
        stamps = max(panel.stamps, key=len)
        settings.calendar, reasons["calendar"] = choose_calendar(stamps, settings.calendar_encoding)
        if cadence.kind == "rows":
            settings.calendar, reasons["calendar"] = (), "the stamps show no rhythm"
    has_future = bool(settings.calendar) or beside.known is not None
    block = Block.build(panel, cadence, horizon, beside, has_future=has_future, is_training=True)
    is_tail = _newest_observed(panel, settings.validation_fraction, max(horizon, LEAST_TAIL))
    teaches = ~is_tail
    if before is None:
        settings.seasonal = choose_seasonal(
            settings.seasonal, block, teaches, season, horizon, loss.low
        )
        seasonality = Seasonality(settings.seasonal, season or 1, {})
        seasonality.check(block, teaches, loss.low)
    else:
        first = max(panel.stamps, key=len)[:1]
        seasonality = before.encoder.seasonality.shifted(_moved(before.cadence, cadence, first))
    line = Line.of(block, horizon)
    course = Course(
        block, settings, loss, horizon, lookback, season, cadence, seasonality, line, is_tail, (),
        reasons,
    )  # fmt: skip
    adjusted, of_season = seasonality.learn(block, teaches).adjust(block, horizon)

    def examples(rows: np.ndarray) -> np.ndarray:
        targets = course.targets(rows, of_tail=False)
        if of_season is None:
            return targets
        base, factor = of_season.of(rows, fill=False)
        return np.asarray((targets - base) / factor)

    rows, is_open = course.rows(of_tail=False), settings.normalize == "auto"
    if before is not None:
        return replace(course, kinds=before.encoder.kinds)
    kinds, why = choose_normalize(settings.normalize, adjusted, rows, examples, loss)
    has_baseline = settings.baseline != "none" and not np.isfinite(loss.low)
    kinds = kinds_used(settings.n_estimators, kinds, has_baseline=has_baseline)
    settings.normalize = kinds[0]
    if is_open:
        another = f", and beside it {kinds[1]!r}" if len(kinds) > 1 else ""
        reasons["normalize"] = f"{kinds[0]!r}{another}: {why}"
    return replace(course, kinds=kinds)


def _moved(before: Cadence, now: Cadence, stamp: pd.Index) -> int:
    """By how many steps positions of an earlier fit are more than those of this one."""
    try:
        return int(before.positions(stamp)[0] - now.positions(stamp)[0])
    except (TypeError, ValueError):  # stamps of another kind: nothing is known of their phases
        return 0


def _newest_observed(panel: Panel, share: float, least: int) -> np.ndarray:
    """Which rows (n,) belong to the newest share of each series' observations, or ``least``."""
    known = ~np.isnan(panel.values)
    out = np.zeros(panel.n, bool)
    for a, b in panel.pairs():
        left = np.cumsum(known[a:b][::-1])[::-1]  # observations from each row on
        n = left[0]
        out[a:b] = left <= max(round(share * n), min(least, n // 4))
    return out
