"""Models in files, as several tests make, open, change and compare them."""

import json
import re
import zipfile

import numpy as np
import pandas as pd
import pytest

import gruforecast
from gruforecast import GRUClassifier, GRUForecaster, ModelFormatError
from tests.helpers import wavy_series

VALUES = wavy_series(60, 2)
DAYS = pd.bdate_range("2024-01-01", periods=60, tz="UTC")


def of_series():
    beside = pd.DataFrame({"word": list("ab") * 32}, pd.bdate_range(DAYS[0], periods=64))
    model = GRUForecaster(horizon=2, lookback=4, hidden_size=4, max_iter=1, random_state=0)
    return model.fit(pd.Series(VALUES[:, 0], DAYS), covariates=beside)


def of_rows():
    model = GRUForecaster(lookback=4, hidden_size=4, random_state=np.random.RandomState(0))
    return model.partial_fit(pd.DataFrame(VALUES, DAYS), VALUES[:, 0])


def of_words():
    model = GRUClassifier(embedding_size=2, hidden_size=4, max_iter=1, random_state=0)
    return model.fit([["a", "b"], ["c"]] * 8, ["x", "y"] * 8)


MODELS = {"series": of_series, "rows": of_rows, "words": of_words}


def again(model, folder):
    """The model after a way through a file, from which an equal file comes."""
    first, second = folder / "first.gru", folder / "second.gru"
    model.save(first)
    loaded = gruforecast.load(first)
    loaded.save(second)
    assert first.read_bytes() == second.read_bytes()
    return loaded


def assert_alike(loaded, model):
    """The same class, parameters, attributes and description."""
    assert type(loaded) is type(model)
    known = vars(model).keys() - {"_skl_callbacks"}
    assert vars(loaded).keys() == known
    for name in known - {"_state", "networks_", "random_state"}:
        assert_same(getattr(loaded, name), getattr(model, name))
    assert type(loaded.random_state) is type(model.random_state)
    texts = [re.sub(" at 0x[0-9A-F]+", "", repr(one)) for one in (loaded, model)]
    assert texts[0] == texts[1]
    if hasattr(model, "networks_"):
        for found, expected in zip(loaded.networks_, model.networks_, strict=True):
            assert_same(dict(found.weights), dict(expected.weights))
            assert found.specification == expected.specification


def assert_same(found, expected):
    """The same bits, types and names."""
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name, value in expected.items():
            assert_same(found[name], value)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_exact=True, check_freq=True)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def pack(path, content, **options):
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, data in content.items():
            file.writestr(name, data)


def change(path, edit):
    """Rewrite the tree of a file."""
    content = members(path)
    tree = json.loads(content["model.json"])
    content["model.json"] = json.dumps(edit(tree) or tree)
    pack(path, content)


def complaint(path):
    """What is said of a file, in one sentence of three parts."""
    with pytest.raises(ModelFormatError) as caught:
        gruforecast.load(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    for part in ("expected ", ", got ", "; "):
        assert part in text
    assert text.endswith(".")
    assert "\n" not in text
    return text


def nodes(tree, place=()):
    """The place of every part of a tree."""
    yield place
    if isinstance(tree, (dict, list)):
        for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from nodes(part, (*place, key))


def at(tree, place):
    for key in place:
        tree = tree[key]
    return tree


def edit(*keys, to):
    def put(tree):
        at(tree, keys[:-1])[keys[-1]] = to

    return put
