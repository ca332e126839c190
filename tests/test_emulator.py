"""The emulator finds what a GPU would not tell, and primitives and scalar functions are right."""

import sys

import numpy as np
import pytest
from scipy import special

if not sys.platform.startswith("linux"):
    pytest.skip("kernels for a GPU are tested on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("greenlet", reason="expected greenlet; install the extra test")

from numba import cuda

from gruforecast.foundations.cuda import mathematics
from gruforecast.foundations.cuda.jit import gpu_kernel, gpu_part, on_gpu
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
    take_number,
    team_barrier,
    thread,
)
from gruforecast.foundations.jit import part
from gruforecast.foundations.mathematics import sigmoid
from gruforecast.foundations.random import derive_key, uniform
from tests.emulator import launch
from tests.twins import KernelError

SEEDS = range(5)


@part
def of_the_cpu(x):
    value = sigmoid(x)
    return value * value


square_of_sigmoid = on_gpu(of_the_cpu)


@gpu_kernel
def sum_of_blocks(source, sums):
    scratch = cuda.shared.array(0, np.float32, 16)
    total = block_sum(ld(source, block() * n_threads() + thread()), scratch, 0)
    if thread() == 0:
        st(sums, block(), total)


@gpu_kernel
def left_neighbour(source, out, waits):
    scratch = cuda.shared.array(0, np.float32, 16)
    me, n = thread(), n_threads()
    st(scratch, me, ld(source, me))
    if waits:
        barrier()
    st(out, me, ld(scratch, (me + n - 1) % n))


@gpu_kernel
def other_block(arrivals, source, between, out, waits):
    """Each round, a block reads what another one wrote in the round before."""
    n_blocks, n_met = np.int64(cuda.gridDim.x), 0
    me = thread()
    st(between, block() * n_threads() + me, ld(source, block() * n_threads() + me))
    for _ in range(4):
        if waits:
            n_met = team_barrier(arrivals, 0, n_blocks, n_met)
        value = ld(between, (block() + 1) % n_blocks * n_threads() + me)
        if waits:
            n_met = team_barrier(arrivals, 0, n_blocks, n_met)
        st(between, block() * n_threads() + me, value)
    st(out, block() * n_threads() + me, value)


class TestBarriers:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_sums_over_the_threads_of_a_block(self, seed):
        source = np.random.default_rng(seed).normal(size=24)
        sums = np.zeros(3)
        launch(sum_of_blocks, 3, 8, source, sums, shared=8, real=np.float64, seed=seed)
        np.testing.assert_allclose(sums, source.reshape(3, 8).sum(1), rtol=1e-12)

    def test_a_missing_barrier_shows(self):
        source = np.arange(8.0)
        for seed in SEEDS:
            with_it, without = np.empty((2, 8))
            launch(left_neighbour, 1, 8, source, with_it, True, shared=8, real=float, seed=seed)
            launch(left_neighbour, 1, 8, source, without, False, shared=8, real=float, seed=seed)
            np.testing.assert_array_equal(with_it, np.roll(source, 1))
            assert np.isnan(without).any()

    def test_blocks_wait_for_each_other(self):
        source = np.arange(24.0).reshape(3, 8)
        wrong = 0
        for seed in SEEDS:
            for waits in (True, False):
                arrivals, between, out = np.zeros(1, np.int64), np.zeros(24), np.empty(24)
                arrays = arrivals, source.ravel(), between, out
                launch(other_block, 3, 8, *arrays, waits, real=float, seed=seed)
                if waits:
                    np.testing.assert_array_equal(out, np.roll(source, -4, 0).ravel())
                    assert arrivals[0] == 3 * 8
                wrong += not (waits or np.array_equal(out, np.roll(source, -4, 0).ravel()))
        assert wrong == len(SEEDS)

    def test_different_barriers_are_told(self):
        @gpu_kernel
        def kernel(out):
            if thread() < 3:
                barrier()
            else:
                barrier()

        with pytest.raises(
            KernelError, match=r"same barrier, got .*kernel:\d+ > barrier:\d+ .* and"
        ):
            launch(kernel, 1, 8, np.zeros(1))

    def test_ended_threads_are_told(self):
        @gpu_kernel
        def kernel(out):
            if thread() < 6:
                barrier()

        with pytest.raises(KernelError, match="expected all threads at the barrier, got 2 that"):
            launch(kernel, 1, 8, np.zeros(1))

    def test_blocks_that_wait_for_ever_are_told(self):
        @gpu_kernel
        def kernel(arrivals):
            if block() > 0:
                team_barrier(arrivals, 0, 3, 0)

        with pytest.raises(KernelError, match="only sleep: thread 0 of block .* > team_barrier"):
            launch(kernel, 3, 8, np.zeros(1, np.int64))


