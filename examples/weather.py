"""Weather: a week of Seattle's temperature with covariates and intervals.

The length of the day is known for every day to come, wind and rain only for those that have passed.
"""

# %% Data: daily, 2012 to 2015
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from gruforecast import (
    BacktestDisplay,
    ForecastDisplay,
    GRUForecaster,
    backtest,
    load_seattle,
    metrics,
)

weather = load_seattle()
temperature = weather["temp_max"]
LATITUDE = np.deg2rad(47.6)


def day_length(days):
    """Hours between sunrise and sunset, and how fast they grow."""
    turn = 2 * np.pi * (days.day_of_year - 80) / 365.25
    declination = np.arcsin(0.398 * np.sin(turn))
    hours = 24 / np.pi * np.arccos(-np.tan(LATITUDE) * np.tan(declination))
    return pd.DataFrame({"daylight": hours, "spring": np.cos(turn)}, index=days)


known = day_length(weather.index)
seen = weather[["precipitation", "wind"]]

# %% Each week of 2015 from what was known before it, by a model of the three years before
model = GRUForecaster(horizon=7, hidden_size=8, learning_rate=1e-3, max_iter=60, random_state=0)
is_2015 = weather.index.year == 2015
models = {
    "temperature alone": {},
    "and the length of the day": {"covariates": known},
    "and rain and wind so far": {"covariates": known, "past_covariates": seen},
}
table, results = {}, {}
for name, beside in models.items():
    result = backtest(
        model, temperature, horizon=7, level=(80, 95), initial=int((~is_2015).sum()), **beside
    )
    skill = metrics.skill(result, temperature)
    table[name] = {
        "mae": skill.loc["forecast", "mae"],
        "skill over last value": skill.loc["last value", "skill"],
        "in the 80 % band": metrics.coverage(result["actual"], result["lo-80"], result["hi-80"]),
        "in the 95 % band": metrics.coverage(result["actual"], result["lo-95"], result["hi-95"]),
    }
    results[name] = result
print(pd.DataFrame(table).T.round(3).to_string())

# %% How 2015 went
BacktestDisplay.from_backtest(results["and the length of the day"])
plt.show()

# %% The week after the data ends
model.fit(temperature, covariates=known)
days = pd.date_range(temperature.index[-1], periods=8, freq="D")[1:]
week = model.forecast(7, level=(80, 95), covariates=day_length(days))
print(week.round(1))
ForecastDisplay.from_forecast(week, history=temperature)
plt.show()
