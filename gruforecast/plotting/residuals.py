"""ResidualDisplay: how far forecasts err, by step and by what the calendar says."""

from __future__ import annotations

from calendar import day_abbr, month_abbr
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.data.segments import is_time
from gruforecast.forecasting.dates.calendar import CALENDAR
from gruforecast.foundations.checks import check_choice
from gruforecast.plotting.reading import (
    choose_series,
    load_style,
    number_series,
    plain,
    read_backtest,
)

PARTS = {  # of a stamp, with the time between stamps from which on a coarser one fits
    "hour": pd.Timedelta(days=1), "dayofweek": pd.Timedelta(days=6),
    "month": pd.Timedelta(days=350),
}  # fmt: skip
NAMES = {
    "step": "step ahead", "row": "row", "hour": "hour of the day", "dayofweek": "day of the week",
    "month": "month",
}  # fmt: skip
BANDS = ((5, 95), (25, 75))  # percentiles that are drawn
LEAST_VALUES = 8  # of a group whose percentiles mean something
MOST_BARS = 60
MOST_BINS = 24  # of rows


class Groups(NamedTuple):
    """Residuals by where they belong."""

    places: np.ndarray  # (G,) on the axis
    values: list[np.ndarray]  # (G,) of residuals


class ResidualDisplay:
    """What happened minus what was forecast: spread, bias and mean absolute error in groups.

    Above zero the forecast was too low. Use ``from_backtest`` or ``from_predictions``.

    Parameters
    ----------
    table : DataFrame
        A row per forecast: residual, and step, row and time as far as they are known.
    unit : str, optional
        What residuals are counted in, or of what they are.

    Attributes
    ----------
    ax_ : Axes
        The first of ``axes_``.
    axes_ : array of Axes
        One for each grouping.
    figure_ : Figure

    Examples
    --------
    >>> from gruforecast import GRUForecaster, ResidualDisplay, backtest, make_weather
    >>> temperature = make_weather(n_days=40)["temperature"]
    >>> model = GRUForecaster(max_iter=2, random_state=0)
    >>> result = backtest(model, temperature, horizon=24)
    >>> display = ResidualDisplay.from_backtest(result)
    >>> [ax.get_xlabel() for ax in display.axes_]
    ['step ahead', 'hour of the day']
    """

    def __init__(self, *, table: pd.DataFrame, unit: str | None = None) -> None:
        self.table, self.unit = table, unit

    @classmethod
    def from_backtest(
        cls, frame: pd.DataFrame, *, by: Any = None, series: Any = None, ax: Any = None
    ) -> ResidualDisplay:
        """Draw the residuals of a backtest.

        Parameters
        ----------
        frame : DataFrame
            What ``backtest`` returned.
        by : {"step", "hour", "dayofweek", "month", "row"} or several of them, optional
            By default "step", and the part of the stamps that fits their frequency.
        series : name or list of names, optional
            By default all. Residuals of several are divided by the mean absolute error of each.
        ax : Axes, array of Axes or Figure, optional
            Where to draw: one Axes for each of ``by`` (a single one shows the first), or a figure
            to fill. By default a new figure.

        Returns
        -------
        ResidualDisplay
        """
        frame = read_backtest(frame)
        codes, names = number_series(frame)
        wanted = choose_series(names, series, len(names))
        chosen = np.isin(codes, [names.index(name) for name in wanted])
        frame, codes = frame[chosen], codes[chosen]
        residual = (frame["actual"] - frame["mean"]).to_numpy(np.float64)
        unit = None if wanted[0] is None else str(wanted[0])
        if len(wanted) > 1:
            error = pd.Series(np.abs(residual)).groupby(codes).transform("mean").to_numpy()
            residual = residual / np.where(error > 0, error, 1.0)
            unit = f"in mean absolute errors of each of {len(wanted)} series"
        table = pd.DataFrame({"residual": residual, "step": frame["step"].to_numpy()})
        if is_time(pd.Index(frame["time"])):
            table["time"] = frame["time"].array
        return cls(table=table, unit=unit).plot(ax, by=by)

    @classmethod
    def from_predictions(
        cls, y_true: Any, y_pred: Any, times: Any = None, *, by: Any = None, ax: Any = None
    ) -> ResidualDisplay:
        """Draw the residuals of predictions for rows.

        Parameters
        ----------
        y_true, y_pred : array, Series or DataFrame (n,) or (n, k)
            Several columns are steps ahead.
        times : index of n stamps, optional
            Of the rows; by default the index of ``y_true`` if that holds dates.
        by, ax
            As in ``from_backtest``; rows without stamps are drawn in their order ("row").

        Returns
        -------
        ResidualDisplay
        """
        true, predicted = (np.asarray(y, dtype=np.float64) for y in (y_true, y_pred))
        if true.ndim == 2 and true.shape[1] == 1:
            true = true[:, 0]
        if predicted.ndim == 2 and predicted.shape[1] == 1:
            predicted = predicted[:, 0]
        if true.shape != predicted.shape or true.ndim not in (1, 2) or not true.size:
            raise ValueError(
                f"y_pred: expected predictions in the shape of y_true, {true.shape}, got "
                f"{predicted.shape}; pass one for each value."
            )
        n, k = len(true), true.shape[1] if true.ndim == 2 else 1
        if times is None and is_time(getattr(y_true, "index", pd.RangeIndex(0))):
            times = y_true.index
        facts: dict[str, Any] = {"residual": (true - predicted).ravel()}
        if k > 1:
            facts["step"] = np.tile(np.arange(1, k + 1), n)
        facts["row"] = np.repeat(np.arange(n), k)
        if times is not None:
            stamps = plain(pd.Index(times))
            if not is_time(stamps) or len(stamps) != n:
                raise ValueError(
                    f"times: expected {n} dates, one for each row, got {len(stamps)} of "
                    f"{stamps.dtype}; pass the index of the rows."
                )
            facts["time"] = stamps.repeat(k).array
        name = getattr(y_true, "name", None)
        return cls(table=pd.DataFrame(facts), unit=None if name is None else str(name)).plot(
            ax, by=by
        )

    def plot(self, ax: Any = None, *, by: Any = None) -> ResidualDisplay:
        """Draw, on a new figure or on what ``ax`` is: Axes, one for each of ``by``, or a figure."""
        style = load_style(type(self).__name__)
        table = self.table[self.table["residual"].notna()]
        if not len(table):
            raise ValueError(
                "frame: expected at least one forecast of a value that is known, got none; "
                "backtest on rows with values."
            )
        wanted = self._read_by(by)
        if style.n_given(ax) == 1:
            wanted = wanted[:1]
        n = len(wanted)
        axes, figure = style.make_axes(ax, n, (4.8 if n == 1 else 8.4, 4.0), n, sharey=True)
        handles: dict[str, Any] = {}
        for one, what in zip(axes, wanted, strict=True):
            handles |= _draw(style, one, _group(table, what))
            one.set_xlabel(NAMES[what], fontsize="small")
            _name_groups(style, one, what)
        self._name_values(style, axes[0])
        style.place_legend(axes, figure, list(handles.values()))
        self.axes_, self.ax_, self.figure_ = axes, axes[0], axes[0].figure
        return self

    def _read_by(self, by: Any) -> list[str]:
        """What to group by: as asked for, or what the table tells."""
        known = {name for name in ("step", "row") if name in self.table}
        if "time" in self.table and self.table["time"].dtype.kind == "M":
            known |= set(PARTS)
        if by is not None:
            wanted = [by] if isinstance(by, str) else list(by)
            if not wanted:
                raise ValueError(f"by: expected some of {sorted(known)}, got none; name one.")
            return [check_choice("by", one, known) for one in wanted]
        wanted = ["step"] if "step" in known and self.table["step"].nunique() > 1 else []
        if set(PARTS) <= known:
            wanted += _fitting_part(pd.DatetimeIndex(self.table["time"]))
        return wanted or [next(name for name in ("row", "step") if name in known)]

    def _name_values(self, style: Any, ax: Any) -> None:
        style.name_values(ax, "actual \N{MINUS SIGN} forecast", self.unit)
        style.dress_values(ax)


