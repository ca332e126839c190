"""Machine code on disk: found again, rebuilt when the source changes, never in the way."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gruforecast.foundations import jit

PACKAGE = Path(__file__).resolve().parent.parent / "gruforecast"
PROGRAM = """
import numpy as np
from gruforecast.foundations.jit import cache_folder
from gruforecast.network.windows import gather
out = np.zeros((2, 1, 1, 1), np.float32)
gather(np.arange(9, dtype=np.float32).reshape(9, 1), np.array([3]), np.array([0]), 1, out)
assert out.ravel().tolist() == [3.0, 4.0], out
print(bool(gather._cache_hits if hasattr(gather, "_cache_hits") else 0), cache_folder())
"""


def start(folder, package=PACKAGE, **environment):
    """A process that runs a kernel: prints whether it came from disk, and the folder."""
    settings = {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(package.parent), **environment}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **settings},
        cwd=package.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def copy_package(folder):
    """The package as it stands, copied into a folder."""
    shutil.copytree(PACKAGE, folder / "gruforecast", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "gruforecast"


def finish(process):
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    found, folder = output.split(maxsplit=1)
    return found == "True", folder.strip()


def test_a_second_process_finds_the_machine_code(tmp_path):
    assert finish(start(tmp_path))[0] is False
    found, folder = finish(start(tmp_path))
    assert found is True
    assert folder.startswith(str(tmp_path))


def test_an_edit_in_another_file_is_seen(tmp_path):
    package = copy_package(tmp_path)
    cache = tmp_path / "cache"
    finish(start(cache, package))
    assert finish(start(cache, package))[0] is True
    with (package / "cells" / "rnn.py").open("a") as file:
        file.write("# an edit\n")
    assert finish(start(cache, package))[0] is False


@pytest.mark.parametrize("damaged", [lambda b: b[:100], lambda b: pickle.dumps(("other",))])
def test_a_damaged_file_is_compiled_anew(tmp_path, damaged):
    finish(start(tmp_path))
    for path in tmp_path.rglob("*.nbc"):
        path.write_bytes(damaged(path.read_bytes()))
    assert finish(start(tmp_path))[0] is False
    assert finish(start(tmp_path))[0] is True


def test_processes_that_start_at_once_do_not_disturb_each_other(tmp_path):
    for process in [start(tmp_path) for _ in range(4)]:
        finish(process)
    assert finish(start(tmp_path))[0] is True
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".nbc"]


def test_a_folder_that_cannot_be_made_is_passed_over(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    _, folder = finish(start(file))
    assert not folder.startswith(str(file))


def test_the_temporary_folder_is_the_last_resort(tmp_path):
    package = copy_package(tmp_path)
    blocked, temporary = package / "__pycache__", tmp_path / "temporary"
    blocked.write_text("in the way")
    temporary.mkdir()
    settings = {"XDG_CACHE_HOME": str(blocked), "LOCALAPPDATA": str(blocked)}
    settings |= {"TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    _, folder = finish(start(blocked, package, **settings))
    assert folder.startswith(str(temporary))


def test_nothing_is_written_beside_an_installed_package(tmp_path):
    """pip removes what it brought, and bytecode; of other files Python makes an empty package."""
    package, user = copy_package(tmp_path / "site-packages"), tmp_path / "user"
    settings = {"XDG_CACHE_HOME": str(user), "PYTHONDONTWRITEBYTECODE": ""}
    brought = {*package.rglob("*")}
    _, folder = finish(start("", package, **settings))
    assert Path(folder).parent == user / "gruforecast"
    assert finish(start("", package, **settings)) == (True, folder)
    added = [path for path in package.rglob("*") if path not in brought and path.is_file()]
    assert {path.suffix for path in added} == {".pyc"}


def test_a_checkout_keeps_its_kernels_to_itself(tmp_path):
    package = copy_package(tmp_path)
    shutil.copy(PACKAGE.parent / "pyproject.toml", tmp_path)
    _, folder = finish(start("", package, XDG_CACHE_HOME=str(tmp_path / "user")))
    assert Path(folder).parent == package / "__pycache__" / "kernels"


def test_without_any_folder_kernels_run_all_the_same(monkeypatch):
    monkeypatch.setattr(jit, "_cache_candidates", lambda: iter(()))
    assert jit.cache_folder.__wrapped__() is None
    monkeypatch.setattr(jit, "cache_folder", lambda: None)
    twice = jit.kernel(lambda x: x + x)
    assert twice(3.0) == 6.0


def test_functions_that_the_stamp_does_not_cover_are_not_kept():
    def added(number):
        return jit.kernel(lambda x: x + number)

    assert [added(number)(5.0) for number in (1.0, 100.0)] == [6.0, 105.0]
    assert not list(jit.cache_folder().glob("*lambda*"))


def test_old_folders_are_removed(tmp_path):
    old, recent = tmp_path / "gruforecast" / "old", tmp_path / "gruforecast" / "recent"
    for folder in (old, recent):
        folder.mkdir(parents=True)
    (tmp_path / "gruforecast").chmod(0o700)
    os.utime(old, (0, 0))
    finish(start(tmp_path))
    assert recent.exists()
    assert not old.exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no users by number")
def test_a_folder_that_others_can_write_to_is_passed_over(tmp_path):
    (tmp_path / "gruforecast").mkdir()
    (tmp_path / "gruforecast").chmod(0o777)
    _, folder = finish(start(tmp_path))
    assert not folder.startswith(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no users by number")
def test_a_folder_is_for_its_owner_alone(tmp_path):
    _, folder = finish(start(tmp_path))
    assert Path(folder).stat().st_mode & 0o077 == 0


EVERY_KERNEL = """
import hashlib
import numpy as np
from gruforecast.network import Network, Specification, Windows
from gruforecast.training import Dataset, TrainingOptions, train

rng = np.random.default_rng(0)
windows = Windows(rng.normal(size=(60, 3)), np.arange(50), 6, lengths=rng.integers(0, 7, 50))
targets = rng.normal(size=50)
rich = {"layer_norm": True, "recurrent_dropout": 0.2, "num_layers": 2, "bidirectional": True}
for choices, loss, width in [
    ({"cell": "gru"}, "squared_error", 1),
    ({"cell": "gru", "dense_sizes": (5,), **rich}, "student_t", 3),
    ({"cell": "gru", "reset_after": False}, "gaussian", 2),
    ({"cell": "lstm"}, "huber", 1),
    ({"cell": "rnn"}, "quantile", 3),
]:
    network = Network(Specification(3, width, hidden_size=9, **choices), seed=0)
    options = TrainingOptions(loss=loss, max_epochs=2, learning_rate=0.02, clip_norm=1.0)
    train(network, Dataset(windows, targets), options)
    for result in (network.flat, network.predict(windows)):
        print(hashlib.sha256(result.tobytes()).hexdigest())
"""


def test_kernels_give_the_same_bits_just_compiled_and_from_the_disk(tmp_path):
    """A part of a kernel that is not merged into it exists twice, with other last bits."""
    settings = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(PACKAGE.parent)}
    outputs = [
        subprocess.run(
            [sys.executable, "-c", EVERY_KERNEL],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert len(outputs[0]) == 10
    assert outputs[0] == outputs[1]
