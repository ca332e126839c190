"""Metrics against values worked out by hand, scikit-learn's, and what must hold for any numbers."""

import statistics

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, root_mean_squared_error

import gruforecast
from gruforecast import metrics

NAN, INF = np.nan, np.inf
Y, F = [1.0, 2.0, 4.0, -3.0], [2.0, 0.0, 4.0, 1.0]  # errors -1, 2, 0, -4
HISTORY = [1.0, 3.0, 2.0, 6.0]  # changes 2, -1, 4; over two steps 1, 3
LOW, HIGH = [0.0, 2.0, 5.0, -2.0], [1.0, 3.0, 7.0, 2.0]  # in, in (both on a bound), 1 and 1 below
QUARTILES = [0.25, 0.5, 0.75]

# every metric of actuals and forecasts, with whatever else it takes
POINT = {
    "mae": metrics.mae,
    "rmse": metrics.rmse,
    "smape": metrics.smape,
    "mase": lambda y, f: metrics.mase(y, f, HISTORY),
    "rmsse": lambda y, f: metrics.rmsse(y, f, HISTORY),
    "pinball": lambda y, f: metrics.pinball(y, f, 0.3),
    "coverage, low": lambda y, f: metrics.coverage(y, f, np.full(np.shape(y), 99.0)),
    "coverage, high": lambda y, f: metrics.coverage(y, np.full(np.shape(y), -99.0), f),
    "winkler, low": lambda y, f: metrics.winkler(y, f, np.full(np.shape(y), 99.0), 80),
    "winkler, high": lambda y, f: metrics.winkler(y, np.full(np.shape(y), -99.0), f, 80),
}
every_metric = pytest.mark.parametrize("metric", POINT.values(), ids=POINT)


def close(found, expected):
    assert type(found) is float
    assert found == pytest.approx(expected, rel=1e-14, abs=0)


