"""Compare RNN, LSTM and GRU by grid search: accuracy, parameters, time and vanishing gradients."""

# %% Two tasks: remember a marked value over 40 steps, and forecast an invented town's temperature.
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit

from gruforecast import GRUForecaster, make_weather
from gruforecast.network import Network, Windows
from gruforecast.training import Dataset, loss_and_gradients

N_WINDOWS, N_STEPS, AHEAD = 2_400, 40, 6
CELLS = ["rnn", "lstm", "gru"]
rng = np.random.default_rng(0)

noise = rng.uniform(-1, 1, (N_WINDOWS, N_STEPS))
marked = rng.integers(0, 5, N_WINDOWS)  # one of the five oldest steps
marker = np.zeros((N_WINDOWS, N_STEPS))
marker[np.arange(N_WINDOWS), marked] = 1.0
memory_X = np.stack([noise, marker], axis=2)  # (windows, steps, features)
memory_y = noise[np.arange(N_WINDOWS), marked]

weather = make_weather(n_days=450, seed=0)
weather_X = weather[:-AHEAD]  # rows are hours
weather_y = weather["temperature"].diff(AHEAD).to_numpy()[AHEAD:]  # how much warmer it gets

# %% The cell is an ordinary parameter of the search; each task has splits of its own.
shared = {"learning_rate": 0.01, "learning_rate_schedule": "one_cycle", "random_state": 0}
memory = GRUForecaster(max_iter=40, early_stopping=False, **shared)
forecast = GRUForecaster(lookback=24, max_iter=6, early_stopping=False, **shared)
tasks = {
    "remember 40 steps": (memory, memory_X, memory_y, KFold(3)),
    "weather in 6 hours": (forecast, weather_X, weather_y, TimeSeriesSplit(3, test_size=24 * 30)),
}
results, models = [], {}
for task, (model, X, y, cv) in tasks.items():
    search = GridSearchCV(model, {"cell": CELLS}, cv=cv, scoring="r2").fit(X, y)
    for at, cell in enumerate(CELLS):
        models[task, cell] = clone(model).set_params(cell=cell).fit(X, y)
        row = {"task": task, "cell": cell, "R2": search.cv_results_["mean_test_score"][at]}
        row["parameters"] = sum(w.size for w in models[task, cell].weights_.values())
        row["seconds per fit"] = search.cv_results_["mean_fit_time"][at]
        results.append(row)
yesterday = weather["temperature"].diff(AHEAD).shift(24).to_numpy()[AHEAD:]
floor = np.mean([r2_score(weather_y[t], yesterday[t]) for _, t in cv.split(weather_X)])
print(pd.DataFrame(results).round({"R2": 3, "seconds per fit": 2}).to_string(index=False))
print(f"(R2 of yesterday's change at the same hour as the forecast of the weather: {floor:.3f})")


# %% How much of the error's gradient reaches a step of the memory task, before and after training.
def gradient_norms(network: Network) -> np.ndarray:
    """Norm of the gradient of the loss by the inputs of each step (n_steps,), newest first."""
    data = Dataset(Windows.from_array(memory_X), memory_y)
    by_input = loss_and_gradients(network, data, "squared_error").inputs
    return np.linalg.norm(by_input, axis=(0, 2))[::-1]


ages = [0, 5, 10, 20, N_STEPS - 1]
norms = {}
for cell in CELLS:
    trained = models["remember 40 steps", cell].network_
    for when, network in (("before", Network(trained.specification)), ("after", trained)):
        norm = gradient_norms(network)
        norms[f"{cell} {when}"] = norm[ages] / norm[0]
print("\nGradient of the loss by a step's input, relative to the newest step's, by training:")
table = pd.DataFrame(norms, index=[f"{age} steps back" for age in ages]).T
print(table.map("{:.1e}".format).to_string())
