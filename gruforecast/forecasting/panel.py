"""What a caller passes as series: one or many, in any of four forms, as one block of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.data.segments import is_default, is_time
from gruforecast.foundations.checks import check_no_mask

FORMS = "a Series, a 1-D array, a table with one series per column, or a (series, time) MultiIndex"


@dataclass(frozen=True)
class Panel:
    """Rows of all series, one series after the other; every row is an observation."""

    form: str  # "array", "series", "wide" or "long"
    names: list[Any]  # (S,)
    values: np.ndarray  # (n,) NaN is missing
    bounds: np.ndarray  # (S + 1,) of the series
    stamps: list[pd.Index]  # (S,) of the rows of each series
    order: np.ndarray  # (n,) place of each row among those of the caller, or among its entries
    shape: tuple[int, ...]  # of what the caller passed
    level_names: tuple[Any, Any] = (None, None)  # of series and time
    has_stamps: bool = True  # False: rows are merely numbered

    @classmethod
    def read(cls, X: Any, *, to_learn: bool = False) -> Panel:
        """Rows of a caller, checked; series to learn from must have been observed."""
        check_no_mask("series", X)
        if isinstance(X, pd.DataFrame) and not isinstance(X.index, pd.MultiIndex):
            return _read_table(X, to_learn)
        if isinstance(X, (pd.Series, pd.DataFrame)):
            return _read_indexed(X, to_learn)
        if X is None or np.ndim(X) == 0:
            raise TypeError(f"series: expected {FORMS}, got {type(X).__name__}; pass one of them.")
        table = _numbers(X)
        if table.ndim == 1:
            panel = _read_indexed(pd.Series(table), to_learn)
            return replace(panel, form="array", names=[None])
        if table.ndim == 2:
            return _read_table(pd.DataFrame(table), to_learn)
        raise ValueError(f"series: expected {FORMS}, got {table.ndim} dimensions; reshape it.")

    @property
    def n(self) -> int:
        return len(self.values)

    @property
    def n_series(self) -> int:
        return len(self.names)

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each series."""
        return np.diff(self.bounds)

    @property
    def codes(self) -> np.ndarray:
        """The number of the series that each row belongs to (n,)."""
        return np.repeat(np.arange(self.n_series), self.lengths)

    @property
    def index(self) -> pd.Index:
        """Every stamp that any series has."""
        if self.form != "long":
            return max(self.stamps, key=len)
        return self.stamps[0].append(self.stamps[1:]).unique().sort_values()

    def pairs(self) -> Iterator[tuple[int, int]]:
        """First row of each series, and the row after its last."""
        return zip(self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True)

    def series(self) -> Iterator[tuple[Any, np.ndarray, pd.Index]]:
        """Name, values and stamps of each series."""
        for name, (a, b), stamps in zip(self.names, self.pairs(), self.stamps, strict=True):
            yield name, self.values[a:b], stamps

    def check_complete(self) -> None:
        """No value may be missing."""
        if (missing := np.isnan(self.values)).any():
            row = int(np.argmax(missing))
            s = int(self.codes[row])
            at = self.stamps[s][row - self.bounds[s]]
            of = "" if self.names[s] is None else f" of series {self.names[s]!r}"
            raise ValueError(
                f"series: expected no missing value with missing='error', got one at {at}{of}; "
                f"fill it, drop the row or set missing='mask'."
            )

    def extended(self, values: np.ndarray, stamps: list[pd.Index]) -> Panel:
        """With more rows (S, k) at the end of each series, none of them the caller's."""
        ends, k = self.bounds[1:], values.shape[1]
        return replace(
            self,
            values=np.insert(self.values, np.repeat(ends, k), values.ravel()),
            bounds=self.bounds + k * np.arange(self.n_series + 1),
            stamps=[own.append(new) for own, new in zip(self.stamps, stamps, strict=True)],
        )


def _numbers(X: Any) -> np.ndarray:
    """An array of float64 with NaN for what is missing, and nothing infinite."""
    odd = _odd_part(X)
    if odd is not None:
        raise TypeError(f"series: expected numbers, got {odd}; convert it, or pass {FORMS}.")
    if hasattr(X, "to_numpy"):
        values = X.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        array = np.asarray(X)
        if array.dtype.kind == "O":
            array = np.where(pd.isna(array), np.nan, array)
        values = np.array(array, dtype=np.float64)
    values = np.asarray(values)
    if np.isinf(values).any():
        where = tuple(int(i) for i in np.argwhere(np.isinf(values))[0])
        raise ValueError(
            f"series: expected finite numbers or NaN, got {values[where]} in row {where[0]}; "
            f"correct it or make it NaN."
        )
    return values


def _odd_part(X: Any) -> str | None:
    """What holds no numbers: the values, or the first column that is odd."""
    if isinstance(X, pd.DataFrame):
        for name, column in X.items():
            if (odd := _odd_part(column)) is not None:
                return f"{odd} in column {name!r} (for a long table use from_long)"
        return None
    values = X if isinstance(X, (pd.Series, pd.Index)) else np.asarray(X)
    dtype = values.dtype
    if pd.api.types.is_object_dtype(dtype):
        wrong = [v for v in np.ravel(values) if not isinstance(v, Real) and not _is_missing(v)]
        return f"{type(wrong[0]).__name__} {wrong[0]!r}" if wrong else None
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return None
    return str(dtype)


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT


