"""Search: cell, lookback and size, compared on folds in time.

The estimator is scikit-learn's, so its tools do the search: each fold trains on the past and is
scored on what follows, by the skill over the best simple forecast.
"""

# %% Data: a winter and a spring of an invented place's temperature, hour by hour
import pandas as pd
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from gruforecast import GRUForecaster, make_weather

temperature = make_weather(n_days=120)["temperature"]
known, held_out = temperature[: -14 * 24], temperature[-14 * 24 :]

# %% Twelve candidates, three folds each
search = GridSearchCV(
    GRUForecaster(horizon=12, normalize="last", max_iter=15, random_state=0),
    {"cell": ["gru", "lstm", "rnn"], "lookback": [12, 24], "hidden_size": [8, 24]},
    cv=TimeSeriesSplit(3),
)
search.fit(known)

# %% All of them, best first
table = pd.DataFrame(search.cv_results_["params"])
table["skill"] = search.cv_results_["mean_test_score"]
table["spread"] = search.cv_results_["std_test_score"]
table["seconds"] = search.cv_results_["mean_fit_time"]
print(table.sort_values("skill", ascending=False).round(3).to_string(index=False))

# %% The best one, trained on all rows known, on rows that no candidate has seen
print(f"\nbest: {search.best_params_}")
print(f"skill on two weeks that were held out: {search.score(held_out):.3f}")
