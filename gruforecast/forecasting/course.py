"""Rows of training: what is asked of them, which of them teach, and which judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from gruforecast.estimators import parameters
from gruforecast.forecasting.block import Beside, Block
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.encoding import Encoded, SeriesEncoder, rows_ahead, values_at
from gruforecast.forecasting.intervals import Calibration, Forecasts
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.scaling import choose_normalize
from gruforecast.forecasting.skill import make_contest, naive_error
from gruforecast.forecasting.state import SeriesState
from gruforecast.forecasting.tails import Origin
from gruforecast.network import Network, Specification
from gruforecast.training import Dataset
from gruforecast.training.losses import Loss

USUAL_HORIZON = 10  # of a series without a season
LEAST_LOOKBACK = 16
LEAST_TAIL = 20  # rows that judge, where there are four times as many


def choose_horizon(horizon: int | None, season: int | None, n_rows: int) -> int:
    """One season, but at most a tenth of the rows, unless given."""
    return horizon or max(1, min(season or USUAL_HORIZON, n_rows // 10))


def choose_lookback(lookback: int | None, horizon: int, season: int | None, n_rows: int) -> int:
    """Two seasons or two horizons, whichever is longer, but at most a quarter of the rows."""
    wanted = max(2 * (season or 1), 2 * horizon, LEAST_LOOKBACK)
    return lookback or max(1, min(wanted, n_rows // 4))


class Lesson(NamedTuple):
    """What a network learns, and how its rows are read."""

    encoder: SeriesEncoder
    encoded: Encoded
    data: Dataset


@dataclass(frozen=True)
class Course:
    """Rows of training, all of which or all but the newest teach."""

    block: Block
    settings: Any
    loss: Loss
    horizon: int
    lookback: int
    season: int | None
    ahead: np.ndarray  # (n, H) row of each target, -1 for none
    is_tail: np.ndarray  # (n,) rows that judge when they do not teach

    def targets(self, *, of_tail: bool | None) -> np.ndarray:
        """Values (n, H) to foretell: those in the tail, those before it, or all (None)."""
        targets = values_at(self.block.panel.values, self.ahead)
        if of_tail is not None:
            targets[self.is_tail[self.ahead] != of_tail] = np.nan
        return targets

    def can_be_judged(self) -> bool:
        """Whether rows before the tail teach every step, and the tail has values."""
        teach, judge = (self.targets(of_tail=of_tail) for of_tail in (False, True))
        return not np.isnan(teach).all(axis=0).any() and not np.isnan(judge).all()

    def lesson(self, *, whole: bool, before: SeriesEncoder | None = None) -> Lesson:
        """From all rows or from those before the tail, which nothing is learnt of then.

        ``before`` is what an earlier fit learnt: series that it did not see are added.
        """
        used = np.ones(self.block.panel.n, bool) if whole else ~self.is_tail
        if before is None:
            encoder = SeriesEncoder.fit(
                self.block, used, self.settings, self.lookback, self.loss.low
            )
        else:
            scaling = before.scaling.learn(self.block, used)
            encoder = replace(before, scaling=scaling, lookback=self.lookback)
        encoded = encoder.encode(self.block)
        targets = self.targets(of_tail=None if whole else False)
        if (empty := np.isnan(targets).all(axis=0)).any():
            gap = int(np.median(np.diff(self.block.positions)))
            cause = "pass more rows or lower horizon"
            if gap > 1:
                cause = f"rows lie {gap} steps apart by the frequency in use: check freq"
            raise ValueError(
                f"series: expected rows with a value {int(np.argmax(empty)) + 1} steps later "
                f"(horizon={self.horizon}), got none among {int(used.sum())} for training; {cause}."
            )
        return Lesson(encoder, encoded, self._dataset(encoded, targets))

    def validation(self, encoded: Encoded) -> Dataset:
        """The targets in the tail."""
        return self._dataset(encoded, self.targets(of_tail=True))

    def _dataset(self, encoded: Encoded, targets: np.ndarray) -> Dataset:
        rows = np.flatnonzero(~np.isnan(targets).all(axis=1))
        scaled = (targets[rows] - encoded.center[rows, None]) / encoded.scale[rows, None]
        return Dataset(encoded.windows(rows, int(encoded.lengths.max())), scaled)

    def specification(self, encoder: SeriesEncoder, encoded: Encoded) -> Specification:
        """The network that reads and forecasts this."""
        future = {}
        if encoded.future is not None:
            n_known = encoded.future.shape[1]
            future = {"n_future_steps": self.horizon, "n_future_features": n_known}
        size = self.settings.series_embedding_size
        tables = [(len(encoder.embedded), size)] if encoder.embedded else []
        n_outputs = self.loss.width * self.horizon
        width = encoded.rows.shape[1]
        return parameters.specification(self.settings, width, n_outputs, tables, **future)

    def review(
        self, network: Network, lesson: Lesson, hardware: parameters.Hardware
    ) -> dict[str, Any]:
        """What forecasts of the tail by a network that did not learn from it are worth."""
        actual = self.targets(of_tail=True)
        rows = np.flatnonzero(~np.isnan(actual).all(axis=1))
        if not len(rows):
            return {"calibration": None, "skill": None}
        actual, block, encoded = actual[rows], self.block, lesson.encoded
        windows = encoded.windows(rows, int(encoded.lengths.max()))
        raw = network.predict(windows, **hardware)
        forecasts = Forecasts.of(self.loss, raw, encoded.center[rows], encoded.scale[rows])
        codes = block.panel.codes[rows]
        calibration = Calibration.learn(
            forecasts.scores(actual), codes, block.positions[rows], block.panel.names, self.season
        )
        errors = naive_error(block, ~self.is_tail, self.season)
        origins = self._origins(~self.is_tail)
        contest = make_contest(block, rows, actual, self.season, origins, errors)
        if contest.is_empty():
            return {"calibration": calibration, "skill": None}
        contest.warn_of_echo(forecasts.mean)
        return {"calibration": calibration, "skill": contest.table(forecasts.mean)}

    def _origins(self, used: np.ndarray) -> list[Origin]:
        """What each series was like on the rows that are used (n,)."""
        panel = self.block.panel
        return [
            Origin.of(self.block.positions[a:b][used[a:b]], panel.values[a:b][used[a:b]])
            for a, b in panel.pairs()
        ]


def make_course(
    panel: Panel, beside: Beside, settings: Any, cadence: Cadence, before: SeriesState | None
) -> Course:
    """Settle horizon, lookback, units, and which rows judge; as ``before`` where that is open."""
    if before is not None:
        settings.horizon = settings.horizon or before.horizon
        settings.lookback = settings.lookback or before.lookback
        if settings.normalize not in ("auto", before.settings.normalize):
            raise ValueError(
                f"normalize: expected {before.settings.normalize!r} as in the fit to go on with, "
                f"got {settings.normalize!r}; keep it, or start anew with warm_start=False."
            )
        settings.normalize = before.settings.normalize
    season = settings.season or cadence.season
    longest = int(panel.lengths.max())
    horizon = choose_horizon(settings.horizon, season, longest)
    lookback = choose_lookback(settings.lookback, horizon, season, int(np.median(panel.lengths)))
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
    has_future = bool(settings.calendar) or beside.known is not None
    block = Block.build(panel, cadence, horizon, beside, has_future=has_future, is_training=True)
    is_tail = _newest_observed(panel, settings.validation_fraction, max(horizon, LEAST_TAIL))
    course = Course(
        block, settings, loss, horizon, lookback, season, rows_ahead(block, horizon), is_tail
    )
    settings.normalize = choose_normalize(
        settings.normalize, block, course.targets(of_tail=False), loss
    )
    return course


def _newest_observed(panel: Panel, share: float, least: int) -> np.ndarray:
    """Which rows (n,) belong to the newest share of each series' observations, or ``least``."""
    known = ~np.isnan(panel.values)
    out = np.zeros(panel.n, bool)
    for a, b in panel.pairs():
        left = np.cumsum(known[a:b][::-1])[::-1]  # observations from each row on
        n = left[0]
        out[a:b] = left <= max(round(share * n), min(least, n // 4))
    return out
