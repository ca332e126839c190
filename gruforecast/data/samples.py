"""Real series that come with the package; ``seattle_weather.md`` says from where."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd


def load_seattle() -> pd.DataFrame:
    """Daily weather of Seattle, 2012 to 2015, as the weather service of the United States saw it.

    Returns
    -------
    DataFrame
        Columns precipitation (mm), temp_max and temp_min (degrees Celsius), wind (m/s) and weather
        (text), on 1461 days. The data are in the public domain.

    Examples
    --------
    >>> from gruforecast import load_seattle
    >>> load_seattle()["temp_max"].tail(3).tolist()
    [7.2, 5.6, 5.6]
    """
    with files("gruforecast.data").joinpath("seattle_weather.csv").open() as file:
        return pd.read_csv(file, parse_dates=["date"], index_col="date")
