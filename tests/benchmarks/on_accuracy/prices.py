"""What can hardly be foretold: exchange rates and returns of stocks. Does the model know it?"""

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
    model_of,
    quietly,
)

NO_SKILL = 0.02  # less than this over the last value is none

STEPS = (3, 6, 12, 24)
TRAIN, VALIDATED = 0.6, 0.8  # shares of the rows
PUBLISHED = {
    "LSTNet": (0.0226, 0.0280, 0.0356, 0.0449), "RNN-GRU": (0.0192, 0.0264, 0.0408, 0.0626),
}  # fmt: skip
STATED = (0.0171, 0.0238, 0.0329, 0.0434)


def _step_errors(table: pd.DataFrame, step: int, forecast: np.ndarray) -> Values:
    """Of forecasts (n, series) of the test rows: beside their spread about one mean, and plain."""
    actual = table.to_numpy()[int(VALIDATED * len(table)) :]
    error = forecast - actual
    rse = float(np.sqrt((error**2).mean()) / actual.std())
    return {f"RSE, step {step}": rse, f"MAE, step {step}": float(np.abs(error).mean())}


def _exchange_floors(table: pd.DataFrame) -> dict[str, Values]:
    first, n_train = int(VALIDATED * len(table)), int(TRAIN * len(table))
    columns = [column.copy() for column in table.to_numpy().T]
    longest = max(STEPS)
    ridge = floors.Ridge(2 * longest, longest).fit([own[:n_train] for own in columns])
    functions: dict[str, floors.Forecast] = {
        "last value": partial(floors.last_value, horizon=longest),
        "drift": partial(floors.drift, horizon=longest),
        "ridge": ridge.forecast,
    }
    found: dict[str, Values] = {}
    for who, function in functions.items():
        found[who] = {}
        for step in STEPS:
            origins = np.arange(first - step, len(table) - step)
            made = np.stack([function(own, origins)[:, step - 1] for own in columns], axis=1)
            found[who] |= _step_errors(table, step, made)
    return found


def _exchange_ours(table: pd.DataFrame, seed: int, quick: bool) -> Values:
    first, n_train = int(VALIDATED * len(table)), int(TRAIN * len(table))
    longest = max(STEPS)
    share = (first - n_train) / first
    fixed = {"horizon": longest, "validation_fraction": share, "early_stopping": True}
    model = model_of(GRUForecaster, seed, quick, **fixed)
    model, found = fitted(model, table.iloc[:first])
    made = quietly(model.predict, table.iloc[first - longest :])  # from row first - longest on
    for step in STEPS:
        begin = longest - step
        own = made[begin : begin + len(table) - first, :, step - 1]
        found |= _step_errors(table, step, own)
    found["skill_ over the last value"] = float(model.skill_.loc["last value", "skill"])
    return found


def _exchange_cases(folder: Path) -> list[Case]:
    table = data.exchange_rates(folder)
    return [Case("all", partial(_exchange_floors, table), partial(_exchange_ours, table))]


def _exchange_rows(measured: Measured) -> list[Row]:
    rows = []
    for measure in ("RSE", "MAE"):
        for k, step in enumerate(STEPS):
            name = f"{measure}, step {step}"
            own = measured.floors("all", name)
            goal = Goal("<=", 1.02 * own["last value"]) if "last value" in own else None
            published = {who: v[k] for who, v in PUBLISHED.items()} if measure == "RSE" else {}
            rows.append(Row(name, measured.ours("all", name), own, published, goal))
    skill = "skill_ over the last value"
    rows.append(Row(skill, measured.ours("all", skill), goal=Goal("<", NO_SKILL)))
    rows += [Row(name, measured.ours("all", name)) for name in ("echo warnings", "minutes")]
    return rows


