"""What a report of a problem should say: versions, machine, threads, BLAS, cache, settings."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from llvmlite import binding

import gruforecast
from gruforecast.diagnostics.cache import cache_info, shorten
from gruforecast.foundations.device import gpu_names, has_compiler
from gruforecast.foundations.threads import available_threads, blas_controller

LIBRARIES = (
    "numpy", "scipy", "numba", "llvmlite", "pandas", "scikit-learn", "threadpoolctl", "joblib",
    "rich",
)  # fmt: skip
OPTIONAL = ("matplotlib", "pyarrow", "numba-cuda")
PREFIXES = ("NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "BLIS_", "GOTO_", "CUDA_")
VARIABLES = ("VECLIB_MAXIMUM_THREADS", "LOKY_MAX_CPU_COUNT", "XDG_CACHE_HOME", "LOCALAPPDATA")


def system_info() -> dict[str, Any]:
    """Versions, machine, threads, BLAS, the cache and settings, as plain values.

    The home folder is shown as ``~``, wherever it occurs.

    Returns
    -------
    dict
        Of sections, each a dict of strings, numbers, flags and None.

    Examples
    --------
    >>> from gruforecast.diagnostics.report import system_info
    >>> list(system_info())
    ['versions', 'machine', 'blas', 'device', 'cache', 'environment']
    """
    return {
        "versions": _versions(),
        "machine": _machine(),
        "blas": _blas(),
        "device": {"cpu": "used", "cuda": _cuda()},
        "cache": _cache(),
        "environment": _environment(),
    }


def info_lines(info: Mapping[str, Any]) -> list[str]:
    """The same as text: names of a section indented below it, values in a column of their own."""
    width = max(len(name) for section in info.values() for name in section) + 2
    return [line for title, section in info.items() for line in _section(title, section, width)]


def _section(title: str, section: Mapping[str, Any], width: int) -> Iterator[str]:
    yield title
    for name, value in section.items():
        yield f"  {name:<{width}}{_text(value)}"
    if not section:
        yield "  none"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def _versions() -> dict[str, str | None]:
    """Of Python and of what is installed; nothing is imported for it."""
    found: dict[str, str | None] = {"gruforecast": gruforecast.__version__}
    found["python"] = platform.python_version()
    for name in (*LIBRARIES, *OPTIONAL):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _machine() -> dict[str, Any]:
    usable = available_threads()
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "compiled for": binding.get_host_cpu_name(),
        "cores": os.cpu_count(),
        "cores usable": usable,
        "threads with n_jobs=None": usable,
    }


def _processor() -> str:
    """The name on the box, where the system tells; else the kind of machine."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _blas() -> dict[str, dict[str, Any]]:
    """Each BLAS library that is loaded, by the name of its file."""
    libraries = blas_controller().info()
    used = _used_by_kernels([info["filepath"] for info in libraries])
    return {
        Path(info["filepath"]).name: {
            "kind": info["internal_api"],
            "version": info["version"],
            "threads": info["num_threads"],
            "called by the kernels": info["filepath"] == used if used else "not known",
        }
        for info in libraries
    }


def _used_by_kernels(paths: list[str]) -> str | None:
    """The file that SciPy's products come from: its own where it brings one, or the only one."""
    own = [path for path in paths if {"scipy", "scipy.libs"} & {*Path(path).parts}]
    candidates = own or paths
    return candidates[0] if len(candidates) == 1 else None


def _cuda() -> str | None:
    """The GPUs that the driver shows, and what is missing to use them."""
    names = [f"cuda:{number} {name}" for number, name in enumerate(gpu_names())]
    if names and not has_compiler():
        names.append("not usable without pip install 'gruforecast[cuda]'")
    return ", ".join(names) or None


def _cache() -> dict[str, Any]:
    info = cache_info()
    return {
        "folder": None if info.folder is None else shorten(info.folder),
        "files": info.n_files,
        "megabytes": round(info.n_bytes / 1e6, 1),
        "writable": info.writable,
        "source stamp": info.source_stamp,
    }


def _environment() -> dict[str, str]:
    """The variables that are set and may change what happens."""
    return {
        name: shorten(value)
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIXES) or name in VARIABLES
    }
