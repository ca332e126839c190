"""Trees and bytes that changed, in every place: they make a model or an error."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gruforecast
from gruforecast import GRUClassifier, GRUForecaster, ModelFormatError
from tests.saving import MODELS, at, members, nodes, pack
from tests.test_saving_hostile import PAYLOADS

# A network that has learnt next to nothing adds little to what it starts from.
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")


@pytest.fixture(scope="module", params=MODELS)
def content(request, tmp_path_factory):
    """The members of a file."""
    path = tmp_path_factory.mktemp("models") / "model.gru"
    MODELS[request.param]().save(path)
    return members(path)


def outcome(path, content, tree):
    """The model that a changed tree makes, or the error."""
    pack(path, content | {"model.json": json.dumps(tree)})
    try:
        return gruforecast.load(path)
    except ModelFormatError as problem:
        return problem


def test_every_field_is_needed_and_no_other(content, tmp_path):
    tree = json.loads(content["model.json"])
    parts = [p for p in nodes(tree) if isinstance(at(tree, p), dict) and "is" in at(tree, p)]
    of_kinds = {at(tree, place)["is"]: place for place in parts}
    assert len(of_kinds) > 10
    for place in of_kinds.values():
        for field in sorted(at(tree, place).keys() - {"is"}):  # without which it is a dict
            for new in (None, f"{field}_"):
                changed = copy.deepcopy(tree)
                node = at(changed, place)
                value = node.pop(field)
                if new is not None:
                    node[new] = value
                found = outcome(tmp_path / "model.gru", content, changed)
                assert isinstance(found, ModelFormatError), (place, field, new)
        changed = copy.deepcopy(tree)
        at(changed, place)["__class__"] = "os.system"
        found = outcome(tmp_path / "model.gru", content, changed)
        assert isinstance(found, ModelFormatError), place


@pytest.mark.parametrize("which", ["parameters", "learnt", "settings"])
def test_every_parameter_and_attribute_is_needed_and_no_other(which, content, tmp_path):
    tree = json.loads(content["model.json"])
    where = ("model", which)
    if which == "settings":
        where = ("model", "learnt", "_state", "settings", "entries")
    optional = {"n_features_in_", "feature_names_in_", "_reads_3d", "coverage_"}
    for name in {*at(tree, where)} - optional:
        changed = copy.deepcopy(tree)
        value = at(changed, where).pop(name)
        assert isinstance(outcome(tmp_path / "m.gru", content, changed), ModelFormatError), name
        at(changed, where)[f"{name}x"] = value
        assert isinstance(outcome(tmp_path / "m.gru", content, changed), ModelFormatError), name
    for name in ("predict", "__class__", "__dict__", "save"):
        changed = copy.deepcopy(tree)
        at(changed, where)[name] = 1
        assert isinstance(outcome(tmp_path / "m.gru", content, changed), ModelFormatError), name


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
    st.lists(st.integers(-2, 5), max_size=3), st.just({}), st.sampled_from(PAYLOADS),
    st.sampled_from(["array", "tuple", "dict", "float", "Tail", "GRUForecaster", "offset", "zone"]),
)  # fmt: skip
HURRIED = settings(
    max_examples=150, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


@HURRIED
@given(data=st.data())
def test_any_change_of_the_tree_makes_a_model_or_an_error(data, content, tmp_path):
    tree = json.loads(content["model.json"])
    for _ in range(data.draw(st.integers(1, 2))):
        places = list(nodes(tree))[1:]
        place = data.draw(st.sampled_from(places))
        other = data.draw(st.one_of(JUNK, st.sampled_from(places).map(lambda p: at(tree, p))))
        at(tree, place[:-1])[place[-1]] = copy.deepcopy(other)
    content = content | {"model.json": json.dumps(tree, allow_nan=True)}
    pack(tmp_path / "model.gru", content)
    try:
        model = gruforecast.load(tmp_path / "model.gru")
    except ModelFormatError:
        return
    assert type(model) in (GRUForecaster, GRUClassifier)


@HURRIED
@given(data=st.data())
def test_any_change_of_bytes_makes_a_model_or_an_error(data, content, tmp_path):
    path = tmp_path / "model.gru"
    pack(path, content)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 30))
    path.write_bytes(bytes(raw[cut:]))
    try:
        gruforecast.load(path)
    except ModelFormatError:
        return
