"""Files that someone made up: they make a model or an error, and never run anything."""

import os
import sys

import pytest

import gruforecast
from tests.saving import VALUES, at, change, complaint, edit, members, of_rows, pack


@pytest.fixture
def path(tmp_path):
    of_rows().save(tmp_path / "model.gru")
    return tmp_path / "model.gru"


NAMES = [
    "os.system", "builtins.eval", "eval", "subprocess.Popen", "pickle", "function", "object", "",
    "gruforecast.estimators.base.RecurrentEstimator", "RecurrentEstimator", "Layout",
    None, 3, [], {},
]  # fmt: skip
PAYLOADS = [
    {"__reduce__": ["os.system", ["echo"]]},
    {"__class__": "os.system"},
    {"py/object": "os.system", "py/reduce": [{"py/type": "os.system"}, ["echo"]]},
    {"is": "number type", "name": "os.system"},
    {"is": "dtype", "name": "O8, __import__('os').abort()"},
    {"is": "dtype", "name": "__import__('os').abort()"},
    {"is": "offset", "name": "__import__", "n": 1, "normalize": False, "options": {}},
    {"is": "offset", "name": "Day", "n": 1, "normalize": False, "options": {"__class__": "os"}},
    {"is": "zone", "name": "../../../etc/passwd"},
    {"is": "zone", "name": "/etc/passwd"},
    {"is": "zone", "name": "dateutil//etc/passwd"},
    {"is": "extension dtype", "name": "os.system"},
    {"is": "arrow dtype", "name": "os.system"},
    {"is": "Generator", "state": {"bit_generator": "os.system", "state": {}}},
    {"is": "Network", "specification": "os.system", "flat": []},
    {"is": "array", "dtype": "|O", "at": 0, "shape": [1]},
    {"is": "array", "dtype": "<f4", "at": 0, "shape": [2**62, 2**62]},
    {"is": "array", "dtype": "<f4", "at": -1, "shape": [1]},
    {"is": "array", "dtype": "<U999999999", "at": 0, "shape": [1]},
    {"is": "objects", "shape": [10**15], "items": []},
    {"is": "array"},
]


@pytest.fixture
def nothing_runs():
    """Refuse whatever starts a process, opens a connection or compiles, while a test runs."""
    watching, seen = [True], []

    def audit(event, args):
        if watching and event in ("os.system", "subprocess.Popen", "os.exec", "socket.connect",
                                  "pickle.find_class", "ctypes.dlopen"):  # fmt: skip
            seen.append(event)

    sys.addaudithook(audit)
    yield
    watching.clear()
    assert not seen


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_classes_that_are_not_of_this_package(name, path, nothing_runs):
    for place in (("model",), STATE, NETWORK):

        def put(tree, place=place):
            at(tree, place)["is"] = name

        change(path, put)
        complaint(path)
        of_rows().save(path)


@pytest.mark.parametrize("payload", PAYLOADS, ids=str)
def test_what_would_run_elsewhere(payload, path, nothing_runs):
    for place in (("model",), STATE, NETWORK):

        def put(tree, place=place):
            at(tree, place[:-1])[place[-1]] = payload

        change(path, put)
        complaint(path)
        of_rows().save(path)
    change(path, lambda tree: tree["model"]["parameters"].update(class_weight=payload))
    complaint(path)


def test_parameters_are_data_whatever_they_say(path):
    text = "__import__('os').abort()"
    change(path, lambda tree: tree["model"]["parameters"].update(cell=text, context=text))
    model = gruforecast.load(path)
    assert model.cell == text
    with pytest.raises(ValueError, match="context: expected one of auto, none, train"):
        model.predict(VALUES)


STATE = ("model", "learnt", "_state")
NETWORK = ("model", "learnt", "networks_", 0)
RANDOM = ("model", "parameters", "random_state", "state")
EDITS = {
    "weights of another size": edit(*NETWORK, "flat", "shape", to=[7]),
    "weights with two axes": edit(*NETWORK, "flat", "shape", to=[1, 1]),
    "weights in another precision": edit(*NETWORK, "specification", "dtype", to="float64"),
    "a larger network": edit(*NETWORK, "specification", "hidden_size", to=10**9),
    "a deeper network": edit(*NETWORK, "specification", "num_layers", to=10**12),
    "an unknown cell": edit(*NETWORK, "specification", "cell", to="os.system"),
    "a flag for a number": edit(*NETWORK, "specification", "hidden_size", to=True),
    "moments of another size": edit(*STATE, "runs", 0, "arrays", "shape", to=[2, 1]),
    "moments of another optimiser": edit(*STATE, "runs", 0, "options", "optimizer", to="sgd"),
    "no networks": edit("model", "learnt", "networks_", to=[]),
    "text for losses": edit("model", "learnt", "loss_curve_", to="low"),
    "text among losses": edit("model", "learnt", "loss_curve_", to=["low"]),
    "a list for a state": edit(*STATE, to=[]),
    "a number for a state": edit(*STATE, to=1),
    "settings that fit would refuse": edit(*STATE, "settings", "entries", "cell", to="mlp"),
    "a position that NumPy would trust": edit(*RANDOM, "state", "pos", to=10**6),
    "a negative position": edit(*RANDOM, "state", "pos", to=-9),
    "nothing for a model": edit("model", to=None),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_parts_that_do_not_fit_together(name, path):
    change(path, EDITS[name])
    complaint(path)


def test_a_tree_that_is_too_deep(path):
    deep = []
    for _ in range(300):
        deep = [deep]
    change(path, edit("model", "parameters", "cell", to=deep))
    assert "levels" in complaint(path)


def test_numbers_that_json_does_not_know(path):
    content = members(path)
    text = content["model.json"].replace(b'"alpha": 0.0', b'"alpha": NaN', 1)
    pack(path, content | {"model.json": text})
    assert "expected numbers that JSON knows, got NaN" in complaint(path)


def test_a_file_is_never_run_nor_imported(path, monkeypatch):
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("ran"))
    gruforecast.load(path)  # what it imports is there
    known = set(sys.modules)
    change(path, edit(*NETWORK, "is", to="antigravity"))
    complaint(path)
    assert set(sys.modules) <= known


def test_no_number_is_read_twice(path):
    """Else a small file could ask for any amount of memory."""

    def double(tree):
        flat = at(tree, (*NETWORK, "flat"))
        tree["model"]["parameters"]["calendar"] = [dict(flat), dict(flat)]

    change(path, double)
    assert "numbers of float32 from" in complaint(path)
