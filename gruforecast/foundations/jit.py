"""How kernels are compiled: the one place where Numba's options and the disk cache are set.

``@kernel`` compiles a module-level function that Python calls, ``@brief_kernel`` one that takes a
few microseconds, ``@part`` one that only kernels call; ``@kernel_overload(f)`` gives ``f`` an
implementation chosen by the types of its arguments. Kernels are serial and release the GIL, but
for the brief ones: parallel work runs on the package's own threads (``foundations.threads``).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import platform
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba import njit
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.extending import overload

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
MONTH = 30 * 24 * 3600.0

# No "nnan" and "ninf": with them isnan lies and a NaN in the data would be swallowed.
# error_model="numpy": a division that checks for zero keeps a loop from vectorising.
OPTIONS: dict[str, Any] = {
    "nogil": True,
    "no_cfunc_wrapper": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "arcp", "nsz", "afn"},
}
MERGED = {"no_cpython_wrapper": True, "forceinline": True}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a module-level function lazily, keeping the machine code on disk."""
    dispatcher = njit(**OPTIONS)(function)
    dispatcher._cache = DiskCache(function)
    return dispatcher


def brief_kernel(function: Callable[..., Any]) -> Any:
    """A kernel of a few microseconds: it keeps the GIL, as waiting to get it back takes longer."""
    dispatcher = njit(**{**OPTIONS, "nogil": False})(function)
    dispatcher._cache = DiskCache(function)
    return dispatcher


def part(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call: without the wrapper for Python it costs less.

    It is merged into each kernel. As a function of its own it would exist twice, compiled alone and
    compiled with the kernel, with other last bits; which of the two runs would depend on whether
    the kernel was just compiled or came from the disk.
    """
    dispatcher = njit(**OPTIONS, **MERGED)(function)
    dispatcher._cache = DiskCache(function)
    return dispatcher


def routine(function: Callable[..., Any]) -> Any:
    """A part without arithmetic on floats of its own: merging it would only cost time."""
    dispatcher = njit(**OPTIONS, no_cpython_wrapper=True)(function)
    dispatcher._cache = DiskCache(function)
    return dispatcher


def kernel_overload(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register an implementation of ``function`` for kernels, chosen by argument types."""
    return overload(function, jit_options={**OPTIONS, "forceinline": True})  # type: ignore[no-any-return]


class DiskCache(NullCache):  # type: ignore[misc]  # Numba has no types
    """Machine code on disk, one file per function, signature, processor and package source.

    Numba's own cache does not see an edit in another file and may mix up two processes that
    compile at once; here the name of a file says everything that its content depends on.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        # The stamp covers the package's source, not what is written elsewhere or closed over.
        in_package = Path(function.__code__.co_filename).resolve().is_relative_to(PACKAGE_ROOT)
        self._is_covered = in_package and function.__closure__ is None

    @property
    def cache_path(self) -> str | None:
        folder = cache_folder()
        return None if folder is None else str(folder)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function of a signature, or None when it is not on disk."""
        path = self._path(sig, target_context)
        if path is None:
            return None
        target_context.refresh()
        try:
            return CompileResult._rebuild(target_context, *pickle.loads(path.read_bytes()))
        except Exception:  # not there, unreadable or damaged: compile, and write it anew
            return None

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Write the compiled function of a signature; a full or read-only disk is no error."""
        path = self._path(sig, cres.target_context)
        if path is None or cres.library.has_dynamic_globals:
            return
        unfinished = path.with_suffix(f".{uuid.uuid4().hex}")
        with contextlib.suppress(OSError):
            unfinished.write_bytes(dumps(cres._reduce()))
            os.replace(unfinished, path)

    def _path(self, sig: Any, target_context: Any) -> Path | None:
        folder = cache_folder()
        if folder is None or not self._is_covered:
            return None
        key = repr((sig, target_context.codegen().magic_tuple()))
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        return folder / f"{self._name.removeprefix('gruforecast.')}-{digest}.nbc"


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """The first folder that can be written: NUMBA_CACHE_DIR, checkout, user cache, temporary."""
    for base in _cache_candidates():
        folder = base / source_stamp()
        try:
            base.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not folder.exists():
                _remove_old_folders(base)
                folder.mkdir(exist_ok=True, mode=0o700)
            if not (_is_private(base) and _is_private(folder)):
                continue
            tempfile.TemporaryFile(dir=folder).close()
            os.utime(folder)  # in use: other installations share the user's cache folder
        except OSError:
            continue
        return folder
    return None


def _is_private(folder: Path) -> bool:
    """Cached code is executed: never trust a folder that somebody else owns or can write to."""
    if not hasattr(os, "getuid"):
        return True
    status = folder.lstat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _remove_old_folders(base: Path) -> None:
    """Machine code of sources that nobody has used for a month."""
    for folder in base.iterdir():
        if time.time() - folder.lstat().st_mtime > MONTH:
            shutil.rmtree(folder, ignore_errors=True)


def _cache_candidates() -> Iterator[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen) / "gruforecast"
    if _is_checkout():
        yield PACKAGE_ROOT / "__pycache__" / "kernels"
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    with contextlib.suppress(RuntimeError):
        yield (Path(home) if home else Path.home() / ".cache") / "gruforecast"
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    yield Path(tempfile.gettempdir()) / f"gruforecast-{user}"


def _is_checkout() -> bool:
    """Whether the package runs from its source tree, whose folders no installer looks after.

    Of an installed package pip removes the files that it brought. A folder with others would stay
    behind, and Python takes a folder without code for an empty package of that name.
    """
    return (PACKAGE_ROOT.parent / "pyproject.toml").exists()


@lru_cache(maxsize=1)
def source_stamp() -> str:
    """A hash of the package's source and of the versions that the machine code depends on."""
    versions = (numba.__version__, llvmlite.__version__, sys.version, platform.machine())
    digest = hashlib.sha256(repr(versions).encode())
    for path in sorted(PACKAGE_ROOT.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE_ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
