"""Where fit and forecast find what is known beside the series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from gruforecast.forecasting.block import Beside, Lookup
from gruforecast.forecasting.covariates import (
    check_alike,
    of_series,
    read_table,
    select_columns,
)
from gruforecast.forecasting.panel import Panel
from gruforecast.forecasting.tails import Joined, Tail


def of_training(
    panel: Panel,
    before: dict[str, list[Any]] | None,
    tables: dict[str, Any],
) -> Beside:
    """From the tables passed to ``fit``; those of a fit ``before`` had these columns."""
    index = None if panel.form == "long" else panel.index

    def lookup(what: str) -> Lookup | None:
        if tables[what] is None:
            return None
        read = read_table(what, tables[what], index)
        if before is not None and set(read.columns) != set(before[what]):
            raise ValueError(
                f"{what}: expected the columns {before[what]} as in the fit to go on with, got "
                f"{list(read.columns)}; pass the same, or start anew with warm_start=False."
            )
        if before is not None:
            read = read[before[what]]
        return lambda name: of_series(what, read, name)

    if before is not None:
        for what, table in tables.items():
            if (table is None) == (what in before):
                had, got = ("some", "none") if table is None else ("none", "some")
                raise ValueError(
                    f"{what}: expected {had} as in the fit to go on with, got {got}; pass the "
                    f"same, or start anew with warm_start=False."
                )
    static = tables["static"]
    return Beside(
        known=lookup("covariates"),
        past=lookup("past_covariates"),
        static=None if static is None else _static_rows(panel.names, _read_static(static), {}),
    )


def of_forecast(
    joined: Joined,
    tails: dict[Any, Tail],
    columns: dict[str, list[Any]],
    given: dict[str, Any],
    following: Callable[[], pd.Index] | None,
) -> Beside:
    """From what training kept and the tables passed to ``forecast``, of the same columns.

    An array has a row for each new row of the panel, then for each stamp in ``following``.
    """
    panel = joined.panel
    for what, table in given.items():
        if table is not None and what not in columns:
            raise ValueError(
                f"{what}: expected None, as fit had none, got a table; pass it to fit, too."
            )

    def lookup(what: str, kept: str, new_index: Callable[[], pd.Index | None]) -> Lookup | None:
        if what not in columns:
            return None
        table, index = given[what], new_index()
        if table is None and (index is None or len(index)):
            raise ValueError(
                f"{what}: expected rows with the columns {columns[what]}, as fit had them, for "
                f"{'the steps to come' if index is None else f'{index[0]} to {index[-1]}'}, got "
                f"None; pass {what}=."
            )
        if table is not None:
            has_names = isinstance(table, pd.DataFrame)
            table = read_table(what, table, index)
            if not has_names and table.shape[1] == len(columns[what]):
                table = table.set_axis(columns[what], axis=1)
            table = select_columns(what, table, columns[what])

        def find(name: Any) -> pd.DataFrame:
            own = getattr(tails[name], kept) if name in tails else None
            if table is None:
                return own
            rows = of_series(what, table, name)
            if own is None:
                return rows
            check_alike(what, rows.index, own.index)
            before = own[~own.index.isin(rows.index)]
            return pd.concat([before, rows]) if len(before) else rows

        return find

    static = None
    if "static" in columns:
        table = None if given["static"] is None else _read_static(given["static"])
        if table is not None:
            table = select_columns("static", table, columns["static"])
        known = {name: tail.static for name, tail in tails.items()}
        static = _static_rows(panel.names, table, known)

    def new_rows() -> pd.Index | None:
        if panel.form == "long":
            return None
        return panel.stamps[0][joined.is_new[: panel.bounds[1]]]

    def with_future() -> pd.Index | None:
        index = new_rows()
        if index is None or following is None:
            return index
        return index.append(following()) if len(index) else following()

    return Beside(
        known=lookup("covariates", "known", with_future),
        past=lookup("past_covariates", "past", new_rows),
        static=static,
    )


def _read_static(static: Any) -> pd.DataFrame:
    if not isinstance(static, (pd.DataFrame, pd.Series)):
        raise TypeError(
            f"static: expected a DataFrame with a row per series, got {type(static).__name__}; "
            f"make one whose index holds the names of the series."
        )
    return read_table("static", static, None)


def _static_rows(
    names: list[Any], table: pd.DataFrame | None, known: dict[Any, pd.DataFrame | None]
) -> pd.DataFrame:
    """One row per series, in order: of the table, else what is known already."""
    parts = []
    for name in names:
        if table is not None and name in table.index:
            parts.append(table.loc[[name]])
        elif (row := known.get(name)) is not None:
            parts.append(row)
        else:
            raise ValueError(
                f"static: expected a row for series {name!r}, got none; add it to the index."
            )
    return pd.concat(parts)
