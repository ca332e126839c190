"""Pictures can be read: dates lie apart, legends lie over no data and inside the figure."""

import pickle
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gruforecast import BacktestDisplay, ForecastDisplay, ResidualDisplay, TrainingDisplay
from gruforecast.plotting import style
from tests.pictures import assert_inside, assert_ticks_apart, heights_of_data, made_backtest
from tests.test_plotting_forecast import made_forecast

INDICES = {
    "half hours over the switch": pd.date_range(
        "2013-04-04", periods=200, freq="30min", tz="Australia/Melbourne"
    ),
    "hours": pd.date_range("2024-12-30", periods=120, freq="h", tz="UTC"),
    "days": pd.date_range("2023-12-01", periods=150),
    "business days": pd.bdate_range("2023-11-01", periods=120),
    "weeks": pd.date_range("2020-01-05", periods=150, freq="W"),
    "months": pd.date_range("2001-01-01", periods=90, freq="MS"),
    "years": pd.date_range("1700-01-01", periods=200, freq="YS"),
    "minutes": pd.date_range("2024-02-28 22:10", periods=240, freq="min"),
    "whole numbers": pd.RangeIndex(1700, 1850, name="year"),
    "durations": pd.timedelta_range("0s", periods=120, freq="15min"),
}


def draw(index, ax):
    """A forecast of a tenth of the rows, with everything that there is to draw."""
    n = len(index) // 10
    rows = pd.Series(1000.0 * np.sin(np.arange(len(index))), index, name="Electricity demand (MW)")
    return ForecastDisplay.from_forecast(made_forecast(index[-n:]), rows, rows, ax=ax)


@pytest.mark.parametrize("width", [2.2, 3.2, 8.0])
@pytest.mark.parametrize("kind", INDICES)
def test_dates_lie_apart(kind, width):
    figure = Figure(figsize=(width, 3.0), layout="constrained")
    display = draw(INDICES[kind], figure)
    figure.draw_without_rendering()
    assert_ticks_apart(display.ax_, least=2 if width > 3 else 1)


@pytest.mark.parametrize("minutes", np.geomspace(3, 5e7, 25).round())
def test_there_are_dates_for_every_span(minutes):
    for width in (1.8, 7.0):
        figure = Figure(figsize=(width, 2.0))
        ax = figure.subplots()
        ends = pd.DatetimeIndex(["2001-03-05 13:27", pd.Timestamp("2001-03-05 13:27")])
        ends = ends[:1].append(ends[1:] + pd.Timedelta(minutes=float(minutes)))
        style.tidy(ax)
        ax.plot(style.time_positions(ends), [0, 1])
        style.dress_time(ax, ends)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.draw_without_rendering()
        assert_ticks_apart(ax)


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 2), (1, 3)])
@pytest.mark.parametrize("layout", ["constrained", None])
def test_legends_are_inside_and_cover_nothing(shape, layout):
    figure = Figure(layout=layout)
    for ax in np.ravel(figure.subplots(*shape)):
        draw(INDICES["days"], ax)
    figure.draw_without_rendering()
    for ax in figure.axes:
        box = ax.get_legend().get_window_extent()
        assert_inside(figure, box)
        assert np.nanmax(heights_of_data(ax)) < box.y0 + 1
        others = [other.bbox for other in figure.axes if other is not ax]
        assert not any(box.overlaps(other) for other in others)


@pytest.mark.parametrize("title", ["a title", "a title\nof two lines"])
def test_a_title_of_the_caller_stands_above_the_legend(title):
    figure = Figure(figsize=(4, 3), layout="constrained")
    ax = figure.subplots()
    draw(INDICES["days"], ax)
    ax.set_title(title)
    figure.draw_without_rendering()
    legend, text = ax.get_legend().get_window_extent(), ax.title.get_window_extent()
    assert text.y0 > legend.y1 - 1
    assert_inside(figure, text)


@pytest.mark.parametrize("kind", ["hours", "days", "months"])
def test_the_label_of_values_fits_beside_them(kind):
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots(3, 2)
    for ax in axes.flat:
        draw(INDICES[kind], ax)
    figure.draw_without_rendering()
    for ax in axes.flat:
        assert ax.yaxis.label.get_window_extent().height < 1.4 * ax.bbox.height
        assert_inside(figure, ax.get_tightbbox())


@pytest.mark.parametrize("n_cutoffs", [1, 3, 200])
def test_the_other_displays_are_inside_their_figures(n_cutoffs):
    frame = made_backtest(n_cutoffs, 6, freq="h", levels=("50", "80", "95"))
    loss = np.geomspace(3, 0.1, 30)
    for display in (
        BacktestDisplay.from_backtest(frame),
        ResidualDisplay.from_backtest(frame),
        TrainingDisplay(training=loss, validation=loss + 0.2, best_iter=30, loss="huber").plot(),
    ):
        figure = display.figure_
        figure.draw_without_rendering()
        legends = figure.legends or [display.ax_.get_legend()]
        assert_inside(figure, legends[0].get_window_extent())
        for ax in figure.axes:
            assert_inside(figure, ax.get_tightbbox())
            assert not legends[0].get_window_extent().overlaps(ax.bbox)
            assert_ticks_apart(ax)


@pytest.mark.parametrize(("scale", "expected"), [(1e7, "M"), (1e-5, "µ"), (1.0, ""), (5e4, "")])
def test_no_factor_stands_above_the_values(scale, expected):
    rows = pd.Series(scale * np.sin(np.arange(60.0)), INDICES["days"][:60])
    frame = rows[-6:].to_frame("mean")
    display = ForecastDisplay.from_forecast(frame, rows)
    display.figure_.draw_without_rendering()
    assert display.ax_.yaxis.get_offset_text().get_text() == ""
    texts = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert all(text.endswith(expected) or text.strip() == "0" for text in texts)
    assert len(set(texts)) == len(texts)


def test_ink_is_that_of_the_style_in_use():
    with mpl.rc_context({"text.color": "white", "axes.facecolor": "black"}):
        display = draw(INDICES["days"], Figure(layout="constrained"))
    line = next(line for line in display.ax_.get_lines() if line.get_label() == "observed")
    assert line.get_color() == "white"
    assert display.ax_.collections[0].get_facecolor()[0, :3].max() < 0.3  # the widest is darkest


def test_a_figure_can_be_pickled():
    figure = Figure(layout="constrained")
    draw(INDICES["durations"], figure)
    TrainingDisplay(training=[1.0, 0.01]).plot(Figure().subplots())
    assert len(pickle.loads(pickle.dumps(figure)).axes) == 1
