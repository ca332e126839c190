"""What the other series of a table are like at the stamps of each row."""

from __future__ import annotations

from typing import Any

import numpy as np

from gruforecast.forecasting.block import Block
from gruforecast.forecasting.panel import Panel


def check_together(panel: Panel) -> None:
    """Several series with the same stamps, but that some may begin later."""
    if panel.n_series < 2:
        raise ValueError(
            "channels: expected 'independent' for a single series, got 'mixed'; choose it, or pass "
            "a table with several."
        )
    longest = max(panel.stamps, key=len)
    for name, stamps in zip(panel.names, panel.stamps, strict=True):
        if not stamps.equals(longest[len(longest) - len(stamps) :]):
            raise ValueError(
                f"channels: expected 'independent' for series whose stamps differ, as those of "
                f"{name!r} do from those of the longest, got 'mixed'; choose it, or pass a table "
                f"with one series per column, NaN where one has no value."
            )


def values_beside(block: Block, values: np.ndarray, names: list[Any]) -> np.ndarray:
    """Values (n, .) of named series at or before the stamp of each row, and 0 for its own.

    ``values`` (n,) are those of the rows, carried forward and in the units of their series.
    """
    panel = block.panel
    places = {name: s for s, name in enumerate(panel.names)}
    missing = [name for name in names if name not in places]
    if missing:
        raise ValueError(
            f"series: expected all series of fit, as each is forecast from all of them with "
            f"channels='mixed', got none for {missing[0]!r}; pass the whole table."
        )
    numbers = [places[name] for name in names]
    ends = block.positions[panel.bounds[1:] - 1][numbers]
    if (ends != ends[0]).any():
        at = int(np.argmax(ends != ends[0]))
        raise ValueError(
            f"series: expected series that end at the same stamp, as each is forecast from all of "
            f"them with channels='mixed', got {panel.stamps[numbers[at]][-1]} as the last of "
            f"{names[at]!r} and {panel.stamps[numbers[0]][-1]} as that of {names[0]!r}; pass a "
            f"table with one series per column."
        )
    stamps, row_stamps = np.unique(block.positions, return_inverse=True)
    table = np.zeros((len(stamps), len(names)))
    for column, s in enumerate(numbers):
        newest = block.newest_at(np.full(len(stamps), s), stamps)
        table[:, column] = np.where(newest >= panel.bounds[s], values[newest], 0.0)
    out = table[row_stamps]
    for column, s in enumerate(numbers):
        out[panel.bounds[s] : panel.bounds[s + 1], column] = 0.0
    return out
