"""The docs site: it is built as docs/README.md says, with warnings as errors."""

import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import catalogue
import docs_site
import pytest
import site_estimators
from pages import ROOT

BUILD = ROOT / "docs" / "build" / "docs_site.py"
FETCHED = re.compile(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="([^"]+)"')


def test_the_site_builds_without_a_warning_or_a_broken_link_and_loads_nothing_from_elsewhere(
    tmp_path,
):
    built = subprocess.run([sys.executable, BUILD, tmp_path], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    site = tmp_path / "html"
    pages = {page: page.read_text() for page in site.rglob("*.html")}
    for page, text in pages.items():
        assert not [link for link in FETCHED.findall(text) if "//" in link], page
        assert not re.search(r"@import|url\(\s*['\"]?http", text), page
    broken = [(page.name, link) for page in pages for link in leading_nowhere(page, pages)]
    assert broken == []
    for name in catalogue.names():
        text = pages[site / "estimators" / f"{name}.html"]
        assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"' in text, name
        assert f"{name}.svg" in text, name
    assert (
        '"antithet"' in (site / "searchindex.js").read_text()
        or "antithet:" in (site / "searchindex.js").read_text()
    )
    assert 'id="bnrun.Binary"' in pages[site / "api.html"]


def leading_nowhere(page: Path, pages: dict[Path, str]) -> list[str]:
    """The links of a built page whose file or anchor does not exist."""
    links = [
        unquote(unescape(link)) for link in re.findall(r'<a\b[^>]*?href="([^"]+)"', pages[page])
    ]
    return [link for link in links if ":" not in link and not leads_somewhere(link, page, pages)]


def leads_somewhere(link: str, page: Path, pages: dict[Path, str]) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if target not in pages:
        return target.exists()
    return not anchor or f'id="{anchor}"' in pages[target]


@pytest.mark.parametrize("link", ["nowhere.md", "index.md#nowhere", "nothing/"])
def test_a_link_that_leads_nowhere_fails_the_build(link, tmp_path):
    (tmp_path / "index.md").write_text(f"# Title\n\n[label]({link})\n")
    command = docs_site.sphinx(tmp_path, tmp_path / "html")
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode != 0
    assert "[myst.xref_missing]" in built.stderr


def test_every_estimator_has_a_typeset_formula_of_what_its_docstring_says():
    formulas = site_estimators.formulas()
    assert sorted(formulas) == catalogue.names()
    for name, formula in formulas.items():
        assert formula.says == catalogue.entry(name).passages["backward"], (
            f"the docstring of {name} has changed: see whether docs/site/formulas.yaml still fits"
        )
