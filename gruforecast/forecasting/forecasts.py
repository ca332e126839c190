"""Forecasts of a fitted forecaster: steps after the newest row, and after every row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.estimators.parameters import Hardware
from gruforecast.forecasting.block import Beside, Block
from gruforecast.forecasting.encoding import Encoded
from gruforecast.forecasting.intervals import Calibration, Forecasts, Part, beyond_horizon
from gruforecast.forecasting.line import Line
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.skill import Contest, make_contest, naive_error
from gruforecast.forecasting.state import SeriesState
from gruforecast.forecasting.tails import Joined, Origin, future_index_of
from gruforecast.network import Network

MOST_NEWER = 3000  # newest rows of a series that adaptive bounds learn from


@dataclass(frozen=True)
class Fitted:
    """Networks with everything that is needed to use them."""

    state: SeriesState
    networks: list[Network]
    hardware: Hardware

    def after(self, block: Block, encoded: Encoded, rows: np.ndarray) -> Forecasts:
        """Forecasts (n, H) of the steps after some rows (n,) of a block."""
        n_steps = min(self.state.lookback, int(encoded.lengths.max()))
        views = self.state.encoder.views(len(self.networks))

        def parts() -> Iterator[Part]:
            members = zip(self.state.weights, views, self.networks, strict=True)
            for weight, view, network in members:
                if weight > 0:
                    windows = encoded.windows(rows, n_steps, view)
                    raw = network.predict(windows, **self.hardware)
                    yield Part(weight, raw, *encoded.units(rows, view))

        return Forecasts.of(self.state.loss, parts(), *encoded.units(rows, views[0]))

    def build(self, panel: Panel, beside: Beside, **options: Any) -> Block:
        """A block of rows as training had them."""
        state = self.state
        has_future = state.encoder.has_future
        return Block.build(
            panel, state.cadence, state.horizon, beside, has_future=has_future, **options
        )


class Ahead(NamedTuple):
    """Forecasts of the next steps of every series."""

    names: list[Any]
    stamps: list[pd.Index]  # (S,) of the steps
    positions: np.ndarray  # (S,) of the last row
    forecasts: Forecasts  # (S, steps)


def forecast_ahead(
    fitted: Fitted, joined: Joined, beside: Beside, steps: int, future_index: pd.Index | None
) -> Ahead:
    """The steps after the last row of each series.

    Beyond the horizon forecasts become rows, from which the next ones are made.
    """
    state, panel = fitted.state, joined.panel
    horizon = state.horizon
    positions = np.array([state.cadence.positions(own)[-1] for own in panel.stamps])
    ends = {own[-1]: own for own in panel.stamps}
    following_of = {end: _following(fitted, own, steps, future_index) for end, own in ends.items()}
    stamps = [following_of[own[-1]] for own in panel.stamps]
    inner = [_comparable(own, new) for own, new in zip(panel.stamps, stamps, strict=True)]
    parts: list[Forecasts] = []
    encoder = state.encoder
    for begin in range(0, steps, horizon):
        n = min(horizon, steps - begin)
        following = None if future_index is None else future_index[begin:]
        block = fitted.build(panel, beside, n_required=n, n_foretold=begin, following=following)
        if not parts:  # nothing comes before these forecasts: all rows may tell of a new series
            encoder = encoder.acquainted(block)
        encoded = encoder.encode(block)
        made = fitted.after(block, encoded, panel.bounds[1:] - 1)
        parts.append(made if not parts else made.at_least(parts[0]))
        panel = panel.extended(made.mean[:, :n], [own[begin : begin + n] for own in inner])
    joint = [
        np.concatenate([getattr(part, what) for part in parts], axis=1)[:, :steps]
        for what in ("mean", "below", "above")
    ]
    return Ahead(panel.names, stamps, positions, Forecasts(*joint))


def _following(
    fitted: Fitted, stamps: pd.Index, steps: int, future_index: pd.Index | None
) -> pd.Index:
    """Stamps of the next steps."""
    state = fitted.state
    if future_index is not None:
        return future_index_of(stamps, future_index)
    if state.encoder.has_future and state.cadence.kind == "rows":
        raise ValueError(
            "future_index: expected the stamps to come, as covariates and calendar are found by "
            "them and the stamps of the series show no rhythm, got None; pass them."
        )
    return state.cadence.future(stamps[-1], steps)


def _comparable(stamps: pd.Index, following: pd.Index) -> pd.Index:
    """The stamps that follow, or others that do where those cannot be compared with the rows'."""
    if type(following) is type(stamps) or following.dtype == stamps.dtype:
        return following
    return stamps[-1] + pd.to_timedelta(np.arange(1, len(following) + 1), unit="s")