class TestByHand:
    def test_mae(self):
        close(metrics.mae(Y, F), 1.75)  # (1 + 2 + 0 + 4) / 4

    def test_rmse(self):
        close(metrics.rmse(Y, F), 2.29128784747792)  # sqrt((1 + 4 + 0 + 16) / 4) = sqrt(5.25)

    def test_smape(self):
        close(metrics.smape([1, 3], [3, 1]), 100.0)  # 200 * 2 / 4, twice
        close(metrics.smape([100, 50], [110, 40]), 1000 / 63)  # 200 (10 / 210 + 10 / 90) / 2
        close(metrics.smape(Y, F), 200 * (1 / 3 + 1 + 0 + 1) / 4)

    def test_smape_is_0_where_both_are_0_and_200_where_one_is(self):
        assert metrics.smape([0, 0], [0, -0.0]) == 0.0
        assert metrics.smape([0, 5], [0, 5]) == 0.0
        assert metrics.smape([0, 0, 7], [0, 3, 0]) == pytest.approx(400 / 3)

    def test_mase(self):
        close(metrics.mase(Y, F, HISTORY), 0.75)  # 1.75 over (2 + 1 + 4) / 3
        close(metrics.mase(Y, F, HISTORY, season=2), 0.875)  # 1.75 over (1 + 3) / 2
        close(metrics.mase(Y, F, HISTORY, season=3), 0.35)  # 1.75 over 6 - 1

    def test_rmsse(self):
        close(metrics.rmsse(Y, F, HISTORY), 0.8660254037844386)  # sqrt(5.25 / (21 / 3))
        close(metrics.rmsse(Y, F, HISTORY, season=2), 1.02469507659596)  # sqrt(5.25 / (10 / 2))

    def test_a_change_from_or_to_a_missing_value_of_the_history_does_not_count(self):
        history = [1.0, NAN, 2.0, 6.0, NAN]  # one change: 4
        close(metrics.mase(Y, F, history), 0.4375)
        close(metrics.rmsse(Y, F, history), 2.29128784747792 / 4)
        close(metrics.mase(Y, F, history, season=2), 1.75)  # one change: 2 - 1

    def test_the_seasonal_naive_forecast_of_its_own_history_has_a_mase_of_1(self):
        history = np.random.default_rng(0).normal(size=60)
        for season in (1, 7):
            forecast = history[:-season]
            close(metrics.mase(history[season:], forecast, history, season), 1.0)
            close(metrics.rmsse(history[season:], forecast, history, season), 1.0)

    def test_pinball(self):
        # above by 2: 0.9 * 2; below by 1 and 4: 0.1 * 1 and 0.1 * 4; 2.3 / 4
        close(metrics.pinball(Y, F, 0.9), 0.575)
        close(metrics.pinball(Y, F, 0.25), (0.75 * 1 + 0.25 * 2 + 0 + 0.75 * 4) / 4)

    def test_crps(self):
        # above 1, 2 and 4 by -1, -1, 1 at 0.25, 0.5, 0.75: 2 (0.75 + 0.5 + 0.75) / 3
        close(metrics.crps([3], [[4, 4, 2]], QUARTILES), 4 / 3)
        # the mean of that and of 2 (0.25 * 2 + 0 + 0.25 * 1) / 3 = 0.5
        close(metrics.crps([3, 5], [[4, 4, 2], [3, 5, 6]], QUARTILES), 11 / 12)

    def test_crps_of_many_quantiles_comes_close_to_that_of_the_normal_distribution(self):
        normal = statistics.NormalDist(10.0, 2.0)
        quantiles = (np.arange(2000) + 0.5) / 2000
        forecast = [normal.inv_cdf(q) for q in quantiles]
        for y in (4.0, 10.0, 11.0):
            z, unit = (y - 10.0) / 2.0, statistics.NormalDist()
            exact = 2.0 * (z * (2 * unit.cdf(z) - 1) + 2 * unit.pdf(z) - np.pi**-0.5)
            assert metrics.crps([y], [forecast], quantiles) == pytest.approx(exact, rel=2e-3)

    def test_coverage(self):
        close(metrics.coverage(Y, LOW, HIGH), 0.5)
        assert metrics.coverage([1, 1], [1, 2], [1, 3]) == 0.5

    def test_winkler(self):
        # widths 1, 1, 2, 4; two lie 1 outside, each times 2 / 0.2; then times 2 / 0.05
        close(metrics.winkler(Y, LOW, HIGH, 80), (8 + 10 * 2) / 4)
        close(metrics.winkler(Y, LOW, HIGH, level=95), (8 + 40 * 2) / 4)
        close(metrics.winkler([9, -9], [0, 0], [4, 4], 50), (8 + 4 * 5 + 4 * 9) / 2)


