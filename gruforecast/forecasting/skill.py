"""Forecasts beside the simplest ones: last value, drift, mean, and the season repeated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from gruforecast.forecasting.block import Block
from gruforecast.forecasting.scaling import SeriesScaling
from gruforecast.forecasting.tails import Origin
from gruforecast.foundations.checks import warn_caller

ECHO_DISTANCE = 0.3  # of the errors of the last value: closer than this is an echo of it
LEAST_ERROR = 1e-3  # of a floor beside the forecast's, for a score
ROUNDING = 1e-12  # of a value, by which one that is foretold exactly may be missed
ECHO_SKILL = 0.02  # less than this over the last value is none


class EchoWarning(UserWarning):
    """The forecast hardly differs from the last value, and is hardly better."""


class Contest(NamedTuple):
    """What happened after some rows, and what the simplest forecasts said."""

    actual: np.ndarray  # (n, H) NaN where unknown or not to be judged
    floors: dict[str, np.ndarray]  # (n, H) by name
    error_scale: np.ndarray  # (n,) of the row's series, as in MASE; NaN without one

    def errors(self, mean: np.ndarray) -> tuple[float, float]:
        """Mean absolute error of forecasts (n, H), and the same in units of the error scale."""
        error = np.subtract(self.actual, mean)
        np.abs(error, out=error)
        error[error <= ROUNDING * np.abs(self.actual)] = 0.0
        count = (~np.isnan(error)).sum(axis=1)
        total = np.nansum(error, axis=1)
        with np.errstate(over="ignore"):
            scaled = total / self.error_scale
        fits = np.isfinite(scaled)
        n = count[fits].sum()
        with np.errstate(invalid="ignore"):
            raw = total.sum() / count.sum() if count.any() else np.nan
        return float(raw), float(scaled[fits].sum() / n) if n else np.nan

    def is_empty(self) -> bool:
        """Whether there is nothing to judge."""
        return bool(np.isnan(self.actual).all())

    def table(self, mean: np.ndarray) -> pd.DataFrame:
        """The forecast and every floor: mae, mase, and how much less the forecast errs."""
        rows = {"forecast": mean} | self.floors
        table = pd.DataFrame(
            {name: self.errors(values) for name, values in rows.items()}, index=["mae", "mase"]
        ).T
        by = "mae" if table["mase"].isna().any() else "mase"
        own = table.loc["forecast", by]
        with np.errstate(divide="ignore", invalid="ignore"):
            table["skill"] = 1.0 - np.divide(own, table[by].to_numpy())
        table.loc["forecast", "skill"] = np.nan
        return table

    def score(self, mean: np.ndarray) -> float:
        """1 - error / error of the best floor; 0 where both are without error.

        It is finite where a floor makes no error, so that means over folds stay so, too.
        """
        table = self.table(mean)
        by = "mae" if table["mase"].isna().any() else "mase"
        own, best = float(table[by].iloc[0]), float(table[by].iloc[1:].min())
        return 0.0 if own == 0.0 == best else 1.0 - own / max(best, LEAST_ERROR * own)

    def warn_of_echo(self, mean: np.ndarray) -> None:
        """Warn when forecasts are the last value in disguise."""
        last = self.floors["last value"]
        (raw, scaled), (raw_last, scaled_last) = self.errors(mean), self.errors(last)
        own, of_last = (raw, raw_last) if np.isnan(scaled) else (scaled, scaled_last)
        if of_last == 0.0:
            return
        raw, scaled = self._replace(actual=np.where(np.isnan(self.actual), np.nan, mean)).errors(
            last
        )
        distance = raw if np.isnan(scaled) else scaled
        skill = 1.0 - own / of_last
        if distance < ECHO_DISTANCE * of_last and skill < ECHO_SKILL:
            warn_caller(
                f"the forecast merely echoes the last value: it lies {distance / of_last:.0%} of "
                f"that one's error away from it and errs {abs(skill):.1%} "
                f"{'less' if skill > 0 else 'more'}; the series may not be predictable, else try "
                f"covariates, a longer lookback or another frequency.",
                EchoWarning,
            )


def make_contest(
    block: Block,
    rows: np.ndarray,
    actual: np.ndarray,
    season: int | None,
    origins: list[Origin],
    error_scale: np.ndarray,
) -> Contest:
    """What the floors say after some rows (n,) of a block.

    ``origins`` and ``error_scale`` (S,) are those of the series.
    """
    panel, horizon = block.panel, actual.shape[1]
    values, _ = block.carried()
    codes = panel.codes[rows]
    newest, now = values[rows], block.positions[rows]
    ahead = np.arange(1, horizon + 1)
    so_far = SeriesScaling({}, -np.inf, True).of_rows(block)[0][rows]  # of unseen series
    start, level, mean = np.array(origins, dtype=np.float64)[codes].T
    slope = (newest - level) / np.maximum(now - start, 1)
    floors = {
        "last value": np.repeat(newest[:, None], horizon, axis=1),
        "drift": newest[:, None] + slope[:, None] * ahead,
        "mean": np.repeat(np.where(np.isnan(mean), so_far, mean)[:, None], horizon, axis=1),
    }
    if season is not None and season > 1:
        n = min(season, horizon)
        repeat = np.empty((len(rows), n))
        for h in range(n):
            repeat[:, h] = _at(block, values, rows, codes, now + h + 1 - season)
        floors["seasonal repeat"] = repeat[:, np.arange(horizon) % season]
    known = ~np.isnan(newest)
    return Contest(np.where(known[:, None], actual, np.nan), floors, np.asarray(error_scale)[codes])


def _at(
    block: Block, values: np.ndarray, rows: np.ndarray, codes: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """The value at or before each place (n,) of the row's series, else that of its first row."""
    at = block.newest_at(codes, places)
    found = values[np.clip(at, block.panel.bounds[:-1][codes], rows)]
    return np.asarray(np.where(np.isnan(found), values[rows], found))


def naive_error(block: Block, used: np.ndarray, season: int | None) -> np.ndarray:
    """Mean absolute error of repeating each series' season on the rows used (S,), as in MASE."""
    panel, wanted = block.panel, block.positions - (season or 1)
    values = np.where(used, panel.values, np.nan)
    at = block.newest_at(panel.codes, wanted)
    is_there = (at >= panel.bounds[:-1][panel.codes]) & (block.positions[at] == wanted)
    changes = np.abs(values - np.where(is_there, values[at], np.nan))
    out = np.full(panel.n_series, np.nan)
    for s, (a, b) in enumerate(panel.pairs()):
        if not np.isnan(changes[a:b]).all():
            out[s] = np.nanmean(changes[a:b])
    return np.where(out > 0, out, np.nan)
