"""From rows of series to what a network reads, and to what it is asked.

A row holds the newest value, its age and the stamps left out before it, the covariates, and the
number of its series. Scales are those of each series on training rows, of values without a season
if that is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gruforecast.forecasting.baseline import Baseline, Simple
from gruforecast.forecasting.block import Block
from gruforecast.forecasting.channels import values_beside
from gruforecast.forecasting.covariates import ColumnsEncoder, check_complete
from gruforecast.forecasting.dates.calendar import calendar_features
from gruforecast.forecasting.scaling import OF_WINDOWS, SeriesScaling, WindowScaling
from gruforecast.forecasting.seasonality import Season, Seasonality
from gruforecast.forecasting.views import Measure, View, views_of
from gruforecast.foundations.stored import stored
from gruforecast.network import Windows


@dataclass(frozen=True)
class Encoded:
    """Rows as a network reads them."""

    rows: np.ndarray  # (n, width)
    starts: np.ndarray  # (n,) of the window of each row
    lengths: np.ndarray  # (n,)
    future: np.ndarray | None  # (K, C) what is known of stamps to come
    future_starts: np.ndarray | None  # (n,) the stamp after each row
    measures: dict[str, Measure]  # of windows and of what follows them, by kind
    season: Season | None  # that is taken out before
    simple: tuple[Simple, np.ndarray] | None  # the baseline's forecasts, and weights (n, K)
    is_seen: bool  # whether training saw all series, and so their units
    dtype: str

    def units(
        self, rows: np.ndarray, view: View, *, fill: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Center and scale of the steps after some rows, (n, H), or (n, 1) where all are alike.

        Without ``fill`` a center is NaN where nothing is known of a step's phase.
        """
        measure = self.measures[view.normalize]
        center, scale = measure.center[rows, None], measure.scale[rows, None]
        if view.of_baseline:
            made, weights = self.simple  # type: ignore[misc]
            center = made.of(rows, weights[rows])
        if self.season is None:
            return center, scale
        base, factor = self.season.of(rows, fill=fill)
        return center * factor + base, scale * factor

    def windows(self, numbers: np.ndarray, n_steps: int, view: View) -> Windows:
        """Windows that end in these rows."""
        known = {}
        if self.future is not None and self.future_starts is not None:
            known = {"future": self.future, "future_starts": self.future_starts[numbers]}
        if not self.is_seen or view.normalize in OF_WINDOWS:
            measure = self.measures[view.normalize]
            level, spread = measure.level[numbers], measure.spread[numbers]
            known |= {"offsets": level, "factors": 1.0 / spread}
        return Windows(
            self.rows, self.starts[numbers], n_steps, lengths=self.lengths[numbers],
            dtype=self.dtype, **known,
        )  # fmt: skip