class TestWhatCounts:
    @every_metric
    def test_a_missing_actual_takes_its_forecast_with_it(self, metric):
        close(metric([1, NAN, 2, 4, NAN, -3], [2, 50, 0, 4, -50, 1]), metric(Y, F))

    def test_a_missing_actual_takes_all_its_quantiles_with_it(self):
        forecasts = [[4, 4, 2], [7, 8, 9], [3, 5, 6]]
        close(metrics.crps([3, NAN, 5], forecasts, QUARTILES), 11 / 12)

    @every_metric
    @pytest.mark.parametrize("shape", [(4, 1), (2, 2), (1, 2, 2)])
    def test_any_shape(self, metric, shape):
        close(metric(np.reshape(Y, shape), np.reshape(F, shape)), metric(Y, F))

    def test_quantiles_are_the_last_axis_of_any_shape(self):
        rng = np.random.default_rng(1)
        y, forecasts = rng.normal(size=(5, 2)), rng.normal(size=(5, 2, 3))
        flat = metrics.crps(y.ravel(), forecasts.reshape(10, 3), QUARTILES)
        close(metrics.crps(y, forecasts, QUARTILES), flat)
        pinballs = [metrics.pinball(y, forecasts[..., i], q) for i, q in enumerate(QUARTILES)]
        close(flat, 2 * np.mean(pinballs))

    @every_metric
    def test_float32_and_whole_numbers_are_computed_in_float64(self, metric):
        close(metric(np.float32(Y), np.int8(F)), metric(Y, F))
        assert metrics.mae(np.uint8([1]), np.uint8([2])) == 1.0
        assert metrics.mae(np.full(7, 2**24 + 1), np.zeros(7, np.float32)) == 2**24 + 1

    @pytest.mark.parametrize("size", [1e-200, 1e200])
    def test_squares_neither_overflow_nor_vanish(self, size):
        y, f, history = size * np.array([3.0, 5.0]), size * np.array([2.0, 4.0]), [0.0, size]
        close(metrics.rmse(y, f), size)
        close(metrics.rmsse(y, f, history), 1.0)
        close(metrics.mase(y, f, history), 1.0)

    def test_numbers_up_to_1e300_do_not_overflow(self):
        y, f = np.full(999, 1e300), np.full(999, -1e300)
        close(metrics.mae(y, f), 2e300)
        close(metrics.rmse(y, f), 2e300)
        close(metrics.smape(y, f), 200.0)
        close(metrics.winkler(y, f, f, 99.5), 8e302)  # 2 / 0.005 = 400 times 2e300

    @every_metric
    def test_arguments_stay_as_they_are(self, metric):
        y, f = np.array([*Y, NAN]), np.array([*F, 5.0])
        before = y.copy(), f.copy()
        metric(y, f)
        np.testing.assert_array_equal(y, before[0])
        np.testing.assert_array_equal(f, before[1])


class TestTablesOfPandas:
    DAYS = pd.date_range("2024-03-01", periods=4)

    @every_metric
    def test_the_same_index_or_only_one(self, metric):
        y, f = pd.Series(Y, self.DAYS, name="load"), pd.Series(F, self.DAYS, name="mean")
        for pair in ((y, f), (y, F), (Y, f), (y, f.to_numpy()), (y.to_frame(), f.to_frame())):
            close(metric(*pair), metric(Y, F))

    def test_rows_with_missing_actuals_count_for_the_index(self):
        y, f = pd.Series([1.0, NAN, 4.0]), pd.Series([2.0, 7.0, 6.0])
        assert metrics.mae(y, f) == 1.5
        with pytest.raises(ValueError, match="f: expected the index of y, got 9 where that has 1"):
            metrics.mae(y, f.set_axis([0, 9, 2]))

    @every_metric
    def test_another_order_of_rows_is_an_error(self, metric):
        y, f = pd.Series(Y, self.DAYS), pd.Series(F, self.DAYS)[::-1]
        message = (
            "^(f|q_forecast|low|high): expected the index of y, got 2024-03-04 00:00:00 where that "
            "has 2024-03-01 00:00:00, at row 0; reindex one of them, or pass"
        )
        with pytest.raises(ValueError, match=message):
            metric(y, f)

    def test_an_index_that_begins_to_differ_later(self):
        y, f = pd.Series(Y, list("abcd")), pd.Series(F, list("abdc"))
        with pytest.raises(ValueError, match="got d where that has c, at row 2;"):
            metrics.mae(y, f)
        with pytest.raises(ValueError, match="got 0 where that has a, at row 0;"):
            metrics.mae(y, f.reset_index(drop=True))

    def test_a_time_zone_is_part_of_the_index(self):
        y, f = pd.Series(Y, self.DAYS), pd.Series(F, self.DAYS.tz_localize("UTC"))
        with pytest.raises(ValueError, match="f: expected the index of y, got .* where that has"):
            metrics.mae(y, f)

    @pytest.mark.parametrize("metric", [metrics.coverage, lambda *a: metrics.winkler(*a, 80)])
    def test_bounds(self, metric):
        y, low, high = (pd.Series(v, self.DAYS) for v in (Y, LOW, HIGH))
        close(metric(y, low, high), metric(Y, LOW, HIGH))
        late = self.DAYS + pd.Timedelta("1D")
        with pytest.raises(ValueError, match="low: expected the index of y, got 2024-03-02"):
            metric(y, low.set_axis(late), high)
        with pytest.raises(ValueError, match="high: expected the index of y, got 2024-03-02"):
            metric(y, low, high.set_axis(late))
        with pytest.raises(ValueError, match="high: expected the index of low, got 2024-03-02"):
            metric(Y, low, high.set_axis(late))

    def test_quantiles(self):
        y = pd.Series([3, 5], self.DAYS[:2])
        table = pd.DataFrame([[4, 4, 2], [3, 5, 6]], self.DAYS[:2], QUARTILES)
        close(metrics.crps(y, table, QUARTILES), 11 / 12)
        message = "quantile_forecasts: expected the index of y, got 2024-03-02"
        with pytest.raises(ValueError, match=message):
            metrics.crps(y, table[::-1], QUARTILES)

    def test_columns_may_have_other_names_but_not_another_order(self):
        y = pd.DataFrame({"sun": [1, 2], "wind": [3, 4]})
        f = pd.DataFrame({"sun": [1, 3], "wind": [3, 5]})
        assert metrics.mae(y, f) == metrics.mae(y, f.set_axis(["a", "b"], axis=1)) == 0.5
        message = (
            r"f: expected the columns of y in their order, \['sun', 'wind'\], got "
            r"\['wind', 'sun'\]; select them in one order"
        )
        with pytest.raises(ValueError, match=message):
            metrics.mae(y, f[["wind", "sun"]])

    def test_the_history_needs_no_index_of_its_own(self):
        y, f = pd.Series(Y, self.DAYS), pd.Series(F, self.DAYS)
        history = pd.Series(HISTORY, self.DAYS - pd.Timedelta("4D"))
        close(metrics.mase(y, f, history), 0.75)


