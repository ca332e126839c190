"""The forecasts of a backtest beside the simplest ones: by hand, for every form of series."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster, backtest, from_long, metrics

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")
RNG = np.random.default_rng(0)
SERIES = pd.Series(
    20 + 5 * np.sin(2 * np.pi * np.arange(60) / 7) + RNG.normal(size=60), DAYS, name="sold"
)
MODEL = GRUForecaster(hidden_size=4, max_iter=2, random_state=0)


def run(series, **choices):
    return backtest(MODEL, series, 5, **{"initial": 40, "stride": 5} | choices)


def by_hand(series, result):
    """Mean absolute errors of the simplest forecasts, with loops."""
    errors = {name: [] for name in ("last value", "drift", "mean", "seasonal repeat")}
    first = result["cutoff"].min()
    known = series[:first]
    for row in result.itertuples():
        past = series[: row.cutoff]
        slope = (past.iloc[-1] - known.iloc[0]) / (len(past) - 1)
        forecasts = {
            "last value": past.iloc[-1],
            "drift": past.iloc[-1] + slope * row.step,
            "mean": known.mean(),
            "seasonal repeat": past.iloc[-7 + row.step - 1],
        }
        for name, value in forecasts.items():
            errors[name].append(abs(row.actual - value))
    return {name: np.mean(own) for name, own in errors.items()}


def test_it_is_what_a_loop_finds():
    result = run(SERIES)
    table = metrics.skill(result, SERIES)
    for name, error in by_hand(SERIES, result).items():
        assert table.loc[name, "mae"] == pytest.approx(error, rel=1e-12), name
    own = metrics.mae(result["actual"], result["mean"])
    assert table.loc["forecast", "mae"] == pytest.approx(own)
    np.testing.assert_allclose(table["skill"][1:], 1 - own / table["mae"][1:])
    scale = SERIES[:40].diff(7).abs().mean()
    np.testing.assert_allclose(table["mase"], table["mae"] / scale)


@pytest.mark.parametrize("form", ["array", "wide", "long"])
def test_the_form_of_the_series_does_not_matter(form):
    if form == "array":
        other = SERIES.to_numpy()
    elif form == "wide":
        other = SERIES.to_frame()
    else:
        long = SERIES.rename_axis("day").reset_index().assign(shop="a")
        other = from_long(long, "shop", "day", "sold")
    season = {"season": 7} if form == "array" else {}
    result = backtest(MODEL.set_params(season=season.get("season")), other, 5, 5, initial=40)
    MODEL.set_params(season=None)
    table = metrics.skill(result, other, **season)
    expected = metrics.skill(run(SERIES), SERIES)
    np.testing.assert_allclose(table["mae"][1:], expected["mae"][1:], rtol=1e-12)


def test_series_count_alike_in_units_of_their_naive_error():
    table = pd.DataFrame({"a": SERIES, "b": 1000 * SERIES})
    both = metrics.skill(run(table), table)
    one = metrics.skill(run(SERIES), SERIES)
    np.testing.assert_allclose(both["mase"][1:], one["mase"][1:], rtol=1e-9)


def test_missing_actuals_are_left_out():
    holes = SERIES.copy()
    holes.iloc[[43, 51]] = np.nan
    result = run(holes)
    table = metrics.skill(result, holes)
    own = metrics.mae(result["actual"], result["mean"])
    assert table.loc["forecast", "mae"] == pytest.approx(own)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (
            lambda r: r.drop(columns="actual"),
            "expected the columns of a backtest, got none named",
        ),
        (lambda r: r.iloc[:0], "expected at least one row, got none"),
        (lambda r: r.assign(series="other"), "expected the series of the backtest"),
        (lambda r: r.assign(cutoff=pd.Timestamp("2030-01-01")), "expected the series of the"),
        (lambda r: r.assign(actual=np.nan), "expected an actual that is not missing"),
    ],
)
def test_what_is_no_backtest_of_the_series_is_named(spoil, match):
    with pytest.raises(ValueError, match=match):
        metrics.skill(spoil(run(SERIES)), SERIES)


def test_what_is_no_table_is_named():
    with pytest.raises(TypeError, match="result: expected DataFrame, got list"):
        metrics.skill([1.0], SERIES)


@pytest.mark.parametrize("season", [0, -7, "x"])
def test_a_season_is_a_number_of_rows(season):
    with pytest.raises((TypeError, ValueError), match="season: expected"):
        metrics.skill(run(SERIES), SERIES, season=season)


def test_a_backtest_tells_how_far_it_has_come():
    told = []
    run(SERIES, progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
