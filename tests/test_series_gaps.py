"""Series with missing values and with stamps left out: distances are those in time."""

import numpy as np
import pandas as pd
import pytest

from gruforecast import GRUForecaster, make_weather

# A network that has learnt next to nothing adds little to what it starts from.
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")

N, H = 400, 4
STAMPS = pd.date_range("2024-01-01", periods=N + 3 * H, freq="h", name="hour")
RNG = np.random.default_rng(1)
PERIODIC = pd.Series([4.0, -1.0, -3.0] * 137 + [4.0], STAMPS)  # told by the distance in time alone
X = pd.Series(RNG.standard_normal(len(STAMPS)), STAMPS, name="x")
SHARES = {"some": 0.8, "half": 0.55}


def small(**parameters):
    choices = {"hidden_size": 8, "max_iter": 2, "horizon": H, "lookback": 8, "random_state": 0}
    return GRUForecaster(**(choices | parameters))


def with_holes(series, share=0.6, n=N):
    kept = np.random.default_rng(2).random(n) < share
    kept[[0, 1, 2, 3, -2, -1]] = True
    return series[:n][kept]


def error(forecast, actual):
    assert forecast.index.isin(actual.index).all()
    return np.abs(forecast["mean"] - actual.reindex(forecast.index)).mean()


class TestStampsLeftOut:
    def test_targets_are_at_their_distance_in_time(self):
        series = with_holes(PERIODIC)
        assert (np.diff(series.index) > pd.Timedelta("1h")).mean() > 0.2
        model = small(max_iter=80, learning_rate=0.02).fit(series)
        assert error(model.forecast(3 * H), PERIODIC) < 0.3
        assert error(model.forecast(H, last=PERIODIC[N : N + 2]), PERIODIC) < 0.3
        assert model.season_ == 24

    def test_covariates_are_at_theirs(self):
        level = 3 * X
        model = small(max_iter=60, learning_rate=0.02).fit(with_holes(level), covariates=X)
        assert error(model.forecast(3 * H, covariates=X), level) < 0.3
        model = small(max_iter=60, learning_rate=0.02).fit(with_holes(level), covariates=X)
        assert error(model.forecast(H, covariates=X, last=level[N : N + H]), level) < 0.4

    def test_covariates_need_a_row_for_each_row_of_the_series(self):
        series = with_holes(PERIODIC)
        table = X.reindex(series.index)
        model = small().fit(series, covariates=table)
        found = model.forecast(covariates=X[N : N + H])
        assert found.index.equals(STAMPS[N : N + H])
        assert np.isfinite(found["mean"]).all()

    def test_each_step_reads_its_own_row(self):
        model = small(baseline="none").fit(with_holes(PERIODIC), covariates=X)
        base = model.forecast(covariates=X)["mean"].to_numpy()
        for step in range(H):
            other = X.copy()
            other.iloc[N + step] += 1.0
            found = model.forecast(covariates=other)["mean"].to_numpy()
            assert np.flatnonzero(found != base).tolist() == [step]

    def test_rows_after_a_hole(self):
        model = small().fit(with_holes(PERIODIC))
        assert model.forecast(last=PERIODIC[N + 2 : N + 4]).index.equals(STAMPS[N + 4 : N + 8])
        near = model.forecast(last=PERIODIC[N : N + 1])["mean"].to_numpy()
        far = model.forecast(last=PERIODIC[N : N + 1].set_axis(STAMPS[N + 1 : N + 2]))
        assert (near != far["mean"].to_numpy()).any()

    def test_predictions_are_for_rows(self):
        series = with_holes(PERIODIC)
        model = small(max_iter=80, learning_rate=0.02).fit(series)
        rows = model.predict(series)
        assert rows.shape == (len(series), H)
        places = STAMPS.get_indexer(series.index)[20:]
        for step in range(H):
            actual = PERIODIC.to_numpy()[places + 1 + step]
            assert np.abs(rows[20:, step] - actual).mean() < 0.4

    @pytest.mark.parametrize("missing", ["mask", "ffill", "error"])
    def test_they_are_no_missing_values(self, missing):
        found = small(missing=missing).fit(with_holes(PERIODIC)).forecast(level=80)
        assert found.notna().all(axis=None)

    def test_weather_with_gaps(self):
        weather = make_weather(n_days=30, gaps=0.3, seed=1)
        model = small(calendar="hour", horizon=6).fit(
            weather["temperature"], past_covariates=weather[["pressure", "wind"]]
        )
        found = model.forecast(30, level=(80, 95))
        assert found.index.equals(pd.date_range("2020-01-31", periods=30, freq="h"))
        assert found.notna().all(axis=None)


