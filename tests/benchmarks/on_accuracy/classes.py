"""Six sets of the UCR and UEA archives: classes of windows."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from gruforecast import GRUClassifier
from tests.benchmarks.on_accuracy import data
from tests.benchmarks.on_accuracy.core import (
    Case,
    Goal,
    Measured,
    Protocol,
    Row,
    Values,
    fitted,
    mean,
    model_of,
)

TOLERANCE = 0.03
INCEPTION_TIME = {
    "ItalyPowerDemand": 0.966, "GunPoint": 1.0, "SyntheticControl": 0.997, "Plane": 1.0,
    "Coffee": 1.0, "BasicMotions": 1.0,
}  # fmt: skip
NEAREST = "nearest neighbour"
STATED = {  # of the archive, by Euclidean distance
    "ItalyPowerDemand": 0.955, "GunPoint": 0.913, "SyntheticControl": 0.880, "Plane": 0.962,
    "Coffee": 1.0,
}  # fmt: skip


def _floors(folder: Path, name: str) -> dict[str, Values]:
    X, y = data.classified(folder, name, "TRAIN")
    new, known = data.classified(folder, name, "TEST")
    flat, flat_new = X.reshape(len(X), -1), new.reshape(len(new), -1)
    distances = np.array([((flat - one) ** 2).sum(axis=1) for one in flat_new])
    labels, counts = np.unique(y, return_counts=True)
    return {
        NEAREST: {"accuracy": mean(y[distances.argmin(axis=1)] == known)},
        "commonest class": {"accuracy": mean(labels[counts.argmax()] == known)},
    }


def _ours(folder: Path, name: str, seed: int, quick: bool) -> Values:
    X, y = data.classified(folder, name, "TRAIN")
    new, known = data.classified(folder, name, "TEST")
    model, found = fitted(model_of(GRUClassifier, seed, quick), X, y)
    return found | {"accuracy": mean(model.predict(new) == known)}


def _cases(folder: Path) -> list[Case]:
    return [
        Case(name, partial(_floors, folder, name), partial(_ours, folder, name))
        for name in data.UCR
    ]


def _rows(measured: Measured) -> list[Row]:
    rows = []
    for name in data.UCR:
        best = INCEPTION_TIME[name]
        rows.append(
            Row(
                f"{name}: accuracy",
                measured.ours(name, "accuracy"),
                measured.floors(name, "accuracy"),
                {"InceptionTime": best},
                Goal(">=", round(best - TOLERANCE, 3)),
            )
        )
    minutes = measured.combined(data.UCR, "minutes", sum)
    return [*rows, Row("minutes of training, all six", minutes)]


UCR = Protocol(
    "ucr",
    "Classes of windows, six sets of the UCR and UEA archives",
    "The archives' own split into training and test. Goal: within .03 of InceptionTime.",
    _cases,
    _rows,
    {(name, NEAREST, "accuracy"): stated for name, stated in STATED.items()},
)
