"""Tables in files: CSV and Parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
TABLES = (".csv", ".csv.gz", ".parquet")


def read_table(path: str) -> pd.DataFrame:
    """The table of a file, with what its index was as columns."""
    if _is_parquet(path):
        _need_pyarrow(path)
        try:
            table = pd.read_parquet(path)
        except ValueError as error:  # pyarrow.ArrowInvalid is one
            raise ValueError(
                f"{path}: expected a Parquet file, got something else ({error}); pass another."
            ) from None
        if not isinstance(table.index, pd.RangeIndex):
            names = [name or "index" for name in table.index.names]
            table = table.reset_index(names=names)
    else:
        table = _read_csv(path)
    if not len(table):
        raise ValueError(f"{path}: expected rows, got none; pass another file.")
    return table


def _read_csv(path: str) -> pd.DataFrame:
    """Whatever separates the columns is what the first line has most of."""
    try:
        head = pd.read_csv(path, sep="\0", nrows=0, engine="c").columns
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path}: expected a table, got an empty file; pass another.") from None
    except (UnicodeDecodeError, pd.errors.ParserError):
        raise ValueError(
            f"{path}: expected a table of text in UTF-8, got something else; convert it to CSV or "
            f"Parquet."
        ) from None
    first = str(head[0]) if len(head) else ""
    separator = max(SEPARATORS, key=first.count)
    decimal = "," if separator == ";" and _has_decimal_commas(path) else "."
    try:
        return pd.read_csv(path, sep=separator, decimal=decimal, skipinitialspace=True)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected rows of {first.count(separator) + 1} columns separated by "
            f"{separator!r}, as the first line has, got another: {error}; correct the file."
        ) from None


def _has_decimal_commas(path: str) -> bool:
    """Whether numbers are written as 3,14: then more columns hold numbers read so."""
    counts = []
    for decimal in (".", ","):
        sample = pd.read_csv(path, sep=";", decimal=decimal, nrows=100)
        counts.append(sum(pd.api.types.is_numeric_dtype(column) for _, column in sample.items()))
    return bool(counts[1] > counts[0])


def write_table(table: pd.DataFrame, path: str) -> None:
    """A table as CSV or Parquet, as the name of the file says."""
    if _is_parquet(path):
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False, lineterminator="\n")


def check_output(path: str | None, endings: tuple[str, ...] = TABLES) -> None:
    """Before any work is done: a file of this name can be written."""
    if path is None:
        return
    if not path.lower().endswith(endings):
        raise ValueError(
            f"{path}: expected a name that ends in {', '.join(endings)}, got another; rename it."
        )
    if _is_parquet(path):
        _need_pyarrow(path)
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise ValueError(f"{path}: expected a folder that exists, got {folder}; make it first.")
    if Path(path).is_dir():
        raise ValueError(f"{path}: expected the name of a file, got a folder; add a name to it.")


def _is_parquet(path: str) -> bool:
    return path.lower().endswith((".parquet", ".pq"))


def _need_pyarrow(path: str) -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ImportError(
            f"{path}: expected pyarrow for Parquet, which is not installed; pip install "
            f"'gruforecast[parquet]', or use CSV."
        ) from None
