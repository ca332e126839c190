"""What the host does with a GPU, as far as it shows without one."""

import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("GPUs are used on Linux", allow_module_level=True)
pytest.importorskip("numba_cuda", reason="expected numba-cuda; install the extra cuda")
pytest.importorskip("cuda.bindings.nvvm", reason="expected cuda-toolkit; install the extra cuda")

from numba import cuda
from numba.cuda import codegen, dispatcher, types

from gruforecast.foundations import jit
from gruforecast.foundations.cuda import card
from gruforecast.foundations.cuda.jit import KernelCache, gpu_kernel
from gruforecast.foundations.cuda.primitives import block, block_sum, ld, n_threads, st, thread
from tests.compiled import device_of
from tests.emulator import EmulatedCard
from tests.twins import KernelError

SIGNATURE = types.void(types.float32[::1])


def double(array):
    st(array, thread(), ld(array, thread()) * np.float32(2))


@pytest.fixture
def device(monkeypatch):
    """Compile as if a GPU were there, up to the moment at which a kernel is loaded."""
    kind = [(9, 0)]
    monkeypatch.setattr(codegen.CUDACodeLibrary, "_ensure_cc", lambda self, cc: cc or kind[0])
    monkeypatch.setattr(codegen.JITCUDACodegen, "magic_tuple", lambda self: tuple(kind))
    monkeypatch.setattr(dispatcher._Kernel, "bind", lambda self: self.library.get_cubin())
    with device_of(kind[0]):
        yield kind


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "cache_folder", lambda: tmp_path)
    return tmp_path


def kernel_of_the_package():
    kernel = gpu_kernel(double)
    kernel._cache._is_covered = True
    return kernel


class TestCache:
    def test_a_kernel_is_compiled_once(self, device, folder, monkeypatch):
        first = kernel_of_the_package()
        made = first.compile(SIGNATURE)
        (path,) = folder.iterdir()
        assert path.name.startswith("tests.test_card.double-")
        assert path.suffix == ".nbc"

        monkeypatch.setattr(dispatcher._Kernel, "__init__", None)  # nothing compiles any more
        read = kernel_of_the_package().compile((types.float32[::1],))
        assert read.library.get_cubin().code == made.library.get_cubin().code
        assert read.argument_types == made.argument_types

    def test_another_kind_of_gpu_has_its_own(self, device, folder):
        kernel_of_the_package().compile(SIGNATURE)
        device[0] = (8, 0)
        kernel_of_the_package().compile(SIGNATURE)
        assert len(list(folder.iterdir())) == 2

    def test_damage_is_no_error(self, device, folder):
        kernel_of_the_package().compile(SIGNATURE)
        (path,) = folder.iterdir()
        whole = path.read_bytes()
        path.write_bytes(whole[:100])
        assert kernel_of_the_package().compile(SIGNATURE)
        assert len(path.read_bytes()) == len(whole)

    @pytest.mark.parametrize("where", [None, "missing"])
    def test_nowhere_to_write(self, device, tmp_path, monkeypatch, where):
        monkeypatch.setattr(jit, "cache_folder", lambda: where and tmp_path / where)
        assert kernel_of_the_package().compile(SIGNATURE)
        assert not list(tmp_path.iterdir())

    def test_only_kernels_of_the_package_are_kept(self, device, folder):
        assert gpu_kernel(double).compile(SIGNATURE)
        assert not list(folder.iterdir())
        assert KernelCache(double).cache_path == str(folder)


