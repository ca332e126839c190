"""``gruforecast demo``: a forecast of real weather from end to end, or of an invented market."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gruforecast.cli.backtest import run_backtest, say_worth
from gruforecast.cli.console import Console
from gruforecast.cli.data import Data, tidy
from gruforecast.cli.files import write_table
from gruforecast.cli.model import fit
from gruforecast.cli.pictures import need_matplotlib
from gruforecast.data.samples import load_seattle
from gruforecast.data.synthetic import make_market
from gruforecast.forecasting.comparison import skill
from gruforecast.forecasting.forecaster import GRUForecaster

LEVELS = [80.0, 95.0]


class Story(NamedTuple):
    """What is forecast, and how it is told."""

    table: pd.DataFrame
    target: str
    model: GRUForecaster
    n_tested: int  # rows at the end that the model is judged by
    about: str
    options: str  # of the command that does the same
    moral: str


def weather() -> Story:
    """A week of the highest temperature; parameters were chosen on the years before the last."""
    table = load_seattle()
    model = GRUForecaster(
        horizon=7, calendar=("dayofyear",), hidden_size=16, learning_rate=2e-3, alpha=0.01,
        random_state=0,
    )  # fmt: skip
    return Story(
        table, "temp_max", model, int((table.index.year == 2015).sum()),
        "the highest temperature of each day in Seattle, 2012 to 2015 (degrees Celsius; National "
        "Oceanic and Atmospheric Administration): learn from three years, forecast each week of "
        "the fourth",
        "--horizon 7 --calendar dayofyear --level 80 95 "
        "--set hidden_size=16 learning_rate=0.002 alpha=0.01",
        "Weather of a week ahead can be foretold a little: the season and the last days tell.",
    )  # fmt: skip


def market() -> Story:
    """A week of the price of an invented stock, which nobody can forecast."""
    table = make_market(n_days=1500)
    model = GRUForecaster(horizon=5, hidden_size=16, learning_rate=2e-3, alpha=0.01, random_state=0)
    return Story(
        table.rename_axis("date"), "stock_0", model, 250,
        "the price of an invented stock, 1500 trading days of a seeded random walk: learn from "
        "five years, forecast each week of the sixth",
        "--horizon 5 --level 80 95 --set hidden_size=16 learning_rate=0.002 alpha=0.01",
        "Prices walk at random, so the skill is near zero, as it should be: who shows you more has "
        "looked into the future. What can be forecast is how far prices may go, the bands.",
    )  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stocks", action="store_true", help="an invented market instead")
    parser.add_argument(
        "--out", metavar="FOLDER", default="gruforecast-demo", help="where files go (%(default)s)"
    )


def run(options: argparse.Namespace, console: Console) -> None:
    story = market() if options.stocks else weather()
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    console.note(f"Forecasting {story.about}.")
    series = story.table[story.target]
    data = Data(series, {}, None, 0, [story.target], ("series", "date"))
    horizon = story.model.horizon
    result = run_backtest(
        story.model, data, console, horizon=horizon, initial=len(series) - story.n_tested,
        level=LEVELS,
    )  # fmt: skip
    table = skill(result, series)
    title = f"{result['cutoff'].nunique()} forecasts of {horizon} days, by rows that did not train"
    console.result("skill", table.rename_axis("method"), title=title)
    say_worth(table, result, LEVELS, console)
    console.note(story.moral)
    fit(story.model, data, console)
    forecast = story.model.forecast(2 * horizon, LEVELS)
    name = "stock" if options.stocks else "seattle"
    paths = {what: folder / f"{name}{what}" for what in (".csv", "-forecast.csv", ".png")}
    write_table(story.table.reset_index(), str(paths[".csv"]))
    console.wrote(paths[".csv"], "data")
    write_table(tidy(forecast, data.level_names), str(paths["-forecast.csv"]))
    console.wrote(paths["-forecast.csv"], "forecast of the days to come")
    _draw(result, forecast, series, str(paths[".png"]), console)
    console.note(
        f"\nNext, the same with a file of yours in its place:\n"
        f"  gruforecast forecast {paths['.csv']} --target {story.target} {story.options} "
        f"--plot forecast.png\n"
        f"  gruforecast backtest {paths['.csv']} --target {story.target} --horizon {horizon}\n"
        f"  gruforecast search {paths['.csv']} --target {story.target} --horizon {horizon}\n"
        f"and 'gruforecast forecast --help' has the rest."
    )


def _draw(
    result: pd.DataFrame, forecast: pd.DataFrame, series: pd.Series, path: str, console: Console
) -> None:
    """The backtest above, the days to come below."""
    try:
        need_matplotlib(path)
    except ImportError as error:
        console.note(f"no picture: {error}")
        return
    from matplotlib.figure import Figure

    del Figure, result, forecast, series
