"""What forecasts of series may know: rows up to now, in training and after it."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster
from gruforecast.data.context import TruncatedHistoryWarning
from gruforecast.forecasting import judging
from tests.helpers import PLAIN, wavy_series

# A network that has learnt next to nothing adds little to what it starts from.
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")

N, CUT, HORIZON, LOOKBACK = 240, 180, 4, 8
SEASON = 24
NORMALIZE = ["none", "standard", "last", "window"]


@pytest.fixture(scope="module", autouse=True)
def networks_count():
    """However little they have learnt: else there would be nothing that leaks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "SHARES", np.ones(1))
        patch.setattr(judging, "DOUBTFUL", -2e9)
        patch.setattr(judging, "SURE", -1e9)
        yield


def small(**changes):
    choices = {"horizon": HORIZON, "lookback": LOOKBACK, "hidden_size": 4, "max_iter": 2}
    return GRUForecaster(**choices | {"random_state": 0, "normalize": "standard"} | changes)


def hourly(n=N, seed=0, name="load"):
    index = pd.date_range("2024-03-01", periods=n, freq="h")
    return pd.Series(10 + 3 * wavy_series(n, 1, seed)[:, 0], index=index, name=name)


def table():
    return pd.DataFrame({name: hourly(seed=s) * 10**s for s, name in enumerate("bac")})


def beside(n=N, seed=9):
    """Columns that say something about each hour."""
    rng = np.random.default_rng(seed)
    numbers = rng.standard_normal((n, 2))
    index = pd.date_range("2024-03-01", periods=n, freq="h")
    found = pd.DataFrame(numbers, index=index, columns=["wind", "sun"])
    return found.assign(kind=rng.choice(["work", "rest"], n))


# The window of a forecast.


@pytest.mark.parametrize("normalize", NORMALIZE)
def test_every_step_depends_on_the_newest_and_the_oldest_row(normalize):
    rows = hourly()
    model = small(normalize=normalize).fit(rows)
    wanted = model.forecast()["mean"].to_numpy()
    for back in (1, LOOKBACK):
        moved = rows.copy()
        moved.iloc[-back] += 2.0
        change = np.abs(model.forecast(last=moved)["mean"].to_numpy() - wanted)
        assert (change > 1e-6).all(), (back, change)


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize(
    ("choices", "reach"),
    [(PLAIN | {"hidden_size": 4}, LOOKBACK), ({"season": 1}, LOOKBACK), ({}, 4 * SEASON)],
    ids=["network", "without a season", "with a season"],
)
def test_no_step_depends_on_rows_before_the_window_or_four_seasons(choices, reach, normalize):
    rows = hourly()
    model = small(normalize=normalize, **choices).fit(rows)
    moved = rows.copy()
    moved.iloc[: -reach - 1] *= -3.0
    moved.iloc[-reach - 1] += 1e6
    pd.testing.assert_frame_equal(model.forecast(last=moved), model.forecast(), check_exact=True)


@pytest.mark.parametrize("normalize", NORMALIZE)
def test_no_series_depends_on_another(normalize):
    wide = table()
    model = small(normalize=normalize).fit(wide[:CUT])
    new = wide[CUT:].copy()
    alone = model.predict(new[["c"]])[:, 0]
    new[["b", "a"]] *= 1e6
    np.testing.assert_array_equal(model.predict(new)[:, 2], alone)


@pytest.mark.parametrize("normalize", NORMALIZE)
def test_later_values_do_not_change_earlier_predictions(normalize):
    rows = hourly()
    model = small(normalize=normalize).fit(rows[:CUT])
    wanted = model.predict(rows)
    for at in (10, CUT, CUT + 20, N - 1):
        moved = rows.copy()
        moved.iloc[at:] = moved.iloc[at:] * 50 + 7
        found = model.predict(moved)
        np.testing.assert_array_equal(found[:at], wanted[:at])
        assert (found[at] != wanted[at]).all()


def test_later_values_of_a_new_series_do_not_change_earlier_predictions():
    model = small().fit(hourly())
    new = hourly(100, seed=5, name="new")
    wanted = model.predict(new)
    new.iloc[60:] += 50.0
    np.testing.assert_array_equal(model.predict(new)[:60], wanted[:60])


def test_a_new_series_is_forecast_from_its_own_rows():
    model = small(intervals="conformal").fit(table())
    new = hourly(100, seed=5, name="new") * 1e4
    found = model.forecast(6, level=80, last=new)
    assert list(found.columns) == ["mean", "lo-80", "hi-80"]
    assert found.index[0] == new.index[-1] + pd.Timedelta(hours=1)
    assert found["mean"].between(new.min() * 0.5, new.max() * 1.5).all()
    np.testing.assert_array_equal(found["mean"][:HORIZON], model.predict(new)[-1])


