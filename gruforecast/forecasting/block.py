"""Rows of series with what is known beside them, and the stamps that follow each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.forecasting.covariates import rows_at
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.panel import Panel

Lookup = Callable[[Any], pd.DataFrame]  # name of a series -> its rows, by stamp


@dataclass(frozen=True)
class Beside:
    """Where to find what is known beside the series; None where training had none."""

    known: Lookup | None = None  # in the future, too
    past: Lookup | None = None
    static: pd.DataFrame | None = None  # (S, .) one row per series, in order


@dataclass(frozen=True)
class Block:
    """Rows of a panel with their places in time.

    Where something is known of the future, a table holds every stamp of a series, those that were
    left out, and those that follow, up to ``horizon`` steps after each row.
    """

    panel: Panel
    positions: np.ndarray  # (n,) of the rows; neighbouring steps are 1 apart
    past: pd.DataFrame | None  # (n, .)
    static: pd.DataFrame | None  # (S, .)
    known: pd.DataFrame | None  # (K, .) at every stamp
    all_stamps: list[pd.Index]  # (S,) of the table
    stamp_bounds: np.ndarray  # (S + 1,)
    at: np.ndarray  # (n,) where each row stands in the table

    @classmethod
    def build(
        cls,
        panel: Panel,
        cadence: Cadence,
        horizon: int,
        beside: Beside,
        *,
        has_future: bool,
        n_required: int = 0,
        n_foretold: int = 0,
        following: pd.Index | None = None,
        is_training: bool = False,
    ) -> Block:
        """Find everything that belongs to the rows of a panel.

        Of what is known in the future, the ``n_required`` steps after the last row must be there;
        ``following`` are their stamps if these do not follow from the cadence. The last
        ``n_foretold`` rows of each series are forecasts, of which nothing else is known. In
        training what follows the last row is left out.
        """
        numbered = {id(stamps): stamps for stamps in panel.stamps}  # a table's columns share them
        try:
            found = {key: cadence.positions(stamps) for key, stamps in numbered.items()}
        except ValueError as problem:
            if panel.n_series == 1:
                raise
            raise ValueError(
                f"{problem} All series of a fit go on in the same rhythm, that of the longest."
            ) from None
        positions = [found[id(stamps)] for stamps in panel.stamps]
        past, known, all_stamps, places = [], [], [], []
        for name, own, steps in zip(panel.names, panel.stamps, positions, strict=True):
            if beside.past is not None:
                observed = np.arange(len(own)) < len(own) - n_foretold
                past.append(rows_at("past_covariates", beside.past(name), name, own, observed))
            if not has_future:
                continue
            stamps, at = _with_following(own, steps, cadence, horizon, following)
            all_stamps.append(stamps)
            places.append(at)
            if beside.known is not None:
                required = np.zeros(len(stamps), bool)
                required[at] = True
                required[at[-1] + 1 : at[-1] + 1 + n_required] = True
                found_rows = rows_at("covariates", beside.known(name), name, stamps, required)
                if is_training:
                    own_rows = found_rows.iloc[: at[-1] + 1].reset_index(drop=True)
                    found_rows = own_rows.reindex(range(len(stamps))).set_axis(stamps)
                known.append(found_rows)
        bounds = np.concatenate([[0], np.cumsum([len(stamps) for stamps in all_stamps])])
        offsets = [at + begin for at, begin in zip(places, bounds[:-1], strict=True)]
        return cls(
            panel=panel,
            positions=np.concatenate(positions),
            past=pd.concat(past) if past else None,
            static=beside.static,
            known=pd.concat(known) if known else None,
            all_stamps=all_stamps,
            stamp_bounds=bounds.astype(np.int64),
            at=np.concatenate(offsets) if offsets else np.zeros(panel.n, np.int64),
        )

    @property
    def own_known(self) -> pd.DataFrame:
        """What is known at the rows themselves (n, .)."""
        assert self.known is not None
        return self.known.iloc[self.at]

    @cached_property
    def _places(self) -> tuple[np.ndarray, int, int]:
        """A number for each row that rises through all series; the least position, and a span."""
        least, span = int(self.positions.min()), int(np.ptp(self.positions)) + 2
        return self.panel.codes * span + (self.positions - least + 1), least, span

    def newest_at(self, codes: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """The newest row of a series at or before a position (n,).

        Where it has none that is a row of the series before it, or -1.
        """
        places, least, span = self._places
        wanted = np.clip(positions - least + 1, 0, span - 1)
        return np.asarray(np.searchsorted(places, codes * span + wanted, side="right") - 1)

    def gaps(self) -> np.ndarray:
        """Stamps left out directly before each row (n,)."""
        gaps = np.diff(self.positions, prepend=self.positions[:1]) - 1
        gaps[self.panel.bounds[:-1]] = 0
        return np.asarray(np.maximum(gaps, 0))

    def window_lengths(self, lookback: int) -> np.ndarray:
        """Rows of the window that ends in each row (n,), from the first observation on."""
        known = ~np.isnan(self.panel.values)
        begins = [a + int(np.argmax(known[a:b])) for a, b in self.panel.pairs()]
        begin = np.array(begins)[self.panel.codes]
        return np.asarray(np.clip(np.arange(self.panel.n) + 1 - begin, 1, lookback))

    def carried(self) -> tuple[np.ndarray, np.ndarray]:
        """The newest value up to each row (n,), NaN before the first, and its age in steps."""
        values = self.panel.values
        rows = np.arange(len(values))
        begin = self.panel.bounds[:-1][self.panel.codes]
        newest = np.maximum.accumulate(np.where(np.isnan(values), -1, rows))
        inside = newest >= begin
        since = self.positions - self.positions[np.where(inside, newest, begin)] + ~inside
        return np.where(inside, values[newest], np.nan), since


def _with_following(
    stamps: pd.Index,
    positions: np.ndarray,
    cadence: Cadence,
    horizon: int,
    following: pd.Index | None,
) -> tuple[pd.Index, np.ndarray]:
    """Stamps of a series with those up to ``horizon`` steps after each, and where its own stand."""
    steps = np.minimum(np.diff(positions), horizon + 1)
    at = np.concatenate([[0], np.cumsum(steps)])
    holes = np.flatnonzero(steps > 1)
    if following is None:
        is_told = cadence.kind != "rows"
        following = cadence.future(stamps[-1], horizon) if is_told else stamps[-1:]
    following = following[:horizon]
    following = following.append(following[-1:].repeat(horizon - len(following)))
    numbers = [at[row] + np.arange(1, steps[row]) for row in holes]
    if holes.size and cadence.kind == "grid":  # the whole line at once
        line = cadence.future(stamps[0], int(positions[-1] - positions[0]))
        offsets = [positions[row] - positions[0] + np.arange(steps[row] - 1) for row in holes]
        left_out = [line[np.concatenate(offsets)]]
    else:
        left_out = [cadence.future(stamps[row], int(steps[row]) - 1) for row in holes]
    order = np.argsort(np.concatenate([at, *numbers, at[-1] + 1 + np.arange(horizon)]))
    return stamps.append([*left_out, following])[order], at
