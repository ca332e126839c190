"""The site is built without a warning and has what it should have."""

import re
import subprocess
import sys
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import pytest

import gruforecast

DOCS = Path(__file__).resolve().parent.parent / "docs"
BUILDERS = ("sphinx", "furo", "myst_parser", "numpydoc", "sphinx_copybutton")
MISSING = [name for name in BUILDERS if find_spec(name) is None]
MARKUP = ("](", "``", "**", "{eval-rst}", ":func:", ":class:", "$$")


def names(reference):
    """What the pages of the reference describe: the anchors of its entries."""
    return set(re.findall(r'id="(?:module-)?gruforecast\.(\w+)"', reference))


def parameters(reference, name):
    """Names that the entry of a class describes in its lists."""
    entry = reference.split(f'id="gruforecast.{name}"')[1].split('<dl class="py class">')[0]
    return set(re.findall(r"\w+", " ".join(re.findall(r"<dt><strong>(.*?)</strong>", entry))))


def shown(page):
    """The words of a page, without its code and signatures."""
    text = re.sub(r"<(script|style|pre|code)\b.*?</\1>", "", page, flags=re.DOTALL)
    text = re.sub(r'<dt class="sig .*?</dt>', "", text, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", text))


@pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: install gruforecast[docs]")
def test_the_site_is_built_without_a_warning_and_is_complete(tmp_path):
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    places = [str(DOCS), str(tmp_path / "html")]
    result = subprocess.run(
        [*build, "-d", str(tmp_path / "doctrees"), *places],
        cwd=DOCS.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    pages = {page: page.read_text() for page in sorted((tmp_path / "html").rglob("*.html"))}
    reference = "".join(text for page, text in pages.items() if page.parent.name == "api")
    assert sorted(set(gruforecast.__all__) - names(reference)) == []
    assert [
        name for name in gruforecast.metrics.__all__ if f"metrics.{name}" not in reference
    ] == []
    for name in ("GRUForecaster", "GRUClassifier", "GRUEncoder"):
        wanted = set(getattr(gruforecast, name)().get_params())
        assert sorted(wanted - parameters(reference, name)) == []
    for page, text in pages.items():
        assert [mark for mark in MARKUP if mark in shown(text)] == [], page.name
