"""Seeded series for examples and tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gruforecast.foundations.checks import check_integer


def make_weather(n_days: int = 365, *, seed: int = 0) -> pd.DataFrame:
    """Hourly weather of an invented place: temperature, pressure and wind.

    Temperature has a yearly and a daily wave, and what remains persists for days; pressure falls
    before it gets colder; wind rises while pressure falls.

    Parameters
    ----------
    n_days : int, default 365
    seed : int, default 0

    Returns
    -------
    DataFrame
        Columns temperature (degrees), pressure (hPa) and wind (m/s), hourly from 2020-01-01.

    Examples
    --------
    >>> from gruforecast import make_weather
    >>> make_weather(n_days=2).round(1).head(2)
                         temperature  pressure  wind
    2020-01-01 00:00:00          0.2    1014.0   4.4
    2020-01-01 01:00:00         -0.3    1013.8   3.5
    """
    n = 24 * check_integer("n_days", n_days, low=1)
    rng = np.random.default_rng(check_integer("seed", seed, low=0))
    hours = np.arange(n)
    slow = _persistent(rng.standard_normal(n), 0.99)
    front = np.concatenate([np.zeros(6), slow[:-6]])  # temperature follows six hours later
    daily = -np.cos(2 * np.pi * (hours - 3) / 24)
    yearly = -np.cos(2 * np.pi * (hours / 24 - 15) / 365.25)
    quick = _persistent(rng.standard_normal(n), 0.8)
    temperature = 10 + 8 * yearly + 4 * daily + 3 * front + 0.4 * quick
    pressure = 1013 + 8 * slow
    falling = -np.gradient(pressure)
    wind = np.abs(4 + 1.5 * falling + 0.8 * _persistent(rng.standard_normal(n), 0.9))
    index = pd.date_range("2020-01-01", periods=n, freq="h")
    columns = {"temperature": temperature, "pressure": pressure, "wind": wind}
    return pd.DataFrame(columns, index=index)


def _persistent(noise: np.ndarray, memory: float) -> np.ndarray:
    """A first-order autoregression of unit variance, driven by noise (n,)."""
    out = np.empty_like(noise)
    last = noise[0]
    for t, shock in enumerate(noise):
        last = memory * last + np.sqrt(1 - memory**2) * shock if t else shock
        out[t] = last
    return out
