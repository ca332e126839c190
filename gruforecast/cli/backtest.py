"""``gruforecast backtest``: forecasts of a table's past, beside what happened."""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd

from gruforecast.cli.console import Console
from gruforecast.cli.data import Data, add_columns
from gruforecast.cli.files import check_output, write_table
from gruforecast.cli.model import add_parameters, make_model, verdict, watched
from gruforecast.cli.pictures import check_picture, save_picture
from gruforecast.forecasting.backtest import backtest
from gruforecast.forecasting.comparison import skill
from gruforecast.forecasting.forecaster import GRUForecaster
from gruforecast.forecasting.metrics import coverage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", help="a CSV or Parquet file")
    parser.add_argument("--stride", type=int, metavar="N", help="rows between forecasts")
    parser.add_argument("--initial", type=int, metavar="N", help="rows before the first forecast")
    parser.add_argument(
        "--refit", type=int, default=0, metavar="K", help="train at every K-th forecast, not once"
    )
    parser.add_argument(
        "--level", nargs="+", type=float, default=[80.0], metavar="PERCENT", help="bounds (80)"
    )
    parser.add_argument("--out", metavar="FILE", help="all forecasts as CSV or Parquet")
    parser.add_argument("--plot", metavar="FILE", help="a picture of forecasts and what happened")
    parser.add_argument("--plot-residuals", metavar="FILE", help="a picture of the errors")
    add_columns(parser)
    add_parameters(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    check_output(options.out)
    check_picture(options.plot)
    check_picture(options.plot_residuals)
    data = Data.read(options.data, options, console)
    model = make_model(options)
    if model.horizon is None:
        raise ValueError("--horizon: expected how many rows to forecast, got none; pass a number.")
    result = run_backtest(
        model, data, console, horizon=model.horizon, stride=options.stride,
        initial=options.initial, refit=options.refit or False, level=options.level,
    )  # fmt: skip
    table = skill(result, data.series, season=model.season, freq=model.freq)
    say_worth(table, result, options.level, console)
    console.result("skill", table.rename_axis("method"))
    if options.out:
        write_table(result, options.out)
        console.wrote(options.out, "forecasts")
    if options.plot or options.plot_residuals:
        from gruforecast.plotting.backtest import BacktestDisplay
        from gruforecast.plotting.residuals import ResidualDisplay

        if options.plot:
            save_picture(BacktestDisplay.from_backtest(result), options.plot, console)
        if options.plot_residuals:
            save_picture(ResidualDisplay.from_backtest(result), options.plot_residuals, console)


def run_backtest(
    model: GRUForecaster, data: Data, console: Console, **choices: Any
) -> pd.DataFrame:
    """A backtest that shows how far it has come."""
    with console.progress("backtest", 1) as tracker, watched(model, tracker):
        return backtest(model, data.series, progress=tracker.follow, **choices, **data.beside)


def say_worth(
    table: pd.DataFrame, result: pd.DataFrame, levels: list[float], console: Console
) -> None:
    """The verdict, and how many values lay between the bounds."""
    n = result["cutoff"].nunique()
    sentence = verdict(table, f"{n} forecasts of the past")
    console.fact("verdict", sentence, sentence)
    held = {
        f"{level:g}": coverage(result["actual"], result[f"lo-{level:g}"], result[f"hi-{level:g}"])
        for level in levels
    }
    shares = ", ".join(f"{share:.0%} in the {level} % band" for level, share in held.items())
    console.fact("coverage", held, f"values between the bounds: {shares}")