class TestMissingValues:
    @pytest.mark.parametrize("missing", ["mask", "ffill"])
    @pytest.mark.parametrize("share", SHARES)
    def test_they_are_carried_forward(self, missing, share):
        series = PERIODIC[:N].where(RNG.random(N) < SHARES[share])
        model = small(missing=missing, max_iter=3).fit(series)
        found = model.forecast(2 * H, level=80)
        assert found.index.equals(STAMPS[N : N + 2 * H])
        assert found.notna().all(axis=None)

    def test_time_since_the_last_observation_is_known(self):
        kept = RNG.random(N) < 0.6
        kept[-2:] = False
        series = PERIODIC[:N].where(kept)
        masked = small(max_iter=80, learning_rate=0.02).fit(series)
        assert error(masked.forecast(H), PERIODIC) < 0.5

    def test_values_and_rows_left_out_are_alike(self):
        holes = with_holes(PERIODIC)
        missing = holes.reindex(STAMPS[:N])
        for series in (holes, missing):
            found = small(max_iter=80, learning_rate=0.02).fit(series).forecast(H)
            assert error(found, PERIODIC) < 0.4

    def test_at_the_start_and_the_end(self):
        series = PERIODIC[:N].copy()
        series.iloc[:30] = np.nan
        series.iloc[-5:] = np.nan
        found = small().fit(series).forecast(level=80)
        assert found.index.equals(STAMPS[N : N + H])
        assert found.notna().all(axis=None)

    def test_nothing_at_the_end(self):
        series = PERIODIC[:N].where(np.arange(N) < 300)
        found = small(early_stopping=True).fit(series).forecast()
        assert found.notna().all(axis=None)

    def test_nothing_at_the_end_without_validation(self):
        series = PERIODIC[:N].where(np.arange(N) < 300)
        assert small(early_stopping=False).fit(series).forecast().notna().all(axis=None)

    def test_series_of_a_table_may_end_early(self):
        wide = pd.DataFrame({"a": PERIODIC[:N], "b": PERIODIC[:N].where(np.arange(N) < 300)})
        found = small().fit(wide).forecast(level=80)
        assert found.notna().all(axis=None)

    @pytest.mark.parametrize("missing", ["mask", "ffill"])
    def test_of_covariates(self, missing):
        table = pd.DataFrame({"x": X, "kind": np.where(X > 0, "up", "down")})
        holes = table.where(RNG.random(table.shape) < 0.8)
        model = small(missing=missing).fit(PERIODIC[:N], covariates=holes)
        assert model.forecast(3 * H, level=80, covariates=holes).notna().all(axis=None)
        nothing = holes.assign(x=np.nan, kind=None)
        assert model.forecast(covariates=nothing).notna().all(axis=None)
        model = small(missing=missing).fit(PERIODIC[:N], past_covariates=holes[:N])
        assert model.forecast(3 * H, level=80).notna().all(axis=None)

    @pytest.mark.parametrize("what", ["covariates", "past_covariates"])
    def test_of_covariates_where_none_may_be_missing(self, what):
        with pytest.raises(ValueError, match=f"^{what}: expected no missing value"):
            small(missing="error").fit(PERIODIC[:N], **{what: X.where(X > 0)})


@pytest.mark.parametrize("encoding", ["cyclic", "embedded"])
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_the_calendar_of_past_and_future(encoding, share):
    by_hour = pd.Series(np.where(STAMPS.hour < 7, 5.0, -2.0), STAMPS)
    noisy = by_hour + RNG.standard_normal(len(STAMPS))
    model = small(calendar=("hour", "weekend"), calendar_encoding=encoding, max_iter=80)
    model.set_params(learning_rate=0.02).fit(with_holes(noisy, share))
    assert error(model.forecast(3 * H), by_hour) < 1.2
