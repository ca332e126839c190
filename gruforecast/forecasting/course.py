"""Rows of training: what is asked of them, which of them teach, and which judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gruforecast.estimators import parameters
from gruforecast.forecasting.block import Block
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.encoding import Encoded, SeriesEncoder
from gruforecast.forecasting.line import Line, parts
from gruforecast.forecasting.seasonality import Seasonality
from gruforecast.forecasting.skill import naive_error
from gruforecast.forecasting.tails import Origin
from gruforecast.forecasting.views import View
from gruforecast.network import Specification
from gruforecast.training import Dataset
from gruforecast.training.losses import Loss

SCALED = "scaled_error"  # a loss in units of naive errors
WIDEST = 1e3  # how much more, or less, than usual an error in units of its scale may count


class Lesson(NamedTuple):
    """What a network learns, and how its rows are read."""

    encoder: SeriesEncoder
    encoded: Encoded
    data: list[Dataset]  # of each network


@dataclass(frozen=True)
class Course:
    """Rows of training, all of which or all but the newest teach."""

    block: Block
    settings: Any
    loss: Loss
    horizon: int
    lookback: int
    season: int | None
    cadence: Cadence
    seasonality: Seasonality  # that has not learnt from rows
    line: Line
    is_tail: np.ndarray  # (n,) rows that judge when they do not teach
    kinds: tuple[str, ...]  # of units of windows; the first is the usual one
    reasons: dict[str, str]  # of what was chosen, by name of the parameter

    def _wanted(self, of_tail: bool | None) -> np.ndarray:
        """Values at the places of the line (m,): those in the tail, before it, or all (None)."""
        values = self.block.panel.values
        if of_tail is not None:
            values = np.where(self.is_tail == of_tail, values, np.nan)
        return self.line.spread(values)

    def rows(self, *, of_tail: bool | None, to_learn: bool = True) -> np.ndarray:
        """Numbers of rows that a value to foretell follows, and of which enough is known for it."""
        found = self.line.has_ahead(~np.isnan(self._wanted(of_tail)))
        return np.flatnonzero(found & self.is_ready if to_learn else found)

    @cached_property
    def is_ready(self) -> np.ndarray:
        """Rows (n,) from which a network may learn."""
        is_observed = ~np.isnan(self.block.carried()[0])  # in this row or one before it
        return np.asarray(self.seasonality.ready(self.block) & is_observed)

    def targets(self, rows: np.ndarray, *, of_tail: bool | None) -> np.ndarray:
        """Values (n, H) that follow some rows: those in the tail, those before it, or all."""
        return self.line.ahead(self._wanted(of_tail), rows)

    def can_be_judged(self) -> bool:
        """Whether rows before the tail teach every step, and the tail has values."""
        teach = ~np.isnan(self._wanted(False))
        covered = self.line.covers(teach, self.rows(of_tail=False))
        return bool(covered.all()) and len(self.rows(of_tail=True)) > 0

    def lesson(self, *, whole: bool, before: SeriesEncoder | None = None) -> Lesson:
        """From all rows or from those before the tail, which nothing is learnt of then.

        ``before`` is what an earlier fit learnt: series that it did not see are added.
        """
        used = np.ones(self.block.panel.n, bool) if whole else ~self.is_tail
        if before is None:
            encoder = SeriesEncoder.fit(
                self.block, used, self.settings, self.kinds, self.seasonality, self.lookback,
                self.horizon, self.season, self.loss.low,
            )  # fmt: skip
        else:
            known = replace(before, seasonality=self.seasonality)
            encoder = replace(known.learn(self.block, used), lookback=self.lookback)
        encoded = encoder.encode(self.block)
        of_tail = None if whole else False
        covered = self.line.covers(~np.isnan(self._wanted(of_tail)), self.rows(of_tail=of_tail))
        if not covered.all():
            gap = int(np.median(np.diff(self.block.positions)))
            cause = "pass more rows or lower horizon"
            if gap > 1:
                cause = f"rows lie {gap} steps apart by the frequency in use: check freq"
            raise ValueError(
                f"series: expected rows with a value {int(np.argmin(covered)) + 1} steps later "
                f"(horizon={self.horizon}), got none among {int(used.sum())} for training; {cause}."
            )
        return Lesson(encoder, encoded, self._datasets(encoder, encoded, of_tail))

    def views(self, encoder: SeriesEncoder) -> list[View]:
        """How each network sees rows."""
        return encoder.views(self.settings.n_estimators)

    def may_shrink(self, encoder: SeriesEncoder) -> bool:
        """Whether a share of what networks add can be left out: the baseline is left then."""
        return encoder.baseline is not None and self.loss.is_plain

    def validation(self, lesson: Lesson) -> list[Dataset]:
        """The targets in the tail."""
        return self._datasets(lesson.encoder, lesson.encoded, True)

    def _datasets(
        self, encoder: SeriesEncoder, encoded: Encoded, of_tail: bool | None
    ) -> list[Dataset]:
        views = self.views(encoder)
        made = {view: self.dataset(encoded, view, of_tail=of_tail) for view in set(views)}
        return [made[view] for view in views]

    def dataset(self, encoded: Encoded, view: View, *, of_tail: bool | None) -> Dataset:
        """What follows rows: in the tail, before it, or all of it (None).

        Scaled in parts, as the targets of long horizons are by far the most that a fit holds.
        """
        rows, values = self.rows(of_tail=of_tail), self._wanted(of_tail)
        targets = np.empty((len(rows), self.horizon), self.settings.dtype)
        is_there = np.empty(len(rows), bool)
        for part in parts(len(rows), self.horizon):
            center, scale = encoded.units(rows[part], view, fill=False)
            scaled = self.line.ahead(values, rows[part])
            scaled -= center
            scaled /= scale
            with np.errstate(over="ignore"):
                targets[part] = scaled
            is_there[part] = ~np.isnan(scaled).all(axis=1)
        if not is_there.all():  # nothing is known of the phases of what follows
            rows, targets = rows[is_there], targets[is_there]
        windows = encoded.windows(rows, int(encoded.lengths.max()), view)
        weights = None
        if self.loss.name == SCALED:
            weights = self._in_naive_errors(encoded.measures[view.normalize].scale[rows], rows)
        return Dataset(windows, targets, weights, copy=False)

    def _in_naive_errors(self, scale: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Weights (n,) of rows by which errors in units of a scale (n,) count as MASE's do.

        Naive errors are those of rows before the tail. A series without one counts in its scale.
        """
        errors = naive_error(self.block, ~self.is_tail, self.season)[self.block.panel.codes[rows]]
        weights = np.where(np.isnan(errors), 1.0, scale / np.where(errors > 0, errors, 1.0))
        return np.asarray(np.clip(weights / np.median(weights), 1 / WIDEST, WIDEST))

    def specifications(self, encoder: SeriesEncoder, encoded: Encoded) -> list[Specification]:
        """The networks that read and forecast this."""
        return [self._specification(encoder, encoded, view) for view in self.views(encoder)]

    def _specification(self, encoder: SeriesEncoder, encoded: Encoded, view: View) -> Specification:
        future = {}
        if encoded.future is not None:
            n_known = encoded.future.shape[1]
            future = {"n_future_steps": self.horizon, "n_future_features": n_known}
        size = self.settings.series_embedding_size
        tables = [(len(encoder.embedded), size)] if encoder.embedded else []
        n_outputs = self.loss.width * self.horizon
        width, settings = encoded.rows.shape[1], self.settings
        segments = {"segment_length": settings.segment_length}
        if settings.decoder == "parallel":
            segments["decoder_steps"] = -(-self.horizon // settings.segment_length)
        if view.of_baseline:  # the others err differently without it
            segments["n_lags"] = self.lookback
        return parameters.specification(settings, width, n_outputs, tables, **segments, **future)

    @property
    def n_horizons(self) -> float:
        """How many horizons of values the tail has."""
        return float(np.isfinite(self.block.panel.values[self.is_tail]).sum() / self.horizon)

    def origins(self, used: np.ndarray) -> list[Origin]:
        """What each series was like on the rows that are used (n,)."""
        panel = self.block.panel
        return [
            Origin.of(self.block.positions[a:b][used[a:b]], panel.values[a:b][used[a:b]])
            for a, b in panel.pairs()
        ]