class TestErrors:
    @every_metric
    @pytest.mark.parametrize("shape", [(4, 1), (1, 4), (3,), (1,), (), (2, 2)])
    def test_nothing_is_broadcast(self, metric, shape):
        message = r"expected shape \(4,\), that of y, got .*; reshape it, nothing is broadcast"
        with pytest.raises(ValueError, match=message):
            metric(Y, np.zeros(shape))
        with pytest.raises(ValueError, match=r"expected shape \(4, 1\), that of y, got \(4,\)"):
            metric(np.reshape(Y, (4, 1)), F)

    @pytest.mark.parametrize("shape", [(4,), (4, 2), (3, 4), (4, 1, 3)])
    def test_every_quantile_has_a_forecast(self, shape):
        message = r"quantile_forecasts: expected shape \(4, 3\), that of y and then the quantiles"
        with pytest.raises(ValueError, match=message):
            metrics.crps(Y, np.zeros(shape), QUARTILES)

    @every_metric
    @pytest.mark.parametrize("bad", [NAN, INF, -INF])
    def test_a_forecast_is_finite_even_where_the_actual_is_missing(self, metric, bad):
        message = r"expected numbers that are finite in float64, got -?(nan|inf) at \(1,\)"
        with pytest.raises(ValueError, match=message):
            metric([1, 2], [1, bad])
        with pytest.raises(ValueError, match=message):
            metric([1, NAN], [1, bad])

    @pytest.mark.parametrize("bad", [INF, -INF, 2e300])
    def test_actuals_and_history_are_missing_or_finite(self, bad):
        message = r"expected numbers within 1e\+300 of zero, got .* at \(1,\); scale or drop it"
        with pytest.raises(ValueError, match="y: " + message):
            metrics.mae([1, bad], [1, 2])
        with pytest.raises(ValueError, match="history: " + message):
            metrics.mase([1], [2], [1, bad, 3])

    def test_forecasts_are_far_from_overflow(self):
        with pytest.raises(ValueError, match=r"f: expected numbers within 1e\+300 of zero"):
            metrics.mae([[1, 2]], [[1, 1.1e300]])

    @every_metric
    def test_something_is_left(self, metric):
        with pytest.raises(ValueError, match="y: expected an actual that is not NaN, got 2 NaN;"):
            metric([NAN, NAN], [1, 2])
        with pytest.raises(ValueError, match="y: expected at least one entry along axis 0"):
            metric([], [])

    @every_metric
    def test_actuals_are_an_array_of_numbers(self, metric):
        with pytest.raises(TypeError, match="y: expected an array, got 3.0; pass a list"):
            metric(3.0, 2.0)
        with pytest.raises(TypeError, match="y: expected numbers, got an array of dtype"):
            metric(["a"], [1])
        with pytest.raises(TypeError, match="expected numbers, got an array of dtype object"):
            metric([1], [None])
        with pytest.raises(TypeError, match="y: expected an array without a mask"):
            metric(np.ma.masked_equal(Y, 4), F)

    @pytest.mark.parametrize("metric", [metrics.mase, metrics.rmsse])
    class TestOfTheHistory:
        @pytest.mark.parametrize("history", [[1] * 5, [1, 2, 1, 2, 1], [1, NAN, 1, 3, 1]])
        def test_it_changes(self, metric, history):
            message = (
                "history: expected values that change over season = 2 steps, got a history that is "
                "constant there and gives no scale; leave this series out or use mae or rmse"
            )
            with pytest.raises(ValueError, match=message):
                metric(Y, F, history, season=2)

        @pytest.mark.parametrize("history", [[1], [1, 2, 3], [1, NAN, 2, NAN, 3, NAN]])
        def test_it_is_longer_than_the_season(self, metric, history):
            message = (
                f"history: expected two values that are season = 3 steps apart, got none among "
                f"{len(history)} values; pass more of the series or a shorter season"
            )
            with pytest.raises(ValueError, match=message):
                metric(Y, F, history, season=3)

        def test_it_is_one_series(self, metric):
            with pytest.raises(ValueError, match=r"history: expected shape \(n_values,\), got"):
                metric(Y, F, [HISTORY])

        def test_the_season_is_a_whole_number(self, metric):
            with pytest.raises(ValueError, match="season: expected at least 1, got 0"):
                metric(Y, F, HISTORY, season=0)
            with pytest.raises(TypeError, match="season: expected a whole number, got 2.5"):
                metric(Y, F, HISTORY, season=2.5)

    @pytest.mark.parametrize("bad", [0, 1, -0.1, 1.5, NAN])
    def test_a_quantile_lies_between_0_and_1(self, bad):
        with pytest.raises(ValueError, match=r"quantile: expected a finite number in \(0, 1\)"):
            metrics.pinball(Y, F, bad)
        if bad == bad:
            with pytest.raises(ValueError, match=r"quantiles: expected a finite number in \(0, 1"):
                metrics.crps([1], [[1]], [bad])

    def test_quantiles_rise(self):
        with pytest.raises(ValueError, match=r"quantiles: expected rising values, got \(0.5, 0.1"):
            metrics.crps([1], [[1, 2]], [0.5, 0.1])
        with pytest.raises(ValueError, match="quantiles: expected rising values"):
            metrics.crps([1], [[1, 2]], [0.5, 0.5])

    @pytest.mark.parametrize("bad", [0, 0.8, 100, 101, NAN])
    def test_a_level_is_in_percent(self, bad):
        message = r"level \(in percent\): expected a finite number in \[1, 100\), got"
        with pytest.raises(ValueError, match=message):
            metrics.winkler(Y, LOW, HIGH, bad)

    @pytest.mark.parametrize("metric", [metrics.coverage, lambda *a: metrics.winkler(*a, 80)])
    def test_low_is_below_high(self, metric):
        message = "low: expected no bound above high, got 1.0 above 0.0; swap the two or sort them"
        with pytest.raises(ValueError, match=message):
            metric(Y, HIGH, LOW)


