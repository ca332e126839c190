"""How many values lie inside bands of 80 and 95 percent, on parts of real series held out.

    python -m tests.benchmarks.coverage --data DIR [--only electricity] [--seeds 1]

Each model is fitted once, on the rows before the first cutoff: four fifths of two years of
half-hourly demand of Victoria and of ten years of daily minimum temperatures, then a forecast a day
and a week; all but the last 48 values of 414 hourly series, one forecast. Later rows are ``last``.
"""

from __future__ import annotations

import argparse
import time
import warnings

from gruforecast import GRUForecaster, backtest, metrics
from tests.benchmarks.real_series import data_argument, electricity, m4_hourly, melbourne

LEVELS = (80, 95)


def _electricity(folder):
    series = electricity(folder)
    return series, 48, len(series) * 4 // 5, {"calendar": ("hour", "dayofweek")}


def _melbourne(folder):
    series = melbourne(folder)
    return series, 7, len(series) * 4 // 5, {}


def _m4_hourly(folder):
    series = m4_hourly(folder)
    rows = series.index.get_level_values(1).nunique() - 48
    return series, 48, rows, {"season": 24, "batch_size": 512, "max_iter": 10}


DATA = {"electricity": _electricity, "melbourne": _melbourne, "m4_hourly": _m4_hourly}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    data_argument(parser)
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
