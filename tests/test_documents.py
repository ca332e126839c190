"""The README, the documentation and the examples say what is true: their code runs."""

import re
import runpy
from collections import Counter
from pathlib import Path

import pytest

from tests.test_architecture import FLOORS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WRITTEN = (page for page in sorted(DOCS.rglob("*.md")) if DOCS / "_build" not in page.parents)
PAGES = [ROOT / "README.md", *WRITTEN]
SNIPPETS = [
    pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def without_code(page):
    """The text of a page outside its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page):
    """What GitHub calls the headings of a page: a number follows one that came before."""
    found, seen = [], Counter()
    for heading in re.findall(r"^#+ +(.+)$", without_code(page), re.MULTILINE):
        shown = re.sub(r"\[(.+?)\]\(.*?\)", r"\1", heading.strip())
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """A folder and a screen of one's own: the figures that were shown, which are closed after."""
    monkeypatch.chdir(tmp_path)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    figures = []

    def show(*given, **options):
        figures.extend(pyplot.figure(number) for number in pyplot.get_fignums())
        for figure in figures:
            figure.canvas.draw()
        pyplot.close("all")

    monkeypatch.setattr(pyplot, "show", show)
    yield figures
    pyplot.close("all")


@pytest.mark.parametrize("code", SNIPPETS)
@pytest.mark.filterwarnings("ignore:the forecast merely echoes the last value")
def test_a_snippet_runs(code, capsys, shown):
    exec(compile(code, "snippet", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_an_example_runs(path, capsys, shown):
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()
    assert bool(shown) == ("plt.show()" in path.read_text())


@every_page
def test_links_inside_the_repository_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", without_code(page)):
        aim = page.parent / target if target else page
        assert aim.exists(), target
        if anchor:
            assert anchor in anchors(aim), f"{target}#{anchor}"


@every_page
def test_nothing_is_left_to_fill_in(page):
    assert not re.search(r"\b(TODO|TBD)\b", page.read_text())


@pytest.mark.parametrize("name", ["architecture.md", "_static/architecture.svg"])
def test_the_architecture_shows_every_folder(name):
    text = (DOCS / name).read_text()
    assert [folder for folder in FLOORS if not re.search(rf"\b{folder}\b", text)] == []
