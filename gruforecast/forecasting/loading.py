"""Models of every kind, read from files."""

from __future__ import annotations

import os
from typing import Any

from gruforecast.estimators.base import RecurrentEstimator
from gruforecast.forecasting import forecaster  # noqa: F401  so that files hold every estimator
from gruforecast.foundations import archive


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model that ``model.save(path)`` wrote.

    It predicts, forecasts and goes on learning as the saved one would, bit for bit. A file makes
    objects of this package and its kinds only; it runs no code, whoever wrote it.

    Parameters
    ----------
    path : str or PathLike

    Returns
    -------
    GRUForecaster, GRUClassifier or GRUEncoder

    Raises
    ------
    ModelFormatError
        The file is no model, is damaged, or comes from a newer release.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import gruforecast
    >>> words, labels = [["up", "up"], ["down"]] * 10, ["rises", "falls"] * 10
    >>> model = gruforecast.GRUClassifier(embedding_size=4, random_state=0).fit(words, labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(Path(folder) / "model.gru")
    ...     gruforecast.load(Path(folder) / "model.gru").predict([["up"]]).tolist()
    ['rises']
    """
    return archive.read(path, RecurrentEstimator)