# Training.


@pytest.mark.parametrize("normalize", ["auto", *NORMALIZE])
def test_nothing_is_learnt_from_the_tail(normalize):
    rows, tables = hourly(), {"covariates": beside(N + HORIZON), "past_covariates": beside(N)}
    choices = {"early_stopping": True, "n_iter_no_change": 50, "normalize": normalize}
    n_tail = 24
    model = small(**choices).fit(rows, **tables)
    rows.iloc[-n_tail:] *= 1000.0
    for one in tables.values():
        one.loc[rows.index[-n_tail] :, ["wind", "sun"]] *= 1000.0
    moved = small(**choices).fit(rows, **tables)
    assert moved.loss_curve_ == model.loss_curve_
    assert moved.validation_loss_curve_[0] > 100 * model.validation_loss_curve_[0]
    # The tail tells which weights are kept, and how much of what they add, and nothing else: the
    # loss of the second epoch above is that of the weights after the first.
    assert len(model.loss_curve_) == 2
    rows.iloc[-n_tail - 1] += 1.0
    assert small(**choices).fit(rows, **tables).loss_curve_ != model.loss_curve_


def test_a_fit_to_all_rows_is_judged_by_one_that_saw_no_tail():
    choices = {"max_iter": 1, "n_iter_no_change": 50}
    whole = small(early_stopping=False, **choices).fit(hourly())
    part = small(early_stopping=True, **choices).fit(hourly())
    pd.testing.assert_frame_equal(whole.skill_, part.skill_)
    assert whole.forecast().iloc[0, 0] != part.forecast().iloc[0, 0]
    assert whole.validation_loss_curve_ is None


def test_a_category_of_the_tail_alone_is_no_error():
    kinds = pd.DataFrame({"kind": ["rest"] * (N - 10) + ["work"] * 10}, index=hourly().index)
    future = pd.DataFrame(
        {"kind": ["work"] * HORIZON},
        index=pd.date_range(hourly().index[-1], periods=HORIZON + 1, freq="h")[1:],
    )
    for stop in (True, False):
        model = small(early_stopping=stop).fit(hourly(), covariates=kinds)
        assert model.forecast(level=80, covariates=future).notna().all(axis=None)


def test_a_warm_start_on_a_new_series_learns_nothing_from_its_tail():
    curves = []
    for factor in (1.0, 1000.0):
        model = small(early_stopping=True, warm_start=True, n_iter_no_change=50).fit(hourly())
        other = hourly(seed=3, name="other")
        other.iloc[-24:] *= factor
        curves.append(model.fit(other).loss_curve_)
    assert curves[0] == curves[1]


# Covariates.


@pytest.fixture(scope="module")
def with_past():
    return small().fit(hourly()[:CUT], past_covariates=beside()[:CUT])


@pytest.fixture(scope="module")
def with_known():
    return small().fit(hourly()[:CUT], covariates=beside())


def test_past_covariates_matter_from_their_row_on(with_past):
    rows, numbers = hourly(), beside()
    wanted = with_past.predict(rows, past_covariates=numbers)
    at = CUT + 20
    for column, value in (("wind", 30.0), ("kind", "work")):
        moved = numbers.copy()
        moved.loc[moved.index[at] :, column] = value
        found = with_past.predict(rows, past_covariates=moved)
        np.testing.assert_array_equal(found[:at], wanted[:at])
        assert (found[at:] != wanted[at:]).any(axis=1).sum() > 30
    moved = numbers.copy()
    moved.iloc[at, 0] = 30.0
    is_moved = (with_past.predict(rows, past_covariates=moved) != wanted).any(axis=1)
    assert list(np.flatnonzero(is_moved)) == list(range(at, at + LOOKBACK))


def test_known_covariates_matter_for_their_step_and_from_their_row_on(with_known):
    rows, numbers = hourly(), beside()
    wanted = with_known.predict(rows, covariates=numbers)
    at = CUT + 20
    moved = numbers.copy()
    moved.iloc[at, 0] += 30.0
    is_moved = with_known.predict(rows, covariates=moved) != wanted
    for row in range(N):
        for step in range(1, HORIZON + 1):
            if row >= at + LOOKBACK or (row < at and row + step != at):
                assert not is_moved[row, step - 1], (row, step)
    assert is_moved[at : at + LOOKBACK].any(axis=1).all()
    assert all(is_moved[at - step, step - 1] for step in range(1, HORIZON + 1))


