"""What is compared: a module for each contender, with four functions.

``installed()`` describes the version, or is None; ``limits_threads()`` says whether a process can
be told to use one thread; ``step(workload, threads)`` and ``predict(workload, threads, rows)``
are blocks that yield the work to be measured. A library is loaded inside them alone, by name, so
that nothing here depends on what is installed.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

SUBJECT, PRODUCT = "gruforecast", "product"
MODULES = {
    SUBJECT: "own",
    "torch": "with_torch",
    "jax": "with_jax",
    "keras": "with_keras",
    PRODUCT: "product",
}
PEERS = tuple(name for name in MODULES if name not in (SUBJECT, PRODUCT))


def contender(name: str) -> Any:
    """The module of a contender."""
    return importlib.import_module(f"{__name__}.{MODULES[name]}")


def library(name: str) -> Any:
    """A module that may not be installed."""
    return importlib.import_module(name)


def describe(name: str) -> str | None:
    """Name and version of a library, without importing it; None where it is not installed."""
    if find_spec(name) is None:
        return None
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:  # a build without metadata, such as a source tree
        return name
