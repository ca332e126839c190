"""``gruforecast forecast``: what follows a table, by a new model or one that was kept."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import pandas as pd

from gruforecast.cli.console import Console
from gruforecast.cli.data import Data, add_columns, tidy
from gruforecast.cli.files import check_output, write_table
from gruforecast.cli.model import add_parameters, fit, make_model, worth
from gruforecast.cli.pictures import check_picture, save_picture
from gruforecast.forecasting.arguments import read_levels
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


class Question(NamedTuple):
    """A fitted model and what it is asked."""

    model: GRUForecaster
    data: Data | None
    steps: int | None
    beside: dict[str, Any]  # last and covariates


def run(options: argparse.Namespace, console: Console) -> None:
    check_output(options.out)
    check_picture(options.plot)
    read_levels(options.level)
    asked = _train(options, console) if options.model is None else _load(options, console)
    forecast = asked.model.forecast(asked.steps, options.level, **asked.beside)
    table = tidy(forecast)
    if options.out:
        write_table(table, options.out)
        console.wrote(options.out, "forecast")
    if not options.out or console.as_json:
        console.result("forecast", table)
    if options.plot:
        from gruforecast.plotting.forecast import ForecastDisplay

        if asked.data is None:
            display = ForecastDisplay.from_estimator(asked.model, asked.steps, options.level)
        else:
            display = ForecastDisplay.from_forecast(forecast, history=asked.data.series)
        save_picture(display, options.plot, console)


def _train(options: argparse.Namespace, console: Console) -> Question:
    """A new model of the table."""
    if options.data is None:
        raise ValueError("data: expected a file to forecast, got none; name one, or a --model.")
    data = Data.read(options.data, options, console)
    model = make_model(options, horizon=data.n_ahead or None)
    _check_future(options, data, model.horizon or 1)
    fit(model, data, console)
    sentence = worth(model)[1]
    console.fact("verdict", sentence, sentence)
    beside = {} if data.future is None else {"covariates": data.future}
    return Question(model, data, None, beside)


def _load(options: argparse.Namespace, console: Console) -> Question:
    """A kept model, and rows that may be newer than those of its training."""
    model = load_series_model(options.model)
    _refuse_options(options)
    if options.data is None:
        return Question(model, None, options.horizon, {})
    _take_columns(options, model._state)
    data = Data.read(options.data, options, console)
    steps = data.n_ahead or None if options.horizon is None else options.horizon
    _check_future(options, data, model.horizon_ if steps is None else steps)
    beside: dict[str, Any] = {"last": data.series, **data.beside}
    if data.future is not None:
        beside["covariates"] = pd.concat([data.beside["covariates"], data.future])
    return Question(model, data, steps, beside)


def load_series_model(path: str) -> GRUForecaster:
    """A kept model that forecasts series."""
    model = load(path)
    if not isinstance(model, GRUForecaster) or not isinstance(
        getattr(model, "_state", None), SeriesState
    ):
        got = type(model).__name__
        raise ValueError(
            f"--model: expected a GRUForecaster fitted to series, got {got} of another kind in "
            f"{path}; make one with 'gruforecast fit'."
        )
    return model


def _refuse_options(options: argparse.Namespace) -> None:
    """A kept model has its parameters, and without a table there are no columns."""
    settled = {"season", "seasonal", "freq", "calendar", "seed", "jobs", "parameters"}
    columns = {"target", "time", "id", "covariates", "past_covariates", "tz", "date_format"}
    for name in sorted(settled if options.data is not None else settled | columns):
        if getattr(options, name) not in (None, []):
            option = "set" if name == "parameters" else name.replace("_", "-")
            reason = "parameters are settled" if name in settled else "training rows are forecast"
            raise ValueError(
                f"--{option}: expected none with --model, whose {reason}, got one; drop it."
            )


def _take_columns(options: argparse.Namespace, state: SeriesState) -> None:
    """Columns are those of training, as far as the model knows them, unless named anew."""
    if state.form == "long":
        options.id = options.id or state.level_names[0]
    elif options.target is None:
        options.target = [str(name) for name in state.tails if name is not None] or None
    for what in ("covariates", "past_covariates"):
        if not getattr(options, what):
            setattr(options, what, [str(name) for name in state.columns.get(what, [])])


def _check_future(options: argparse.Namespace, data: Data, wanted: int) -> None:
    """Before any work is done: covariates of the rows to come are there."""
    if options.covariates and data.n_ahead < wanted:
        raise ValueError(
            f"--covariates: expected rows without {', '.join(data.targets)} at the end of "
            f"{options.data}, one for each step to come, got {data.n_ahead}; add them with their "
            f"dates and covariates, or use --past-covariates."
        )
