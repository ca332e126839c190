"""Forecast the next value of a series with a GRU, and compare it with the floors."""

# %% A seeded series of hourly temperatures: a slow wave, a daily wave, and noise that persists.
import numpy as np

from gruforecast import GRUForecaster

DAY, N_ROWS, N_TRAIN = 24, 4_000, 3_000
rng = np.random.default_rng(0)
hours = np.arange(N_ROWS)
noise = np.zeros(N_ROWS)
for t in range(1, N_ROWS):
    noise[t] = 0.8 * noise[t - 1] + 0.4 * rng.standard_normal()
series = 8 * np.sin(hours / 500) + 4 * np.sin(2 * np.pi * hours / DAY) + noise

# %% Row t of X is hour t, row t of y the hour after it; the last 1,000 hours test.
X, y = series[:-1].reshape(-1, 1), series[1:]
model = GRUForecaster(lookback=2 * DAY, max_iter=20, random_state=0)
model.fit(X[:N_TRAIN], y[:N_TRAIN])

# %% Mean absolute error in degrees, beside two forecasts that need no training.
forecasts = {
    "GRU": model.predict(X[N_TRAIN:]),  # the first rows see the end of the training rows
    "last value": X[N_TRAIN:, 0],
    "same hour yesterday": y[N_TRAIN - DAY : -DAY],
}
print(f"{'forecast of the next hour':<28}{'MAE (degrees)':>14}")
for name, forecast in forecasts.items():
    print(f"{name:<28}{np.abs(forecast - y[N_TRAIN:]).mean():>14.3f}")
