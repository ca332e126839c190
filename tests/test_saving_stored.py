"""Files of earlier releases are read by this one, and say what they said then.

``python -m tests.test_saving_stored`` writes those of the present version; it is run once for each
version, and again only while no release has written files of it.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gruforecast
from gruforecast import GRUClassifier, GRUForecaster
from gruforecast.foundations.archive import VERSION
from tests.helpers import wavy_series

DATA = Path(__file__).resolve().parent / "data"
VALUES = 5 + wavy_series(160, 2)
DAYS = pd.bdate_range("2024-01-01", periods=160, tz="Europe/Berlin").as_unit("ns")
DAYS = DAYS[~((DAYS.day == 1) & (DAYS.month.isin([1, 5])))]  # holidays to be learnt
WORDS = [["good", "film"], ["bad"], ["not", "good"]] * 10


def series():
    return pd.Series(VALUES[: len(DAYS), 0], DAYS, name="sold")


def beside():
    days = DAYS.append(pd.bdate_range(DAYS[-1], periods=10, tz="Europe/Berlin")[1:].as_unit("ns"))
    n = np.arange(len(days))
    sky = pd.Categorical(np.array(["sun", "rain"])[n % 2])
    return pd.DataFrame({"sky": sky, "price": n % 3 / 3}, days)


def make_series():
    model = GRUForecaster(
        horizon=3, lookback=6, hidden_size=4, max_iter=3, loss="quantile", calendar="dayofweek",
        quantiles=(0.1, 0.5, 0.9), random_state=0,
    )  # fmt: skip
    return model.fit(series()[:-5], covariates=beside()[: len(DAYS) - 5])


def make_rows():
    state = np.random.RandomState(0)
    model = GRUForecaster(lookback=4, hidden_size=4, optimizer="adamw", random_state=state)
    for rows in (slice(0, 40), slice(40, 80)):
        model.partial_fit(VALUES[rows], VALUES[rows, 0], groups=np.repeat(["x", "y"], 20))
    return model


def make_words():
    model = GRUClassifier(embedding_size=2, hidden_size=4, max_iter=3, cell="lstm", random_state=0)
    return model.fit(WORDS, ["good", "bad", "bad"] * 10)


def of_series(model):
    ahead = model.forecast(5, level=80, covariates=beside()[len(DAYS) - 5 : len(DAYS) + 1])
    newer = model.forecast(2, last=series()[-5:], covariates=beside()[-14:])
    return {
        "ahead": ahead.to_numpy().tolist(),
        "newer": newer.to_numpy().tolist(),
        "stamps": [str(stamp) for stamp in ahead.index],
        "skill": model.skill_["skill"].dropna().to_dict(),
        "text": str(model).split("\n")[1].strip(),
    }


def of_rows(model):
    groups = np.repeat(["y", "x"], 5)
    before = model.predict(VALUES[80:90], groups=groups).tolist()
    model.partial_fit(VALUES[80:90], VALUES[80:90, 0], groups=groups)
    return {
        "before": before,
        "after": model.predict(VALUES[90:], groups=np.repeat("x", 70)).tolist(),
    }


def of_words(model):
    return {"shares": model.predict_proba(WORDS[:3]).tolist(), "classes": model.classes_.tolist()}


MODELS = {
    "series": (make_series, of_series),
    "rows": (make_rows, of_rows),
    "words": (make_words, of_words),
}
FILES = sorted(DATA.glob("version-*/*.gru"))


def assert_close(found, expected):
    """The same but for the last digits, which are those of a machine."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert_close(found[name], value)
    elif isinstance(expected, list) and not isinstance(expected[0], str):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-4)
    else:
        assert found == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_of_then_says_what_it_said(path):
    expected = json.loads((path.parent / "answers.json").read_text())[path.stem]
    assert_close(MODELS[path.stem][1](gruforecast.load(path)), expected)


def test_every_version_has_its_files():
    folders = [DATA / f"version-{version}" for version in range(1, VERSION + 1)]
    assert {*FILES} == {folder / f"{name}.gru" for folder in folders for name in MODELS}
    assert sum(path.stat().st_size for path in FILES) < 25_000 * VERSION


def write():
    """Write the files of the present version, and what their models say."""
    folder, answers = DATA / f"version-{VERSION}", {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, (make, ask) in MODELS.items():
        model = make()
        model.save(folder / f"{name}.gru")
        answers[name] = ask(model)
    (folder / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")


if __name__ == "__main__":
    write()