# bounded, so that rounding leaves 9 digits
NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20).map(np.transpose)
HISTORIES = st.lists(NUMBERS, min_size=2, max_size=20).filter(lambda h: np.ptp(h) > 1.0)
FACTORS = st.sampled_from([1e-3, 0.5, 3.0, 1e4])
anything = settings(max_examples=60, deadline=None, derandomize=True)


class TestForAnyNumbers:
    @anything
    @given(pairs=PAIRS, quantile=st.floats(0.01, 0.99))
    def test_scikit_learn_says_the_same(self, pairs, quantile):
        y, f = pairs
        assert metrics.mae(y, f) == pytest.approx(mean_absolute_error(y, f), rel=1e-12)
        assert metrics.rmse(y, f) == pytest.approx(root_mean_squared_error(y, f), rel=1e-12)
        expected = mean_pinball_loss(y, f, alpha=quantile)
        assert metrics.pinball(y, f, quantile) == pytest.approx(expected, rel=1e-9, abs=1e-12)

    @anything
    @given(pairs=PAIRS, history=HISTORIES, factor=FACTORS)
    def test_units_do_not_matter(self, pairs, history, factor):
        y, f = pairs
        for metric in (metrics.mase, metrics.rmsse):
            scaled = metric(factor * y, factor * f, factor * np.array(history))
            assert scaled == pytest.approx(metric(y, f, history), rel=1e-9)
        smape = metrics.smape(y, f)
        assert metrics.smape(factor * y, factor * f) == pytest.approx(smape, rel=1e-9)
        assert metrics.smape(f, y) == metrics.smape(-y, -f) == smape
        assert 0.0 <= smape <= 200.0

    @anything
    @given(pairs=PAIRS)
    def test_the_median_costs_half_the_absolute_error(self, pairs):
        mae = metrics.mae(*pairs)
        assert metrics.pinball(*pairs, 0.5) == pytest.approx(mae / 2, rel=1e-12)
        assert metrics.crps(pairs[0], pairs[1][:, None], [0.5]) == pytest.approx(mae, rel=1e-12)

    @anything
    @given(pairs=PAIRS)
    def test_the_mean_error_is_at_most_the_root_of_the_mean_square(self, pairs):
        assert metrics.mae(*pairs) <= metrics.rmse(*pairs) * (1 + 1e-12)

    @anything
    @given(pairs=PAIRS, width=st.floats(0.0, 1e3), level=st.floats(1.0, 99.9))
    def test_intervals(self, pairs, width, level):
        y, low = pairs
        high = low + width
        coverage, score = metrics.coverage(y, low, high), metrics.winkler(y, low, high, level)
        mean_width = float(np.mean(high - low))
        assert 0.0 <= coverage <= 1.0
        assert score >= mean_width
        assert (score == mean_width) == (coverage == 1.0)
        alpha = 1 - level / 100  # the score is the pinball losses of both bounds over alpha / 2
        losses = metrics.pinball(y, low, alpha / 2) + metrics.pinball(y, high, 1 - alpha / 2)
        assert score == pytest.approx(2 / alpha * losses, rel=1e-6, abs=1e-6)

    @anything
    @given(pairs=PAIRS, history=HISTORIES)
    def test_what_came_true_costs_nothing(self, pairs, history):
        y = pairs[0]
        for metric in (metrics.mae, metrics.rmse, metrics.smape):
            assert metric(y, y) == 0.0
        assert metrics.mase(y, y, history) == metrics.rmsse(y, y, history) == 0.0
        assert metrics.winkler(y, y, y, 90) == metrics.pinball(y, y, 0.1) == 0.0
        assert metrics.coverage(y, y, y) == 1.0


def test_the_package_has_them_as_a_module():
    assert gruforecast.metrics is metrics
    assert metrics.mae is gruforecast.forecasting.metrics.mae
    assert "metrics" in gruforecast.__all__
    assert "metrics" in dir(gruforecast)
    assert {name.split(",")[0] for name in POINT} | {"crps", "skill"} == set(metrics.__all__)
