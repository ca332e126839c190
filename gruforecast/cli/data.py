"""From the columns of a file to what ``fit`` and ``forecast`` read."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from gruforecast.cli.console import Console
from gruforecast.cli.files import read_table
from gruforecast.cli.stamps import find_time, known_column, read_times
from gruforecast.forecasting.frames import by_series
from gruforecast.forecasting.long import from_long

ROWS_PER_SERIES = 3  # on average at least, of what tells series apart
MOST_NAMES = 8  # in a message


def add_columns(parser: argparse.ArgumentParser) -> None:
    """The options that say which column is what."""
    group = parser.add_argument_group("columns (found where one can be meant only)")
    group.add_argument(
        "--target",
        nargs="+",
        action="extend",
        metavar="COLUMN",
        help="what to forecast; several are a series each",
    )
    group.add_argument("--time", metavar="COLUMN", help="the date or the number of each row")
    group.add_argument("--id", metavar="COLUMN", help="which series a row belongs to")
    group.add_argument(
        "--covariates", nargs="+", action="extend", default=[], metavar="COLUMN",
        help="known in the future, too: rows without a target at the end of the table hold them",
    )  # fmt: skip
    group.add_argument(
        "--past-covariates",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="known of the past only",
    )
    group.add_argument("--tz", metavar="ZONE", help="time zone of the dates, as Europe/London")
    group.add_argument(
        "--date-format", metavar="FORMAT", help="how dates are written, as %%d/%%m/%%Y"
    )


class Columns(NamedTuple):
    """Which column of a table is what."""

    targets: list[str]
    time: str | None
    group: str | None  # the name of each row's series
    covariates: list[str]
    past_covariates: list[str]

    @classmethod
    def find(cls, table: pd.DataFrame, options: argparse.Namespace, path: str) -> Columns:
        """Those that are named, and those that can be told."""
        covariates, past, targets = (
            [known_column(table, name, option) for name in given]
            for option, given in (
                ("covariates", options.covariates),
                ("past-covariates", options.past_covariates),
                ("target", options.target or []),
            )
        )
        named = [*covariates, *past, *targets]
        time = find_time(table, options.time, set(named))
        group = find_id(table, time, set(named), options.id)
        if group is not None and time is None:
            raise ValueError(
                f"--id: expected times beside {group!r}, got no column of them; name one with "
                f"--time."
            )
        others = [name for name in (time, group) if name is not None]
        for name in others:
            if name in named or others.count(name) > 1:
                raise ValueError(
                    f"--{'time' if name == time else 'id'}: expected a column of its own, got "
                    f"{name!r}, which is named for something else, too; name another."
                )
        targets = targets or [_only_target(table, {*named, *others}, path)]
        if group is not None and len(targets) > 1:
            raise ValueError(
                f"--target: expected one column beside --id {group}, got {len(targets)}; name one."
            )
        return cls(targets, time, group, covariates, past)


@dataclass(frozen=True)
class Data:
    """What a file holds, in the form of ``fit``."""

    series: pd.Series | pd.DataFrame
    beside: dict[str, pd.DataFrame]  # covariates and past_covariates of the rows of the series
    future: pd.DataFrame | None  # covariates of rows after the last observation
    n_ahead: int  # such rows that every series has
    targets: list[str]

    @classmethod
    def read(cls, path: str, options: argparse.Namespace, console: Console) -> Data:
        """The table of a file, sorted, with its columns found or as named."""
        table = read_table(path)
        table.columns = [str(name) for name in table.columns]
        columns = Columns.find(table, options, path)
        targets, time, group = columns[:3]
        found = f"{', '.join(targets)} by {time or 'row'}" + (f" of each {group}" if group else "")
        console.fact("columns", {"target": targets, "time": time, "id": group}, f"{path}: {found}")
        return _assemble(_ordered(table, columns, options, console), columns)


def find_id(
    table: pd.DataFrame, time: str | None, taken: set[str], named: str | None
) -> str | None:
    """The column that tells series apart: named, or the only one that does where times recur."""
    if named is not None:
        return known_column(table, named, "id")
    if time is None or not table[time].duplicated().any():
        return None
    others = [name for name in table.columns if name not in taken | {time}]
    telling = [
        name
        for name in others
        if not pd.api.types.is_float_dtype(table[name])
        and ROWS_PER_SERIES * table[name].nunique() <= len(table)
        and not table.duplicated([name, time]).any()
    ]
    return telling[0] if len(telling) == 1 else None


def _only_target(table: pd.DataFrame, taken: set[str], path: str) -> str:
    numbers = [
        name
        for name in table.columns
        if name not in taken
        and pd.api.types.is_numeric_dtype(table[name])
        and not pd.api.types.is_bool_dtype(table[name])
    ]
    if len(numbers) == 1:
        return str(numbers[0])
    if not numbers:
        raise ValueError(
            f"--target: expected a column of numbers to forecast, got none in {path}"
            f"{_text_in_numbers(table, taken)}; name one."
        )
    some = ", ".join(numbers[:MOST_NAMES]) + (", ..." if len(numbers) > MOST_NAMES else "")
    raise ValueError(
        f"--target: expected the column to forecast, as {path} has {len(numbers)} of numbers "
        f"({some}); name one, or several to forecast each."
    )


def _text_in_numbers(table: pd.DataFrame, taken: set[str]) -> str:
    """Where numbers are written in a way that is not read."""
    for name in (name for name in table.columns if name not in taken):
        text = table[name].dropna().astype(str)
        odd = text[pd.to_numeric(text, errors="coerce").isna() & text.str.contains(r"\d")]
        if len(odd):
            return f" (column {name!r} has {odd.iloc[0]!r}: write plain numbers)"
    return f" (columns {', '.join(table.columns[:MOST_NAMES])})"


def _ordered(
    table: pd.DataFrame, columns: Columns, options: argparse.Namespace, console: Console
) -> pd.DataFrame:
    """Rows by series and time."""
    time, group = columns.time, columns.group
    if time is None:
        console.note("note: no column of dates was found, so rows are numbered; see --time")
        return table
    groups = None if group is None else table[group]
    if groups is not None and groups.isna().any():
        row = int(groups.isna().argmax()) + 1
        raise ValueError(
            f"--id: expected a name in every row of {group!r}, got none in row {row}; correct the "
            f"file."
        )
    read = read_times(table[time], time, options.date_format, options.tz, groups)
    table = table.assign(**{time: read})
    if not _is_ordered(table, time, group):
        console.note(f"note: rows were put in the order of {time}")
    return table.sort_values([time] if group is None else [group, time], kind="stable")


def _is_ordered(table: pd.DataFrame, time: str, group: str | None) -> bool:
    if group is None:
        return bool(table[time].is_monotonic_increasing)
    return bool(table.groupby(group, sort=False)[time].is_monotonic_increasing.all())


def _assemble(table: pd.DataFrame, columns: Columns) -> Data:
    """Series and the tables beside them; what comes after the last observation is the future."""
    targets, time, group = columns[:3]
    series: pd.Series | pd.DataFrame
    if group is not None and time is not None:
        series = from_long(table, group, time, targets[0])
        table = table.set_index([group, time])
        known = series.notna()
        ahead = ~known[::-1].groupby(level=0).cummax()[::-1]
        n_ahead = int(ahead.groupby(level=0).sum().min())
    else:
        table = table.set_index(time) if time is not None else table.reset_index(drop=True)
        series = table[targets[0]] if len(targets) == 1 else table[targets]
        known = table[targets].notna().any(axis=1)
        ahead = ~known[::-1].cummax()[::-1]
        n_ahead = int(ahead.sum())
    is_past = ~ahead.to_numpy()
    if not is_past.any():
        raise ValueError(
            f"--target: expected numbers in {', '.join(targets)}, got none; name another column."
        )
    named = {"covariates": columns.covariates, "past_covariates": columns.past_covariates}
    beside = {what: table.loc[is_past, names] for what, names in named.items() if names}
    future = table.loc[~is_past, columns.covariates] if columns.covariates else None
    return Data(series[is_past], beside, future, n_ahead, targets)


def tidy(forecast: pd.DataFrame) -> pd.DataFrame:
    """A forecast of any form as one row per series and time."""
    parts = by_series(forecast)
    if list(parts) != [None]:
        axis = forecast.index if forecast.index.nlevels > 1 else forecast.columns
        forecast = pd.concat(parts, names=[axis.names[0] or "series"])
    *series, time = forecast.index.names
    return forecast.rename_axis([*series, time or "time"]).reset_index()
