"""Files of models: how they are written, and what is said of those that are damaged."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import gruforecast
from gruforecast import GRUForecaster, ModelFormatError
from gruforecast.foundations import archive
from tests.helpers import wavy_series
from tests.saving import change, complaint, members, pack

# A network that has learnt next to nothing adds little to what it starts from.
pytestmark = pytest.mark.filterwarnings("ignore::gruforecast.forecasting.skill.EchoWarning")

VALUES = wavy_series(60, 1)[:, 0]


@pytest.fixture(scope="module")
def model():
    return GRUForecaster(horizon=2, lookback=4, hidden_size=4, max_iter=1, random_state=0).fit(
        VALUES
    )


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "model.gru")
    return tmp_path / "model.gru"


# Writing.


def test_equal_models_are_equal_files(model, path, tmp_path):
    for name in (str(tmp_path / "text.gru"), Path(tmp_path, "path.gru")):
        assert model.save(name) is None
        assert Path(name).read_bytes() == path.read_bytes()
    other = GRUForecaster(**model.get_params()).fit(VALUES)
    other.save(tmp_path / "other.gru")
    assert (tmp_path / "other.gru").read_bytes() == path.read_bytes()
    assert path.stat().st_size < 0.7 * len(pickle.dumps(model))


@pytest.mark.parametrize("step", ["json.dumps", "zipfile.ZipFile", "os.fsync", "os.replace"])
def test_a_failure_leaves_the_older_file_and_nothing_beside_it(step, path, monkeypatch):
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(f"gruforecast.foundations.archive.{step}", fail)
        with pytest.raises(OSError, match="the disk is full"):
            GRUForecaster().save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_link_goes_on_to_lead_to_the_file(path, tmp_path):
    link = tmp_path / "link.gru"
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("links are not allowed here")
    GRUForecaster(horizon=9).save(link)
    assert link.is_symlink()
    assert gruforecast.load(path).horizon == 9


def test_files_may_be_read_by_whom_others_may_be(path):
    path.with_name("other").touch()
    assert path.stat().st_mode == path.with_name("other").stat().st_mode


def test_paths_that_lead_nowhere(model, tmp_path):
    with pytest.raises(
        FileNotFoundError, match="path: expected a folder that exists, got .*; make"
    ):
        model.save(tmp_path / "none" / "model.gru")
    with pytest.raises(
        IsADirectoryError, match="path: expected the name of a file, got the folder"
    ):
        model.save(tmp_path)
    for action in (model.save, gruforecast.load):
        with pytest.raises(TypeError, match="path: expected the name of a file, got 3; pass a str"):
            action(3)
    with pytest.raises(FileNotFoundError, match="model.gru"):
        gruforecast.load(tmp_path / "model.gru")


def test_another_process_reads_it(model, path):
    code = "import sys, gruforecast; print(gruforecast.load(sys.argv[1]).forecast().to_json())"
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == model.forecast().to_json()


# Damage.


def test_a_file_that_ends_too_early(path):
    data = path.read_bytes()
    for n in sorted({*range(0, len(data), 97), *range(40), len(data) - 1}):
        path.write_bytes(data[:n])
        complaint(path)


def test_bytes_that_changed(path):
    data, found = path.read_bytes(), 0
    for at in range(0, len(data), 23):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x24]) + data[at + 1 :])
        try:
            gruforecast.load(path)  # where nothing depends on the byte
        except ModelFormatError:
            found += 1
    assert found > 0.8 * len(data) / 23


def test_members_that_lack(path):
    content = members(path)
    for name in content:
        pack(path, {kept: data for kept, data in content.items() if kept != name})
        complaint(path)


def test_members_that_do_not_belong(path):
    content = members(path)
    for name in ("other.txt", "arrays/object.npy", "../evil.npy", "arrays/int8.npy"):
        pack(path, content | {name: content["arrays/float64.npy"]})
        complaint(path)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as file:
        file.writestr("model.json", content["model.json"])
    assert "expected a zip with model.json" in complaint(path)


OTHERS = {
    "nothing": b"",
    "text": b"horizon,24\n",
    "a pickle": pickle.dumps({"model": 1}),
    "an array": archive._as_npy(np.zeros(3)),
    "a zip of nothing": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files(name, path):
    path.write_bytes(OTHERS[name])
    complaint(path)


def test_files_of_numpy(path):
    with path.open("wb") as file:
        np.savez(file, weights=np.zeros(3))
    assert "expected a zip with model.json" in complaint(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"version": 1}', "\xff", "[" * 10**5])
def test_a_tree_that_is_none(text, path):
    content = members(path)
    pack(path, content | {"model.json": text.encode("latin-1")})
    complaint(path)


@pytest.mark.parametrize("version", [0, -1, 1.0, True, None, "1", [1]])
def test_versions_that_never_were(version, path):
    change(path, lambda tree: tree.update(version=version))
    assert f"expected format version 1, got version {version!r}" in complaint(path)


def test_a_newer_version_says_to_upgrade_whatever_else_it_holds(path):
    content = members(path)
    tree = {"format": "gruforecast model", "version": 2, "new": 1}
    pack(path, content | {"model.json": json.dumps(tree), "more.bin": b""})
    text = complaint(path)
    assert text == (
        f"{path}: expected format version 1 at most, got version 2; upgrade gruforecast."
    )


# Arrays.


def saved_arrays(data, dtype=None, pickled=False):
    file = io.BytesIO()
    np.save(file, np.asarray(data, dtype), allow_pickle=pickled)
    return file.getvalue()


class Evil:
    def __reduce__(self):
        return os.abort, ()


@pytest.mark.parametrize(
    "data",
    [
        saved_arrays(np.zeros(3)),
        saved_arrays(np.zeros(10_000)),
        saved_arrays(np.zeros((2, 3))),
        saved_arrays(np.zeros(200), ">f8"),
        saved_arrays(np.zeros(200), "f4"),
        saved_arrays([Evil()], object, pickled=True),
        saved_arrays(np.zeros(200)).replace(b"(200,)", b"(2000000000000000,)"),
        b"\x93NUMPY\x09\x00" + saved_arrays(np.zeros(200))[8:],
        b"",
    ],
    ids=["fewer", "more", "axes", "order", "precision", "objects", "huge", "version", "empty"],
)  # fmt: skip
def test_arrays_that_do_not_fit(data, path):
    pack(path, members(path) | {"arrays/float64.npy": data})
    complaint(path)


def test_what_would_not_fit_into_memory(path):
    content = members(path)
    content["model.json"] = content["model.json"] + b" " * (2 * archive.SMALL)
    pack(path, content, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    assert "when expanded" in complaint(path)


def test_what_repeats_itself_is_not_taken_for_an_attack(tmp_path):
    values = np.zeros(archive.SMALL // 6)
    archive.write(tmp_path / "zeros.gru", values)
    np.testing.assert_array_equal(archive.read(tmp_path / "zeros.gru", np.ndarray), values)
