"""Matrix products inside kernels, straight on SciPy's BLAS, cut into small tiles.

``out (+)= a @ b`` for contiguous row-major matrices, or ranges of the columns of b. Tiles stay
below the size up to which OpenBLAS multiplies without packing (a factor of 1.3 to 2 at the sizes
of a recurrent step). Where every tile holds the same number of rows, a row's bits do not depend on
how many rows it is multiplied with.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from gruforecast.foundations.jit import routine

ROW_TILE = 16
INNER_TILE = 64
TILE_BUDGET = 1_000_000  # rows x columns x inner: OpenBLAS packs above this
COLUMN_STEP = 32

_SYMBOLS = {types.float32: "gruforecast_sgemm", types.float64: "gruforecast_dgemm"}
for _symbol, _name in (("gruforecast_sgemm", "sgemm"), ("gruforecast_dgemm", "dgemm")):
    binding.add_symbol(_symbol, get_cython_function_address("scipy.linalg.cython_blas", _name))


@intrinsic
def _gemm(typing_context, transposed, rows, cols, inner, a, a_from, b, b_from, beta, c, c_from):
    """c = a @ b + beta * c, or a.T @ b: row-major and contiguous, from offsets in elements."""
    scalar = a.dtype
    signature = types.void(transposed, rows, cols, inner, a, a_from, b, b_from, beta, c, c_from)

    def codegen(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        is_transposed, n_rows, n_cols, n_inner, va, oa, vb, ob, vbeta, vc, oc = arguments
        int32, char = ir.IntType(32), ir.IntType(8)
        real = context.get_value_type(scalar)

        def by_address(value: Any) -> Any:
            return cgutils.alloca_once_value(builder, value)

        def as_int32(value: Any) -> Any:
            return by_address(builder.trunc(value, int32))

        def matrix(kind: Any, value: Any, offset: Any) -> tuple[Any, Any]:
            array = context.make_array(kind)(context, builder, value)
            row_length = cgutils.unpack_tuple(builder, array.shape)[1]
            return builder.gep(array.data, [offset]), as_int32(row_length)

        a_data, a_stride = matrix(a, va, oa)
        b_data, b_stride = matrix(b, vb, ob)
        c_data, c_stride = matrix(c, vc, oc)
        plain = by_address(ir.Constant(char, ord("N")))
        a_form = by_address(
            builder.select(is_transposed, ir.Constant(char, ord("T")), ir.Constant(char, ord("N")))
        )
        one = by_address(ir.Constant(real, 1.0))
        # A row-major product is the column-major product of the transposes: C' = B' A'.
        call = [plain, a_form, as_int32(n_cols), as_int32(n_rows), as_int32(n_inner), one]
        call += [b_data, b_stride, a_data, a_stride, by_address(vbeta), c_data, c_stride]
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [value.type for value in call]),
            _SYMBOLS[scalar],
        )
        builder.call(function, call)
        return context.get_dummy_value()

    return signature, codegen


@routine
def _column_tile(rows, inner, columns):
    """Columns of a tile: equal tiles below the budget, in steps that fill vector registers."""
    most = max(TILE_BUDGET // (rows * inner), COLUMN_STEP)
    n_tiles = (columns + most - 1) // most
    return ((columns + n_tiles - 1) // n_tiles + COLUMN_STEP - 1) // COLUMN_STEP * COLUMN_STEP


@routine
def multiply(a, b, column, tile, add, out):
    """out (n, m) = a (n, k) @ b[:, column : column + m], or added to out; ``tile`` rows at a time.

    ``b`` (k, .) is a matrix whose columns hold several gates.
    """
    rows, inner = a.shape
    columns = out.shape[1]
    beta = a.dtype.type(1) if add else a.dtype.type(0)
    step = _column_tile(min(tile, rows), inner, columns)
    for i in range(0, rows, tile):
        n = min(tile, rows - i)
        for j in range(0, columns, step):
            m = min(step, columns - j)
            _gemm(False, n, m, inner, a, i * inner, b, column + j, beta, out, i * columns + j)


@routine
def multiply_transposed_add(a, b, column, out):
    """out[:, column : column + m] += a.T @ b for a (n, k), b (n, m): the gradient of weights."""
    n, rows = a.shape
    columns, width = b.shape[1], out.shape[1]
    one = a.dtype.type(1)
    for top in range(0, n, INNER_TILE):
        inner = min(INNER_TILE, n - top)
        for i in range(0, rows, INNER_TILE):
            height = min(INNER_TILE, rows - i)
            step = _column_tile(height, inner, columns)
            for j in range(0, columns, step):
                m = min(step, columns - j)
                at, to = top * columns + j, i * width + column + j
                _gemm(True, height, m, inner, a, top * rows + i, b, at, one, out, to)
