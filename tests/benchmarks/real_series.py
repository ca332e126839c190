"""Real series from a folder of data, for benchmarks: name -> series, horizon, parameters."""

from pathlib import Path

import numpy as np
import pandas as pd

from gruforecast import from_long
from gruforecast.forecasting.dates.cadence import Cadence
from tests.helpers import PLAIN


def _classic(folder, name, column, stamps=0):
    table = pd.read_csv(folder / "classic" / f"{name}.csv", na_values="X")
    index = None if stamps is None else pd.DatetimeIndex(pd.to_datetime(table.iloc[:, stamps]))
    return pd.Series(table.iloc[:, column].to_numpy(float), index=index, name=name)


def _sp500(folder):
    path = folder / "stocks/sp500_daily_2000_2020.csv.gz"
    return pd.read_csv(path, parse_dates=[0], index_col=0)["close"]


def _ett(folder):
    return pd.read_csv(folder / "ett/ETTh1.csv.gz", parse_dates=[0], index_col=0)


def _bikes(folder):
    table = pd.read_csv(folder / "bikes/bike_sharing.csv.gz", parse_dates=[0], index_col=0)
    return table["users"].astype(float)


def _ozone(folder):
    path = folder / "air_quality/air_quality_valencia_no_missing_2019_2021.csv.gz"
    return pd.read_csv(path, parse_dates=[0], index_col=0)["o3"].astype(float)


def _seattle(folder):
    path = folder / "weather/seattle-weather.csv.gz"
    return pd.read_csv(path, parse_dates=["date"], index_col="date")["temp_max"]


def _exchange(folder):
    return pd.read_csv(folder / "exchange_rate/exchange_rate.txt.gz", header=None)


def _nn5(folder):
    table = pd.read_csv(folder / "nn5/nn5_train.csv.gz")
    return from_long(table, *table.columns)


def electricity(folder):
    """Half-hourly demand of Victoria, with its time zone."""
    table = pd.read_csv(folder / "electricity/vic_electricity_2012_2013.csv.gz")
    times = pd.to_datetime(table["Time"], utc=True).dt.tz_convert("Australia/Melbourne")
    return pd.Series(table["Demand"].to_numpy(), index=pd.DatetimeIndex(times), name="demand")


def melbourne(folder):
    """Daily minimum temperatures."""
    return _classic(folder, "temps", 1)


def m4_hourly(folder):
    """414 hourly series of different length, numbered so that all end together."""
    table = pd.read_csv(folder / "m4/Hourly-train.csv.gz", index_col=0)
    series = table.stack().dropna()
    names = series.index.get_level_values(0)
    numbers = series.index.get_level_values(1).str.lstrip("V").astype(int)
    place = numbers - names.map(series.groupby(level=0).size())
    index = pd.MultiIndex.from_arrays([names, place.to_numpy()])
    return pd.Series(series.to_numpy(dtype=float), index=index)


SERIES = {
    "air passengers": (lambda d: _classic(d, "AirPassengers", 1), 12, {}),
    "milk": (lambda d: _classic(d, "monthly-milk", 1), 12, {}),
    "sunspots": (lambda d: _classic(d, "monthly-sunspots", 1), 12, {}),
    "Melbourne minimum temperatures": (melbourne, 7, {}),
    "Australian beer": (lambda d: _classic(d, "ausbeer", 0, 1), 4, {}),
    "Australian wine": (lambda d: _classic(d, "wineind", 0, 1), 12, {}),
    "influenza-like illness, weekly": (lambda d: _classic(d, "ILINet", 1), 8, {}),
    "half-hourly load": (lambda d: _classic(d, "taylor", 0, None), 48, {"season": 48}),
    "S&P 500": (_sp500, 5, {}),
    "its daily returns": (lambda d: np.log(_sp500(d)).diff().dropna(), 5, {}),
    "eight exchange rates": (_exchange, 12, {"max_iter": 15, "season": 5}),
    "Seattle temperatures": (_seattle, 7, {}),
    "ETTh1, oil temperature": (lambda d: _ett(d)["OT"], 24, {"max_iter": 30}),
    "bike rentals": (_bikes, 24, {"max_iter": 30}),
    "Valencia ozone": (_ozone, 5, {"max_iter": 30}),
    "NN5 cash machines": (_nn5, 56, {"max_iter": 8, "season": 7, "batch_size": 256}),
}


def split(series, share):
    """The rows before and after a share of the stamps."""
    if isinstance(series.index, pd.MultiIndex):
        times = series.index.get_level_values(1)
        every = np.sort(times.unique())
        cut = every[int(len(every) * share)]
        return series[times < cut], series[times >= cut]
    cut = int(len(series) * share)
    return series.iloc[:cut], series.iloc[cut:]


def plain(training, horizon, season=None):
    """A plain network: two seasons or horizons are read step by step, and squares are learnt."""
    index = training.index
    n = len(training) if isinstance(training, pd.Series) else training.size
    n_rows, stamps = len(training), index
    if isinstance(index, pd.MultiIndex):
        stamps = training.groupby(level=0).get_group(index[0][0]).index.get_level_values(1)
        n_rows = len(stamps)
    season = season or Cadence.of(stamps, None).season or 1
    lookback = max(1, min(max(2 * season, 2 * horizon, 16), n_rows // 4))
    return PLAIN | {"max_iter": 100, "early_stopping": n >= 1000, "lookback": lookback}


def data_argument(parser):
    """Where the data lie."""
    parser.add_argument("--data", type=Path, required=True)
