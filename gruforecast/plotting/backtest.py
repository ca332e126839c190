"""BacktestDisplay: what was forecast from one cutoff after another, beside what happened."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.forecasting.metrics import coverage
from gruforecast.foundations.checks import check_integer
from gruforecast.plotting.reading import (
    choose_series,
    levels_of,
    load_style,
    number_series,
    read_backtest,
)

MOST_PANELS = 4
MOST_LINES = 12  # cutoffs with a line each; more have a tick each
LEAST_ROOM = 0.5  # points of width for each row that is drawn
FROM_MEAN = 24  # cutoffs from which on a running mean is drawn
MEANS = 12  # running means, side by side, in all cutoffs


class Part(NamedTuple):
    """The forecasts of one series that are drawn."""

    name: Any
    rows: pd.DataFrame  # of a backtest, cutoff after cutoff
    starts: np.ndarray  # first rows of what does not hang together
    n_drawn: int  # cutoffs
    n_cutoffs: int  # before some were left out
    is_newest: bool = False  # older ones were left out for lack of room


class BacktestDisplay:
    """Forecasts from one cutoff after another, what happened, and how the error develops.

    Use ``from_backtest``.

    Parameters
    ----------
    frame : DataFrame
        What ``backtest`` returned, of the series to draw.
    step : int, optional
        The step ahead that is drawn; None for all.
    n_left_out : int, default 0
        Series that are not drawn, though nobody chose.

    Attributes
    ----------
    ax_ : Axes
        The first of ``axes_``.
    axes_ : array of Axes
        One per series and, below, that of the error.
    figure_ : Figure

    Examples
    --------
    >>> from gruforecast import BacktestDisplay, GRUForecaster, backtest, make_weather
    >>> temperature = make_weather(n_days=40)["temperature"]
    >>> model = GRUForecaster(max_iter=2, random_state=0)
    >>> result = backtest(model, temperature, horizon=24, level=80)
    >>> display = BacktestDisplay.from_backtest(result)
    >>> display.axes_[1].get_title(loc="left").startswith("mean absolute error of each cutoff")
    True
    """

    def __init__(
        self, *, frame: pd.DataFrame, step: int | None = None, n_left_out: int = 0
    ) -> None:
        self.frame, self.step, self.n_left_out = frame, step, n_left_out

    @classmethod
    def from_backtest(
        cls, frame: pd.DataFrame, step: int | None = None, series: Any = None, *, ax: Any = None
    ) -> BacktestDisplay:
        """Draw a backtest.

        Parameters
        ----------
        frame : DataFrame
            What ``backtest`` returned.
        step : int, optional
            Draw what was forecast so many steps ahead. By default all steps are drawn, of as many
            cutoffs as do not overlap.
        series : name or list of names, optional
            The series to draw; by default the first four.
        ax : Axes, array of Axes or Figure, optional
            Where to draw: one Axes per series, and one more for the error, or a figure to fill. By
            default a new figure.

        Returns
        -------
        BacktestDisplay
        """
        frame = read_backtest(frame)
        codes, names = number_series(frame)
        wanted = choose_series(names, series, MOST_PANELS)
        rows = [np.flatnonzero(codes == names.index(name)) for name in wanted]
        frame = frame.iloc[np.concatenate(rows)]
        if step is not None:
            step = check_integer("step", step, low=1)
            if not (frame["step"] == step).any():
                raise ValueError(
                    f"step: expected at most {frame['step'].max()}, as the backtest goes no "
                    f"further, got {step}; lower it."
                )
            frame = frame[frame["step"] == step]
        n_left_out = len(names) - len(wanted) if series is None else 0
        return cls(frame=frame, step=step, n_left_out=n_left_out).plot(ax)

    def plot(self, ax: Any = None) -> BacktestDisplay:
        """Draw, on a new figure or on what ``ax`` is: Axes, one per series, or a figure."""
        style = load_style(type(self).__name__)
        codes, names = number_series(self.frame)
        n = len(names)
        ratios = [3.0 if n == 1 else 2.0] * n
        size = (8.4, 2.2 + sum(ratios))
        most = int(style.width_of(ax, size) / LEAST_ROOM)
        parts = [_part(name, self.frame[codes == s], most) for s, name in enumerate(names)]
        has_error = style.n_given(ax) != n and self.frame["cutoff"].nunique() > 1
        is_whole = not any(part.is_newest for part in parts)
        ratios += [1.0] * has_error
        axes, figure = style.make_axes(
            ax, len(ratios), size, sharex=is_whole or not has_error, height_ratios=ratios
        )
        labels = self._band_labels()
        handles: dict[str, Any] = {}
        for one, part in zip(axes, parts, strict=False):
            handles = _draw(style, one, part, self.step, labels) | handles
            if n > 1:
                one.set_title(str(part.name), loc="left", fontsize="medium")
            elif part.name is not None:
                style.name_values(one, part.name)
        if has_error:
            self._draw_error(style, axes[-1], codes, None if is_whole else axes[0].get_xlim())
        style.place_legend(axes[:1] if n == 1 else axes, figure, list(handles.values()))
        if self.n_left_out and figure is not None:
            style.note(figure, f"the first {n} of {n + self.n_left_out} series")
        self.axes_, self.ax_, self.figure_ = axes, axes[0], axes[0].figure
        return self

    def _band_labels(self) -> dict[str, str]:
        """Each level, and how many values its bands held."""
        frame, labels = self.frame, {}
        for level in levels_of(frame):
            labels[level] = f"{level} %"
            if frame["actual"].notna().any():
                held = coverage(frame["actual"], frame[f"lo-{level}"], frame[f"hi-{level}"])
                labels[level] += f" (held {100 * held:.0f} %)"
        return labels

    def _draw_error(
        self, style: Any, ax: Any, codes: np.ndarray, shown: tuple[float, float] | None
    ) -> None:
        """The mean absolute error of each cutoff, in the middle of what it forecast."""
        style.tidy(ax)
        frame = self.frame
        error = (frame["actual"] - frame["mean"]).abs()
        what = "mean absolute error of each cutoff" if self.step is None else "absolute error"
        if codes.max() > 0:
            scale = error.groupby(codes).transform("mean")
            error = error / scale.where(scale > 0, 1.0)
            what += ", relative to the mean of its series"
        else:
            what += f" (mean {error.mean():.3g})"
        stamps = pd.Index(frame["time"])
        table = pd.DataFrame({"x": style.time_positions(stamps), "error": error.to_numpy()})
        found = table.groupby(frame["cutoff"].to_numpy())
        middle = ((found["x"].min() + found["x"].max()) / 2).to_numpy()
        means = found["error"].mean()
        if len(means) < FROM_MEAN:
            ax.plot(middle, means, color=style.BLUE, marker="o", markersize=3.8, linewidth=1.0)
        else:
            width = max(len(means) // MEANS, 5)
            run = means.rolling(width, center=True, min_periods=width // 2).mean()
            looks = {"marker": "o", "markersize": 2.4, "linestyle": "none"}
            ax.plot(middle, means, color=style.shade(ax, 0.45), **looks)
            ax.plot(middle, run, color=style.BLUE, linewidth=1.6)
            what += f", and its running mean over {width}"
        if shown is not None:
            ax.axvspan(*shown, color=style.ink(), alpha=0.08, linewidth=0.0, zorder=0)
            what += "; grey: drawn above"
        ax.set_title(what, loc="left", fontsize="small")
        ax.set_ylim(0.0, 1.12 * means.max() if means.max() > 0 else 1.0)
        style.dress_time(ax, stamps)
        style.dress_values(ax)


def _part(name: Any, rows: pd.DataFrame, most: int) -> Part:
    """The newest forecasts that do not overlap, and where they are interrupted."""
    rows = rows.sort_values(["cutoff", "step"], kind="stable")
    codes = pd.factorize(rows["cutoff"])[0]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    if len(starts) == len(rows):  # one step of each cutoff
        newest = rows.iloc[-most:]
        return Part(name, newest, np.array([0]), len(newest), len(rows), len(newest) < len(rows))
    times = rows["time"]
    kept: list[np.ndarray] = []
    end, n, is_newest = None, 0, False
    for first, last in zip(starts[::-1], [len(rows), *starts[:0:-1]], strict=True):
        if end is not None and times.iloc[last - 1] >= end:
            continue
        if is_newest := bool(kept) and n + last - first > most:
            break
        kept.append(np.arange(first, last))
        end, n = times.iloc[first], n + last - first
    kept.reverse()
    sizes = [len(own) for own in kept]
    begins = np.cumsum([0, *sizes[:-1]])
    return Part(name, rows.iloc[np.concatenate(kept)], begins, len(kept), len(starts), is_newest)


def _draw(
    style: Any, ax: Any, part: Part, step: int | None, labels: dict[str, str]
) -> dict[str, Any]:
    """One series on its axes; the lines and patches that a legend shows."""
    style.tidy(ax)
    rows, later = part.rows, part.starts[1:]
    stamps = pd.Index(rows["time"])
    x, ends = style.time_positions(stamps), style.time_positions(pd.Index(rows["cutoff"]))
    room = style.room_of(ax, len(x))
    half = 0.3 * np.diff(np.unique(x)).min() if len(x) > 1 else 0.3
    gaps = later[ends[later] > x[later - 1]]  # between which nothing is known
    handles = {
        "actual": style.draw_values(
            ax, np.insert(x, gaps, np.nan), np.insert(rows["actual"].to_numpy(float), gaps, np.nan),
            color=style.ink(), linewidth=1.0 if room > 1 else 0.7, label="actual", zorder=3,
        )
    }  # fmt: skip
    x = np.insert(x, later, np.nan)
    values = {
        column: np.insert(rows[column].to_numpy(np.float64), later, np.nan)
        for column in ("mean", *(f"{end}-{level}" for level in labels for end in ("lo", "hi")))
    }
    bounds = {level: (values[f"lo-{level}"], values[f"hi-{level}"]) for level in labels}
    bands = style.draw_bands(ax, x, bounds, half)
    for level, band in bands.items():
        band.set_label(labels[level])
    where, mean = style.widened(x, half, values["mean"])
    what = "forecast" if step is None else f"forecast {step} step{'s' * (step > 1)} ahead"
    if part.n_drawn < part.n_cutoffs:
        what += f" ({part.n_drawn} of {part.n_cutoffs} cutoffs)"
    (handles["forecast"],) = ax.plot(
        where, mean, color=style.BLUE, linewidth=1.7 if room > 1 else 1.0,
        linestyle=style.DASHES if room > 1 else "-", label=what, zorder=4,
    )  # fmt: skip
    handles |= bands
    if len(part.starts) == part.n_drawn:
        handles["cutoff"] = _mark_cutoffs(style, ax, ends[part.starts])
    style.dress_time(ax, stamps)
    style.dress_values(ax)
    return handles


def _mark_cutoffs(style: Any, ax: Any, x: np.ndarray) -> Any:
    """Where each forecast began."""
    if len(x) <= MOST_LINES:
        looks = {"color": style.ink(), "alpha": 0.45, "linewidth": 0.9, "linestyle": ":"}
        lines = [ax.axvline(at, label="cutoff", **looks) for at in x]
        return lines[0]
    return ax.plot(
        x, np.zeros(len(x)), transform=ax.get_xaxis_transform(), marker=2, markersize=4.5,
        color=style.ink(), linestyle="none", alpha=0.55, label="cutoff",
    )[0]  # fmt: skip
