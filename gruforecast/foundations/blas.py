"""Matrix products inside kernels, straight on SciPy's BLAS, cut into small tiles.

``out (+)= a @ b`` for row-major matrices whose last axis is contiguous. Tiles stay below the
size up to which OpenBLAS multiplies without packing (a factor of 1.3 to 2 at the sizes of a
recurrent step), and always hold the same number of rows: a row's bits then do not depend on
how many rows it is multiplied with.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from gruforecast.foundations.jit import part

ROW_TILE = 16
INNER_TILE = 64
TILE_BUDGET = 1_000_000  # rows x columns x inner: OpenBLAS packs above this
COLUMN_STEP = 32

_SYMBOLS = {types.float32: "gruforecast_sgemm", types.float64: "gruforecast_dgemm"}
for _symbol, _name in (("gruforecast_sgemm", "sgemm"), ("gruforecast_dgemm", "dgemm")):
    binding.add_symbol(_symbol, get_cython_function_address("scipy.linalg.cython_blas", _name))


@intrinsic
def _gemm(typing_context, transposed, rows, cols, inner, a, a_from, b, b_from, beta, c, c_from):
    """c = a @ b + beta * c, or a.T @ b: row-major, from element offsets, row strides of arrays."""
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
            row_bytes = cgutils.unpack_tuple(builder, array.strides)[0]
            stride = builder.sdiv(row_bytes, array.itemsize)
            # The stride of a single row means nothing and may be anything.
            width = cgutils.unpack_tuple(builder, array.shape)[1]
            is_short = builder.icmp_signed("<", stride, width)
            stride = builder.select(is_short, width, stride)
            return builder.gep(array.data, [offset]), as_int32(stride)

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


@part
def _column_tile(rows, inner):
    """How many columns keep a product of so many rows and inner terms below the budget."""
    columns = TILE_BUDGET // (rows * inner) // COLUMN_STEP * COLUMN_STEP
    return max(columns, COLUMN_STEP)


@part
def _multiply(a, b, beta, out):
    rows, inner = a.shape
    columns = b.shape[1]
    step = _column_tile(ROW_TILE, inner)
    for i in range(0, rows, ROW_TILE):
        n = min(ROW_TILE, rows - i)
        for j in range(0, columns, step):
            m = min(step, columns - j)
            at = i * (a.strides[0] // a.itemsize)
            to = i * (out.strides[0] // out.itemsize) + j
            _gemm(False, n, m, inner, a, at, b, j, beta, out, to)


@part
def multiply(a, b, out):
    """out = a @ b for a (n, k), b (k, m), out (n, m)."""
    _multiply(a, b, a.dtype.type(0), out)


@part
def multiply_add(a, b, out):
    """out += a @ b for a (n, k), b (k, m), out (n, m)."""
    _multiply(a, b, a.dtype.type(1), out)


@part
def multiply_transposed_add(a, b, out):
    """out += a.T @ b for a (n, k), b (n, m), out (k, m): the gradient of weights."""
    n, rows = a.shape
    columns = b.shape[1]
    one = a.dtype.type(1)
    for top in range(0, n, INNER_TILE):
        inner = min(INNER_TILE, n - top)
        a_top = top * (a.strides[0] // a.itemsize)
        b_top = top * (b.strides[0] // b.itemsize)
        for i in range(0, rows, INNER_TILE):
            height = min(INNER_TILE, rows - i)
            step = _column_tile(height, inner)
            for j in range(0, columns, step):
                m = min(step, columns - j)
                to = i * (out.strides[0] // out.itemsize) + j
                _gemm(True, height, m, inner, a, a_top + i, b, b_top + j, one, out, to)
