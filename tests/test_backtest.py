"""Backtests: values by hand, forms and indexes of series, and edges."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster, backtest, metrics
from gruforecast.forecasting.skill import EchoWarning

pytestmark = pytest.mark.filterwarnings(f"ignore::{EchoWarning.__module__}.EchoWarning")

N, H = 60, 3
BRIEF = {"hidden_size": 4, "max_iter": 1, "random_state": 0, "lookback": 6}
FACTS = ["series", "cutoff", "step", "time", "actual", "mean"]


def forecaster(**choices):
    return GRUForecaster(**{"horizon": H} | BRIEF | choices)


def values(seed=0, n=N):
    return 3 + np.sin(0.9 * np.arange(n)) + 0.3 * np.random.default_rng(seed).standard_normal(n)


def daily(n=N):
    return pd.Series(values(n=n), pd.date_range("2021-01-01", periods=n, freq="D"), name="sales")


def wide():
    return pd.DataFrame({"a": values(), "b": 50 * values(1)}, daily().index)


def stacked(table):
    return table.stack().dropna().swaplevel().sort_index()


def check_equal(result, other):
    pd.testing.assert_frame_equal(result, other, check_exact=True)


def by_hand(model, series, horizon, stride, initial, every, **options):
    """Fit and forecast at one cutoff after another: mean and bounds."""
    parts, fitted_at = [], None
    for number, cutoff in enumerate(range(initial, len(series) - horizon + 1, stride)):
        if fitted_at is None or (every and number % every == 0):
            model.fit(series[:cutoff])
            fitted_at = cutoff
        last = series[fitted_at:cutoff] if cutoff > fitted_at else None
        parts.append(model.forecast(horizon, last=last, **options))
    return pd.concat(parts)


# The frame


@pytest.mark.parametrize(("refit", "every"), [(False, 0), (True, 1), (1, 1), (2, 2), (99, 99)])
def test_values_by_hand(refit, every):
    series = daily()
    result = backtest(forecaster(), series, H, stride=2, refit=refit, initial=50, level=(95, 80))
    expected = by_hand(forecaster(), series, H, 2, 50, every, level=(95, 80))
    assert list(result.columns) == [*FACTS, "lo-95", "hi-95", "lo-80", "hi-80"]
    check_equal(result[expected.columns], expected.reset_index(drop=True))
    assert (result["time"] == expected.index).all()
    assert result["cutoff"].unique().tolist() == series.index[49:57:2].tolist()
    assert result["step"].tolist() == [1, 2, 3] * 4
    np.testing.assert_array_equal(result["actual"], series[result["time"]])
    assert set(result["series"]) == {"sales"}
    assert result["step"].dtype == np.int64
    assert result["time"].dtype == result["cutoff"].dtype == series.index.dtype
    assert (result.dtypes.iloc[4:] == np.float64).all()


def test_steps_beyond_the_horizon_of_the_model():
    series = daily()
    result = backtest(forecaster(horizon=2), series, 5, initial=50)
    expected = by_hand(forecaster(horizon=2), series, 5, 5, 50, 0)
    np.testing.assert_array_equal(result["mean"], expected["mean"])
    chosen = backtest(forecaster(horizon=None), series, 5, initial=50)
    check_equal(chosen, backtest(forecaster(horizon=5), series, 5, initial=50))


def test_later_rows_do_not_matter():
    series, changed = daily(), daily()
    changed.iloc[54:] = 1e3
    first, second = (backtest(forecaster(), s, H, stride=1, initial=50, refit=2, level=80)
                     for s in (series, changed))  # fmt: skip
    known = first["cutoff"] <= series.index[53]
    statistics = ["mean", "lo-80", "hi-80"]
    check_equal(first.loc[known, statistics], second.loc[known, statistics])
    assert not known.all()


def test_the_estimator_stays_as_it_was():
    model = forecaster()
    backtest(model, daily(), H)
    assert not hasattr(model, "network_")


@pytest.mark.parametrize(
    ("options", "cutoffs"),
    [
        ({}, range(48, 58, 3)),
        ({"stride": 1}, range(48, 58)),
        ({"stride": 100}, [48]),
        ({"initial": 57}, [57]),
        ({"initial": 30, "stride": 10}, [30, 40, 50]),
        ({"horizon": 20}, [40]),
    ],
)
def test_cutoffs(options, cutoffs):
    result = backtest(forecaster(), values(), **{"horizon": H} | options)
    assert result["cutoff"].unique().tolist() == [cutoff - 1 for cutoff in cutoffs]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"horizon": 0}, ValueError, "horizon: expected at least 1, got 0"),
        ({"horizon": 2.0}, TypeError, "horizon: expected a whole number, got 2.0"),
        ({"horizon": N}, ValueError, f"series: expected more rows than horizon={N}, got {N}"),
        ({"stride": 0}, ValueError, "stride: expected at least 1, got 0"),
        ({"initial": 0}, ValueError, "initial: expected at least 1, got 0"),
        ({"initial": 58}, ValueError, "initial: expected at most 57, as horizon=3 of the 60 rows"),
        ({"refit": 0}, ValueError, "refit: expected at least 1, got 0"),
        ({"refit": "yes"}, TypeError, "refit: expected a whole number, got 'yes'"),
        ({"level": 0.8}, ValueError, "level: expected percentages, got 0.8"),
        ({"initial": 3}, ValueError, "expected at least horizon \\+ 1 = 4 rows, got 3"),
    ],
)
def test_odd_arguments(options, kind, message):
    with pytest.raises(kind, match=message):
        backtest(forecaster(), values(), **{"horizon": H} | options)


def test_metrics_read_the_frame():
    result = backtest(forecaster(), wide(), H, level=80)
    for name, own in result.groupby("series"):
        assert 0 <= metrics.coverage(own["actual"], own["lo-80"], own["hi-80"]) <= 1
        assert metrics.mase(own["actual"], own["mean"], wide()[name][:48]) > 0
    by_step = result.groupby("step")[["actual", "mean"]].apply(
        lambda rows: metrics.mae(rows["actual"], rows["mean"])
    )
    assert by_step.index.tolist() == [1, 2, 3]


# Forms and indexes


def test_forms_agree():
    table = wide()
    of_table = backtest(forecaster(), table, H, level=80)
    assert of_table["series"].tolist() == (["a"] * 3 + ["b"] * 3) * 4
    check_equal(of_table, backtest(forecaster(), stacked(table), H, level=80))
    numbers = [name for name in of_table if name not in ("series", "cutoff", "time")]
    season = forecaster(season=7)
    of_array = backtest(season, table.to_numpy(), H, level=80)
    check_equal(of_array[numbers], backtest(season, table, H, level=80)[numbers])
    assert of_array["series"].tolist() == ([0] * 3 + [1] * 3) * 4
    alone = backtest(season, table["a"].to_numpy(), H)
    check_equal(alone[numbers[:3]], backtest(season, table["a"], H)[numbers[:3]])
    check_equal(alone, backtest(season, table["a"].reset_index(drop=True).rename(None), H))


INDEXES = {
    "hours over a switch": pd.date_range("2021-03-26", periods=N, freq="h", tz="Europe/Berlin"),
    "seconds": pd.date_range("2021-01-01", periods=N, freq="D").as_unit("s"),
    "periods": pd.period_range("2001-01", periods=N, freq="M"),
    "month ends": pd.date_range("2001-01", periods=N, freq=pd.offsets.MonthEnd()),
    "business days": pd.bdate_range("2021-01-01", periods=N + 2).delete([54, 58]),
    "numbers": pd.Index(range(100, 100 + 2 * N, 2)),
    "durations": pd.timedelta_range("0s", periods=N, freq="90s"),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_indexes(kind, tmp_path):
    series = pd.Series(values(), INDEXES[kind])
    result = backtest(forecaster(), series, H, stride=2, path=tmp_path / "file.csv")
    assert not result["actual"].isna().any()
    first = [series.index.get_loc(cutoff) for cutoff in result["cutoff"]]
    expected = series.index[np.array(first) + result["step"]]
    assert result["time"].tolist() == expected.tolist()
    assert result["time"].dtype == series.index.dtype
    check_equal(result, backtest(forecaster(), series, H, stride=2, path=tmp_path / "file.csv"))


def test_stamps_left_out_and_values_missing():
    series = daily().drop(daily().index[[20, 52, 55]])
    series.iloc[[10, 51]] = np.nan
    result = backtest(forecaster(), series, H, stride=1)
    np.testing.assert_array_equal(result["actual"], series.reindex(result["time"]))
    assert result["actual"].isna().any()
    assert result["mean"].notna().all()
    whole = (result["time"] - result["cutoff"]) == pd.to_timedelta(result["step"], unit="D")
    assert whole.all()
    assert np.isfinite(metrics.mae(*result[["actual", "mean"]].dropna().to_numpy().T))


def test_series_that_begin_late_or_end_early():
    table = wide().assign(c=values(2))
    table.loc[table.index[:40], "b"] = np.nan
    table.loc[table.index[52:], "c"] = np.nan
    result = backtest(forecaster(), stacked(table), H, stride=4, initial=36)
    found = result.groupby("series")["cutoff"].agg(["min", "max"])
    index = table.index
    assert found.loc["a"].tolist() == [index[35], index[55]]
    assert found.loc["c"].tolist() == [index[35], index[51]]
    with pytest.raises(ValueError, match="got only missing values in series 'b'"):
        backtest(forecaster(), table, H, stride=4, initial=36)


@pytest.mark.parametrize("repeat", [np.full(N, 5.0), np.tile([1.0, 2, 3, 4], N // 4)])
def test_arrays_that_repeat_themselves(repeat):
    result = backtest(forecaster(lookback=3), repeat, 3)
    np.testing.assert_array_equal(result["time"], result["cutoff"] + result["step"])


@pytest.mark.parametrize("level", [None, 80])
def test_a_table_with_two_levels_of_columns(level):
    table = wide()
    table.columns = pd.MultiIndex.from_tuples([("north", 1), ("south", 2)])
    backtest(forecaster(), table, H, level=level)


def test_covariates():
    series = daily()
    tables = {"covariates": pd.DataFrame({"price": values(3), "kind": ["u", "v"] * 30}),
              "past_covariates": pd.DataFrame({"visits": values(4)})}  # fmt: skip
    tables = {name: table.set_index(series.index) for name, table in tables.items()}
    result = backtest(forecaster(), series, H, initial=51, level=80, **tables)
    parts = []
    model = forecaster().fit(series[:51], **{n: t[:51] for n, t in tables.items()})
    for cutoff in (51, 54, 57):
        known = tables["covariates"][51 : cutoff + H]
        newer = {} if cutoff == 51 else {
            "last": series[51:cutoff], "past_covariates": tables["past_covariates"][51:cutoff]
        }  # fmt: skip
        parts.append(model.forecast(H, level=80, covariates=known, **newer))
    np.testing.assert_array_equal(result[["mean", "lo-80", "hi-80"]], pd.concat(parts))
    prices = tables["covariates"][["price"]]
    of_array = backtest(forecaster(), series, H, covariates=prices.to_numpy())
    check_equal(of_array, backtest(forecaster(), series, H, covariates=prices))
    with pytest.raises(ValueError, match="covariates: expected .*, or a DataFrame with an index"):
        backtest(forecaster(), series, H, covariates=np.ones((N - 1, 1)))
