"""``gruforecast demo``: a forecast of real weather from end to end, or of an invented market."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from gruforecast.cli.backtest import run_backtest, say_worth
from gruforecast.cli.console import Console
from gruforecast.cli.data import Data, tidy
from gruforecast.cli.files import write_table
from gruforecast.cli.model import fit
from gruforecast.cli.pictures import PICTURE_DPI, need_matplotlib
from gruforecast.data.samples import load_seattle
from gruforecast.data.synthetic import make_market
from gruforecast.forecasting.comparison import skill
from gruforecast.forecasting.forecaster import GRUForecaster

LEVELS = [80.0, 95.0]
# Chosen on the years before 2015.
SETTINGS: dict[str, Any] = {"hidden_size": 16, "learning_rate": 0.002, "alpha": 0.01}


class Story(NamedTuple):
    """What is forecast, and how it is told."""

    name: str  # of files
    table: pd.DataFrame
    target: str
    label: str  # of the target in pictures
    horizon: int
    calendar: tuple[str, ...]
    n_tested: int  # rows at the end that the model is judged by
    about: str
    moral: str

    def model(self) -> GRUForecaster:
        """A small network, as there are few rows."""
        return GRUForecaster(
            horizon=self.horizon, calendar=self.calendar, random_state=0, **SETTINGS
        )

    def commands(self, path: Path) -> list[str]:
        """What does the same with any file."""
        settings = " ".join(f"{name}={value}" for name, value in SETTINGS.items())
        what = f"{shlex.quote(str(path))} --target {self.target} --horizon {self.horizon}"
        if self.calendar:
            what += f" --calendar {' '.join(self.calendar)}"
        return [
            f"gruforecast forecast {what} --level 80 95 --plot forecast.png --set {settings}",
            f"gruforecast backtest {what} --plot past.png --set {settings}",
            f"gruforecast search {what} --grid cell=gru,lstm hidden_size=8,16 --set alpha=0.01",
        ]


def weather() -> Story:
    """A week of the highest temperature."""
    table = load_seattle()
    return Story(
        name="seattle",
        table=table,
        target="temp_max",
        label="highest temperature of the day (°C)",
        horizon=7,
        calendar=("dayofyear",),
        n_tested=int((table.index.year == 2015).sum()),
        about="the highest temperature of each day in Seattle, 2012 to 2015 (degrees Celsius; "
        "National Oceanic and Atmospheric Administration): learn from three years, forecast each "
        "week of the fourth",
        moral="The weather of a week can be foretold a little: the season and the last days tell.",
    )


def market() -> Story:
    """A week of the price of an invented stock, which nobody can forecast."""
    return Story(
        name="stock",
        table=make_market(n_days=1500).rename_axis("date"),
        target="stock_0",
        label="price",
        horizon=5,
        calendar=(),
        n_tested=250,
        about="the price of an invented stock, 1500 trading days of a seeded random walk: learn "
        "from five years, forecast each week of the sixth",
        moral="Prices walk at random, so the skill is near zero, as it should be: who shows you "
        "more has looked into the future. What can be foretold is how far they may go: the bands.",
    )


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
    series, model = story.table[story.target], story.model()
    data = Data(series, {}, None, 0, [story.target])
    result = run_backtest(
        model, data, console, horizon=story.horizon, initial=len(series) - story.n_tested,
        level=LEVELS,
    )  # fmt: skip
    table = skill(result, series)
    title = f"{result['cutoff'].nunique()} forecasts of {story.horizon} days"
    console.result("skill", table.rename_axis("method"), title=title)
    say_worth(table, result, LEVELS, console)
    console.note(story.moral)
    fit(model, data, console)
    forecast = model.forecast(2 * story.horizon, LEVELS)
    source, made, picture = (
        folder / f"{story.name}{end}" for end in (".csv", "-forecast.csv", ".png")
    )
    write_table(story.table.reset_index(), str(source))
    console.wrote(source, "data")
    write_table(tidy(forecast), str(made))
    console.wrote(made, "forecast of the days to come")
    named = result.assign(series=story.label), forecast, series.rename(story.label)
    _draw(*named, str(picture), console)
    lines = "\n".join(f"  {command}" for command in story.commands(source))
    console.note(
        f"\nNext, the same with a file of yours in its place:\n{lines}\n"
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

    from gruforecast.plotting.backtest import BacktestDisplay
    from gruforecast.plotting.forecast import ForecastDisplay

    figure = Figure(figsize=(9.0, 8.0), layout="constrained")
    parts: Any = figure.subfigures(2, 1, height_ratios=[4, 3], hspace=0.06)
    above, below = parts
    BacktestDisplay.from_backtest(result, ax=above)
    ForecastDisplay.from_forecast(forecast, history=series, ax=below)
    above.suptitle("Forecast from one cutoff after another, beside what happened")
    below.suptitle("The days to come")
    figure.savefig(path, dpi=PICTURE_DPI)
    console.wrote(path, "picture")
