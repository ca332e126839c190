"""Tables in files: CSV and Parquet."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pandas as pd

SEPARATORS = (",", ";", "\t", "|")
TABLES = (".csv", ".csv.gz", ".parquet", ".pq")
MISSING = ("-", "--", "?", ".")  # beside what pandas knows
ENCODING = "utf-8-sig"  # with or without the mark that Excel writes first


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
        first = pd.read_csv(path, sep="\0", nrows=0, encoding=ENCODING).columns[0]
    except pd.errors.EmptyDataError:
        raise ValueError(f"{path}: expected a table, got an empty file; pass another.") from None
    except (UnicodeDecodeError, pd.errors.ParserError, EOFError) as error:
        raise ValueError(
            f"{path}: expected a table of text in UTF-8, got something else ({error}); save it as "
            f"CSV in UTF-8, or as Parquet."
        ) from None
    separator = max(SEPARATORS, key=first.count)
    try:
        decimal = "," if separator == ";" and _has_decimal_commas(path) else "."
        return _parsed(path, separator, decimal)
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError, EOFError) as error:
        if separator not in first:
            raise ValueError(
                f"{path}: expected the names of columns in the first line, got {first!r} and rows "
                f"that are longer; delete what is above the names."
            ) from None
        raise ValueError(
            f"{path}: expected rows of {first.count(separator) + 1} columns separated by "
            f"{separator!r}, as the first line has, got others: {error}; correct the file."
        ) from None


def _parsed(path: str, separator: str, decimal: str, n_rows: int | None = None) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            path, sep=separator, decimal=decimal, skipinitialspace=True, index_col=False,
            nrows=n_rows, encoding=ENCODING, low_memory=False, na_values=MISSING,
        )  # fmt: skip


def _has_decimal_commas(path: str) -> bool:
    """Whether numbers are written as 3,14: then more columns hold numbers read so."""
    counts = []
    for decimal in (".", ","):
        sample = _parsed(path, ";", decimal, n_rows=100)
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
    check_folder(path)


def check_folder(path: str | None) -> None:
    """Before any work is done: a file can be written where it is to be."""
    if path is None:
        return
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise ValueError(f"{path}: expected a folder that exists, got {folder}; make it first.")
    if Path(path).is_dir():
        raise ValueError(f"{path}: expected the name of a file, got a folder; add a name to it.")
    if not os.access(Path(path) if Path(path).exists() else folder, os.W_OK):
        raise ValueError(
            f"{path}: expected a place that can be written to, got none; take another."
        )


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
