"""Long tables, one row per series and time."""

from __future__ import annotations

import pandas as pd

from gruforecast.foundations.checks import closest


def from_long(
    table: pd.DataFrame, id_col: str, time_col: str, target_col: str, *, sort: bool = False
) -> pd.Series:
    """A long table, one row per series and time, as a Series that estimators read.

    Parameters
    ----------
    table : DataFrame
    id_col, time_col, target_col : str
        Columns with the name of the series, the time and the value. Text is parsed as dates.
    sort : bool, default False
        Sort by series and time.

    Returns
    -------
    Series
        Under a (series, time) MultiIndex.

    Examples
    --------
    >>> import pandas as pd
    >>> from gruforecast import from_long
    >>> sales = pd.DataFrame(
    ...     {"shop": ["a", "a", "b"], "day": ["2024-01-01", "2024-01-02", "2024-01-01"],
    ...      "sold": [3, 4, 9]}
    ... )
    >>> series = from_long(sales, "shop", "day", "sold")
    >>> series.loc["a"].tolist(), series.index.names
    ([3, 4], FrozenList(['shop', 'day']))
    """
    if not isinstance(table, pd.DataFrame):
        raise TypeError(
            f"table: expected a DataFrame, got {type(table).__name__}; make one of it first."
        )
    for what, column in (("id_col", id_col), ("time_col", time_col), ("target_col", target_col)):
        if column not in table.columns:
            hint = closest(column, [str(name) for name in table.columns])
            raise ValueError(
                f"{what}: expected one of the columns {list(table.columns)}, got {column!r}; "
                f"{hint or 'name one of them.'}"
            )
    times = table[time_col]
    if not (pd.api.types.is_numeric_dtype(times) or isinstance(times.dtype, pd.PeriodDtype)):
        try:
            times = pd.to_datetime(times)
        except ValueError as problem:
            raise ValueError(
                f"time_col: expected dates of one format in {time_col!r}, got others "
                f"({str(problem).splitlines()[0]}); convert them first, as with "
                f"pd.to_datetime(..., format='mixed')."
            ) from None
    index = pd.MultiIndex.from_arrays([table[id_col], times], names=[id_col, time_col])
    values = pd.Series(table[target_col].to_numpy(), index=index, name=target_col)
    return values.sort_index() if sort else values