def bounds_ahead(
    fitted: Fitted, joined: Joined, beside: Beside, ahead: Ahead, levels: list[float]
) -> dict[float, tuple[np.ndarray, np.ndarray]]:
    """Lower and upper bounds (S, steps) by level, each enclosed by those of a higher one."""
    state = fitted.state
    calibration = state.calibration
    if calibration is None:
        raise ValueError(
            "level: expected a fit with rows enough to find out how far forecasts err, got too "
            "few; pass more rows or lower horizon, or set level=None."
        )
    newer = None
    if state.settings.intervals == "adaptive" and joined.is_new.any():
        newer = _newer_scores(fitted, joined, beside, calibration)
    made, n_steps = ahead.forecasts, ahead.forecasts.mean.shape[1]
    codes = np.arange(len(ahead.names))
    weights = calibration.weights(ahead.names, codes, ahead.positions, n_steps)
    low, high = made.mean, made.mean
    bounds = {}
    for level in sorted(levels):
        if newer is None:
            found = calibration.quantiles(level)
        else:
            found = calibration.adapted_quantiles(level, newer)
        down, up = (beyond_horizon(part, n_steps, calibration.growth()) for part in found)
        low = np.minimum(low, made.mean + down * weights * made.below)
        high = np.maximum(high, made.mean + up * weights * made.above)
        bounds[level] = np.maximum(low, state.loss.low), high
    return bounds


def _newer_scores(
    fitted: Fitted, joined: Joined, beside: Beside, calibration: Calibration
) -> np.ndarray:
    """Scores (T, S, H) of what was forecast of the newest rows, NaN where nothing was."""
    panel, horizon = joined.panel, fitted.state.horizon
    block = fitted.build(panel, beside)
    place = np.arange(panel.n) - panel.bounds[1:][panel.codes]  # from the end
    line = Line.of(block, horizon)
    wanted = line.spread(
        np.where(_is_newer(fitted, joined) & (place >= -MOST_NEWER), panel.values, np.nan)
    )
    rows = np.flatnonzero(line.has_ahead(~np.isnan(wanted)))
    if not len(rows):
        return np.full((0, panel.n_series, horizon), np.nan)
    actual = line.ahead(wanted, rows)
    encoded = fitted.state.encoder.encode(block)
    scores = fitted.after(block, encoded, rows).scores(actual)
    codes, positions = panel.codes[rows], block.positions[rows]
    scores /= calibration.weights(panel.names, codes, positions, horizon)
    where = np.nonzero(~np.isnan(actual))
    target = line.ahead(line.rows, rows)[where]
    first = int(place[target].min())
    out = np.full((-first, panel.n_series, horizon), np.nan)
    out[place[target] - first, panel.codes[target], where[1]] = scores[where]
    return out


def _is_newer(fitted: Fitted, joined: Joined) -> np.ndarray:
    """Rows (n,) that training did not see."""
    panel, newer = joined.panel, joined.is_new.copy()
    for name, (a, b), stamps in zip(panel.names, panel.pairs(), panel.stamps, strict=True):
        if (tail := fitted.state.tails.get(name)) is not None:
            newer[a:b] &= stamps > tail.stamps[-1]
    return newer


def forecast_every_row(fitted: Fitted, joined: Joined, beside: Beside) -> np.ndarray:
    """Mean forecasts (n, H) after every new row, series after series."""
    block = fitted.build(joined.panel, beside)
    encoded = fitted.state.encoder.encode(block)
    return fitted.after(block, encoded, np.flatnonzero(joined.is_new)).mean


def walk_forward(fitted: Fitted, joined: Joined, beside: Beside) -> tuple[Contest, np.ndarray]:
    """Every forecast of a new row, beside what happened and what the simplest ones said."""
    state, panel = fitted.state, joined.panel
    block = fitted.build(panel, beside)
    encoded = state.encoder.encode(block)
    line = Line.of(block, state.horizon)
    wanted = line.spread(np.where(joined.is_new, panel.values, np.nan))
    rows = np.flatnonzero(line.has_ahead(~np.isnan(wanted)))
    unseen = Origin.of_unseen
    origins = [
        unseen(block.positions[a:b], panel.values[a:b]) if tail is None else tail.origin
        for (a, b), tail in zip(panel.pairs(), joined.tails, strict=True)
    ]
    of_rows = naive_error(block, np.ones(panel.n, bool), state.season)
    errors = np.array(
        [state.naive_errors.get(name, own) for name, own in zip(panel.names, of_rows, strict=True)]
    )
    contest = make_contest(block, rows, line.ahead(wanted, rows), state.season, origins, errors)
    if contest.is_empty():
        raise ValueError(
            "series: expected at least one value that follows an observed one, got none; pass more "
            "rows, or rows that follow those of fit."
        )
    return contest, fitted.after(block, encoded, rows).mean


def as_frame(panel: Panel, ahead: Ahead, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """Statistics (S, steps) on the future index, in the form of what was passed."""
    frames = [
        pd.DataFrame({name: values[s] for name, values in columns.items()}, index=stamps)
        for s, stamps in enumerate(ahead.stamps)
    ]
    if panel.form in ("array", "series"):
        return frames[0]
    if panel.form == "long":
        return pd.concat(frames, keys=ahead.names, names=list(panel.level_names))
    names = [*panel.level_names[0], None]
    joint = pd.concat(frames, axis=1, keys=ahead.names)
    joint.columns = joint.columns.set_names(names)
    return joint.droplevel(-1, axis=1) if list(columns) == ["mean"] else joint
