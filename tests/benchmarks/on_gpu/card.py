"""The machine: what it is called, its ceilings, and what compiling and launching cost."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from gruforecast.foundations.cuda.card import Card
from gruforecast.foundations.device import gpu_names
from gruforecast.network import Windows
from gruforecast.network.cuda.inference import SIGNATURE as PREDICT
from gruforecast.network.cuda.inference import predict_kernel
from gruforecast.training.cuda.kernel import SIGNATURE as TRAIN
from gruforecast.training.cuda.kernel import train_kernel
from tests.benchmarks.on_gpu import ours as ours
from tests.benchmarks.on_gpu.tasks import Emit, Setting, Size, in_words

PACKAGES = (
    "numpy", "scipy", "numba", "numba-cuda", "llvmlite", "cuda-core", "cuda-bindings", "torch",
    "triton", "torchrl", "scikit-learn", "pandas",
)  # fmt: skip
KERNELS = {"train": (train_kernel, TRAIN), "predict": (predict_kernel, PREDICT)}
QUERY = "name,driver_version,memory.total,clocks.max.sm"


def machine(setting: Setting, emit: Emit) -> None:
    """Names and versions."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    try:
        command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        name = told.stdout.strip().splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        name = "none, emulated" if setting.emulated else ", ".join(gpu_names()) or in_words(error)
    emit(
        "machine", gpu=name, python=platform.python_version(), versions=versions,
        cudnn=_of_torch(lambda torch: torch.backends.cudnn.version()),
        cuda_of_torch=_of_torch(lambda torch: torch.version.cuda),
    )  # fmt: skip


def _of_torch(ask: Callable[[Any], Any]) -> Any:
    try:
        import torch

        return ask(torch)
    except Exception as error:
        return in_words(error)


def compiling(setting: Setting, emit: Emit) -> None:
    """Both kernels from their source, and what a thread of them needs."""
    if setting.emulated:
        emit("without", what="compiling", who="compiling", reason="kernels run as Python")
        return
    card = Card(0)
    for name, (kernel, signature) in KERNELS.items():
        kernel._cache.load_overload = lambda sig, context: None  # as if none were on disk
        try:
            start = time.perf_counter()
            limit = card.prepare(kernel, signature)
            cold = time.perf_counter() - start
        finally:
            del kernel._cache.load_overload
        (compiled,) = kernel.overloads.values()
        emit(
            "kernel", name=name, cold_s=cold, registers=compiled.regs_per_thread,
            local_bytes=compiled.local_mem_per_thread, dynamic_limit=limit,
            static_bytes=compiled.shared_mem_per_block,
            at_once={kb: card.n_at_once(kernel, signature, kb << 10) for kb in (16, 64, 100, 200)},
            multiprocessors=card.n_multiprocessors,
        )  # fmt: skip


def from_disk(setting: Setting, emit: Emit) -> None:
    """Both kernels in a fresh process that finds them on disk."""
    if setting.emulated:
        emit("without", what="compiling", who="compiling", reason="kernels run as Python")
        return
    command = [sys.executable, "-c", f"import {__name__} as card; card.report_loading()"]
    root = Path(__file__).resolve().parents[2]
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=50, check=True, cwd=root
    )  # fmt: skip
    emit("loading", **json.loads(told.stdout.strip().splitlines()[-1]))


def report_loading() -> None:
    """Seconds until each kernel can be launched."""
    start = time.perf_counter()
    card = Card(0)
    taken = {"context": time.perf_counter() - start}
    for name, (kernel, signature) in KERNELS.items():
        start = time.perf_counter()
        card.prepare(kernel, signature)
        taken[name] = time.perf_counter() - start
        taken[f"{name}_hit"] = float(sum(kernel._cache_hits.values()))
    print(json.dumps(taken))


def ceilings(setting: Setting, emit: Emit) -> None:
    """Rates of the float32 matrix product and of a copy within the memory, by PyTorch."""
    import torch

    from tests.benchmarks.on_gpu.peers import use_tf32, wait

    device, n = setting.torch_device, 64 if setting.emulated else 8192
    a, b = (torch.randn(n, n, device=device) for _ in range(2))
    out = torch.empty_like(a)
    for name, tf32 in (("float32 product", False), ("tf32 product", True)):
        use_tf32(tf32)
        taken = _median(lambda: torch.mm(a, b, out=out), lambda: wait(device))
        emit("ceiling", what=name, value=2.0 * n**3 / taken / 1e9, unit="GFLOP/s")
    use_tf32(False)
    source = torch.randn(1 << (10 if setting.emulated else 28), device=device)
    target = torch.empty_like(source)
    taken = _median(lambda: target.copy_(source), lambda: wait(device))
    emit("ceiling", what="copy", value=2 * source.nbytes / taken / 1e9, unit="GB/s")


def _median(work: Callable[[], Any], wait: Callable[[], None], n: int = 5) -> float:
    """Seconds of a call, of nine rounds with n calls each."""
    taken = []
    for number in range(10):
        wait()
        start = time.perf_counter()
        for _ in range(n):
            work()
        wait()
        if number:
            taken.append((time.perf_counter() - start) / n)
    return median(taken)


def overhead(setting: Setting, emit: Emit) -> None:
    """The smallest prediction: the whole call, and its launch."""
    size = Size(1, 1, 1, 4)
    network, windows = ours.make_network(size), Windows(ours.make_series(size, 2), [0], 1)
    whole, launch = [], []
    for _ in range(2 if setting.emulated else 50):
        ours.LAUNCHES.clear()
        start = time.perf_counter()
        network.predict(windows, device="cuda")
        whole.append(time.perf_counter() - start)
        launch.append(ours.LAUNCHES[0].seconds)
    emit("overhead", call_us=1e6 * median(whole), launch_us=1e6 * median(launch))
