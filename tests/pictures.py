"""What tests of the displays measure: where texts, legends and lines lie in a figure."""

from itertools import pairwise

import numpy as np
import pandas as pd


def lines_of(ax):
    """Lines by label, the first of each."""
    return {line.get_label(): line for line in reversed(ax.get_lines())}


def labels_of(legend):
    return [text.get_text() for text in legend.get_texts()]


def band_limits(collection):
    """Places, lower and upper bounds that a band was drawn with, as a table."""
    points = np.concatenate([path.vertices for path in collection.get_paths()])
    table = pd.DataFrame(points, columns=["x", "y"]).groupby("x")["y"]
    return table.agg(["min", "max"])


def shows_dates(ax):
    """Whether labels stand below the axis, and not below one that shares it."""
    return ax.xaxis.get_major_ticks(1)[0].label1.get_visible()


def boxes_of_ticks(ax):
    """Boxes of the labels below an axis that can be seen, after the figure was drawn."""
    left, right = sorted(ax.get_xlim())
    return [
        tick.label1.get_window_extent()
        for tick in ax.xaxis.get_major_ticks()
        if left <= tick.get_loc() <= right and tick.label1.get_visible() and tick.label1.get_text()
    ]


def assert_ticks_apart(ax, least=1):
    """No two dates touch each other, and none touches what stands on the right below them."""
    boxes = sorted(boxes_of_ticks(ax), key=lambda box: box.x0)
    assert len(boxes) >= least or not shows_dates(ax)
    for one, other in pairwise(boxes):
        assert one.x1 + 2 < other.x0
    offset = ax.xaxis.get_offset_text()
    if offset.get_text():
        assert not any(offset.get_window_extent().overlaps(box) for box in boxes)
        if ax.get_xlabel():
            assert not offset.get_window_extent().overlaps(ax.xaxis.label.get_window_extent())


def assert_inside(figure, box):
    """A box lies in the figure with a tolerance of a pixel."""
    width, height = figure.bbox.width, figure.bbox.height
    assert box.x0 >= -1
    assert box.y0 >= -1
    assert box.x1 <= width + 1
    assert box.y1 <= height + 1


def heights_of_data(ax):
    """Every height, in pixels, at which lines and bands were drawn."""
    found = [ax.transData.transform(line.get_xydata())[:, 1] for line in ax.get_lines()]
    for collection in ax.collections:
        found += [ax.transData.transform(path.vertices)[:, 1] for path in collection.get_paths()]
    return np.concatenate(found)


def made_backtest(n_cutoffs=5, horizon=4, stride=None, names=("load",), freq="D", levels=("80",)):
    """A table as ``backtest`` returns it, of numbers that are known."""
    rng = np.random.default_rng(0)
    stride = stride or horizon
    stamps = pd.date_range("2024-01-01", periods=n_cutoffs * stride + horizon + 1, freq=freq)
    parts = []
    for number in range(n_cutoffs):
        first = number * stride + 1
        for name in names:
            actual = 10 + rng.normal(size=horizon)
            part = {
                "series": [name] * horizon, "cutoff": stamps[first - 1],
                "step": np.arange(1, horizon + 1), "time": stamps[first : first + horizon],
                "actual": actual, "mean": actual - np.arange(1, horizon + 1),
            }  # fmt: skip
            for level in levels:
                part[f"lo-{level}"] = part["mean"] - float(level) / 20
                part[f"hi-{level}"] = part["mean"] + float(level) / 20
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)
