"""Train a small GRU to forecast the next value of a series, and compare it with the floors."""

# %% A seeded series of hourly temperatures: a slow wave, a daily wave, and noise that persists.
import numpy as np

from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, train

DAY, LOOKBACK, N_ROWS = 24, 48, 4_000
rng = np.random.default_rng(0)
hours = np.arange(N_ROWS)
noise = np.zeros(N_ROWS)
for t in range(1, N_ROWS):
    noise[t] = 0.8 * noise[t - 1] + 0.4 * rng.standard_normal()
series = 8 * np.sin(hours / 500) + 4 * np.sin(2 * np.pi * hours / DAY) + noise

# %% The first 3,000 rows train, the rest tests. Scaling uses the training rows alone.
n_train = 3_000
scaled = (series - series[:n_train].mean()) / series[:n_train].std()
rows = scaled.reshape(-1, 1)


def next_value(first: int, last: int) -> Dataset:
    """Windows whose target lies in rows first..last."""
    starts = np.arange(first, last) - LOOKBACK
    return Dataset(Windows(rows, starts, LOOKBACK), scaled[first:last])


training, test = next_value(LOOKBACK, n_train), next_value(n_train, N_ROWS)

# %% One layer of 32 units, ten passes over the data.
network = Network(Specification(n_features=1, hidden_size=32), seed=0)
options = TrainingOptions(
    max_epochs=10, learning_rate=0.01, learning_rate_schedule="one_cycle", clip_norm=1.0
)
result = train(network, training, options)

# %% Mean absolute error in degrees, beside two forecasts that need no training.
forecasts = {
    "GRU": network.predict(test.windows)[:, 0],
    "last value": scaled[n_train - 1 : -1],
    "same hour yesterday": scaled[n_train - DAY : -DAY],
}
print(f"{'forecast of the next hour':<28}{'MAE (degrees)':>14}")
for name, forecast in forecasts.items():
    error = np.abs(forecast - scaled[n_train:]).mean() * series[:n_train].std()
    print(f"{name:<28}{error:>14.3f}")
