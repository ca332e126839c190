"""What parameters mean to GRUForecaster, where that is more than to the other estimators."""

from __future__ import annotations

from gruforecast.estimators.parameters import ROWS
from gruforecast.forecasting import choices

OF_SERIES = {
    "lookback": f"""\
    lookback : int, optional
        Of rows with a y, None: every row is a window that is complete in itself, ``X (n, steps)``
        of one feature or ``X (n, steps, F)``, oldest step first. A number: rows are consecutive
        steps, and the window of a row is the row itself and up to ``lookback - 1`` rows before it.
        Of series, None: {choices.SEASONS_READ} seasons or two horizons, whichever is longer, at
        least {choices.LEAST_LOOKBACK} rows and at most a quarter of them.
""",
    "hidden_size": f"""\
    hidden_size : int, optional
        Units of a layer, in each direction. Default: {ROWS["hidden_size"]}; of series
        {choices.SMALL}, or {choices.LARGE} from {choices.MANY_WINDOWS} rows.
""",
    "learning_rate": f"""\
    learning_rate : float, optional
        Default: {ROWS["learning_rate"]}; of series {choices.FIXED["learning_rate"][0]}.
""",
    "learning_rate_schedule": f"""\
    learning_rate_schedule : str, default "auto"
        "constant", "step", "exponential", "cosine", "one_cycle" or "plateau". "auto":
        "{ROWS["learning_rate_schedule"]}"; of series
        "{choices.FIXED["learning_rate_schedule"][0]}".
""",
    "batch_size": f"""\
    batch_size : int, optional
        Windows of a step. Default: {ROWS["batch_size"]}; of series
        {choices.FIXED["batch_size"][0]}.
""",
    "max_iter": f"""\
    max_iter : int, optional
        Epochs: passes over the training rows. Default: {ROWS["max_iter"]}; of series as many as
        make {choices.N_STEPS} steps, at most {choices.MOST_EPOCHS}.
""",
    "n_iter_no_change": f"""\
    n_iter_no_change : int, optional
        Epochs without a fall of more than ``tol`` after which to stop. Default:
        {ROWS["n_iter_no_change"]}; of series {choices.FIXED["n_iter_no_change"][0]}.
""",
    "n_estimators": """\
    n_estimators : int, optional
        Networks that are trained on the same rows from different seeds, side by side, and whose
        forecasts are averaged: numbers, quantiles or parameters of a likelihood. Default: 1; of
        series with a baseline 3 (2 with a ``normalize`` other than "auto"), which see rows in
        different ways, in turn: from the baseline, from the newest value, and in other units. They
        err differently, so that their mean errs less; the tail says which of them count.
""",
    "early_stopping": """\
    early_stopping : bool or "auto", default "auto"
        Keep the chronological tail of each series for validation: no target in it trains, and no
        scale is learnt from it (with a y, the rows before it whose targets may reach into it do
        not train either). Stop when its loss no longer falls, and keep the best weights. "auto":
        from 1000 rows that can train. Of series: wherever the rows before the tail teach every
        step; once judged, networks whose skill the tail bears out go on for a while on all rows.
        Errors in the tail of series give ``skill_`` and the bounds of forecasts: without validation
        as many networks are trained again for that, on the rows before it.
""",
    "normalize": """\
    normalize : {"auto", "standard", "last", "window", "none"}, default "auto"
        "standard": centre and scale each feature, each column of a numeric y and each series with
        mean and deviation of its training rows. Of series only: measure each window from its
        newest value in units of its spread about it ("last"), or from its mean in units of its
        deviation ("window"); "auto" is "standard" where the mean of all rows so far foretells the
        series clearly better than the newest value does, else "last"; where it is open, one network
        of series has other units (``n_estimators``). Of rows "auto" is "standard". Predictions come
        back in the units of the data.
""",
}
