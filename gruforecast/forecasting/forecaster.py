"""GRUForecaster: rows and what is aligned with them, or series and their future."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gruforecast.estimators.documentation import describe, document
from gruforecast.estimators.saving import saved
from gruforecast.forecasting.arguments import as_tables, refuse
from gruforecast.forecasting.choices import Suggestion
from gruforecast.forecasting.documentation import OF_SERIES
from gruforecast.forecasting.series import SeriesForecaster
from gruforecast.forecasting.settling import read_course
from gruforecast.forecasting.state import SeriesState


@saved
@describe(**OF_SERIES)
@document
@dataclass(kw_only=True, eq=False, repr=False)
class GRUForecaster(SeriesForecaster):
    """A recurrent network that forecasts numbers.

    ``fit(X, y)``: the prediction for row t uses rows of X up to and including t, and never any y;
    y row t is whatever you aligned with it. ``fit(series)``, without y: the table is the series,
    and ``forecast(24)`` tells its next 24 values on the stamps to come. What is left open is chosen
    by a rule, of series by their length and season: ``suggest`` says what, and why.

    Parameters
    ----------
    {n_estimators}
    loss : str, default "auto"
        "squared_error", "absolute_error", "scaled_error" (of series: absolute errors in units of
        each one's naive error, as MASE counts them; with a y the same as "absolute_error"),
        "huber" (quadratic up to one deviation of y),
        "quantile", or a likelihood: "gaussian", "student_t", "poisson". "auto":
        "squared_error"; of series "absolute_error".
    quantiles : tuple of float, default (0.1, 0.5, 0.9)
        Of the loss "quantile", and what ``predict_quantiles`` returns by default.
    segment_length : int or "auto", default "auto"
        Of series: steps that the network reads at once, which makes long windows short. "auto": a
        season, or an even part of a long one; 1 reads step by step.
    decoder : {"auto", "parallel", "direct", "recursive"}, default "auto"
        Of series: "parallel" (which "auto" is) tells each segment to come by itself, one step on
        from the last state; "direct" all steps to come from the last state; "recursive" learns one
        step, and goes on from its own forecasts.
    baseline : {"auto", "none"}, default "auto"
        Of series: what forecasts are measured from. "auto": an average of the simplest ones (newest
        value, means, season repeated), by their errors on training rows. The network begins as
        this, and adds what it learns as far as the tail (see ``early_stopping``) bears it out.
        "none", and losses whose values have a floor ("poisson"): nothing.
    horizon : int, optional
        Of series: steps that the network learns to forecast, each by itself. Default: one season
        (10 without one), at most a tenth of the rows.
    season : int, optional
        Of series: rows until the season repeats. Default: from the frequency (24 hours, 7 days,
        5 business days, 52 weeks, 12 months, 4 quarters).
    seasonal : {"none", "difference", "multiplicative", "auto"}, default "none"
        Of series: how their season is taken out before the network reads them, and put back into
        its forecasts. "difference": it tells what changes from the season before.
        "multiplicative": values, all above zero, are divided by an index of their phase, learnt by
        classical decomposition. "auto": one of these where rows are few and training rows say that
        it pays.
    channels : {"independent", "mixed"}, default "independent"
        Of several series: whether each is forecast from its own rows alone, or from those of all
        others, too, of a table whose stamps they share. With ``series_embedding_size`` what the
        others say may differ from series to series.
    freq : str or offset, optional
        Of series: the frequency of their index, where it cannot be inferred.
    calendar : tuple of str or "auto", default "auto"
        Of series: inputs made from the stamps of past and future: "minute", "minuteofday", "hour",
        "day", "dayofweek", "dayofyear", "week", "month", "quarter", "weekend".
    calendar_encoding : {"cyclic", "embedded"}, default "cyclic"
        Sine and cosine, or one learned vector per value.
    series_embedding_size : int, optional
        Of series: size of a vector that is learned for each of them.
    handle_unknown : {"error", "ignore"}, default "error"
        What a category of covariates that training has not seen does.
    intervals : {"adaptive", "conformal"}, default "adaptive"
        Of series: how ``forecast(level=...)`` finds its bounds: from errors on rows that did not
        train ("conformal"), and from how often newer observations (``last=``) lay outside.
    {parameters}

    Attributes
    ----------
    {attributes}
    n_outputs_ : int
        Columns of y.
    skill_ : DataFrame
        Of series: mae and mase of the forecast and of the simplest ones (last value, drift,
        mean, season repeated) on rows that did not train, and its skill, 1 - error / their error.
    coverage_ : dict
        Of series: share of values inside the bands of 80 and 95 percent on rows that did not
        train, the newer half, where bands are made from the older half.
    horizon_, lookback_, season_ : int
        Of series: those used.

    Examples
    --------
    >>> import numpy as np
    >>> from gruforecast import GRUForecaster, make_weather
    >>> series = np.sin(0.3 * np.arange(600))
    >>> X, y = series[:-1, None], series[1:]  # row t of y is the step after row t of X
    >>> model = GRUForecaster(lookback=24, max_iter=20, random_state=0).fit(X[:500], y[:500])
    >>> bool(np.abs(model.predict(X[500:]) - y[500:]).max() < 0.05)
    True
    >>> temperature = make_weather(n_days=60)["temperature"]
    >>> model = GRUForecaster(horizon=24, max_iter=5, random_state=0).fit(temperature)
    >>> list(model.forecast(48, level=(80, 95)).columns)
    ['mean', 'lo-80', 'hi-80', 'lo-95', 'hi-95']
    """

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        covariates: Any = None,
        past_covariates: Any = None,
        static: Any = None,
    ) -> GRUForecaster:
        """Learn y from rows of X or, without y, the future of series from their past.

        Parameters
        ----------
        X : array or DataFrame (n, F), or array (n, steps, F) when ``lookback`` is None
            Without y: the series. A Series or 1-D array, a table with one series per column, or
            a Series under a (series, time) MultiIndex.
        y : array, Series or DataFrame (n,) or (n, k), optional
            Row t is whatever you aligned with row t of X. NaN is missing and does not train.
        sample_weight : array (n,), optional
            Of rows with a y.
        groups : array (n,), optional
            With a y and a lookback, the series that a row belongs to: no window crosses from one
            to another. A MultiIndex (series, time) of X says the same.
        covariates : DataFrame, optional
            Without y: what is known in the future, too, with a row for every stamp of the series,
            or of each under a (series, time) MultiIndex. Numbers, or categories as text.
        past_covariates : DataFrame, optional
            Without y: what is known of the past only.
        static : DataFrame, optional
            Without y: what is true of a series at all times; its index holds their names.

        Returns
        -------
        self
        """
        tables = as_tables(covariates, past_covariates, static)
        if y is not None:
            refuse(tables, "fit has a y; put such columns into X")
            self._fit(X, y, sample_weight, groups)
            return self
        weights = {"sample_weight": sample_weight, "groups": groups}
        refuse(weights, "fit has no y, so X is the series; pass y, or drop it")
        self._fit(X, None, None, None, **tables)
        return self

    @classmethod
    def suggest(
        cls,
        series: Any,
        *,
        covariates: Any = None,
        past_covariates: Any = None,
        static: Any = None,
        **chosen: Any,
    ) -> Suggestion:
        """The parameters that a fit to series would use, with a reason for each; nothing is fitted.

        Parameters
        ----------
        series : Series, DataFrame or array
            As for ``fit``, and so are the tables beside it.
        **chosen
            Parameters that are not left open.

        Returns
        -------
        Suggestion
            A dict for ``GRUForecaster(**suggestion)`` with what was chosen; ``reasons`` has a
            sentence for each parameter that was left open, and printing it shows them.
        """
        settings = cls(**chosen)._settings()
        course = read_course(series, settings, None, as_tables(covariates, past_covariates, static))
        values = {name: getattr(settings, name) for name in course.reasons}
        if len(course.kinds) > 1:  # it stays open, as networks differ in it
            values["normalize"] = "auto"
        return Suggestion(chosen | values, course.reasons)

    def predict(
        self,
        X: Any,
        *,
        groups: Any = None,
        covariates: Any = None,
        past_covariates: Any = None,
        static: Any = None,
    ) -> np.ndarray:
        """One prediction per row of X, in the shape of y; of series, the steps after each row.

        The row's prediction uses rows of X up to and including it, and never any y. With the
        loss "quantile" it is the median, interpolated when 0.5 is not among the quantiles, or the
        quantile if there is just one; with likelihoods it is the mean (the location of a
        Student t, the rate of a Poisson).

        After a fit to series X is a series, or newer rows of one, as ``last`` of ``forecast``. The
        result has shape ``(n, horizon_)``, or ``(n, series, horizon_)`` for a wide table.
        Covariates need a row for each row of X; what follows the last is carried forward.
        """
        tables = as_tables(covariates, past_covariates, static)
        if not isinstance(getattr(self, "_state", None), SeriesState):
            refuse(tables, "fit had a y; put such columns into X")
            return super().predict(X, groups=groups)
        refuse({"groups": groups}, "fit had no y; name series by a MultiIndex")
        return self._predict_series(X, tables)

    def score(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        groups: Any = None,
        covariates: Any = None,
        past_covariates: Any = None,
        static: Any = None,
    ) -> float:
        """R2 of the predictions; of series, the skill of all forecasts of values in X.

        The skill is 1 - error / error of the best simple forecast (last value, drift, mean, season
        repeated), with mean absolute errors over every row and step; of several series in units
        of each one's naive error, as in MASE.
        """
        tables = as_tables(covariates, past_covariates, static)
        if not isinstance(getattr(self, "_state", None), SeriesState):
            refuse(tables, "fit had a y; put such columns into X")
            return super().score(X, y, sample_weight=sample_weight, groups=groups)
        unused = {"y": y, "sample_weight": sample_weight, "groups": groups}
        refuse(unused, "fit had no y, so X is the series")
        return self._score_series(X, tables)
