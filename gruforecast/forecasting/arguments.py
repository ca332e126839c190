"""What forecasts are asked with, checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.state import SeriesState
from gruforecast.foundations.checks import check_number


def as_tables(covariates: Any, past_covariates: Any, static: Any) -> dict[str, Any]:
    return {"covariates": covariates, "past_covariates": past_covariates, "static": static}


def refuse(given: dict[str, Any], reason: str) -> None:
    """What has no meaning here must be None."""
    for name, value in given.items():
        if value is not None:
            got = type(value).__name__
            raise ValueError(f"{name}: expected None, as {reason}, got {got}; drop it.")


def read_newer(X: Any, state: SeriesState) -> Panel:
    """Rows of series that are named as in training: what has no name goes by its place."""
    panel = Panel.read(X)
    known = list(state.tails)
    is_unnamed = not isinstance(X, (pd.Series, pd.DataFrame))
    if is_unnamed and panel.n_series != len(known):
        raise ValueError(
            f"series: expected an array of {len(known)} series as in fit, got {panel.n_series}; "
            f"pass as many columns, or a table that names them."
        )
    is_one = panel.form == "series" and len(known) == 1 and None in (panel.names[0], known[0])
    return replace(panel, names=known) if is_unnamed or is_one else panel


def read_levels(level: Any) -> list[float]:
    """Percentages, in the order of the caller."""
    if level is None:
        return []
    is_one = isinstance(level, str) or not isinstance(level, Iterable)
    levels = [level] if is_one else list(level)
    for one in levels:
        check_number("level", one, low=0.0, high=100.0, open_low=True, open_high=True)
        if one < 1:
            raise ValueError(
                f"level: expected percentages, got {one}; pass {100 * one:g} if you mean that."
            )
    if len({f"{one:g}" for one in levels}) < len(levels):
        raise ValueError(f"level: expected every level once, got {levels}; drop doubles.")
    return [float(one) for one in levels]


def read_future(future_index: Any, steps: int) -> pd.Index | None:
    if future_index is None:
        return None
    if not isinstance(future_index, Iterable) or isinstance(future_index, str):
        raise TypeError(
            f"future_index: expected {steps} stamps, got {future_index!r}; pass an index of them."
        )
    index = pd.Index(future_index)
    if len(index) < steps:
        raise ValueError(
            f"future_index: expected {steps} stamps, one for each step, got {len(index)}; pass "
            f"more or lower steps."
        )
    return index[:steps]
