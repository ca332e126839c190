"""Products of matrices by all threads of a block, in tiles of four by four.

Sizes are multiples of four, and so are the lengths of rows. Each thread reads four numbers at a
time and keeps sixteen sums in registers.
"""

from __future__ import annotations

from gruforecast.foundations.cuda.jit import gpu_part, gpu_routine
from gruforecast.foundations.cuda.primitives import (
    ZERO,
    barrier,
    divided,
    ld,
    ld4,
    n_threads,
    st,
    st4,
    thread,
)


@gpu_part
def add4(a, b):
    """a + b of four numbers each."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])


@gpu_part
def _add_times(sums, factor, b):
    """sums + factor * b."""
    return (
        sums[0] + factor * b[0],
        sums[1] + factor * b[1],
        sums[2] + factor * b[2],
        sums[3] + factor * b[3],
    )


@gpu_part
def _add_product(sums, a, b0, b1, b2, b3):
    """sums + a @ the rows b0 to b3."""
    sums = _add_times(sums, a[0], b0)
    sums = _add_times(sums, a[1], b1)
    sums = _add_times(sums, a[2], b2)
    return _add_times(sums, a[3], b3)


@gpu_part
def spread(width):
    """Where this thread begins in a table of rows of a width, and how far its next entry is.

    Divisions take long: they are done once, ahead of a loop.
    """
    me, n = thread(), n_threads()
    (i, j), (step_i, step_j) = divided(me, width), divided(n, width)
    return i, j, step_i, step_j


@gpu_part
def following(i, j, step_i, step_j, width):
    """The next entry (row, column) of this thread."""
    i += step_i
    j += step_j
    if j >= width:
        return i + 1, j - width
    return i, j


@gpu_part
def _tile(a, a_at, a_stride, b, b_at, b_stride, begin, end):
    """Four rows of a times four columns of b, over a range of the inner dimension."""
    r0 = r1 = r2 = r3 = (ZERO, ZERO, ZERO, ZERO)
    for k in range(begin, end, 4):
        a0 = ld4(a, a_at + k)
        a1 = ld4(a, a_at + a_stride + k)
        a2 = ld4(a, a_at + 2 * a_stride + k)
        a3 = ld4(a, a_at + 3 * a_stride + k)
        row = b_at + k * b_stride
        b0, b1 = ld4(b, row), ld4(b, row + b_stride)
        b2, b3 = ld4(b, row + 2 * b_stride), ld4(b, row + 3 * b_stride)
        r0 = _add_product(r0, a0, b0, b1, b2, b3)
        r1 = _add_product(r1, a1, b0, b1, b2, b3)
        r2 = _add_product(r2, a2, b0, b1, b2, b3)
        r3 = _add_product(r3, a3, b0, b1, b2, b3)
    return r0, r1, r2, r3


@gpu_part
def multiply_spread(
    a, a_at, a_stride, b, b_at, b_stride, out, out_at, out_stride,
    n_rows, n_cols, inner, n_parts, place,
):  # fmt: skip
    """out = a (n_rows, inner) @ b (inner, n_cols), cut into parts along the inner dimension.

    Part p is written to out_at + p * n_rows * out_stride; whoever reads adds them up. ``place`` is
    ``spread(n_cols // 4)``. The caller puts barriers around it.
    """
    i, j, step_i, step_j = place
    tile_rows, width = n_rows // 4, n_cols // 4
    length = 4 * divided(inner // 4 + n_parts - 1, n_parts)[0]
    while i < tile_rows * n_parts:
        p, row = 0, i
        while row >= tile_rows:
            row -= tile_rows
            p += 1
        begin = p * length
        end = min(inner, begin + length)
        r0, r1, r2, r3 = _tile(
            a, a_at + row * 4 * a_stride, a_stride, b, b_at + 4 * j, b_stride, begin, end
        )
        to = out_at + (p * n_rows + row * 4) * out_stride + 4 * j
        st4(out, to, r0)
        st4(out, to + out_stride, r1)
        st4(out, to + 2 * out_stride, r2)
        st4(out, to + 3 * out_stride, r3)
        i, j = following(i, j, step_i, step_j, width)


@gpu_routine
def multiply(a, a_at, b, b_at, out, out_at, n_rows, n_cols, inner, is_added):
    """out (n_rows, n_cols) = a (n_rows, inner) @ b (inner, n_cols), or added to out."""
    i, j, step_i, step_j = spread(n_cols // 4)
    while i < n_rows // 4:
        r0, r1, r2, r3 = _tile(a, a_at + 4 * i * inner, inner, b, b_at + 4 * j, n_cols, 0, inner)
        to = out_at + 4 * i * n_cols + 4 * j
        if is_added:
            r0, r1 = add4(r0, ld4(out, to)), add4(r1, ld4(out, to + n_cols))
            r2 = add4(r2, ld4(out, to + 2 * n_cols))
            r3 = add4(r3, ld4(out, to + 3 * n_cols))
        st4(out, to, r0)
        st4(out, to + n_cols, r1)
        st4(out, to + 2 * n_cols, r2)
        st4(out, to + 3 * n_cols, r3)
        i, j = following(i, j, step_i, step_j, n_cols // 4)
    barrier()


@gpu_part
def _add_outer(r0, r1, r2, r3, x, y):
    """Four sums of four numbers each, plus the products of all numbers of x and y."""
    r0, r1 = _add_times(r0, x[0], y), _add_times(r1, x[1], y)
    return r0, r1, _add_times(r2, x[2], y), _add_times(r3, x[3], y)


@gpu_part
def _outer_tile(a, a_at, a_stride, d, d_at, d_stride, first, n_rows, step):
    """Four columns of a times four columns of d, over every step-th row."""
    r0 = r1 = r2 = r3 = (ZERO, ZERO, ZERO, ZERO)
    m, from_a, from_d = first, a_at + first * a_stride, d_at + first * d_stride
    jump_a, jump_d = step * a_stride, step * d_stride
    while m + 3 * step < n_rows:  # four rows are asked for before the first is used
        x0, y0 = ld4(a, from_a), ld4(d, from_d)
        x1, y1 = ld4(a, from_a + jump_a), ld4(d, from_d + jump_d)
        x2, y2 = ld4(a, from_a + 2 * jump_a), ld4(d, from_d + 2 * jump_d)
        x3, y3 = ld4(a, from_a + 3 * jump_a), ld4(d, from_d + 3 * jump_d)
        r0, r1, r2, r3 = _add_outer(r0, r1, r2, r3, x0, y0)
        r0, r1, r2, r3 = _add_outer(r0, r1, r2, r3, x1, y1)
        r0, r1, r2, r3 = _add_outer(r0, r1, r2, r3, x2, y2)
        r0, r1, r2, r3 = _add_outer(r0, r1, r2, r3, x3, y3)
        m, from_a, from_d = m + 4 * step, from_a + 4 * jump_a, from_d + 4 * jump_d
    while m < n_rows:
        r0, r1, r2, r3 = _add_outer(r0, r1, r2, r3, ld4(a, from_a), ld4(d, from_d))
        m, from_a, from_d = m + step, from_a + jump_a, from_d + jump_d
    return r0, r1, r2, r3


@gpu_part
def _add_tile(work, at, stride, r0, r1, r2, r3):
    st4(work, at, add4(ld4(work, at), r0))
    st4(work, at + stride, add4(ld4(work, at + stride), r1))
    st4(work, at + 2 * stride, add4(ld4(work, at + 2 * stride), r2))
    st4(work, at + 3 * stride, add4(ld4(work, at + 3 * stride), r3))


@gpu_routine
def add_gradient(
    work, a_at, a_stride, d_at, d_stride, n_rows, inner, n_cols, out_at, stride, shared
):
    """out (inner, n_cols) += a (n_rows, inner).T @ d (n_rows, n_cols).

    Where there are fewer tiles than threads, groups of threads take a share of the rows each.
    """
    width, n = n_cols // 4, n_threads()
    n_tiles = inner // 4 * width
    if n_tiles * 2 > n:
        i, j, step_i, step_j = spread(width)
        while i < inner // 4:
            r0, r1, r2, r3 = _outer_tile(
                work, a_at + 4 * i, a_stride, work, d_at + 4 * j, d_stride, 0, n_rows, 1
            )
            _add_tile(work, out_at + 4 * i * stride + 4 * j, stride, r0, r1, r2, r3)
            i, j = following(i, j, step_i, step_j, width)
        barrier()
        return
    n_groups = divided(n, n_tiles)[0]
    group, tile = divided(thread(), n_tiles)
    i, j = divided(tile, width)
    if group < n_groups:
        r0, r1, r2, r3 = _outer_tile(
            work, a_at + 4 * i, a_stride, work, d_at + 4 * j, d_stride, group, n_rows, n_groups
        )
        at = 16 * (group * n_tiles + tile)
        st4(shared, at, r0)
        st4(shared, at + 4, r1)
        st4(shared, at + 8, r2)
        st4(shared, at + 12, r3)
    barrier()
    if group == 0:
        for other in range(n_groups):
            at = 16 * (other * n_tiles + tile)
            r0, r1 = ld4(shared, at), ld4(shared, at + 4)
            r2, r3 = ld4(shared, at + 8), ld4(shared, at + 12)
            _add_tile(work, out_at + 4 * i * stride + 4 * j, stride, r0, r1, r2, r3)
    barrier()


@gpu_routine
def add_sums(d, d_at, d_stride, n_rows, n_cols, out_at, shared):
    """out (n_cols) += the sum of the rows of d; groups of threads take a share of the rows each."""
    width = n_cols // 4
    n = n_threads()
    in_one = min(width, n)  # columns, in fours, that are done at once
    n_groups = divided(n, in_one)[0]
    group, own = divided(thread(), in_one)
    for first in range(0, width, in_one):
        column = first + own
        if group < n_groups and column < width:
            total = (ZERO, ZERO, ZERO, ZERO)
            for m in range(group, n_rows, n_groups):
                total = add4(total, ld4(d, d_at + m * d_stride + 4 * column))
            st4(shared, 4 * (group * in_one + own), total)
        barrier()
        if group == 0 and column < width:
            total = ld4(d, out_at + 4 * column)
            for other in range(n_groups):
                total = add4(total, ld4(shared, 4 * (other * in_one + own)))
            st4(d, out_at + 4 * column, total)
        barrier()


@gpu_routine
def transpose(weights, at, n_rows, n_cols, work, to):
    """work (n_cols, n_rows) <- weights (n_rows, n_cols) turned."""
    i, j, step_i, step_j = spread(n_rows)
    while i < n_cols:
        st(work, to + i * n_rows + j, ld(weights, at + j * n_cols + i))
        i, j = following(i, j, step_i, step_j, n_rows)
    barrier()
