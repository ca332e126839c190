"""Category embeddings: learned rows of a table in place of the last columns of a series.

T steps, N windows, F columns of the series, I inputs of the first layer, C categories, E size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gruforecast.foundations.jit import brief_kernel, part


@part
def _table_row(t, first, value, n_categories):
    """Where a category lies in its table, or -1: masked, none, or changed after the check."""
    if t < first or not 0 <= value < n_categories:
        return -1
    return int(value)


@brief_kernel
def _copy_numeric(rows, n_numeric, x):
    """x (T, N, I) <- the first columns of rows (T, N, F)."""
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            for j in range(n_numeric):
                x[t, i, j] = rows[t, i, j]


@brief_kernel
def _look_up(rows, first, column, table, at, x):
    """x (T, N, at : at + E) <- rows of table (C, E) by a column of rows (T, N, F), or zeros."""
    zero = x.dtype.type(0)
    for t in range(x.shape[0]):
        for i in range(x.shape[1]):
            row = _table_row(t, first[i], rows[t, i, column], table.shape[0])
            for j in range(table.shape[1]):
                x[t, i, at + j] = zero if row < 0 else table[row, j]


@brief_kernel
def _look_up_backward(d_x, rows, first, column, at, d_table):
    """d_table (C, E) += d_x (T, N, at : at + E) by category, in the order of steps and windows."""
    for t in range(d_x.shape[0]):
        for i in range(d_x.shape[1]):
            row = _table_row(t, first[i], rows[t, i, column], d_table.shape[0])
            if row >= 0:
                for j in range(d_table.shape[1]):
                    d_table[row, j] += d_x[t, i, at + j]


def embed(rows: np.ndarray, first: np.ndarray, tables: Sequence[np.ndarray], x: np.ndarray) -> None:
    """x (T, N, I) <- numeric columns of rows (T, N, F), then what each table (C, E) holds."""
    at = n_numeric = rows.shape[2] - len(tables)
    _copy_numeric(rows, n_numeric, x)
    for k, table in enumerate(tables):
        _look_up(rows, first, n_numeric + k, table, at, x)
        at += table.shape[1]


def embed_backward(
    d_x: np.ndarray, rows: np.ndarray, first: np.ndarray, d_tables: Sequence[np.ndarray]
) -> None:
    """Adds d_x (T, N, I) to d_tables (C, E)."""
    at = n_numeric = rows.shape[2] - len(d_tables)
    for k, d_table in enumerate(d_tables):
        _look_up_backward(d_x, rows, first, n_numeric + k, at, d_table)
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
