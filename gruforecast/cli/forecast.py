"""``gruforecast forecast``: what follows a table, by a new model or one that was kept."""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd

from gruforecast.cli.console import Console
from gruforecast.cli.data import Data, add_columns, tidy
from gruforecast.cli.files import check_output, write_table
from gruforecast.cli.model import add_parameters, fit, make_model, worth
from gruforecast.cli.pictures import check_picture, save_picture
from gruforecast.forecasting.forecaster import GRUForecaster
from gruforecast.forecasting.loading import load
from gruforecast.forecasting.state import SeriesState


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="?", help="a CSV or Parquet file (not needed with --model)")
    parser.add_argument("--model", metavar="FILE", help="a model of 'fit'; nothing is trained")
    parser.add_argument(
        "--level", nargs="+", type=float, metavar="PERCENT", help="bounds, as 80 95"
    )
    parser.add_argument("--out", metavar="FILE", help="the forecast as CSV or Parquet")
    parser.add_argument("--plot", metavar="FILE", help="a picture of the forecast")
    add_columns(parser)
    add_parameters(parser)


def run(options: argparse.Namespace, console: Console) -> None:
    check_output(options.out)
    check_picture(options.plot)
    data: Data | None = None
    if options.model is not None:
        model = load_series_model(options.model)
        _check_untouched(options)
        if options.data is not None:
            _take_columns(options, model._state)
            data = Data.read(options.data, options, console)
            _check_future(options, data, model.horizon_)
        asked = _of_newer(data)
    elif options.data is None:
        raise ValueError("data: expected a file to forecast, got none; name one, or a --model.")
    else:
        data = Data.read(options.data, options, console)
        if options.horizon is None and data.n_ahead:
            options.horizon = data.n_ahead
        model = make_model(options)
        _check_future(options, data)
        fit(model, data, console)
        sentence = worth(model)[1]
        console.fact("verdict", sentence, sentence)
        asked = {} if data.future is None else {"covariates": data.future}
    steps = options.horizon or (data.n_ahead if data is not None else 0) or None
    forecast = model.forecast(steps, options.level, **asked)
    table = tidy(forecast)
    if options.out:
        write_table(table, options.out)
        console.wrote(options.out, "forecast")
    if not options.out or console.as_json:
        console.result("forecast", table)
    if options.plot:
        from gruforecast.plotting.forecast import ForecastDisplay

        history = None if data is None else data.series
        if history is None:
            display = ForecastDisplay.from_estimator(model, steps, options.level)
        else:
            display = ForecastDisplay.from_forecast(forecast, history=history)
        save_picture(display, options.plot, console)


def load_series_model(path: str) -> GRUForecaster:
    """A kept model that forecasts series."""
    model = load(path)
    if not isinstance(model, GRUForecaster) or not isinstance(model._state, SeriesState):
        got = type(model).__name__
        raise ValueError(
            f"--model: expected a GRUForecaster fitted to series, got {got} of another kind in "
            f"{path}; make one with 'gruforecast fit'."
        )
    return model


def _check_untouched(options: argparse.Namespace) -> None:
    """A kept model has its parameters."""
    for name in ("season", "freq", "calendar", "parameters"):
        if getattr(options, name):
            option = "set" if name == "parameters" else name
            raise ValueError(
                f"--{option}: expected none with --model, whose parameters are settled, got one; "
                f"drop it, or train anew without --model."
            )


def _take_columns(options: argparse.Namespace, state: SeriesState) -> None:
    """Columns are those that the model was trained with, unless named anew."""
    if state.form == "long":
        options.id = options.id or state.level_names[0]
    elif options.target is None:
        options.target = [str(name) for name in state.tails if name is not None] or None
    for what in ("covariates", "past_covariates"):
        if not getattr(options, what):
            setattr(options, what, [str(name) for name in state.columns.get(what, [])])


def _check_future(options: argparse.Namespace, data: Data, usual: int = 1) -> None:
    """Before any work is done: covariates of the rows to come are there."""
    wanted = options.horizon or data.n_ahead or usual
    if options.covariates and data.n_ahead < wanted:
        raise ValueError(
            f"--covariates: expected rows without {', '.join(data.targets)} at the end of "
            f"{options.data}, one for each step to come, got {data.n_ahead}; add them with their "
            f"dates and covariates, or use --past-covariates."
        )


def _of_newer(data: Data | None) -> dict[str, Any]:
    """What ``forecast`` is told of rows that may be newer than those of training."""
    if data is None:
        return {}
    asked: dict[str, Any] = {"last": data.series, **data.beside}
    if data.future is not None:
        asked["covariates"] = pd.concat([data.beside["covariates"], data.future])
    return asked
