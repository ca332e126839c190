"""ForecastDisplay draws what was forecast, what was before, and what happened."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import dates, pyplot
from matplotlib.figure import Figure

from gruforecast import ForecastDisplay, GRUForecaster
from tests.pictures import assert_inside, band_limits, labels_of, lines_of, shows_dates

QUICK = {"hidden_size": 4, "max_iter": 2, "horizon": 6, "lookback": 8, "random_state": 0}
WAVE = 20 + np.sin(0.5 * np.arange(130)) + 0.1 * np.random.default_rng(0).normal(size=130)
DAYS = pd.Series(WAVE, pd.date_range("2024-01-01", periods=130, name="day"), name="load (MW)")
TRAIN, TEST = DAYS[:-12], DAYS[-12:]


@pytest.fixture(scope="module")
def model():
    return GRUForecaster(**QUICK).fit(TRAIN)


def made_forecast(index, levels=("80", "95")):
    """A frame as ``forecast`` returns it."""
    frame = pd.DataFrame({"mean": np.arange(float(len(index)))}, index=index)
    for level in levels:
        frame[f"lo-{level}"] = frame["mean"] - float(level)
        frame[f"hi-{level}"] = frame["mean"] + float(level)
    return frame


def test_what_is_drawn_is_what_was_forecast(model):
    display = ForecastDisplay.from_estimator(model, 6, (80, 95), history=TRAIN, actual=DAYS)
    frame = model.forecast(6, (80, 95))
    lines = lines_of(display.ax_)
    np.testing.assert_array_equal(lines["forecast"].get_ydata(), frame["mean"])
    np.testing.assert_array_equal(lines["forecast"].get_xdata(), dates.date2num(frame.index))
    np.testing.assert_array_equal(lines["observed"].get_ydata(), TRAIN[-30:])
    np.testing.assert_array_equal(lines["actual"].get_ydata(), TEST[:6])
    np.testing.assert_array_equal(lines["actual"].get_xdata(), dates.date2num(TEST.index[:6]))
    for band, level in zip(display.ax_.collections, (95, 80), strict=True):  # the widest below
        limits = band_limits(band)
        np.testing.assert_allclose(limits["min"], frame[f"lo-{level}"])
        np.testing.assert_allclose(limits["max"], frame[f"hi-{level}"])
    wide, narrow = (band.get_zorder() for band in display.ax_.collections)
    assert wide < narrow < min(line.get_zorder() for line in lines.values())
    assert labels_of(display.ax_.get_legend()) == ["observed", "forecast", "80 %", "95 %", "actual"]
    assert display.ax_.get_ylabel() == "load (MW)"


def test_bands_of_higher_levels_are_lighter(model):
    display = ForecastDisplay.from_estimator(model, 6, (50, 80, 95))
    lightness = [band.get_facecolor()[0, :3].sum() for band in display.ax_.collections]
    assert lightness == sorted(lightness, reverse=True)
    assert min(-np.diff(lightness)) > 0.1


def test_without_history_the_rows_that_the_model_keeps_are_drawn(model):
    lines = lines_of(ForecastDisplay.from_estimator(model).ax_)
    drawn = lines["observed"].get_ydata()
    assert len(drawn) >= QUICK["lookback"]
    np.testing.assert_array_equal(drawn, TRAIN[-len(drawn) :])


@pytest.mark.parametrize("history", [None, TRAIN[:-3]])
@pytest.mark.parametrize("last", [TEST[:5], TEST[:5].to_numpy()])
def test_newer_rows_follow_those_that_were_known(model, last, history):
    display = ForecastDisplay.from_estimator(model, last=last, history=history, n_history=12)
    lines = lines_of(display.ax_)
    np.testing.assert_array_equal(lines["observed"].get_ydata(), DAYS[-19:-7])
    assert lines["forecast"].get_xdata()[0] == dates.date2num(TEST.index[5])


def test_as_much_history_as_was_asked_for(model):
    frame = model.forecast(3)
    line = lines_of(ForecastDisplay.from_forecast(frame, DAYS, n_history=7).ax_)["observed"]
    np.testing.assert_array_equal(line.get_ydata(), TRAIN[-7:])
    assert "observed" not in lines_of(ForecastDisplay.from_forecast(frame, DAYS, n_history=0).ax_)


def test_many_rows_are_thinned_without_losing_a_peak():
    days = pd.date_range("1980-01-01", periods=15000)
    values = np.zeros(15000)
    values[[5000, 9999]] = 7, -7
    ahead = pd.date_range(days[-1], periods=4)[1:]
    display = ForecastDisplay.from_forecast(
        made_forecast(ahead), pd.Series(values, days), n_history=15000
    )
    line = lines_of(display.ax_)["observed"]
    assert len(line.get_xdata()) < 5000
    assert (line.get_ydata().min(), line.get_ydata().max()) == (-7, 7)
    assert line.get_xdata()[[0, -1]].tolist() == dates.date2num(days[[0, -1]]).tolist()


def test_a_value_between_missing_ones_is_a_point(model):
    actual = TEST[:6].copy()
    actual.iloc[[1, 3]] = np.nan
    line = lines_of(ForecastDisplay.from_estimator(model, actual=actual).ax_)["actual"]
    assert line.get_marker() == "o"
    np.testing.assert_array_equal(line.get_ydata(), actual)


def test_a_single_step_has_a_width():
    ahead = pd.date_range("2024-03-01", periods=1)
    display = ForecastDisplay.from_forecast(made_forecast(ahead), DAYS[:60])
    (left, right), at = lines_of(display.ax_)["forecast"].get_xdata(), dates.date2num(ahead[0])
    assert left < at < right
    for band, half in zip(display.ax_.collections, (95, 80), strict=True):
        limits = band_limits(band)
        assert limits.index.tolist() == [left, right]
        assert limits.iloc[0].tolist() == [-half, half]


def test_a_frame_of_means_has_no_bands(model):
    display = ForecastDisplay.from_estimator(model, level=None)
    assert labels_of(display.ax_.get_legend()) == ["observed", "forecast"]
    assert not display.ax_.collections


def test_arrays_go_on_by_number():
    model = GRUForecaster(**QUICK).fit(WAVE[:100])
    display = ForecastDisplay.from_estimator(model, history=WAVE[80:100], actual=WAVE[100:106])
    lines = lines_of(display.ax_)
    assert lines["observed"].get_xdata().tolist() == list(range(80, 100))
    assert lines["forecast"].get_xdata().tolist() == list(range(100, 106))
    assert lines["actual"].get_xdata().tolist() == list(range(100, 106))


def test_steps_that_are_counted_follow_rows_with_dates():
    frame = made_forecast(pd.RangeIndex(1, 7, name="step"))
    display = ForecastDisplay.from_forecast(frame, DAYS, actual=TEST[:6])
    lines = lines_of(display.ax_)
    assert lines["observed"].get_xdata().tolist() == list(range(-29, 1))
    assert lines["actual"].get_xdata().tolist() == list(range(1, 7))
    assert display.ax_.get_xlabel() == "step"


def test_periods_are_drawn_where_they_begin():
    months = pd.period_range("2020-01", periods=60, freq="M")
    frame = made_forecast(months[48:])
    lines = lines_of(ForecastDisplay.from_forecast(frame, pd.Series(range(60), months)).ax_)
    expected = dates.date2num(months[48:].to_timestamp())
    np.testing.assert_array_equal(lines["forecast"].get_xdata(), expected)
    assert lines["observed"].get_ydata()[-1] == 47


def test_rows_of_another_zone_are_drawn_at_the_same_time():
    ahead = pd.date_range("2024-03-30 20:00", periods=12, freq="h", tz="Europe/Berlin")
    actual = pd.Series(range(12), ahead.tz_convert("UTC"))
    display = ForecastDisplay.from_forecast(made_forecast(ahead), actual=actual)
    lines = lines_of(display.ax_)
    np.testing.assert_array_equal(lines["actual"].get_xdata(), lines["forecast"].get_xdata())
    assert display.ax_.get_xlabel() == "time in Europe/Berlin"
    display.figure_.draw_without_rendering()
    zone = display.ax_.xaxis.get_major_locator().tz
    ticks = dates.num2date(display.ax_.get_xticks(), zone)
    hours = [(tick.hour, tick.minute) for tick in ticks]
    assert {(0, 0), (4, 0), (6, 0), (8, 0)} <= set(hours)
    assert (2, 0) not in hours  # which that night does not have


class TestSeveralSeries:
    NAMES = tuple("abcdefgh")
    LONG = pd.concat({name: made_forecast(TEST.index) for name in NAMES}, names=["shop", "day"])
    WIDE = pd.concat({name: made_forecast(TEST.index) for name in NAMES}, axis=1)

    @pytest.mark.parametrize("frame", [LONG, WIDE, WIDE.xs("mean", axis=1, level=1)])
    def test_the_first_six_are_panels_and_the_figure_says_so(self, frame):
        display = ForecastDisplay.from_forecast(frame)
        assert [ax.get_title(loc="left") for ax in display.axes_] == list("abcdef")
        assert display.figure_.get_supxlabel() == "the first 6 of 8 series"
        assert labels_of(display.figure_.legends[0])[0] == "forecast"

    @pytest.mark.parametrize("series", [["g", "b"], pd.Index(["g", "b"])])
    def test_those_that_were_chosen(self, series):
        display = ForecastDisplay.from_forecast(self.LONG, series=series)
        assert [ax.get_title(loc="left") for ax in display.axes_] == ["g", "b"]
        assert display.figure_.get_supxlabel() == ""
        one = ForecastDisplay.from_forecast(self.WIDE, series="c")
        assert one.ax_.get_ylabel() == "c"

    def test_every_panel_has_its_own_rows(self):
        table = pd.DataFrame({"x": WAVE, "y": -WAVE}, index=DAYS.index)
        model = GRUForecaster(**QUICK).fit(table[:-12])
        display = ForecastDisplay.from_estimator(model, actual=table, history=table[["x"]])
        for ax, name in zip(display.axes_, "xy", strict=True):
            np.testing.assert_array_equal(lines_of(ax)["actual"].get_ydata(), table[name][-12:-6])
            assert lines_of(ax)["observed"].get_ydata()[-1] == table[name].iloc[-13]
        long = table.stack().swaplevel().sort_index()
        kept = long[long.index.get_level_values(1) < TEST.index[0]]
        display = ForecastDisplay.from_estimator(GRUForecaster(**QUICK).fit(kept), actual=long)
        np.testing.assert_array_equal(lines_of(display.axes_[1])["actual"].get_ydata(), -TEST[:6])

    def test_dates_stand_below_the_lowest_panel_of_each_column(self):
        display = ForecastDisplay.from_forecast(self.LONG, series=list("abcde"))
        display.figure_.draw_without_rendering()
        assert [shows_dates(ax) for ax in display.axes_] == [False, False, False, True, True]

    def test_dozens_fit_into_their_figure(self):
        names = [f"series {i}" for i in range(30)]
        frame = pd.concat({name: made_forecast(TEST.index) for name in names})
        display = ForecastDisplay.from_forecast(frame, series=names)
        display.figure_.draw_without_rendering()
        assert len(display.axes_) == 30
        for ax in display.axes_:
            assert_inside(display.figure_, ax.get_tightbbox())


def test_it_draws_where_it_is_told(model):
    figure = Figure(layout="constrained")
    axes = figure.subplots(1, 2)
    display = ForecastDisplay.from_estimator(model, ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].get_lines()
    left, right = Figure(layout="constrained").subfigures(1, 2)
    display = ForecastDisplay.from_estimator(model, ax=right)
    assert display.figure_ is right
    assert not left.axes
    assert display.plot(axes[0]) is display
    frame = TestSeveralSeries.LONG
    both = ForecastDisplay.from_forecast(frame, series=["a", "b"], ax=Figure().subplots(2))
    assert [ax.get_title(loc="left") for ax in both.axes_] == ["a", "b"]


def test_matplotlib_is_left_as_it_was(model):
    before = dict(mpl.rcParams)
    ForecastDisplay.from_estimator(model, ax=Figure())
    ForecastDisplay.from_estimator(model, ax=Figure().subplots())
    assert not pyplot.get_fignums()
    display = ForecastDisplay.from_estimator(model)
    assert [pyplot.figure(number) for number in pyplot.get_fignums()] == [display.figure_]
    assert dict(mpl.rcParams) == before