def _fitting_part(stamps: pd.DatetimeIndex) -> list[str]:
    """The part of stamps by which they differ most: the hour, the day of the week or the month."""
    times = stamps.unique().sort_values()
    step = (times[1:] - times[:-1]).min() if len(times) > 1 else pd.Timedelta(0)
    part = next((name for name, least in PARTS.items() if step < least), None)
    is_same = part is None or np.unique(np.asarray(CALENDAR[part].values(times))).size < 2
    return [] if is_same else [str(part)]


def _group(table: pd.DataFrame, what: str) -> Groups:
    """Residuals by step, by a part of their stamps, or by bins of rows."""
    residual = table["residual"].to_numpy()
    if what == "row":
        bins = np.array_split(np.arange(len(table)), min(MOST_BINS, len(table)))
        rows = table["row"].to_numpy()
        return Groups(np.array([rows[own].mean() for own in bins]), [residual[own] for own in bins])
    if what == "step":
        keys = table["step"].to_numpy()
    else:
        keys = np.asarray(CALENDAR[what].values(pd.DatetimeIndex(table["time"])))
    places = np.unique(keys)
    return Groups(places, [residual[keys == place] for place in places])


def _draw(style: Any, ax: Any, groups: Groups) -> dict[str, Any]:
    """Percentiles as bars or bands, the mean and the mean absolute error of each group."""
    style.tidy(ax)
    x, handles = groups.places.astype(np.float64), {}
    ax.axhline(0.0, color=style.ink(), linewidth=0.8, zorder=2)
    if np.median([len(own) for own in groups.values]) < LEAST_VALUES:
        at = np.repeat(x, [len(own) for own in groups.values])
        (handles["one"],) = ax.plot(
            at, np.concatenate(groups.values), marker="o", markersize=3.5, linestyle="none",
            color=style.shade(ax, 0.45), label="one forecast", zorder=1,
        )  # fmt: skip
    else:
        handles |= _draw_spread(style, ax, x, groups.values)
    bias = [own.mean() for own in groups.values]
    error = [np.abs(own).mean() for own in groups.values]
    marks = {"marker": "o", "markersize": 3.2} if len(x) <= MOST_BARS else {}
    if len(x) <= MOST_BARS:
        margin = 0.6 * (np.diff(x).min() if len(x) > 1 else 1.0)
        ax.set_xlim(x[0] - margin, x[-1] + margin)
    handles |= {
        "bias": ax.plot(x, bias, color=style.ink(), linewidth=1.2, label="mean (bias)", **marks)[0],
        "error": ax.plot(
            x, error, color=style.VERMILLION, linewidth=1.6, linestyle=style.DASHES,
            label="mean absolute error", zorder=3,
        )[0],
    }  # fmt: skip
    if len(x) == 1:
        handles["error"].set(marker="D", markersize=4.5)
    return handles


