"""ETTh1: seven columns, look-back 96, four long horizons."""

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

TRAIN, VALIDATED, ROWS, LOOKBACK = 8640, 11520, 14400, 96
HORIZONS = (96, 192, 336, 720)
PUBLISHED = {  # MSE and MAE at the four horizons
    "SegRNN": ((0.368, 0.408, 0.444, 0.446), (0.395, 0.419, 0.440, 0.457)),
    "iTransformer": ((0.386, 0.441, 0.487, 0.503), (0.405, 0.436, 0.458, 0.491)),
    "PatchTST": ((0.414, 0.460, 0.501, 0.500), (0.419, 0.445, 0.466, 0.488)),
    "DLinear": ((0.386, 0.437, 0.481, 0.519), (0.400, 0.432, 0.459, 0.516)),
    "plain GRU": ((1.135, 1.123, 1.080, 1.089), (0.844, 0.814, 0.807, 0.822)),
}
STATED = {
    "ridge": ((0.383, 0.434, 0.474, 0.461), (0.392, 0.421, 0.441, 0.456)),
    "last 24 h": ((0.512, 0.581, 0.650, 0.655), (0.433, 0.469, 0.501, 0.514)),
    "training mean": ((1.110, 1.111, 1.107, 1.097), (0.796, 0.798, 0.800, 0.802)),
}
MEASURES = ("MSE", "MAE")


def _scaled(folder: Path) -> pd.DataFrame:
    table = data.ett(folder)
    training = table.iloc[:TRAIN]
    return (table - training.mean()) / training.std(ddof=0)


def _errors(forecast: np.ndarray, actual: np.ndarray) -> Values:
    """Plain means over windows, columns and steps, a block of windows at a time."""
    squared = absolute = 0.0
    for begin in range(0, len(actual), 256):
        error = forecast[begin : begin + 256] - actual[begin : begin + 256]
        squared += float((error**2).sum(dtype=float))
        absolute += float(np.abs(error).sum(dtype=float))
    return {"MSE": squared / actual.size, "MAE": absolute / actual.size}


def _actual(table: pd.DataFrame, horizon: int) -> np.ndarray:
    """What every test window is to foretell (windows, 7, horizon), as a view."""
    test = table.to_numpy()[VALIDATED:ROWS]
    return np.lib.stride_tricks.sliding_window_view(test, horizon, axis=0)


def _floors(folder: Path, horizon: int) -> dict[str, Values]:
    table = _scaled(folder)
    columns = [column.copy() for column in table.to_numpy().T]
    ridge = floors.Ridge(LOOKBACK, horizon).fit([own[:TRAIN] for own in columns])
    origins = np.arange(VALIDATED - 1, ROWS - horizon)
    functions: dict[str, floors.Forecast] = {
        "ridge": ridge.forecast,
        "last 24 h": partial(floors.mean_of_seasons, horizon=horizon, season=24, n_seasons=1),
        "last value": partial(floors.last_value, horizon=horizon),
        "training mean": partial(floors.training_mean, horizon=horizon, n_train=TRAIN),
    }
    actual = _actual(table, horizon)
    found = {}
    for name, function in functions.items():
        parts = [_errors(function(own, origins), actual[:, c]) for c, own in enumerate(columns)]
        found[name] = {measure: mean(p[measure] for p in parts) for measure in MEASURES}
    return found


def _ours(folder: Path, horizon: int, seed: int, quick: bool) -> Values:
    table = _scaled(folder).iloc[:ROWS]
    share = (VALIDATED - TRAIN) / VALIDATED  # the validation rows, neither more nor less
    model = model_of(
        GRUForecaster, seed, quick,
        horizon=horizon, lookback=LOOKBACK, validation_fraction=share, early_stopping=True,
    )  # fmt: skip
    model, found = fitted(model, table.iloc[:VALIDATED])
    forecast = quietly(model.predict, table.iloc[VALIDATED - 1 :])
    actual = _actual(table, horizon)
    return _errors(forecast[: len(actual)], actual) | found


def _cases(folder: Path) -> list[Case]:
    data.ett(folder)
    return [Case(str(h), partial(_floors, folder, h), partial(_ours, folder, h)) for h in HORIZONS]


def _rows(measured: Measured) -> list[Row]:
    rows, cases = [], [str(h) for h in HORIZONS]
    for m, measure in enumerate(MEASURES):
        for h, case in enumerate(cases):
            published = {who: both[m][h] for who, both in PUBLISHED.items()}
            own = measured.floors(case, measure)
            goal = None
            if measure == "MSE" and "ridge" in own:
                goal = Goal("<", min(own["ridge"], published["iTransformer"]))
            label = f"{measure}, {case} steps"
            rows.append(Row(label, measured.ours(case, measure), own, published, goal))
        rows.append(
            Row(
                f"{measure}, mean of the four",
                measured.combined(cases, measure, mean),
                measured.combined_floors(cases, measure, mean),
                {who: mean(both[m]) for who, both in PUBLISHED.items()},
                Goal("<=", {"MSE": 0.416, "MAE": 0.428}[measure]),
            )
        )
    minutes = measured.combined(cases, "minutes", sum)
    rows.append(Row("minutes of training, all four", minutes, goal=Goal("<", 10.0)))
    if all("GiB" in measured.values(case) for case in cases):
        rows.append(Row("peak memory, GiB", measured.combined(cases, "GiB", max)))
    return rows


ETTH1 = Protocol(
    "etth1",
    "ETTh1, seven columns, look-back 96",
    "Rows 0 to 8639 train, 8640 to 11519 validate, every window of 11520 to 14399 is tested. "
    "Errors are in units of each column's deviation in training, plain means over windows, "
    "columns and steps. Goal at each horizon: below the ridge and iTransformer.",
    _cases,
    _rows,
    {
        (str(horizon), who, measure): both[m][h]
        for who, both in STATED.items()
        for m, measure in enumerate(MEASURES)
        for h, horizon in enumerate(HORIZONS)
    },
)
