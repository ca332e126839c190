"""Skill of a fit beside the simplest forecasts, by hand, and the warning of an echo."""

import warnings

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster
from gruforecast.forecasting.skill import Contest, EchoWarning

BRIEF = {"hidden_size": 4, "max_iter": 2, "random_state": 0}
FLOORS = ["last value", "drift", "mean"]


def forecaster(**choices):
    return GRUForecaster(**BRIEF | choices)


def fit(series, **choices):
    """A fit whose forecasts may be an echo."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EchoWarning)
        return forecaster(**choices).fit(series)


def dated(values, freq="D", start="2015-01-01"):
    return pd.Series(values, pd.date_range(start, periods=len(values), freq=freq))


def noise(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def weekly(n=120, seed=0):
    return 5 * np.sin(np.arange(n) * 2 * np.pi / 7) + 0.3 * noise(n, seed)


def test_the_last_bits_of_a_constant_are_no_error():
    for level in (0.1, 3.3, 5.0):
        skill = fit(dated(np.full(60, level)), horizon=2).skill_
        assert (skill["mae"] == 0).all()
        assert skill["skill"].isna().all()


# The table by hand


def by_hand(values, places, made, horizon, season, n_tail):
    """Errors of each forecast of the last observed values, by name; and the naive error before.

    ``places`` tell which rows follow each other; ``made[row, h - 1]`` is foretold h steps on.
    """
    n, row_at = len(values), {place: row for row, place in enumerate(places)}
    begin = [row for row in range(n) if not np.isnan(values[row])][-n_tail]
    before = [row for row in range(begin) if not np.isnan(values[row])]
    first, mean = before[0], np.mean([values[row] for row in before])

    def carried(row):
        while np.isnan(values[row]):
            row -= 1
        return values[row]

    def at_or_before(place):
        return carried(max(row for row in range(n) if places[row] <= place))

    errors = {name: [] for name in ["forecast", *FLOORS, *(["seasonal repeat"] if season else [])]}
    for row in range(n):
        for h in range(1, horizon + 1):
            target = row_at.get(places[row] + h, -1)
            if target < begin or np.isnan(values[target]):
                continue
            newest = carried(row)
            slope = (newest - values[first]) / (places[row] - places[first])
            guesses = {
                "forecast": made[row, h - 1],
                "last value": newest,
                "drift": newest + slope * h,
                "mean": mean,
            }
            if season:
                back = h
                while back > 0:
                    back -= season
                guesses["seasonal repeat"] = at_or_before(places[row] + back)
            for name, guess in guesses.items():
                errors[name].append(abs(values[target] - guess))
    lag = season or 1
    naive = [
        abs(values[row] - values[row_at[places[row] - lag]])
        for row in before
        if places[row] - lag in row_at
    ]
    return errors, np.nanmean(naive)


GAPPED = np.delete(np.arange(140), [3, 20, 21, 40, 77, 118, 125, 133])
CASES = {
    "every stamp": (np.arange(120), None),
    "stamps left out": (GAPPED, None),
    "values missing": (np.arange(120), [5, 6, 60, 95, 101, 111, 112, 118]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("horizon", [1, 3, 9])
def test_skill_by_hand(case, horizon):
    places, missing = CASES[case]
    values = weekly(150)[places]
    if missing:
        values[missing] = np.nan
    series = pd.Series(values, pd.Timestamp("2015-01-01") + pd.to_timedelta(places, unit="D"))
    # Skill is that of a baseline learnt before the tail, predict has one learnt from all rows.
    model = fit(series, horizon=horizon, early_stopping=True, dtype="float64", baseline="none")
    n = int(series.notna().sum())
    n_tail = int(max(round(0.1 * n), min(max(horizon, 20), n // 4)))
    errors, naive = by_hand(values, places, model.predict(series), horizon, 7, n_tail)
    table = model.skill_
    assert list(table.index) == list(errors)
    assert list(table.columns) == ["mae", "mase", "skill"]
    own = np.mean(errors["forecast"])
    for name, found in errors.items():
        mae = np.mean(found)
        expected = [mae, mae / naive, np.nan if name == "forecast" else 1 - own / mae]
        np.testing.assert_allclose(table.loc[name], expected, rtol=1e-9, err_msg=name)


def test_skill_of_several_series_by_hand():
    columns = {"a": weekly(100), "b": 1e3 * weekly(100, seed=1) + 50, "c": 1e-3 * weekly(100, 2)}
    table = pd.DataFrame(columns, pd.date_range("2015-01-01", periods=100, freq="D"))
    model = fit(table, horizon=2, early_stopping=True, dtype="float64", baseline="none")
    made = model.predict(table)
    of_each = [
        by_hand(table[name].to_numpy(), np.arange(100), made[:, s], 2, 7, 20)
        for s, name in enumerate(columns)
    ]
    for name, row in model.skill_.iterrows():
        mae = np.mean([np.mean(errors[name]) for errors, _ in of_each])
        mase = np.mean([np.mean(errors[name]) / naive for errors, naive in of_each])
        np.testing.assert_allclose(row[["mae", "mase"]], [mae, mase], rtol=1e-9)
    relative = 1 - model.skill_.loc["forecast", "mase"] / model.skill_["mase"].iloc[1:]
    np.testing.assert_allclose(model.skill_["skill"].iloc[1:], relative)


# After every fit


@pytest.mark.parametrize("early_stopping", [True, False, "auto"])
@pytest.mark.parametrize("n", [24, 200, 1100])
def test_skill_after_every_fit(early_stopping, n):
    series = dated(weekly(n))
    model = fit(series, horizon=2, early_stopping=early_stopping)
    assert np.isfinite(model.skill_[["mae", "mase"]].to_numpy()).all()
    other = fit(series, horizon=2, early_stopping=not model.skill_.empty)
    pd.testing.assert_frame_equal(model.skill_.iloc[1:, :2], other.skill_.iloc[1:, :2])


def test_too_short_for_skill():
    model = fit(dated(weekly()), horizon=2)
    assert model.skill_ is not None
    model.fit(dated([1.0, 2.0, 4.0]))
    assert model.skill_ is None
    assert "skill" not in repr(model)
    assert len(model.forecast()) == 2


def test_a_fit_with_a_target_has_no_skill():
    model = fit(dated(weekly()), horizon=2)
    model.set_params(horizon=None).fit(np.ones((30, 2)) * np.arange(30)[:, None], np.arange(30.0))
    assert not hasattr(model, "skill_")
    assert "skill" not in repr(model)


@pytest.mark.parametrize(
    ("series", "choices", "season"),
    [
        (dated(weekly()), {}, 7),
        (dated(weekly(), "h"), {}, 24),
        (dated(weekly(), "MS"), {}, 12),
        (dated(weekly(), "B"), {}, 5),
        (dated(weekly(), pd.offsets.QuarterEnd()), {}, 4),
        (dated(weekly()), {"season": 3}, 3),
        (weekly(), {"season": 7}, 7),
        (weekly(), {}, None),
        (weekly(), {"season": 1}, 1),
    ],
)
def test_season_is_given_or_inferred(series, choices, season):
    model = fit(series, horizon=2, **choices)
    assert model.season_ == season
    has_season = season is not None and season > 1
    assert list(model.skill_.index[1:]) == FLOORS + ["seasonal repeat"] * has_season


def test_repr_shows_skill_and_coverage():
    model = fit(dated(weekly()), horizon=2)
    text = repr(model)
    for name, value in model.skill_["skill"].iloc[1:].items():
        assert f"{value:.1%} over {name}" in text
    for level, share in model._state.calibration.coverage.items():
        assert f"{share:.1%} in the {level:g} % band" in text
    assert "fitted to 1 series, daily, horizon 2" in text
    assert "skill" not in repr(forecaster())


# Constant series


def test_constant_series():
    model = forecaster(horizon=2).fit(dated(np.full(60, 3.0)))
    np.testing.assert_array_equal(model.skill_["mae"], 0.0)
    assert np.isnan(model.skill_["mase"]).all()
    np.testing.assert_array_equal(model.forecast(level=95).to_numpy(), 3.0)


def test_repr_of_a_constant_series():
    text = repr(forecaster(horizon=2).fit(dated(np.full(60, 3.0))))
    assert "skill" not in [line.strip() for line in text.splitlines()]


def test_a_constant_series_beside_another():
    series = weekly(100)
    pair = pd.DataFrame({"a": series, "flat": 2.0}, dated(series).index)
    skill = fit(pair, horizon=2).skill_
    alone = fit(pair[["a"]], horizon=2).skill_
    np.testing.assert_allclose(skill["mase"].iloc[1:], alone["mase"].iloc[1:])


# Echoes


@pytest.mark.parametrize("seed", range(3))
def test_a_random_walk_has_no_skill(seed):
    walk = dated(noise(3000, seed).cumsum())
    with pytest.warns(EchoWarning, match="the forecast merely echoes the last value: it lies"):
        model = GRUForecaster(horizon=1, max_iter=5, random_state=0).fit(walk)
    assert model.skill_.loc["last value", "skill"] < 0.02


def test_a_seasonal_series_is_no_echo():
    model = forecaster(horizon=7, max_iter=10, learning_rate=0.02).fit(dated(weekly(400)))
    assert (model.skill_["skill"].loc[FLOORS] > 0.5).all()


def contest(actual, last, scale):
    return Contest(actual, {"last value": last}, scale)


def test_echoes_of_the_last_value():
    actual, last = noise((200, 2)), 0.5 * noise((200, 2), 1)
    scale = np.ones(200)
    with pytest.warns(EchoWarning, match="lies 0% of that one's error away from it and errs 0.0%"):
        contest(actual, last, scale).warn_of_echo(last)
    contest(actual, last, scale).warn_of_echo(last + 0.5 * (actual - last))  # better
    contest(actual, last, scale).warn_of_echo(last + 2.0)  # worse, but not by repeating it
    contest(last, last, scale).warn_of_echo(last)  # the last value is never wrong
    actual[:, 1] = np.nan
    with pytest.warns(EchoWarning, match="errs 0.0% more"):
        contest(actual, last, scale).warn_of_echo(last)


def test_one_large_walk_among_many_series_is_no_echo():
    actual, last = noise((700, 1)), np.zeros((700, 1))
    mean = 0.9 * actual
    actual[:100] *= 1e6
    mean[:100] = 0  # the walk: one series of seven
    scale = np.where(np.arange(700) < 100, 1e6, 1.0)
    contest(actual, last, scale).warn_of_echo(mean)


# score


def test_score_is_the_skill_over_the_best_floor():
    series = dated(weekly(200))
    model = fit(series[:150], horizon=2, early_stopping=True)
    made, values = model.predict(series), series.to_numpy()
    places = np.arange(200)
    errors, _ = by_hand(values, places, made, 2, 7, 50)
    best = min(np.mean(errors[name]) for name in ("last value", "seasonal repeat"))
    assert model.score(series[150:]) == pytest.approx(1 - np.mean(errors["forecast"]) / best)
