"""The floors of the package, the size of its files, and what importing it loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "gruforecast"
FILES = sorted(PACKAGE.rglob("*.py"))
FLOORS = {
    "foundations": 0, "cells": 1, "network": 2, "training": 3, "data": 3, "estimators": 4,
    "forecasting": 5, "model_selection": 5, "plotting": 6, "diagnostics": 6, "bench": 6, "cli": 6,
}  # fmt: skip
NUMBA_SETTINGS = {"fastmath", "parallel", "error_model", "nogil", "cache", "njit", "jit", "prange"}


def floor_of(module):
    """The number of the floor that a module gruforecast.<folder>... lies on."""
    return FLOORS[module.split(".")[1]]


def module_name(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def imported_modules(tree):
    """Every module, and every name of one, that is imported; relative imports are not used."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno} imports relative to its folder"
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("path", FILES, ids=module_name)
class TestEveryFile:
    def test_imports_only_go_down(self, path):
        if path.parent == PACKAGE:
            return
        own = floor_of(module_name(path))
        for module in imported_modules(ast.parse(path.read_text())):
            if module.startswith("gruforecast."):
                assert floor_of(module) <= own, f"{module} lies above {path}"

    def test_it_can_be_read_in_one_sitting(self, path):
        assert len(path.read_text().splitlines()) <= 300

    def test_numba_options_stand_on_floor_0_alone(self, path):
        if path.name == "jit.py":
            return
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword):
                assert node.arg not in NUMBA_SETTINGS, f"line {node.value.lineno}: {node.arg}"
            if isinstance(node, ast.ImportFrom) and node.module == "numba":
                assert not NUMBA_SETTINGS & {name.name for name in node.names}
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "numba":
                assert node.attr not in NUMBA_SETTINGS

    def test_nothing_is_printed(self, path):
        calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
        assert all(getattr(call.func, "id", "") != "print" for call in calls)

    def test_it_says_what_it_is_for(self, path):
        assert ast.get_docstring(ast.parse(path.read_text()))


def test_every_folder_has_its_floor():
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(FLOORS)


def test_the_import_is_light():
    code = "import sys, gruforecast; print(*sorted(set(sys.modules) & set(sys.argv[1:])))"
    heavy = ["numba", "llvmlite", "pandas", "matplotlib", "sklearn", "scipy", "numpy"]
    result = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


def test_no_kernel_is_compiled_at_import():
    code = (
        "import gruforecast.training, numba\n"
        "from numba.core.dispatcher import Dispatcher\n"
        "import gc\n"
        "assert not [d for d in gc.get_objects() if isinstance(d, Dispatcher) and d.overloads\n"
        "            and d.py_func.__module__.startswith('gruforecast')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_source_is_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this copy is not a git repository")
    assert not [name for name in listed.stdout.split() if "__pycache__" in name or ".nb" in name]
