"""What is known of the folder that keeps compiled kernels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from gruforecast.foundations import jit


class CacheInfo(NamedTuple):
    """The folder that keeps compiled kernels; None where no folder can be written."""

    folder: Path | None
    n_files: int
    n_bytes: int
    writable: bool
    source_stamp: str

    def __repr__(self) -> str:
        where = "no folder" if self.folder is None else repr(shorten(self.folder))
        state = "writable" if self.writable else "not writable"
        return (
            f"CacheInfo({where}, {self.n_files} files, {self.n_bytes / 1e6:.1f} MB, {state}, "
            f"source {self.source_stamp})"
        )


def cache_info() -> CacheInfo:
    """The folder that keeps compiled kernels, and what is in it.

    Kernels are compiled when they are needed for the first time, and kept in the first of these
    folders that can be written: ``NUMBA_CACHE_DIR``, that of a source tree, the user's cache
    folder, the temporary folder. Deleting the folder costs nothing but the time to compile.

    Returns
    -------
    CacheInfo
        A tuple with names: ``folder`` (None where none can be written), ``n_files``, ``n_bytes``,
        ``writable``, and ``source_stamp``, which stands for the package's source and the
        versions that the machine code depends on.

    Examples
    --------
    >>> import gruforecast
    >>> gruforecast.cache_info().writable
    True
    """
    folder = jit.cache_folder()
    sizes = [] if folder is None else _sizes(folder)
    writable = folder is not None and os.access(folder, os.W_OK)
    return CacheInfo(folder, len(sizes), sum(sizes), writable, jit.source_stamp())


def _sizes(folder: Path) -> list[int]:
    """Bytes of each file; another process may be about to remove one."""
    sizes = []
    for path in folder.glob("*.nbc"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            continue
    return sizes


def shorten(path: Path | str) -> str:
    """Text as it may be shown to others: the home folder as ~."""
    try:
        home = str(Path.home())
    except RuntimeError:  # nobody is at home
        return str(path)
    return str(path).replace(home, "~") if len(home) > 1 else str(path)