def _draw_spread(
    style: Any, ax: Any, x: np.ndarray, values: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Between which percentiles residuals lie."""
    handles = {}
    width = 0.72 * (np.diff(x).min() if len(x) > 1 else 1.0)
    for (low, high), share in zip(BANDS, (style.WIDEST, style.NARROWEST), strict=True):
        below, above = np.array([np.percentile(own, (low, high)) for own in values]).T
        colour, label = style.shade(ax, share), f"middle {high - low} %"
        if len(x) <= MOST_BARS:
            drawn = ax.bar(x, above - below, width, below, color=colour, label=label, zorder=1)
            for bar in drawn:
                bar.sticky_edges.y.clear()  # so that a margin is left below
        else:
            drawn = ax.fill_between(x, below, above, color=colour, linewidth=0.0, label=label)
        handles[label] = drawn
    return dict(reversed(handles.items()))


def _name_groups(style: Any, ax: Any, what: str) -> None:
    """Ticks of a calendar, or whole numbers."""
    if what == "dayofweek":
        ax.set_xticks(range(7), list(day_abbr))
    elif what == "month":
        ax.set_xticks(range(1, 13), [name[0] for name in list(month_abbr)[1:]])
    elif what == "hour":
        ax.set_xticks(range(0, 24, 6 if style.room_of(ax, 24) < 9 else 3))
    else:
        style.dress_counts(ax)
