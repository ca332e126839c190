"""Things that are made by name with options of their own: losses, optimisers, schedules."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from gruforecast.foundations.checks import check_choice, closest


def make(
    kind: str, name: str, registry: Mapping[str, Callable[..., Any]], options: Mapping[str, Any]
) -> Any:
    """Call an entry of a registry with options; names that it does not know are refused."""
    entry = registry[check_choice(kind, name, registry)]
    known = list(inspect.signature(entry).parameters)
    for option in options:
        if option not in known:
            raise TypeError(
                f"{kind} {name!r}: expected {', '.join(known) or 'no options'}, got {option!r}; "
                f"{closest(option, known) or 'drop it.'}"
            )
    return entry(**options)