def test_forecasts_read_the_covariates_of_their_stamps(with_known):
    future = beside(CUT + 2 * HORIZON)[CUT:]
    wanted = with_known.forecast(2 * HORIZON, covariates=future)["mean"]
    pd.testing.assert_series_equal(
        with_known.forecast(2 * HORIZON, covariates=future[::-1])["mean"], wanted
    )
    for step in (1, HORIZON):
        moved = future.copy()
        moved.iloc[step - 1, 0] += 30.0
        found = with_known.forecast(HORIZON, covariates=moved)["mean"]
        is_moved = (found != wanted[:HORIZON]).to_numpy()
        assert list(np.flatnonzero(is_moved)) == [step - 1]
    with pytest.raises(ValueError, match="covariates: expected a row for"):
        with_known.forecast(HORIZON, covariates=future[: HORIZON - 1])


# Newer rows.


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("kind", ["series", "array", "table"])
def test_any_split_into_calls_gives_the_same_bits(kind, normalize):
    rows = {"series": hourly(), "array": hourly().to_numpy(), "table": table()}[kind]
    model = small(normalize=normalize).fit(rows[:CUT])
    wanted = model.predict(rows)  # begins with the training rows
    for n in (1, 2, LOOKBACK, 33, N - CUT):
        np.testing.assert_array_equal(model.predict(rows[CUT : CUT + n]), wanted[CUT : CUT + n])
        found = model.forecast(last=rows[CUT : CUT + n])
        end = wanted[CUT + n - 1]
        np.testing.assert_array_equal(found.to_numpy(), end.T if kind == "table" else end[:, None])


def test_arrays_follow_the_training_rows():
    model = small(season=SEASON).fit(hourly().to_numpy()[:CUT])
    found = model.forecast(last=hourly().to_numpy()[CUT : CUT + 5])
    pd.testing.assert_index_equal(found.index, pd.RangeIndex(CUT + 5, CUT + 5 + HORIZON))
    dated = small(calendar=()).fit(hourly(name=None)[:CUT])
    same = dated.forecast(last=hourly().to_numpy()[CUT : CUT + 5])
    assert same.index[0] == hourly().index[CUT + 5]
    np.testing.assert_array_equal(same, found)


def test_one_series_needs_no_name_to_go_on():
    model = small().fit(hourly()[:CUT])
    wanted = model.predict(hourly()[CUT:])
    np.testing.assert_array_equal(model.predict(hourly(name=None)[CUT:]), wanted)
    np.testing.assert_array_equal(model.predict(hourly().to_numpy()[CUT:]), wanted)


def test_an_array_with_a_late_series_is_known_again():
    wide = table().to_numpy(copy=True)
    wide[:30, 1] = np.nan
    dated = pd.DataFrame(wide, index=hourly().index)
    found = small(season=SEASON).fit(wide).predict(wide)
    np.testing.assert_array_equal(found, small(calendar=()).fit(dated).predict(dated))


@pytest.mark.parametrize("begin", [CUT - 3, CUT - LOOKBACK - 5, 0])
def test_last_may_overlap_the_training_rows_and_correct_them(begin):
    rows = hourly()
    model = small().fit(rows[:CUT])
    wanted = model.forecast(last=rows[CUT : CUT + 2])
    pd.testing.assert_frame_equal(model.forecast(last=rows[begin : CUT + 2]), wanted)
    corrected = rows[begin : CUT + 2].copy()
    corrected.iloc[CUT - 1 - begin] += 2.0
    assert (model.forecast(last=corrected) != wanted).all(axis=None)


@pytest.mark.parametrize(("season", "reach"), [(1, LOOKBACK), (4, 16)])
def test_rows_far_after_training_stand_alone_with_a_warning(season, reach):
    rows = hourly()
    model = small(season=season).fit(rows[:CUT])
    found = model.forecast(last=rows[CUT + 20 :])  # whose newest window is whole
    pd.testing.assert_frame_equal(found, model.forecast(last=rows[CUT:]))
    with pytest.warns(TruncatedHistoryWarning, match=f"{reach - 1} rows have a truncated"):
        alone = model.predict(rows[CUT + 20 :])
    wanted = model.predict(rows[CUT:])[20:]
    np.testing.assert_array_equal(alone[reach - 1 :], wanted[reach - 1 :])
    assert (alone[: reach - 1] != wanted[: reach - 1]).any(axis=1).all()
    with pytest.warns(TruncatedHistoryWarning, match="1 rows have"):
        model.forecast(last=rows[N - reach + 1 :])
    cold = small(season=season, context="none").fit(rows[:CUT])
    np.testing.assert_array_equal(cold.predict(rows[CUT + 20 :]), alone)
