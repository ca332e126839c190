"""TrainingDisplay, ResidualDisplay and BacktestDisplay draw how good forecasts are."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import dates
from matplotlib.figure import Figure

from gruforecast import (
    BacktestDisplay,
    GRUClassifier,
    GRUEncoder,
    GRUForecaster,
    ResidualDisplay,
    TrainingDisplay,
    backtest,
)
from tests.helpers import wavy_series
from tests.pictures import band_limits, labels_of, lines_of, made_backtest

QUICK = {"hidden_size": 4, "max_iter": 4, "random_state": 0}
X, Y = wavy_series(200)[:-1], wavy_series(200)[1:, 0]


class TestTraining:
    @pytest.mark.parametrize("cls", [GRUForecaster, GRUClassifier, GRUEncoder])
    @pytest.mark.parametrize("early_stopping", [False, True])
    def test_curves_of_every_estimator(self, cls, early_stopping):
        model = cls(**QUICK, lookback=6, early_stopping=early_stopping)
        model.fit(X, Y > 0 if cls is GRUClassifier else Y)
        display = TrainingDisplay.from_estimator(model)
        lines = lines_of(display.ax_)
        assert lines["training"].get_ydata().tolist() == model.loss_curve_
        assert lines["training"].get_xdata().tolist() == [1, 2, 3, 4]
        best = f"best: {model.best_loss_:.4g} in epoch {model.best_iter_}"
        assert lines[best].get_xydata().tolist() == [[model.best_iter_, model.best_loss_]]
        assert ("validation" in lines) == early_stopping
        if early_stopping:
            assert lines["validation"].get_ydata().tolist() == model.validation_loss_curve_
        assert set(labels_of(display.ax_.get_legend())) <= set(lines)

    def test_curve_of_a_fit_to_a_series(self):
        model = GRUForecaster(**QUICK, horizon=2, lookback=6).fit(Y)
        ax = TrainingDisplay.from_estimator(model).ax_
        assert lines_of(ax)["training"].get_ydata().tolist() == model.loss_curve_
        assert ax.get_ylabel() == "mean loss (absolute error)"

    @pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
    def test_where_no_epoch_is_better_than_the_start_none_is_marked(self):
        walk = np.random.default_rng(0).standard_normal(200).cumsum()
        model = GRUForecaster(**QUICK, horizon=2, lookback=6, learning_rate=10.0).fit(walk)
        assert model.best_iter_ == 0
        lines = lines_of(TrainingDisplay.from_estimator(model).ax_)
        assert not [name for name in lines if name.startswith("best")]

    @pytest.mark.parametrize(
        ("curve", "scale"), [([9, 3, 1], "log"), ([3, 2, 1], "linear"), ([9, 1, -3], "linear")]
    )
    def test_the_scale_is_logarithmic_where_that_helps(self, curve, scale):
        assert TrainingDisplay(training=curve).plot().ax_.get_yscale() == scale

    def test_one_epoch_is_a_point(self):
        line = TrainingDisplay(training=[0.5], best_iter=1, loss="huber").plot().ax_.get_lines()[0]
        assert line.get_marker() == "o"
        assert line.axes.get_ylabel() == "mean loss (huber)"


class TestResiduals:
    FRAME = made_backtest(20, 6)  # the forecast of step k is k too low

    def test_each_step_has_its_mean_its_error_and_its_spread(self):
        frame = self.FRAME.copy()
        frame["mean"] += np.where(np.arange(len(frame)) // 6 % 2, 4.0, -4.0)
        display = ResidualDisplay.from_backtest(frame, by="step")
        residual = (frame["actual"] - frame["mean"]).groupby(frame["step"])
        lines = lines_of(display.ax_)
        assert lines["mean (bias)"].get_xdata().tolist() == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose(lines["mean (bias)"].get_ydata(), residual.mean())
        error = lines["mean absolute error"].get_ydata()
        np.testing.assert_allclose(error, residual.agg(lambda own: own.abs().mean()))
        outer, inner = display.ax_.containers
        for bars, low, high in ((outer, 0.05, 0.95), (inner, 0.25, 0.75)):
            drawn = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars]
            expected = [residual.quantile(low), residual.quantile(high)]
            np.testing.assert_allclose(np.transpose(drawn), expected, atol=1e-9)
        assert labels_of(display.ax_.get_legend()) == [
            "middle 50 %", "middle 90 %", "mean (bias)", "mean absolute error",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("freq", "part"),
        [
            ("30min", "hour of the day"), ("6h", "hour of the day"), ("D", "day of the week"),
            ("B", "day of the week"), ("W", "month"), ("MS", "month"), ("YS", None),
        ],
    )  # fmt: skip
    def test_the_calendar_that_fits_the_stamps(self, freq, part):
        display = ResidualDisplay.from_backtest(made_backtest(20, 6, freq=freq))
        expected = ["step ahead"] if part is None else ["step ahead", part]
        assert [ax.get_xlabel() for ax in display.axes_] == expected

    def test_hours_are_those_of_the_zone(self):
        frame = made_backtest(20, 1, stride=24, freq="h")
        frame["time"] = frame["time"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
        display = ResidualDisplay.from_backtest(frame, by="hour")
        assert lines_of(display.ax_)["mean (bias)"].get_xdata().tolist() == [10]

    def test_few_forecasts_are_drawn_one_by_one(self):
        display = ResidualDisplay.from_backtest(self.FRAME[:6], by="step")
        points = lines_of(display.ax_)["one forecast"]
        np.testing.assert_allclose(points.get_ydata(), [1, 2, 3, 4, 5, 6])
        assert not display.ax_.containers

    def test_missing_values_do_not_count(self):
        frame = self.FRAME.copy()
        frame.loc[frame["step"] == 3, "actual"] = np.nan
        display = ResidualDisplay.from_backtest(frame, by="step")
        assert lines_of(display.ax_)["mean (bias)"].get_xdata().tolist() == [1, 2, 4, 5, 6]

    def test_series_are_measured_by_their_own_errors(self):
        frame = made_backtest(10, 6, names=("small", "large"))
        large = frame["series"] == "large"
        frame.loc[large, ["actual", "mean"]] *= 1000
        display = ResidualDisplay.from_backtest(frame, by="step")
        bias = lines_of(display.ax_)["mean (bias)"].get_ydata()
        np.testing.assert_allclose(bias, np.arange(1, 7) / 3.5)
        one = ResidualDisplay.from_backtest(frame, by="step", series="large")
        np.testing.assert_allclose(
            lines_of(one.ax_)["mean (bias)"].get_ydata(), 1000 * np.arange(1, 7)
        )
        assert one.ax_.get_ylabel().endswith("forecast\nlarge")

    def test_hundreds_of_steps_are_a_band(self):
        display = ResidualDisplay.from_backtest(made_backtest(9, 200), by="step")
        np.testing.assert_allclose(band_limits(display.ax_.collections[0])["max"], range(1, 201))

    def test_rows_and_their_predictions(self):
        true = np.arange(480.0)
        display = ResidualDisplay.from_predictions(true, true - 2)
        assert display.ax_.get_xlabel() == "row"
        bias = lines_of(display.ax_)["mean (bias)"]
        np.testing.assert_allclose(bias.get_ydata(), 2)
        np.testing.assert_allclose(np.diff(bias.get_xdata()), 20)

    def test_columns_are_steps_and_an_index_tells_the_time(self):
        index = pd.date_range("2024-01-01", periods=48, freq="h")
        true = pd.DataFrame(np.zeros((48, 3)), index)
        display = ResidualDisplay.from_predictions(true, np.tile([1.0, 2.0, 3.0], (48, 1)))
        assert [ax.get_xlabel() for ax in display.axes_] == ["step ahead", "hour of the day"]
        assert lines_of(display.axes_[0])["mean (bias)"].get_ydata().tolist() == [-1, -2, -3]
        given = ResidualDisplay.from_predictions(np.zeros(48), np.ones((48, 1)), index)
        assert given.ax_.get_xlabel() == "hour of the day"

    def test_one_axes_shows_the_first_grouping(self):
        ax = Figure().subplots()
        assert ResidualDisplay.from_backtest(self.FRAME, ax=ax).axes_.tolist() == [ax]
        assert ax.get_xlabel() == "step ahead"


class TestBacktest:
    @pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")
    def test_what_is_drawn_is_what_was_forecast(self):
        series = pd.Series(Y[:60], pd.date_range("2024-01-01", periods=60), name="load")
        model = GRUForecaster(**QUICK, lookback=6, early_stopping=False)
        frame = backtest(model, series, horizon=4, initial=40, level=80)
        display = BacktestDisplay.from_backtest(frame)
        x = dates.date2num(frame["time"])
        lines = lines_of(display.ax_)
        np.testing.assert_array_equal(lines["actual"].get_xdata(), x)
        np.testing.assert_array_equal(lines["actual"].get_ydata(), frame["actual"])
        forecast = lines["forecast"].get_xydata()
        gaps = np.flatnonzero(np.isnan(forecast).any(axis=1))
        assert gaps.tolist() == [4, 9, 14, 19]  # one forecast does not go over into the next
        np.testing.assert_array_equal(np.delete(forecast[:, 1], gaps), frame["mean"])
        limits = band_limits(display.ax_.collections[0])
        assert limits.index.tolist() == x.tolist()
        np.testing.assert_allclose(limits["min"], frame["lo-80"])
        np.testing.assert_allclose(limits["max"], frame["hi-80"])
        cutoffs = [line for line in display.ax_.get_lines() if line.get_label() == "cutoff"]
        expected = dates.date2num(frame["cutoff"].unique())
        assert [line.get_xdata()[0] for line in cutoffs] == expected.tolist()
        error = (frame["actual"] - frame["mean"]).abs().groupby(frame["cutoff"]).mean()
        np.testing.assert_allclose(display.axes_[1].get_lines()[0].get_ydata(), error)
        assert display.ax_.get_ylabel() == "load"

    def test_bands_say_how_many_values_they_held(self):
        frame = made_backtest(5, 4)  # errors of 1 to 4, bands of 4 to either side
        frame["lo-50"], frame["hi-50"] = frame["mean"] - 2, frame["mean"] + 2.001
        labels = labels_of(BacktestDisplay.from_backtest(frame).ax_.get_legend())
        assert labels[2:4] == ["50 % (held 50 %)", "80 % (held 100 %)"]

    def test_forecasts_that_overlap_are_left_out_but_not_their_errors(self):
        frame = made_backtest(20, 6, stride=2)
        display = BacktestDisplay.from_backtest(frame)
        lines = lines_of(display.ax_)
        (label,) = (name for name in lines if name.startswith("forecast"))
        assert label == "forecast (7 of 20 cutoffs)"
        drawn = lines[label].get_xdata()
        drawn = drawn[~np.isnan(drawn)]
        assert (np.diff(drawn) > 0).all()
        assert drawn[-1] == dates.date2num(frame["time"].max())  # the newest is drawn
        assert len(display.axes_[1].get_lines()[0].get_xdata()) == 20

    def test_what_has_no_room_is_told(self):
        frame = made_backtest(200, 24, freq="h")
        display = BacktestDisplay.from_backtest(frame)
        title = display.axes_[1].get_title(loc="left")
        assert title.endswith("and its running mean over 16; grey: drawn above")
        (label,) = (name for name in lines_of(display.ax_) if name.startswith("forecast"))
        assert label.endswith("of 200 cutoffs)")
        grey = display.axes_[1].patches[0].get_extents()
        drawn = grey.transformed(display.axes_[1].transData.inverted())
        assert (drawn.x0, drawn.x1) == pytest.approx(display.ax_.get_xlim())
        assert len(display.axes_[1].get_lines()[0].get_xdata()) == 200

    def test_nothing_is_drawn_where_nothing_is_known(self):
        frame = made_backtest(3, 4, stride=10)
        drawn = lines_of(BacktestDisplay.from_backtest(frame).ax_)["actual"].get_xdata()
        assert np.flatnonzero(np.isnan(drawn)).tolist() == [4, 9]

    def test_one_step_of_all_cutoffs(self):
        frame = made_backtest(20, 6, stride=2)
        display = BacktestDisplay.from_backtest(frame, step=3)
        line = lines_of(display.ax_)["forecast 3 steps ahead"]
        np.testing.assert_array_equal(line.get_ydata(), frame.loc[frame["step"] == 3, "mean"])
        assert display.axes_[1].get_title(loc="left") == "absolute error (mean 3)"

    @pytest.mark.parametrize("n_cutoffs", [1, 30])
    def test_a_horizon_of_one_step(self, n_cutoffs):
        frame = made_backtest(n_cutoffs, 1, stride=3)
        line = lines_of(BacktestDisplay.from_backtest(frame).ax_)["forecast"]
        assert set(line.get_ydata()) == set(frame["mean"])

    def test_one_cutoff_needs_no_second_panel(self):
        display = BacktestDisplay.from_backtest(made_backtest(1, 6))
        assert len(display.axes_) == 1

    def test_several_series(self):
        names = tuple("abcde")
        display = BacktestDisplay.from_backtest(made_backtest(5, 4, names=names))
        assert [ax.get_title(loc="left") for ax in display.axes_[:-1]] == list("abcd")
        assert display.figure_.get_supxlabel() == "the first 4 of 5 series"
        np.testing.assert_allclose(display.axes_[-1].get_lines()[0].get_ydata(), 1.0)
        one = BacktestDisplay.from_backtest(made_backtest(5, 4, names=names), series="e")
        assert one.ax_.get_ylabel() == "e"
        assert one.axes_[1].get_title(loc="left") == "mean absolute error of each cutoff (mean 2.5)"

    def test_it_draws_where_it_is_told(self):
        frame = made_backtest(5, 4)
        ax = Figure().subplots()
        assert BacktestDisplay.from_backtest(frame, ax=ax).axes_.tolist() == [ax]
        pair = Figure().subplots(2)
        assert BacktestDisplay.from_backtest(frame, ax=pair).axes_.tolist() == pair.tolist()
        assert pair[1].get_title(loc="left")

    def test_a_series_without_a_name_or_values(self):
        frame = made_backtest(5, 4, names=(None,))
        frame["actual"] = np.nan
        labels = labels_of(BacktestDisplay.from_backtest(frame).ax_.get_legend())
        assert "80 %" in labels

    @pytest.mark.parametrize("index", ["time", "cutoff"])
    def test_whole_numbers(self, index):
        frame = made_backtest(5, 4)
        days = (frame[["time", "cutoff"]] - frame["cutoff"].min()) / pd.Timedelta(days=1)
        frame[["time", "cutoff"]] = days.astype(int)
        display = BacktestDisplay.from_backtest(frame)
        assert lines_of(display.ax_)["actual"].get_xdata().tolist() == frame["time"].tolist()
