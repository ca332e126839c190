"""Time of a whole fit of 20 epochs through public APIs, and what the forecast is worth.

    python -m tests.benchmarks.fit [--rounds 5]

One seeded series of 8,000 hours, one feature, windows of 48 steps, 32 hidden units, batches of 64,
Adam: ``GRUForecaster.fit``, the loop that PyTorch's tutorials teach (DataLoader over a tensor of
windows, ``nn.GRU``, ``nn.Linear``), and scikit-learn's ``MLPRegressor`` on the windows, for scale.
Contenders run in turn in this process, after one fit each that is not measured; the median and the
error on 1,000 hours that follow are printed. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np

from gruforecast import GRUForecaster, make_supervised, make_weather

LOOKBACK, HIDDEN, BATCH, EPOCHS, N_TRAIN, N_TEST = 48, 32, 64, 20, 8_000, 1_000
Predict = Callable[[], np.ndarray]


def make_data() -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, 1) and the value that follows each, scaled by the training rows."""
    series = make_weather(n_days=400, seed=0)["temperature"].to_numpy()[: N_TRAIN + N_TEST + 1]
    series = (series - series[:N_TRAIN].mean()) / series[:N_TRAIN].std()
    return series[:-1, None], series[1:]


def fit_gruforecast(X: np.ndarray, y: np.ndarray) -> Predict:
    model = GRUForecaster(
        lookback=LOOKBACK, hidden_size=HIDDEN, batch_size=BATCH, max_iter=EPOCHS,
        early_stopping=False, learning_rate=1e-3, random_state=0,
    )  # fmt: skip
    model.fit(X[:N_TRAIN], y[:N_TRAIN])
    return lambda: model.predict(X[N_TRAIN:])


def windows_of(X: np.ndarray) -> np.ndarray:
    """The windows (n - LOOKBACK + 1, LOOKBACK) that end at each row from LOOKBACK - 1 on."""
    return make_supervised(np.append(X[:, 0], 0.0), LOOKBACK)[0]


def fit_torch(X: np.ndarray, y: np.ndarray) -> Predict:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    torch.manual_seed(0)
    windows = torch.tensor(windows_of(X), dtype=torch.float32)[:, :, None]
    first = N_TRAIN - LOOKBACK + 1  # windows that end within the training rows
    targets = torch.tensor(y[LOOKBACK - 1 : N_TRAIN], dtype=torch.float32)
    loader = DataLoader(TensorDataset(windows[:first], targets), BATCH, shuffle=True)
    gru, head = torch.nn.GRU(1, HIDDEN, batch_first=True), torch.nn.Linear(HIDDEN, 1)
    parameters = [*gru.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    for _ in range(EPOCHS):
        for batch, wanted in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(head(gru(batch)[0][:, -1])[:, 0], wanted)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    def predict() -> np.ndarray:
        with torch.no_grad():
            return head(gru(windows[first:])[0][:, -1])[:, 0].numpy()

    return predict


def fit_mlp(X: np.ndarray, y: np.ndarray) -> Predict:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    windows, first = windows_of(X), N_TRAIN - LOOKBACK + 1
    model = MLPRegressor(
        hidden_layer_sizes=(HIDDEN,), batch_size=BATCH, max_iter=EPOCHS, tol=0.0, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(windows[:first], y[LOOKBACK - 1 : N_TRAIN])
    return lambda: model.predict(windows[first:])


CONTENDERS = {
    "gruforecast": fit_gruforecast, "torch": fit_torch, "scikit-learn MLP": fit_mlp,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    X, y = make_data()
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    errors = {}
    for number in range(rounds + 1):
        for name, fit in CONTENDERS.items():
            start = time.perf_counter()
            predict = fit(X, y)
            if number:
                seconds[name].append(time.perf_counter() - start)
            errors[name] = np.abs(predict() - y[N_TRAIN:]).mean()
    ours = median(seconds["gruforecast"])
    print(f"{'20 epochs':<18}{'seconds':>9}{'ratio':>8}{'MAE':>9}")
    for name, times in seconds.items():
        print(f"{name:<18}{median(times):>9.2f}{median(times) / ours:>8.1f}{errors[name]:>9.4f}")
    print(f"{'last value':<35}{np.abs(X[N_TRAIN:, 0] - y[N_TRAIN:]).mean():>9.4f}")


if __name__ == "__main__":
    main()
