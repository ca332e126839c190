"""What is known beside the series: tables of numbers and categories, found by their stamps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.data.inputs import InputEncoder
from gruforecast.foundations.checks import check_no_mask
from gruforecast.foundations.stored import stored

HUGE = 1e30  # numbers beyond it have no place among those of float32


def read_table(what: str, table: Any, index: pd.Index | None) -> pd.DataFrame:
    """A table of covariates; an array gets ``index``, row by row."""
    check_no_mask(what, table)
    if isinstance(table, pd.Series):
        table = table.to_frame()
    if not isinstance(table, pd.DataFrame):
        if not isinstance(table, (np.ndarray, list, tuple)):
            raise TypeError(
                f"{what}: expected a DataFrame, got {type(table).__name__}; make one of it."
            )
        array = np.asarray(table)
        if array.ndim not in (1, 2):
            raise ValueError(
                f"{what}: expected a table, got an array of {array.ndim} dimensions; reshape it."
            )
        if index is None:
            raise ValueError(
                f"{what}: expected a DataFrame whose index tells which rows belong to which "
                f"series, got an array; make one of it."
            )
        if len(array) != len(index):
            raise ValueError(
                f"{what}: expected an array of {len(index)} rows, one for each stamp, got "
                f"{len(array)}; pass as many, or a DataFrame with an index."
            )
        table = pd.DataFrame(array, index=index).infer_objects()
    if table.index.nlevels > 2:
        raise ValueError(
            f"{what}: expected an index of times or (series, time), got {table.index.nlevels} "
            f"levels; join those that name a series."
        )
    if not table.shape[1]:
        raise ValueError(f"{what}: expected at least one column, got none; select some.")
    row = "series" if what == "static" else "stamp"
    for names, axis in ((table.columns, "column"), (table.index, row)):
        if not names.is_unique:
            twice = names[names.duplicated()][0]
            raise ValueError(
                f"{what}: expected every {axis} once, got {twice!r} twice; drop one of the two."
            )
    flags = [name for name, dtype in table.dtypes.items() if pd.api.types.is_bool_dtype(dtype)]
    return table.astype(dict.fromkeys(flags, np.float64)) if flags else table


def rows_at(
    what: str, table: pd.DataFrame, name: Any, stamps: pd.Index, required: np.ndarray
) -> pd.DataFrame:
    """Rows of one series at its stamps (n,), of which those not ``required`` (n,) may lack."""
    check_alike(what, table.index, stamps)
    at = table.index.get_indexer(stamps)
    lacking = np.flatnonzero((at < 0) & required)
    if lacking.size:
        of = "" if name is None else f" of series {name!r}"
        span = f"{table.index[0]} to {table.index[-1]}" if len(table) else "nowhere to nowhere"
        raise ValueError(
            f"{what}: expected a row for {stamps[lacking[0]]}{of}, got none (the table goes from "
            f"{span}); add it, with NaN where nothing is known."
        )
    rows = table.take(np.maximum(at, 0)) if len(table) else table.reindex(stamps)
    if (at < 0).any():
        rows = rows.mask(np.broadcast_to((at < 0)[:, None], rows.shape))
    return rows.set_axis(stamps)


def check_alike(what: str, index: pd.Index, stamps: pd.Index) -> None:
    """The index of a table can have the stamps of a series."""
    zones = {getattr(one, "tz", None) is None for one in (index, stamps)}
    kinds = {getattr(one.dtype, "kind", "") for one in (index, stamps)}
    if len(index) and (len(zones) > 1 or (len(kinds) > 1 and not kinds <= {"i", "u"})):
        raise ValueError(
            f"{what}: expected an index like that of the series ({stamps.dtype}), got one of "
            f"{index.dtype}; convert it, with a time zone in both or in none."
        )


def of_series(what: str, table: pd.DataFrame, name: Any) -> pd.DataFrame:
    """The rows of one series, by time; a table that is indexed by time alone is shared."""
    if not isinstance(table.index, pd.MultiIndex):
        return table
    if name not in table.index.levels[0]:
        raise ValueError(
            f"{what}: expected rows of series {name!r}, got none; add them, or give the table "
            f"an index of times if all series share it."
        )
    return table.xs(name, level=0)


def select_columns(what: str, table: pd.DataFrame, names: list[Any]) -> pd.DataFrame:
    """The columns that training had, in its order."""
    for name in names:
        if name not in table.columns:
            raise ValueError(
                f"{what}: expected the columns {names} as in fit, got {list(table.columns)}; add "
                f"column {name!r}."
            )
    return table[names]


@stored("ColumnsEncoder")
@dataclass(frozen=True)
class ColumnsEncoder:
    """Columns of a table as inputs of a network.

    Numbers are scaled, carried forward where missing, with their age; a category is a column of
    its own, 1 where it holds. The first product of the network makes an embedding of these.
    """

    what: str
    names: list[Any]
    numeric: list[Any]
    numbers: InputEncoder | None
    categories: dict[Any, pd.Index]  # by column
    ignore_unknown: bool

    @classmethod
    def fit(
        cls, what: str, table: pd.DataFrame, every: pd.DataFrame, settings: Any
    ) -> ColumnsEncoder:
        """Learn scales from rows of training alone, names of categories from every row."""
        numeric = [name for name, dtype in table.dtypes.items() if _is_numeric(dtype)]
        categories = {}
        for name in table.columns:
            if name not in numeric:
                known = pd.Index(every[name].dropna().astype(object).unique())
                if any(not isinstance(value, (str, bool, int, np.bool_)) for value in known):
                    odd = next(v for v in known if not isinstance(v, (str, bool, int, np.bool_)))
                    raise TypeError(
                        f"{what}: expected numbers or categories (text), got "
                        f"{type(odd).__name__} in column {name!r}; convert it."
                    )
                categories[name] = known.sort_values() if _is_text(known) else known
        numbers = None
        if numeric:
            numbers = InputEncoder.fit(
                _numbers(what, table[numeric]), None, scale=settings.normalize != "none",
                mask=settings.missing == "mask", dtype=settings.dtype,
            )  # fmt: skip
        ignore = settings.handle_unknown == "ignore"
        return cls(what, list(table.columns), numeric, numbers, categories, ignore)

    @property
    def width(self) -> int:
        """Columns of what a network reads."""
        numbers = 0 if self.numbers is None else self.numbers.width
        return numbers + sum(len(known) for known in self.categories.values())

    def encode(self, table: pd.DataFrame, bounds: np.ndarray) -> np.ndarray:
        """Rows of series between bounds (S + 1,) as (n, width)."""
        parts = []
        if self.numbers is not None:
            for name in self.numeric:
                if not _is_numeric(table[name].dtype):
                    raise TypeError(
                        f"{self.what}: expected numbers in column {name!r} as in fit, got "
                        f"{table[name].dtype}; convert it."
                    )
            parts.append(self.numbers.encode(_numbers(self.what, table[self.numeric]), bounds)[0])
        for name, known in self.categories.items():
            column = table[name].astype(object)
            codes = known.get_indexer(pd.Index(column, dtype=object))
            unknown = (codes < 0) & column.notna().to_numpy()
            if unknown.any() and not self.ignore_unknown:
                got = column.iloc[int(np.argmax(unknown))]
                raise ValueError(
                    f"{self.what}: expected categories of column {name!r} that training has "
                    f"seen, got {got!r}; train with it or set handle_unknown='ignore'."
                )
            parts.append(codes[:, None] == np.arange(len(known)))
        return np.concatenate(parts, axis=1, dtype=np.float64)


def check_complete(what: str, table: pd.DataFrame | None) -> None:
    """No value may be missing."""
    if table is not None and (missing := table.isna().to_numpy()).any():
        row, column = (int(i) for i in np.argwhere(missing)[0])
        raise ValueError(
            f"{what}: expected no missing value with missing='error', got one in column "
            f"{table.columns[column]!r} at {table.index[row]}; fill it or set missing='mask'."
        )


def _is_numeric(dtype: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(dtype)) and not isinstance(dtype, pd.CategoricalDtype)


def _is_text(known: pd.Index) -> bool:
    return all(isinstance(value, str) for value in known)


def _numbers(what: str, table: pd.DataFrame) -> np.ndarray:
    """Numeric columns (n, F) with NaN for what is missing, and nothing infinite or huge."""
    values = table.to_numpy(dtype=np.float64, na_value=np.nan)
    huge = np.abs(values) > HUGE
    if huge.any():
        row, column = (int(i) for i in np.argwhere(huge)[0])
        raise ValueError(
            f"{what}: expected numbers up to {HUGE:g}, or NaN, got {values[row, column]} in column "
            f"{table.columns[column]!r} at {table.index[row]}; correct it or make it NaN."
        )
    return np.asarray(values)
