"""How forecasts of series are judged: score and skill_ against loops, and searches."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

from gruforecast import GRUForecaster
from tests.helpers import wavy_series

# A network that has learnt next to nothing adds little to what it starts from.
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
N, CUT, HORIZON, LOOKBACK = 240, 180, 4, 12


def small(**changes):
    choices = {"horizon": HORIZON, "lookback": LOOKBACK, "hidden_size": 4, "max_iter": 2}
    return GRUForecaster(**choices | {"random_state": 0, "normalize": "standard"} | changes)


def series(n=N, seed=0):
    index = pd.date_range("2024-03-01", periods=n, freq="h")
    return pd.Series(10 + 3 * wavy_series(n, 1, seed)[:, 0], index=index, name="load")


def naive_forecasts(values, row, horizon, season, mean):
    """What the simplest forecasts say after a row, from all rows up to it."""
    newest, first = values[row], values[0]
    slope = (newest - first) / max(row, 1)
    found = {
        "last value": [newest] * horizon,
        "drift": [newest + slope * h for h in range(1, horizon + 1)],
        "mean": [mean] * horizon,
    }
    if season:
        repeat = []
        for h in range(1, horizon + 1):
            at = row + h
            while at > row:
                at -= season
            repeat.append(values[max(at, 0)])
        found["seasonal repeat"] = repeat
    return found


def mean_errors(values, told, judged, season, mean):
    """Mean absolute error of forecasts (n, H), and of the naive ones, on judged rows (a set)."""
    errors = {}
    for row in range(len(values)):
        after = {"forecast": told[row]}
        after |= naive_forecasts(values, row, told.shape[1], season, mean)
        for h in range(1, told.shape[1] + 1):
            if row + h in judged:
                for name, forecast in after.items():
                    error = abs(values[row + h] - forecast[h - 1])
                    errors.setdefault(name, []).append(error)
    return {name: np.mean(found) for name, found in errors.items()}


def naive_scale(values, season):
    """Mean change over a season, or over a step, as in MASE."""
    lag = season or 1
    return np.mean([abs(values[t] - values[t - lag]) for t in range(lag, len(values))])


def skill(errors):
    return 1 - errors["forecast"] / min(e for name, e in errors.items() if name != "forecast")


@pytest.mark.parametrize("season", [None, 3, 24])
def test_score_on_the_training_rows(season):
    rows = series() if season else series().to_numpy()
    model = small(season=season).fit(rows)
    values = np.asarray(rows)
    told = model.predict(rows)
    errors = mean_errors(values, told, set(range(1, N)), season, values.mean())
    assert model.score(rows) == pytest.approx(skill(errors))


@pytest.mark.parametrize(
    ("horizon", "season"),
    [(1, None), (1, 3), (4, 24), (4, None), (4, 3), (20, 12)],
)
def test_score_on_the_rows_that_follow(horizon, season):
    rows = series() if season else series().to_numpy()
    if season:
        rows = rows + 20 * np.sin(2 * np.pi * np.arange(N) / season)
    model = small(horizon=horizon, season=season).fit(rows[:CUT])
    values = np.asarray(rows)
    told = model.predict(rows)
    errors = mean_errors(values, told, set(range(CUT, N)), season, values[:CUT].mean())
    assert model.score(rows[CUT:]) == pytest.approx(skill(errors))


def test_score_of_several_series_counts_each_in_its_own_scale():
    wide = pd.DataFrame({name: series(seed=s) * 10**s for s, name in enumerate("ab")})
    model = small().fit(wide)
    told = model.predict(wide)
    errors = {}
    for s, name in enumerate(wide):
        values = wide[name].to_numpy()
        own = mean_errors(values, told[:, s], set(range(1, N)), 24, values.mean())
        for who, error in own.items():
            errors.setdefault(who, []).append(error / naive_scale(values, 24))
    assert model.score(wide) == pytest.approx(skill({k: np.mean(e) for k, e in errors.items()}))


def test_score_counts_series_that_training_did_not_see():
    wide = pd.DataFrame({"a": series(), "new": series(seed=1) * 9})
    model = small().fit(wide[["a"]])
    assert model.score(wide) != model.score(wide[["a"]])


@pytest.mark.parametrize("season", [None, 5])
def test_skill_by_hand(season):
    rows = series(100) if season else series(100).to_numpy()
    choices = {"season": season, "early_stopping": True, "validation_fraction": 0.3}
    model = small(baseline="none", **choices).fit(rows)  # which predict would learn from all rows
    values = np.asarray(rows)
    errors = mean_errors(
        values, model.predict(rows), set(range(70, 100)), season, values[:70].mean()
    )
    scale = naive_scale(values[:70], season)
    table = model.skill_
    assert set(table.index) == set(errors)
    assert table.index[0] == "forecast"
    for name, error in errors.items():
        assert table.loc[name, "mae"] == pytest.approx(error)
        assert table.loc[name, "mase"] == pytest.approx(error / scale)
        if name != "forecast":
            wanted = 1 - errors["forecast"] / error
            assert table.loc[name, "skill"] == pytest.approx(wanted)
    assert np.isnan(table.loc["forecast", "skill"])


# Searches.


@pytest.mark.parametrize("kind", ["series", "array", "table", "numbered"])
def test_a_search_over_lookback(kind):
    rows = {
        "series": series(),
        "array": series().to_numpy(),
        "table": pd.DataFrame({"a": series(), "b": series(seed=1) * 9}),
        "numbered": series().reset_index(drop=True),
    }[kind]
    model = small(horizon=6, n_jobs=1)
    search = GridSearchCV(model, {"lookback": [8, 16]}, cv=TimeSeriesSplit(3)).fit(rows)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]
    assert len(search.best_estimator_.forecast(7)) == 7
    assert search.score(rows) == search.best_estimator_.score(rows)
    split = TimeSeriesSplit(3).split(rows)
    take = rows.iloc if hasattr(rows, "iloc") else rows
    by_hand = [
        small(horizon=6, lookback=8).fit(take[train]).score(take[test]) for train, test in split
    ]
    np.testing.assert_array_equal(
        cross_val_score(small(horizon=6, lookback=8), rows, cv=TimeSeriesSplit(3)), by_hand
    )
    assert scores[0] == pytest.approx(np.mean(by_hand))


@pytest.mark.parametrize("value", [0.0, 5.0, -1e6])
@pytest.mark.parametrize("normalize", ["auto", "none", "standard", "last", "window"])
def test_a_constant_series(normalize, value):
    rows = pd.Series(np.full(N, value), series().index)
    model = small(normalize=normalize).fit(rows[:CUT])
    assert np.isfinite(model.forecast(9, level=(80, 95))).all(axis=None)
    assert np.isfinite(model.predict(rows)).all()
    assert not np.isnan(model.score(rows[CUT:]))
    assert np.isfinite(model.loss_curve_).all()
    assert model.skill_["mae"].notna().all()


def test_a_large_constant_series_in_its_own_units():
    small(normalize="none").fit(np.full(N, 1e9))


def test_a_constant_series_beside_another():
    wide = pd.DataFrame({"a": series(), "flat": 3.0})
    model = small().fit(wide[:CUT])
    assert np.isfinite(model.forecast(9, level=80)).all(axis=None)
    assert np.isfinite(model.score(wide[CUT:]))


def test_a_search_over_a_constant_series():
    rows = np.full(N, 4.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = GridSearchCV(small(), {"lookback": [4, 8]}, cv=TimeSeriesSplit(3)).fit(rows)
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


def test_a_fold_without_change_has_a_finite_score():
    rows = series()
    rows.iloc[CUT - HORIZON :] = 0.0
    assert np.isfinite(small().fit(rows[:CUT]).score(rows[CUT:]))