def _check_stamps(index: pd.Index, name: Any) -> pd.Index:
    """Stamps of one series: dates, periods, durations or whole numbers that rise."""
    where = "" if name is None else f" in series {name!r}"
    if name is not None and is_time(pd.Index([name])) and not is_time(index):
        raise TypeError(
            f"index: expected two levels (series, time), got the times first ({name}); put them "
            f"last, as with series.swaplevel()."
        )
    if not (is_time(index) or pd.api.types.is_integer_dtype(index.dtype)):
        raise TypeError(
            f"index: expected dates, periods or whole numbers, got {index.dtype}{where} "
            f"({index[0]!r}); convert it, as with pd.to_datetime, or reset it."
        )
    if index.hasnans:
        at = int(np.argmax(index.isna()))
        raise ValueError(
            f"index: expected a stamp in every row, got a missing one in row {at}{where}; drop "
            f"that row."
        )
    rising = np.asarray(index[1:] > index[:-1])
    if rising.all():
        return index
    at = int(np.argmin(rising))
    if index[at + 1] == index[at]:
        raise ValueError(
            f"index: expected every stamp once, got {index[at + 1]} twice{where}; keep one of the "
            f"rows, as with series[~series.index.duplicated()], or aggregate them."
        )
    raise ValueError(
        f"index: expected stamps that rise from row to row, got {index[at + 1]} after "
        f"{index[at]}{where}; sort it, as with series.sort_index()."
    )


def _check_rows(n: int) -> None:
    if not n:
        raise ValueError("series: expected at least one row, got none; check how it was made.")


def check_observed(
    values: np.ndarray,
    name: Any,
    argument: str = "series",
    wanted: str = "at least one observation in every series",
) -> None:
    """Refuse a series of which nothing is known."""
    if np.isnan(values).all():
        what = "the series" if name is None else f"series {name!r}"
        raise ValueError(
            f"{argument}: expected {wanted}, got only missing values in {what}; drop it."
        )


def _read_table(table: pd.DataFrame, to_learn: bool) -> Panel:
    """One series per column; one to learn from begins with its first observation."""
    _check_rows(len(table))
    if not table.shape[1]:
        raise ValueError("series: expected at least one column, got none; select some.")
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise ValueError(f"series: expected one column per name, got {twice!r} twice; rename it.")
    index = _check_stamps(table.index, None)
    values = _numbers(table)
    parts, stamps, order = [], [], []
    for j, name in enumerate(table.columns):
        first = 0
        if to_learn:
            check_observed(values[:, j], name)
            first = int(np.argmin(np.isnan(values[:, j])))
        parts.append(values[first:, j])
        stamps.append(index if first == 0 else index[first:])
        order.append(np.arange(first, len(table)) * table.shape[1] + j)
    bounds = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    return Panel(
        "wide", list(table.columns), np.concatenate(parts), bounds, stamps, np.concatenate(order),
        shape=table.shape, level_names=(tuple(table.columns.names), index.name),
        has_stamps=not is_default(index),
    )  # fmt: skip


def _read_indexed(X: pd.Series | pd.DataFrame, to_learn: bool) -> Panel:
    """A Series, or rows of several under a (series, time) MultiIndex."""
    _check_rows(len(X))
    shape = X.shape
    if isinstance(X, pd.DataFrame):
        if X.shape[1] != 1:
            raise ValueError(
                f"series: expected one column of values under a (series, time) MultiIndex, got "
                f"{X.shape[1]}; select one, and pass others as covariates or past_covariates."
            )
        X = X.iloc[:, 0]
    values = _numbers(X)
    if not isinstance(X.index, pd.MultiIndex):
        if to_learn:
            check_observed(values, X.name)
        stamps = _check_stamps(X.index, None)
        bounds, order = np.array([0, len(X)]), np.arange(len(X))
        return Panel(
            "series", [X.name], values, bounds, [stamps], order, shape,
            level_names=(None, X.index.name), has_stamps=not is_default(stamps),
        )  # fmt: skip
    if X.index.nlevels != 2:
        raise ValueError(
            f"index: expected two levels (series, time), got {X.index.nlevels}; join the levels "
            f"that name a series into one."
        )
    codes, names = pd.factorize(X.index.get_level_values(0))
    if (codes < 0).any():
        at = int(np.argmax(codes < 0))
        raise ValueError(
            f"index: expected the name of a series in every row, got a missing one in row {at}; "
            f"drop that row."
        )
    order = np.argsort(codes, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    times = X.index.get_level_values(1)
    stamps = []
    for name, a, b in zip(names, bounds[:-1], bounds[1:], strict=True):
        if to_learn:
            check_observed(values[order[a:b]], name)
        stamps.append(_check_stamps(times[order[a:b]], name))
    return Panel(
        "long", list(names), values[order], bounds, stamps, order, shape,
        level_names=tuple(X.index.names),
    )  # fmt: skip
