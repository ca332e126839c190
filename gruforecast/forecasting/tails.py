"""What a fitted forecaster keeps of its training rows, and how newer rows join them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gruforecast.data.context import TruncatedHistoryWarning
from gruforecast.data.segments import check_comparable
from gruforecast.forecasting.block import Block
from gruforecast.forecasting.dates.cadence import Cadence
from gruforecast.forecasting.encoding import SeriesEncoder
from gruforecast.forecasting.panel import Panel, check_observed
from gruforecast.foundations.checks import warn_caller
from gruforecast.foundations.stored import stored


@stored("Origin")
class Origin(NamedTuple):
    """What the simplest forecasts of a series know of its past."""

    position: int  # of its first observation
    value: float
    mean: float

    @classmethod
    def of(cls, positions: np.ndarray, values: np.ndarray) -> Origin:
        """From the rows (m,) of one series."""
        observed = np.flatnonzero(~np.isnan(values))
        if not len(observed):
            return cls(0, np.nan, np.nan)
        first = observed[0]
        return cls(int(positions[first]), float(values[first]), float(values[observed].mean()))

    @classmethod
    def of_unseen(cls, positions: np.ndarray, values: np.ndarray) -> Origin:
        """Of a series that training did not see, whose mean goes on from row to row."""
        return cls.of(positions, values)._replace(mean=np.nan)


@stored("SeriesTail")
@dataclass(frozen=True)
class Tail:
    """The end of one training series."""

    values: np.ndarray  # (m,)
    stamps: pd.Index
    past: pd.DataFrame | None  # (m, .)
    known: pd.DataFrame | None  # (m, .)
    static: pd.DataFrame | None  # (1, .)
    head: np.ndarray  # its first values, up to lookback
    first_stamp: Any
    origin: Origin


def keep_tails(block: Block, encoder: SeriesEncoder, horizon: int, season: int) -> dict[Any, Tail]:
    """The rows that forecasts of what follows the training rows look back on, by series."""
    n_kept = max(encoder.reach, season) + horizon
    panel, tails = block.panel, {}
    for s, (name, values, stamps) in enumerate(panel.series()):
        begin, end = panel.bounds[s], panel.bounds[s + 1]
        own = slice(begin, end)
        observed = [~np.isnan(values)[:, None]]
        if block.past is not None:
            observed.append(block.past.iloc[own].notna().to_numpy())
        if block.known is not None:
            observed.append(block.known.iloc[block.at[own]].notna().to_numpy())
        positions, start = block.positions[begin:end], max(0, len(values) - n_kept)
        start = _with_carried(np.concatenate(observed, axis=1), start)
        start = encoder.first_told_by(positions, values, start)
        rows = slice(begin + start, end)
        tails[name] = Tail(
            values=values[start:].copy(),
            stamps=stamps[start:].copy(),
            past=None if block.past is None else block.past.iloc[rows].copy(),
            known=None if block.known is None else block.known.iloc[block.at[rows]],
            static=None if block.static is None else block.static.iloc[s : s + 1],
            head=values[: encoder.lookback].copy(),
            first_stamp=stamps[0],
            origin=Origin.of(positions, values),
        )
    return tails


def _with_carried(observed: np.ndarray, start: int) -> int:
    """An earlier start (of the rows m, C), so that what is carried to it is among the rows."""
    before = observed[: start + 1]
    newest = start - np.argmax(before[::-1], axis=0)
    return int(np.where(before.any(axis=0), newest, start).min())


class Joined(NamedTuple):
    """New rows behind the training rows that they follow."""

    panel: Panel
    is_new: np.ndarray  # (n,) rows that the caller passed
    tails: list[Tail | None]  # (S,) that were put in front


def join(
    panel: Panel,
    tails: dict[Any, Tail],
    cadence: Cadence,
    largest_step: int,
    reach: int,
    *,
    use: bool,
    of_last: bool,
) -> Joined:
    """Put the training rows in front that new rows of the same series follow.

    Rows without stamps follow them, but for those of ``predict`` that repeat the training rows.
    Forecasts are made from ``reach`` rows; ``of_last`` says that they begin at the newest alone.
    """
    if not panel.has_stamps:
        panel = _number_rows(panel, tails, cadence, may_repeat=not of_last)
    values, stamps, new, used, cut_off = [], [], [], [], 0
    for name, own, index in panel.series():
        tail = tails.get(name)
        before: pd.Index | None = None
        if tail is not None:
            index = _same_kind(index, tail.stamps)
            before = tail.stamps[tail.stamps < index[0]] if use else None
            if before is not None and len(before):
                step = cadence.follows(before[-1], index[0])
                if step is not None and step > largest_step:
                    before = None
            if use and index[0] > tail.first_stamp and (before is None or not len(before)):
                n_short = min(len(index), reach - 1)
                cut_off += int(len(index) < reach) if of_last else n_short
        n_before = 0 if before is None else len(before)
        used.append(tail if n_before else None)
        values += [tail.values[:n_before], own] if tail is not None and n_before else [own]
        stamps.append(before.append(index) if before is not None and n_before else index)
        new += [np.zeros(n_before, bool), np.ones(len(own), bool)]
    bounds = np.concatenate([[0], np.cumsum([len(own) for own in stamps])])
    joined = replace(panel, values=np.concatenate(values), stamps=stamps, bounds=bounds)
    argument = "last" if of_last else "series"
    wanted = "at least one observation, or rows that follow those of training"
    for name, own, _ in joined.series():
        check_observed(own, name, argument, wanted)
    if cut_off:
        warn_caller(
            f"{cut_off} rows have a truncated history, as they do not follow the training rows "
            f"directly; pass the rows before them, too, or context='none' if that is meant.",
            TruncatedHistoryWarning,
        )
    return Joined(joined, np.concatenate(new), used)


def training_rows(tails: dict[Any, Tail], form: str, level_names: tuple[Any, Any]) -> Panel:
    """The kept rows of all training series as a panel."""
    kept = list(tails.values())
    bounds = np.concatenate([[0], np.cumsum([len(tail.values) for tail in kept])])
    values = np.concatenate([tail.values for tail in kept])
    return Panel(
        form, list(tails), values, bounds, [tail.stamps for tail in kept],
        order=np.arange(len(values)), shape=values.shape, level_names=level_names,
    )  # fmt: skip


def _number_rows(
    panel: Panel, tails: dict[Any, Tail], cadence: Cadence, *, may_repeat: bool
) -> Panel:
    """Rows without stamps follow the training rows, unless they repeat these from the start."""
    stamps = []
    for name, values, index in panel.series():
        tail = tails.get(name)
        if tail is None:
            stamps.append(index)
        elif may_repeat and _repeats(values, tail.head):
            first = pd.Index([tail.first_stamp])
            is_numbered = pd.api.types.is_integer_dtype(tail.stamps.dtype)
            n_more = len(index) - 1
            dated = first.append(cadence.future(tail.first_stamp, n_more)) if n_more else first
            stamps.append(index if is_numbered else dated)
        elif cadence.kind == "rows":
            raise ValueError(
                "last: expected rows with stamps, as those of the training rows show no rhythm, "
                "got rows without any; pass a Series with an index."
            )
        else:
            stamps.append(cadence.future(tail.stamps[-1], len(index)))
    return replace(panel, stamps=stamps)


def _repeats(values: np.ndarray, head: np.ndarray) -> bool:
    """Whether values begin as training did, for at least as long as a window."""
    values = values[np.argmin(np.isnan(values)) :]  # where training began
    return len(values) >= len(head) and np.array_equal(values[: len(head)], head, equal_nan=True)


def future_index_of(stamps: pd.Index, future_index: pd.Index) -> pd.Index:
    """Stamps to come as a caller names them: rising, and after the last one."""
    if isinstance(stamps, pd.DatetimeIndex) and future_index.dtype.kind == "O":
        future_index = pd.DatetimeIndex(future_index)
    if not pd.api.types.is_integer_dtype(future_index.dtype):
        future_index = _same_kind(future_index, stamps)
    is_same = type(future_index) is type(stamps)
    after = future_index[0] > stamps[-1] if is_same else True
    if not after or not (future_index[1:] > future_index[:-1]).all():
        raise ValueError(
            f"future_index: expected stamps that rise, all after {stamps[-1]}, got "
            f"{future_index[0]} to {future_index[-1]}; sort them and drop those that have passed."
        )
    return future_index


def _same_kind(index: pd.Index, known: pd.Index) -> pd.Index:
    """Stamps in the time zone of the training rows, if they can be compared with these at all."""
    if getattr(index, "tz", None) is not None and getattr(known, "tz", None) is not None:
        return index.tz_convert(known.tz)
    check_comparable(index[0], known[0])
    return index
