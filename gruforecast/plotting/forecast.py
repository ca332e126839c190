"""ForecastDisplay: what was, what is forecast, and between which bounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from gruforecast.forecasting.arguments import read_newer
from gruforecast.forecasting.state import SeriesState
from gruforecast.forecasting.tails import join, training_rows
from gruforecast.foundations.checks import check_integer
from gruforecast.plotting.reading import (
    Rows,
    choose_series,
    levels_of,
    load_style,
    plain,
    read_rows,
    rows_before,
    rows_by_name,
    rows_within,
    split_forecast,
)

MOST_PANELS = 6
LEAST_HISTORY = 30
STEPS_BEFORE = 4  # horizons of history that are drawn
ROOM_OF_MARK = 4.5  # points between values that are marked one by one
MOST_POINTS = 4000  # of a line


class Curve(NamedTuple):
    """One series as it is drawn."""

    name: Any
    forecast: pd.DataFrame  # mean, lo-80, hi-80 ... on the stamps to come
    history: pd.Series | None
    actual: pd.Series | None


class ForecastDisplay:
    """A fan chart: the newest rows of series, their forecast, and its bands.

    Use ``from_estimator`` or ``from_forecast``.

    Parameters
    ----------
    curves : sequence of Curve
        A name, the table of the forecast, and what was before and after, for each series.
    n_left_out : int, default 0
        Series that are not drawn, though nobody chose.

    Attributes
    ----------
    ax_ : Axes
        The first of ``axes_``.
    axes_ : array of Axes
        One per series.
    figure_ : Figure

    Examples
    --------
    >>> from gruforecast import ForecastDisplay, GRUForecaster, make_weather
    >>> temperature = make_weather(n_days=30)["temperature"]
    >>> model = GRUForecaster(horizon=24, max_iter=2, random_state=0).fit(temperature[:-24])
    >>> display = ForecastDisplay.from_estimator(model, actual=temperature[-24:])
    >>> [text.get_text() for text in display.ax_.get_legend().get_texts()]
    ['observed', 'forecast', '80 %', '95 %', 'actual']
    """

    def __init__(self, *, curves: Sequence[Curve], n_left_out: int = 0) -> None:
        self.curves, self.n_left_out = list(curves), n_left_out

    @classmethod
    def from_estimator(
        cls,
        model: Any,
        steps: int | None = None,
        level: Any = (80, 95),
        *,
        covariates: Any = None,
        last: Any = None,
        past_covariates: Any = None,
        static: Any = None,
        future_index: Any = None,
        history: Any = None,
        n_history: int | None = None,
        actual: Any = None,
        series: Any = None,
        ax: Any = None,
    ) -> ForecastDisplay:
        """Forecast, and draw it.

        Parameters
        ----------
        model : GRUForecaster
            Fitted to series, without a y.
        steps, level, covariates, last, past_covariates, static, future_index
            As in ``forecast``; ``level=None`` draws no bands.
        history : Series, table or array, optional
            Rows from before the forecast, in the form of ``fit``. Without it those that the model
            keeps are drawn, and ``last``.
        n_history : int, optional
            Newest rows to draw; four times the steps by default, and at least 30.
        actual : Series, table or array, optional
            What really happened.
        series : name or list of names, optional
            The series to draw; by default the first six.
        ax : Axes, array of Axes or Figure, optional
            Where to draw: one Axes per series, or a figure (or subfigure) to fill. By default a
            new figure.

        Returns
        -------
        ForecastDisplay
        """
        if not hasattr(model, "forecast"):
            raise TypeError(
                f"model: expected a GRUForecaster fitted to series, got {type(model).__name__}; "
                f"pass one, or the best_estimator_ of a search."
            )
        frame = model.forecast(
            steps, level, covariates, last, past_covariates=past_covariates, static=static,
            future_index=future_index,
        )  # fmt: skip
        kept = _kept_rows(model, last)
        return cls._of(frame, history, kept, n_history, actual, series, ax)

    @classmethod
    def from_forecast(
        cls,
        frame: pd.DataFrame,
        history: Any = None,
        actual: Any = None,
        *,
        n_history: int | None = None,
        series: Any = None,
        ax: Any = None,
    ) -> ForecastDisplay:
        """Draw what ``forecast`` returned.

        Parameters
        ----------
        frame : DataFrame
            Of one series or many, with bounds or without.
        history, actual, n_history, series, ax
            As in ``from_estimator``.

        Returns
        -------
        ForecastDisplay
        """
        return cls._of(frame, history, None, n_history, actual, series, ax)

    @classmethod
    def _of(
        cls, frame: Any, history: Any, kept: list[Rows] | None, n_history: int | None,
        actual: Any, series: Any, ax: Any,
    ) -> ForecastDisplay:  # fmt: skip
        parts = split_forecast(frame)
        names = choose_series(list(parts), series, MOST_PANELS)
        before = rows_by_name("history", history, list(parts))
        after = rows_by_name("actual", actual, list(parts))
        newest = {rows.name: rows for rows in kept or []}
        if kept and list(parts) == [None]:
            newest = {None: kept[0]}
        if n_history is not None:
            n_history = check_integer("n_history", n_history, low=0)
        curves = []
        for name in names:
            part = parts[name]
            most = n_history
            if most is None:
                most = max(STEPS_BEFORE * len(part), LEAST_HISTORY)
            sources = [source[name] for source in (before, newest, after) if name in source]
            title = next((rows.name for rows in sources if rows.name is not None), name)
            past = rows_before(part.index, before.get(name), newest.get(name), most)
            curves.append(Curve(title, part, past, rows_within(part.index, after.get(name))))
        n_left_out = len(parts) - len(names) if series is None else 0
        return cls(curves=curves, n_left_out=n_left_out).plot(ax)

    def plot(self, ax: Any = None) -> ForecastDisplay:
        """Draw, on a new figure or on what ``ax`` is: Axes, one per series, or a figure."""
        style = load_style(type(self).__name__)
        n = len(self.curves)
        n_columns = 1 if n < 4 else 2
        size = (8.0, 4.0) if n == 1 else (8.0, 0.6 + 1.9 * -(-n // n_columns))
        axes, figure = style.make_axes(ax, n, size, n_columns, **_shared(self.curves))
        handles: dict[str, Any] = {}
        for one, curve in zip(axes, self.curves, strict=True):
            handles |= _draw(style, one, curve)
            if curve.name is not None:
                if n == 1:
                    style.name_values(one, curve.name)
                else:
                    one.set_title(str(curve.name), loc="left", fontsize="medium")
        ordered = [name for name in handles if name != "actual"]
        ordered += [name for name in handles if name == "actual"]
        style.place_legend(axes, figure, [handles[name] for name in ordered])
        if self.n_left_out and figure is not None:
            style.note(figure, f"the first {n} of {n + self.n_left_out} series")
        self.axes_, self.ax_, self.figure_ = axes, axes[0], axes[0].figure
        return self


def _draw(style: Any, ax: Any, curve: Curve) -> dict[str, Any]:
    """One series on its axes; the lines and patches that a legend shows."""
    table, handles = curve.forecast, {}
    style.tidy(ax)
    x = style.time_positions(table.index)
    n_before = 0 if curve.history is None else len(curve.history)
    room = style.room_of(ax, n_before + len(x))
    if curve.history is not None and n_before:
        rows = curve.history.iloc[style.thinned(curve.history.to_numpy(), MOST_POINTS)]
        before = style.time_positions(rows.index)
        handles["observed"] = style.draw_values(
            ax, before, rows.to_numpy(), color=style.ink(), label="observed",
            linewidth=1.1 if room > 0.5 else 0.6,
        )  # fmt: skip
        ax.axvline(before[-1], color=style.ink(), alpha=0.35, linewidth=0.8, linestyle=":")
        pitch = x[0] - before[-1]
    else:
        pitch = x[1] - x[0] if len(x) > 1 else 1.0
    bounds = {
        level: (table[f"lo-{level}"].to_numpy(), table[f"hi-{level}"].to_numpy())
        for level in levels_of(table)
    }
    mean = table["mean"].to_numpy()
    bands = style.draw_bands(ax, x, bounds, 0.3 * pitch)
    where, values = style.widened(x, 0.3 * pitch, mean)
    (handles["forecast"],) = ax.plot(
        where, values, color=style.BLUE, linewidth=1.9, linestyle=style.DASHES, label="forecast",
        zorder=4,
    )  # fmt: skip
    handles |= bands
    if curve.actual is not None:
        marked = {"marker": "o", "markersize": 2.8} if room >= ROOM_OF_MARK else {}
        handles["actual"] = style.draw_values(
            ax, style.time_positions(curve.actual.index), curve.actual.to_numpy(),
            color=style.VERMILLION, linewidth=1.0, label="actual", zorder=3, **marked,
        )  # fmt: skip
    style.dress_time(ax, table.index)
    style.dress_values(ax)
    return handles


def _shared(curves: list[Curve]) -> dict[str, Any]:
    """One time axis for all series that end together."""
    first = curves[0].forecast.index
    together = all(curve.forecast.index.equals(first) for curve in curves)
    return {"sharex": "col"} if together else {}


def _kept_rows(model: Any, last: Any) -> list[Rows] | None:
    """The newest rows that a fitted forecaster knows, with those that follow them."""
    state = getattr(model, "_state", None)
    if not isinstance(state, SeriesState):
        return None if last is None else read_rows("last", last)[0]
    panel = training_rows(state.tails, state.form, state.level_names)
    if last is not None:
        newer = read_newer(last, state)
        panel = join(
            newer, state.tails, state.cadence, state.largest_step, 1, use=True, of_last=True
        ).panel
    return [Rows(name, pd.Series(own, plain(at)), True) for name, own, at in panel.series()]
