"""The simplest forecasts and the measures of M4, in plain NumPy: nothing here knows the package.

Letters: n rows, M origins, H steps, L rows of a window. An origin is the number of the newest row
known; a forecast from it stands in a row (H,) of what these functions return, (M, H).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Forecast = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of values (n,) and origins (M,)
MOST_WINDOWS_AT_ONCE = 20_000
RIDGE_PENALTY = 0.01  # of the squared weights, for each window


def carried(values: np.ndarray) -> np.ndarray:
    """Values (n,) with each gap filled by the value before it, leading ones by the first."""
    at = np.where(np.isnan(values), -1, np.arange(len(values)))
    at = np.maximum.accumulate(at)
    return values[np.where(at < 0, np.argmax(at >= 0), at)]


def actuals(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """What followed each origin (M, H); NaN after the end."""
    at = origins[:, None] + np.arange(1, horizon + 1)
    return np.where(at < len(values), values[np.minimum(at, len(values) - 1)], np.nan)


def last_value(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """The newest value at every step."""
    return np.repeat(carried(values)[origins][:, None], horizon, axis=1)


def drift(values: np.ndarray, origins: np.ndarray, horizon: int) -> np.ndarray:
    """The line from the first value to the newest, drawn on."""
    known = carried(values)
    slope = (known[origins] - known[0]) / np.maximum(origins, 1)
    return np.asarray(known[origins][:, None] + slope[:, None] * np.arange(1, horizon + 1))


def training_mean(
    values: np.ndarray, origins: np.ndarray, horizon: int, n_train: int
) -> np.ndarray:
    """The mean of the training rows at every step."""
    return np.full((len(origins), horizon), np.nanmean(values[:n_train]))


def mean_of_seasons(
    values: np.ndarray, origins: np.ndarray, horizon: int, season: int, n_seasons: int = 4
) -> np.ndarray:
    """The mean of the newest values at the same place of the season; one of them is its repeat.

    Missing values do not count; where all are missing, or the series is younger than a season,
    it is the newest value.
    """
    steps = np.arange(1, horizon + 1)
    newest = origins[:, None] + steps - season * -(-steps // season)  # same place, last season
    places = newest[..., None] - season * np.arange(n_seasons)
    found = np.where(places >= 0, values[np.maximum(places, 0)], np.nan)
    n_found = (~np.isnan(found)).sum(axis=-1)
    mean = np.nansum(found, axis=-1) / np.maximum(n_found, 1)
    return np.where(n_found > 0, mean, last_value(values, origins, horizon))


class Ridge:
    """One linear map from a window minus its newest value to what follows minus that value.

    Shared by all series, each in units of the deviation of its training rows; no intercept. Gaps
    are filled by the value before them.
    """

    def __init__(self, lookback: int, horizon: int) -> None:
        self.lookback, self.horizon = lookback, horizon

    def fit(self, training: list[np.ndarray]) -> Ridge:
        """From every window of these series that lies inside them, targets included."""
        length = self.lookback + self.horizon
        gram = np.zeros((self.lookback, self.lookback))
        moment = np.zeros((self.lookback, self.horizon))
        n_windows = 0
        for values in training:
            known = carried(values)
            if len(known) < length or (scale := _deviation(known)) == 0.0:
                continue
            every = np.lib.stride_tricks.sliding_window_view(known / scale, length)
            for begin in range(0, len(every), MOST_WINDOWS_AT_ONCE):
                part = every[begin : begin + MOST_WINDOWS_AT_ONCE]
                part = part - part[:, self.lookback - 1, None]
                inputs, targets = part[:, : self.lookback], part[:, self.lookback :]
                gram += inputs.T @ inputs
                moment += inputs.T @ targets
            n_windows += len(every)
        gram[np.diag_indices_from(gram)] += max(RIDGE_PENALTY * n_windows, 1e-6)
        self.weights = np.linalg.solve(gram, moment)
        return self

    def forecast(self, values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """After each origin (M, H); rows before the first are as the first."""
        known = carried(values)
        at = np.maximum(origins[:, None] + np.arange(1 - self.lookback, 1), 0)
        newest = known[origins][:, None]
        return np.asarray(newest + (known[at] - newest) @ self.weights)


def _deviation(known: np.ndarray) -> float:
    return float(known.std())


def is_seasonal(values: np.ndarray, season: int) -> bool:
    """Whether the autocorrelation at one season is beyond its 90 % bound, as in M4."""
    n = len(values)
    if season < 2 or n < 3 * season:
        return False
    centred = values - values.mean()
    power = float(centred @ centred)
    if power == 0.0:
        return False
    lags = range(1, season + 1)
    correlation = np.array([float(centred[k:] @ centred[:-k]) / power for k in lags])
    bound = 1.645 * np.sqrt((1 + 2 * (correlation[:-1] ** 2).sum()) / n)
    return bool(abs(correlation[-1]) > bound)


def seasonal_factors(values: np.ndarray, season: int) -> np.ndarray:
    """Factors of the classical multiplicative decomposition, for row 0, 1, ... (season,)."""
    weights = np.full(season, 1 / season)
    if season % 2 == 0:
        weights = np.concatenate([[0.5 / season], weights[1:], [0.5 / season]])
    n, half = len(values), season // 2
    trend = np.full(n, np.nan)
    trend[half : n - half] = np.convolve(values, weights, mode="valid")
    ratios = values / trend
    factors = np.array([np.nanmean(ratios[place::season]) for place in range(season)])
    return np.asarray(factors / factors.mean())


def naive2(values: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """M4's benchmark (H,): the newest value of the seasonally adjusted series, adjusted back."""
    if not is_seasonal(values, season):
        return np.full(horizon, values[-1])
    factors = seasonal_factors(values, season)
    n = len(values)
    ahead = (n + np.arange(horizon)) % season
    return np.asarray(values[-1] / factors[(n - 1) % season] * factors[ahead])


def smape(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Mean of 200 |y - f| / (|y| + |f|); 0 where both are 0."""
    size = np.abs(actual) + np.abs(forecast)
    ratio = np.abs(actual - forecast) / np.where(size > 0, size, 1.0)
    return float(200 * ratio.mean())


def naive_error(values: np.ndarray, season: int) -> float:
    """Mean absolute change over a season, the unit of MASE."""
    return float(np.abs(values[season:] - values[:-season]).mean())