class TestSharedMemory:
    """A limit is raised where the driver lets it, and stays what every kernel has elsewhere."""

    def allowed(self, monkeypatch, shared_limit, call):
        monkeypatch.setattr(card.driver, "driver", SimpleNamespace(cuKernelSetAttribute=call))
        function = SimpleNamespace(
            attrs=SimpleNamespace(shared=1024), handle="handle", device=SimpleNamespace(id=3)
        )
        one = card.Card.__new__(card.Card)
        one.shared_limit = shared_limit
        library = SimpleNamespace(get_cufunc=lambda: function)
        return one._allow_shared_memory(SimpleNamespace(library=library))

    def test_more_by_permission(self, monkeypatch):
        calls = []
        allowed = self.allowed(monkeypatch, 232_448, lambda *given: calls.append(given))
        assert allowed == 232_448 - 1024
        ((attribute, value, handle, number),) = calls
        assert attribute.name == "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"
        assert (value, handle, number) == (allowed, "handle", 3)

    def test_a_refusal(self, monkeypatch):
        def refuse(*given):
            raise card.driver.CudaAPIError(801, "CUDA_ERROR_NOT_SUPPORTED")

        assert self.allowed(monkeypatch, 232_448, refuse) == 47 * 1024

    def test_a_card_without_more(self, monkeypatch):
        assert self.allowed(monkeypatch, 48 * 1024, None) == 47 * 1024


def test_a_launch_on_few_blocks_warns_of_nothing(monkeypatch):
    launched = []
    monkeypatch.setattr(card.driver, "_to_core_stream", lambda stream: stream)
    one = card.Card.__new__(card.Card)
    one._device = warnings.catch_warnings()
    kernel = SimpleNamespace(call=lambda arguments, launch: launched.append((arguments, launch)))
    one.launch(kernel, 3, "array", 4, shared_bytes=512)
    ((arguments, launch),) = launched
    assert arguments == ("array", 4)
    assert (launch.griddim, launch.blockdim, launch.sharedmem) == ((3, 1, 1), (256, 1, 1), 512)
    assert cuda.cudadrv.driver.config.CUDA_LOW_OCCUPANCY_WARNINGS


def test_the_emulated_card_has_the_same_methods():
    names = {name for name in vars(card.Card) if not name.startswith("_")}
    names |= {"number", "n_multiprocessors", "shared_limit"}
    assert names <= set(vars(EmulatedCard)) | set(vars(EmulatedCard()))
    assert EmulatedCard().real == card.Card.real


@gpu_kernel
def sums_of_blocks(source, sums):
    scratch = cuda.shared.array(0, np.float32, 16)
    total = block_sum(ld(source, block() * n_threads() + thread()), scratch, 0)
    if thread() == 0:
        st(sums, block(), total)


class TestEmulatedCard:
    SIGNATURE = types.void(types.float32[::1], types.float32[::1])

    @pytest.mark.parametrize("real", [np.float32, np.float64])
    def test_a_launch(self, real):
        card = EmulatedCard(real=real)
        source, sums = card.send(np.arange(16, dtype=np.float32)), card.zeros(2, np.float32)
        assert card.prepare(sums_of_blocks, self.SIGNATURE) == 48 * 1024
        assert card.n_at_once(sums_of_blocks, self.SIGNATURE) == 4
        card.launch(sums_of_blocks, 2, source, sums, shared_bytes=8 * card.real.itemsize)
        card.synchronize()
        assert card.receive(sums).dtype == real
        np.testing.assert_array_equal(card.receive(sums), [28, 92])
        np.testing.assert_array_equal(card.receive(sums, 1), [92])

    def test_what_a_gpu_would_refuse(self):
        card = EmulatedCard(shared_limit=100)
        source, sums = card.send(np.zeros(8, np.float32)), card.zeros(1, np.float64)
        with pytest.raises(KernelError, match="expected at most 100 bytes, got 104"):
            card.launch(sums_of_blocks, 1, source, source, shared_bytes=104)
        with pytest.raises(KernelError, match="expected arrays of the card, got one of the host"):
            card.launch(sums_of_blocks, 1, source, np.zeros(1, np.float32))
        card.prepare(sums_of_blocks, self.SIGNATURE)
        with pytest.raises(KernelError, match="match the signature"):
            card.launch(sums_of_blocks, 1, source, sums)
