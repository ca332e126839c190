"""The data of each protocol, read from the folder that ``--data`` names."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.real_series import SERIES, electricity

TICKERS = ("AAPL", "AMZN", "GE", "JPM", "KO", "MSFT", "SPY", "T", "WMT", "XOM")
UCR = ("ItalyPowerDemand", "GunPoint", "SyntheticControl", "Plane", "Coffee", "BasicMotions")
LONGEST_CLOSING = 7  # days from one price to the next
SEASONS = {  # of the other series, by their names
    "air passengers": 12,
    "milk": 12,
    "milk with missing months": 12,
    "Australian wine": 12,
    "Australian beer": 4,
    "sunspots": 12,
    "Melbourne minimum temperatures": 7,
    "half-hourly load": 48,
    "influenza-like illness, weekly": 52,
    "Victoria's demand": 48,
    "bike rentals": 24,
    "Seattle temperatures": 7,
}


def ett(folder: Path) -> pd.DataFrame:
    """Seven columns of electricity transformers, hourly."""
    return pd.read_csv(folder / "ett/ETTh1.csv.gz", parse_dates=[0], index_col=0)


def m4_hourly(folder: Path) -> dict[str, np.ndarray]:
    """Series of different length by name."""
    table = pd.read_csv(folder / "m4/Hourly-train.csv.gz", index_col=0)
    rows = table.to_numpy(float)
    return {str(name): row[~np.isnan(row)] for name, row in zip(table.index, rows, strict=True)}


def nn5(folder: Path) -> pd.DataFrame:
    """One column for each cash machine, with gaps."""
    table = pd.read_csv(folder / "nn5/nn5_train.csv.gz")
    return table.pivot(index="t", columns="series", values="value").astype(float)


def ozone(folder: Path) -> pd.Series:
    """Ozone in Valencia, hourly."""
    path = folder / "air_quality/air_quality_valencia_no_missing_2019_2021.csv.gz"
    return pd.read_csv(path, parse_dates=[0], index_col=0)["o3"].astype(float)


def exchange_rates(folder: Path) -> pd.DataFrame:
    """Eight currencies on business days."""
    return pd.read_csv(folder / "exchange_rate/exchange_rate.txt.gz", header=None)


def log_returns(folder: Path, ticker: str) -> pd.Series:
    """Daily ones, of closing prices adjusted for dividends and splits, oldest first.

    Two of the files have no prices from March to September: the change over such a gap is no daily
    return and is left out.
    """
    table = pd.read_csv(folder / f"stocks/{ticker}_2007_2015.csv.gz")
    dates = pd.DatetimeIndex(pd.to_datetime(table["Date"]))
    prices = pd.Series(table["Adj Close"].to_numpy(float), dates, name=ticker).sort_index()
    days = prices.index.to_series().diff().dt.days
    return np.log(prices).diff()[days <= LONGEST_CLOSING]


def classified(folder: Path, name: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Windows (n, steps, channels) and their classes (n,)."""
    windows, classes = [], []
    with gzip.open(folder / f"ucr/{name}_{part}.ts.gz", "rt", encoding="utf-8") as file:
        for line in file:
            if not line.strip() or line[0] in "#@":
                continue
            *channels, label = line.strip().split(":")
            windows.append(np.array([[float(v) for v in one.split(",")] for one in channels]).T)
            classes.append(label)
    return np.stack(windows), np.array(classes)


def _with_every_month(folder: Path) -> pd.Series:
    table = pd.read_csv(folder / "classic/monthly-milk-incomplete.csv")
    values = pd.Series(table.iloc[:, 1].to_numpy(float), pd.to_datetime(table.iloc[:, 0]))
    return values.asfreq("MS")


def other_series(folder: Path, name: str) -> pd.Series:
    """One of ``SEASONS``, with a row for every stamp; missing values are NaN."""
    if name == "milk with missing months":
        return _with_every_month(folder)
    if name == "Victoria's demand":
        return electricity(folder)
    series = SERIES[name][0](folder)
    if name == "Melbourne minimum temperatures":
        return series.asfreq("D")  # two days of leap years were left out
    if name == "influenza-like illness, weekly":
        return series.asfreq("7D")
    return series
