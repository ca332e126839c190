"""Kernels compile for GPUs that are not here, within the resources of a block."""

import re
import sys

import numpy as np
import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are compiled on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("cuda.core", reason="expected cuda-core; install the extra cuda")

from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib
from numba import cuda
from numba.cuda import dispatcher, types

from gruforecast.foundations.cuda import mathematics
from gruforecast.foundations.cuda.jit import LAUNCH_BOUNDS, THREADS, gpu_kernel
from gruforecast.foundations.cuda.primitives import (
    barrier,
    block,
    block_sum,
    ld,
    ld4,
    n_threads,
    prefetch,
    st,
    st4,
    team_barrier,
    thread,
)
from gruforecast.network.cuda import inference
from gruforecast.training.cuda import kernel as training
from tests.compiled import build, problems

FLOATS, NUMBERS = types.float32[::1], types.int64[::1]


@gpu_kernel
def all_primitives(source, out, arrivals, key):
    own = cuda.shared.array(0, np.float32, 16)
    me = thread()
    prefetch(source, 4 * (me + n_threads()))
    st4(own, 4 * me, ld4(source, 4 * me))
    barrier()
    a, b, c, d = ld4(own, 4 * ((me + 1) % n_threads()))
    value = mathematics.sigmoid(a) + mathematics.tanh(b) * mathematics.softplus(c)
    if mathematics.is_kept(mathematics.mixed(key, me), me, 1 << 52):
        value += mathematics.digamma(d)
    total = block_sum(value, own, 0)
    team_barrier(arrivals, 0, np.int64(cuda.gridDim.x), 0)
    if me == 0:
        st(out, block(), total)


# Every kernel that the package launches, and the types of its arguments.
KERNELS = [
    (all_primitives, types.void(FLOATS, FLOATS, NUMBERS, types.uint64)),
    (inference.predict_kernel, inference.SIGNATURE),
    (training.train_kernel, training.SIGNATURE),
]
# Bytes of a thread beyond none at all. What is spilled are places that loops over steps, batches
# and epochs hold; the loops of products, where the time goes, spill nothing (by nvdisasm).
ALLOWED = {
    "predict_kernel": {"stack": 384, "spill_stores": 400, "spill_loads": 768},
    "train_kernel": {"stack": 704, "spill_stores": 1152, "spill_loads": 2560},
}
KINDS = [(8, 0), (9, 0)]


@pytest.fixture(scope="module", autouse=True)
def libraries():
    for name in ("nvvm", "nvJitLink"):
        try:
            load_nvidia_dynamic_lib(name)
        except DynamicLibNotFoundError:
            pytest.skip(f"expected the library {name}; install the extra cuda")


def name_of(value):
    return getattr(value, "__name__", None) or "".join(map(str, value))


@pytest.mark.parametrize(
    ("kernel", "signature"), KERNELS, ids=[name_of(kernel) for kernel, _ in KERNELS]
)
@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_a_kernel_keeps_to_its_resources(kernel, signature, kind):
    name = name_of(kernel)
    made = build(kernel, signature, kind)
    assert made.arch.startswith(f"sm_{kind[0]}{kind[1]}")
    assert f".target {made.arch}" in made.ptx
    assert re.search(r"\.maxntid (\d+)", made.ptx)[1] == str(THREADS)
    assert not problems(made, np.prod(LAUNCH_BOUNDS), wide=True, **ALLOWED.get(name, {}))


class TestGates:
    """Each gate shuts."""

    def problems(self, kernel, *kinds, **options):
        return problems(build(kernel, types.void(*kinds), (8, 0)), THREADS, **options)

    def test_doubles(self):
        @gpu_kernel
        def kernel(out):
            st(out, thread(), ld(out, thread()) * 0.1)

        (problem,) = self.problems(kernel, FLOATS)
        assert problem.startswith("64-bit floats: expected none, got")

    def test_local_memory(self):
        @gpu_kernel
        def kernel(out, at):
            own = cuda.local.array(64, np.float32)
            for k in range(at):
                own[(k * at) & 63] = ld(out, k)
            st(out, thread(), own[at & 63])

        found = self.problems(kernel, FLOATS, types.int64)
        assert [problem.split(":")[0] for problem in found] == ["stack", "loads from local memory"]
        assert self.problems(kernel, FLOATS, types.int64, stack=256) == found[1:]

    def test_spills(self):
        numbers = range(150)
        lines = ["def kernel(out, n):"]
        lines += [f"    x{k} = ld(out, thread() + {k} * n)" for k in numbers]
        lines += ["    for k in range(n):"]
        lines += [f"        x{k} = x{k} * x{(7 * k + 3) % 150} + x{(k + 1) % 150}" for k in numbers]
        lines += [f"    st(out, thread() + {k} * n, x{k})" for k in numbers]
        names = dict(globals())
        exec("\n".join(lines), names)
        found = self.problems(gpu_kernel(names["kernel"]), FLOATS, types.int64)
        assert [problem.split(":")[0] for problem in found] == [
            "stack", "spill_stores", "spill_loads",
        ]  # fmt: skip

    def test_narrow_loads(self):
        @gpu_kernel
        def kernel(out):
            own = cuda.shared.array(THREADS, np.float32)
            st(own, thread(), ld(out, thread()))
            barrier()
            st(out, thread(), ld(own, (thread() + 1) % THREADS))

        assert self.problems(kernel, FLOATS, wide=True) == [
            "shared memory: expected an alignment of 16 bytes, got 4",
            "128-bit loads from shared memory: expected some, got none",
        ]

    def test_resources(self):
        made = build(*KERNELS[0], (8, 0))
        changed = {**vars(made), "registers": 129, "spill_stores": 8, "static_shared": 50_000}
        found = problems(type(made)(**changed), np.prod(LAUNCH_BOUNDS), spill_stores=4)
        assert found == [
            "spill_stores: expected at most 4 bytes, got 8",
            "registers: expected at most 128, got 129",
            "shared memory: expected at most 48 KiB, got 50000 bytes",
        ]


def test_the_current_device_is_as_before():
    before = dispatcher.get_current_device
    build(*KERNELS[0], (8, 0))
    assert dispatcher.get_current_device is before
