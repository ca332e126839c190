"""Forecasts of series: forms of input and output, defaults, steps, states."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from gruforecast import GRUForecaster, from_long
from tests.helpers import wavy_series

N, HORIZON, LOOKBACK = 240, 4, 8


def small(**changes):
    choices = {"horizon": HORIZON, "lookback": LOOKBACK, "hidden_size": 4, "max_iter": 2}
    return GRUForecaster(**choices | {"random_state": 0, "normalize": "standard"} | changes)


def hourly(n=N, seed=0, name="load", tz=None, start="2024-03-01"):
    index = pd.date_range(start, periods=n, freq="h", tz=tz, name="when")
    return pd.Series(10 + 3 * wavy_series(n, 1, seed)[:, 0], index=index, name=name)


def table(n=N):
    columns = pd.Index(["b", "a", "c"], name="shop")
    values = np.column_stack([hourly(n, seed) * 10**seed for seed in range(3)])
    return pd.DataFrame(values, index=hourly(n).index, columns=columns)


def long(n=N, ends=(0, 5, 30)):
    """Series of a table one below the other, with ragged ends."""
    wide = table(n)
    parts = {name: wide[name].iloc[: n - end] for name, end in zip(wide, ends, strict=True)}
    return pd.concat(parts, names=["shop", "when"]).rename("sold")


@pytest.fixture(scope="module")
def fitted():
    return small().fit(hourly())


# Forms of input and output.


@pytest.mark.parametrize("tz", [None, "Australia/Melbourne", "UTC"])
def test_a_series_gives_a_frame_on_the_next_stamps(tz):
    series = hourly(tz=tz)
    model = small().fit(series)
    found = model.forecast()
    wanted = pd.date_range(series.index[-1], periods=HORIZON + 1, freq="h", name="when")[1:]
    pd.testing.assert_index_equal(found.index, wanted, exact=True)
    assert list(found.columns) == ["mean"]
    assert (found.dtypes == np.float64).all()
    assert np.isfinite(found.to_numpy()).all()
    bounds = model.forecast(3, level=(80, 95))
    assert list(bounds.columns) == ["mean", "lo-80", "hi-80", "lo-95", "hi-95"]
    assert (bounds.dtypes == np.float64).all()
    np.testing.assert_array_equal(bounds["mean"], found["mean"][:3])
    assert list(model.forecast(1, level=99.5).columns) == ["mean", "lo-99.5", "hi-99.5"]
    assert list(model.forecast(1, (95, 80)).columns) == ["mean", "lo-95", "hi-95", "lo-80", "hi-80"]


def test_an_array_gives_the_next_row_numbers():
    model = small(season=24).fit(hourly().to_numpy())
    found = model.forecast()
    pd.testing.assert_index_equal(found.index, pd.RangeIndex(N, N + HORIZON), exact=True)
    dated = small(calendar=()).fit(hourly()).forecast()
    np.testing.assert_array_equal(found["mean"], dated["mean"])
    assert small(season=24).fit(hourly().tolist()).forecast().equals(found)


def test_a_table_gives_a_column_per_series_or_statistic():
    wide = table()
    model = small().fit(wide)
    found = model.forecast()
    pd.testing.assert_index_equal(found.columns, wide.columns)
    assert found.index[0] == wide.index[-1] + pd.Timedelta(hours=1)
    assert found.index.name == "when"
    bounds = model.forecast(level=80)
    pairs = [(name, what) for name in "bac" for what in ("mean", "lo-80", "hi-80")]
    assert list(bounds.columns) == pairs
    assert list(bounds.columns.names) == ["shop", None]
    for name in wide:
        np.testing.assert_array_equal(bounds[(name, "mean")], found[name])
    assert model.predict(wide).shape == (N, 3, HORIZON)


def test_a_table_of_numbers_gives_numbered_columns():
    found = small().fit(table().to_numpy()).forecast()
    pd.testing.assert_index_equal(found.index, pd.RangeIndex(N, N + HORIZON), exact=True)
    assert list(found.columns) == [0, 1, 2]
    assert list(small().fit(table()[["a"]]).forecast().columns) == ["a"]


def test_columns_of_two_levels_keep_both():
    wide = table()
    wide.columns = pd.MultiIndex.from_product([["x"], ["b", "a", "c"]], names=["town", "shop"])
    pd.testing.assert_index_equal(small().fit(wide).forecast().columns, wide.columns)


def test_a_multiindex_gives_each_series_its_own_future():
    series = long()
    model = small().fit(series)
    found = model.forecast(3, level=80)
    assert list(found.index.names) == ["shop", "when"]
    assert list(found.columns) == ["mean", "lo-80", "hi-80"]
    assert list(found.index.get_level_values(0)) == list("bbbaaaccc")
    for name in "bac":
        end = series[name].index[-1]
        wanted = pd.date_range(end, periods=4, freq="h", name="when")[1:]
        assert list(found.loc[name].index) == list(wanted)
    assert model.predict(series).shape == (len(series), HORIZON)
    pd.testing.assert_frame_equal(small().fit(series.to_frame()).forecast(3, level=80), found)


def test_rows_in_any_order_of_series_keep_their_predictions():
    series = long(ends=(0, 0, 0))
    mixed = series.sort_index(level="when", sort_remaining=False, kind="stable")
    assert mixed.index[1][0] != mixed.index[0][0]
    model = small().fit(series)
    found = pd.DataFrame(model.predict(mixed), index=mixed.index)
    pd.testing.assert_frame_equal(
        found.loc[series.index], pd.DataFrame(model.predict(series), index=series.index)
    )
    np.testing.assert_array_equal(
        model.predict(table()).transpose(1, 0, 2).reshape(-1, HORIZON), model.predict(series)
    )


def test_a_late_series_is_predicted_alike_in_every_form():
    wide = table()
    wide.iloc[:30, 1] = np.nan
    model = small().fit(wide)
    alone = model.predict(wide["a"].dropna())
    np.testing.assert_array_equal(model.predict(wide)[30:, 1], alone)


def test_a_long_table_is_read_by_from_long():
    series = long()
    rows = series.reset_index().astype({"when": str})
    read = from_long(rows, "shop", "when", "sold")
    assert list(read.index.names) == ["shop", "when"]
    found = small().fit(read).forecast()
    pd.testing.assert_frame_equal(found, small().fit(series).forecast(), check_index_type=False)


@pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
def test_defaults_follow_season_and_length():
    model = GRUForecaster(hidden_size=4, max_iter=1, random_state=0).fit(hourly(300))
    assert (model.season_, model.horizon_, model.lookback_) == (24, 24, 75)
    assert len(model.forecast()) == 24
    daily = pd.Series(hourly(90).to_numpy(), pd.date_range("2024-01-01", periods=90))
    model = GRUForecaster(hidden_size=4, max_iter=1, random_state=0).fit(daily)
    assert (model.season_, model.horizon_, model.lookback_) == (7, 7, 22)
    model = GRUForecaster(hidden_size=4, max_iter=1, random_state=0).fit(hourly(80).to_numpy())
    assert (model.season_, model.horizon_, model.lookback_) == (None, 8, 16)
    model = GRUForecaster(season=5, horizon=3, hidden_size=4, max_iter=1, random_state=0)
    model.fit(hourly(60))
    assert (model.season_, model.horizon_, model.lookback_) == (5, 3, 15)  # a quarter


# Steps, newer rows, states.


@pytest.mark.parametrize("normalize", ["none", "standard", "last", "window"])
def test_steps_beyond_the_horizon_are_forecast_from_forecasts(normalize):
    series = hourly()
    model = small(normalize=normalize).fit(series)
    wanted, rows = [], series
    for _ in range(3):
        part = model.forecast(last=rows)["mean"].rename(rows.name)
        wanted.append(part)
        rows = pd.concat([rows, part])
    wanted = pd.concat(wanted)[: 2 * HORIZON + 1]
    found = model.forecast(2 * HORIZON + 1)["mean"]
    assert list(found.index) == list(wanted.index)
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


@pytest.mark.parametrize("make", [hourly, table, long], ids=["series", "table", "long"])
def test_forecast_is_the_last_prediction(make):
    rows = make()
    model = small().fit(rows)
    if isinstance(rows, pd.DataFrame):
        np.testing.assert_array_equal(model.forecast(), model.predict(rows)[-1].T)
    else:
        told = pd.DataFrame(model.predict(rows), index=rows.index)
        names = rows.index.get_level_values(0).unique() if make is long else [None]
        ends = [told if name is None else told.loc[name] for name in names]
        wanted = np.concatenate([end.iloc[-1] for end in ends])
        np.testing.assert_array_equal(model.forecast()["mean"], wanted)


def test_a_fit_leaves_random_numbers_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    model = small(random_state=None).fit(hourly())
    model.forecast(6, level=80)
    model.score(hourly())
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_copies_forecast_the_same(fitted):
    newer = hourly(N + 30)[N:]
    for same in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        pd.testing.assert_frame_equal(same.forecast(9, 80), fitted.forecast(9, 80))
        np.testing.assert_array_equal(same.predict(newer), fitted.predict(newer))
        assert repr(same) == repr(fitted)
    again = clone(fitted)
    assert not hasattr(again, "horizon_")
    pd.testing.assert_frame_equal(again.fit(hourly()).forecast(9, 80), fitted.forecast(9, 80))


@pytest.mark.usefixtures("many_shards")
def test_threads_do_not_change_a_bit():
    found = [small(n_jobs=n).fit(table()) for n in (1, 2)]
    pd.testing.assert_frame_equal(*(m.forecast(9, 80) for m in found), check_exact=True)
    np.testing.assert_array_equal(*(m.predict(table()) for m in found))


def test_a_warm_start_goes_on():
    rows = hourly()
    model = small(warm_start=True, max_iter=1, early_stopping=True).fit(rows)
    first = model.validation_loss_curve_[0]
    for _ in range(5):
        model.fit(rows)
    assert model.validation_loss_curve_[0] < first
    assert list(model.forecast(level=80).columns) == ["mean", "lo-80", "hi-80"]


def test_a_warm_start_goes_on_with_fewer_rows():
    model = small(warm_start=True, lookback=None).fit(hourly())
    assert len(model.fit(hourly(60)).forecast()) == HORIZON


def fitted_attributes(model):
    return {name for name in vars(model) if name not in model.get_params()}


def test_a_fit_with_a_y_forgets_the_series(fitted):
    X, y = hourly().to_frame()[:-1], hourly().to_numpy()[1:]
    fresh = small().fit(X, y)
    model = copy.deepcopy(fitted).fit(X, y)
    assert fitted_attributes(model) == fitted_attributes(fresh)
    np.testing.assert_array_equal(model.predict(X), fresh.predict(X))
    with pytest.raises(ValueError, match="forecast: expected a fit to series"):
        model.forecast()
    pd.testing.assert_frame_equal(model.fit(hourly()).forecast(), fitted.forecast())


def test_a_fit_to_series_forgets_the_rows(fitted):
    model = small().fit(hourly().to_frame()[:-1], hourly().to_numpy()[1:]).fit(hourly())
    assert fitted_attributes(model) == fitted_attributes(fitted)


def test_partial_fit_forgets_the_series(fitted):
    model = copy.deepcopy(fitted)
    model.partial_fit(hourly().to_frame()[:-1], hourly().to_numpy()[1:])
    assert not hasattr(model, "skill_")


def test_missing_values_are_refused_if_asked_for():
    rows = hourly()
    rows.iloc[50] = np.nan
    with pytest.raises(ValueError, match="missing"):
        small(missing="error").fit(rows)