EXCHANGE = Protocol(
    "exchange",
    "Exchange rates, eight currencies, up to 24 steps",
    "60 % of the rows train, 20 % validate, 20 % are tested (LSTNet's protocol). One fit of 24 "
    "steps; RSE and MAE of single steps over all test rows and currencies. Goals: no more than 2 % "
    "above the last value, and skill_ (on the validation rows, whose errors are in units of each "
    "currency's naive error) claims less than 2 % over the last value.",
    _exchange_cases,
    _exchange_rows,
    {
        ("all", "last value", f"RSE, step {step}"): stated
        for step, stated in zip(STEPS, STATED, strict=True)
    },
)

STOCK_HORIZON, STOCK_SHARE = 5, 0.8
CLAIM = 0.02
CLAIMED, SHOWN = "skill claimed", "skill on test"


def _returns(folder: Path, ticker: str) -> tuple[pd.Series, int, np.ndarray]:
    """The series, how many rows train, and the origins of every forecast of whole test weeks."""
    series = data.log_returns(folder, ticker)
    n_train = int(STOCK_SHARE * len(series))
    return series, n_train, np.arange(n_train - 1, len(series) - STOCK_HORIZON)


def _stock_floors(folder: Path, ticker: str) -> dict[str, Values]:
    series, n_train, origins = _returns(folder, ticker)
    values = series.to_numpy()
    actual = floors.actuals(values, origins, STOCK_HORIZON)
    return {
        "mean": {"MAE": float(np.abs(actual - values[:n_train].mean()).mean())},
        "zero": {"MAE": float(np.abs(actual).mean())},
    }


def _stock_ours(folder: Path, ticker: str, seed: int, quick: bool) -> Values:
    series, n_train, origins = _returns(folder, ticker)
    actual = floors.actuals(series.to_numpy(), origins, STOCK_HORIZON)
    model = model_of(GRUForecaster, seed, quick, horizon=STOCK_HORIZON)
    model, found = fitted(model, series.iloc[:n_train])
    made = quietly(model.predict, series.iloc[n_train - 1 :])[: len(origins)]
    error = float(np.abs(actual - made).mean())
    best = min(one["MAE"] for one in _stock_floors(folder, ticker).values())
    claimed = float(model.skill_["skill"].min())  # over the best of its simple forecasts
    return found | {"MAE": error, SHOWN: 1 - error / best, CLAIMED: claimed}


def _stock_cases(folder: Path) -> list[Case]:
    return [
        Case(ticker, partial(_stock_floors, folder, ticker), partial(_stock_ours, folder, ticker))
        for ticker in data.TICKERS
    ]


def _stock_rows(measured: Measured) -> list[Row]:
    rows = []
    known = [ticker for ticker in data.TICKERS if measured.seeds(ticker)]
    for ticker in data.TICKERS:
        own = measured.floors(ticker, "MAE")
        rows.append(Row(f"{ticker}: MAE", measured.ours(ticker, "MAE"), own))
        rows += [Row(f"{ticker}: {name}", measured.ours(ticker, name)) for name in (SHOWN, CLAIMED)]
    if not known:
        return rows
    pairs = [
        (measured.of_seed(ticker, CLAIMED, s), measured.of_seed(ticker, SHOWN, s))
        for ticker in known
        for s in measured.seeds(ticker)
    ]
    claims = sum(claimed > CLAIM for claimed, _ in pairs)
    wrong = sum(claimed > CLAIM and shown < 0 for claimed, shown in pairs)
    rows += [
        Row("minutes of training, all", measured.combined(known, "minutes", sum)),
        Row("fits, all stocks and seeds", (len(pairs),)),
        Row("... whose test shows skill", (sum(shown > 0 for _, shown in pairs),)),
        Row("... that claim more than 2 %", (claims,)),
        Row("... of these, where the test shows less than 0", (wrong,), goal=Goal("<=", 0)),
    ]
    return rows


STOCKS = Protocol(
    "stocks",
    "Daily log returns of ten stocks, 5 days",
    "The newest 20 % are tested, from every row. Skill on test is 1 - error / error of the better "
    "of the training mean and zero; the skill claimed is the least of skill_, which is over the "
    "best of its simple forecasts on rows that did not train. Goal: no fit claims more than 2 % "
    "where the test shows less than none.",
    _stock_cases,
    _stock_rows,
)
