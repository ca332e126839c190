"""Many series of one kind, each forecast once: M4 Hourly and NN5."""

from __future__ import annotations

from functools import partial
from pathlib import Path

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
    mean,
    model_of,
    quietly,
)

M4_HORIZON, M4_SEASON = 48, 24
M4_PUBLISHED = {  # on the competition's own test values
    "ES-RNN, the winner": (9.328, 0.893, 0.440),
    "best of all": (8.913, 0.801, 0.410),
    "seasonal repeat": (13.912, 1.193, 0.627),
    "Naive2": (18.383, 2.395, 1.0),
    "RNN": (14.698, 3.048, 1.036),
}
M4_MEASURES = ("sMAPE", "MASE", "OWA")


def _m4_scores(series: dict[str, np.ndarray], forecasts: dict[str, np.ndarray]) -> Values:
    """Means over series; OWA beside Naive2 on the same values."""
    scores = {"own": [], "naive2": []}  # type: dict[str, list[tuple[float, float]]]
    for name, values in series.items():
        known, actual = values[:-M4_HORIZON], values[-M4_HORIZON:]
        unit = floors.naive_error(known, M4_SEASON)
        both = {"own": forecasts[name], "naive2": floors.naive2(known, M4_HORIZON, M4_SEASON)}
        for who, forecast in both.items():
            error = float(np.abs(actual - forecast).mean())
            scaled = error / unit if unit > 0 else np.nan
            scores[who].append((floors.smape(actual, forecast), scaled))
    own, naive2 = (np.nanmean(np.array(scores[who]), axis=0) for who in ("own", "naive2"))
    return {"sMAPE": own[0], "MASE": own[1], "OWA": float(np.mean(own / naive2))}


def _m4_floors(series: dict[str, np.ndarray]) -> dict[str, Values]:
    known = {name: values[:-M4_HORIZON] for name, values in series.items()}
    ridge = floors.Ridge(2 * M4_HORIZON, M4_HORIZON).fit(list(known.values()))
    functions: dict[str, floors.Forecast] = {
        "Naive2": lambda v, o: floors.naive2(v, M4_HORIZON, M4_SEASON)[None],
        "last value": partial(floors.last_value, horizon=M4_HORIZON),
        "seasonal repeat": partial(
            floors.mean_of_seasons, horizon=M4_HORIZON, season=M4_SEASON, n_seasons=1
        ),
        "mean of four days": partial(floors.mean_of_seasons, horizon=M4_HORIZON, season=M4_SEASON),
        "ridge": ridge.forecast,
    }
    return {
        who: _m4_scores(
            series, {name: f(v, np.array([len(v) - 1]))[0] for name, v in known.items()}
        )
        for who, f in functions.items()
    }


def _m4_ours(series: dict[str, np.ndarray], seed: int, quick: bool) -> Values:
    known = [pd.Series(values[:-M4_HORIZON]) for values in series.values()]
    table = pd.concat(known, keys=list(series), names=["series", "hour"])
    model = model_of(GRUForecaster, seed, quick, horizon=M4_HORIZON, season=M4_SEASON)
    model, found = fitted(model, table)
    made = quietly(model.forecast, M4_HORIZON)["mean"]
    forecasts = {str(name): own.to_numpy() for name, own in made.groupby(level=0, sort=False)}
    return _m4_scores(series, forecasts) | found


def _m4_cases(folder: Path) -> list[Case]:
    series = data.m4_hourly(folder)
    return [Case("all", partial(_m4_floors, series), partial(_m4_ours, series))]


def _m4_rows(measured: Measured) -> list[Row]:
    return [
        Row(
            measure,
            measured.ours("all", measure),
            measured.floors("all", measure),
            {who: scores[m] for who, scores in M4_PUBLISHED.items()},
            Goal("<", 0.50) if measure == "OWA" else None,
        )
        for m, measure in enumerate(M4_MEASURES)
    ] + [Row("minutes of training", measured.ours("all", "minutes"))]


M4 = Protocol(
    "m4",
    "M4 Hourly, 414 series, 48 steps",
    "The last 48 values of each series are tested, all others train (the competition's test values "
    "are not public here, so that published numbers stand beside others' days). OWA is relative to "
    "Naive2 on the same values.",
    _m4_cases,
    _m4_rows,
)

NN5_HORIZON, NN5_SEASON = 56, 7
NN5_PUBLISHED = {
    "TBATS": 3.70, "DeepAR": 3.94, "WaveNet": 3.97, "Transformer": 4.16, "N-BEATS": 4.92,
}  # fmt: skip
NN5_FLOOR = "mean of four weeks"


def _nn5_error(table: pd.DataFrame, forecast: np.ndarray) -> Values:
    """Forecasts (series, horizon): the mean over series of each one's mean."""
    error = np.abs(table.to_numpy()[-NN5_HORIZON:] - forecast.T)
    return {"MAE": mean(np.nanmean(error, axis=0))}


def _nn5_floors(table: pd.DataFrame) -> dict[str, Values]:
    known = [column.copy() for column in table.to_numpy()[:-NN5_HORIZON].T]
    ridge = floors.Ridge(2 * NN5_HORIZON, NN5_HORIZON).fit(known)
    repeat = partial(floors.mean_of_seasons, horizon=NN5_HORIZON, season=NN5_SEASON)
    functions: dict[str, floors.Forecast] = {
        NN5_FLOOR: repeat,
        "seasonal repeat": partial(repeat, n_seasons=1),
        "last value": partial(floors.last_value, horizon=NN5_HORIZON),
        "ridge": ridge.forecast,
    }
    newest = np.array([len(known[0]) - 1])
    return {
        who: _nn5_error(table, np.stack([function(own, newest)[0] for own in known]))
        for who, function in functions.items()
    }


def _nn5_ours(table: pd.DataFrame, seed: int, quick: bool) -> Values:
    model = model_of(GRUForecaster, seed, quick, horizon=NN5_HORIZON, season=NN5_SEASON)
    model, found = fitted(model, table.iloc[:-NN5_HORIZON])
    made = quietly(model.forecast, NN5_HORIZON)[list(table.columns)]
    return _nn5_error(table, made.to_numpy().T) | found


def _nn5_cases(folder: Path) -> list[Case]:
    table = data.nn5(folder)
    return [Case("all", partial(_nn5_floors, table), partial(_nn5_ours, table))]


def _nn5_rows(measured: Measured) -> list[Row]:
    own = measured.floors("all", "MAE")
    goal = Goal("<=", 0.97 * own[NN5_FLOOR]) if NN5_FLOOR in own else None
    return [
        Row("MAE", measured.ours("all", "MAE"), own, NN5_PUBLISHED, goal),
        Row("minutes of training", measured.ours("all", "minutes")),
    ]


NN5 = Protocol(
    "nn5",
    "NN5, 111 cash machines, 56 days",
    "The last 56 days are tested, all others train. The mean absolute error of each machine over "
    "the days that have a value, then the mean. Published numbers are of the 56 days that follow. "
    f"Goal: 3 % below the {NN5_FLOOR} (the last four same weekdays).",
    _nn5_cases,
    _nn5_rows,
)