class TestPlaces:
    @pytest.mark.parametrize("at", [-1, 8])
    @pytest.mark.parametrize("name", ["ld", "st", "prefetch", "add"])
    def test_outside_of_an_array(self, name, at):
        @gpu_kernel
        def reads(array, at):
            ld(array, at)

        @gpu_kernel
        def writes(array, at):
            st(array, at, 1.0)

        @gpu_kernel
        def asks(array, at):
            prefetch(array, at)

        @gpu_kernel
        def adds(array, at):
            take_number(array, at)

        kernel = {"ld": reads, "st": writes, "prefetch": asks, "add": adds}[name]
        with pytest.raises(KernelError, match=rf"s:\d+.*: expected a place from 0 to 7, got {at}"):
            launch(kernel, 1, 1, np.zeros(8), at)

    @pytest.mark.parametrize(("at", "message"), [(2, "a multiple of 4"), (8, "from 0 to 4")])
    def test_four_at_a_time(self, at, message):
        @gpu_kernel
        def reads(array, at):
            ld4(array, at)

        @gpu_kernel
        def writes(array, at):
            st4(array, at, (1.0, 2.0, 3.0, 4.0))

        for kernel in (reads, writes):
            with pytest.raises(KernelError, match=f"expected .*{message}, got {at}"):
                launch(kernel, 1, 1, np.zeros(8), at)

    def test_the_thread_is_named(self):
        @gpu_kernel
        def kernel(array):
            ld(array, thread())

        with pytest.raises(KernelError, match="got 4; correct the offset") as caught:
            launch(kernel, 1, 5, np.zeros(4))
        assert caught.value.__notes__ == ["in thread 4 of block 0"]

    def test_an_intrinsic_without_a_twin(self):
        @cuda.extending.intrinsic
        def unknown(typing_context, array):
            return None

        @gpu_kernel
        def kernel(array):
            unknown(array)

        with pytest.raises(KernelError, match="expected a twin, got none"):
            launch(kernel, 1, 1, np.zeros(1))

    def test_strided_arrays_are_refused(self):
        with pytest.raises(KernelError, match="argument 1: expected a contiguous array"):
            launch(sum_of_blocks, 1, 8, np.zeros(8), np.zeros(4)[::2])


@pytest.mark.parametrize("real", [np.float32, np.float64])
class TestPrimitives:
    def test_reading_and_writing(self, real):
        @gpu_kernel
        def kernel(source, out):
            own = cuda.shared.array(8, np.float32, 16)
            if thread() == 0:
                a, b, c, d = ld4(source, 4)
                st4(own, 4, (d, c, b, a))
                st(own, 1, ld(source, 0))
                for k in range(8):
                    st(out, k, ld(own, k))

        source, out = np.arange(8, dtype=real), np.empty(8, real)
        launch(kernel, 1, 2, source, out, real=real)
        np.testing.assert_array_equal(out, [np.nan, 0, np.nan, np.nan, 7, 6, 5, 4])

    def test_each_takes_another_number(self, real):
        @gpu_kernel
        def kernel(counter, taken):
            st(taken, block() * n_threads() + thread(), take_number(counter, 1))

        counter, taken = np.zeros(2, np.int64), np.empty(24, np.int64)
        launch(kernel, 3, 8, counter, taken, real=real)
        assert sorted(taken) == list(range(24))
        assert list(counter) == [0, 24]

    def test_floats_keep_their_type(self, real):
        seen = []

        @gpu_part
        def note(value):
            seen.append(type(value))
            return value

        @gpu_kernel
        def kernel(source, scale):
            x = note(np.float32(3) * ld(source, 0))
            note(mathematics.sigmoid(x))
            note(mathematics.digamma(x))
            note(square_of_sigmoid(x))
            note(block_sum(x, source, 0))

        launch(kernel, 1, 1, np.ones(1, real), real(2), real=real)
        assert seen == [real] * 5


@gpu_kernel
def apply_all(source, out):
    x = ld(source, block())
    st(out, 5 * block(), mathematics.sigmoid(x))
    st(out, 5 * block() + 1, mathematics.tanh(x))
    st(out, 5 * block() + 2, mathematics.softplus(x))
    st(out, 5 * block() + 3, mathematics.digamma(abs(x)))
    st(out, 5 * block() + 4, square_of_sigmoid(x))


class TestMathematics:
    def test_functions_equal_those_of_scipy(self):
        x = np.concatenate([np.linspace(-9, 9, 40), [-90.0, -15.0, 15.0, 90.0]])
        share = special.expit(x)
        expected = [share, np.tanh(x), np.logaddexp(0, x), special.digamma(abs(x)), share**2]
        for real, tolerance in ((np.float64, 1e-11), (np.float32, 2e-6)):
            out = np.empty((len(x), 5), real)
            launch(apply_all, len(x), 1, x.astype(real), out.ravel(), real=real)
            np.testing.assert_allclose(out.T, expected, rtol=tolerance, atol=tolerance)

    def test_keys_equal_those_of_the_cpu(self):
        @gpu_kernel
        def kernel(numbers, keys):
            key = np.uint64(0)
            for k in range(3):
                key = mathematics.mixed(key, ld(numbers, 3 * block() + k))
            st(keys, block(), key)

        numbers = np.random.default_rng(0).integers(0, 1 << 62, (20, 3))
        keys = np.empty(20, np.uint64)
        launch(kernel, 20, 1, numbers.ravel(), keys)
        assert list(keys) == [derive_key(*map(int, row)) for row in numbers]

    @pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
    def test_dropout_keeps_what_the_cpu_keeps(self, rate):
        @gpu_kernel
        def kernel(key, threshold, kept):
            st(kept, block(), mathematics.is_kept(key, block(), threshold))

        key, kept = derive_key(3, 4), np.empty(300, np.bool_)
        launch(kernel, 300, 1, key, int(np.ceil(rate * 2.0**53)), kept)
        assert list(kept) == [uniform(key, k) >= rate for k in range(300)]
