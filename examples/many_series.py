"""Many series: one network for all of them, with gaps, and a place that it has never seen."""

# %% Data: the temperature of eight invented places, one row per place and hour
import matplotlib.pyplot as plt
import pandas as pd

from gruforecast import ForecastDisplay, GRUForecaster, backtest, from_long, make_weather, metrics

places = {f"place {i:02d}": make_weather(45, seed=i, gaps=0.02) for i in range(8)}
table = pd.concat(places, names=["place", "time"])["temperature"].reset_index()
series = from_long(table, "place", "time", "temperature")
print(table.head(3), "\n")

# %% One model: what it learns from one place helps with the others
model = GRUForecaster(horizon=24, max_iter=8, series_embedding_size=2, random_state=0)
result = backtest(model, series, horizon=24, level=80, stride=24)
print(metrics.skill(result, series).round(3), "\n")

# %% Place by place
by_place = {
    place: {
        "mae": metrics.mae(own["actual"], own["mean"]),
        "in the 80 % band": metrics.coverage(own["actual"], own["lo-80"], own["hi-80"]),
    }
    for place, own in result.groupby("series")
}
print(pd.DataFrame(by_place).T.round(2), "\n")

# %% A place that is new: nothing is learnt from it, the model reads it and forecasts
model = GRUForecaster(horizon=24, max_iter=8, random_state=0).fit(series)
new = make_weather(n_days=60, seed=99)["temperature"].rename("new place")
known, truth = new[:-24], new[-24:]
forecast = model.forecast(last=pd.concat({"new place": known}, names=["place", "time"]))
forecast = forecast.loc["new place"]
print(f"a new place, its next day: {metrics.mae(truth, forecast['mean']):.2f} degrees")

# %% The next day of four of them
ForecastDisplay.from_estimator(model, level=(50, 90), series=list(places)[:4])
plt.show()
