"""Rows that have something in common: what is the same in all of them is computed once.

Either ``copies`` rows, one after the other, hold the same, or each of the first rows holds what
others, in turn, hold as well. With one copy, or as many rows as there are, nothing is done.
N rows, H hidden.
"""

from __future__ import annotations

from gruforecast.foundations.jit import part


@part
def distinct(rows, copies, out):
    """Every ``copies``-th of the rows (N, H): themselves, or the first of out."""
    if copies == 1:
        return rows
    n = rows.shape[0] // copies
    for i in range(n):
        for j in range(rows.shape[1]):
            out[i, j] = rows[i * copies, j]
    return out[:n]


@part
def spread(rows, copies):
    """The first of rows (N, H), ``copies`` times each, to all of them."""
    if copies > 1:
        for i in range(rows.shape[0] - 1, 0, -1):  # none is written before it is read
            for j in range(rows.shape[1]):
                rows[i, j] = rows[i // copies, j]


@part
def summed(rows, copies):
    """The sums over ``copies`` rows, one after the other: in the first rows, which it returns."""
    n = rows.shape[0] // copies
    if copies > 1:
        for i in range(n):
            for j in range(rows.shape[1]):
                rows[i, j] = rows[i * copies, j]
            for k in range(i * copies + 1, (i + 1) * copies):
                for j in range(rows.shape[1]):
                    rows[i, j] += rows[k, j]
    return rows[:n]


@part
def spread_in_turn(rows, n):
    """The first n of rows (N, H) to those that follow, again and again."""
    for i in range(n, rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[i, j] = rows[i - n, j]


@part
def sum_in_turn(rows, n):
    """Backward of ``spread_in_turn``: the sums, in the first n of rows (N, H)."""
    for i in range(n, rows.shape[0]):
        for j in range(rows.shape[1]):
            rows[i % n, j] += rows[i, j]
