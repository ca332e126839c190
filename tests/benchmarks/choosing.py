"""What each choice does to the skill of a forecast: one change at a time, on real series.

    python -m tests.benchmarks.choosing --data DIR [--seeds 3] [--only parameters loss]

Evidence for docs/choosing.md. Each model learns from the first four fifths of a series and is
judged on the rest: the mean over seeds, and half the distance between the best and the worst of
them. ``parameters`` changes one choice of a plain network, ``loss`` compares losses by several
measures on daily rain, ``missing`` hides values of a load, ``together`` trains one network for ten
series and one for each, ``exploding`` takes the clip away from a plain recurrent network.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gruforecast import GRUForecaster, load_seattle
from tests.benchmarks.real_series import SERIES, data_argument, plain, split

LONG = {"early_stopping": False}
CHANGES: dict[str, dict[str, Any]] = {
    "a plain network": {},
    "lookback of half a season": {"seasons": 0.5},
    "lookback of one season": {"seasons": 1},
    "lookback of four seasons": {"seasons": 4},
    "hidden_size=8": {"hidden_size": 8},
    "hidden_size=64": {"hidden_size": 64},
    "num_layers=2": {"num_layers": 2},
    'cell="lstm"': {"cell": "lstm"},
    'cell="rnn"': {"cell": "rnn"},
    "learning_rate=0.001": {"learning_rate": 0.001},
    "learning_rate=0.02": {"learning_rate": 0.02},
    'learning_rate_schedule="one_cycle"': {"learning_rate_schedule": "one_cycle"},
    "batch_size=16": {"batch_size": 16},
    "batch_size=256": {"batch_size": 256},
    "recurrent_dropout=0.3": {"recurrent_dropout": 0.3},
    "alpha=0.001": {"alpha": 1e-3},
    "early_stopping=True": {"early_stopping": True},
    "early_stopping=False": LONG,
    "... and recurrent_dropout=0.3": LONG | {"recurrent_dropout": 0.3},
    "... and alpha=0.01": LONG | {"alpha": 1e-2},
}
LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "gaussian", "student_t")


def fitted(training: Any, seed: int, **choices: Any) -> GRUForecaster:
    """A plain model; series without skill and losses that explode are part of the evidence."""
    choices = plain(training, choices.get("horizon", 1), choices.get("season")) | choices
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GRUForecaster(random_state=seed, **choices).fit(training)


def hourly_load(folder: Path) -> pd.Series:
    """Half-hourly load, two by two."""
    halves = SERIES["half-hourly load"][0](folder).to_numpy()
    return pd.Series(halves.reshape(-1, 2).mean(axis=1), name="load")


def steps_ahead(values: np.ndarray, horizon: int) -> np.ndarray:
    """What followed each row (n, ..., horizon), NaN after the end."""
    padded = np.concatenate([values, np.full((horizon, *values.shape[1:]), np.nan)])
    return np.stack([padded[h : h + len(values)] for h in range(1, horizon + 1)], axis=-1)


def line(label: str, measures: list[list[float]]) -> None:
    """A row of a table: mean over seeds, and half the distance between the extremes."""
    cells = (f"{np.mean(m):>8.3f} ±{np.ptp(m) / 2:<6.3f}" for m in measures)
    print(f"{label:<36}", *cells, flush=True)


def parameters(folder: Path, seeds: int) -> None:
    """Skill over the best simple forecast, with one choice changed."""
    data = {
        "Seattle": (load_seattle()["temp_max"], {"horizon": 7, "season": 7}),
        "hourly load": (hourly_load(folder), {"horizon": 24, "season": 24}),
        "air passengers": (SERIES["air passengers"][0](folder), {"horizon": 12, "season": 12}),
        "S&P 500": (SERIES["S&P 500"][0](folder), {"horizon": 5, "season": 5}),
    }
    print(f"{'skill':<36}", *(f"{name:>16}" for name in data))
    for label, change in CHANGES.items():
        row = []
        for series, choices in data.values():
            training, test = split(series, 0.8)
            changed = {**choices, **change}
            if seasons := changed.pop("seasons", None):
                changed["lookback"] = int(np.ceil(seasons * choices["season"]))
            row.append([fitted(training, s, **changed).score(test) for s in range(seeds)])
        line(label, row)


def loss(_: Path, seeds: int) -> None:
    """Rain of the next week: what the forecast is good at depends on the loss."""
    training, test = split(load_seattle()["precipitation"], 0.8)
    actual = steps_ahead(test.to_numpy(), 7)
    print(f"{'rain':<36}", *(f"{name:>16}" for name in ("mean |error|", "root mean sq", "bias")))
    for name in LOSSES:
        measures = []
        for seed in range(seeds):
            model = fitted(training, seed, horizon=7, loss=name)
            error = model.predict(test) - actual
            root = np.sqrt(np.nanmean(error**2))
            measures.append([np.nanmean(abs(error)), root, np.nanmean(error)])
        line(name, np.transpose(measures).tolist())


def missing(folder: Path, seeds: int) -> None:
    """Errors over all values of a load of which a share was hidden, six hours in a run."""
    series = hourly_load(folder)
    actual = steps_ahead(split(series, 0.8)[1].to_numpy(), 24)
    print(f"{'hourly load, mean |error|':<36}", *(f"{s:>16.0%}" for s in (0.0, 0.2, 0.5)))
    for rule in ("mask", "ffill"):
        row = []
        for share in (0.0, 0.2, 0.5):
            runs = np.random.default_rng(0).random(len(series) // 6 + 1) < share
            training, test = split(series.mask(np.repeat(runs, 6)[: len(series)]), 0.8)
            models = (
                fitted(training, s, horizon=24, season=24, missing=rule) for s in range(seeds)
            )
            row.append([float(np.nanmean(abs(m.predict(test) - actual))) for m in models])
        line(f'missing="{rule}"', row)


def together(folder: Path, seeds: int) -> None:
    """Ten cash machines: error in units of that of last week's values, mean over machines."""
    wide = SERIES["NN5 cash machines"][0](folder).unstack(0).iloc[:, :10]
    training, test = split(wide, 0.8)
    actual = steps_ahead(test.to_numpy(), 14)
    naive = training.diff(7).abs().mean().to_numpy()

    def error(predicted: np.ndarray) -> float:
        return float((np.nanmean(abs(predicted - actual), axis=(0, 2)) / naive).mean())

    def alone(seed: int, **choices: Any) -> float:
        models = [fitted(training[name], seed, horizon=14, **choices) for name in wide]
        predicted = [m.predict(test[name]) for m, name in zip(models, wide, strict=True)]
        return error(np.stack(predicted, axis=1))

    def joint(seed: int) -> float:
        return error(fitted(training, seed, horizon=14).predict(test))

    print("ten cash machines, error / naive error")
    line("one network each", [[alone(s) for s in range(seeds)]])
    line("... with early_stopping=True", [[alone(s, early_stopping=True) for s in range(seeds)]])
    line("one network for all", [[joint(s) for s in range(seeds)]])


def exploding(folder: Path, seeds: int) -> None:
    """Skill of a plain recurrent network that learns by gradient descent."""
    training, test = split(hourly_load(folder), 0.8)
    choices = {"cell": "rnn", "optimizer": "sgd", "learning_rate": 0.05, "max_iter": 30}
    choices |= {"horizon": 24, "season": 24}
    print("hourly load, skill of an RNN with sgd")
    for clip in (1.0, None):
        models = (fitted(training, s, clip_norm=clip, **choices) for s in range(seeds))
        line(f"clip_norm={clip}", [[m.score(test) for m in models]])


PARTS = {f.__name__: f for f in (parameters, loss, missing, together, exploding)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_argument(parser)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=PARTS, nargs="*", default=list(PARTS))
    arguments = parser.parse_args()
    for name in arguments.only:
        begin = time.perf_counter()
        try:
            PARTS[name](arguments.data, arguments.seeds)
        except FileNotFoundError as problem:
            print(f"{name}: skipped, {problem.filename} is missing")
        print(f"({name}: {time.perf_counter() - begin:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
