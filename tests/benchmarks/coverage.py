"""How many values lie inside bands of 80 and 95 percent, on parts of real series held out.

    python -m tests.benchmarks.coverage --data DIR [--only electricity] [--seeds 1]

Each model is fitted once, on the rows before the first cutoff, with the defaults but for what is
named in the table. Later rows are passed as ``last``.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from gruforecast import GRUForecaster, backtest, metrics

LEVELS = (80, 95)


def electricity(folder):
    """Half-hourly demand of Victoria: the last 20 % of two years, a forecast a day."""
    table = pd.read_csv(folder / "electricity/vic_electricity_2012_2013.csv.gz")
    times = pd.to_datetime(table["Time"], utc=True).dt.tz_convert("Australia/Melbourne")
    series = pd.Series(table["Demand"].to_numpy(), index=pd.DatetimeIndex(times), name="demand")
    return series, 48, len(series) * 4 // 5, {"calendar": ("hour", "dayofweek")}


def melbourne(folder):
    """Daily minimum temperatures: the last two of ten years, a forecast a week."""
    table = pd.read_csv(folder / "classic/temps.csv", index_col=0)
    series = table.iloc[:, 0].set_axis(pd.to_datetime(table.index, format="%m/%d/%Y"))
    return series, 7, len(series) * 4 // 5, {}


def m4_hourly(folder):
    """414 hourly series: the last 48 values of each, one forecast."""
    table = pd.read_csv(folder / "m4/Hourly-train.csv.gz", index_col=0)
    series = table.stack().dropna()
    columns = series.index.get_level_values(1).str.lstrip("V").astype(int)
    ends = series.groupby(level=0).size()
    place = columns - series.index.get_level_values(0).map(ends)  # all series end together
    index = pd.MultiIndex.from_arrays([series.index.get_level_values(0), place.to_numpy()])
    series = pd.Series(series.to_numpy(dtype=float), index=index)
    rows = len(np.unique(place)) - 48
    return series, 48, rows, {"season": 24, "batch_size": 512, "max_iter": 10}


DATA = {"electricity": electricity, "melbourne": melbourne, "m4_hourly": m4_hourly}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=DATA, nargs="*", default=list(DATA))
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    print(
        "data          intervals   loss            seed   80 %   95 %  winkler 80    mae  seconds"
    )
    for name in arguments.only:
        try:
            series, horizon, initial, choices = DATA[name](arguments.data)
        except FileNotFoundError as problem:
            print(f"{name}: skipped, {problem.filename} is missing")
            continue
        for loss in ("squared_error", "quantile"):
            for intervals in ("conformal", "adaptive"):
                if intervals == "adaptive" and name == "m4_hourly":
                    continue  # one forecast has nothing to adapt to
                for seed in range(arguments.seeds):
                    model = GRUForecaster(
                        horizon=horizon, intervals=intervals, loss=loss, random_state=seed,
                        **choices,
                    )  # fmt: skip
                    begin = time.perf_counter()
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        result = backtest(model, series, horizon, initial=initial, level=LEVELS)
                    seconds = time.perf_counter() - begin
                    shares = [
                        metrics.coverage(result["actual"], result[f"lo-{v}"], result[f"hi-{v}"])
                        for v in LEVELS
                    ]
                    width = metrics.winkler(result["actual"], result["lo-80"], result["hi-80"], 80)
                    error = metrics.mae(result["actual"], result["mean"])
                    print(
                        f"{name:<13} {intervals:<11} {loss:<15} {seed:>4} {shares[0]:>6.1%} "
                        f"{shares[1]:>6.1%} {width:>11.4g} {error:>6.4g} {seconds:>8.1f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
