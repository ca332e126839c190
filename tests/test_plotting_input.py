"""What displays cannot draw is refused in one sentence."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from gruforecast import (
    BacktestDisplay,
    ForecastDisplay,
    GRUForecaster,
    ResidualDisplay,
    TrainingDisplay,
)
from tests.pictures import made_backtest

DAYS = pd.date_range("2024-01-01", periods=6)
FRAME = pd.DataFrame({"mean": range(6), "lo-80": range(6), "hi-80": range(6)}, index=DAYS)
BOTH = pd.concat({"a": FRAME, "b": FRAME})
ROWS = pd.Series(1.0, pd.date_range("2023-12-01", periods=31), name="a")
BACKTEST = made_backtest()
AXES = Figure().subplots(1, 3)


@pytest.mark.parametrize(
    ("frame", "given", "message"),
    [
        (FRAME["mean"], {}, "forecast: expected DataFrame, got Series"),
        (FRAME[:0], {}, "forecast: expected at least one step, got none"),
        (FRAME.drop(columns="hi-80"), {}, "got 'lo-80' without 'hi-80'"),
        (BOTH.drop(columns="mean"), {}, "expected a column 'mean' of numbers, got ['lo-80'"),
        (FRAME.astype(str), {}, "expected a column 'mean' of numbers"),
        (BOTH, {"series": "c"}, "series: expected names out of a, b, got 'c'; choose"),
        (BOTH, {"series": []}, "series: expected at least one name, got none"),
        (BOTH, {"ax": AXES}, "ax: expected 2 Axes or a figure, got 3 Axes"),
        (BOTH, {"ax": AXES[0]}, "ax: expected 2 Axes or a figure, got 1 Axes"),
        (FRAME, {"ax": "here"}, "ax: expected Axes, a figure or None, got str"),
        (FRAME, {"n_history": -1}, "n_history: expected at least 0, got -1"),
        (FRAME, {"history": "text"}, "history: expected a Series, a 1-D array"),
        (FRAME, {"history": ROWS.to_frame().assign(b=1)}, "history: expected one series, as the"),
        (BOTH, {"history": ROWS.rename("c")}, "history: expected series of the forecast, such as"),
        (FRAME, {"history": [1.0, 2.0]}, "history: expected stamps like those of the forecast"),
        (FRAME, {"history": ROWS.tz_localize("UTC")}, "history: expected stamps like those of"),
        (FRAME, {"actual": [1.0, 2.0]}, "actual: expected stamps like those of the forecast"),
        (FRAME, {"actual": ROWS}, "actual: expected rows between 2024-01-01"),
        (FRAME, {"actual": ROWS[::-1]}, "actual: index: expected stamps that rise"),
    ],
)
def test_forecasts(frame, given, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        ForecastDisplay.from_forecast(frame, **given)
    assert message in str(caught.value)


def test_models_of_forecasts():
    with pytest.raises(TypeError, match="model: expected a GRUForecaster fitted to series, got Ri"):
        ForecastDisplay.from_estimator(Ridge())
    with pytest.raises(NotFittedError, match="not fitted yet"):
        ForecastDisplay.from_estimator(GRUForecaster())
    model = GRUForecaster(hidden_size=4, max_iter=1).fit(np.ones((20, 1)), np.ones(20))
    with pytest.raises(ValueError, match="expected a fit to series, without y, got one with a y"):
        ForecastDisplay.from_estimator(model)
    model = GRUForecaster(hidden_size=4, max_iter=1, horizon=4).fit(np.sin(np.arange(5)))
    with pytest.raises(ValueError, match="or set level=None"):
        ForecastDisplay.from_estimator(model)
    assert ForecastDisplay.from_estimator(model, level=None).ax_.get_lines()


def test_models_of_trainings():
    with pytest.raises(TypeError, match="GRUClassifier or GRUEncoder, got Ridge; pass one"):
        TrainingDisplay.from_estimator(Ridge())
    with pytest.raises(ValueError, match="expected a fitted GRUForecaster, got one that has lea"):
        TrainingDisplay.from_estimator(GRUForecaster())


@pytest.mark.parametrize("display", [BacktestDisplay, ResidualDisplay])
@pytest.mark.parametrize(
    ("frame", "given", "message"),
    [
        (None, {}, "frame: expected DataFrame, got NoneType; pass what backtest returned"),
        (FRAME, {}, "frame: expected the columns of a backtest, got none named 'series'"),
        (BACKTEST[:0], {}, "frame: expected at least one row, got none"),
        (BACKTEST.assign(time="monday"), {}, "dates or whole numbers in column 'time'"),
        (BACKTEST.drop(columns="hi-80"), {}, "got 'lo-80' without 'hi-80'"),
        (BACKTEST, {"series": "b"}, "series: expected names out of load, got 'b'"),
        (BACKTEST, {"ax": AXES}, "ax: expected 2 Axes or a figure, got 3 Axes"),
    ],
)
def test_backtests(display, frame, given, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        display.from_backtest(frame, **given)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("step", "message"), [(9, "step: expected at most 4"), (0, "step: expected at least 1")]
)
def test_steps(step, message):
    with pytest.raises(ValueError, match=message):
        BacktestDisplay.from_backtest(BACKTEST, step)


def test_groupings():
    with pytest.raises(ValueError, match="by: expected one of .*step, got 'stop'; did you mean"):
        ResidualDisplay.from_backtest(BACKTEST, by="stop")
    with pytest.raises(ValueError, match="by: expected one of row, got 'hour'"):
        ResidualDisplay.from_predictions([1.0], [2.0], by="hour")
    with pytest.raises(ValueError, match="at least one forecast of a value that is known"):
        ResidualDisplay.from_backtest(BACKTEST.assign(actual=np.nan))


@pytest.mark.parametrize(
    ("true", "predicted", "times", "message"),
    [
        (np.ones(3), np.ones(4), None, "in the shape of y_true, (3,), got (4,)"),
        (np.ones((2, 2)), np.ones(4), None, "in the shape of y_true, (2, 2), got (4,)"),
        ([], [], None, "in the shape of y_true, (0,)"),
        (np.ones(3), np.ones(3), DAYS, "times: expected 3 dates, one for each row, got 6"),
        (np.ones(3), np.ones(3), [1, 2, 3], "times: expected 3 dates, one for each row"),
    ],
)
def test_predictions(true, predicted, times, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ResidualDisplay.from_predictions(true, predicted, times)


@pytest.mark.parametrize(
    ("display", "draw"),
    [
        ("ForecastDisplay", lambda: ForecastDisplay.from_forecast(FRAME)),
        ("TrainingDisplay", lambda: TrainingDisplay(training=[1.0]).plot()),
        ("ResidualDisplay", lambda: ResidualDisplay.from_backtest(BACKTEST)),
        ("BacktestDisplay", lambda: BacktestDisplay.from_backtest(BACKTEST)),
    ],
)
def test_without_matplotlib(display, draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError) as caught:
        draw()
    assert str(caught.value) == (
        f"{display}: expected Matplotlib, which is not installed; pip install 'gruforecast[plot]'."
    )
