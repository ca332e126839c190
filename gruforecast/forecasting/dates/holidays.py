"""Which holidays come back: rules that explain the working days on which a series has no row.

A rule is kept if the day was missing in every year that it covers, in at least two; in the last
three or more, for a holiday that was introduced midway; or in nearly all of many. Of New Year and
Christmas, which fall on weekends in two years of seven, one year is enough. One-off closings are
left unexplained, and so are holidays of calendars that follow the moon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from gruforecast.forecasting.dates.grids import to_dates, weekdays_of
from gruforecast.forecasting.dates.holiday_rules import (
    EVERYWHERE,
    SATURDAY,
    SUNDAY,
    Fixed,
    Rule,
    rules_naming,
    year_of,
)

_TWO_YEARS = 2 * 365 - 10  # the first and the last days of a year are no working days
_SATURDAY_MOVES = (-1, 2)  # days from a holiday on a Saturday to the day it is observed
_SUNDAY_MOVES = (1, 2)
_N_RULES, _N_FAMILIAR = 1000, 40  # how many could fit by chance, with all their moves
_CHANCE = 0.01
_HOLE = 10  # more working days without a row than this are no holidays: nothing is known of them


class _Evidence:
    """The closings of a series, and what each rule says about them."""

    def __init__(self, closed: np.ndarray, first: int, last: int, mask: tuple[bool, ...]) -> None:
        self.first, self.mask = first, np.array(mask)
        every = np.arange(first, last + 1)
        runs = _runs(closed, self.mask)
        in_hole = np.bincount(runs)[runs] > _HOLE if len(closed) else np.zeros(0, dtype=bool)
        self.known = self.mask[weekdays_of(every)] & ~np.isin(every, closed[in_hole])
        self.closed = {int(day) for day in closed[~in_hole]}
        self.years = np.arange(year_of(first), year_of(last) + 2)  # one may move into the old year

    def covered(self, days: np.ndarray) -> np.ndarray:
        """Those of some days that are working days of which something is known."""
        days = days[(days >= self.first) & (days < self.first + len(self.known))]
        return np.asarray(days[self.known[days - self.first]])

    def days(self, rule: Rule) -> list[int]:
        """The working days that a rule names in the years covered."""
        return [int(day) for day in self.covered(rule.days(self.years, self.mask))]

    def outcomes(self, rule: Rule) -> list[bool]:
        """Whether each of them was missing."""
        return [day in self.closed for day in self.days(rule)]

    def hits(self, rule: Rule) -> set[int]:
        """Those that were."""
        return self.closed.intersection(self.days(rule))

    def strength(self, rule: Rule) -> int:
        """Years that speak for a rule, 0 if it does not hold."""
        outcomes = self.outcomes(rule)
        n, hits = len(outcomes), sum(outcomes)
        run = next((i for i, hit in enumerate(reversed(outcomes)) if not hit), n)
        enough = 1 if _is_everywhere(rule) else 2
        strength = run if run >= 3 or (run == n and n >= enough) else 0
        if n >= 7 and hits >= 0.85 * n:
            strength = max(strength, hits - 2 * (n - hits))
        return strength

    def with_moves(self, rule: Fixed, claimed: Iterable[int]) -> Fixed:
        """A rule with the moves from weekends that the closings show, not counting claimed ones."""
        free = self.closed.difference(claimed)
        dates = rule.dates(self.years)

        def best(weekday: int, moves: tuple[int, ...]) -> int | None:
            on_it = dates[weekdays_of(dates) == weekday]
            seen = {move: self.covered(on_it + move) for move in moves}
            if self.mask[weekday] or not any(map(len, seen.values())):
                return None
            hits = {move: len(free.intersection(seen[move].tolist())) for move in moves}
            move = max(moves, key=lambda m: hits[m])
            lately = len(seen[move]) and int(seen[move][-1]) in free
            return move if lately or 2 * hits[move] > len(seen[move]) else 0

        return replace(
            rule,
            saturday=best(SATURDAY, _SATURDAY_MOVES),
            sunday=best(SUNDAY, _SUNDAY_MOVES),
        )


def recurring(
    closed: np.ndarray, first: int, last: int, mask: tuple[bool, ...]
) -> tuple[Rule, ...]:
    """The rules that explain the closings between two days, each in days since 1970."""
    if last - first < _TWO_YEARS or not len(closed):
        return ()
    evidence = _Evidence(closed, first, last, mask)
    rules = _greedy(evidence, _candidates(evidence))
    rules = _refined(evidence, rules)
    return tuple(_not_by_chance(evidence, rules))


def _candidates(evidence: _Evidence) -> list[Rule]:
    """Rules that at least two closings fit and that hold."""
    count = Counter(rule for day in evidence.closed for rule in rules_naming(day))
    rules = []
    for rule, n in count.items():
        if n < 2 and not (isinstance(rule, Fixed) and rule.familiar):
            continue
        if isinstance(rule, Fixed):
            rule = evidence.with_moves(rule, ())
        if evidence.strength(rule):
            rules.append(rule)
    return rules


def _is_everywhere(rule: Rule) -> bool:
    return isinstance(rule, Fixed) and (rule.month, rule.day) in EVERYWHERE


def _runs(closed: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Which run of working days without a row each of them belongs to."""
    if not len(closed):
        return np.zeros(0, dtype=np.int64)
    dates = to_dates(closed)
    next_one = np.busday_count(dates[:-1], dates[1:], weekmask=mask.tolist()) == 1
    return np.concatenate([[0], np.cumsum(~next_one)])


