"""One series at a time: ozone in Valencia, and further series as evidence."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast import GRUForecaster
from tests.benchmarks.on_accuracy import data, floors
from tests.benchmarks.on_accuracy.core import (
    Case,
    Goal,
    Measured,
    Protocol,
    Row,
    Values,
    fitted,
    model_of,
    quietly,
)


class Split(NamedTuple):
    """A series, how many rows are passed to fit, and what is asked."""

    series: pd.Series
    n_fit: int
    n_train: int  # rows that floors learn from
    horizon: int
    season: int

    @property
    def lookback(self) -> int:
        """Of the ridge: two seasons or two horizons, but at most a quarter of the rows."""
        return max(1, min(max(2 * self.season, 2 * self.horizon, 16), self.n_fit // 4))

    @property
    def origins(self) -> np.ndarray:
        """Every row from which something in the test rows can be foretold."""
        return np.arange(self.n_fit - 1, len(self.series) - 1)


FOLDS, EVERY = "one after another", "from every row"


def errors(split: Split, forecast: np.ndarray) -> Values:
    """Mean absolute errors of forecasts (origins, H): of folds, and of all whole ones."""
    actual = floors.actuals(split.series.to_numpy(), split.origins, split.horizon)
    error = np.abs(actual - forecast)
    whole = len(error) - split.horizon + 1
    return {
        FOLDS: float(np.nanmean(error[:: split.horizon])),  # the last may be cut short
        EVERY: float(np.nanmean(error[:whole])),
    }


def floor_errors(split: Split) -> dict[str, Values]:
    """Of every simple forecast, and of the ridge."""
    values, horizon = split.series.to_numpy(), split.horizon
    ridge = floors.Ridge(split.lookback, horizon).fit([values[: split.n_train]])
    repeat = partial(floors.mean_of_seasons, horizon=horizon, season=split.season)
    functions: dict[str, floors.Forecast] = {
        "last value": partial(floors.last_value, horizon=horizon),
        "drift": partial(floors.drift, horizon=horizon),
        "mean": partial(floors.training_mean, horizon=horizon, n_train=split.n_train),
        "seasonal repeat": partial(repeat, n_seasons=1),
        "mean of four seasons": repeat,
        "ridge": ridge.forecast,
    }
    return {who: errors(split, f(values, split.origins)) for who, f in functions.items()}


def our_errors(split: Split, seed: int, quick: bool, **fixed: Any) -> Values:
    """A backtest with one fit: ``predict`` is the forecast from every row."""
    model = model_of(GRUForecaster, seed, quick, horizon=split.horizon, **fixed)
    model, found = fitted(model, split.series.iloc[: split.n_fit])
    made = quietly(model.predict, split.series.iloc[split.n_fit - 1 :])
    return errors(split, made[: len(split.origins)]) | found


VALIDATION, TEST = pd.Timestamp("2021-04-01"), pd.Timestamp("2021-10-01")
OZONE_GOALS = {"5": Goal("<=", 8.0), "1": Goal("<", 6.33)}
OZONE_PUBLISHED = {"5": {"skforecast's LSTM": 9.561}, "1": {"skforecast's LSTM": 18.16}}


def _ozone(folder: Path, horizon: int) -> tuple[Split, float]:
    """The split, and the share of the rows passed to fit that validates."""
    series = data.ozone(folder)
    n_train, n_fit = series.index.searchsorted([VALIDATION, TEST])
    return Split(series, int(n_fit), int(n_train), horizon, 24), float(1 - n_train / n_fit)


def _ozone_floors(folder: Path, horizon: int) -> dict[str, Values]:
    return floor_errors(_ozone(folder, horizon)[0])


def _ozone_ours(folder: Path, horizon: int, seed: int, quick: bool) -> Values:
    split, share = _ozone(folder, horizon)
    return our_errors(split, seed, quick, validation_fraction=share, early_stopping=True)


def _ozone_cases(folder: Path) -> list[Case]:
    data.ozone(folder)
    return [
        Case(str(h), partial(_ozone_floors, folder, h), partial(_ozone_ours, folder, h))
        for h in (5, 1)
    ]


def _ozone_rows(measured: Measured) -> list[Row]:
    rows = []
    for case, label, name in (
        ("5", "MAE, 5 steps, one fold after another", FOLDS),
        ("5", "MAE, 5 steps, from every row", EVERY),
        ("1", "MAE, 1 step", FOLDS),
    ):
        is_judged = name == FOLDS
        rows.append(
            Row(
                label,
                measured.ours(case, name),
                measured.floors(case, name),
                OZONE_PUBLISHED[case] if is_judged else {},
                OZONE_GOALS[case] if is_judged else None,
            )
        )
    rows.append(Row("minutes of training, both", measured.combined(("5", "1"), "minutes", sum)))
    return rows


OZONE = Protocol(
    "ozone",
    "Ozone in Valencia, hourly, 5 steps and 1",
    "Hours to March 2021 train, to September validate, October to December are tested without a "
    "new fit; a fit for each horizon. Goals: 8.0 at 5 steps, below the last value at 1.",
    _ozone_cases,
    _ozone_rows,
    {("5", "last value", FOLDS): 13.37, ("1", "last value", FOLDS): 6.33},
)


def _other(folder: Path, name: str) -> Split:
    """Four fifths to fit, and the estimator's usual horizon: a season, at most a tenth of them."""
    series = data.other_series(folder, name)
    n_fit, season = len(series) * 4 // 5, data.SEASONS[name]
    return Split(series, n_fit, n_fit, max(1, min(season, n_fit // 10)), season)


def _other_floors(folder: Path, name: str) -> dict[str, Values]:
    return floor_errors(_other(folder, name))


def _other_ours(folder: Path, name: str, seed: int, quick: bool) -> Values:
    split = _other(folder, name)
    return our_errors(split, seed, quick, season=split.season)


def _other_cases(folder: Path) -> list[Case]:
    return [
        Case(name, partial(_other_floors, folder, name), partial(_other_ours, folder, name))
        for name in data.SEASONS
    ]


def _other_rows(measured: Measured) -> list[Row]:
    rows = []
    for name in data.SEASONS:
        for label, measure in (("MAE", FOLDS), ("MAE from every row", EVERY)):
            own = measured.floors(name, measure)
            ours = measured.ours(name, measure)
            rows.append(Row(f"{name}: {label}", ours, own))
            if measure == FOLDS and own:
                best = min(own.values())
                skill = tuple(1 - one / best for one in ours)
                rows.append(Row(f"{name}: skill over the best floor", skill))
    known = [name for name in data.SEASONS if measured.seeds(name)]
    if known:
        minutes = measured.combined(known, "minutes", sum)
        rows.append(Row("minutes of training, all", minutes))
    return rows


OTHERS = Protocol(
    "others",
    "Other series",
    "The newest fifth is tested with one fit and the usual horizon (a season), one forecast after "
    "another and from every row. Evidence without goals.",
    _other_cases,
    _other_rows,
)
