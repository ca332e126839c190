"""Names of devices, and which of them this machine has; nothing is loaded but the driver."""

from __future__ import annotations

import ctypes
import re
import sys
from importlib.util import find_spec
from typing import Any

LEAST_CAPABILITY = 7.5  # that the compiler of CUDA 13 knows
_CAPABILITY = (75, 76)  # numbers of the driver's attributes: before and after the dot
_NAME = re.compile(r"cpu|auto|cuda(?::([0-9]+))?")


class DeviceError(RuntimeError):
    """A device that this machine has not, or cannot use."""


def check_device(name: str, value: Any) -> str:
    """The name of a device, whether or not this machine has it."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return str(value)
    raise ValueError(
        f"{name}: expected 'cpu', 'cuda', 'cuda:N' with the number of a GPU, or 'auto', got "
        f"{value!r}; choose one of them."
    )


def resolve_device(value: str) -> int | None:
    """The number of the GPU that a name stands for; None for the CPU.

    "auto" is the first GPU that can be used, or else the CPU.
    """
    check_device("device", value)
    if value == "cpu":
        return None
    n_gpus = count_gpus()
    if value == "auto":
        return 0 if n_gpus and has_compiler() and capability(0) >= LEAST_CAPABILITY else None
    if not n_gpus:
        raise DeviceError(
            f"device: expected an NVIDIA GPU for {value!r}, got none; check that nvidia-smi lists "
            f"one and run pip install 'gruforecast[cuda]', or set device='cpu'."
        )
    if not has_compiler():
        raise DeviceError(
            f"device: expected the package numba-cuda for {value!r}, got none; run "
            f"pip install 'gruforecast[cuda]' ('gruforecast[cuda12]' for a driver of CUDA 12)."
        )
    number = int(value.partition(":")[2] or 0)
    if number >= n_gpus:
        has = "one GPU, 'cuda:0'" if n_gpus == 1 else f"GPUs 'cuda:0' to 'cuda:{n_gpus - 1}'"
        raise DeviceError(
            f"device: expected a GPU that this machine has, got {value!r} where there "
            f"{'is' if n_gpus == 1 else 'are'} {has}; choose a number below {n_gpus}."
        )
    if capability(number) < LEAST_CAPABILITY:
        raise DeviceError(
            f"device: expected a GPU of compute capability {LEAST_CAPABILITY} or more, got "
            f"{value!r} of {capability(number)}; choose another one or set device='cpu'."
        )
    return number


def has_compiler() -> bool:
    """Whether the package is installed that compiles kernels for a GPU."""
    return find_spec("numba_cuda") is not None


def count_gpus() -> int:
    """How many GPUs the driver shows to this process.

    Nothing is remembered: a forked process has none of those that its parent has used.
    """
    driver, count = _driver(), ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def capability(number: int) -> float:
    """What a GPU can do, as NVIDIA numbers it: 7.0 is Volta, 9.0 Hopper; 0 where none says."""
    driver, digits = _driver(), [ctypes.c_int(0), ctypes.c_int(0)]
    for attribute, digit in zip(_CAPABILITY, digits, strict=True):
        if driver is None or driver.cuDeviceGetAttribute(ctypes.byref(digit), attribute, number):
            return 0.0
    return digits[0].value + digits[1].value / 10


def gpu_names() -> list[str]:
    """What the GPUs are called."""
    driver, names = _driver(), []
    for number in range(count_gpus()):
        text = ctypes.create_string_buffer(256)
        driver.cuDeviceGetName(text, len(text), number)
        names.append(text.value.decode(errors="replace"))
    return names


def _driver() -> Any:
    """NVIDIA's driver, ready to be asked; None where there is none that works."""
    try:
        if sys.platform == "win32":
            driver = ctypes.WinDLL("nvcuda.dll")
        else:
            driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return None if driver.cuInit(0) else driver