def _greedy(evidence: _Evidence, candidates: list[Rule]) -> list[Rule]:
    """Rules one after another, each the one that explains most of what is left."""
    left, chosen = set(evidence.closed), []
    hits = {rule: evidence.hits(rule) for rule in candidates}
    misses = {rule: len(evidence.days(rule)) - len(hits[rule]) for rule in candidates}

    def merit(rule: Rule) -> tuple[int, int, bool, bool, str]:
        explained = len(hits[rule] & left)
        return explained, -misses[rule], rule.familiar, not isinstance(rule, Fixed), repr(rule)

    while candidates:
        rule = max(candidates, key=merit)
        if len(hits[rule] & left) < (1 if _is_everywhere(rule) else 2):
            break
        chosen.append(rule)
        left -= hits[rule]
        candidates = [other for other in candidates if other is not rule]
    return chosen


def _refined(evidence: _Evidence, rules: list[Rule]) -> list[Rule]:
    """Rules with moves that do not fall on each other, the unknown ones as most others move."""
    out: list[Rule] = []
    for rule in rules:
        if isinstance(rule, Fixed):
            others: set[int] = set()
            for other in rules:
                if other is not rule:
                    still = Fixed(other.month, other.day) if isinstance(other, Fixed) else other
                    others |= evidence.hits(still)
            rule = evidence.with_moves(rule, others)
        out.append(rule)
    fixed = [rule for rule in out if isinstance(rule, Fixed)]
    saturdays = [r.saturday for r in fixed if r.saturday is not None and (r.month, r.day) != (1, 1)]
    sundays = [rule.sunday for rule in fixed if rule.sunday is not None]
    saturday = Counter(saturdays).most_common(1)[0][0] if saturdays else -1
    sunday = Counter(sundays).most_common(1)[0][0] if sundays else 1
    for i, rule in enumerate(out):
        if isinstance(rule, Fixed):
            new_year = (rule.month, rule.day) == (1, 1) and saturday < 0  # nobody closes the year
            known = (0 if new_year else saturday) if rule.saturday is None else rule.saturday
            out[i] = replace(
                rule, saturday=known, sunday=sunday if rule.sunday is None else rule.sunday
            )
    return out


def _not_by_chance(evidence: _Evidence, rules: list[Rule]) -> list[Rule]:
    """Rules that closings strewn as thickly as the unexplained ones would hardly make up."""
    while rules:
        explained: set[int] = set().union(*(evidence.hits(rule) for rule in rules))
        left = np.array(sorted(evidence.closed - explained))
        runs = len(np.unique(_runs(left, evidence.mask)))
        share = (runs + 0.5) / evidence.known.sum()
        chances = [_how_many(rule) * share ** evidence.strength(rule) for rule in rules]
        worst = int(np.argmax(chances))
        if chances[worst] <= _CHANCE:
            break
        rules = [rule for rule in rules if rule is not rules[worst]]
    return rules


def _how_many(rule: Rule) -> int:
    """How many rules of the same kind could have been found instead."""
    if _is_everywhere(rule):
        return len(EVERYWHERE)
    return _N_FAMILIAR if rule.familiar else _N_RULES
