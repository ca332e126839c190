"""Stocks: a pipeline on returns, with honest skill.

Prices of an invented market walk at random (``make_market``), so a forecast of tomorrow's return
has no skill, and says so. How much the price will move can be forecast: calm and nervous times last
for weeks.
"""

# %% Data: what is known at the close of a day, and what is to be forecast
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gruforecast import GRUForecaster, ResidualDisplay, make_market

WEEK = 5
price = make_market(n_days=2500)["stock_0"]
returns = 100 * np.log(price).diff()
size = returns.abs()
X = pd.DataFrame(
    {"return": returns, "week": size.rolling(WEEK).mean(), "month": size.ewm(20).mean()}
)
targets = pd.DataFrame(
    {
        "tomorrow's return": returns.shift(-1),
        "next week's mean size": size.rolling(WEEK).mean().shift(-WEEK),
    }
)
is_known = X.notna().all(axis=1) & targets.notna().all(axis=1)
X, targets = X[is_known], targets[is_known]

# %% Rows are days: windows of 20 are cut inside the last step of the pipeline
model = make_pipeline(
    StandardScaler(),
    GRUForecaster(
        lookback=20, hidden_size=8, loss="absolute_error", alpha=0.01, max_iter=20, random_state=0
    ),
)
folds = TimeSeriesSplit(4, gap=WEEK)  # no target of the training rows reaches into the test rows


def out_of_sample(estimator, y):
    """Predictions of each day by a model that has seen the days before it alone."""
    parts = []
    for train, test in folds.split(X):
        fitted = estimator.fit(X.iloc[train], y.iloc[train])
        parts.append(pd.Series(fitted.predict(X.iloc[test]), X.index[test]))
    return pd.concat(parts)


# %% Beside the simplest forecasts: the median so far, and what was seen last again
errors, made = {}, {}
for name, newest in {"tomorrow's return": "return", "next week's mean size": "week"}.items():
    y = targets[name]
    made[name] = out_of_sample(model, y)
    others = {
        "median so far": out_of_sample(DummyRegressor(strategy="quantile", quantile=0.5), y),
        "the last one again": X[newest],
    }
    errors[name] = {
        method: (y - values).abs().loc[made[name].index].mean()
        for method, values in {"GRU": made[name], **others}.items()
    }
errors = pd.DataFrame(errors)
print("Mean absolute error (percent of the price) on days that the model had not seen\n")
print(errors.round(3), "\n")
for name, column in errors.items():
    print(f"{name}: skill {1 - column['GRU'] / column.iloc[1:].min():.1%}")
print("\nNobody can forecast the return; how much prices will move is another matter.")

# %% Residuals of the size, by day
name = "next week's mean size"
y = targets[name].loc[made[name].index]
ResidualDisplay.from_predictions(y, made[name], times=y.index)
plt.show()
