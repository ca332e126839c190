"""What is chosen for series where the caller leaves it open, and why: one rule each.

The rules are the same for all series; what they were chosen by is told in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gruforecast.estimators import parameters
from gruforecast.forecasting.views import N_OPEN
from gruforecast.training.losses import make_loss

USUAL_HORIZON = 10  # of a series without a season
LEAST_LOOKBACK = 16
SEASONS_READ = 7
LONGEST_SEGMENT = 24
SHORTEST_SEGMENT = 6  # of a season that is cut
SEGMENTS_READ = 8  # of a window without a season
N_STEPS = 1000  # of training
MOST_EPOCHS = 200
SMALL, LARGE = 64, 128  # units
MANY_WINDOWS = 5000  # from which a network is large


@dataclass(frozen=True)
class Facts:
    """What the rules look at: counts of rows, and nothing that values tell."""

    season: int | None
    horizon: int
    lookback: int
    n_rows: int  # of a usual series
    n_windows: int  # one for each row of all series


Choice = tuple[Any, str]


def choose_horizon(season: int | None, longest: int) -> Choice:
    """One season, at most a tenth of the rows."""
    wanted = season or USUAL_HORIZON
    if wanted <= longest // 10:
        none = f"{USUAL_HORIZON} steps, as no season is known (season= names one)"
        return wanted, "one season" if season else none
    usual = "a season" if season else f"the usual {USUAL_HORIZON} steps"
    return max(1, longest // 10), f"a tenth of the {longest} rows, which is less than {usual}"


def choose_lookback(season: int | None, horizon: int, n_rows: int) -> Choice:
    """Seven seasons or two horizons, whichever is longer, at most a quarter of the rows."""
    of_season = SEASONS_READ * (season or 1)
    wanted = max(of_season, 2 * horizon, LEAST_LOOKBACK)
    if wanted > n_rows // 4:
        return max(1, n_rows // 4), f"a quarter of the {n_rows} rows, so that enough windows train"
    if wanted == of_season:
        return wanted, f"{SEASONS_READ} seasons of {season} rows"
    return wanted, "two horizons" if wanted == 2 * horizon else "what a window should have"


def choose_calendar(stamps: pd.Index, encoding: str) -> tuple[tuple[str, ...], str]:
    """Parts of dates that go round at least twice in the rows, beyond the season of days."""
    if isinstance(stamps, pd.PeriodIndex):
        stamps = stamps.to_timestamp()
    if not isinstance(stamps, pd.DatetimeIndex) or len(stamps) < 3:
        return (), "the stamps are no dates"
    step, span = (stamps[1:] - stamps[:-1]).to_series().median(), stamps[-1] - stamps[0]
    is_fine = step < pd.Timedelta(hours=1) and encoding == "cyclic"
    of_day = "minuteofday" if is_fine else "hour"
    parts = {of_day: (1, 1), "dayofweek": (7, 1), "dayofyear": (366, 28)}  # cycle, longest step
    kept = [
        name
        for name, (cycle, longest) in parts.items()
        if step < pd.Timedelta(days=longest) and span >= 2 * pd.Timedelta(days=cycle)
    ]
    if not kept:
        return (), "no part of the dates beyond the season goes round twice in the rows"
    return tuple(kept), "parts of the dates that go round twice or more in the rows"


def _segment_length(facts: Facts) -> Choice:
    """A season, or an even part of a long one; else an eighth of the window."""
    season, lookback = facts.season or 1, facts.lookback
    longest = min(LONGEST_SEGMENT, max(1, lookback // 2))
    fitting = [n for n in range(1, longest + 1) if season % n == 0]
    if fitting[-1] == season > 1:
        return season, "a season"
    if fitting[-1] >= min(SHORTEST_SEGMENT, longest) and season > 1:
        return fitting[-1], f"an even part of the season of {season} rows"
    return max(1, lookback // SEGMENTS_READ), f"an eighth of the window of {lookback} rows"


def _hidden_size(facts: Facts) -> Choice:
    """More units where there is more to learn from."""
    n = f"{facts.n_windows} windows"
    if facts.n_windows >= MANY_WINDOWS:
        return LARGE, f"{n} are enough for a large network"
    return SMALL, f"{n} are too few for a larger network to gain anything"


def _max_iter(facts: Facts, batch_size: int) -> Choice:
    """Epochs that make so many steps."""
    n_batches = -(-facts.n_windows // batch_size)
    wanted = -(-N_STEPS // n_batches)
    steps = f"{n_batches} batches of {batch_size}"
    if wanted > MOST_EPOCHS:
        return MOST_EPOCHS, f"an epoch is {steps}, and more epochs would only learn by heart"
    return wanted, f"about {N_STEPS} steps, as an epoch is {steps}"


def _n_estimators(settings: Any) -> Choice:
    """As many as see rows differently, where there are several ways to."""
    has_floor = settings.loss not in parameters.OPEN and np.isfinite(make_loss(settings.loss).low)
    if settings.baseline == "none" or has_floor or settings.normalize == "none":
        return 1, "more would take longer, and differ by their seeds alone"
    if settings.normalize != "auto":
        return 2, "one begins as the baseline, one as a level: they err differently"
    why = "they begin as the baseline or a level, in units of their own: they err differently"
    return N_OPEN, why


FIXED: dict[str, Choice] = {
    "loss": ("absolute_error", "outliers count less, and squared errors do not suffer"),
    "learning_rate": (5e-3, "the peak of one cycle"),
    "learning_rate_schedule": ("one_cycle", "short runs end with small steps"),
    "batch_size": (128, "small enough for many steps, large enough for fast products"),
    "n_iter_no_change": (50, "one cycle is seldom at its best before it ends"),
    "decoder": ("parallel", "all segments ahead are one step from the last state"),
}


class Suggestion(dict[str, Any]):
    """Parameters by name, ready to be passed on, and ``reasons``: a sentence for each."""

    def __init__(self, values: dict[str, Any], reasons: dict[str, str]) -> None:
        super().__init__(values)
        self.reasons = reasons

    def __repr__(self) -> str:
        lines = [f"{name}={self[name]!r}: {why}." for name, why in self.reasons.items()]
        return "\n".join(lines)


def settle(settings: Any, facts: Facts) -> dict[str, str]:
    """Choose what is open in the settings; why, by name."""
    choices = FIXED | {"hidden_size": _hidden_size(facts)}
    choices["n_estimators"] = _n_estimators(settings)
    choices["segment_length"] = _segment_length(facts)
    batch_size = settings.batch_size or FIXED["batch_size"][0]
    choices["max_iter"] = _max_iter(facts, batch_size)
    values = {name: value for name, (value, _) in choices.items()}
    return {name: choices[name][1] for name in parameters.settle(settings, values)}
