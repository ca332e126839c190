"""Category embeddings: learned rows of a table in place of the last columns of a series.

n rows, F columns of the series, I inputs of the first layer, C categories, E size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gruforecast.foundations.jit import brief_kernel, part


@part
def _table_row(value, n_categories):
    """Where a category lies in its table, or -1: none, or changed after the check."""
    if not 0 <= value < n_categories:
        return -1
    return int(value)


@brief_kernel
def _copy_numeric(rows, n_numeric, x):
    """x (n, I) <- the first columns of rows (n, F)."""
    for i in range(x.shape[0]):
        for j in range(n_numeric):
            x[i, j] = rows[i, j]


@brief_kernel
def _look_up(rows, column, table, at, x):
    """x (n, at : at + E) <- rows of table (C, E) by a column of rows (n, F), or zeros."""
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        row = _table_row(rows[i, column], table.shape[0])
        for j in range(table.shape[1]):
            x[i, at + j] = zero if row < 0 else table[row, j]


@brief_kernel
def _look_up_backward(d_x, rows, column, at, d_table):
    """d_table (C, E) += d_x (n, at : at + E) by category, row after row."""
    for i in range(d_x.shape[0]):
        row = _table_row(rows[i, column], d_table.shape[0])
        if row >= 0:
            for j in range(d_table.shape[1]):
                d_table[row, j] += d_x[i, at + j]


def embed(rows: np.ndarray, tables: Sequence[np.ndarray], x: np.ndarray) -> None:
    """x (..., I) <- numeric columns of rows (..., F), then what each table (C, E) holds."""
    rows, x = (part.reshape(-1, part.shape[-1]) for part in (rows, x))
    at = n_numeric = rows.shape[1] - len(tables)
    _copy_numeric(rows, n_numeric, x)
    for k, table in enumerate(tables):
        _look_up(rows, n_numeric + k, table, at, x)
        at += table.shape[1]


def embed_backward(d_x: np.ndarray, rows: np.ndarray, d_tables: Sequence[np.ndarray]) -> None:
    """Adds d_x (..., I) to d_tables (C, E)."""
    rows, d_x = (part.reshape(-1, part.shape[-1]) for part in (rows, d_x))
    at = n_numeric = rows.shape[1] - len(d_tables)
    for k, d_table in enumerate(d_tables):
        _look_up_backward(d_x, rows, n_numeric + k, at, d_table)
        at += d_table.shape[1]


def check_categories(series: np.ndarray, embeddings: Sequence[tuple[int, int]]) -> None:
    """Whole numbers that the tables have rows for, in the last columns of series (rows, F)."""
    n_numeric = series.shape[1] - len(embeddings)
    for k, (n_categories, _) in enumerate(embeddings):
        numbers = series[:, n_numeric + k]
        bad = (numbers >= n_categories) | (numbers != np.floor(numbers))
        if bad.any():
            at = int(np.argmax(bad))
            raise ValueError(
                f"windows: expected whole numbers below {n_categories} in column {n_numeric + k}, "
                f"the categories of embeddings[{k}], got {numbers[at]} at row {at}; number them "
                f"from 0, and none as -1."
            )
