"""What the displays share: colours, axes, bands and legends.

This module imports Matplotlib; displays import it when they draw. No setting of Matplotlib is
changed, and colours of text and background are those in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import FigureBase
from matplotlib.patches import Patch
from matplotlib.ticker import (
    EngFormatter,
    LogLocator,
    NullLocator,
    ScalarFormatter,
    StrMethodFormatter,
)
from matplotlib.transforms import Bbox

from gruforecast.plotting.time_axis import dress_counts as dress_counts
from gruforecast.plotting.time_axis import dress_time as dress_time
from gruforecast.plotting.time_axis import time_positions as time_positions

BLUE, VERMILLION = "#0072B2", "#D55E00"  # of Okabe and Ito, told apart with any eyes, and in grey
DASHES = (0, (4.5, 1.3))
WIDEST, NARROWEST = 0.16, 0.42  # shares of the hue in the lightest and the darkest band
EXTREME = 1e6, 1e-3  # numbers beyond are written with prefixes


def ink() -> Any:
    """The colour of what was observed: that of text."""
    return mpl.rcParams["text.color"]


def shade(ax: Any, share: float, colour: str = BLUE) -> tuple[float, ...]:
    """A colour mixed with so much of the background that it covers alike wherever it lies."""
    hue, ground = np.array(to_rgb(colour)), np.array(to_rgb(ax.get_facecolor()))
    return tuple(share * hue + (1 - share) * ground)


# Axes.


def make_axes(
    ax: Any, n: int, size: tuple[float, float], n_columns: int = 1, **grid: Any
) -> tuple[np.ndarray, Any]:
    """Axes (n,) to draw on, and their figure if it is for these alone.

    ``ax`` is None for a new figure, a figure or subfigure to fill, one Axes, or as many as needed.
    """
    if ax is None:
        ax = pyplot.figure(figsize=size, layout="constrained")
    if isinstance(ax, FigureBase):
        root: Any = ax.figure
        if root.get_layout_engine() is None:
            root.set_layout_engine("constrained")
        n_rows = -(-n // n_columns)
        made = ax.subplots(n_rows, n_columns, squeeze=False, **grid).ravel()
        for spare, above in zip(made[n:], made[n - n_columns :], strict=False):
            spare.remove()
            above.xaxis.set_tick_params(labelbottom=True)
            above.xaxis.get_offset_text().set_visible(True)
        return made[:n], ax
    given = np.ravel(np.array(ax, dtype=object))
    if not all(isinstance(one, Axes) for one in given):
        odd = next(one for one in given if not isinstance(one, Axes))
        raise TypeError(
            f"ax: expected Axes, a figure or None, got {type(odd).__name__}; pass one of them."
        )
    if len(given) != n:
        raise ValueError(
            f"ax: expected {n} Axes or a figure, got {len(given)} Axes; pass as many, or a figure."
        )
    return given, None


def n_given(ax: Any) -> int:
    """How many Axes a caller gave; none if that was a figure, or nothing."""
    return 0 if ax is None or isinstance(ax, FigureBase) else np.ravel(np.array(ax, object)).size


def width_of(ax: Any, size: tuple[float, float]) -> float:
    """Points of width of what a caller gave, or of a new figure."""
    if n_given(ax):
        one = np.ravel(np.array(ax, object))[0]
        return room_of(one, 1) if isinstance(one, Axes) else size[0] * 72.0
    return 0.9 * (size[0] * 72.0 if ax is None else ax.bbox.width * 72.0 / ax.figure.dpi)


def note(figure: Any, text: str) -> None:
    """A remark below everything, on the right."""
    figure.supxlabel(text, x=0.99, ha="right", fontsize="small", alpha=0.7)


def tidy(ax: Any, *, grid: str = "y") -> None:
    """A light grid below everything, and no more frame than needed."""
    ax.set_axisbelow(True)
    ax.grid(True, axis=grid, color=ink(), alpha=0.12, linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize="small")
    ax.margins(x=0.015)


def name_values(ax: Any, *names: Any) -> None:
    """What the vertical axis shows, in as many lines as its height asks for."""
    points = 0.75 * ax.bbox.height * 72.0 / ax.figure.dpi
    lines = [fill(str(name), max(int(points / 5.0), 12)) for name in names if name is not None]
    ax.set_ylabel("\n".join(lines), fontsize="small")


def room_of(ax: Any, n: int) -> float:
    """Points of width that each of n rows side by side has."""
    return float(ax.bbox.width * 72.0 / ax.figure.dpi / max(n, 1))


def dress_values(ax: Any) -> None:
    """Numbers on the vertical axis without a factor that would stand above it."""
    largest = np.abs(ax.get_ylim()).max()
    is_plain = EXTREME[1] <= largest < EXTREME[0]
    form = ScalarFormatter(useOffset=False) if is_plain else EngFormatter(sep="\N{NO-BREAK SPACE}")
    if is_plain:
        form.set_scientific(False)
    ax.yaxis.set_major_formatter(form)


def dress_log(ax: Any) -> None:
    """A logarithmic vertical axis with plain numbers at 1, 2 and 5."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


# What is drawn.


