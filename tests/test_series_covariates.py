"""What is known beside series: that it is found by its stamps, and used."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster

N, H = 240, 4
STAMPS = pd.date_range("2024-01-01", periods=N + 2 * H, freq="D", name="day")
RNG = np.random.default_rng(0)
X = pd.DataFrame({"x": RNG.standard_normal(len(STAMPS))}, index=STAMPS)
X["kind"] = np.where(RNG.random(len(STAMPS)) < 0.5, "low", "high")
LEVEL = 3 * X["x"] + np.where(X["kind"] == "high", 4.0, -4.0)
EXPLAINED = (LEVEL + 0.1 * RNG.standard_normal(len(STAMPS)))[:N]
PAST, FUTURE = X[:N], X[N:]


def small(**parameters):
    choices = {"hidden_size": 4, "max_iter": 2, "horizon": H, "lookback": 8, "random_state": 0}
    return GRUForecaster(**(choices | parameters))


def means(forecast):
    return forecast["mean"].to_numpy()


def error(forecast, actual):
    return np.abs(means(forecast) - actual.reindex(forecast.index)).mean()


def several(**tables):
    return pd.concat(tables, names=["id", "day"])


@pytest.fixture(scope="module")
def model():
    return small(max_iter=60, learning_rate=0.02).fit(EXPLAINED, covariates=X)


class TestKnownInTheFuture:
    def test_what_explains_a_series_is_used(self, model):
        without = error(small(max_iter=5).fit(EXPLAINED).forecast(2 * H), LEVEL)
        assert error(model.forecast(2 * H, covariates=X), LEVEL) < 0.2 * without

    def test_each_step_reads_its_own_row(self, model):
        base = means(model.forecast(covariates=X))
        for step in range(H):
            other = X.copy()
            other.iloc[N + step, 0] += 1.0
            difference = means(model.forecast(covariates=other)) - base
            assert 2 < difference[step] < 4
            assert not np.delete(difference, step).any()

    def test_steps_beyond_the_horizon_read_theirs(self, model):
        base = means(model.forecast(2 * H, covariates=X))
        other = X.copy()
        other.iloc[N + H + 1, 1] = {"low": "high", "high": "low"}[X["kind"].iloc[N + H + 1]]
        difference = means(model.forecast(2 * H, covariates=other)) - base
        assert np.flatnonzero(difference).tolist() == [H + 1]
        assert np.abs(difference[H + 1]) > 4

    def test_only_the_future_needs_to_be_told(self, model):
        there = model.forecast(2 * H, level=80, covariates=X)
        for table in (FUTURE, X[::-1], FUTURE.assign(kind=FUTURE["kind"].astype("category"))):
            pd.testing.assert_frame_equal(model.forecast(2 * H, 80, covariates=table), there)
        other = FUTURE[["kind", "x"]].assign(unused="text")  # another order of columns, and more
        pd.testing.assert_frame_equal(model.forecast(2 * H, 80, covariates=other), there)

    def test_arrays_are_read_row_by_row(self):
        there = small().fit(EXPLAINED, covariates=X[["x"]])
        here = small().fit(EXPLAINED, covariates=PAST["x"].to_numpy())
        expected = there.forecast(covariates=X[["x"]])
        for table in (FUTURE["x"].tolist()[:H], FUTURE[["x"]].to_numpy()[:H]):
            pd.testing.assert_frame_equal(here.forecast(covariates=table), expected)
        newer = LEVEL[N : N + 3]
        expected = there.forecast(covariates=X[["x"]], last=newer)
        table = FUTURE["x"].to_numpy()[: 3 + H]
        pd.testing.assert_frame_equal(here.forecast(covariates=table, last=newer), expected)
        table = FUTURE.to_numpy()[:H]  # of objects
        there = small().fit(EXPLAINED, covariates=X)
        here = small().fit(EXPLAINED, covariates=PAST.to_numpy())
        expected = there.forecast(covariates=X)
        pd.testing.assert_frame_equal(here.forecast(covariates=table), expected)

    def test_newer_rows(self, model):
        newer = LEVEL[N : N + H]
        there = model.forecast(covariates=X, last=newer)
        assert there.index.equals(STAMPS[N + H :])
        pd.testing.assert_frame_equal(model.forecast(covariates=FUTURE, last=newer), there)
        assert error(there, LEVEL) < 1
        rows = model.predict(newer, covariates=FUTURE)
        assert rows.shape == (H, H)
        np.testing.assert_allclose(rows[-1], means(there), rtol=1e-5)

    def test_score_and_bounds(self, model):
        later = LEVEL[N:]
        assert model.score(later, covariates=X) > 0.8
        found = model.forecast(2 * H, level=(80, 95), covariates=X)
        assert (found["lo-95"] <= found["lo-80"]).all()
        assert (found["hi-80"] <= found["hi-95"]).all()
        assert (found["hi-95"] - found["lo-95"]).max() < 6

    def test_of_another_time_zone(self):
        def forecast(zone):
            table = X.tz_localize("UTC").tz_convert(zone)
            fitted = small().fit(EXPLAINED.tz_localize("UTC"), covariates=table)
            return fitted.forecast(covariates=table)

        pd.testing.assert_frame_equal(forecast("America/New_York"), forecast("UTC"))


class TestCategories:
    def test_one_that_training_has_not_seen(self):
        model = small(handle_unknown="ignore").fit(EXPLAINED, covariates=X)
        there = model.forecast(covariates=FUTURE.assign(kind=None))
        found = model.forecast(covariates=FUTURE.assign(kind="odd"))
        pd.testing.assert_frame_equal(found, there)
        assert not np.allclose(means(found), means(model.forecast(covariates=X)))

    @pytest.mark.parametrize("values", [(True, False), (1, 2), ("a", "b")])
    @pytest.mark.parametrize("dtype", [object, "category"])
    def test_of_any_kind(self, values, dtype):
        column = X["kind"].map(dict(zip(("high", "low"), values, strict=True))).astype(dtype)
        found = small().fit(EXPLAINED, covariates=column).forecast(covariates=column)
        there = small().fit(EXPLAINED, covariates=X["kind"]).forecast(covariates=X["kind"])
        if values != ("a", "b") and dtype is object:
            assert found.notna().all(axis=None)  # numbers, in spite of the dtype
        else:
            assert found.shape == there.shape

    def test_a_category_that_only_the_future_has(self):
        model = small().fit(EXPLAINED, covariates=PAST)
        with pytest.raises(ValueError, match="that training has seen, got 'new'; train with it"):
            model.forecast(covariates=FUTURE.assign(kind="new"))

    def test_fit_does_not_mind_categories_of_the_future(self):
        small().fit(EXPLAINED, covariates=pd.concat([PAST, FUTURE.assign(kind="new")]))

    def test_a_category_that_only_the_newest_rows_have(self):
        table = PAST.assign(kind=PAST["kind"].where(PAST.index < STAMPS[N - 5], "new"))
        found = small(early_stopping=True).fit(EXPLAINED, covariates=table)
        assert found.forecast(covariates=FUTURE).notna().all(axis=None)

    def test_bounds_when_only_the_newest_rows_have_a_category(self):
        table = PAST.assign(kind=PAST["kind"].where(PAST.index < STAMPS[N - 5], "new"))
        model = small(early_stopping=False).fit(EXPLAINED, covariates=table)
        assert model.skill_ is not None
        assert model.forecast(level=80, covariates=FUTURE).shape == (H, 3)


class TestOnlyPast:
    def test_of_what_leads(self):
        lead = 3 * X["x"].shift(H).fillna(0.0)[:N]  # x tells the next steps
        model = small(max_iter=100, learning_rate=0.02, hidden_size=16)
        found = model.fit(lead, past_covariates=PAST[["x"]]).forecast()
        actual = 3 * X["x"].shift(H)
        assert error(found, actual) < 0.4 * error(small(max_iter=10).fit(lead).forecast(), actual)

    @pytest.mark.parametrize("column", ["x", "kind", "flag", "count"])
    def test_any_kind_and_number_of_steps(self, column):
        table = PAST.assign(flag=PAST["x"] > 0, count=np.arange(N))[[column]]
        model = small().fit(EXPLAINED, past_covariates=table)
        found = model.forecast(3 * H, level=80)
        assert found.notna().all(axis=None)
        newer = pd.DataFrame({column: table[column].to_numpy()[:3]}, index=STAMPS[N : N + 3])
        found = model.forecast(3 * H, level=80, last=LEVEL[N : N + 3], past_covariates=newer)
        assert found.index[0] == STAMPS[N + 3]
        assert found.notna().all(axis=None)
        array = newer[[column]].to_numpy()
        again = model.forecast(3 * H, level=80, last=LEVEL[N : N + 3], past_covariates=array)
        pd.testing.assert_frame_equal(again, found)

    def test_a_future_that_is_passed_too_is_not_used(self):
        with_future = small().fit(EXPLAINED, past_covariates=X).forecast(2 * H)
        without = small().fit(EXPLAINED, past_covariates=PAST).forecast(2 * H)
        pd.testing.assert_frame_equal(with_future, without)


class TestStatic:
    STATIC = pd.DataFrame({"size": [1.0, -1.0], "kind": ["u", "v"]}, index=["a", "b"])
    NOISE = pd.Series(RNG.standard_normal(N), STAMPS[:N])

    @pytest.mark.parametrize("column", ["size", "kind"])
    def test_it_tells_series_apart(self, column):
        wide = pd.DataFrame({"a": self.NOISE, "b": self.NOISE})
        same = small().fit(wide).forecast()
        pd.testing.assert_series_equal(same["a"], same["b"], check_names=False)
        model = small(baseline="none").fit(wide, static=self.STATIC[[column]])
        found = model.forecast()
        assert (found["a"] != found["b"]).all()
        turned = self.STATIC[::-1].set_axis(["a", "b"])[[column]]
        swapped = model.forecast(static=turned)
        np.testing.assert_array_equal(swapped["a"], found["b"])

    def test_of_a_new_series(self):
        wide = pd.DataFrame({"a": self.NOISE, "b": self.NOISE})
        model = small(baseline="none", early_stopping=False).fit(wide, static=self.STATIC)
        found = model.forecast(
            last=pd.DataFrame({"z": self.NOISE}), static=self.STATIC[:1].set_axis(["z"])
        )
        np.testing.assert_allclose(found["z"], model.forecast()["a"], rtol=1e-5)

    def test_embedding_of_series(self):
        wide = pd.DataFrame({"a": self.NOISE, "b": self.NOISE})
        model = small(series_embedding_size=2, baseline="none").fit(wide)
        found = model.forecast()
        assert (found["a"] != found["b"]).all()
        assert any(weights.shape[-1] == 2 for weights in model.weights_.values())
        new = model.forecast(last=pd.DataFrame({"z": self.NOISE, "a": self.NOISE}))
        assert new.notna().all(axis=None)
        np.testing.assert_allclose(new["a"], found["a"], rtol=1e-5)


class TestSeveralSeries:
    BOTH = several(a=EXPLAINED, b=10 * EXPLAINED + 5)

    def test_a_table_for_all_or_one_for_each(self):
        there = small().fit(self.BOTH, covariates=X).forecast(2 * H, 80, covariates=X)
        assert there.index.names == ["id", "day"]
        each = several(a=X, b=X)
        model = small().fit(self.BOTH, covariates=each)
        for table in (each, each[::-1], each.groupby("id").tail(2 * H), FUTURE):
            pd.testing.assert_frame_equal(model.forecast(2 * H, 80, covariates=table), there)
        wide = self.BOTH.unstack(0)
        found = small().fit(wide, covariates=X).forecast(covariates=X)
        np.testing.assert_allclose(found["b"], means(there.loc["b"])[:H], rtol=1e-4)

    def test_rows_of_one_do_not_reach_another(self):
        each = several(a=X, b=X)
        model = small().fit(self.BOTH, covariates=each)
        base = model.forecast(covariates=each)["mean"].unstack(0)
        other = each.copy()
        other.loc[("b", STAMPS[N]), "x"] += 1
        found = model.forecast(covariates=other)["mean"].unstack(0)
        assert (found["a"] == base["a"]).all()
        assert np.flatnonzero(found["b"] != base["b"]).tolist() == [0]

    def test_series_that_end_at_different_times(self):
        both = several(a=EXPLAINED, b=EXPLAINED[: N - 7])
        found = small().fit(both, covariates=X).forecast(covariates=X)
        assert found.loc["a"].index[0] == STAMPS[N]
        assert found.loc["b"].index[0] == STAMPS[N - 7]


class TestWarmStart:
    def test_it_goes_on_with_the_same_columns(self):
        model = small(warm_start=True).fit(EXPLAINED, covariates=X)
        model.fit(EXPLAINED, covariates=X[["kind", "x"]])
        assert model.forecast(covariates=X).notna().all(axis=None)

    @pytest.mark.parametrize(
        ("first", "then"),
        [(None, X), (X, X.assign(more=1.0)), (X[["x"]], X["x"].rename("other")), (X[["x"]], None)],
    )
    def test_other_columns_are_refused_by_name(self, first, then):
        model = small(warm_start=True).fit(EXPLAINED, covariates=first)
        with pytest.raises(ValueError, match="covariates: expected"):
            model.fit(EXPLAINED, covariates=then)
