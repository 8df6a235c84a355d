"""Build the docs site: python docs/build/docs_site.py [FOLDER]

It needs the packages of the extra `docs`. The pages are those of docs/ and README.md, with a page
for each estimator, the API from docstrings, and a page for each file that a page links to. They are
written to FOLDER/source, and by Sphinx to FOLDER/html; a warning, such as that of a link that leads
nowhere, is an error. Nothing in the site is fetched from a network, so it also works from disk:
open FOLDER/html/index.html.
"""

import argparse
import json
import os.path
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import catalogue
import measurements
from site_estimators import api_page, estimator_pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SECTIONS = {
    "Start": ["tutorial", "why", "install", "runs", "comparing", "curves"],
    "Python": ["layer", "python", "extending", "api"],
    "Estimators and results": ["estimators", "experiments", "results"],
    "In depth": ["speed", "clusters", "reliability"],
}
"""The navigation; pages that are not named here follow under "More"."""
LANGUAGES = {".py": "python", ".yaml": "yaml"}
PICTURES = (".png", ".svg")
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the site. Returns the exit status of Sphinx."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=ROOT / "outputs" / "site",
        help="where to build; %(default)s",
    )
    folder = parser.parse_args(arguments).folder
    source = folder / "source"
    shutil.rmtree(folder, ignore_errors=True)
    Pages(source).write()
    status = subprocess.run(sphinx(source, folder / "html"), check=False).returncode
    if status == 0:
        print(f"written: {folder / 'html' / 'index.html'}")
    return status


def sphinx(source: Path, site: Path) -> list[str | Path]:
    """The command that builds the pages in `source`; a warning is an error."""
    options: list[str | Path] = ["-q", "-W", "--keep-going", "-b", "html", "-c", DOCS / "site"]
    return [sys.executable, "-m", "sphinx", *options, source, site]


class Pages:
    """The folder from which Sphinx builds the site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.estimators = catalogue.names()
        self.linked: list[Path] = []
        """Files and folders that pages link to and that are not pages."""

    def write(self) -> None:
        """Write all pages."""
        entries = {catalogue.entry(name): measurements.read(name) for name in self.estimators}
        for path in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]:
            if path.name != "estimators.md":
                self._put(_place(path), self._relinked(path))
        for name, text in estimator_pages(entries):
            self._put(Path(name), text)
        self._put(Path("api.md"), api_page())
        for path in self.linked:  # which grows while it is read
            self._put(_place(path), self._shown(path))
        for path in [path for path in DOCS.rglob("*") if path.suffix in PICTURES]:
            place = self.folder / path.relative_to(DOCS)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
        index = self.folder / "index.md"
        index.write_text(index.read_text() + self._navigation())

    def _put(self, place: Path, text: str) -> None:
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _relinked(self, page: Path) -> str:
        """The text of a page, with links to where its targets are on the site."""
        here = _place(page).parent

        def link(match: re.Match[str]) -> str:
            label, target, anchor = match[1], match[2], match[3] or ""
            if not target or ":" in target:
                return match[0]
            path = Path(os.path.normpath(page.parent / target))
            if path == DOCS / "estimators.md" and anchor[1:] in self.estimators:
                place, anchor = Path("estimators") / f"{anchor[1:]}.md", ""
            else:
                place = self._placed(path)
            # A label that is the name of a file becomes the title of its page.
            label = "" if label == target and path in _pages() else label
            return f"[{label}]({os.path.relpath(place, here)}{anchor})"

        return _LINK.sub(link, page.read_text())

    def _placed(self, path: Path) -> Path:
        """Where a file or folder that a page links to is on the site."""
        if path.exists() and path not in _pages() and path.suffix not in PICTURES:
            self._link(path)
        return _place(path)

    def _link(self, path: Path) -> None:
        if path not in self.linked:
            self.linked.append(path)

    def _shown(self, path: Path) -> str:
        """The page of a file or folder of the repository."""
        name = path.relative_to(ROOT)
        if path.is_dir():
            files = sorted(
                one for one in path.rglob("*") if one.suffix in (".py", ".yaml", ".csv", ".md")
            )
            for file in files:
                self._link(file)
            here = _place(path).parent
            rows = [
                f"- [{one.relative_to(path)}]({os.path.relpath(_place(one), here)})"
                for one in files
            ]
            return f"---\norphan: true\n---\n# {name}/\n\n" + "\n".join(rows) + "\n"
        if path.suffix == ".ipynb":
            return f"---\norphan: true\n---\n# {name}\n\n{_notebook(path)}"
        fence = "`" * 6
        text = path.read_text()
        language = LANGUAGES.get(path.suffix, "text")
        return f"---\norphan: true\n---\n# {name}\n\n{fence}{language}\n{text}\n{fence}\n"

    def _navigation(self) -> str:
        known = {name for names in SECTIONS.values() for name in names}
        rest = {path.stem for path in self.folder.glob("*.md")} - known - {"index", "contents"}
        trees = []
        for title, names in (SECTIONS | {"More": ["contents", *sorted(rest)]}).items():
            there = [name for name in names if (self.folder / f"{name}.md").exists()]
            trees.append(
                f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(there) + "\n```\n"
            )
        return "".join(trees)


@cache
def _pages() -> set[Path]:
    return {ROOT / "README.md", *DOCS.glob("*.md")}


def _place(path: Path) -> Path:
    """Where the site has a page, a picture, or the page of another file of the repository."""
    if path == ROOT / "README.md":
        return Path("index.md")
    if path == DOCS / "README.md":
        return Path("contents.md")
    if path in _pages() or path.suffix in PICTURES:
        return path.relative_to(DOCS)
    return Path("files", f"{path.relative_to(ROOT)}.md")


def _notebook(path: Path) -> str:
    """The cells of a notebook as Markdown, without their outputs."""
    cells = json.loads(path.read_text())["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return (
        "\n\n".join(
            text.replace("\n# ", "\n## ") if kind == "markdown" else f"```python\n{text}\n```"
            for kind, text in texts
        )
        + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