def draw_values(ax: Any, x: np.ndarray, y: np.ndarray, **style: Any) -> Any:
    """A line with gaps where values are missing, and points where one stands alone."""
    known = ~np.isnan(np.concatenate([[np.nan], y, [np.nan]]))
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    if not alone.any():
        return ax.plot(x, y, **style)[0]
    marks = {"marker": "o", "markersize": 3.5, "markevery": np.flatnonzero(alone).tolist()}
    return ax.plot(x, y, **marks | style)[0]


def draw_bands(
    ax: Any, x: np.ndarray, bounds: dict[str, tuple[np.ndarray, np.ndarray]], half: float
) -> dict[str, Any]:
    """Bands by level, the widest first and lightest; a band of one step is ``half`` wide.

    ``x`` and bounds may hold NaN between the parts of a band. Returns a handle for each.
    """
    handles = {}
    ordered = sorted(bounds, key=float, reverse=True)
    for number, level in enumerate(ordered):
        share = np.linspace(WIDEST, NARROWEST, max(len(ordered), 2))[number]
        low, high = bounds[level]
        colour = shade(ax, share)
        where, low, high = widened(x, half, low, high)
        ax.fill_between(where, low, high, color=colour, linewidth=0.0, zorder=1 + 0.1 * number)
        handles[level] = Patch(facecolor=colour, label=f"{level} %")
    return dict(reversed(handles.items()))


def widened(x: np.ndarray, half: float, *values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Every step that stands alone between gaps as one of some width."""
    gaps = np.isnan(np.concatenate([[np.nan], x, [np.nan]]))
    alone = ~gaps[1:-1] & gaps[:-2] & gaps[2:]
    if not alone.any():
        return (x, *values)
    times = np.where(alone, 2, 1)
    wide = np.repeat(x, times)
    first = (np.cumsum(times) - times)[alone]
    wide[first] -= half
    wide[first + 1] += half
    return (wide, *(np.repeat(one, times) for one in values))


def thinned(values: np.ndarray, most: int) -> np.ndarray:
    """Numbers of rows that draw the same line: ends, least and largest value of each bin."""
    n = len(values)
    if n <= most:
        return np.arange(n)
    kept = []
    for rows in np.array_split(np.arange(n), max(most // 4, 1)):
        own = values[rows]
        kept += [rows[0], rows[-1]]
        if not np.isnan(own).all():
            kept += [rows[np.nanargmin(own)], rows[np.nanargmax(own)]]
    return np.unique(kept)


# Legends.

WIDE: dict[str, Any] = {"handlelength": 1.9, "columnspacing": 1.5}
TIGHT: dict[str, Any] = {"handlelength": 1.3, "columnspacing": 0.9, "handletextpad": 0.5}
SMALL: dict[str, Any] = {"fontsize": "x-small"}


class Above:
    """Where an empty Axes lies that keeps the room of a legend above another free of titles."""

    def __init__(self, ax: Any, points: float) -> None:
        self.ax, self.points = ax, points

    def __call__(self, child: Any, renderer: Any) -> Bbox:
        figure, box = self.ax.figure, self.ax.get_position()
        height = self.points / 72.0 / (figure.bbox.height / figure.dpi)
        return Bbox.from_bounds(box.x0, box.y1, box.width, height)


def place_legend(axes: Sequence[Any], figure: Any, handles: Sequence[Any]) -> Any:
    """One row, or as many as it takes, above the axes: over no data, and below their title.

    Where other axes lie above these and nothing makes room between them, it lies inside, above
    the data.
    """
    target, is_inside = axes[0], False
    looks: dict[str, Any] = {
        "frameon": False, "fontsize": "small", "labelspacing": 0.3, "borderpad": 0.1,
        "loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.3,
    }  # fmt: skip
    width = target.bbox.width
    if figure is not None and len(axes) > 1:
        target, width = figure, 0.96 * figure.bbox.width
        looks |= {"loc": "outside upper left", "bbox_to_anchor": None}
    elif target.figure.figure.get_layout_engine() is None and not _is_top(target):
        looks |= {"loc": "upper left", "bbox_to_anchor": None}
        is_inside = True
    n = len(handles)
    tries = [(n, WIDE), *((k, TIGHT) for k in range(n, (n - 1) // 2, -1))]
    for n_columns, gaps in [*tries, *((k, TIGHT | SMALL) for k in range(n, 0, -1))]:
        legend = target.legend(handles=list(handles), ncols=n_columns, **looks | gaps)
        box = legend.get_window_extent()
        if box.width <= width or n_columns == 1:
            break
        legend.remove()
    if is_inside:
        low, high = target.get_ylim()
        share = min(1.2 * box.height / target.bbox.height, 0.6)
        target.set_ylim(low, high + (high - low) * share / (1 - share))
    elif target is not figure:
        room = target.inset_axes((0.0, 1.0, 1.0, 0.1))
        room.set_visible(False)
        room.set_axes_locator(Above(target, box.height * 72.0 / target.figure.dpi + 4.0))
    return legend


def _is_top(ax: Any) -> bool:
    """Whether no axes of its grid lie above."""
    place = ax.get_subplotspec()
    return place is None or place.is_first_row()
