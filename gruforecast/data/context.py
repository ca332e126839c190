"""What a fitted estimator keeps of its training rows, so that the rows after them start warm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gruforecast.data.segments import Pace
from gruforecast.foundations.checks import warn_caller
from gruforecast.foundations.stored import stored

if TYPE_CHECKING:
    from gruforecast.data.rows import Material, Steps


class TruncatedHistoryWarning(UserWarning):
    """Rows were predicted from less history than lookback asks for."""


@stored("RowTail")
@dataclass(frozen=True)
class Tail:
    """The end of one training series."""

    rows: np.ndarray  # (up to lookback - 1, width) as the network reads them
    newest: np.ndarray  # (F,) what its last row leaves behind: the newest values
    since: np.ndarray  # (F,) and the steps since they were observed
    head: np.ndarray  # (about lookback - 1, F) its first rows as the caller gave them
    pace: Pace | None  # of its stamps


@stored("Context")
@dataclass(frozen=True)
class Context:
    """The tails of all training series by name."""

    tails: dict[Any, Tail]

    def before(self, steps: Steps, rule: str, *, warn: bool) -> list[tuple[Tail | None, int]]:
        """The tail to prepend to each series, and how many of its first rows do not see it.

        The rule is "auto", "train" or "none". One warning counts the rows that lack history.
        """
        found, n_short = [], 0
        for name, values, stamps in steps.series():
            tail, n_cold = self._choose(rule, name, values, stamps)
            found.append((tail, n_cold))
            if n_cold < 0:
                n_short += min(len(values), steps.lookback - 1)
        if warn and n_short:
            advice = "pass the rows before them too, or context='none' if that is meant"
            if steps.segments.names == [None] and None not in self.tails:
                advice = (
                    f"name their series with groups, as in fit (such as {next(iter(self.tails))!r})"
                )
            warn_caller(
                f"{n_short} of {steps.n} rows were predicted with truncated history (fewer than "
                f"lookback={steps.lookback} rows), as they do not follow the training rows "
                f"directly; {advice}.",
                TruncatedHistoryWarning,
            )
        return found

    def _choose(
        self, rule: str, name: Any, values: np.ndarray, stamps: Any
    ) -> tuple[Tail | None, int]:
        """The tail if it belongs before these rows, and how many of them do not see it.

        A negative number says that they lack a history that they should have. Training rows
        themselves start where the training did: they lack none.
        """
        tail = self.tails.get(name)
        if rule == "none":
            return None, 0
        if tail is None:
            return None, -1
        if rule == "train":
            return tail, 0
        if stamps is None or tail.pace is None or tail.pace.knows_nothing_of(stamps):
            # Row by row, as no row may be treated in a way that rows after it decide.
            n = min(len(values), len(tail.head))
            n_same = int(np.argmin([*_same(values[:n], tail.head[:n]), False]))
            return (None if n_same == n else tail), n_same
        tail.pace.check_kind(stamps)
        if tail.pace.is_followed_by(stamps[0]):
            return tail, 0
        return None, 0 if stamps[0] == tail.pace.first else -1

    def after(self, steps: Steps, material: Material) -> Context:
        """With the tails that these rows leave; series that do not go on keep theirs."""
        tails = dict(self.tails)
        for s, (name, values, stamps) in enumerate(steps.series()):
            begin, end = material.bounds[s], material.bounds[s + 1]
            pace = None if stamps is None else Pace.of(stamps)
            head = values[: max(1, steps.lookback - 1)].copy()
            earlier = tails.get(name)
            if earlier is not None:
                head = earlier.head
                if pace is not None and earlier.pace is not None:
                    pace = earlier.pace.continued(pace)
            tails[name] = Tail(
                rows=material.series[max(begin, end - steps.lookback + 1) : end].copy(),
                newest=material.carried.values[s],
                since=material.carried.since[s],
                head=head,
                pace=pace,
            )
        return Context(tails)


def _same(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rows (n, F) that are equal, a missing entry to a missing one."""
    return np.asarray(((a == b) | ((a != a) & (b != b))).all(axis=1))