@stored("SeriesEncoder")
@dataclass(frozen=True)
class SeriesEncoder:
    """What is learnt from training rows about how to read rows."""

    seasonality: Seasonality
    scaling: SeriesScaling
    kinds: tuple[str, ...]  # of units of windows; the first is the usual one
    window_scaling: dict[str, WindowScaling]  # of those that are each window's own
    baseline: Baseline | None
    has_age: bool  # of values that are carried forward
    has_gap: bool  # number of stamps left out before a row
    past: ColumnsEncoder | None
    known: ColumnsEncoder | None
    static: ColumnsEncoder | None
    beside: list[Any]  # series whose values at the same stamp each row holds
    calendar: tuple[str, ...]
    calendar_encoding: str
    embedded: dict[Any, int]  # number of each series in the table of embeddings
    lookback: int
    horizon: int
    refuses_missing: bool
    dtype: str

    @classmethod
    def fit(
        cls,
        block: Block,
        used: np.ndarray,
        settings: Any,
        kinds: tuple[str, ...],
        seasonality: Seasonality,
        lookback: int,
        horizon: int,
        season: int | None,
        low: float,
    ) -> SeriesEncoder:
        """Learn from the rows that are used (n,), and from nothing else."""
        panel, mask = block.panel, settings.missing == "mask"
        has_age = bool(mask and np.isnan(panel.values[used]).any())
        seasonality = seasonality.learn(block, used)
        block, _ = seasonality.adjust(block, horizon)
        known = past = static = None
        if block.known is not None:
            at_rows = block.known.iloc[block.at[used]]
            known = ColumnsEncoder.fit("covariates", at_rows, block.known, settings)
        if block.past is not None:
            past = ColumnsEncoder.fit("past_covariates", block.past[used], block.past, settings)
        if block.static is not None:
            static = ColumnsEncoder.fit("static", block.static, block.static, settings)
        size = settings.series_embedding_size
        scaling = SeriesScaling({}, low, settings.normalize != "none").learn(block, used)
        center, scale = scaling.of_series(block)
        scaled = np.nan_to_num((block.carried()[0] - center) / scale)
        of_windows = {
            kind: WindowScaling.fit(scaled, block, used, lookback, kind)
            for kind in kinds
            if kind in OF_WINDOWS
        }
        return cls(
            seasonality=seasonality,
            scaling=scaling,
            kinds=kinds,
            window_scaling=of_windows,
            baseline=None
            if settings.baseline == "none" or np.isfinite(low)
            else Baseline.fit(block, used, lookback, horizon, season),
            has_age=has_age,
            has_gap=bool(mask and block.gaps()[used].any()),
            past=past,
            known=known,
            static=static,
            beside=list(panel.names) if settings.channels == "mixed" else [],
            calendar=settings.calendar,
            calendar_encoding=settings.calendar_encoding,
            embedded={} if size is None else {name: s for s, name in enumerate(panel.names)},
            lookback=lookback,
            horizon=horizon,
            refuses_missing=settings.missing == "error",
            dtype=settings.dtype,
        )

    def views(self, n: int) -> list[View]:
        """How each of n networks sees rows."""
        return views_of(n, self.kinds, has_baseline=self.baseline is not None)

    @property
    def has_future(self) -> bool:
        """Whether anything is known of stamps to come."""
        return self.known is not None or bool(self.calendar)

    @property
    def reach(self) -> int:
        """Rows up to the newest that forecasts are made from, if each phase is known in them."""
        return self.lookback if self.baseline is None else max(self.lookback, self.baseline.reach)

    def first_told_by(self, positions: np.ndarray, values: np.ndarray, row: int) -> int:
        """The earliest row that the rows of one series (m,) from ``row`` on are told by."""
        if self.baseline is not None:
            row = self.baseline.first_told_by(positions, values, row)
        return self.seasonality.first_told_by(positions, values, row)

    def learn(self, block: Block, used: np.ndarray) -> SeriesEncoder:
        """From rows used (n,): season and units of series that are new, and the baseline of all."""
        seasonality = self.seasonality.learn(block, used)
        adjusted, _ = seasonality.adjust(block, self.horizon)
        learnt = replace(self, seasonality=seasonality, scaling=self.scaling.learn(adjusted, used))
        return learnt.with_baseline_of(block, used)

    def with_baseline_of(self, block: Block, used: np.ndarray) -> SeriesEncoder:
        """With the baseline of the series of a block learnt anew, from rows used (n,)."""
        if self.baseline is None:
            return self
        adjusted, _ = self.seasonality.adjust(block, self.horizon)
        return replace(self, baseline=self.baseline.learn_anew(adjusted, used))

    def acquainted(self, block: Block) -> SeriesEncoder:
        """With the season of series that training did not see, from all of their rows."""
        return replace(
            self, seasonality=self.seasonality.learn(block, np.ones(block.panel.n, bool))
        )

    def encode(self, block: Block) -> Encoded:
        """Rows and windows of a block."""
        observed = block.panel.values
        block, season = self.seasonality.adjust(block, self.horizon)
        panel = block.panel
        if self.refuses_missing:
            check_complete("past_covariates", block.past)
            check_complete("covariates", None if block.known is None else block.own_known)
        center, scale = self.scaling.of_series(block)
        now_center, now_scale = self.scaling.of_rows(block)
        level, spread = (now_center - center) / scale, now_scale / scale
        values, age = block.carried()
        values = np.where(np.isnan(values), level, (values - center) / scale)
        lengths = block.window_lengths(self.lookback)
        measures = {}
        for kind in self.kinds:
            own = level, spread
            if kind in OF_WINDOWS:
                own = self.window_scaling[kind].of_rows(values, spread, lengths)
            measures[kind] = Measure(*own, center + scale * own[0], scale * own[1])
        columns = [values[:, None]]
        self._check_size(columns[0], observed)
        if self.has_age:
            columns.append((age / (1 + age))[:, None])
        if self.has_gap:
            gaps = block.gaps()
            columns.append((gaps / (1 + gaps))[:, None])
        if self.beside:
            columns.append(values_beside(block, values, self.beside))
        if self.past is not None and block.past is not None:
            columns.append(self.past.encode(block.past, panel.bounds))
        future = self._future(block)
        if future is not None:
            columns.append(future[block.at])
        if self.static is not None and block.static is not None:
            of_series = self.static.encode(block.static, np.arange(panel.n_series + 1))
            columns.append(of_series[panel.codes])
        if self.embedded:
            numbers = np.array([self.embedded.get(name, -1) for name in panel.names])
            columns.append(numbers[panel.codes][:, None])
        simple = None
        if self.baseline is not None:
            simple = self.baseline.simple(block), self.baseline.weights_of(panel)
        return Encoded(
            rows=np.concatenate(columns, axis=1, dtype=self.dtype),
            starts=np.arange(panel.n) + 1 - lengths,
            lengths=lengths,
            future=None if future is None else future.astype(self.dtype),
            future_starts=None if future is None else block.at + 1,
            measures=measures,
            season=season,
            simple=simple,
            is_seen=all(name in self.scaling.scales for name in panel.names),
            dtype=self.dtype,
        )

    def _future(self, block: Block) -> np.ndarray | None:
        """Covariates and calendar at every stamp of the block and those that follow (K, C)."""
        parts = []
        if self.known is not None and block.known is not None:
            parts.append(self.known.encode(block.known, block.stamp_bounds))
        if self.calendar:
            found = [
                calendar_features(stamps, self.calendar, self.calendar_encoding)[0]
                for stamps in block.all_stamps
            ]
            parts.append(np.concatenate(found))
        return np.concatenate(parts, axis=1) if parts else None

    def _check_size(self, scaled: np.ndarray, values: np.ndarray) -> None:
        too_large = np.abs(scaled[:, 0]) > np.finfo(self.dtype).max
        if too_large.any():
            raise ValueError(
                f"series: expected numbers that are finite in {self.dtype} when scaled, got "
                f"{values[int(np.argmax(too_large))]}; correct it or choose dtype='float64'."
            )
