"""Fits on threads that nobody waits for any more end with the epoch they are in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_HERE = threading.local()  # given_up: an event that says so of the task that this thread runs


@contextmanager
def unless(given_up: threading.Event) -> Iterator[None]:
    """Training inside this block, on this thread, ends with an error once the event is set."""
    before, _HERE.given_up = getattr(_HERE, "given_up", None), given_up
    try:
        yield
    finally:
        _HERE.given_up = before


def check_wanted() -> None:
    """Raise where nobody waits for what this thread trains."""
    given_up = getattr(_HERE, "given_up", None)
    if given_up is not None and given_up.is_set():
        raise abandoned()


def abandoned() -> RuntimeError:
    """What ends a fit that nobody waits for."""
    return RuntimeError(
        "training: expected a search that goes on, got one that ended with an error or was "
        "interrupted; start it anew."
    )
